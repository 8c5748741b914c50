//! Where a path leads: as the kernel of a Linux machine walks it, but never above the
//! directory that it begins in, as WASI has it.

use super::nodes::{Fault, Kind, NAME, Node, Nodes};

/// Bytes of a path or of a link's target.
const PATH: usize = 4095;
/// Links that may be followed on a path's way.
const HOPS: usize = 40;
/// Bytes of paths and targets that are walked for one path.
const WALKED: usize = 64 * 1024;

/// What becomes of a link that a path ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// It is followed.
    Follow,
    /// It is meant itself, unless a slash stands behind it.
    Keep,
    /// It is a name that is made, moved or taken away.
    Name,
    /// A file is made there, unless one is: followed or not, but never behind a slash.
    Create(bool),
}

/// What a path ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail<'a> {
    Name(&'a str),
    /// `.`
    Dot,
    /// `..`
    Up,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The directory that the last part is in.
    pub(super) directory: Node,
    pub(super) tail: Tail<'a>,
    /// What is there.
    pub(super) node: Option<Node>,
    /// Whether a slash stands behind it.
    pub(super) slash: bool,
}

impl Place<'_> {
    /// What is there, which has to be a directory where a slash stands behind it.
    pub(super) fn found(&self, nodes: &Nodes) -> Result<Node, Fault> {
        let node = self.node.ok_or(Fault::NoEntry)?;
        match self.slash && !nodes.is_directory(node) {
            true => Err(Fault::NotDirectory),
            false => Ok(node),
        }
    }
}

/// Whether a text can be a path, and relative.
pub(super) fn check(path: &str) -> Result<(), Fault> {
    match path {
        "" => Err(Fault::NoEntry),
        _ if path.len() > PATH => Err(Fault::NameTooLong),
        _ if path.contains('\0') => Err(Fault::Invalid),
        _ if path.starts_with('/') => Err(Fault::NotPermitted),
        _ => Ok(()),
    }
}

/// Walks a path from a directory.
pub(super) fn walk<'a>(
    nodes: &'a Nodes,
    from: Node,
    path: &'a str,
    last: Last,
) -> Result<Place<'a>, Fault> {
    check(path)?;
    let mut slash = path.ends_with('/');
    let (mut hops, mut walked) = (0, path.len());
    // Those that it went down: `..` goes back by them, and never past the first.
    let mut way = vec![from];
    let mut rest: Vec<&str> = Vec::new();
    let parts = |path: &'a str| path.split('/').rev().filter(|it| !it.is_empty());
    rest.extend(parts(path));
    while let Some(part) = rest.pop() {
        let (here, is_last) = (way[way.len() - 1], rest.is_empty());
        let place = |tail, directory, node| Place {
            directory,
            tail,
            node,
            slash,
        };
        let name = match part {
            "." if is_last => return Ok(place(Tail::Dot, here, Some(here))),
            "." => continue,
            ".." => {
                way.pop();
                let above = *way.last().ok_or(Fault::NotPermitted)?;
                if is_last {
                    return Ok(place(Tail::Up, above, Some(above)));
                }
                continue;
            }
            name => name,
        };
        // Before anybody looks what is there.
        if is_last && slash && matches!(last, Last::Create(_)) {
            return Err(Fault::IsDirectory);
        }
        if name.len() > NAME {
            return Err(Fault::NameTooLong);
        }
        let Some(node) = nodes.find(here, name)? else {
            return match is_last {
                true => Ok(place(Tail::Name(name), here, None)),
                false => Err(Fault::NoEntry),
            };
        };
        let follows = match last {
            _ if !is_last => true,
            Last::Follow => true,
            Last::Keep => slash,
            Last::Name => false,
            Last::Create(follows) => follows,
        };
        match &nodes.get(node).kind {
            Kind::Link(target) if follows => {
                (hops, walked) = (hops + 1, walked + target.len());
                if hops > HOPS || walked > WALKED {
                    return Err(Fault::Loop);
                }
                check(target)?;
                slash |= is_last && target.ends_with('/');
                rest.extend(parts(target));
            }
            _ if is_last => return Ok(place(Tail::Name(name), here, Some(node))),
            Kind::Directory(_) => way.push(node),
            Kind::File(_) | Kind::Link(_) => return Err(Fault::NotDirectory),
        }
    }
    unreachable!("a relative path has a part")
}
