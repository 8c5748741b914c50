//! What is run.
//!
//! - `record`: the bytes of a job at rest
//! - `bodies`: requests of the HTTP API
//! - `schema`: a module's schema, and arguments that are checked by it
//! - `words`: names, scopes, spans, schedules, flows
//! - `modules`: components that wasm-smith makes, pushed and run

mod bodies;
mod modules;
mod record;
mod schema;
mod words;

use anyhow::bail;

/// The targets' names.
pub(crate) const NAMES: [&str; 5] = ["record", "bodies", "schema", "words", "modules"];

/// Takes an input. What must not be is a panic.
pub(crate) trait Target {
    fn run(&mut self, input: &[u8]);

    /// How far inputs get, so that nobody is content with a target that refuses all.
    fn told(&self) -> String;
}

pub(crate) fn make(name: &str) -> anyhow::Result<Box<dyn Target>> {
    Ok(match name {
        "record" => Box::new(record::Records::default()),
        "bodies" => Box::new(bodies::Bodies::new()?),
        "schema" => Box::new(schema::Schemas::default()),
        "words" => Box::new(words::Words::default()),
        "modules" => Box::new(modules::Modules::new()?),
        name => bail!("there is no target `{name}`"),
    })
}
