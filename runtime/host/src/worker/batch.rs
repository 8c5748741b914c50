//! Jobs of a batched task: they wait for each other, then run in one slot as one
//! attempt, and each is settled by itself.
//!
//! A job that waits, or runs with others, is set aside: it takes no slot, so the claim
//! loop may bring more of its kind. The first of those that run takes the slot for all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lovage_queue::grant::Grants;
use lovage_queue::job::{Ending, Job, JobId};
use lovage_queue::registry::Digest;
use lovage_queue::task::Batch;

use super::attempt::{self, PATIENCE, Prepared, done, granted, input, slot};
use super::collect::{Collector, Timer};
use super::delivery::{Delivery, Offspring, Unrun};
use super::host::BatchHost;
use super::load::weight;
use super::resolve;
use super::session::{Session, TIDY_UP};
use crate::engine::{BatchCall, BatchOutcome, Cancel, Invocation, Limits};

/// The longest that a batch waits for a slot: what took long to collect is not given
/// away for a busy moment.
const LONGEST: Duration = Duration::from_secs(1);

/// What a job weighs besides its record's bytes, while it is set aside.
const JOB: usize = 4 * 1024;

/// A job that runs with others.
pub(super) struct Member {
    delivery: Delivery,
    job: Job,
    prepared: Prepared,
    batch: Batch,
    since: Instant,
}

/// It is large, and goes from list to list.
type Boxed = Box<Member>;

/// What jobs have in common that run together.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    tenant: String,
    module: String,
    task: String,
    digest: Digest,
    fuel: u64,
    memory: u64,
    deadline: Duration,
    soft_deadline: Option<Duration>,
}

/// The jobs of a worker that wait for others of their kind.
#[derive(Default)]
pub(super) struct Batches(Mutex<Collector<Kind, Boxed>>);

impl Batches {
    /// A user wants a tenant's job to stop: it waits no longer, and its peers wait on.
    pub(super) fn remove(&self, tenant: &str, id: JobId) {
        let wanted = |it: &Boxed| it.delivery.id == id && it.delivery.tenant == tenant;
        let member = self.lock().remove(wanted);
        if let Some(member) = member {
            member.delivery.go_back(Duration::ZERO);
        }
    }

    /// Gives back all that wait, and those that come later.
    pub(super) fn close(&self) {
        let members = self.lock().close();
        for member in members {
            member.delivery.go_back(Duration::ZERO);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Collector<Kind, Boxed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a job waits for others: its batch, if so.
pub(super) fn collects(session: &Session, job: &Job, prepared: &Prepared) -> Option<Batch> {
    let batch = prepared.batch.filter(|batch| batch.max > 1)?;
    // What a job takes of others' results is not known before it begins, and may be large.
    let bound = !job.call.options.binds.is_empty();
    let alone = session.settings.echo || bound || resolve::runs_alone(job);
    (!alone).then_some(batch)
}

/// Has a job wait for others. Where it is the last that they waited for, they run.
pub(super) fn join(delivery: Delivery, job: Job, prepared: Prepared, batch: Batch) {
    let session = delivery.session.clone();
    let (kind, bytes) = (kind(&job, &prepared), job.call.input.size());
    let mut member = Box::new(Member {
        delivery,
        job,
        prepared,
        batch,
        since: Instant::now(),
    });
    let (joined, hurried) = {
        let mut collector = session.batches.lock();
        // Who cancels it marks it first and looks here then: one of us sees the other.
        if collector.is_closed() || member.delivery.grip.cancel.is_cancelled() {
            drop(collector);
            return member.delivery.go_back(Duration::ZERO);
        }
        // Never of a worker that ends, which waits until none is aside.
        let is_aside = member.delivery.set_aside(JOB + weight(&member.job));
        let joined = collector.join(kind.clone(), member, bytes, batch, Instant::now());
        // What cannot be set aside would hold up jobs of other kinds for as long as it waits.
        let hurried = (!is_aside).then(|| collector.take(&kind)).flatten();
        (joined, hurried)
    };
    if let Some(timer) = joined.timer {
        tokio::spawn(wait(session, kind, timer));
    }
    [joined.run, hurried].into_iter().flatten().for_each(start);
}

fn kind(job: &Job, prepared: &Prepared) -> Kind {
    let limits = &prepared.limits;
    Kind {
        tenant: job.tenant.clone(),
        module: job.call.module.clone(),
        task: job.call.task.clone(),
        digest: prepared.digest,
        fuel: limits.fuel,
        memory: limits.memory,
        deadline: limits.deadline,
        soft_deadline: limits.soft_deadline,
    }
}

/// Runs a group when it is due, unless it has gone before.
async fn wait(session: Arc<Session>, kind: Kind, timer: Timer) {
    tokio::select! {
        () = tokio::time::sleep_until(timer.due.into()) => {}
        _ = timer.gone => return,
    }
    let jobs = session.batches.lock().due(&kind, Instant::now());
    if let Some(jobs) = jobs {
        start(jobs);
    }
}

/// Runs jobs that have waited long enough. From here on they are held as one.
fn start(mut members: Vec<Boxed>) {
    members[0].delivery.bring_back();
    let guests = members[0].delivery.session.guests.clone();
    let kind = guests.kind(Some(&members[0].job));
    match members.len() {
        1 => guests.spawn(kind, alone(members.remove(0))),
        _ => guests.spawn(kind, run(members)),
    }
}

/// Runs a job that nobody came for.
async fn alone(mut member: Boxed) {
    let Member {
        delivery,
        job,
        prepared,
        ..
    } = &mut *member;
    let mut offspring = Offspring::default();
    let done = attempt::alone(delivery, job, prepared, &mut offspring).await;
    delivery.conclude(done, offspring).await;
}

/// Runs jobs together and settles each of them.
async fn run(members: Vec<Boxed>) {
    let session = members[0].delivery.session.clone();
    let patience = members[0].batch.wait.clamp(PATIENCE, LONGEST);
    let Ok(slot) = slot(&session.slots, patience).await else {
        return go_back(members);
    };
    let Some((mut members, calls)) = inputs(members).await else {
        return;
    };
    let first = &members[0];
    let granted = granted(&first.delivery, &first.job, &first.prepared).await;
    let Ok(granted) = granted else {
        return go_back(members);
    };
    let outcome = together(&session, &mut members, calls, granted).await;
    drop(slot);
    match outcome {
        Ok(outcome) => settle(members, outcome).await,
        Err(wait) => members.into_iter().for_each(|it| it.delivery.go_back(wait)),
    }
}

fn go_back(members: Vec<Boxed>) {
    for member in members {
        member.delivery.go_back(Duration::ZERO);
    }
}

/// What each of them was given. Those that cannot run any more leave.
async fn inputs(members: Vec<Boxed>) -> Option<(Vec<Boxed>, Vec<Vec<u8>>)> {
    let mut ready = (Vec::new(), Vec::new());
    for mut member in members {
        if member.delivery.grip.cancel.is_cancelled() {
            member.delivery.go_back(Duration::ZERO);
            continue;
        }
        let input = tokio::select! {
            biased;
            input = input(&member.delivery, &mut member.job) => input,
            () = member.delivery.grip.cancel.stopped() => Err(Unrun::GiveBack(Duration::ZERO)),
        };
        match input {
            Ok(bytes) => {
                ready.0.push(member);
                ready.1.push(bytes);
            }
            Err(unrun) => {
                member
                    .delivery
                    .conclude(Err(unrun), Offspring::default())
                    .await
            }
        }
    }
    (!ready.0.is_empty()).then_some(ready)
}

/// The one attempt of all of them.
async fn together(
    session: &Arc<Session>,
    members: &mut [Boxed],
    inputs: Vec<Vec<u8>>,
    grants: Arc<Grants>,
) -> Result<BatchOutcome, Duration> {
    let jobs = members
        .iter()
        .map(|it| (it.delivery.id, it.delivery.number));
    let tenant = &members[0].delivery.tenant;
    let host = BatchHost::new(session.clone(), tenant, jobs.collect(), grants.clone());
    let calls = members.iter().zip(inputs).map(|(it, input)| BatchCall {
        id: it.delivery.id,
        attempt: it.job.attempt + 1,
        max_attempts: it.prepared.policy.max_attempts,
        enqueued_at: it.job.enqueued,
        headers: it.job.call.options.headers.clone(),
        input,
    });
    let calls = calls.collect();
    let cancel = Cancel::default();
    let invocation = invocation(members, cancel.clone(), grants);
    let module = members[0].prepared.module.clone();
    let (host, engine) = (Arc::new(host), session.modules.engine());
    let run = async {
        match &session.sandboxes {
            None => Ok(engine.run_batch(&module, invocation, calls, host).await),
            Some(apart) => apart.run_batch(&module, invocation, calls, host).await,
        }
    };
    let mut run = std::pin::pin!(run);
    tokio::select! {
        biased;
        outcome = &mut run => return outcome,
        () = all_stopped(members) => cancel.cancel(),
    }
    // Nobody wants it any more: it may tidy up as a single job may.
    tokio::select! {
        biased;
        outcome = &mut run => return outcome,
        () = tokio::time::sleep(TIDY_UP) => cancel.stop(),
    }
    run.await
}

/// Returns once all of them were stopped. As long as one was not, the run goes on.
async fn all_stopped(members: &[Boxed]) {
    for member in members {
        member.delivery.grip.cancel.stopped().await;
    }
}

/// What the run is told of its job is told of the first.
fn invocation(members: &mut [Boxed], cancel: Cancel, grants: Arc<Grants>) -> Invocation {
    let log = members.iter().map(|it| it.prepared.limits.log).max();
    let Member {
        delivery,
        job,
        prepared,
        ..
    } = &mut *members[0];
    Invocation {
        task: job.call.task.clone(),
        input: Vec::new(),
        limits: Limits {
            log: log.unwrap_or(0),
            ..prepared.limits.clone()
        },
        cancel,
        // The record is not written again from it: these words may move.
        context: resolve::context(job, prepared.digest, &prepared.policy),
        log: delivery.grip.log.clone(),
        grants,
    }
}

/// Settles each by its own end.
async fn settle(members: Vec<Boxed>, outcome: BatchOutcome) {
    let log = members.iter().map(|it| it.prepared.limits.log).max();
    // What was too little for all of them may be enough for each.
    let is_of_all = members.len() > 1 && outcome.run.end.ending() != Ending::Completed;
    let outcomes = outcome.shares(log.unwrap_or(0));
    let settled = members
        .into_iter()
        .zip(outcomes)
        .map(async |(mut it, outcome)| {
            let Member {
                delivery,
                job,
                prepared,
                since,
                ..
            } = &mut *it;
            prepared.policy.retry_exhausted |= is_of_all;
            let age = delivery.started.since(job.enqueued) + since.elapsed();
            let done = done(delivery, job, prepared, age, outcome);
            delivery.conclude(done, Offspring::default()).await;
        });
    join_all(settled).await;
}
