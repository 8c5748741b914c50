//! One job from claim to settlement: a pipe of small steps, each of which may
//! end it.

use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Claimed};
use lovage_queue::client::MAX_INPUT;
use lovage_queue::grant::Grants;
use lovage_queue::job::{Action, Attempt, Ending, Job, Payload};
use lovage_queue::registry::Digest;
use lovage_queue::retry::Policy;
use lovage_queue::task::{Batch, Failure, TaskOptions};
use tokio::sync::SemaphorePermit;

use super::batch;
use super::delivery::{BROKEN, Delivery, Offspring, Unrun};
use super::hands::Grip;
use super::hooks;
use super::host::JobHost;
use super::modules::{Loaded, Unloadable};
use super::resolve;
use super::series::Series;
use super::session::Session;
use super::trace;
use crate::engine::{End, Invocation, Limits, Module, Outcome};

/// A claimed job that finds no free slot for so long goes back: another worker
/// may have one.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// When to look again for a module that is being compiled.
const COMPILING: Duration = Duration::from_millis(250);

/// Runs a claimed job and settles it; or leaves that to the batch that it joins.
pub(super) async fn run(
    session: Arc<Session>,
    mut claimed: Claimed,
    grip: Grip,
    series: Option<Arc<Series>>,
) {
    let job = std::mem::replace(&mut claimed.job, Err(String::new()));
    let mut delivery = Delivery::new(session, claimed, grip, series);
    let mut job = match job {
        Ok(job) => job,
        Err(reason) => return unreadable(delivery, &reason).await,
    };
    delivery.attempt = job.attempt + 1;
    delivery.waited = delivery.started.since(job.available);
    delivery.span = trace::begin(&delivery, &job);
    delivery.watched = hooks::watch(&delivery.session, &job).await;
    if hooks::is_own(&job) {
        return hooks::run(delivery, job);
    }
    let mut offspring = Offspring::default();
    let done = match prepare(&delivery, &job).await {
        Ok(prepared) => match batch::collects(&delivery.session, &job, &prepared) {
            Some(batch) => return batch::join(delivery, job, prepared, batch),
            None => alone(&delivery, &mut job, &prepared, &mut offspring).await,
        },
        Err(unrun) => Err(unrun),
    };
    delivery.conclude(done, offspring).await;
}

async fn unreadable(mut delivery: Delivery, reason: &str) {
    tracing::error!(job = %delivery.id, reason, "the record of a job cannot be read");
    if delivery.number == 0 {
        return delivery.leave();
    }
    let text = format!("the job's record cannot be read: {reason}");
    let failure = Failure::fatal("corrupt-record", text);
    let unrun = Unrun::Discard(Ending::HostError, failure);
    delivery.conclude(Err(unrun), Offspring::default()).await;
}

/// What a job runs, and within what.
pub(super) struct Prepared {
    pub(super) digest: Digest,
    pub(super) release: u32,
    pub(super) module: Module,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    /// Where its task is batched.
    pub(super) batch: Option<Batch>,
    /// What its module may reach.
    pub(super) grants: Arc<Grants>,
}

async fn prepare(delivery: &Delivery, job: &Job) -> Result<Prepared, Unrun> {
    let (digest, release) = target(delivery, job)?;
    let loaded = tokio::select! {
        biased;
        loaded = load(delivery, digest) => loaded?,
        () = delivery.grip.cancel.stopped() => return Err(Unrun::GiveBack(Duration::ZERO)),
    };
    let options = options(&loaded, job)?;
    Ok(Prepared {
        digest,
        release,
        policy: resolve::policy(job, options),
        limits: resolve::limits(&delivery.session.settings.limits, job, options),
        batch: options.batch,
        // Nobody can approve any yet.
        grants: Arc::default(),
        module: loaded.module,
    })
}

/// Runs a job in a slot of its own. `offspring` gets what is to be made with its
/// completion.
pub(super) async fn alone(
    delivery: &Delivery,
    job: &mut Job,
    prepared: &Prepared,
    offspring: &mut Offspring,
) -> Result<(Action, Attempt), Unrun> {
    let session = &delivery.session;
    let (slot, bytes) = tokio::select! {
        biased;
        begins = begins(delivery, job) => begins?,
        // Whatever it waits for.
        () = delivery.grip.cancel.stopped() => return Err(Unrun::GiveBack(Duration::ZERO)),
    };
    let carried = trace::of_children(delivery, job);
    let grants = prepared.grants.clone();
    let host = JobHost::new(
        session.clone(),
        job,
        prepared.batch.is_some(),
        carried,
        grants.clone(),
    );
    let host = Arc::new(host);
    let invocation = Invocation {
        task: job.call.task.clone(),
        input: bytes,
        limits: prepared.limits.clone(),
        cancel: delivery.grip.cancel.clone(),
        context: resolve::context(job, prepared.digest, &prepared.policy),
        log: delivery.grip.log.clone(),
        grants,
    };
    let engine = session.modules.engine();
    let outcome = if session.settings.echo {
        Outcome::unrun(End::Completed(invocation.input))
    } else {
        engine.run(&prepared.module, invocation, host.clone()).await
    };
    *offspring = host.offspring();
    drop(slot);
    let age = delivery.started.since(job.enqueued) + outcome.wall;
    done(delivery, job, prepared, age, outcome)
}

/// A slot, and what the job was given.
async fn begins<'a>(
    delivery: &'a Delivery,
    job: &mut Job,
) -> Result<(SemaphorePermit<'a>, Vec<u8>), Unrun> {
    let slot = slot(&delivery.session, PATIENCE).await?;
    // Last, so that no more large inputs are in memory than jobs that run.
    Ok((slot, input(delivery, job).await?))
}

/// What the outcome comes to, and the attempt as it is kept.
pub(super) fn done(
    delivery: &Delivery,
    job: &Job,
    prepared: &Prepared,
    age: Duration,
    outcome: Outcome,
) -> Result<(Action, Attempt), Unrun> {
    let ran = (prepared.digest, prepared.release);
    let mut attempt = delivery.record(&outcome, Some(ran));
    resolve::fit(&mut attempt, prepared.limits.log);
    Ok((action(job, &prepared.policy, age, outcome)?, attempt))
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

/// What a job was given, with what it takes of others' results.
pub(super) async fn input(delivery: &Delivery, job: &mut Job) -> Result<Vec<u8>, Unrun> {
    let given = stored(delivery, std::mem::take(&mut job.call.input)).await?;
    match job.call.options.binds.is_empty() {
        true => Ok(given),
        false => bound(delivery, job, given).await,
    }
}

/// The bytes of the input, wherever they lie.
async fn stored(delivery: &Delivery, input: Payload) -> Result<Vec<u8>, Unrun> {
    let digest = match input {
        Payload::Inline(bytes) => return Ok(bytes),
        Payload::Blob { digest, .. } => digest,
    };
    let broken =
        |kind: &str, text: String| Unrun::Discard(Ending::HostError, Failure::fatal(kind, text));
    match delivery.session.broker.blob(&delivery.tenant, digest).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let text = format!("the job's input is gone: there is no blob {digest}");
            Err(broken("missing-blob", text))
        }
        Err(e @ BrokerError::Corrupt { .. }) => Err(broken("corrupt-blob", e.to_string())),
        Err(e) => {
            tracing::warn!(job = %delivery.id, task = delivery.task(), attempt = delivery.attempt, error = %e, "could not fetch an input; the job goes back");
            Err(Unrun::GiveBack(BROKEN))
        }
    }
}

async fn bound(delivery: &Delivery, job: &Job, input: Vec<u8>) -> Result<Vec<u8>, Unrun> {
    let client = delivery.session.client(&delivery.tenant);
    let bound = client.bound_input(job, input, MAX_INPUT).await;
    bound.map_err(|e| match e.kind() {
        Some(kind) => Unrun::Discard(Ending::HostError, Failure::fatal(kind, e.to_string())),
        None => {
            tracing::warn!(job = %delivery.id, task = delivery.task(), attempt = delivery.attempt, error = %e, "could not read the results that a job takes; it goes back");
            Unrun::GiveBack(BROKEN)
        }
    })
}

/// The task's own defaults; a task that the release no longer has is a failure
/// like an argument that it does not take.
fn options<'a>(loaded: &'a Loaded, job: &Job) -> Result<&'a TaskOptions, Unrun> {
    let task = loaded.manifest.task(&job.call.task);
    task.map(|info| &info.options).ok_or_else(|| {
        let text = format!(
            "module `{}` has no task `{}`",
            job.call.module, job.call.task
        );
        Unrun::Discard(Ending::Failed, Failure::fatal("unknown-task", text))
    })
}

pub(super) async fn slot(
    session: &Session,
    patience: Duration,
) -> Result<SemaphorePermit<'_>, Unrun> {
    if let Ok(slot) = session.slots.try_acquire() {
        return Ok(slot);
    }
    match tokio::time::timeout(patience, session.slots.acquire()).await {
        Ok(Ok(slot)) => Ok(slot),
        // No slot in time, or the worker is draining.
        _ => Err(Unrun::GiveBack(Duration::ZERO)),
    }
}

/// What happens to the job after this outcome.
pub(super) fn action(
    job: &Job,
    policy: &Policy,
    age: Duration,
    outcome: Outcome,
) -> Result<Action, Unrun> {
    let ending = outcome.end.ending();
    let failure = match outcome.end {
        End::Completed(result) => return Ok(Action::Complete(result.into())),
        // The worker is at its end, not the job: that run does not count. Where a
        // user asked for it, the job does not go back.
        End::Cancelled => return Ok(Action::GiveBack(Duration::ZERO)),
        End::Failed(failure) | End::Trapped { failure, .. } => failure,
    };
    if ending == Ending::HostError {
        tracing::error!(job = %job.call.id, attempt = job.attempt + 1, error = failure.message, "the engine failed an attempt");
    }
    let failed = job.attempt + 1;
    let wait = policy.next(failed, age, ending, failure.retry, rand::random());
    Ok(wait.map_or(Action::Discard, Action::Retry))
}
