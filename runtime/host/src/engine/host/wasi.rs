//! WASI 0.2 as an empty, unconnected machine: clocks, random numbers, stdio;
//! no arguments, no environment, no sockets. `scratch` takes the place of its files.
//!
//! All of it links, because every toolchain's standard library imports more
//! than its programs use; what is not there answers with the error that a
//! program gets on a machine that lacks it.

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::State;
use super::log::{Log, Sink, Tap};
use crate::engine::limits::RESOURCES;

/// Bytes of randomness that one call may ask for: the host makes them while the
/// guest waits, so no more than a tick's worth.
const RANDOM: u64 = 1024 * 1024;

/// A guest's WASI state, made at its first WASI call: most tasks make none, and
/// it would be a third of what a fresh instance costs.
pub(crate) struct Machine {
    log: Tap,
    made: Option<Box<(WasiCtx, ResourceTable)>>,
}

impl Machine {
    pub(crate) fn new(log: Tap) -> Self {
        Machine { log, made: None }
    }

    /// What the guest wrote.
    pub(crate) fn log(&self) -> Log {
        self.log.take()
    }

    /// The end that is written to, for what its host has to say to the author.
    pub(super) fn sink(&self, most: usize) -> Sink {
        Sink::new(self.log.clone(), most)
    }

    /// Its state and its resources, of which the log takes so many bytes.
    pub(super) fn made(&mut self, most: usize) -> &mut (WasiCtx, ResourceTable) {
        let log = &self.log;
        let make = || Box::new(make(Sink::new(log.clone(), most)));
        self.made.get_or_insert_with(make)
    }
}

impl State {
    /// The resources that the guest holds of its machine.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.machine.made(self.limits.log).1
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Each call of WASI comes by here once.
        self.imported += 1;
        let (ctx, table) = self.machine.made(self.limits.log);
        WasiCtxView { ctx, table }
    }
}

fn make(sink: Sink) -> (WasiCtx, ResourceTable) {
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES);
    let ctx = WasiCtx::builder()
        .stdout(sink.clone())
        .stderr(sink)
        .max_random_size(RANDOM)
        // Connections are none of this machine's: no socket is ever made.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build();
    (ctx, table)
}

/// Offers it to all modules.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The interfaces it consists of, without their version.
pub(crate) const INTERFACES: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];
