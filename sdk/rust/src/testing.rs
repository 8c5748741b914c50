//! What a worker would do, for tests that run natively.
//!
//! ```
//! # extern crate lovage_sdk as lovage;
//! use lovage::{context, testing::Context};
//!
//! #[lovage::task]
//! fn count(to: u32) -> Result<u32, lovage::Failure> {
//!     let from = context::restore::<u32>()?.map_or(0, |saved| saved.state);
//!     context::progress(None, "counting")?;
//!     context::checkpoint(&to)?;
//!     Ok(to - from)
//! }
//!
//! let (result, record) = Context::new().attempt(2).saved(&3_u32).run(|| count(10));
//! assert_eq!(result.unwrap(), 7);
//! assert_eq!(record.checkpoint::<u32>(), Some(10));
//! assert_eq!(record.progress[0].message.as_deref(), Some("counting"));
//! ```

pub(crate) mod sql;

use crate::context::{Job, Saved};
use crate::jobs::{NewFlow, NewJob};
use crate::{Failure, TaskOptions, registry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The digest that the module under test has.
pub const DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One task, as the module describes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its name.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// The JSON Schema of its arguments.
    pub input_schema: Value,
    /// The JSON Schema of its result.
    pub output_schema: Value,
    /// Its default options.
    pub options: TaskOptions,
}

/// What the module wants to reach, as it says when it is pushed.
pub fn wants() -> Vec<&'static str> {
    registry::wants()
}

/// The module's tasks by name, as they are described when it is pushed.
///
/// # Panics
///
/// When two tasks have one name.
pub fn tasks() -> Vec<TaskInfo> {
    let schema = |text: String| serde_json::from_str(&text).expect("schemas are JSON");
    let info = |task: &registry::Task| TaskInfo {
        name: task.name,
        doc: task.doc,
        input_schema: schema(task.input_schema()),
        output_schema: schema(task.output_schema()),
        options: task.options,
    };
    registry::tasks().into_iter().map(info).collect()
}

/// Runs a task as a worker does: the arguments by name through MessagePack, and the result back.
pub fn call<T: DeserializeOwned>(task: &str, arguments: &impl Serialize) -> Result<T, Failure> {
    let input = rmp_serde::to_vec_named(arguments)?;
    Ok(rmp_serde::from_slice(&registry::run(task, &input)?)?)
}

/// Runs many calls of a batched task together, as a worker does: a result for each, in their order.
pub fn call_batch<T: DeserializeOwned>(
    task: &str,
    calls: &[impl Serialize],
) -> Vec<Result<T, Failure>> {
    let inputs = calls.iter().map(rmp_serde::to_vec_named);
    let inputs: Vec<_> = match inputs.collect::<Result<_, _>>() {
        Ok(inputs) => inputs,
        Err(error) => {
            let failure = Failure::from(error);
            return calls.iter().map(|_| Err(failure.clone())).collect();
        }
    };
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let answers = registry::run_batch(task, &inputs).into_iter();
    answers
        .map(|answer| Ok(rmp_serde::from_slice(&answer?)?))
        .collect()
}

/// One call of [`crate::context::progress`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// From 0 to 1.
    pub share: Option<f64>,
    /// The line for a person.
    pub message: Option<String>,
}

/// What a task told the queue while it ran.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Record {
    /// Each progress, in order.
    pub progress: Vec<Progress>,
    /// Each job it enqueued, in order.
    pub jobs: Vec<NewJob>,
    /// Each flow it made, in order.
    pub flows: Vec<NewFlow>,
    buckets: Buckets,
    /// How many jobs it lets be open, where the jobs are a page and the checkpoint where the next one begins.
    pub open: Option<u32>,
    /// Each statement that it sent, behind its connection's name and a colon; and how its transactions began and ended.
    pub sql: Vec<String>,
    state: Option<Vec<u8>>,
}

/// Buckets by name.
type Buckets = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

impl Record {
    /// What a bucket holds after it; nothing where it opened none of this name and was given none.
    pub fn bucket(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        self.buckets.get(name).cloned().unwrap_or_default()
    }

    /// The newest state that it saved, if it saved one.
    ///
    /// # Panics
    ///
    /// When the state is no `T`.
    pub fn checkpoint<T: DeserializeOwned>(&self) -> Option<T> {
        self.state
            .as_ref()
            .map(|state| rmp_serde::from_slice(state).expect("a state of this type"))
    }
}

/// The job that a task under test runs as. Each thread has its own; without one, a first attempt of five.
#[derive(Debug, Clone)]
#[must_use = "a context is for running something in it"]
pub struct Context {
    job: Job,
    /// Those that run with it, and itself; none where it runs alone.
    batch: Vec<Job>,
    remaining: Duration,
    cancelled: bool,
    saved: Option<Saved<Vec<u8>>>,
    config: Vec<(String, String)>,
    sql: Option<sql::Database>,
    record: Record,
}

impl Default for Context {
    fn default() -> Self {
        let job = Job {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            tenant: "default".into(),
            module: "module".into(),
            task: "task".into(),
            queue: "default".into(),
            digest: DIGEST.into(),
            attempt: 1,
            max_attempts: 5,
            enqueued_at: SystemTime::UNIX_EPOCH,
            headers: Vec::new(),
        };
        Self {
            job,
            batch: Vec::new(),
            remaining: Duration::from_secs(60),
            cancelled: false,
            saved: None,
            config: Vec::new(),
            sql: None,
            record: Record::default(),
        }
    }
}

impl Context {
    /// A first attempt of five, with a minute left.
    pub fn new() -> Self {
        Self::default()
    }

    /// The attempt it is.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.job.attempt = attempt;
        self
    }

    /// Changes the job in other ways.
    pub fn job(mut self, change: impl FnOnce(&mut Job)) -> Self {
        change(&mut self.job);
        self
    }

    /// The job is the first of a batch of so many: the others are like it, but for their ids.
    pub fn batch(mut self, jobs: usize) -> Self {
        let numbered = |number| Job {
            id: match number {
                0 => self.job.id.clone(),
                number => format!("{}-{number}", self.job.id),
            },
            ..self.job.clone()
        };
        self.batch = (0..jobs).map(numbered).collect();
        self
    }

    /// Adds one header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.job.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a value that [`crate::config::get`] answers with.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Adds a bucket with these keys and values. Others are empty; whether the module wants them is not looked at.
    pub fn bucket<K: Into<String>, V: AsRef<[u8]>>(
        mut self,
        name: impl Into<String>,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let bucket = self.record.buckets.entry(name.into()).or_default();
        let pairs = pairs.into_iter();
        bucket.extend(pairs.map(|(key, value)| (key.into(), value.as_ref().to_vec())));
        self
    }

    /// What answers the statements of [`crate::sql`]: by the connection's name, the statement and its parameters.
    pub fn sql(
        mut self,
        answer: impl Fn(&str, &str, &[crate::sql::Value]) -> Result<crate::sql::Rows, crate::sql::Error>
        + 'static,
    ) -> Self {
        self.sql = Some(sql::Database(std::sync::Arc::new(answer)));
        self
    }

    /// The time left until the deadline.
    pub fn remaining(self, remaining: Duration) -> Self {
        Self { remaining, ..self }
    }

    /// Somebody asked for the job to stop.
    pub fn cancelled(self) -> Self {
        Self {
            cancelled: true,
            ..self
        }
    }

    /// The state that an earlier attempt saved, under the same digest.
    ///
    /// # Panics
    ///
    /// When the state cannot be encoded.
    pub fn saved(self, state: &impl Serialize) -> Self {
        let state = rmp_serde::to_vec_named(state).expect("a state that can be encoded");
        Self {
            saved: Some(Saved {
                digest: self.job.digest.clone(),
                state,
            }),
            ..self
        }
    }

    /// Runs `body` in this context, and answers with what it returned and what it told the queue.
    pub fn run<R>(self, body: impl FnOnce() -> R) -> (R, Record) {
        /// Puts back the context that was there before, also when `body` panics.
        struct Restore(Option<Context>);
        impl Drop for Restore {
            fn drop(&mut self) {
                let before = self.0.take().unwrap_or_default();
                CONTEXT.set(before);
            }
        }
        let _restore = Restore(Some(CONTEXT.replace(self)));
        let returned = body();
        (returned, CONTEXT.take().record)
    }
}

mod buckets;

thread_local! {
    static CONTEXT: RefCell<Context> = RefCell::default();
}

/// The host's side of the contract, natively.
pub(crate) mod host {
    pub(crate) use super::buckets::Bucket;
    pub(crate) use super::sql;
    use super::{CONTEXT, Duration, Job, NewFlow, NewJob, Progress, Saved};
    use crate::CallError;

    pub(crate) fn current() -> Job {
        CONTEXT.with_borrow(|context| context.job.clone())
    }

    pub(crate) fn batch() -> Vec<Job> {
        CONTEXT.with_borrow(|context| match context.batch.as_slice() {
            [] => vec![context.job.clone()],
            jobs => jobs.to_vec(),
        })
    }

    pub(crate) fn retain_calls(taken: &[bool]) {
        CONTEXT.with_borrow_mut(|context| {
            let mut taken = taken.iter();
            let jobs = &mut context.batch;
            jobs.retain(|_| taken.next().is_none_or(|taken| *taken));
        });
    }

    pub(crate) fn config(key: &str) -> Result<Option<String>, CallError> {
        CONTEXT.with_borrow(|context| {
            let mut all = context.config.iter();
            let found = all.find(|(name, _)| name == key);
            Ok(found.map(|(_, value)| value.clone()))
        })
    }

    pub(crate) fn remaining() -> Duration {
        CONTEXT.with_borrow(|context| context.remaining)
    }

    pub(crate) fn cancelled() -> bool {
        CONTEXT.with_borrow(|context| context.cancelled)
    }

    pub(crate) fn progress(share: Option<f64>, message: Option<&str>) -> Result<(), CallError> {
        let progress = Progress {
            share,
            message: message.map(Into::into),
        };
        CONTEXT.with_borrow_mut(|context| context.record.progress.push(progress));
        Ok(())
    }

    pub(crate) fn checkpoint(state: &[u8]) -> Result<(), CallError> {
        CONTEXT.with_borrow_mut(|context| context.record.state = Some(state.to_vec()));
        Ok(())
    }

    pub(crate) fn restore() -> Result<Option<Saved<Vec<u8>>>, CallError> {
        Ok(CONTEXT.with_borrow(|context| context.saved.clone()))
    }

    pub(crate) fn enqueue_page(
        jobs: Vec<NewJob>,
        cursor: Vec<u8>,
        open: u32,
    ) -> Result<(), CallError> {
        CONTEXT.with_borrow_mut(|context| {
            context.record.jobs.extend(jobs);
            context.record.open = Some(open);
            context.record.state = Some(cursor);
        });
        Ok(())
    }

    pub(crate) fn enqueue_flow(flow: NewFlow) -> Result<String, CallError> {
        CONTEXT.with_borrow_mut(|context| {
            context.record.flows.push(flow);
            Ok(format!("flow-{}", context.record.flows.len() - 1))
        })
    }

    pub(crate) fn enqueue(jobs: Vec<NewJob>) -> Result<Vec<String>, CallError> {
        CONTEXT.with_borrow_mut(|context| {
            let first = context.record.jobs.len();
            context.record.jobs.extend(jobs);
            Ok((first..context.record.jobs.len())
                .map(|number| format!("child-{number}"))
                .collect())
        })
    }
}
