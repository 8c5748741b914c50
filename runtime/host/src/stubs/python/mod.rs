//! A module's tasks in Python: declarations with `lovage_client.task`, and a class of them
//! for each kind of client.
//!
//! # Layout
//! - this file: the file, from top to bottom
//! - `types`: types and their definitions
//! - `tasks`: declarations of tasks

mod tasks;
mod types;

use std::fmt::Write as _;

use super::names::{Taken, python_all, type_name};
use super::{Language, Module, schema};
use types::Types;

/// What the file means by these names; nothing else in it is called so.
const OWN: [&str; 22] = [
    "Any",
    "AsyncClient",
    "Client",
    "Literal",
    "Never",
    "NotImplementedError",
    "NotRequired",
    "TypeAlias",
    "TypedDict",
    "bool",
    "bytes",
    "client",
    "dict",
    "float",
    "int",
    "list",
    "object",
    "self",
    "str",
    "task",
    "tuple",
    "type",
];

/// The source of a module's stubs.
pub(super) fn module(module: &Module) -> String {
    let model = schema::model(&module.tasks);
    let mut taken = Taken::of(&OWN);
    let class = type_name(&module.name);
    let classes = [class.clone(), format!("Async{class}")].map(|it| taken.take(&[it]));
    let names = python_all(module.tasks.iter().map(|it| it.name.as_str()));
    let functions = names
        .into_iter()
        .map(|it| taken.take(&[it.clone(), format!("{it}_")]));
    let functions: Vec<_> = functions.collect();
    let types = Types::new(&model, &module.tasks, taken);
    let definitions = types.definitions();
    let tasks = tasks::declarations(module, &model, &functions, &types);
    let omitted = tasks.contains(&format!(" = {}", tasks::OMITTED));
    if omitted {
        types.uses("Any");
    }
    let mut text = head(module, omitted, &types.used());
    text.push_str(&definitions);
    text.push_str(&tasks);
    for (class, client) in classes.iter().zip(["Client", "AsyncClient"]) {
        text.push_str(&handles(module, class, client, &functions));
    }
    text
}

/// What stands above all: what this is, and what it needs.
fn head(module: &Module, omitted: bool, used: &[&str]) -> String {
    let Module {
        name,
        release,
        digest,
        ..
    } = module;
    let mark = Language::Python.mark();
    let mut text = format!(
        "\"\"\"Tasks of the module `{name}`, release {release} (digest {digest}).\n\nWritten by {mark}: do not edit it, write it anew.\n\"\"\"\n\n"
    );
    if !used.is_empty() {
        let _ = writeln!(text, "from typing import {}\n", used.join(", "));
    }
    let task = if module.tasks.is_empty() {
        ""
    } else {
        ", task"
    };
    let _ = writeln!(text, "from lovage_client import AsyncClient, Client{task}");
    if omitted {
        let omitted = tasks::OMITTED;
        let _ = write!(
            text,
            "\n#: Of an argument that may be left out: the task has its own value for it then.\n{omitted}: Any = ...\n"
        );
    }
    text
}

/// The class that has a client's tasks as its attributes.
fn handles(module: &Module, class: &str, client: &str, functions: &[String]) -> String {
    let name = &module.name;
    let kind = if client == "Client" { "a" } else { "an" };
    let mut text = format!(
        "\n\nclass {class}:\n    \"\"\"The tasks of `{name}` for {kind} `{client}`.\"\"\"\n\n    def __init__(self, client: {client}) -> None:\n"
    );
    let attributes = python_all(module.tasks.iter().map(|it| it.name.as_str()));
    for (attribute, function) in attributes.iter().zip(functions) {
        let _ = writeln!(text, "        self.{attribute} = client.task({function})");
    }
    if module.tasks.is_empty() {
        text.push_str("        \"\"\"There are none.\"\"\"\n");
    }
    text
}
