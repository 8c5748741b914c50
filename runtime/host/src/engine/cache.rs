//! Compiled modules on disk, so that a restarted worker compiles nothing anew.
//!
//! ```text
//! <dir>/key                          32 random bytes, for the owner's eyes only
//! <dir>/<fingerprint>/<digest>.cwasm a MAC, the module's size before it was
//!                                    compiled (8 bytes, little-endian), then
//!                                    wasmtime's own artifact
//! ```
//!
//! To load an artifact is to run it with the host's rights, so nothing is
//! loaded that this host did not write: each file carries a keyed blake3 MAC
//! over its digest and all of its content. A file that is torn, bent, of another key or of
//! another digest is removed, and its module compiled anew. The fingerprint is
//! that of the compiler and its settings; another version never sees the file.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lovage_queue::registry::Digest;

/// The length of a MAC, and of the key.
const MAC: usize = blake3::OUT_LEN;

/// A folder of compiled modules.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; MAC],
    /// Bytes that the folder may hold.
    most: u64,
}

impl Cache {
    /// Opens the cache in `dir`, and makes it where there is none. `compiler`
    /// stands for all that an artifact depends on beside its module.
    pub(crate) fn open(dir: &Path, compiler: impl Hash, most: u64) -> io::Result<Self> {
        private_folder(dir)?;
        let key = key(dir)?;
        let folder = dir.join(fingerprint(compiler));
        private_folder(&folder)?;
        Ok(Cache { folder, key, most })
    }

    /// The size of a module and its artifact, if there is one that this host
    /// wrote.
    pub(crate) fn get(&self, digest: Digest) -> Option<(u64, Vec<u8>)> {
        let path = self.path(digest);
        let mut file = File::open(&path).ok()?;
        let (mut mac, mut size, mut artifact) = ([0; MAC], [0; 8], Vec::new());
        let read = file.read_exact(&mut mac).is_ok()
            && file.read_exact(&mut size).is_ok()
            && file.read_to_end(&mut artifact).is_ok();
        // `Hash` compares in constant time.
        if read && self.mac(digest, size, &artifact) == blake3::Hash::from_bytes(mac) {
            // Says that it is in use. Where that fails it is only pruned early.
            let _ = file.set_modified(SystemTime::now());
            return Some((u64::from_le_bytes(size), artifact));
        }
        tracing::warn!(%digest, "removing a compiled module that this host did not write");
        self.remove(digest);
        None
    }

    /// Keeps an artifact. To fail at it costs a compilation later, so it is
    /// told and not raised.
    pub(crate) fn put(&self, digest: Digest, size: u64, artifact: &[u8]) {
        let size = size.to_le_bytes();
        let mac = self.mac(digest, size, artifact);
        let written = write_new(&self.folder, &[mac.as_bytes(), &size, artifact])
            .and_then(|temporary| fs::rename(temporary, self.path(digest)));
        if let Err(error) = written.and_then(|()| self.prune()) {
            tracing::warn!(%digest, %error, "could not keep a compiled module");
        }
    }

    /// Forgets an artifact.
    pub(crate) fn remove(&self, digest: Digest) {
        let _ = fs::remove_file(self.path(digest));
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}.cwasm"))
    }

    fn mac(&self, digest: Digest, size: [u8; 8], artifact: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&digest.0).update(&size).update(artifact);
        hasher.finalize()
    }

    /// Removes what was not used for longest, until the rest fits.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another worker may be pruning as well.
            if let Ok(meta) = entry.metadata() {
                files.push((meta.modified()?, meta.len(), entry.path()));
            }
        }
        files.sort();
        let mut held: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if held <= self.most {
                break;
            }
            let _ = fs::remove_file(path);
            held -= size;
        }
        Ok(())
    }
}

/// Makes a folder that only its owner may enter, or makes it so.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.mode() & 0o077 != 0 {
        // Fails where it is somebody else's, and then it is no place for us.
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The key of this folder; a new one where there is none, or none that was kept
/// to ourselves. With a new key all files are foreign.
fn key(dir: &Path) -> io::Result<[u8; MAC]> {
    let path = dir.join("key");
    if let Some(key) = read_key(&path, dir)? {
        return Ok(key);
    }
    let fresh: [u8; MAC] = rand::random();
    let temporary = write_new(dir, &[&fresh])?;
    // A link fails where there is a key already: of two workers that start at
    // once, one's key stands, and both use it.
    let linked = fs::hard_link(&temporary, &path);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if read_key(&path, dir)?.is_none() {
                fs::rename(&temporary, &path)?;
            }
        }
        linked => linked?,
    }
    let _ = fs::remove_file(&temporary);
    read_key(&path, dir)?.ok_or_else(|| io::Error::other("the cache's key does not stay"))
}

fn read_key(path: &Path, dir: &Path) -> io::Result<Option<[u8; MAC]>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let meta = file.metadata()?;
    let private = meta.mode() & 0o077 == 0 && meta.uid() == fs::metadata(dir)?.uid();
    let mut key = [0; MAC];
    let whole = meta.len() == MAC as u64 && file.read_exact(&mut key).is_ok();
    Ok((private && whole).then_some(key))
}

/// Writes a file under a name that nobody else has.
fn write_new(folder: &Path, parts: &[&[u8]]) -> io::Result<PathBuf> {
    let path = folder.join(format!(".{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    // Not synced: what a power cut tears does not pass its MAC.
    match written {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(error)
        }
    }
}

fn fingerprint(compiler: impl Hash) -> String {
    /// Feeds what is hashed to blake3: the standard hashers are too short.
    struct Feed(blake3::Hasher);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(blake3::Hasher::new_derive_key("lovage 2026-11 artifacts"));
    compiler.hash(&mut feed);
    feed.0.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = Digest([7; 32]);

    fn open(dir: &Path, compiler: &str) -> Cache {
        Cache::open(dir, compiler, 1 << 20).unwrap()
    }

    #[test]
    fn what_was_put_is_found_again_by_the_same_compiler() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "a").put(DIGEST, 3, b"artifact");
        let found = open(dir.path(), "a").get(DIGEST);
        assert_eq!(found, Some((3, b"artifact".to_vec())));
        assert_eq!(open(dir.path(), "b").get(DIGEST), None);
        assert_eq!(open(dir.path(), "a").get(Digest([8; 32])), None);
    }

    #[test]
    fn what_was_bent_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = open(dir.path(), "a");
        for bend in [0, 33, 45] {
            cache.put(DIGEST, 3, b"artifact");
            let mut bytes = fs::read(cache.path(DIGEST)).unwrap();
            bytes.resize(bytes.len().max(bend + 1), 0);
            bytes[bend] ^= 1;
            fs::write(cache.path(DIGEST), bytes).unwrap();
            assert_eq!(cache.get(DIGEST), None);
            assert!(!cache.path(DIGEST).exists());
        }
        cache.put(DIGEST, 3, b"artifact");
        fs::write(cache.path(DIGEST), b"torn").unwrap();
        assert_eq!(cache.get(DIGEST), None);
        // Moved to where another module's should be.
        cache.put(DIGEST, 3, b"artifact");
        let other = Digest([9; 32]);
        fs::rename(cache.path(DIGEST), cache.path(other)).unwrap();
        assert_eq!(cache.get(other), None);
    }

    #[test]
    fn another_key_makes_all_files_foreign() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "a").put(DIGEST, 3, b"artifact");
        fs::write(dir.path().join("key"), [1; MAC]).unwrap();
        assert_eq!(open(dir.path(), "a").get(DIGEST), None);
    }

    #[test]
    fn a_key_that_others_may_read_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = open(dir.path(), "a").key;
        assert_eq!(open(dir.path(), "a").key, first);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_ne!(open(dir.path(), "a").key, first);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_least_recently_used_files_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), "a", 3 * (MAC as u64 + 108)).unwrap();
        for n in 0..4 {
            cache.put(Digest([n; 32]), 0, &[n; 100]);
            let later = SystemTime::now() - std::time::Duration::from_secs(100 - u64::from(n));
            let file = File::options()
                .write(true)
                .open(cache.path(Digest([n; 32])));
            file.unwrap().set_modified(later).unwrap();
            if n == 2 {
                assert!(cache.get(Digest([0; 32])).is_some(), "used just now");
            }
        }
        assert!(cache.get(Digest([0; 32])).is_some());
        assert!(cache.get(Digest([1; 32])).is_none());
        assert!(cache.get(Digest([3; 32])).is_some());
    }
}
