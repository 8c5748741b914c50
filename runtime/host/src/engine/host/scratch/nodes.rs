//! What lies in a folder: files, directories and links by number, names that lead to them,
//! and how much all of it takes.
//!
//! Invariants:
//! 1. `used` is the bytes of all files and links, and [`cost`] for each name. It never
//!    exceeds `most`.
//! 2. A node is there for as long as a name leads to it or somebody holds it.
//! 3. A directory without a name (other than the root) is empty and stays so. So from any
//!    that is not, its parents lead to the root.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::content::Content;

/// Bytes of a name.
pub(super) const NAME: usize = 255;
/// What a name takes, beside its own bytes: about what is kept for a file.
const ENTRY: u64 = 256;
/// Names there may be.
pub(super) const ENTRIES: u32 = 65_536;
/// Directories that may lie within each other.
pub(super) const DEPTH: usize = 256;

/// What does not work, in the words of POSIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Busy,
    Exist,
    FileTooLarge,
    InsufficientMemory,
    InsufficientSpace,
    Invalid,
    IsDirectory,
    Loop,
    NameTooLong,
    NoEntry,
    NotDirectory,
    NotEmpty,
    NotPermitted,
}

/// A file, directory or link by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(usize);

/// The directory that all others lie in.
pub(super) const ROOT: Node = Node(0);

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    File(Content),
    Directory(Directory),
    Link(String),
}

#[derive(Debug)]
pub(super) struct Directory {
    names: BTreeMap<Box<str>, Node>,
    parent: Node,
}

/// One node.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) kind: Kind,
    /// Names that lead to it.
    pub(super) links: u64,
    /// Tells it from all others that there were, too: numbers are used again.
    pub(super) serial: u64,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
    /// How many hold it.
    held: u32,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Nodes {
    all: Vec<Option<Inode>>,
    free: Vec<usize>,
    serial: u64,
    names: u32,
    used: u64,
    most: u64,
}

/// What a name takes.
pub(super) fn cost(name: &str) -> u64 {
    ENTRY + name.len() as u64
}

impl Inode {
    /// Bytes that count.
    pub(super) fn size(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.size(),
            Kind::Directory(_) => 0,
            Kind::Link(target) => target.len() as u64,
        }
    }

    fn touch(&mut self) {
        self.modified = SystemTime::now();
        self.changed = self.modified;
    }
}

impl Nodes {
    /// An empty root, below which so many bytes have room.
    pub(super) fn new(most: u64) -> Self {
        let mut nodes = Nodes {
            all: Vec::new(),
            free: Vec::new(),
            serial: 0,
            names: 0,
            used: 0,
            most,
        };
        let root = nodes.insert(Kind::Directory(Directory::below(ROOT)));
        nodes.get_mut(root).links = 1;
        nodes
    }

    pub(super) fn get(&self, node: Node) -> &Inode {
        self.all[node.0].as_ref().expect("held or named")
    }

    pub(super) fn get_mut(&mut self, node: Node) -> &mut Inode {
        self.all[node.0].as_mut().expect("held or named")
    }

    pub(super) fn is_directory(&self, node: Node) -> bool {
        matches!(self.get(node).kind, Kind::Directory(_))
    }

    fn directory(&self, node: Node) -> Result<&Directory, Fault> {
        match &self.get(node).kind {
            Kind::Directory(directory) => Ok(directory),
            _ => Err(Fault::NotDirectory),
        }
    }

    fn directory_mut(&mut self, node: Node) -> &mut Directory {
        match &mut self.get_mut(node).kind {
            Kind::Directory(directory) => directory,
            _ => unreachable!("a node does not change its kind"),
        }
    }

    /// What a name of a directory leads to.
    pub(super) fn find(&self, directory: Node, name: &str) -> Result<Option<Node>, Fault> {
        Ok(self.directory(directory)?.names.get(name).copied())
    }

    /// The first name of a directory behind another one, and where it leads.
    pub(super) fn next(
        &self,
        directory: Node,
        behind: Option<&str>,
    ) -> Result<Option<(&str, Node)>, Fault> {
        use std::ops::Bound::{Excluded, Unbounded};
        let names = &self.directory(directory)?.names;
        let from = behind.map_or(Unbounded, Excluded);
        let next = names.range::<str, _>((from, Unbounded)).next();
        Ok(next.map(|(name, node)| (&**name, *node)))
    }

    pub(super) fn is_empty(&self, directory: Node) -> bool {
        self.directory(directory)
            .is_ok_and(|it| it.names.is_empty())
    }

    /// Whether so many bytes more have room, where so many leave.
    fn has_room(&self, come: u64, leave: u64) -> Result<(), Fault> {
        let used = self.used - leave;
        match used.checked_add(come).is_some_and(|it| it <= self.most) {
            true => Ok(()),
            false => Err(Fault::InsufficientSpace),
        }
    }

    /// Gives a directory a name that is new in it, and something new behind that.
    pub(super) fn create(
        &mut self,
        directory: Node,
        name: &str,
        kind: Kind,
    ) -> Result<Node, Fault> {
        let bytes = match &kind {
            Kind::Link(target) => target.len() as u64,
            Kind::File(_) | Kind::Directory(_) => 0,
        };
        self.may_name(directory, name, bytes)?;
        let node = self.insert(kind);
        self.used += bytes;
        self.enter(directory, name, node);
        Ok(node)
    }

    /// A directory that is to lie in this one.
    pub(super) fn directory_below(&self, parent: Node) -> Result<Kind, Fault> {
        match self.depth(parent) < DEPTH {
            true => Ok(Kind::Directory(Directory::below(parent))),
            false => Err(Fault::NameTooLong),
        }
    }

    /// Gives what is there a further name.
    pub(super) fn name(&mut self, directory: Node, name: &str, node: Node) -> Result<(), Fault> {
        self.may_name(directory, name, 0)?;
        self.enter(directory, name, node);
        self.get_mut(node).changed = SystemTime::now();
        Ok(())
    }

    fn may_name(&self, directory: Node, name: &str, bytes: u64) -> Result<(), Fault> {
        // Nothing comes into a directory that was removed.
        if self.get(directory).links == 0 {
            return Err(Fault::NoEntry);
        }
        if self.names >= ENTRIES {
            return Err(Fault::InsufficientSpace);
        }
        self.has_room(cost(name) + bytes, 0)
    }

    fn enter(&mut self, directory: Node, name: &str, node: Node) {
        self.names += 1;
        self.used += cost(name);
        self.get_mut(node).links += 1;
        let names = &mut self.directory_mut(directory).names;
        names.insert(name.into(), node);
        self.get_mut(directory).touch();
    }

    /// Takes a name away, and what nobody can reach by it any more.
    pub(super) fn remove(&mut self, directory: Node, name: &str) {
        let Some(node) = self.directory_mut(directory).names.remove(name) else {
            return;
        };
        self.names -= 1;
        self.used -= cost(name);
        self.get_mut(directory).touch();
        let inode = self.get_mut(node);
        inode.links -= 1;
        inode.changed = SystemTime::now();
        self.forget(node);
    }

    /// Moves a name to where it takes the place of what has the new one.
    pub(super) fn rename(&mut self, from: (Node, &str), to: (Node, &str)) -> Result<(), Fault> {
        let ((old, name), (new, new_name)) = (from, to);
        let Some(node) = self.find(old, name)? else {
            return Err(Fault::NoEntry);
        };
        if self.get(new).links == 0 {
            return Err(Fault::NoEntry);
        }
        let replaced = self.find(new, new_name)?;
        let leaves = replaced.map_or(0, |_| cost(new_name));
        self.has_room(cost(new_name), cost(name) + leaves)?;
        let is_directory = self.is_directory(node);
        if is_directory && self.depth(new) + self.height(node) > DEPTH {
            return Err(Fault::NameTooLong);
        }
        if replaced.is_some() {
            self.remove(new, new_name);
        }
        self.enter(new, new_name, node);
        self.remove(old, name);
        if is_directory {
            self.directory_mut(node).parent = new;
        }
        Ok(())
    }

    /// Changes a file, by which it may get another size.
    pub(super) fn change(
        &mut self,
        node: Node,
        size: u64,
        change: impl FnOnce(&mut Content) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let before = self.get(node).size();
        self.has_room(size, before)?;
        let inode = self.get_mut(node);
        let Kind::File(content) = &mut inode.kind else {
            return Err(Fault::IsDirectory);
        };
        change(content)?;
        let size = content.size();
        inode.touch();
        self.used = self.used - before + size;
        Ok(())
    }

    /// Whether it takes longer than a tick to free it all.
    pub(super) fn is_large(&self) -> bool {
        self.names > 1_000 || self.used > 4 * 1024 * 1024
    }

    /// Keeps a node there, name or none, until it is let go.
    pub(super) fn hold(&mut self, node: Node) {
        self.get_mut(node).held += 1;
    }

    pub(super) fn let_go(&mut self, node: Node) {
        self.get_mut(node).held -= 1;
        self.forget(node);
    }

    /// Whether a directory is another one or lies anywhere within it.
    pub(super) fn is_within(&self, node: Node, other: Node) -> bool {
        node == other || self.parents(node).any(|it| it == other)
    }

    /// The directories that one lies in, from the innermost to the root.
    fn parents(&self, node: Node) -> impl Iterator<Item = Node> {
        let above = |node: &Node| match *node == ROOT || self.get(*node).links == 0 {
            true => None,
            false => self.directory(*node).ok().map(|it| it.parent),
        };
        std::iter::successors(above(&node), move |node| above(node))
    }

    fn depth(&self, node: Node) -> usize {
        self.parents(node).count()
    }

    /// How many directories lie within each other here, this one included.
    fn height(&self, node: Node) -> usize {
        let (mut height, mut level) = (0, vec![node]);
        while !level.is_empty() {
            height += 1;
            let directories = level.iter().filter_map(|it| self.directory(*it).ok());
            let below = directories.flat_map(|it| it.names.values().copied());
            level = below.filter(|it| self.is_directory(*it)).collect();
        }
        height
    }

    fn insert(&mut self, kind: Kind) -> Node {
        let now = SystemTime::now();
        self.serial += 1;
        let inode = Some(Inode {
            kind,
            links: 0,
            serial: self.serial,
            accessed: now,
            modified: now,
            changed: now,
            held: 0,
        });
        match self.free.pop() {
            Some(number) => {
                self.all[number] = inode;
                Node(number)
            }
            None => {
                self.all.push(inode);
                Node(self.all.len() - 1)
            }
        }
    }

    /// Forgets a node that nobody can reach.
    fn forget(&mut self, node: Node) {
        let inode = self.get(node);
        if inode.links == 0 && inode.held == 0 {
            self.used -= inode.size();
            self.all[node.0] = None;
            self.free.push(node.0);
        }
    }

    /// What is there by itself, and what was counted meanwhile: bytes, names, nodes.
    #[cfg(test)]
    pub(super) fn census(&self) -> [(u64, u64); 3] {
        let nodes: Vec<&Inode> = self.all.iter().flatten().collect();
        let directories = nodes.iter().filter_map(|it| match &it.kind {
            Kind::Directory(directory) => Some(directory),
            _ => None,
        });
        let names: Vec<_> = directories.flat_map(|it| &it.names).collect();
        let bytes: u64 = nodes.iter().map(|it| it.size()).sum();
        let bytes = bytes + names.iter().map(|it| cost(it.0)).sum::<u64>();
        // The root has a link without a name.
        let links: u64 = nodes.iter().map(|it| it.links).sum();
        [
            (bytes, self.used),
            (names.len() as u64, u64::from(self.names)),
            (names.len() as u64, links - 1),
        ]
    }
}

impl Directory {
    fn below(parent: Node) -> Self {
        Directory {
            names: BTreeMap::new(),
            parent,
        }
    }
}
