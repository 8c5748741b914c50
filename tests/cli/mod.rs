//! The binary from the shell's side.

mod audit;
mod author;
mod bench;
mod brokers;
mod buckets;
mod calls;
mod client;
mod commands;
mod config;
mod control;
mod corrupt;
mod flows;
mod grants;
mod help;
mod limits;
mod modules;
mod schedules;
mod tenants;
mod terms;
mod toolchains;
mod watch;
mod workshop;

use crate::fixtures::{ECHO, Guest};

/// Takes a side and a name, and answers with what it was given.
fn app() -> Vec<u8> {
    let schema = r#"{"type": "object", "required": ["side"], "additionalProperties": false,
        "properties": {"side": {"type": "integer", "minimum": 1}, "name": {"type": "string"}}}"#;
    Guest::new(ECHO).tasks(&[("go", schema)]).build()
}
