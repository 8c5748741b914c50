//! A folder's operations, each by paths from a directory. They do and refuse what those of
//! a Linux machine would, in the same order; `model` holds them against one.

use std::time::SystemTime;

use super::content::Content;
use super::nodes::{Fault, Inode, Kind, Node, Nodes, ROOT, cost};
use super::paths::{Last, Place, Tail, check, walk};

/// A directory that is there from the start.
const TEMPORARY: &str = "tmp";

/// How something is opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    pub(super) follow: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) directory: bool,
    pub(super) write: bool,
}

/// When something was, unless it stays as it is.
pub(super) type Times = (Option<SystemTime>, Option<SystemTime>);

/// A folder.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Nodes,
}

impl Tree {
    /// A folder in which so many bytes have room.
    pub(super) fn new(most: u64) -> Self {
        let mut nodes = Nodes::new(most.saturating_add(cost(TEMPORARY)));
        let made = nodes.directory_below(ROOT);
        let made = made.and_then(|it| nodes.create(ROOT, TEMPORARY, it));
        made.expect("it has room");
        Tree { nodes }
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    pub(super) fn get(&self, node: Node) -> &Inode {
        self.nodes.get(node)
    }

    pub(super) fn hold(&mut self, node: Node) {
        self.nodes.hold(node);
    }

    pub(super) fn let_go(&mut self, node: Node) {
        self.nodes.let_go(node);
    }

    /// What is there, or was made there. It has to be held before anything else is done.
    pub(super) fn open(&mut self, from: Node, path: &str, how: Opening) -> Result<Node, Fault> {
        let makes = how.create || how.exclusive || how.truncate;
        if how.directory && makes {
            return Err(Fault::Invalid);
        }
        let last = match how.follow {
            _ if how.create => Last::Create(how.follow && !how.exclusive),
            true => Last::Follow,
            false => Last::Keep,
        };
        let place = walk(&self.nodes, from, path, last)?;
        let Some(node) = place.node else {
            let Tail::Name(name) = place.tail else {
                return Err(Fault::NoEntry);
            };
            let (directory, name) = (place.directory, name.to_owned());
            return match how.create {
                true => {
                    let empty = Kind::File(Content::default());
                    self.nodes.create(directory, &name, empty)
                }
                false => Err(Fault::NoEntry),
            };
        };
        if how.create && how.exclusive {
            return Err(Fault::Exist);
        }
        match self.get(node).kind {
            Kind::Directory(_) if how.create || how.write || how.truncate => {
                return Err(Fault::IsDirectory);
            }
            Kind::Directory(_) => {}
            _ if how.directory || place.slash => return Err(Fault::NotDirectory),
            Kind::Link(_) => return Err(Fault::Loop),
            Kind::File(_) if how.truncate => self.resize(node, 0)?,
            Kind::File(_) => {}
        }
        Ok(node)
    }

    /// Up to so many bytes of a file.
    pub(super) fn read(&self, node: Node, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        match &self.get(node).kind {
            Kind::File(content) => Ok(content.read(offset, length)),
            _ => Err(Fault::IsDirectory),
        }
    }

    /// Writes all of it or nothing, at the end where no offset is said. Where it ended.
    pub(super) fn write(
        &mut self,
        node: Node,
        offset: Option<u64>,
        bytes: &[u8],
    ) -> Result<u64, Fault> {
        let size = self.get(node).size();
        let offset = offset.unwrap_or(size);
        let end = offset.checked_add(bytes.len() as u64);
        let end = end.ok_or(Fault::FileTooLarge)?;
        if bytes.is_empty() {
            return Ok(end);
        }
        let write = |it: &mut Content| it.write(offset, bytes);
        self.nodes.change(node, size.max(end), write)?;
        Ok(end)
    }

    pub(super) fn resize(&mut self, node: Node, size: u64) -> Result<(), Fault> {
        self.nodes.change(node, size, |it| {
            it.resize(size);
            Ok(())
        })
    }

    pub(super) fn set_times(&mut self, node: Node, (accessed, modified): Times) {
        let inode = self.nodes.get_mut(node);
        inode.accessed = accessed.unwrap_or(inode.accessed);
        inode.modified = modified.unwrap_or(inode.modified);
        inode.changed = SystemTime::now();
    }

    /// What a path leads to.
    pub(super) fn at(&self, from: Node, path: &str, follow: bool) -> Result<Node, Fault> {
        let last = if follow { Last::Follow } else { Last::Keep };
        walk(&self.nodes, from, path, last)?.found(&self.nodes)
    }

    /// A link's target.
    pub(super) fn read_link(&self, from: Node, path: &str) -> Result<String, Fault> {
        match &self.get(self.at(from, path, false)?).kind {
            Kind::Link(target) => Ok(target.clone()),
            _ => Err(Fault::Invalid),
        }
    }

    pub(super) fn make_directory(&mut self, from: Node, path: &str) -> Result<(), Fault> {
        let place = walk(&self.nodes, from, path, Last::Name)?;
        let (directory, name) = (place.directory, vacant(&place)?.to_owned());
        let below = self.nodes.directory_below(directory)?;
        self.nodes.create(directory, &name, below)?;
        Ok(())
    }

    pub(super) fn make_link(&mut self, from: Node, target: &str, path: &str) -> Result<(), Fault> {
        // It would lead nowhere.
        check(target)?;
        let place = walk(&self.nodes, from, path, Last::Name)?;
        let (directory, name) = (place.directory, vacant_file(&place)?.to_owned());
        let link = Kind::Link(target.to_owned());
        self.nodes.create(directory, &name, link)?;
        Ok(())
    }

    /// Gives a file or a link a further name.
    pub(super) fn link(&mut self, old: (Node, &str), new: (Node, &str)) -> Result<(), Fault> {
        let node = self.at(old.0, old.1, false)?;
        let place = walk(&self.nodes, new.0, new.1, Last::Name)?;
        let (directory, name) = (place.directory, vacant_file(&place)?.to_owned());
        // Of a directory that was removed, it says so first.
        if self.nodes.is_directory(node) && self.get(directory).links > 0 {
            return Err(Fault::NotPermitted);
        }
        self.nodes.name(directory, &name, node)
    }

    pub(super) fn unlink(&mut self, from: Node, path: &str) -> Result<(), Fault> {
        let place = walk(&self.nodes, from, path, Last::Name)?;
        let Tail::Name(name) = place.tail else {
            return Err(Fault::IsDirectory);
        };
        let node = place.node.ok_or(Fault::NoEntry)?;
        if self.nodes.is_directory(node) {
            return Err(Fault::IsDirectory);
        }
        let directory = place.directory;
        place.found(&self.nodes)?;
        let name = name.to_owned();
        self.nodes.remove(directory, &name);
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, from: Node, path: &str) -> Result<(), Fault> {
        let place = walk(&self.nodes, from, path, Last::Name)?;
        let name = match place.tail {
            Tail::Name(name) => name.to_owned(),
            Tail::Dot => return Err(Fault::Invalid),
            Tail::Up => return Err(Fault::NotEmpty),
        };
        let (directory, node) = (place.directory, place.node.ok_or(Fault::NoEntry)?);
        if !self.nodes.is_directory(node) {
            return Err(Fault::NotDirectory);
        }
        if !self.nodes.is_empty(node) {
            return Err(Fault::NotEmpty);
        }
        self.nodes.remove(directory, &name);
        Ok(())
    }

    pub(super) fn rename(&mut self, old: (Node, &str), new: (Node, &str)) -> Result<(), Fault> {
        let nodes = &self.nodes;
        let from = walk(nodes, old.0, old.1, Last::Name)?;
        let to = walk(nodes, new.0, new.1, Last::Name)?;
        let (Tail::Name(name), Tail::Name(new_name)) = (from.tail, to.tail) else {
            return Err(Fault::Busy);
        };
        let node = from.node.ok_or(Fault::NoEntry)?;
        // Into one that was removed nothing is moved, whatever else is wrong.
        if nodes.get(to.directory).links == 0 {
            return Err(Fault::NoEntry);
        }
        let is_directory = nodes.is_directory(node);
        if !is_directory && (from.slash || to.slash) {
            return Err(Fault::NotDirectory);
        }
        if is_directory && nodes.is_within(to.directory, node) {
            return Err(Fault::Invalid);
        }
        if let Some(target) = to.node {
            if nodes.is_directory(target) && nodes.is_within(from.directory, target) {
                return Err(Fault::NotEmpty);
            }
            // Two names of one thing: both stay.
            if target == node {
                return Ok(());
            }
            match (is_directory, nodes.is_directory(target)) {
                (true, false) => return Err(Fault::NotDirectory),
                (false, true) => return Err(Fault::IsDirectory),
                (true, true) if !nodes.is_empty(target) => return Err(Fault::NotEmpty),
                _ => {}
            }
        }
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        let (from, to) = (from.directory, to.directory);
        self.nodes.rename((from, &name), (to, &new_name))
    }
}

/// The name of a place where nothing is.
fn vacant<'a>(place: &Place<'a>) -> Result<&'a str, Fault> {
    match (place.node, place.tail) {
        (None, Tail::Name(name)) => Ok(name),
        _ => Err(Fault::Exist),
    }
}

/// The same for what is no directory.
fn vacant_file<'a>(place: &Place<'a>) -> Result<&'a str, Fault> {
    let name = vacant(place)?;
    match place.slash {
        true => Err(Fault::NoEntry),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::nodes::{DEPTH, ENTRIES, NAME};
    use super::*;

    const CREATE: Opening = Opening {
        follow: true,
        create: true,
        exclusive: false,
        truncate: false,
        directory: false,
        write: true,
    };

    fn tree(size: u64) -> Tree {
        Tree::new(size)
    }

    /// A new file, held.
    fn file(tree: &mut Tree, path: &str) -> Node {
        let node = tree.open(ROOT, path, CREATE).unwrap();
        tree.hold(node);
        node
    }

    #[test]
    fn what_is_full_takes_no_more_until_something_leaves() {
        let mut tree = tree(1000);
        let node = file(&mut tree, "tmp/a");
        let room = 1000 - cost("a");
        assert_eq!(tree.resize(node, room + 1), Err(Fault::InsufficientSpace));
        tree.resize(node, room).unwrap();
        let more = tree.write(node, None, b"x");
        assert_eq!(more, Err(Fault::InsufficientSpace));
        let name = tree.open(ROOT, "b", CREATE);
        assert_eq!(name, Err(Fault::InsufficientSpace));
        // Inside of what it has already it may write.
        tree.write(node, Some(room - 1), b"x").unwrap();
        let far = tree.write(node, Some(u64::MAX), b"x");
        assert_eq!(far, Err(Fault::FileTooLarge));
        // As long as somebody has it open, only its name is gone.
        tree.unlink(ROOT, "tmp/a").unwrap();
        let other = file(&mut tree, "b");
        assert_eq!(tree.resize(other, 100), Err(Fault::InsufficientSpace));
        assert_eq!(tree.read(node, room - 1, 9).unwrap(), b"x");
        tree.let_go(node);
        tree.resize(other, 100).unwrap();
        assert_eq!(tree.resize(other, u64::MAX), Err(Fault::InsufficientSpace));
    }

    #[test]
    fn links_and_names_take_room_too() {
        let mut tree = tree(2 * cost("l") + 90);
        let long = "x".repeat(100);
        let made = tree.make_link(ROOT, &long, "l");
        made.unwrap();
        let made = tree.make_link(ROOT, &long, "m");
        assert_eq!(made, Err(Fault::InsufficientSpace));
        assert_eq!(
            tree.rename((ROOT, "l"), (ROOT, &"n".repeat(NAME))),
            Err(Fault::InsufficientSpace)
        );
        tree.unlink(ROOT, "l").unwrap();
        tree.make_link(ROOT, &long, "m").unwrap();
    }

    #[test]
    fn names_have_a_number_whatever_the_room() {
        let mut tree = tree(u64::MAX);
        let node = file(&mut tree, "a");
        // `tmp` and `a` are two.
        for number in 2..ENTRIES {
            tree.link((ROOT, "a"), (ROOT, &number.to_string())).unwrap();
        }
        let full = Err(Fault::InsufficientSpace);
        assert_eq!(tree.link((ROOT, "a"), (ROOT, "b")), full);
        assert_eq!(tree.make_directory(ROOT, "b"), full);
        assert_eq!(u64::from(ENTRIES) - 1, tree.get(node).links);
        // Another name for one that is there is no further one.
        tree.rename((ROOT, "a"), (ROOT, "b")).unwrap();
        tree.unlink(ROOT, "b").unwrap();
        tree.make_directory(ROOT, "c").unwrap();
    }

    #[test]
    fn directories_lie_so_deep_and_no_deeper() {
        let mut tree = tree(1 << 20);
        let mut innermost = ROOT;
        for _ in 0..DEPTH {
            tree.make_directory(innermost, "d").unwrap();
            innermost = tree.at(innermost, "d", false).unwrap();
        }
        let made = tree.make_directory(innermost, "d");
        assert_eq!(made, Err(Fault::NameTooLong));
        tree.make_directory(ROOT, "tmp/e").unwrap();
        let moved = tree.rename((ROOT, "tmp"), (innermost, "tmp"));
        assert_eq!(moved, Err(Fault::NameTooLong));
        let moved = tree.rename((ROOT, "d"), (ROOT, "tmp/d"));
        assert_eq!(moved, Err(Fault::NameTooLong));
        tree.rename((ROOT, "d"), (ROOT, "other")).unwrap();
    }

    #[test]
    fn names_paths_and_ways_of_links_have_a_length() {
        let mut tree = tree(1 << 20);
        let long = "n".repeat(NAME + 1);
        let made = tree.open(ROOT, &long, CREATE);
        assert_eq!(made, Err(Fault::NameTooLong));
        tree.open(ROOT, &long[1..], CREATE).unwrap();
        let path = "./".repeat(2048);
        assert_eq!(tree.at(ROOT, &path, true), Err(Fault::NameTooLong));
        assert_eq!(tree.at(ROOT, &path[..4095], true), Ok(ROOT));
        tree.make_link(ROOT, ".", "0").unwrap();
        for number in 1..=40 {
            let target = (number - 1).to_string();
            tree.make_link(ROOT, &target, &number.to_string()).unwrap();
        }
        assert_eq!(tree.at(ROOT, "39", true), Ok(ROOT));
        assert_eq!(tree.at(ROOT, "40", true), Err(Fault::Loop));
        // Few links, of which each is a long way.
        let way = "tmp/../".repeat(580);
        tree.make_link(ROOT, &way[..way.len() - 1], "w").unwrap();
        assert_eq!(tree.at(ROOT, "w/w/w", true), Ok(ROOT));
        let path = ["w"; 20].join("/");
        assert_eq!(tree.at(ROOT, &path, true), Err(Fault::Loop));
        assert_eq!(tree.at(ROOT, "a\0b", true), Err(Fault::Invalid));
    }

    #[test]
    fn no_path_leads_out() {
        let mut tree = tree(1 << 20);
        tree.make_directory(ROOT, "tmp/d").unwrap();
        tree.make_link(ROOT, "../../..", "tmp/up").unwrap();
        let inner = tree.at(ROOT, "tmp/d", false).unwrap();
        let out = Err(Fault::NotPermitted);
        for path in ["..", "../etc", "tmp/../..", "tmp/up", "tmp/up/etc", "/etc"] {
            assert_eq!(tree.at(ROOT, path, true), out, "{path}");
            assert_eq!(tree.open(ROOT, path, CREATE), out, "{path}");
        }
        // Nor from a directory up to its own parent.
        assert_eq!(tree.at(inner, "../d", true), out);
        let made = tree.make_link(ROOT, "/etc", "etc");
        assert_eq!(made, Err(Fault::NotPermitted));
        assert!(tree.at(ROOT, "tmp/d/../../tmp", true).is_ok());
    }
}
