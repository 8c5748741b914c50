//! Typed stubs of modules' tasks, for the languages of those who call them.
//!
//! # Layout
//! - this file: what goes in, and which languages there are
//! - `schema`: JSON Schemas as types (`model`), whatever the language
//! - `python`, `typescript`: those types as source code
//! - `names`, `text`: identifiers, and texts that stay within their quotes
//!
//! What a module says of itself is a stranger's word: it goes through `names` or `text`
//! before it is written, so none of it is ever code. The same modules make the same bytes.

mod model;
pub(crate) mod names;
mod python;
mod schema;
mod text;
mod typescript;

use serde_json::Value;

/// A module as its active release is.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The release's number.
    pub release: u32,
    /// The first digits of its digest.
    pub digest: String,
    /// Its tasks, in their order.
    pub tasks: Vec<Task>,
}

/// A task of a module.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name within the module.
    pub name: String,
    /// What it does.
    pub doc: String,
    /// JSON Schema of its arguments.
    pub input: Value,
    /// JSON Schema of its result.
    pub output: Value,
}

/// What stubs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python, on `lovage_client`.
    Python,
    /// TypeScript, on `@lovage/client`.
    TypeScript,
}

impl Language {
    /// A file name's ending.
    pub fn extension(self) -> &'static str {
        match self {
            Language::Python => "py",
            Language::TypeScript => "ts",
        }
    }

    /// What is in each file that was written here, near its beginning: such a file may be
    /// written over.
    pub fn mark(self) -> &'static str {
        match self {
            Language::Python => "`lovage client --lang python`",
            Language::TypeScript => "`lovage client --lang ts`",
        }
    }

    /// The file of a module's stubs. In Python it can be imported, and hides nobody else's.
    pub fn file(self, module: &str) -> String {
        match self {
            Language::Python => {
                let name = names::python(module);
                let taken = names::is_pythons(&name) || name == "lovage_client";
                format!("{name}{}.py", if taken { "_" } else { "" })
            }
            Language::TypeScript => format!("{module}.ts"),
        }
    }

    /// A module's stubs.
    pub fn stubs(self, module: &Module) -> String {
        match self {
            Language::Python => python::module(module),
            Language::TypeScript => typescript::module(module),
        }
    }
}

#[cfg(test)]
mod tests;
