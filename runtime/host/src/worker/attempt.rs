//! One job from claim to settlement: a pipe of small steps, each of which may
//! end it.

use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::Claimed;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Action, Attempt, Ending, Job, JobId, Settlement};
use lovage_queue::registry::Digest;
use lovage_queue::retry::Policy;
use lovage_queue::task::{Failure, TaskOptions};
use tokio::sync::SemaphorePermit;

use super::host::JobHost;
use super::modules::{Loaded, Unloadable};
use super::session::Session;
use crate::engine::{Cancel, End, Invocation, JobContext, Limits, Outcome};

/// A claimed job that finds no free slot for so long goes back: another worker
/// may have one.
const PATIENCE: Duration = Duration::from_millis(50);
/// When to look again for a module that is being compiled.
const COMPILING: Duration = Duration::from_millis(250);
/// When to try again what went wrong on our own side.
const BROKEN: Duration = Duration::from_secs(1);
/// What stands at the end of a log that was longer.
const CUT: &[u8] = b"\n[the log goes on; the rest was not kept]\n";

/// Runs a claimed job and settles it.
pub(super) async fn run(session: Arc<Session>, mut claimed: Claimed) {
    let job = std::mem::replace(&mut claimed.job, Err(String::new()));
    let mut delivery = Delivery::new(session, claimed);
    if delivery.number == 0 {
        // Not even its header can be read: the broker has put it on the dead
        // list, and there is nothing to settle.
        let reason = job.err().unwrap_or_default();
        tracing::error!(job = %delivery.id, reason, "the record of a job cannot be read");
        delivery.settled = true;
        return;
    }
    let (action, attempt) = match attempt(&delivery, job).await {
        Ok(done) => (done.0, Some(done.1)),
        Err(Unrun::GiveBack(wait)) => (Action::GiveBack(wait), None),
        Err(Unrun::Discard(ending, failure)) => {
            let outcome = Outcome::unrun(End::Trapped { ending, failure });
            (Action::Discard, Some(delivery.record(&outcome, None)))
        }
    };
    delivery.settle(action, attempt);
}

/// Why there was no run.
enum Unrun {
    GiveBack(Duration),
    Discard(Ending, Failure),
}

async fn attempt(
    delivery: &Delivery,
    job: Result<Job, String>,
) -> Result<(Action, Attempt), Unrun> {
    let mut job = job.map_err(|reason| {
        tracing::error!(job = %delivery.id, reason, "the record of a job cannot be read");
        let text = format!("the job's record cannot be read: {reason}");
        Unrun::Discard(Ending::HostError, Failure::fatal("corrupt-record", text))
    })?;
    let (digest, release) = target(delivery, &job)?;
    let loaded = load(delivery, digest).await?;
    let options = options(&loaded, &job)?;
    let session = &delivery.session;
    let slot = slot(session).await?;

    let policy = policy(&job, &options);
    let cancel = Cancel::default();
    let invocation = Invocation {
        task: job.call.task.clone(),
        input: std::mem::take(&mut job.call.input),
        limits: limits(&session.settings.limits, &job, &options),
        cancel: cancel.clone(),
        context: context(&job, digest, &policy),
    };
    let host = JobHost {
        session: session.clone(),
        tenant: job.tenant.clone(),
        id: job.call.id,
        delivery: delivery.number,
    };
    session.running(job.call.id, cancel);
    let outcome = session
        .modules
        .engine()
        .run(&loaded.module, invocation, Arc::new(host))
        .await;
    session.no_longer_running(job.call.id);
    drop(slot);

    let attempt = delivery.record(&outcome, Some((digest, release)));
    Ok((action(session, &job, &policy, outcome)?, attempt))
}

fn target(delivery: &Delivery, job: &Job) -> Result<(Digest, u32), Unrun> {
    delivery.target.ok_or_else(|| {
        let module = &job.call.module;
        let text = match job.call.pin {
            lovage_queue::job::Pin::Active => format!("module `{module}` has no active release"),
            lovage_queue::job::Pin::Release(n) => format!("module `{module}` has no release {n}"),
            lovage_queue::job::Pin::Digest(digest) => format!("there is no module {digest}"),
        };
        Unrun::Discard(Ending::NoModule, Failure::fatal("no-module", text))
    })
}

async fn load(delivery: &Delivery, digest: Digest) -> Result<Loaded, Unrun> {
    delivery
        .session
        .modules
        .get(&delivery.tenant, digest)
        .await
        .map_err(|e| match e {
            Unloadable::NotYet => Unrun::GiveBack(COMPILING),
            Unloadable::Never(failure) => Unrun::Discard(Ending::NoModule, failure),
        })
}

/// The task's own defaults; a task that the release no longer has is a failure
/// like an argument that it does not take.
fn options(loaded: &Loaded, job: &Job) -> Result<TaskOptions, Unrun> {
    let task = loaded.manifest.task(&job.call.task);
    task.map(|info| info.options.clone()).ok_or_else(|| {
        let text = format!(
            "module `{}` has no task `{}`",
            job.call.module, job.call.task
        );
        Unrun::Discard(Ending::Failed, Failure::fatal("unknown-task", text))
    })
}

async fn slot(session: &Session) -> Result<SemaphorePermit<'_>, Unrun> {
    if let Ok(slot) = session.slots.try_acquire() {
        return Ok(slot);
    }
    match tokio::time::timeout(PATIENCE, session.slots.acquire()).await {
        Ok(Ok(slot)) => Ok(slot),
        // No slot in time, or the worker is draining.
        _ => Err(Unrun::GiveBack(Duration::ZERO)),
    }
}

/// The call's word goes before the task's, and that before the host's.
fn policy(job: &Job, task: &TaskOptions) -> Policy {
    let default = Policy::default();
    let call = &job.call.options;
    Policy {
        max_attempts: call
            .max_attempts
            .or(task.max_attempts)
            .unwrap_or(default.max_attempts),
        backoff: call.backoff.or(task.backoff).unwrap_or(default.backoff),
    }
}

fn limits(host: &Limits, job: &Job, task: &TaskOptions) -> Limits {
    let call = &job.call.options;
    Limits {
        fuel: call.fuel.or(task.fuel).unwrap_or(host.fuel),
        memory: call.memory.or(task.memory).unwrap_or(host.memory),
        deadline: call.timeout.or(task.timeout).unwrap_or(host.deadline),
        ..host.clone()
    }
}

fn context(job: &Job, digest: Digest, policy: &Policy) -> JobContext {
    JobContext {
        id: job.call.id,
        tenant: job.tenant.clone(),
        module: job.call.module.clone(),
        task: job.call.task.clone(),
        queue: job.call.queue.clone(),
        digest,
        attempt: job.attempt + 1,
        max_attempts: policy.max_attempts,
        enqueued_at: job.enqueued,
        headers: job.call.options.headers.clone(),
    }
}

/// What happens to the job after this outcome.
fn action(
    session: &Session,
    job: &Job,
    policy: &Policy,
    outcome: Outcome,
) -> Result<Action, Unrun> {
    let ending = outcome.end.ending();
    match outcome.end {
        End::Completed(result) => Ok(Action::Complete(result)),
        // The worker is at its end, not the job: that run does not count.
        End::Cancelled if session.slots.is_closed() => Err(Unrun::GiveBack(Duration::ZERO)),
        End::Cancelled => Ok(Action::Cancel),
        End::Trapped {
            ending: Ending::HostError,
            failure,
        } => {
            tracing::error!(job = %job.call.id, error = failure.message, "the engine failed an attempt");
            Ok(retry(policy.next(
                job.attempt + 1,
                ending,
                failure.retry,
                rand::random(),
            )))
        }
        End::Failed(failure) | End::Trapped { failure, .. } => Ok(retry(policy.next(
            job.attempt + 1,
            ending,
            failure.retry,
            rand::random(),
        ))),
    }
}

fn retry(wait: Option<Duration>) -> Action {
    wait.map_or(Action::Discard, Action::Retry)
}

/// A job in this worker's hands. It is settled exactly once: if a step should
/// panic, the job goes back when this is dropped.
struct Delivery {
    session: Arc<Session>,
    tenant: String,
    id: JobId,
    queue: String,
    number: u32,
    started: Millis,
    target: Option<(Digest, u32)>,
    settled: bool,
}

impl Delivery {
    fn new(session: Arc<Session>, claimed: Claimed) -> Self {
        Delivery {
            session,
            tenant: claimed.tenant,
            id: claimed.id,
            queue: claimed.queue,
            number: claimed.delivery,
            started: claimed.started,
            target: claimed.target,
            settled: false,
        }
    }

    fn record(&self, outcome: &Outcome, ran: Option<(Digest, u32)>) -> Attempt {
        let mut log = outcome.log.bytes.clone();
        if outcome.log.truncated {
            log.extend_from_slice(CUT);
        }
        Attempt {
            ending: outcome.end.ending(),
            delivery: self.number,
            worker: self.session.worker,
            digest: ran.map(|(digest, _)| digest),
            release: ran.map_or(0, |(_, release)| release),
            started: self.started,
            took: outcome.wall,
            fuel: outcome.fuel,
            peak_memory: outcome.peak_memory,
            failure: outcome.end.failure().cloned(),
            log,
        }
    }

    fn settle(&mut self, action: Action, attempt: Option<Attempt>) {
        self.settled = true;
        self.session.settle(Settlement {
            tenant: self.tenant.clone(),
            id: self.id,
            delivery: self.number,
            queue: self.queue.clone(),
            action,
            attempt,
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            tracing::error!(job = %self.id, "an attempt was cut short; the job goes back");
            self.settle(Action::GiveBack(BROKEN), None);
        }
        self.session.load.release();
    }
}
