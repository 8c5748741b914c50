//! What a module may call. Each capability has a file of its own here; what
//! needs somebody outside the engine goes through the [`Host`].
//!
//! # Layout
//! - this file: the messages to the [`Host`], and the state of one instance
//! - `context`: `lovage:task/context`, the job and what it says of itself
//! - `jobs`: `lovage:task/jobs`, enqueueing more
//! - `config`: `wasi:config`, values and secrets by name
//! - `http`: requests to other hosts, by `wasi:http`
//! - [`log`]: stdout and stderr
//! - `wasi`: the empty machine that WASI 0.2 shows
//! - [`local`]: a host for runs that no queue stands behind

mod config;
mod context;
mod http;
mod jobs;
pub mod local;
pub mod log;
pub(crate) mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lovage_queue::grant::{Grant, Grants};
use lovage_queue::job::{Checkpoint, JobId, Progress};
use serde::{Deserialize, Serialize};
use wasmtime::component::{HasSelf, Linker};

pub(crate) use self::context::MESSAGE;
pub(crate) use self::jobs::{CHILDREN, FLOWS};
pub use self::jobs::{ChildFlow, ChildJob, ChildPage};

use super::bindings::lovage::task::types;
use super::invocation::{Cancel, JobContext};
use super::limits::{Limiter, Limits};
use super::outcome::bytes;
use crate::net::{HttpAnswer, HttpFailure, HttpRequest};

/// A deadline so far off that it stands for none.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Who answers what a running task asks for. There is one of these an attempt,
/// so it knows which job asks.
///
/// A request and its answer are plain data: an engine in a child process sends
/// them over a pipe. Whoever answers checks them again, since what runs a
/// module may have been taken over by it.
#[async_trait]
pub trait Host: Send + Sync {
    /// Answers a request. It may take its time; the attempt's deadline is in
    /// force meanwhile, and the future is dropped when it passes.
    async fn call(&self, request: Request) -> Result<Reply, CallError>;
}

/// What a task asks of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How far it is. Some are left out when they come fast; answered with
    /// [`Reply::Done`].
    Progress(Progress),
    /// A state to be kept for the job's next attempt; answered with
    /// [`Reply::Done`].
    Checkpoint(Checkpoint),
    /// The state that was kept; answered with [`Reply::Restored`].
    Restore,
    /// Jobs to be enqueued, all or none; answered with [`Reply::Enqueued`].
    Enqueue(Vec<ChildJob>),
    /// A flow of jobs; answered with [`Reply::Enqueued`].
    EnqueueFlow(ChildFlow),
    /// A page of jobs, after which the job runs again; answered with [`Reply::Done`].
    EnqueuePage(ChildPage),
    /// A value by its name; answered with [`Reply::Value`].
    Value(String),
    /// All values that the module may read; answered with [`Reply::Values`].
    Values,
    /// A request to another host; answered with [`Reply::Http`].
    Http(HttpRequest),
}

impl Request {
    /// Bytes of what an author may make long.
    fn size(&self) -> u64 {
        let input = |job: &ChildJob| job.input.len();
        let bytes = match self {
            Request::Progress(_) | Request::Restore | Request::Values => 0,
            Request::Checkpoint(saved) => saved.state.len(),
            Request::Enqueue(jobs) => jobs.iter().map(input).sum(),
            Request::EnqueueFlow(flow) => flow.flow.len(),
            Request::EnqueuePage(page) => {
                page.cursor.state.len() + page.jobs.iter().map(input).sum::<usize>()
            }
            Request::Value(key) => key.len(),
            Request::Http(request) => request.body.len(),
        };
        bytes as u64
    }
}

/// What the host answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The state that an earlier attempt saved.
    Restored(Option<Checkpoint>),
    /// The new jobs' ids, in the order of the request; or a flow's.
    Enqueued(Vec<JobId>),
    /// The value, if there is one.
    Value(Option<Hidden>),
    /// Values by their names.
    Values(Vec<(String, Hidden)>),
    /// What the other host said, or why it did not.
    Http(Result<HttpAnswer, HttpFailure>),
}

/// What may be a secret: it goes to the guest, and is formatted nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Reply {
    fn size(&self) -> u64 {
        let bytes = match self {
            Reply::Restored(Some(saved)) => saved.state.len(),
            Reply::Value(Some(value)) => value.0.len(),
            Reply::Values(all) => all.iter().map(|(key, it)| key.len() + it.0.len()).sum(),
            Reply::Http(Ok(answer)) => answer.body.len(),
            Reply::Restored(None)
            | Reply::Value(None)
            | Reply::Http(Err(_))
            | Reply::Done
            | Reply::Enqueued(_) => 0,
        };
        bytes as u64
    }
}

/// Why the host did not do it. The texts reach the module's author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallError {
    /// The module was not granted this.
    #[error("denied: {0}")]
    Denied(String),
    /// It makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
    /// It is too large, or too often.
    #[error("past a limit: {0}")]
    Limit(String),
    /// Not just now.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<CallError> for types::CallError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Denied(text) => types::CallError::Denied(text),
            CallError::Invalid(text) => types::CallError::Invalid(text),
            CallError::Limit(text) => types::CallError::Limit(text),
            CallError::Unavailable(text) => types::CallError::Unavailable(text),
        }
    }
}

/// An answer of the wrong kind: the host is at fault, not the module.
fn mismatch() -> CallError {
    CallError::Unavailable("the host gave an answer to another question".into())
}

fn too_large(what: &str, size: usize, most: usize) -> CallError {
    let (size, most) = (bytes(size as u64), bytes(most as u64));
    CallError::Limit(format!("{what} of {size} is larger than {most}"))
}

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
    http::link(linker)?;
    task::types::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    task::context::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    task::jobs::add_to_linker::<_, HasSelf<State>>(linker, State::import)
}

impl types::Host for State {}

/// An import that is of no use without a grant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capability {
    /// The interface, without its version.
    pub(crate) import: &'static str,
    /// What a grant for it is of.
    pub(crate) what: &'static str,
    is_of: IsOf,
}

impl Capability {
    /// Whether any of these grants makes it useful.
    pub(crate) fn is_among(&self, grants: &Grants) -> bool {
        grants.0.iter().any(self.is_of)
    }
}

/// Whether a grant is of a kind.
type IsOf = fn(&Grant) -> bool;

/// The imports that are of no use without a grant. WASI's sockets are not among them: every
/// toolchain's standard library imports those.
const CAPABILITIES: &[(&str, &str, IsOf)] = &[
    ("wasi:http/outgoing-handler", "host", |it| {
        matches!(it, Grant::Http { .. })
    }),
    ("wasi:config/store", "value", |it| {
        matches!(it, Grant::Config(_) | Grant::Secret(_))
    }),
];

/// What an import of this name (with its version) is the way to.
pub(crate) fn capability(import: &str) -> Option<Capability> {
    let interface = import.split_once('@').map_or(import, |(name, _)| name);
    let found = CAPABILITIES.iter().find(|(name, ..)| *name == interface);
    found.map(|&(import, what, is_of)| Capability {
        import,
        what,
        is_of,
    })
}

/// Whether an import of this name (with its version) is offered.
pub(crate) fn offers(import: &str) -> bool {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    match interface {
        "lovage:task/types" | "lovage:task/context" | "lovage:task/jobs" => {
            version.starts_with("0.1.")
        }
        // Of a draft no other version is compatible.
        "wasi:config/store" => version == "0.2.0-rc.1",
        _ => {
            let mut known = wasi::INTERFACES.iter().chain(http::INTERFACES);
            version.starts_with("0.2.") && known.any(|it| *it == interface)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Part;

    #[test]
    fn offers_go_by_interface_and_compatible_version() {
        assert!(offers("wasi:cli/stdout@0.2.9"));
        assert!(offers("lovage:task/context@0.1.0"));
        assert!(!offers("wasi:cli/stdout@0.3.0"));
        assert!(offers("wasi:http/outgoing-handler@0.2.3"));
        assert!(!offers("wasi:http/incoming-handler@0.2.3"));
        assert!(!offers("wasi:nn/inference@0.2.3"));
        assert!(!offers("lovage:task/context@0.2.0"));
        assert!(!offers("env"));
        assert!(offers("wasi:config/store@0.2.0-rc.1"));
        assert!(!offers("wasi:config/store@0.2.0"));
    }

    #[test]
    fn messages_cross_a_pipe() {
        let request = Request::Progress(Progress {
            share: Some(0.5),
            message: None,
        });
        let bytes = rmp_serde::to_vec_named(&request).unwrap();
        assert_eq!(rmp_serde::from_slice::<Request>(&bytes).unwrap(), request);
        let reply = Reply::Http(Err(HttpFailure::TooLarge(Part::AnswerBody, 7)));
        let bytes = rmp_serde::to_vec_named(&reply).unwrap();
        assert_eq!(rmp_serde::from_slice::<Reply>(&bytes).unwrap(), reply);
        let request = Request::Http(HttpRequest {
            method: "GET".into(),
            headers: vec![("a".into(), serde_bytes::ByteBuf::from(b"\xff"))],
            patience: Some(Duration::from_millis(1500)),
            ..HttpRequest::default()
        });
        let bytes = rmp_serde::to_vec_named(&request).unwrap();
        assert_eq!(rmp_serde::from_slice::<Request>(&bytes).unwrap(), request);
        let error = CallError::Limit("too much".into());
        let bytes = rmp_serde::to_vec_named(&error).unwrap();
        assert_eq!(rmp_serde::from_slice::<CallError>(&bytes).unwrap(), error);
        let reply = Reply::Values(vec![("key".into(), Hidden("hunter2".into()))]);
        let bytes = rmp_serde::to_vec_named(&reply).unwrap();
        assert_eq!(rmp_serde::from_slice::<Reply>(&bytes).unwrap(), reply);
        assert!(!format!("{reply:?}").contains("hunter2"));
    }
}
