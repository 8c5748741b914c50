//! A job, with all that is known of it.

use std::collections::BTreeMap;

use lovage_queue::clock::Millis;
use lovage_queue::job::{Attempt, Ending, Job, JobId, JobOptions, Payload, State, Unique, Until};
use lovage_queue::retry::Retry;
use lovage_queue::task::Failure;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{decoded, known, moment};
use crate::units::exact;

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// Which: a UUID of version 7.
    #[schema(value_type = String, format = "uuid")]
    pub id: JobId,
    /// Whose.
    pub tenant: String,
    /// `module.task`
    pub task: String,
    /// The queue it lies in.
    pub queue: String,
    /// Its lane there; empty for the tenant's own.
    pub lane: String,
    /// 0 to 9, 9 first.
    pub priority: u8,
    /// Which release it runs: `active`, or one that was named.
    pub pin: Value,
    /// How many dead workers it may cost.
    pub crash_limit: u8,
    /// What its call set beside the arguments.
    pub options: OptionsView,
    /// Its arguments; null where they lie in a blob.
    pub input: Value,
    /// Where the arguments lie that are too large to be shown here.
    pub input_blob: Option<BlobView>,
    /// Until when it must have begun.
    pub expiry: Option<String>,
    /// The hash of its idempotency key.
    pub key: Option<String>,
    /// Beside which others it may not be.
    pub unique: Option<UniqueView>,
    /// How long it is kept once it has completed.
    pub result_ttl: Option<String>,
    /// The flow it is a node of.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub flow: Option<JobId>,
    /// Where it stands.
    #[schema(value_type = String, example = "completed")]
    pub state: State,
    /// Whether it was asked to stop.
    pub cancelling: bool,
    /// How often it was handed to a worker.
    pub delivery: u32,
    /// How many of its runs have failed.
    pub attempt: u32,
    /// How many workers died with it.
    pub crash: u32,
    /// Who runs it, or ran it last.
    pub worker: Option<String>,
    /// When it was made.
    pub enqueued: String,
    /// Since or from when it may run.
    pub available: String,
    /// When its last run began.
    pub started: Option<String>,
    /// When it ended.
    pub finished: Option<String>,
    /// What all its runs burnt.
    pub fuel: u64,
    /// How far the running attempt is.
    #[schema(value_type = Option<Value>)]
    pub progress: Option<Value>,
    /// What the running attempt has written so far.
    pub log: Option<String>,
    /// Every run of it.
    pub attempts: Vec<AttemptView>,
    /// What came of it; null where it lies in a blob, or there is none.
    pub result: Option<Value>,
    /// Where the result lies that is too large to be shown here.
    pub result_blob: Option<BlobView>,
}

/// Large bytes that lie beside a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Blob)]
pub struct BlobView {
    /// The blake3 hash of the bytes.
    pub digest: String,
    /// How many they are.
    pub size: u64,
}

/// Beside which others a job may not be.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = UniqueKey)]
pub struct UniqueView {
    /// The hash of the key.
    pub key: String,
    /// `start`, `done`, or a span.
    pub until: String,
    /// What becomes of a second one.
    #[schema(value_type = String, example = "existing")]
    pub conflict: lovage_queue::job::Conflict,
}

/// What a call set beside its arguments, spans as they are written.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = JobOptions)]
pub struct OptionsView {
    /// Runs in all, the first included.
    pub max_attempts: Option<u32>,
    /// The wait between them.
    pub backoff: Option<BackoffView>,
    /// How old it may be for another attempt.
    pub max_age: Option<String>,
    /// Whether what ran out of fuel or memory is tried again.
    pub retry_exhausted: Option<bool>,
    /// Wall-clock time of an attempt.
    pub timeout: Option<String>,
    /// When an attempt hears that it should stop.
    pub soft_timeout: Option<String>,
    /// Units of fuel an attempt may burn.
    pub fuel: Option<u64>,
    /// Bytes of linear memory an attempt may hold.
    pub memory: Option<u64>,
    /// What travels with it; `tags` is a list with commas, `traceparent` its trace.
    pub headers: BTreeMap<String, String>,
    /// The job that made it.
    #[schema(value_type = Option<String>)]
    pub parent: Option<JobId>,
    /// The first of its line.
    #[schema(value_type = Option<String>)]
    pub root: Option<JobId>,
    /// How many jobs stand between it and that.
    pub depth: u32,
}

/// The waits between a job's runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = JobBackoff)]
pub struct BackoffView {
    /// The longest after the first failure.
    #[schema(example = "5s")]
    pub base: String,
    /// How much longer each further one may be.
    pub factor: f64,
    /// No wait is longer.
    #[schema(example = "1h")]
    pub max: String,
}

/// One run of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    /// How it ended.
    #[schema(value_type = String, example = "completed")]
    pub ending: Ending,
    /// The delivery that it was.
    pub delivery: u32,
    /// Who ran it.
    pub worker: String,
    /// What it ran; null where it came to no run.
    pub digest: Option<String>,
    /// The number of that release; 0 for one pinned by its digest.
    pub release: u32,
    /// When it began.
    pub started: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// Units of fuel that it burnt.
    pub fuel: u64,
    /// Bytes of linear memory that it held at most.
    pub peak_memory: u64,
    /// Why it did not complete.
    pub failure: Option<FailureView>,
    /// What it wrote.
    pub log: String,
}

/// Why an attempt did not complete.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Failure)]
pub struct FailureView {
    /// A stable word that tells failures apart.
    pub kind: String,
    /// One line for a person.
    pub message: String,
    /// More, such as a traceback.
    pub detail: Option<String>,
    /// What the attempt asked for next: `policy`, `now`, `never`, or after which span.
    #[schema(example = "30s")]
    pub retry: String,
}

impl FailureView {
    /// What is shown of a failure.
    pub fn of(it: &Failure) -> Self {
        FailureView {
            kind: it.kind.clone(),
            message: it.message.clone(),
            detail: it.detail.clone(),
            retry: match it.retry {
                Retry::Policy => "policy".into(),
                Retry::Now => "now".into(),
                Retry::After(span) => exact(span),
                Retry::Never => "never".into(),
            },
        }
    }
}

impl JobView {
    /// What is shown of a job.
    pub fn of(job: &Job) -> Self {
        let call = &job.call;
        JobView {
            id: call.id,
            tenant: job.tenant.clone(),
            task: format!("{}.{}", call.module, call.task),
            queue: call.queue.clone(),
            lane: call.lane.clone(),
            priority: call.priority,
            pin: json!(call.pin),
            crash_limit: call.crash_limit,
            options: OptionsView::of(&call.options),
            input: payload(&call.input),
            input_blob: blob(&call.input),
            expiry: expiry(job).map(moment),
            key: call.key.map(|it| it.to_string()),
            unique: call.unique.as_ref().map(unique),
            result_ttl: call.result_ttl.map(exact),
            flow: call.seat.map(|it| it.flow),
            state: job.state,
            cancelling: job.cancelling,
            delivery: job.delivery,
            attempt: job.attempt,
            crash: job.crash,
            worker: job.worker.map(|it| it.to_string()),
            enqueued: moment(job.enqueued),
            available: moment(job.available),
            started: known(job.started),
            finished: known(job.finished),
            fuel: job.fuel,
            progress: job.progress.as_ref().map(|it| json!(it)),
            log: job.log.as_deref().map(text),
            attempts: job.attempts.iter().map(AttemptView::of).collect(),
            result: job.result.as_ref().map(payload),
            result_blob: job.result.as_ref().and_then(blob),
        }
    }
}

/// Bytes of an input or a result that are shown in a list.
const LISTED: usize = 4 * 1024;

impl JobView {
    /// What is shown of a job in a list: without its logs, and without an input or a result
    /// that is long.
    pub fn listed(job: &Job) -> Self {
        let is_long = |it: &Payload| it.inline().is_some_and(|it| it.len() > LISTED);
        let mut view = JobView::of(job);
        view.log = None;
        for attempt in &mut view.attempts {
            attempt.log.clear();
        }
        if is_long(&job.call.input) {
            view.input = Value::Null;
        }
        if job.result.as_ref().is_some_and(is_long) {
            view.result = None;
        }
        view
    }
}

impl AttemptView {
    fn of(it: &Attempt) -> Self {
        AttemptView {
            ending: it.ending,
            delivery: it.delivery,
            worker: it.worker.to_string(),
            digest: it.digest.map(|digest| digest.to_string()),
            release: it.release,
            started: known(it.started),
            ended: it.started.known().map(|at| moment(at.after(it.took))),
            seconds: it.took.as_secs_f64(),
            fuel: it.fuel,
            peak_memory: it.peak_memory,
            failure: it.failure.as_ref().map(FailureView::of),
            log: text(&it.log),
        }
    }
}

impl OptionsView {
    fn of(it: &JobOptions) -> Self {
        OptionsView {
            max_attempts: it.max_attempts,
            backoff: it.backoff.map(|it| BackoffView {
                base: exact(it.base),
                factor: it.factor,
                max: exact(it.max),
            }),
            max_age: it.max_age.map(exact),
            retry_exhausted: it.retry_exhausted,
            timeout: it.timeout.map(exact),
            soft_timeout: it.soft_timeout.map(exact),
            fuel: it.fuel,
            memory: it.memory,
            headers: it.headers.clone(),
            parent: it.parent,
            root: it.root,
            depth: it.depth,
        }
    }
}

/// Until when the job must have begun.
pub fn expiry(job: &Job) -> Option<Millis> {
    job.call.expiry.map(|it| it.from(job.enqueued))
}

/// How long a job is unique, as it is written.
pub fn until(it: Until) -> String {
    match it {
        Until::Start => "start".into(),
        Until::Done => "done".into(),
        Until::For(span) => exact(span),
    }
}

fn unique(it: &Unique) -> UniqueView {
    UniqueView {
        key: it.key.to_string(),
        until: until(it.until),
        conflict: it.conflict,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An input or a result as JSON; null where it lies in a blob.
fn payload(payload: &Payload) -> Value {
    payload.inline().map_or(Value::Null, decoded)
}

fn blob(payload: &Payload) -> Option<BlobView> {
    Some(BlobView {
        digest: payload.blob()?.to_string(),
        size: payload.size(),
    })
}
