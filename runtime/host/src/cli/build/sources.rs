//! A module's source files as they are at one time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lovage_queue::registry::Digest;

/// What is no source wherever it lies. `CACHEDIR.TAG` is in what cargo builds into,
/// `pyvenv.cfg` in virtual environments, by whatever names they go.
const FOLDERS: [&str; 3] = ["node_modules", "__pycache__", "target"];
const MARKS: [&str; 2] = ["CACHEDIR.TAG", "pyvenv.cfg"];
/// Files that builds write beside what they build from.
const LOCKS: [&str; 2] = ["Cargo.lock", "package-lock.json"];
/// Files that are looked at: a folder of more is some other thing.
const MOST: usize = 20_000;

#[derive(Clone, PartialEq, Eq)]
struct File {
    changed: Option<SystemTime>,
    size: u64,
    /// Of its content. `None` where it cannot be read.
    digest: Option<Digest>,
}

/// The source files of a folder.
#[derive(Clone, Default)]
pub(super) struct Sources {
    files: BTreeMap<PathBuf, File>,
}

impl Sources {
    /// Those that a folder has now. What `before` knows of is read only where its time or
    /// its size is another one.
    pub(super) fn of(folder: &Path, before: &Sources) -> Self {
        let mut sources = Sources::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            // What vanishes meanwhile is not there.
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                // Links are followed for files, never for folders: they may go in circles.
                let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
                if is_folder && is_source_folder(&path) {
                    folders.push(path);
                } else if !is_folder && is_source(&path) && sources.files.len() < MOST {
                    sources.add(path, before);
                }
            }
        }
        sources
    }

    fn add(&mut self, path: PathBuf, before: &Sources) {
        let Ok(about) = std::fs::metadata(&path) else {
            return;
        };
        let (changed, size) = (about.modified().ok(), about.len());
        let known = before.files.get(&path);
        let file = match known.filter(|it| (it.changed, it.size) == (changed, size)) {
            Some(known) => known.clone(),
            None => File {
                changed,
                size,
                digest: std::fs::read(&path).ok().map(|it| Digest::of(&it)),
            },
        };
        self.files.insert(path, file);
    }

    /// The files whose content is another one than before, with those that came or went.
    pub(super) fn since<'a>(&'a self, before: &'a Sources) -> Vec<&'a Path> {
        let digest = |of: &'a Sources, path| of.files.get(path).map(|it: &File| it.digest);
        let here = self.files.keys();
        let gone = before
            .files
            .keys()
            .filter(|it| !self.files.contains_key(*it));
        let all = here.chain(gone);
        let other = all.filter(|path| digest(self, *path) != digest(before, *path));
        other.map(PathBuf::as_path).collect()
    }

    /// Takes a build's own changes of lock files for its work, not for the author's.
    pub(super) fn built(&mut self, after: &Sources) {
        for (path, file) in &after.files {
            let name = path.file_name().unwrap_or_default();
            if LOCKS.iter().any(|it| name == *it) {
                self.files.insert(path.clone(), file.clone());
            }
        }
    }
}

fn is_source_folder(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let built = FOLDERS.contains(&&*name) || name.ends_with(".egg-info");
    !name.starts_with('.') && !built && !MARKS.iter().any(|it| path.join(it).exists())
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // What editors leave for a moment, and what the build writes.
    let fleeting = name.starts_with('.') || name.ends_with('~') || name.ends_with(".swp");
    !fleeting && !name.contains(".wasm") && !name.ends_with(".pyc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_a_build_writes_is_no_source() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        put(folder, "src/lib.rs", "one");
        let before = Sources::of(folder, &Sources::default());
        assert_eq!(before.files.len(), 1);
        for file in [
            "target/x.rs",
            "node_modules/a/index.js",
            ".venv/lib/a.py",
            "other-venv/pyvenv.cfg",
            "built/CACHEDIR.TAG",
            "src/__pycache__/a.pyc",
            "hello.wasm",
            "hello.wasm.part",
            ".git/HEAD",
            "src/.lib.rs.swp",
            "src/lib.rs~",
        ] {
            put(folder, file, "x");
        }
        let after = Sources::of(folder, &before);
        assert_eq!(after.since(&before), [] as [&Path; 0]);
    }

    #[test]
    fn what_changes_is_told_and_what_is_only_touched_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        for file in ["a", "b", "c"] {
            put(folder, file, "one");
        }
        let before = Sources::of(folder, &Sources::default());
        put(folder, "a", "longer");
        std::fs::remove_file(folder.join("b")).unwrap();
        let touched = std::fs::File::options().append(true).open(folder.join("c"));
        touched
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        put(folder, "d", "new");
        let after = Sources::of(folder, &before);
        let changed = ["a", "d", "b"].map(|it| folder.join(it));
        assert_eq!(after.since(&before), changed);
    }

    #[test]
    fn a_lock_that_the_build_wrote_is_not_built_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        put(folder, "Cargo.toml", "x");
        let mut before = Sources::of(folder, &Sources::default());
        put(folder, "Cargo.lock", "by cargo");
        put(folder, "lib.rs", "by the author, meanwhile");
        let after = Sources::of(folder, &before);
        before.built(&after);
        assert_eq!(after.since(&before), [folder.join("lib.rs")]);
        put(folder, "Cargo.lock", "by the author");
        let later = Sources::of(folder, &after);
        assert_eq!(later.since(&after), [folder.join("Cargo.lock")]);
    }
}
