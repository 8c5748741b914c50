//! One job from claim to settlement: a pipe of small steps, each of which may
//! end it.

use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Claimed};
use lovage_queue::client::ClientError;
use lovage_queue::clock::Millis;
use lovage_queue::job::{
    Action, Attempt, CLAIM_CHECK, Ending, Job, JobId, NewJob, Payload, Settlement,
};
use lovage_queue::registry::Digest;
use lovage_queue::retry::Policy;
use lovage_queue::task::{Failure, TaskOptions};
use tokio::sync::SemaphorePermit;

use super::hands::Grip;
use super::host::JobHost;
use super::modules::{Loaded, Unloadable};
use super::resolve;
use super::session::Session;
use super::settle::AGAIN;
use crate::engine::{End, Invocation, Limits, Module, Outcome};

/// A claimed job that finds no free slot for so long goes back: another worker
/// may have one.
const PATIENCE: Duration = Duration::from_millis(50);
/// When to look again for a module that is being compiled.
const COMPILING: Duration = Duration::from_millis(250);
/// When to try again what went wrong on our own side.
const BROKEN: Duration = Duration::from_secs(1);

/// Runs a claimed job and settles it.
pub(super) async fn run(session: Arc<Session>, mut claimed: Claimed, grip: Grip) {
    let job = std::mem::replace(&mut claimed.job, Err(String::new()));
    let mut delivery = Delivery::new(session, claimed, grip);
    if delivery.number == 0 {
        // Not even its header can be read: the broker has put it on the dead
        // list, and there is nothing to settle.
        let reason = job.err().unwrap_or_default();
        tracing::error!(job = %delivery.id, reason, "the record of a job cannot be read");
        delivery.settled = true;
        return;
    }
    let mut children = Vec::new();
    let (mut action, mut attempt) = match attempt(&delivery, job, &mut children).await {
        Ok(done) => (done.0, Some(done.1)),
        Err(Unrun::GiveBack(wait)) => (Action::GiveBack(wait), None),
        Err(Unrun::Discard(ending, failure)) => {
            let outcome = Outcome::unrun(End::Trapped { ending, failure });
            (Action::Discard, Some(delivery.record(&outcome, None)))
        }
    };
    if delivery.let_go() {
        // However it ended: who asked for it to stop waits for that.
        action = Action::Cancel;
        attempt = Some(delivery.cancelled(attempt));
    }
    if let Action::Complete(Payload::Inline(result)) = &mut action
        && result.len() > CLAIM_CHECK
    {
        action = delivery.upload(std::mem::take(result)).await;
    }
    if !matches!(action, Action::Complete(_)) {
        children = Vec::new();
    }
    if children.iter().any(|child| child.input.is_large()) {
        match delivery.store_inputs(children).await {
            Ok(stored) => children = stored,
            Err(instead) => (action, children) = (instead, Vec::new()),
        }
    }
    if let Action::GiveBack(_) = action {
        // That run does not count.
        attempt = None;
    }
    delivery.settle(action, attempt, children);
}

/// Why there was no run.
enum Unrun {
    GiveBack(Duration),
    Discard(Ending, Failure),
}

/// A job that can run now.
struct Ready<'a> {
    digest: Digest,
    release: u32,
    module: Module,
    policy: Policy,
    limits: Limits,
    input: Vec<u8>,
    slot: SemaphorePermit<'a>,
}

/// `children` gets what is to be made with the job's completion.
async fn attempt(
    delivery: &Delivery,
    job: Result<Job, String>,
    children: &mut Vec<NewJob>,
) -> Result<(Action, Attempt), Unrun> {
    let mut job = job.map_err(|reason| {
        tracing::error!(job = %delivery.id, reason, "the record of a job cannot be read");
        let text = format!("the job's record cannot be read: {reason}");
        Unrun::Discard(Ending::HostError, Failure::fatal("corrupt-record", text))
    })?;
    let ready = tokio::select! {
        biased;
        ready = ready(delivery, &mut job) => ready?,
        // Whatever it waits for.
        () = delivery.grip.cancel.stopped() => return Err(Unrun::GiveBack(Duration::ZERO)),
    };
    let session = &delivery.session;
    let host = Arc::new(JobHost::new(session.clone(), &job));
    let room = ready.limits.log;
    let invocation = Invocation {
        task: job.call.task.clone(),
        input: ready.input,
        limits: ready.limits,
        cancel: delivery.grip.cancel.clone(),
        context: resolve::context(&mut job, ready.digest, &ready.policy),
        log: delivery.grip.log.clone(),
    };
    let engine = session.modules.engine();
    let outcome = if session.settings.echo {
        Outcome::unrun(End::Completed(invocation.input))
    } else {
        engine.run(&ready.module, invocation, host.clone()).await
    };
    *children = host.children();
    drop(ready.slot);

    let mut attempt = delivery.record(&outcome, Some((ready.digest, ready.release)));
    resolve::fit(&mut attempt, room);
    let age = delivery.started.since(job.enqueued) + outcome.wall;
    Ok((action(&job, &ready.policy, age, outcome)?, attempt))
}

async fn ready<'a>(delivery: &'a Delivery, job: &mut Job) -> Result<Ready<'a>, Unrun> {
    let (digest, release) = target(delivery, job)?;
    let loaded = load(delivery, digest).await?;
    let options = options(&loaded, job)?;
    let policy = resolve::policy(job, options);
    let limits = resolve::limits(&delivery.session.settings.limits, job, options);
    let slot = slot(&delivery.session).await?;
    // Last, so that no more large inputs are in memory than jobs that run.
    let input = input(delivery, std::mem::take(&mut job.call.input)).await?;
    Ok(Ready {
        digest,
        release,
        module: loaded.module,
        policy,
        limits,
        input,
        slot,
    })
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

/// The bytes of the input, wherever they lie.
async fn input(delivery: &Delivery, input: Payload) -> Result<Vec<u8>, Unrun> {
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
            tracing::warn!(job = %delivery.id, error = %e, "could not fetch an input; the job goes back");
            Err(Unrun::GiveBack(BROKEN))
        }
    }
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

/// What happens to the job after this outcome.
fn action(job: &Job, policy: &Policy, age: Duration, outcome: Outcome) -> Result<Action, Unrun> {
    let ending = outcome.end.ending();
    let failure = match outcome.end {
        End::Completed(result) => return Ok(Action::Complete(result.into())),
        // The worker is at its end, not the job: that run does not count. Where a
        // user asked for it, the job does not go back.
        End::Cancelled => return Ok(Action::GiveBack(Duration::ZERO)),
        End::Failed(failure) | End::Trapped { failure, .. } => failure,
    };
    if ending == Ending::HostError {
        tracing::error!(job = %job.call.id, error = failure.message, "the engine failed an attempt");
    }
    let failed = job.attempt + 1;
    let wait = policy.next(failed, age, ending, failure.retry, rand::random());
    Ok(wait.map_or(Action::Discard, Action::Retry))
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
    /// Stops it, wherever it is.
    grip: Grip,
    held: bool,
    settled: bool,
    /// Whether the job ended here, and did not just go back.
    ended: bool,
}

impl Delivery {
    fn new(session: Arc<Session>, claimed: Claimed, grip: Grip) -> Self {
        Delivery {
            session,
            tenant: claimed.tenant,
            id: claimed.id,
            queue: claimed.queue,
            number: claimed.delivery,
            started: claimed.started,
            target: claimed.target,
            grip,
            held: true,
            settled: false,
            ended: false,
        }
    }

    /// From here on nobody can stop it; whether a user had asked for that.
    fn let_go(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        held && self.session.hands.let_go(self.id, self.number)
    }

    fn record(&self, outcome: &Outcome, ran: Option<(Digest, u32)>) -> Attempt {
        let mut log = outcome.log.bytes.clone();
        if outcome.log.truncated {
            log.extend_from_slice(resolve::CUT);
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

    /// The attempt at a job that a user stopped, as it is kept on the record.
    fn cancelled(&self, attempt: Option<Attempt>) -> Attempt {
        let ran = attempt.is_some();
        let unrun = || self.record(&Outcome::unrun(End::Cancelled), None);
        let mut attempt = attempt.unwrap_or_else(unrun);
        // It looked, and returned: whatever that was is not kept.
        if attempt.ending == Ending::Completed {
            attempt.ending = Ending::Cancelled;
        }
        attempt.failure.get_or_insert_with(|| {
            let when = if ran { "while" } else { "before" };
            Failure::fatal("cancelled", format!("cancelled {when} it ran"))
        });
        attempt
    }

    /// Puts a result where there is room for it. As a settlement, it is tried until
    /// it is there; a worker at its end gives the job back.
    async fn upload(&self, result: Vec<u8>) -> Action {
        let (session, tenant) = (self.session.clone(), self.tenant.clone());
        // To pack it takes a while, which guests must not wait for.
        let mut put = self.session.threads.spawn(async move {
            loop {
                match session.broker.put_blob(&tenant, &result).await {
                    Ok(digest) => {
                        let size = result.len() as u64;
                        return Action::Complete(Payload::Blob { digest, size });
                    }
                    Err(e @ BrokerError::Invalid(_)) => {
                        tracing::error!(error = %e, "the broker refused a result for good");
                        return Action::Discard;
                    }
                    Err(e) => {
                        tracing::warn!(error = %e, "could not store a result; will try again");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        });
        tokio::select! {
            stored = &mut put => stored.unwrap_or(Action::GiveBack(BROKEN)),
            () = self.session.hands.stopped() => {
                put.abort();
                Action::GiveBack(Duration::ZERO)
            }
        }
    }

    /// Puts the large inputs of children where there is room for them, as a result; or
    /// what is to be done instead.
    async fn store_inputs(&self, mut children: Vec<NewJob>) -> Result<Vec<NewJob>, Action> {
        let client = self.session.client(&self.tenant);
        loop {
            let stored = tokio::select! {
                stored = client.store_inputs(&mut children) => stored,
                () = self.session.hands.stopped() => return Err(Action::GiveBack(Duration::ZERO)),
            };
            match stored {
                Ok(()) => return Ok(children),
                Err(ClientError::Broker(e @ BrokerError::Invalid(_))) => {
                    tracing::error!(error = %e, "the broker refused an input for good");
                    return Err(Action::Discard);
                }
                Err(e) => {
                    tracing::warn!(error = %e, "could not store an input; will try again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    fn settle(&mut self, action: Action, attempt: Option<Attempt>, children: Vec<NewJob>) {
        self.settled = true;
        self.ended = !matches!(action, Action::GiveBack(_));
        self.session.settle(Settlement {
            tenant: std::mem::take(&mut self.tenant),
            id: self.id,
            delivery: self.number,
            queue: std::mem::take(&mut self.queue),
            action,
            attempt,
            children,
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.let_go();
        if !self.settled {
            tracing::error!(job = %self.id, "an attempt was cut short; the job goes back");
            self.settle(Action::GiveBack(BROKEN), None, Vec::new());
        }
        self.session.load.release(self.ended);
    }
}
