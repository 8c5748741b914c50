//! Who may import whom. The table is the house rule; what the code says is read
//! from its `use` lines and from the paths it writes out.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::table::TABLE;
use crate::support::wasm::root;

/// The two crates, by their folder and by the name under which a path reaches
/// them from outside.
const CRATES: [(&str, &str); 2] = [("queue", "lovage_queue"), ("host", "lovage")];

/// What a room may not name although it may know the room that it lies in.
const FORBIDDEN: &[(&str, &str)] = &[
    ("host/engine", "lovage_queue::registry::Registry"),
    ("host/engine", "lovage_queue::registry::Release"),
];

/// A file's code: without comments, and without the unit tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines();
    let code = lines.map(|line| line.split("//").next().unwrap_or(line));
    code.collect::<Vec<_>>().join("\n")
}

/// The paths that a text begins with `prefix::`, down to two names below it; a
/// brace list is one path for each of its entries.
fn paths(code: &str, prefix: &str) -> BTreeSet<Vec<String>> {
    let start = format!("{prefix}::");
    let mut paths = BTreeSet::new();
    for (at, _) in code.match_indices(&start) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        for first in entries(&code[at + start.len()..]) {
            let name = name(first);
            match first[name.len()..].strip_prefix("::") {
                Some(rest) => {
                    let below = entries(rest).into_iter();
                    paths.extend(below.map(|it| vec![name.to_owned(), self::name(it).to_owned()]));
                }
                None => drop(paths.insert(vec![name.to_owned()])),
            }
        }
    }
    paths
}

/// The entries of the brace list that a text begins with, or the text itself.
fn entries(text: &str) -> Vec<&str> {
    let Some(list) = text.strip_prefix('{') else {
        return vec![text];
    };
    let (mut depth, mut from, mut entries) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                entries.push(list[from..at].trim());
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// What is wrong with a file of a room.
fn violations(krate: &str, room: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let here = format!("{krate}/{room}");
    let Some((_, may)) = TABLE.iter().find(|(name, _)| *name == here) else {
        return vec![format!("`{here}` is in no row of the table")];
    };
    let mut wrong = Vec::new();
    let own = [("crate", krate)];
    let all = own
        .into_iter()
        .chain(CRATES.map(|(folder, name)| (name, folder)));
    for (prefix, target) in all {
        for path in paths(&code, prefix) {
            let there = format!("{target}/{}", path[0]);
            // Of a path to the crate's own root, nothing is a room.
            let known = TABLE.iter().any(|(name, _)| *name == there);
            if known && there != here && !may.contains(&there.as_str()) {
                wrong.push(format!("`{here}` must not know `{there}`"));
            }
            let full = format!("{prefix}::{}", path.join("::"));
            if FORBIDDEN.contains(&(here.as_str(), full.as_str())) {
                wrong.push(format!("`{here}` must not name `{full}`"));
            }
        }
    }
    wrong
}

/// Each file below a folder, with the room that it belongs to.
fn files(src: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let below = path.strip_prefix(src).unwrap();
                let first = below.iter().next().unwrap().to_str().unwrap();
                let room = first.trim_end_matches(".rs").to_owned();
                files.insert(path, room);
            }
        }
    }
    files
}

#[test]
fn nobody_imports_against_the_direction() {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (krate, _) in CRATES {
        for (file, room) in files(&root().join("runtime").join(krate).join("src")) {
            // The map of the crate: it names all rooms and imports none.
            if room == "lib" {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let found = violations(krate, &room, &text);
            wrong.extend(found.iter().map(|it| format!("{}: {it}", file.display())));
            seen.insert(format!("{krate}/{room}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed: BTreeSet<_> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        seen, listed,
        "the table has a row for each room and no other"
    );
}

#[test]
fn what_breaks_the_table_is_found() {
    for (krate, room, text) in [
        ("host", "engine", "use lovage_queue::broker::Broker;"),
        (
            "host",
            "engine",
            "use lovage_queue::{job::Job, client::Client};",
        ),
        (
            "host",
            "engine",
            "use lovage_queue::registry::{Digest, Registry};",
        ),
        ("host", "engine", "fn f() { crate::worker::run(); }"),
        (
            "host",
            "worker",
            "use crate::{\n    cli::Cli,\n    engine::Engine,\n};",
        ),
        ("host", "deploy", "use crate::worker;"),
        ("host", "units", "use crate::config::Config;"),
        ("queue", "job", "use crate::broker::Broker;"),
        ("queue", "broker", "use crate::client::Client;"),
        (
            "queue",
            "broker",
            "fn f(engine: &lovage::engine::Engine) {}",
        ),
        ("queue", "novelty", ""),
    ] {
        assert_eq!(violations(krate, room, text).len(), 1, "{text}");
    }
}

#[test]
fn what_keeps_to_the_table_is_let_be() {
    for (krate, room, text) in [
        (
            "host",
            "engine",
            "use lovage_queue::registry::{Digest, blob};",
        ),
        ("host", "engine", "use crate::engine::outcome::bytes;"),
        (
            "host",
            "worker",
            "/// See [`crate::cli`].\nuse crate::engine::Engine; // not crate::cli",
        ),
        ("host", "cli", "use crate::{config, worker::{self, Phase}};"),
        (
            "queue",
            "job",
            "#[cfg(test)]\nmod tests {\n    use crate::broker::Broker;\n}",
        ),
        (
            "queue",
            "broker",
            "use self::place::Place; use super::client::Other;",
        ),
    ] {
        assert_eq!(violations(krate, room, text), [] as [&str; 0], "{text}");
    }
}
