//! The border of the component: the host's calls in, and ours out. It alone knows the generated bindings, and turns
//! their types into the SDK's.

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "generated; the component ABI is passed by pointer"
)]
#[path = "bindings.rs"]
mod bindings;

pub(crate) mod sql;

use crate::context::{Job, Saved};
use crate::jobs::{NewFlow, NewJob};
use crate::{
    CallError, CatchUp, Conflict, Failure, Overlap, Retry, Schedule, TaskOptions, Trigger, Unique,
    Until, registry,
};
use bindings::exports::lovage::task::{batches, handler, wants};
use bindings::lovage::task::{context, jobs, types};
use bindings::wasi::config::store;
use bindings::wasi::keyvalue;
use std::cell::RefCell;
use std::time::{Duration, SystemTime};

struct Handler;

// Exported here and not in the author's crate, so that a module is no more than its tasks.
#[allow(unsafe_code, reason = "the exports of a component are symbols by name")]
mod export {
    super::bindings::export!(Handler with_types_in super::bindings);
    use super::Handler;
}

impl handler::Guest for Handler {
    fn describe() -> Vec<types::TaskInfo> {
        registry::tasks().into_iter().map(task_info).collect()
    }

    fn run(task: String, input: Vec<u8>) -> Result<Vec<u8>, types::Failure> {
        registry::run(&task, &input).map_err(failure)
    }
}

impl batches::Guest for Handler {
    fn describe() -> Vec<batches::Batched> {
        let batched = |task: &registry::Task| {
            let batch = task.options.batch?;
            Some(batches::Batched {
                task: task.name.into(),
                max: batch.max,
                wait_ms: batch.wait_ms,
            })
        };
        registry::tasks().into_iter().filter_map(batched).collect()
    }

    fn run(task: String, mut calls: Vec<batches::Call>) -> Vec<Result<Vec<u8>, types::Failure>> {
        let inputs: Vec<_> = calls
            .iter_mut()
            .map(|call| std::mem::take(&mut call.input))
            .collect();
        CALLS.set(calls);
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let answers = registry::run_batch(&task, &inputs).into_iter();
        answers.map(|answer| answer.map_err(failure)).collect()
    }
}

impl wants::Guest for Handler {
    fn wants() -> Vec<String> {
        registry::wants().into_iter().map(Into::into).collect()
    }
}

thread_local! {
    /// What is known of the jobs that run together, but for their inputs.
    static CALLS: RefCell<Vec<batches::Call>> = RefCell::default();
}

/// The jobs that run together.
pub(crate) fn batch() -> Vec<Job> {
    let shared = current();
    let job = |call: &batches::Call| Job {
        id: call.id.clone(),
        attempt: call.attempt,
        max_attempts: call.max_attempts,
        enqueued_at: SystemTime::UNIX_EPOCH + Duration::from_millis(call.enqueued_at_ms),
        headers: call.headers.clone(),
        ..shared.clone()
    };
    CALLS.with_borrow(|calls| match calls.as_slice() {
        [] => vec![shared.clone()],
        calls => calls.iter().map(job).collect(),
    })
}

/// Forgets those whose arguments do not fit.
pub(crate) fn retain_calls(taken: &[bool]) {
    CALLS.with_borrow_mut(|calls| {
        let mut taken = taken.iter();
        calls.retain(|_| taken.next().is_none_or(|taken| *taken));
    });
}

pub(crate) fn current() -> Job {
    let job = context::current();
    Job {
        id: job.id,
        tenant: job.tenant,
        module: job.module,
        task: job.task,
        queue: job.queue,
        digest: job.digest,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        enqueued_at: SystemTime::UNIX_EPOCH + Duration::from_millis(job.enqueued_at_ms),
        headers: job.headers,
    }
}

pub(crate) fn config(key: &str) -> Result<Option<String>, CallError> {
    store::get(key).map_err(|error| {
        let (store::Error::Upstream(text) | store::Error::Io(text)) = error;
        // That interface has no case of its own for it; the host says it first.
        match text.strip_prefix("denied: ") {
            Some(text) => CallError::Denied(text.into()),
            None => CallError::Unavailable(text),
        }
    })
}

/// A bucket, with the name that errors tell.
#[derive(Debug)]
pub(crate) struct Bucket(keyvalue::store::Bucket, String);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, CallError> {
        let opened = keyvalue::store::open(name).map_err(|error| bucket_error(name, error));
        Ok(Bucket(opened?, name.into()))
    }

    fn told<T>(&self, answer: Result<T, keyvalue::store::Error>) -> Result<T, CallError> {
        answer.map_err(|error| bucket_error(&self.1, error))
    }

    pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, CallError> {
        let pairs = self.told(keyvalue::batch::get_many(&self.0, keys))?;
        Ok(pairs.into_iter().map(|(_, value)| value).collect())
    }

    pub(crate) fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), CallError> {
        self.told(keyvalue::batch::set_many(&self.0, &pairs))
    }

    pub(crate) fn delete_many(&self, keys: &[String]) -> Result<(), CallError> {
        self.told(keyvalue::batch::delete_many(&self.0, keys))
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, CallError> {
        self.told(self.0.exists(key))
    }

    pub(crate) fn page(
        &self,
        cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), CallError> {
        let page = self.told(self.0.list_keys(cursor.as_deref()))?;
        Ok((page.keys, page.cursor))
    }

    pub(crate) fn increment(&self, key: &str, by: i64) -> Result<i64, CallError> {
        self.told(keyvalue::atomics::increment(&self.0, key, by))
    }

    pub(crate) fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, CallError> {
        use keyvalue::atomics::{Cas, CasError, swap};
        let cas = self.told(Cas::new(&self.0, key))?;
        // The handle goes by what is read here.
        if self.told(cas.current())?.as_deref() != expected {
            return Ok(false);
        }
        match swap(cas, value) {
            Ok(()) => Ok(true),
            Err(CasError::CasFailed(_)) => Ok(false),
            Err(CasError::StoreError(error)) => self.told(Err(error)),
        }
    }
}

fn bucket_error(name: &str, error: keyvalue::store::Error) -> CallError {
    use keyvalue::store::Error;
    let text = match error {
        Error::AccessDenied => return CallError::Denied(format!("`bucket {name}`")),
        Error::NoSuchStore => return CallError::Invalid(format!("there is no bucket `{name}`")),
        Error::Other(text) => text,
    };
    // That interface has no cases of its own for these; the host says them first.
    if let Some(text) = text.strip_prefix("invalid: ") {
        return CallError::Invalid(text.into());
    }
    if let Some(text) = text.strip_prefix("past a limit: ") {
        return CallError::Limit(text.into());
    }
    let text = text.strip_prefix("unavailable: ").unwrap_or(&text);
    CallError::Unavailable(text.into())
}

pub(crate) fn remaining() -> Duration {
    Duration::from_millis(context::remaining_ms())
}

pub(crate) fn cancelled() -> bool {
    context::cancelled()
}

pub(crate) fn progress(share: Option<f64>, message: Option<&str>) -> Result<(), CallError> {
    context::progress(share, message).map_err(call_error)
}

pub(crate) fn checkpoint(state: &[u8]) -> Result<(), CallError> {
    context::checkpoint(state).map_err(call_error)
}

pub(crate) fn restore() -> Result<Option<Saved<Vec<u8>>>, CallError> {
    let saved = context::restore().map_err(call_error)?;
    Ok(saved.map(|saved| Saved {
        digest: saved.digest,
        state: saved.state,
    }))
}

pub(crate) fn enqueue(new: Vec<NewJob>) -> Result<Vec<String>, CallError> {
    let new: Vec<_> = new.into_iter().map(new_job).collect();
    jobs::enqueue(&new).map_err(call_error)
}

pub(crate) fn enqueue_flow(new: NewFlow) -> Result<String, CallError> {
    let flow = jobs::NewFlow {
        flow: new.json,
        key: new.key,
        at_once: new.at_once,
    };
    jobs::enqueue_flow(&flow).map_err(call_error)
}

pub(crate) fn enqueue_page(new: Vec<NewJob>, cursor: Vec<u8>, open: u32) -> Result<(), CallError> {
    let page = jobs::NewPage {
        jobs: new.into_iter().map(new_job).collect(),
        cursor,
        open,
    };
    jobs::enqueue_page(&page).map_err(call_error)
}

fn new_job(job: NewJob) -> jobs::NewJob {
    jobs::NewJob {
        input: job.input(),
        task: job.task,
        key: job.key,
        queue: job.queue,
        lane: job.lane,
        priority: job.priority,
        delay_ms: job.delay.map(milliseconds),
        max_attempts: job.max_attempts,
        headers: job.headers,
        at_once: job.at_once,
    }
}

fn task_info(task: &registry::Task) -> types::TaskInfo {
    types::TaskInfo {
        name: task.name.into(),
        doc: task.doc.into(),
        input_schema: task.input_schema(),
        output_schema: task.output_schema(),
        options: task_options(&task.options),
        schedules: task.schedules.iter().map(schedule).collect(),
    }
}

fn schedule(schedule: &Schedule) -> types::Schedule {
    types::Schedule {
        trigger: match schedule.trigger {
            Trigger::EveryMs(ms) => types::Trigger::EveryMs(ms),
            Trigger::Cron(line) => types::Trigger::Cron(line.into()),
        },
        zone: schedule.zone.map(Into::into),
        jitter_ms: schedule.jitter_ms,
        catch_up: match schedule.catch_up {
            CatchUp::None => types::CatchUp::None,
            CatchUp::Last => types::CatchUp::Last,
            CatchUp::All(n) => types::CatchUp::All(n),
        },
        overlap: match schedule.overlap {
            Overlap::Allow => types::Overlap::Allow,
            Overlap::Skip => types::Overlap::Skip,
            Overlap::Queue => types::Overlap::Queue,
            Overlap::Replace => types::Overlap::Replace,
        },
    }
}

fn task_options(options: &TaskOptions) -> types::TaskOptions {
    types::TaskOptions {
        queue: options.queue.map(Into::into),
        priority: options.priority,
        max_attempts: options.max_attempts,
        backoff: options.backoff.map(|backoff| types::Backoff {
            base_ms: backoff.base_ms,
            factor: backoff.factor,
            max_ms: backoff.max_ms,
        }),
        max_age_ms: options.max_age_ms,
        retry_exhausted: options.retry_exhausted,
        timeout_ms: options.timeout_ms,
        soft_timeout_ms: options.soft_timeout_ms,
        expiry_ms: options.expiry_ms,
        result_ttl_ms: options.result_ttl_ms,
        unique: options.unique.map(unique),
        fuel: options.fuel,
        memory: options.memory,
        rate: options.rate.map(|rate| types::Rate {
            count: rate.count,
            period_ms: rate.period_ms,
        }),
        concurrency: options.concurrency,
    }
}

fn unique(unique: Unique) -> types::Unique {
    types::Unique {
        until: match unique.until {
            Until::Start => types::Until::Start,
            Until::Done => types::Until::Done,
            Until::ForMs(ms) => types::Until::ForMs(ms),
        },
        conflict: match unique.conflict {
            Conflict::Existing => types::Conflict::Existing,
            Conflict::Reject => types::Conflict::Reject,
            Conflict::Replace => types::Conflict::Replace,
        },
    }
}

fn failure(failure: Failure) -> types::Failure {
    let retry = match failure.retry {
        Retry::Policy => types::Retry::Policy,
        Retry::Now => types::Retry::Now,
        Retry::After(wait) => types::Retry::After(milliseconds(wait)),
        Retry::Never => types::Retry::Never,
    };
    types::Failure {
        kind: failure.kind,
        message: failure.message,
        detail: failure.detail,
        retry,
    }
}

fn call_error(error: types::CallError) -> CallError {
    match error {
        types::CallError::Denied(text) => CallError::Denied(text),
        types::CallError::Invalid(text) => CallError::Invalid(text),
        types::CallError::Limit(text) => CallError::Limit(text),
        types::CallError::Unavailable(text) => CallError::Unavailable(text),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
