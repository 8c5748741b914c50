//! Random operations on a folder and on one of the kernel's: the same answers, the same
//! errors, and the same files in the end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::nodes::{Fault, Kind, Node, ROOT};
use super::tree::{Opening, Tree};

/// One operation. What is open has a number, and what a number is too large for, too.
#[derive(Clone, Debug)]
enum Step {
    Open(usize, String, Opening),
    Close(usize),
    Write(usize, Option<u16>, u16),
    Read(usize, u16, u16),
    Resize(usize, u16),
    Directory(usize, String),
    RemoveDirectory(usize, String),
    Unlink(usize, String),
    MakeLink(usize, String, String),
    ReadLink(usize, String),
    Link(usize, String, usize, String),
    Rename(usize, String, usize, String),
    Stat(usize, String, bool),
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => Just("a"), 8 => Just("b"), 4 => Just("c"),
        2 => Just(".."), 1 => Just("."), 1 => Just(""),
    ];
    vec(part, 1..4).prop_map(|parts| {
        let path = parts.join("/");
        // One that is absolute is another matter.
        path.trim_start_matches('/').to_owned()
    })
}

fn opening() -> impl Strategy<Value = Opening> {
    // What has no meaning to the kernel is left out.
    any::<[bool; 6]>().prop_map(
        |[follow, create, exclusive, truncate, directory, write]| Opening {
            follow,
            create,
            exclusive: exclusive && create,
            truncate,
            directory: directory && !create && !truncate,
            write,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0usize..4;
    prop_oneof![
        4 => (at(), path(), opening()).prop_map(|(at, path, how)| Step::Open(at, path, how)),
        1 => at().prop_map(Step::Close),
        2 => (at(), any::<Option<u16>>(), any::<u16>()).prop_map(|(a, b, c)| Step::Write(a, b, c)),
        1 => (at(), any::<u16>(), any::<u16>()).prop_map(|(a, b, c)| Step::Read(a, b, c)),
        1 => (at(), any::<u16>()).prop_map(|(a, b)| Step::Resize(a, b)),
        4 => (at(), path()).prop_map(|(a, b)| Step::Directory(a, b)),
        1 => (at(), path()).prop_map(|(a, b)| Step::RemoveDirectory(a, b)),
        1 => (at(), path()).prop_map(|(a, b)| Step::Unlink(a, b)),
        3 => (at(), path(), path()).prop_map(|(a, b, c)| Step::MakeLink(a, b, c)),
        1 => (at(), path()).prop_map(|(a, b)| Step::ReadLink(a, b)),
        2 => (at(), path(), at(), path()).prop_map(|(a, b, c, d)| Step::Link(a, b, c, d)),
        4 => (at(), path(), at(), path()).prop_map(|(a, b, c, d)| Step::Rename(a, b, c, d)),
        2 => (at(), path(), any::<bool>()).prop_map(|(a, b, c)| Step::Stat(a, b, c)),
    ]
}

/// What an operation said: something to compare, or why it did not work.
type Said = Result<String, Fault>;

/// The same thing open in both.
struct Open {
    real: File,
    node: Node,
    /// Whether it may be written.
    write: bool,
}

struct Both {
    tree: Tree,
    directories: Vec<Open>,
    files: Vec<Open>,
}

fn fault(errno: Errno) -> Fault {
    match errno {
        Errno::BUSY => Fault::Busy,
        Errno::EXIST => Fault::Exist,
        Errno::INVAL => Fault::Invalid,
        Errno::ISDIR => Fault::IsDirectory,
        Errno::LOOP => Fault::Loop,
        Errno::NAMETOOLONG => Fault::NameTooLong,
        Errno::NOENT => Fault::NoEntry,
        Errno::NOTDIR => Fault::NotDirectory,
        Errno::NOTEMPTY => Fault::NotEmpty,
        Errno::PERM => Fault::NotPermitted,
        other => panic!("{other}"),
    }
}

fn done(done: Result<(), Errno>) -> Said {
    done.map(|()| String::new()).map_err(fault)
}

fn ok(done: Result<(), Fault>) -> Said {
    done.map(|()| String::new())
}

/// Whether a path leaves the directory that it begins in, as the kernel sees it.
fn escapes(from: &File, path: &str) -> bool {
    [OFlags::PATH, OFlags::PATH | OFlags::NOFOLLOW]
        .iter()
        .any(|flags| {
            let opened =
                rustix::fs::openat2(from, path, *flags, Mode::empty(), ResolveFlags::BENEATH);
            opened.is_err_and(|e| e == Errno::XDEV)
        })
}

impl Both {
    fn new(folder: &std::path::Path) -> Self {
        let mut tree = Tree::new(1 << 30);
        tree.remove_directory(ROOT, "tmp").unwrap();
        tree.hold(ROOT);
        let real = File::open(folder).unwrap();
        Both {
            tree,
            directories: vec![Open {
                real,
                node: ROOT,
                write: false,
            }],
            files: Vec::new(),
        }
    }

    fn directory(&self, number: usize) -> &Open {
        &self.directories[number % self.directories.len()]
    }

    fn file(&self, number: usize) -> Option<&Open> {
        let count = self.files.len();
        (count > 0).then(|| &self.files[number % count])
    }

    /// Whether one of the paths leads out: then ours has to say so, and the kernel is not
    /// asked to go there.
    fn refused(&self, said: &Said, paths: &[(usize, &str)]) -> bool {
        *said == Err(Fault::NotPermitted)
            && paths
                .iter()
                .any(|(at, path)| escapes(&self.directory(*at).real, path))
    }

    /// Does it in both, and says what either said, unless the path led out.
    fn take(&mut self, step: &Step) -> Option<(Said, Said)> {
        match step {
            Step::Open(at, path, how) => return self.open(*at, path, *how),
            Step::Close(number) => self.close(*number),
            Step::Write(number, offset, length) => {
                let open = self.file(*number).filter(|it| it.write)?;
                let bytes = vec![*length as u8; usize::from(*length)];
                let size = open.real.metadata().unwrap().len();
                let at = offset.map_or(size, u64::from);
                open.real.write_all_at(&bytes, at).unwrap();
                let (node, offset) = (open.node, offset.map(u64::from));
                self.tree.write(node, offset, &bytes).unwrap();
            }
            Step::Read(number, offset, length) => {
                let open = self.file(*number)?;
                let mut bytes = vec![0; usize::from(*length)];
                let read = open.real.read_at(&mut bytes, u64::from(*offset)).unwrap();
                let ours = self
                    .tree
                    .read(open.node, u64::from(*offset), usize::from(*length));
                assert_eq!(ours.unwrap(), bytes[..read]);
            }
            Step::Resize(number, size) => {
                let open = self.file(*number).filter(|it| it.write)?;
                let size = u64::from(*size);
                open.real.set_len(size).unwrap();
                let node = open.node;
                self.tree.resize(node, size).unwrap();
            }
            _ => return self.by_path(step),
        }
        None
    }

    fn by_path(&mut self, step: &Step) -> Option<(Said, Said)> {
        let node = |at: &usize| self.directory(*at).node;
        let (ours, paths) = match step {
            Step::Directory(at, path) => {
                let node = node(at);
                (
                    ok(self.tree.make_directory(node, path)),
                    vec![(*at, &**path)],
                )
            }
            Step::RemoveDirectory(at, path) => {
                let node = node(at);
                (
                    ok(self.tree.remove_directory(node, path)),
                    vec![(*at, &**path)],
                )
            }
            Step::Unlink(at, path) => {
                let node = node(at);
                (ok(self.tree.unlink(node, path)), vec![(*at, &**path)])
            }
            Step::MakeLink(at, target, path) => {
                let node = node(at);
                (
                    ok(self.tree.make_link(node, target, path)),
                    vec![(*at, &**path)],
                )
            }
            Step::ReadLink(at, path) => (self.tree.read_link(node(at), path), vec![(*at, &**path)]),
            Step::Link(at, old, to, new) => {
                let (old_node, new_node) = (node(at), node(to));
                let linked = self.tree.link((old_node, old), (new_node, new));
                (ok(linked), vec![(*at, &**old), (*to, &**new)])
            }
            Step::Rename(at, old, to, new) => {
                let (old_node, new_node) = (node(at), node(to));
                let renamed = self.tree.rename((old_node, old), (new_node, new));
                (ok(renamed), vec![(*at, &**old), (*to, &**new)])
            }
            Step::Stat(at, path, follow) => {
                let found = self.tree.at(node(at), path, *follow);
                (found.map(|it| self.told(it)), vec![(*at, &**path)])
            }
            _ => unreachable!("not by a path"),
        };
        if self.refused(&ours, &paths) {
            return None;
        }
        Some((ours, self.kernel(step)))
    }

    /// What the kernel says.
    fn kernel(&self, step: &Step) -> Said {
        use rustix::fs::{linkat, mkdirat, readlinkat, renameat, statat, symlinkat, unlinkat};
        let real = |at: &usize| &self.directory(*at).real;
        match step {
            Step::Directory(at, path) => done(mkdirat(real(at), path, Mode::RWXU)),
            Step::RemoveDirectory(at, path) => done(unlinkat(real(at), path, AtFlags::REMOVEDIR)),
            Step::Unlink(at, path) => done(unlinkat(real(at), path, AtFlags::empty())),
            Step::MakeLink(at, target, path) => done(symlinkat(target, real(at), path)),
            Step::ReadLink(at, path) => readlinkat(real(at), path, Vec::new())
                .map(|it| it.into_string().unwrap())
                .map_err(fault),
            Step::Link(at, old, to, new) => {
                done(linkat(real(at), old, real(to), new, AtFlags::empty()))
            }
            Step::Rename(at, old, to, new) => done(renameat(real(at), old, real(to), new)),
            Step::Stat(at, path, follow) => {
                let flags = match follow {
                    true => AtFlags::empty(),
                    false => AtFlags::SYMLINK_NOFOLLOW,
                };
                let stat = statat(real(at), path, flags).map_err(fault)?;
                Ok(match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => "directory".into(),
                    kind => format!("{kind:?} {} {}", stat.st_size, stat.st_nlink),
                })
            }
            _ => unreachable!("not by a path"),
        }
    }

    /// What ours says of a node, in the same words.
    fn told(&self, node: Node) -> String {
        let inode = self.tree.get(node);
        let kind = match inode.kind {
            Kind::Directory(_) => return "directory".into(),
            Kind::File(_) => FileType::RegularFile,
            Kind::Link(_) => FileType::Symlink,
        };
        format!("{kind:?} {} {}", inode.size(), inode.links)
    }

    fn open(&mut self, at: usize, path: &str, how: Opening) -> Option<(Said, Said)> {
        let from = self.directory(at).node;
        let ours = self.tree.open(from, path, how);
        if let Ok(node) = ours {
            self.tree.hold(node);
        }
        let said = ours.map(|node| self.told(node));
        if self.refused(&said, &[(at, path)]) {
            return None;
        }
        let write = how.write || how.create || how.truncate;
        let mut flags = match write {
            true => OFlags::RDWR,
            false => OFlags::RDONLY,
        };
        flags.set(OFlags::NOFOLLOW, !how.follow);
        flags.set(OFlags::CREATE, how.create);
        flags.set(OFlags::EXCL, how.exclusive);
        flags.set(OFlags::TRUNC, how.truncate);
        flags.set(OFlags::DIRECTORY, how.directory);
        let real = &self.directory(at).real;
        let opened: Result<OwnedFd, Errno> =
            rustix::fs::openat(real, path, flags, Mode::RUSR | Mode::WUSR);
        let (node, real) = match (ours, opened) {
            (Ok(node), Ok(real)) => (node, File::from(real)),
            (_, opened) => return Some((said, opened.map(|_| "opened".into()).map_err(fault))),
        };
        let metadata = real.metadata().unwrap();
        let is_directory = self.tree.nodes().is_directory(node);
        assert_eq!(is_directory, metadata.is_dir());
        let open = Open { real, node, write };
        match is_directory {
            true => self.directories.push(open),
            false => {
                assert_eq!(self.tree.get(node).size(), metadata.len());
                self.files.push(open);
            }
        }
        None
    }

    fn close(&mut self, number: usize) {
        let all = match number % 2 {
            0 => &mut self.files,
            _ => &mut self.directories,
        };
        // The root stays open.
        if all.len() > 1 {
            let open = all.remove(1);
            self.tree.let_go(open.node);
        }
    }

    /// All that lies in a directory, as the kernel has it and as ours has it.
    fn compare(&self, real: &std::path::Path, node: Node) {
        let mut names: Vec<String> = std::fs::read_dir(real)
            .unwrap()
            .map(|it| it.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut ours: Vec<(String, Node)> = Vec::new();
        while let Some((name, node)) = {
            let last = ours.last().map(|it| &*it.0);
            self.tree.nodes().next(node, last).unwrap()
        } {
            ours.push((name.to_owned(), node));
        }
        let our_names: Vec<&String> = ours.iter().map(|it| &it.0).collect();
        assert_eq!(our_names, names.iter().collect::<Vec<_>>());
        for (name, node) in &ours {
            let real = real.join(name);
            match &self.tree.get(*node).kind {
                Kind::Directory(_) => self.compare(&real, *node),
                Kind::File(content) => {
                    assert_eq!(content.read(0, usize::MAX), std::fs::read(&real).unwrap());
                }
                Kind::Link(target) => {
                    assert_eq!(std::fs::read_link(&real).unwrap().to_str(), Some(&**target));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_the_kernel_does(steps in vec(step(), 1..100)) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("around/folder");
        std::fs::create_dir_all(&folder).unwrap();
        let mut both = Both::new(&folder);
        for (number, step) in steps.iter().enumerate() {
            if let Some((ours, kernels)) = both.take(step) {
                prop_assert_eq!(ours, kernels, "step {} of {:#?}", number, steps);
            }
            for (there, counted) in both.tree.nodes().census() {
                prop_assert_eq!(there, counted, "step {} of {:#?}", number, steps);
            }
        }
        both.compare(&folder, ROOT);
        for open in &both.files {
            let size = open.real.metadata().unwrap().len();
            let ours = both.tree.read(open.node, 0, usize::MAX).unwrap();
            let mut bytes = vec![0; size as usize];
            open.real.read_exact_at(&mut bytes, 0).unwrap();
            prop_assert_eq!(ours, bytes);
        }
    }
}
