//! The claim loop. Its duties:
//! 1. keep every slot busy and hold little more than that,
//! 2. divide its claims among the queues by their weights,
//! 3. repeat a claim whose answer was lost under the same number,
//! 4. tick, so that the heartbeat vouches for a loop that is alive,
//! 5. block when there is nothing to do, and never poll,
//! 6. while all slots are taken, let in the tenants that have less than their share of
//!    them.

use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Claim};
use lovage_queue::job::Partition;
use tokio::sync::watch;

use super::load::Pace;
use super::session::{Ended, Session};
use super::{Phase, attempt};

/// The wait after a broker did not answer: doubled each time up to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// A claim under way may still be answered once the worker is asked to stop: its
/// jobs then go back at once instead of with the lease.
const LAST: Duration = Duration::from_secs(2);

/// Claims until the worker is asked to stop or declared dead.
pub(super) async fn run(session: &Arc<Session>, phase: &mut watch::Receiver<Phase>) -> Ended {
    let mut claims = Claims::new(session);
    loop {
        if *phase.borrow() >= Phase::Drain {
            return Ended::Asked;
        }
        let pause = tokio::select! {
            pause = session.ticking(claims.next()) => pause,
            () = session.died() => return Ended::Dead,
            () = stopped(phase, LAST) => return Ended::Asked,
        };
        let waited = async {
            match pause {
                Pause::None => {}
                Pause::Dead => session.declare_dead(),
                Pause::Full => session.load.fell().await,
                Pause::Crowded => tokio::select! {
                    () = session.load.fell() => {}
                    () = session.work.notified() => {}
                },
                Pause::Idle => session.work.notified().await,
                Pause::Away(wait) => tokio::time::sleep(wait).await,
            }
        };
        tokio::select! {
            () = session.ticking(waited) => {}
            () = session.died() => return Ended::Dead,
            () = stopped(phase, Duration::ZERO) => return Ended::Asked,
        }
    }
}

/// Returns once the worker has been asked to stop, for so long.
async fn stopped(phase: &mut watch::Receiver<Phase>, since: Duration) {
    let _ = phase.wait_for(|it| *it >= Phase::Drain).await;
    tokio::time::sleep(since).await;
}

/// What to wait for before the next claim.
enum Pause {
    /// For nothing.
    None,
    /// A job to end: all slots are taken.
    Full,
    /// The same, or work of a tenant that has less than its share of them.
    Crowded,
    /// Work.
    Idle,
    /// The broker, for so long.
    Away(Duration),
    /// Nothing more: the worker was declared dead.
    Dead,
}

/// The claims of a session, one after the other.
struct Claims<'a> {
    session: &'a Arc<Session>,
    /// The number of each partition's next claim.
    numbers: Vec<u64>,
    /// The partition whose turn it is.
    at: usize,
    /// How many partitions in a row had no more than that.
    empty: usize,
    shares: Shares,
    pace: Pace,
    backoff: Duration,
}

impl<'a> Claims<'a> {
    fn new(session: &'a Arc<Session>) -> Self {
        Claims {
            session,
            numbers: vec![1; usize::from(session.broker.partitions())],
            at: 0,
            empty: 0,
            shares: Shares::new(&session.settings.queues),
            pace: Pace::new(session.settings.concurrency),
            backoff: BACKOFF[0],
        }
    }

    async fn next(&mut self) -> Pause {
        let session = self.session;
        let wish = match self.pace.wanted(&session.load) {
            Some(wanted) => (wanted, Vec::new(), false),
            None if self.pace.is_fast() => return Pause::Full,
            None => match spare(session) {
                Some((wanted, crowded)) => (wanted, crowded, true),
                None => return Pause::Full,
            },
        };
        let (wanted, crowded, is_spare) = wish;
        let claim = Claim {
            partition: Partition(self.at as u16),
            worker: session.worker,
            number: self.numbers[self.at],
            queues: self.shares.of(wanted),
            max: wanted as u32,
            lease: session.settings.lease,
            crowded,
        };
        session.hands.reach();
        let jobs = match session.broker.claim(&claim).await {
            Ok(jobs) => jobs,
            Err(BrokerError::Dead(_)) => return Pause::Dead,
            Err(e) => {
                tracing::warn!(error = %e, "could not claim; will try again");
                let wait = self.backoff;
                self.backoff = (wait * 2).min(BACKOFF[1]);
                return Pause::Away(wait);
            }
        };
        self.backoff = BACKOFF[0];
        self.numbers[self.at] += 1;
        self.at = (self.at + 1) % self.numbers.len();
        // Less than it wants is all there is: the broker tells it of more.
        let is_empty = jobs.len() < wanted;
        self.empty = if is_empty { self.empty + 1 } else { 0 };
        match is_spare {
            true => session.load.take_spare(jobs.len()),
            false => session.load.take(jobs.len()),
        }
        self.pace.brought(&jobs);
        let worker = session.telemetry.metrics.worker();
        worker.claims.inc();
        worker.claimed.inc_by(jobs.len() as u64);
        let series = session.series.started(&jobs);
        let (grips, cancelled) = session.hands.take(&jobs);
        for (tenant, id) in cancelled {
            session.cancel(&tenant, id);
        }
        let attempts = jobs.into_iter().zip(grips).zip(series);
        session.guests.run(attempts.map(|((job, grip), series)| {
            let kind = session.guests.kind(job.job.as_ref().ok());
            (
                kind,
                attempt::run(session.clone(), job, grip, series, is_spare),
            )
        }));
        if self.empty < self.numbers.len() {
            return Pause::None;
        }
        self.empty = 0;
        match is_spare {
            true => Pause::Crowded,
            false => Pause::Idle,
        }
    }
}

/// How many jobs may be let in while all slots are taken, and the tenants that have their
/// share of them: as it would be if one more came.
fn spare(session: &Session) -> Option<(usize, Vec<String>)> {
    let (most, taken) = (session.settings.spare(), session.load.spare());
    let left = most.checked_sub(taken).filter(|left| *left > 0)?;
    let tenants = session.hands.by_tenant();
    let share = ((session.settings.concurrency + most) / (tenants.len() + 1)).max(1);
    let crowded = tenants.iter().filter(|(_, jobs)| **jobs >= share);
    Some((
        left,
        crowded.map(|(tenant, _)| tenant.to_string()).collect(),
    ))
}

/// Divides claims among queues: over time each gets its weight's share, also
/// where single claims are too small to be divided.
struct Shares {
    queues: Vec<(String, f64)>,
    credit: Vec<f64>,
}

impl Shares {
    fn new(weights: &[(String, u32)]) -> Self {
        let total: f64 = weights
            .iter()
            .map(|(_, weight)| f64::from((*weight).max(1)))
            .sum();
        let queues: Vec<_> = weights
            .iter()
            .map(|(queue, weight)| (queue.clone(), f64::from((*weight).max(1)) / total))
            .collect();
        Shares {
            credit: vec![0.0; queues.len()],
            queues,
        }
    }

    fn of(&mut self, jobs: usize) -> Vec<(String, u32)> {
        let mut left = jobs;
        let mut shares: Vec<u32> = Vec::with_capacity(self.queues.len());
        for ((_, part), credit) in self.queues.iter().zip(&mut self.credit) {
            *credit += part * jobs as f64;
            let share = (credit.floor().max(0.0) as usize).min(left);
            *credit -= share as f64;
            left -= share;
            shares.push(share as u32);
        }
        // What rounding left over goes to whoever is owed most.
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by(|a, b| self.credit[*b].total_cmp(&self.credit[*a]));
        for i in order.iter().cycle().take(left) {
            shares[*i] += 1;
            self.credit[*i] -= 1.0;
        }
        order.sort_by_key(|i| std::cmp::Reverse(shares[*i]));
        order
            .into_iter()
            .map(|i| (self.queues[i].0.clone(), shares[i]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn over(claims: usize, jobs: usize) -> HashMap<String, u32> {
        let mut shares = Shares::new(&[("high".into(), 3), ("default".into(), 1)]);
        let mut sums = HashMap::new();
        for _ in 0..claims {
            let claim = shares.of(jobs);
            assert_eq!(claim.iter().map(|(_, n)| *n as usize).sum::<usize>(), jobs);
            for (queue, share) in claim {
                *sums.entry(queue).or_insert(0) += share;
            }
        }
        sums
    }

    #[test]
    fn queues_get_their_weights_share_however_small_the_claims() {
        for jobs in [1, 3, 100] {
            let sums = over(400, jobs);
            let parts = f64::from(sums["high"]) / f64::from(sums["default"]);
            assert!((2.9..3.1).contains(&parts), "{jobs}: {sums:?}");
        }
    }

    #[test]
    fn the_queue_with_the_larger_share_comes_first() {
        let mut shares = Shares::new(&[("default".into(), 1), ("high".into(), 3)]);
        assert_eq!(shares.of(4), [("high".into(), 3), ("default".into(), 1)]);
    }
}
