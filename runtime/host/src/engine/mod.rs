//! The engine: a component and an invocation in, an outcome out. It knows no
//! queue and no broker.
//!
//! # Layout
//! - this file: [`Engine`]
//! - `config`: its [`Settings`], and what they make of wasmtime's
//! - [`module`]: a [`Module`] that is ready to run, or the [`Refusal`] of one
//! - `load`: from bytes to a module: memory, disk, compiler; `nesting`: what no compiler
//!   should see; `apart`: the compiler in another process
//! - `plain`: modules with no SDK, whose functions are the tasks
//! - `cache`: compiled modules on disk; `shelf`: those in memory; `counts`: how often
//!   they were there
//! - `invocation`: what is run, and the flag that stops it
//! - `attempt`: one run, in a fresh instance; `batch`: one of many jobs together
//! - `describe`: what a module says of its tasks, checked
//! - [`limits`]: what an attempt may use; [`outcome`]: what became of it
//! - [`host`]: what a module may call, one capability a file
//! - `ticker`: the thread that brings running guests back
//! - `bindings`: `wit/` as Rust types
//!
//! # How a guest is held
//! **Fuel** is an attempt's budget, the same on every machine. The **epoch**
//! ticks every millisecond; at each tick a running guest yields to the
//! executor, and its deadline and its [`Cancel`] are looked at. While it waits
//! for the host, a timer does that. **Memory** is counted over all its
//! memories. A trap is an outcome: nothing that a guest does is an `Err` here.

mod apart;
mod attempt;
mod batch;
mod bindings;
mod cache;
mod config;
mod counts;
mod describe;
mod fuse;
pub mod host;
mod invocation;
pub mod limits;
mod load;
mod meter;
pub mod module;
mod nesting;
pub mod outcome;
mod plain;
mod shelf;
mod ticker;

use std::sync::Arc;

use lovage_queue::grant::Grants;
use lovage_queue::task::TaskInfo;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use wasmtime::component::Linker;

pub use self::apart::{Compiled, Compiler, Said, Source, Work};
pub use self::batch::{BatchCall, BatchOutcome};
pub use self::config::Settings;
pub use self::counts::ModuleCounts;
pub use self::host::local::NoHost;
pub use self::host::log::Tap;
pub use self::host::{
    Access, BucketCall, BucketReply, BucketRequest, CallError, ChildFlow, ChildJob, ChildPage,
    Hidden, Host, Reply, Request, was,
};
pub use self::invocation::{Cancel, Invocation, JobContext};
pub use self::limits::{Ceilings, Limits};
pub use self::load::LoadError;
pub use self::meter::{metered, taken_here};
pub use self::module::{Module, Refusal};
pub use self::outcome::{End, Outcome};

use self::cache::Cache;
use self::counts::Counts;
use self::host::State;
use self::module::{Handler, Linked};
use self::shelf::Shelf;
use self::ticker::Ticker;

/// The engine itself is broken. No module can cause one of these.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine cannot run it, or the settings make no sense.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Setup(String),
    /// The folder of compiled modules.
    #[error("cannot use `{path}` for compiled modules: {source}")]
    Cache {
        /// Where it is.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no process to compile in.
    #[error("the compiler's process failed: {0}")]
    Compiler(String),
    /// A thread cannot be started, or has died.
    #[error("a thread of the engine failed: {0}")]
    Thread(String),
}

/// Runs modules. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    settings: Settings,
    linker: Linker<State>,
    /// Slots of the pool. A full pool would fail an attempt that did nothing
    /// wrong; so attempts wait here.
    slots: Semaphore,
    ticker: Ticker,
    cache: Option<Cache>,
    shelf: Shelf,
    counts: Counts,
    /// Held by the one compilation that may run: a module that takes seconds
    /// must not take all the cores from those that are running.
    compiler: Arc<Mutex<()>>,
    /// Last, so that it is dropped after all that uses it.
    wasmtime: wasmtime::Engine,
}

impl Engine {
    /// Sets one up. It reserves address space, no memory.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&settings.wasmtime()).map_err(setup)?;
        let mut linker = Linker::new(&wasmtime);
        host::link(&mut linker).map_err(setup)?;
        let cache = settings
            .cache
            .as_deref()
            .map(|dir| {
                let compiler = wasmtime.precompile_compatibility_hash();
                Cache::open(dir, compiler, settings.cache_bytes).map_err(|source| {
                    let path = dir.display().to_string();
                    EngineError::Cache { path, source }
                })
            })
            .transpose()?;
        let ticking = wasmtime.clone();
        let ticker = Ticker::start(settings.tick, move || ticking.increment_epoch())
            .map_err(|error| EngineError::Thread(error.to_string()))?;
        Ok(Engine(Arc::new(Inner {
            slots: Semaphore::new(settings.instances.max(1) as usize),
            shelf: Shelf::new(settings.module_bytes),
            counts: Counts::default(),
            compiler: Arc::default(),
            settings,
            linker,
            ticker,
            cache,
            wasmtime,
        })))
    }

    /// What it was set up with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How often modules were there, since the engine was set up.
    pub fn module_counts(&self) -> ModuleCounts {
        self.0.counts.read()
    }

    /// Runs one attempt, in a fresh instance. Waits for a slot where all are
    /// taken; the deadline counts from the moment that it has one.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer.
    pub async fn run(
        &self,
        module: &Module,
        invocation: Invocation,
        host: Arc<dyn Host>,
    ) -> Outcome {
        // Dropped last: the slot is free once the instance is gone.
        let (_slot, linked) = match self.admit(module, &invocation.cancel).await {
            Ok(admitted) => admitted,
            Err(end) => return Outcome::unrun(end),
        };
        let _working = self.0.ticker.working();
        attempt::run(self, linked, invocation, host).await
    }

    /// Runs one attempt at each of some jobs of a batched task in one instance, as
    /// [`run`](Self::run) does. The invocation has their shared context and bounds; its
    /// input is not looked at.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer.
    pub async fn run_batch(
        &self,
        module: &Module,
        invocation: Invocation,
        calls: Vec<BatchCall>,
        host: Arc<dyn Host>,
    ) -> BatchOutcome {
        let (_slot, linked) = match self.admit(module, &invocation.cancel).await {
            Ok(admitted) => admitted,
            Err(end) => return BatchOutcome::whole(Outcome::unrun(end), calls.len()),
        };
        let _working = self.0.ticker.working();
        batch::run(self, linked, invocation, calls, host).await
    }

    /// A slot for an attempt that can begin.
    async fn admit<'a>(
        &'a self,
        module: &'a Module,
        cancel: &Cancel,
    ) -> Result<(SemaphorePermit<'a>, &'a Linked), End> {
        let slot = tokio::select! {
            biased;
            () = cancel.stopped() => return Err(End::Cancelled),
            slot = self.slot() => slot,
        };
        let Some(linked) = self.made(module) else {
            let text = "the module was compiled by another engine";
            let ending = lovage_queue::job::Ending::HostError;
            return Err(End::trapped(ending, text));
        };
        Ok((slot, linked))
    }

    /// Asks a module for its tasks, in the sandbox, within limits of its own.
    pub async fn describe(&self, module: &Module) -> Result<Vec<TaskInfo>, Refusal> {
        let Some(linked) = self.made(module) else {
            let text = "cannot be called: the module was compiled by another engine";
            return Err(Refusal::Describe(text.into()));
        };
        if let Handler::Plain(plain) = &linked.handler {
            return describe::of_plain(plain);
        }
        let _slot = self.slot().await;
        let _working = self.0.ticker.working();
        let host = Arc::new(NoHost::default());
        let (tasks, batched) = attempt::describe(self, linked, module.digest(), host).await?;
        describe::read(tasks, batched)
    }

    /// Asks a module for what it wants to reach, as [`describe`](Self::describe) does for
    /// its tasks. What it imports and does not want, it is refused for.
    pub async fn wants(&self, module: &Module) -> Result<Grants, Refusal> {
        let Some(linked) = self.made(module) else {
            let text = "cannot be called: the module was compiled by another engine";
            return Err(Refusal::Wants(text.into()));
        };
        let _slot = self.slot().await;
        let _working = self.0.ticker.working();
        let host = Arc::new(NoHost::default());
        let lines = attempt::wants(self, linked, module.digest(), host).await?;
        describe::wants(&lines, &linked.reaches)
    }

    /// A module's code, if this engine made it.
    fn made<'a>(&self, module: &'a Module) -> Option<&'a Linked> {
        let linked = module.linked()?;
        wasmtime::Engine::same(linked.pre.engine(), &self.0.wasmtime).then_some(linked)
    }

    /// Opens what an engine reads of its own process, for one that can open nothing later.
    pub(crate) fn prepare_process() {
        let smallest = Settings {
            instances: 1,
            ..Settings::default()
        };
        // What fails here fails again, and is told then.
        let _ = wasmtime::Engine::new(&smallest.wasmtime());
    }

    async fn slot(&self) -> SemaphorePermit<'_> {
        let slot = self.0.slots.acquire().await;
        slot.expect("the semaphore is never closed")
    }

    fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.wasmtime
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
