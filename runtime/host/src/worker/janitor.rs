//! What any worker does for all: promote what is due, fire schedules, reclaim from
//! the dead, prune what was kept long enough. None is the leader; each step is harmless
//! when two take it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::job::Partition;

use super::scheduler;
use super::session::Session;

/// Jobs a step: a step must stay short for the broker.
const STEP: u32 = 500;
/// The wait where there is something to do and the broker does not let us.
const AGAIN: Duration = Duration::from_millis(200);
/// How often finished jobs are looked through.
const PRUNE: Duration = Duration::from_secs(10);

/// Looks after all partitions until the session ends.
pub(super) async fn run(session: Arc<Session>) {
    let outage = Outage::default();
    tokio::join!(
        promote(&session, &outage),
        reclaim(&session, &outage),
        prune(&session)
    );
}

/// When the broker was last away, or slow to answer.
#[derive(Default)]
struct Outage(Mutex<Option<Instant>>);

impl Outage {
    fn is_now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// After an outage every lease looks over: those who are alive first get a
    /// lease's time to say so. What is left of it.
    fn rest(&self, lease: Duration) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lease.checked_sub(last?.elapsed())
    }
}

async fn promote(session: &Session, outage: &Outage) {
    loop {
        let asked = Instant::now();
        let mut next = session.settings.heartbeat;
        for partition in partitions(session) {
            match session.broker.promote(partition, STEP).await {
                Ok(promoted) => {
                    let worker = session.telemetry.metrics.worker();
                    worker.promoted.inc_by(u64::from(promoted.jobs));
                    let fired = promoted.schedules && scheduler::fire(session, partition).await;
                    let more = fired || promoted.jobs == STEP || promoted.flows;
                    let wait = match promoted.next {
                        _ if more => Duration::ZERO,
                        // They are due, and the broker does not say which.
                        _ if promoted.schedules => AGAIN,
                        wait => wait.unwrap_or(next),
                    };
                    next = next.min(wait);
                }
                Err(e) => {
                    tracing::debug!(error = %e, "could not promote");
                    outage.is_now();
                }
            }
        }
        if asked.elapsed() >= session.settings.lease / 2 {
            outage.is_now();
        }
        // Whatever is scheduled before that is signalled.
        let _ = tokio::time::timeout(next, session.due.notified()).await;
    }
}

async fn reclaim(session: &Session, outage: &Outage) {
    let settings = &session.settings;
    loop {
        if let Some(rest) = outage.rest(settings.lease) {
            tokio::time::sleep(rest).await;
            continue;
        }
        let asked = Instant::now();
        for partition in partitions(session) {
            match session.broker.reclaim(partition, STEP).await {
                Ok(it) if it.workers + it.jobs + it.lost > 0 => {
                    let worker = session.telemetry.metrics.worker();
                    worker.dead_workers.inc_by(u64::from(it.workers));
                    worker.reclaimed.inc_by(u64::from(it.jobs));
                    worker.lost.inc_by(u64::from(it.lost));
                    tracing::warn!(
                        workers = it.workers,
                        jobs = it.jobs,
                        lost = it.lost,
                        "took jobs back from dead workers"
                    );
                }
                Ok(_) => {}
                Err(e) => {
                    tracing::debug!(error = %e, "could not reclaim");
                    outage.is_now();
                }
            }
        }
        if asked.elapsed() >= settings.lease / 2 {
            outage.is_now();
        }
        // All workers look, so each may take its time: not all at once.
        let wait = settings.heartbeat.mul_f64(rand::random_range(0.5..1.5));
        tokio::time::sleep(wait).await;
    }
}

async fn prune(session: &Session) {
    loop {
        tokio::time::sleep(PRUNE.mul_f64(rand::random_range(0.5..1.5))).await;
        for partition in partitions(session) {
            let mut gone = STEP;
            while gone >= STEP {
                match session
                    .broker
                    .prune(partition, &session.settings.retention, STEP)
                    .await
                {
                    Ok(pruned) => gone = pruned,
                    Err(e) => {
                        tracing::debug!(error = %e, "could not prune");
                        gone = 0;
                    }
                }
            }
        }
    }
}

fn partitions(session: &Session) -> impl Iterator<Item = Partition> {
    (0..session.broker.partitions()).map(Partition)
}
