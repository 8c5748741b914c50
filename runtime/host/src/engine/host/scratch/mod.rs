//! `wasi:filesystem`: a scratch folder in memory, for a module that was granted one and for
//! as long as an attempt lasts. It is the same in a worker and in a process without files:
//! nothing here opens one, so no path leads to one.
//!
//! It takes the place of wasmtime's for all modules. One without a grant has no folder, and
//! so nothing to call the rest of the interface with.
//!
//! # Layout
//! - this file: an attempt's folder, and who holds what of it
//! - `content`, `nodes`, `paths`, `tree`: the folder itself, which knows nothing of WASI
//! - `files`: the interface; `streams`: reading and writing by streams
//! - `bindings`: the interface as Rust types
//! - `model`: random operations against a folder of the kernel's

mod bindings;
mod content;
mod files;
#[cfg(test)]
mod model;
mod nodes;
mod paths;
mod streams;
mod tree;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::TrappableError;

use self::bindings::wasi::filesystem::{preopens, types};
use self::nodes::{Fault, Node, ROOT};
use self::tree::Tree;
use super::State;
use super::log::Sink;
use crate::engine::outcome::bytes;

/// Bytes that one call reads or writes: what the host copies while a guest waits takes less
/// than a tick.
const CHUNK: usize = 256 * 1024;

/// What a call answers, or why the guest is stopped.
type Error = TrappableError<types::ErrorCode>;

/// An attempt's folder, made when the guest first asks for it.
#[derive(Default)]
pub(super) struct Scratch(Option<Arc<Folder>>);

/// Offers it to all modules, in the place of what was linked before.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    preopens::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl State {
    /// The folder that the module was granted, within what a host gives.
    fn folder(&mut self) -> Option<Arc<Folder>> {
        let (granted, most) = (self.grants.scratch()?, self.limits.scratch);
        if most == 0 {
            return None;
        }
        let made = self.scratch.0.get_or_insert_with(|| {
            let size = granted.min(most);
            let mut notice = format!("lovage: the scratch folder of {} is full", bytes(size));
            if granted > most {
                let granted = bytes(granted);
                notice += &format!(": {granted} were granted, and `limits.max_scratch` is less");
            }
            let notice = Some((self.machine.sink(self.limits.log), notice + "\n"));
            let inside = Inside {
                tree: Tree::new(size),
                notice,
            };
            Arc::new(Folder(Mutex::new(inside)))
        });
        Some(made.clone())
    }
}

/// A folder that descriptors and streams share.
struct Folder(Mutex<Inside>);

impl Drop for Folder {
    /// A large one is freed aside: other guests wait for this thread.
    fn drop(&mut self) {
        let inside = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !inside.tree.nodes().is_large() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let tree = std::mem::replace(&mut inside.tree, Tree::new(0));
            runtime.spawn_blocking(move || drop(tree));
        }
    }
}

struct Inside {
    tree: Tree,
    /// What the log says once it is full: guests tell their authors less.
    notice: Option<(Sink, String)>,
}

impl Folder {
    /// Does something with it.
    fn with<T>(&self, work: impl FnOnce(&mut Tree) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut inside = self.lock();
        let done = work(&mut inside.tree);
        if let Err(Fault::InsufficientSpace) = done
            && let Some((log, text)) = inside.notice.take()
        {
            log.append(text.as_bytes());
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node that somebody holds: it is there, name or none, until this is dropped.
struct Held {
    folder: Arc<Folder>,
    node: Node,
}

impl Held {
    fn root(folder: Arc<Folder>) -> Self {
        folder.lock().tree.hold(ROOT);
        Held { folder, node: ROOT }
    }

    /// Opens something and holds it, in one step.
    fn of(
        folder: &Arc<Folder>,
        open: impl FnOnce(&mut Tree) -> Result<Node, Fault>,
    ) -> Result<Self, Fault> {
        let hold = |tree: &mut Tree| {
            let node = open(tree)?;
            tree.hold(node);
            Ok(node)
        };
        let node = folder.with(hold)?;
        let folder = folder.clone();
        Ok(Held { folder, node })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tree, Node) -> Result<T, Fault>) -> Result<T, Fault> {
        self.folder.with(|tree| work(tree, self.node))
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        let Held { folder, node } = self;
        folder.lock().tree.hold(*node);
        Held {
            folder: folder.clone(),
            node: *node,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.folder.lock().tree.let_go(self.node);
    }
}

/// An open file or directory.
#[expect(unreachable_pub, reason = "the bindings export it")]
pub struct Descriptor {
    held: Held,
    is_directory: bool,
    read: bool,
    write: bool,
}

/// A directory that is being listed: by the last name that was told, so that a long list
/// takes no more than a short one.
#[expect(unreachable_pub, reason = "the bindings export it")]
pub struct Listing {
    held: Held,
    last: Option<String>,
}
