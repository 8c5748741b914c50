//! Core modules that wasm-smith makes, in a component that is a task module but for them:
//! pushed, described, run. They may call the host with whatever they like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arbitrary::Unstructured;
use lovage::engine::{Engine, Invocation, Limits, NoHost, Settings};
use tokio::runtime::Runtime;
use wasm_smith::{Config, Module};

use super::Target;

/// Deadline and fuel of a run: what is made loops more often than not.
const DEADLINE: Duration = Duration::from_millis(200);
const FUEL: u64 = 20_000_000;
/// How long all of it may take, compilation included, in a build that is not optimised.
const LONG: Duration = Duration::from_secs(30);
/// Stands where the generated module goes.
const PLACEHOLDER: &[u8] = b"here-goes-what-is-generated";
/// What the host functions look like from within a core module.
const HOST: &str = include_str!("../../../tests/fixtures/core-imports.wat");

pub(crate) struct Modules {
    runtime: Runtime,
    engine: Engine,
    imports: Vec<u8>,
    exports: Vec<u8>,
    component: Vec<u8>,
    pushed: u64,
    completed: u64,
    runs: u64,
}

/// The fixture that the tests' modules are made of, with this in its places.
fn fixture(imports: &str, core: &str, with: &str, run: &str) -> anyhow::Result<Vec<u8>> {
    // One task, `go`, that takes and returns anything: its name and schemas are at 1024.
    let mut info: Vec<u8> = [1024_u32, 2, 1026, 0, 1026, 2, 1026, 2]
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    info.resize(280, 0);
    let info: String = info.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let data = format!("(data (i32.const 256) \"{info}\") (data (i32.const 1024) \"go{{}}\")");
    let text = include_str!("../../../tests/fixtures/task.wat")
        .replace("(;@pages;)", "2")
        .replace("(;@tasks;)", "1")
        .replace("(;@infos;)", "256")
        .replace(";;@imports", imports)
        .replace(";;@core-imports", core)
        .replace(";;@with", with)
        .replace(";;@data", &data)
        .replace(";;@run", run);
    Ok(wat::parse_str(text)?)
}

/// A module whose task answers with its input.
pub(crate) fn echo() -> anyhow::Result<Vec<u8>> {
    let run = "(call $respond (local.get $input) (local.get $input-length))";
    fixture("", "", "", run)
}

/// One that calls the generated module, in `run` and while it is described.
fn around() -> anyhow::Result<Vec<u8>> {
    let lowered = include_str!("../../../tests/fixtures/imports.wat");
    let host = include_str!("../../../tests/fixtures/with.wat");
    let imports = format!(
        "{lowered}
        (core module $Made
            (func (export \"{}\"))
            (func (export \"go\") (param i32 i32) (result i32) (i32.const 0)))
        (core instance $made (instantiate $Made {host}))",
        std::str::from_utf8(PLACEHOLDER)?
    );
    let core = format!("{HOST}\n(import \"made\" \"go\" (func $go (param i32 i32) (result i32)))");
    let with = format!("{host}\n(with \"made\" (instance $made))");
    let run = "(call $respond
        (call $go (local.get $input) (local.get $input-length)) (local.get $input-length))";
    fixture(&imports, &core, &with, run)
}

impl Modules {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let settings = Settings {
            instances: 4,
            module_bytes: 16 << 20,
            ..Settings::default()
        };
        Ok(Modules {
            runtime: Runtime::new()?,
            engine: Engine::new(settings)?,
            imports: wat::parse_str(format!("(module {HOST})"))?,
            exports: wat::parse_str(
                "(module (func (export \"go\") (param i32 i32) (result i32) unreachable))",
            )?,
            component: around()?,
            pushed: 0,
            completed: 0,
            runs: 0,
        })
    }

    fn config(&self, random: &mut Unstructured<'_>) -> Config {
        Config {
            available_imports: random
                .ratio(3, 4)
                .unwrap_or(true)
                .then(|| self.imports.clone()),
            exports: Some(self.exports.clone()),
            max_memories: 2,
            max_tables: 2,
            max_memory32_bytes: 64 << 20,
            max_table_elements: 10_000,
            max_instructions: 400,
            max_funcs: 20,
            gc_enabled: false,
            exceptions_enabled: false,
            threads_enabled: false,
            memory64_enabled: false,
            wide_arithmetic_enabled: false,
            compact_imports_enabled: false,
            ..Config::default()
        }
    }

    /// The component around a generated module.
    fn component(&self, made: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (head, mut left) = self.component.split_at(8);
        let mut whole = head.to_vec();
        while let [id, rest @ ..] = left {
            let (length, content) = leb(rest).context("a section has a length")?;
            let (content, rest) = content.split_at(length);
            let is_it = *id == 1
                && content
                    .windows(PLACEHOLDER.len())
                    .any(|it| it == PLACEHOLDER);
            let content = if is_it { made } else { content };
            whole.push(*id);
            let mut length = content.len();
            while length >= 0x80 {
                whole.push(length as u8 | 0x80);
                length >>= 7;
            }
            whole.push(length as u8);
            whole.extend_from_slice(content);
            left = rest;
        }
        Ok(whole)
    }
}

fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut number, mut at) = (0, 0);
    loop {
        let byte = *bytes.get(at)?;
        number |= usize::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte < 0x80 {
            return Some((number, &bytes[at..]));
        }
    }
}

impl Target for Modules {
    fn run(&mut self, input: &[u8]) {
        let since = Instant::now();
        self.runs += 1;
        // As it came, as somebody pushes it.
        let _ = self.engine.compile(input);
        let mut random = Unstructured::new(input);
        let config = self.config(&mut random);
        let Ok(made) = Module::new(config, &mut random) else {
            return;
        };
        let bytes = self
            .component(&made.to_bytes())
            .expect("the fixture has sections");
        let Ok(module) = self.engine.compile(&bytes) else {
            return;
        };
        self.pushed += 1;
        let mut invocation = Invocation::local(module.digest(), "go", input.to_vec());
        invocation.limits = Limits {
            fuel: FUEL,
            deadline: DEADLINE,
            ..Limits::default()
        };
        let outcome = self.runtime.block_on(async {
            let _ = self.engine.describe(&module).await;
            self.engine
                .run(&module, invocation, Arc::new(NoHost::default()))
                .await
        });
        self.completed += u64::from(outcome.end.failure().is_none());
        assert!(outcome.wall < LONG, "it ran for {:?}", outcome.wall);
        assert!(since.elapsed() < LONG, "it took {:?}", since.elapsed());
    }

    fn told(&self) -> String {
        format!(
            "of {} modules {} were let in and run, {} of them to their end",
            self.runs, self.pushed, self.completed
        )
    }
}
