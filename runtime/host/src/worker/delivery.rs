//! A job in this worker's hands, and how it leaves them: by exactly one settlement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lovage_queue::broker::{BrokerError, Claimed};
use lovage_queue::client::{Client, ClientError, PreparedFlow};
use lovage_queue::clock::Millis;
use lovage_queue::job::{
    Action, Attempt, CLAIM_CHECK, Checkpoint, Ending, JobId, NewJob, Payload, Settlement, Spent,
};
use lovage_queue::registry::Digest;
use lovage_queue::task::Failure;

use tokio::sync::Semaphore;

use super::hands::Grip;
use super::hooks::Watched;
use super::resolve;
use super::series::{Series, became};
use super::session::{Session, Settling};
use super::settle::AGAIN;
use super::trace;
use crate::engine::{End, Outcome};
use crate::telemetry::traces::Span;

/// When to try again what went wrong on our own side.
pub(super) const BROKEN: Duration = Duration::from_secs(1);

/// Why there was no run.
pub(super) enum Unrun {
    GiveBack(Duration),
    Discard(Ending, Failure),
}

/// What a job leaves to be made with its completion.
#[derive(Default)]
pub(super) struct Offspring {
    pub(super) jobs: Vec<NewJob>,
    pub(super) flows: Vec<PreparedFlow>,
    /// Where it goes on, if the jobs are a page of what comes from it, and how many of such
    /// jobs may be open.
    pub(super) page: Option<(Checkpoint, u32)>,
}

impl Offspring {
    /// It may be called again after an error.
    async fn store(&mut self, client: &Client) -> Result<(), ClientError> {
        client.store_inputs(&mut self.jobs).await?;
        for flow in &self.flows {
            match client.build_flow(flow).await {
                // Somebody cancelled it meanwhile: that is no reason to hold its maker.
                Err(ClientError::Broker(BrokerError::Missing(_)))
                    if client.flow(flow.id()).await.is_ok() => {}
                built => built?,
            }
        }
        Ok(())
    }
}

/// The same, stored so far that a settlement can name it.
#[derive(Default)]
struct Stored {
    jobs: Vec<NewJob>,
    flows: Vec<JobId>,
}

/// A job in this worker's hands. It is settled exactly once: if a step should
/// panic, the job goes back when this is dropped.
pub(super) struct Delivery {
    pub(super) session: Arc<Session>,
    pub(super) tenant: String,
    pub(super) id: JobId,
    queue: String,
    pub(super) number: u32,
    pub(super) started: Millis,
    /// Which run this is, counted from 1; 0 while that is not known.
    pub(super) attempt: u32,
    /// How long it had been available by then.
    pub(super) waited: Duration,
    /// Where it is counted, unless its record cannot be read.
    series: Option<Arc<Series>>,
    /// The span of this attempt, where it is traced.
    pub(super) span: Option<Box<Span>>,
    /// What those are told who hear of its end.
    pub(super) watched: Option<Box<Watched>>,
    pub(super) target: Option<(Digest, u32)>,
    /// What its tenant was charged for it.
    charged: Duration,
    /// CPU time that its run took, in nanoseconds.
    cpu: AtomicU64,
    /// Stops it, wherever it is.
    pub(super) grip: Grip,
    held: bool,
    /// Whether it came while all slots were taken, and has one of the others.
    spare: bool,
    /// What it weighs while it is set aside, with those that want no slot of their own;
    /// 0 while it is not.
    aside: usize,
    settled: bool,
    /// Whether the job ended here, and did not just go back.
    ended: bool,
}

impl Delivery {
    pub(super) fn new(
        session: Arc<Session>,
        claimed: Claimed,
        grip: Grip,
        series: Option<Arc<Series>>,
        spare: bool,
    ) -> Self {
        Delivery {
            session,
            tenant: claimed.tenant,
            id: claimed.id,
            queue: claimed.queue,
            number: claimed.delivery,
            started: claimed.started,
            attempt: 0,
            waited: Duration::ZERO,
            series,
            span: None,
            watched: None,
            target: claimed.target,
            charged: claimed.charged,
            cpu: AtomicU64::new(0),
            grip,
            held: true,
            spare,
            aside: 0,
            settled: false,
            ended: false,
        }
    }

    /// Settles the job by what became of it. The offspring is made with its completion.
    pub(super) async fn conclude(
        &mut self,
        done: Result<(Action, Attempt), Unrun>,
        mut offspring: Offspring,
    ) {
        let (mut action, mut attempt) = match done {
            Ok(done) => (done.0, Some(done.1)),
            Err(Unrun::GiveBack(wait)) => (Action::GiveBack(wait), None),
            Err(Unrun::Discard(ending, failure)) => {
                let outcome = Outcome::unrun(End::Trapped { ending, failure });
                (Action::Discard, Some(self.record(&outcome, None)))
            }
        };
        if self.let_go() {
            // However it ended: who asked for it to stop waits for that.
            action = Action::Cancel;
            attempt = Some(self.cancelled(attempt));
        }
        if let (Action::Complete(_), Some((cursor, open))) = (&action, offspring.page.take()) {
            action = Action::NextPage { cursor, open };
        }
        if let Action::Complete(Payload::Inline(result)) = &mut action
            && result.len() > CLAIM_CHECK
        {
            action = self.upload(std::mem::take(result)).await;
        }
        let mut made = Stored::default();
        if matches!(action, Action::Complete(_) | Action::NextPage { .. }) {
            match self.store(offspring).await {
                Ok(stored) => made = stored,
                Err(instead) => action = instead,
            }
        }
        match (&action, &mut attempt) {
            // That run does not count.
            (Action::GiveBack(_), _) => attempt = None,
            (Action::Discard, Some(it)) if it.ending == Ending::Completed => not_stored(it),
            _ => {}
        }
        self.settle(action, attempt, made);
    }

    /// Leaves a job alone whose header cannot be read: the broker has put it on the
    /// dead list, and there is nothing to settle.
    pub(super) fn leave(mut self) {
        self.settled = true;
    }

    /// Settles a job at once that has not run: it goes back, or has ended where a user
    /// asked for that.
    pub(super) fn go_back(mut self, wait: Duration) {
        if self.let_go() {
            let attempt = self.cancelled(None);
            self.settle(Action::Cancel, Some(attempt), Stored::default());
        } else {
            self.settle(Action::GiveBack(wait), None, Stored::default());
        }
    }

    /// Sets the job, which waits for others of its kind, aside: it wants no slot of its
    /// own. Whether there was room for that.
    pub(super) fn set_aside(&mut self, weight: usize) -> bool {
        // It runs with others, in a slot as all have.
        if std::mem::take(&mut self.spare) {
            self.session.load.settle_in();
        }
        let is_aside = self.session.load.set_aside(weight);
        if is_aside {
            self.aside = weight;
        }
        is_aside
    }

    /// The job wants a slot again.
    pub(super) fn bring_back(&mut self) {
        match std::mem::take(&mut self.aside) {
            0 => {}
            weight => self.session.load.bring_back(weight),
        }
    }

    /// What it takes a slot of.
    pub(super) fn slots(&self) -> &Semaphore {
        match self.spare {
            true => &self.session.spare,
            false => &self.session.slots,
        }
    }

    /// The name of its task, for the log; empty where its record cannot be read.
    pub(super) fn task(&self) -> &str {
        self.series.as_ref().map_or("", |it| &it.name)
    }

    /// From here on nobody can stop it; whether a user had asked for that.
    fn let_go(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        held && self
            .session
            .hands
            .let_go(&self.tenant, self.id, self.number)
    }

    pub(super) fn record(&self, outcome: &Outcome, ran: Option<(Digest, u32)>) -> Attempt {
        let cpu = u64::try_from(outcome.cpu.as_nanos()).unwrap_or(u64::MAX);
        self.cpu.fetch_add(cpu, Ordering::Relaxed);
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
                    // Its tenant may store no more, or is gone.
                    Err(
                        e @ (BrokerError::Invalid(_)
                        | BrokerError::Quota { .. }
                        | BrokerError::Missing(_)),
                    ) => {
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

    /// Puts the large inputs of children where there is room for them, and makes the jobs of
    /// flows, as a result; or what is to be done instead.
    async fn store(&self, mut offspring: Offspring) -> Result<Stored, Action> {
        let client = self.session.client(&self.tenant);
        loop {
            let stored = tokio::select! {
                stored = offspring.store(&client) => stored,
                () = self.session.hands.stopped() => return Err(Action::GiveBack(Duration::ZERO)),
            };
            match stored {
                Ok(()) => break,
                Err(ClientError::Broker(
                    e @ (BrokerError::Invalid(_)
                    | BrokerError::Quota { .. }
                    | BrokerError::Suspended
                    | BrokerError::Missing(_)),
                )) => {
                    tracing::error!(error = %e, "the broker refused a job's children for good");
                    return Err(Action::Discard);
                }
                Err(e) => {
                    tracing::warn!(error = %e, "could not store a job's children; will try again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        let flows = offspring.flows.iter().map(PreparedFlow::id).collect();
        let jobs = offspring.jobs;
        Ok(Stored { jobs, flows })
    }

    fn settle(&mut self, action: Action, attempt: Option<Attempt>, mut made: Stored) {
        if let Some(watched) = self.watched.take() {
            let told = watched.deliveries(self.id, &action, attempt.as_ref());
            made.jobs.extend(told);
        }
        self.settled = true;
        self.ended = !matches!(action, Action::GiveBack(_) | Action::NextPage { .. });
        let settlement = Settlement {
            tenant: std::mem::take(&mut self.tenant),
            id: self.id,
            delivery: self.number,
            queue: std::mem::take(&mut self.queue),
            action,
            attempt,
            children: made.jobs,
            flows: made.flows,
            spent: Spent {
                cpu: Duration::from_nanos(*self.cpu.get_mut()),
                charged: self.charged,
            },
        };
        tracing::debug!(
            job = %settlement.id,
            task = self.task(),
            attempt = self.attempt,
            outcome = became(&settlement.action).as_str(),
            "an attempt ended"
        );
        let span = self.span.take().map(|mut span| {
            trace::conclude(&mut span, &settlement);
            (span, SystemTime::now())
        });
        self.session.settle(Settling {
            span,
            settlement,
            series: self.series.take(),
            waited: self.waited,
        });
    }
}

/// An attempt that completed, and what came of it was refused for good: of its tenant's
/// quota the author may hear.
fn not_stored(attempt: &mut Attempt) {
    let said = "what it made could not be stored: its tenant has no room left for it, or takes in nothing new";
    attempt.ending = Ending::Failed;
    attempt.failure = Some(Failure::fatal("not-stored", said));
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.let_go();
        if !self.settled {
            tracing::error!(job = %self.id, task = self.task(), attempt = self.attempt, "an attempt was cut short; the job goes back");
            self.settle(Action::GiveBack(BROKEN), None, Stored::default());
        }
        match self.aside {
            0 if self.spare => self.session.load.release_spare(self.ended),
            0 => self.session.load.release(self.ended),
            weight => self.session.load.release_aside(weight, self.ended),
        }
    }
}
