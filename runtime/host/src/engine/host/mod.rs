//! What a module may call. Each capability has a file of its own here; what
//! needs somebody outside the engine goes through the [`Host`].
//!
//! # Layout
//! - this file: the state of one instance
//! - `messages`: what is asked of the [`Host`], and what it answers
//! - `offers`: which imports there are
//! - `context`: `lovage:task/context`, the job and what it says of itself
//! - `jobs`: `lovage:task/jobs`, enqueueing more
//! - `config`: `wasi:config`, values and secrets by name
//! - `http`: requests to other hosts, by `wasi:http`
//! - `keyvalue`: keys with values, by `wasi:keyvalue`; `bucket`: what is asked of them
//! - `sockets`: connections to other hosts, by `wasi:sockets`
//! - `sql`: `lovage:task/sql`, statements in databases by name
//! - [`log`]: stdout and stderr
//! - `wasi`: the empty machine that WASI 0.2 shows
//! - `scratch`: its files, in memory
//! - [`local`]: a host for runs that no queue stands behind

mod bucket;
mod config;
mod context;
mod http;
mod jobs;
pub(crate) mod keyvalue;
pub mod local;
pub mod log;
mod messages;
mod offers;
mod scratch;
mod sockets;
pub(crate) mod sql;
pub(crate) mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lovage_queue::grant::Grants;
use wasmtime::component::{HasSelf, Linker};

pub use self::bucket::{BucketCall, BucketReply, BucketRequest, Was, was};
pub(crate) use self::context::MESSAGE;
pub(crate) use self::jobs::{CHILDREN, FLOWS};
pub use self::jobs::{ChildFlow, ChildJob, ChildPage};
pub use self::messages::{Access, CallError, Hidden, Host, Reply, Request};
use self::messages::{mismatch, too_large};
pub(crate) use self::offers::{Capability, capability, offers};

use super::bindings::lovage::task::types;
use super::invocation::{Cancel, JobContext};
use super::limits::{Limiter, Limits};
use super::outcome::bytes;

/// A deadline so far off that it stands for none.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// All that one instance has.
pub(crate) struct State {
    pub(crate) context: JobContext,
    pub(crate) limits: Limits,
    pub(crate) cancel: Cancel,
    pub(crate) deadline: Instant,
    /// From when on the task hears that it should stop.
    soft_deadline: Option<Instant>,
    pub(crate) limiter: Limiter,
    pub(crate) machine: wasi::Machine,
    http: http::Http,
    scratch: scratch::Scratch,
    /// What it may reach beside the queue.
    pub(crate) grants: Arc<Grants>,
    host: Arc<dyn Host>,
    calls: u32,
    /// Bytes that those calls have moved.
    moved: u64,
    /// Calls of whatever the module imports. Nobody looks at it in a call: the next tick
    /// does, since a guest that calls and calls comes to one.
    pub(crate) imported: u64,
    children: u64,
    /// Flows that it has made so far.
    flows: u64,
    /// Whether it has made a page.
    paged: bool,
    progress_at: Option<Instant>,
    /// Whether the newest progress said that all is done.
    done: bool,
}

impl State {
    pub(crate) fn new(
        context: JobContext,
        limits: Limits,
        cancel: Cancel,
        log: log::Tap,
        grants: Arc<Grants>,
        host: Arc<dyn Host>,
    ) -> Self {
        let now = Instant::now();
        State {
            deadline: now + limits.deadline.min(FAR),
            soft_deadline: limits.soft_deadline.map(|span| now + span.min(FAR)),
            limiter: Limiter::new(limits.memory),
            context,
            limits,
            cancel,
            machine: wasi::Machine::new(log),
            http: http::Http::default(),
            scratch: scratch::Scratch::default(),
            grants,
            host,
            calls: 0,
            moved: 0,
            imported: 0,
            children: 0,
            flows: 0,
            paged: false,
            progress_at: None,
            done: false,
        }
    }

    /// Asks the host, unless the attempt has asked too often.
    async fn ask(&mut self, request: Request) -> Result<Reply, CallError> {
        if self.calls >= self.limits.calls {
            let most = self.limits.calls;
            return Err(CallError::Limit(format!(
                "an attempt may make {most} calls to its host"
            )));
        }
        self.calls += 1;
        self.moves(request.size())?;
        let reply = self.host.call(request).await?;
        // It has come already: what is past the limit by it is refused next time.
        self.moved += reply.size();
        Ok(reply)
    }

    /// Whether so many bytes more may be moved; then they count.
    fn moves(&mut self, bytes: u64) -> Result<(), CallError> {
        let most = self.limits.moved;
        if self.moved.saturating_add(bytes) > most {
            let most = self::bytes(most);
            return Err(CallError::Limit(format!(
                "what an attempt hands to its host and gets of it takes at most {most}"
            )));
        }
        self.moved += bytes;
        Ok(())
    }

    /// Counts a call of something that the module imports.
    fn import(&mut self) -> &mut Self {
        self.imported += 1;
        self
    }

    /// Whether the task should stop: somebody asked, or its time is nearly over.
    fn cancelled(&self) -> bool {
        let late = |soft: Instant| Instant::now() >= soft;
        self.cancel.is_cancelled() || self.soft_deadline.is_some_and(late)
    }

    /// What is left until the deadline.
    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Offers everything to all modules.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use super::bindings::lovage::task;
    use super::bindings::wasi::config::store;
    store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wasi::link(linker)?;
    sockets::link(linker)?;
    // After the machine, whose place it takes.
    scratch::link(linker)?;
    http::link(linker)?;
    keyvalue::link(linker)?;
    task::sql::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    task::types::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    task::context::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    task::jobs::add_to_linker::<_, HasSelf<State>>(linker, State::import)
}

impl types::Host for State {}
