//! One core module of many: what a component links whenever it is instantiated is linked once.
//!
//! Python's components are a dozen shared libraries around one memory and one table, and
//! each library writes its functions into that table at every instantiation: 5,700 entries, a
//! third of what a fresh instance took. In a module that has both the table and the
//! functions, wasmtime fills an entry when it is first called. Calls from one library
//! to another become direct ones, and a dozen instances become one.
//!
//! What is fused are core instances of modules that run nothing when they are instantiated,
//! so nobody can tell when that was. Where a component is not as the toolchains write it, it stays
//! as it is: this is for speed alone, and wasmtime checks and compiles what comes out as it does any
//! other.
//!
//! # Layout
//!
//! - [`outline`]: what a component holds on its outermost level, and who has which number.
//! - [`parts`]: a core module, taken apart.
//! - [`members`]: which instances become one, and where each of their imports comes from.
//! - [`numbers`]: which number everything gets in the one module.
//! - [`merge`]: the one module; [`renumber`] is how the code in it changes.
//! - [`rewrite`]: the component around it.

mod members;
mod merge;
mod numbers;
mod outline;
mod parts;
mod renumber;
mod rewrite;
#[cfg(test)]
mod tests;

use members::Members;
use outline::Outline;

/// The component with its core instances made one. `None` where nothing is to be gained, or
/// where it is of a form that no toolchain writes.
pub(super) fn fused(component: &[u8]) -> Option<Vec<u8>> {
    let outline = Outline::read(component)?;
    let members = Members::choose(&outline)?;
    let uses = members.uses(&outline);
    let merged = merge::merge(&members, &uses)?;
    rewrite::rewrite(&outline, &members, &uses, &merged)
}
