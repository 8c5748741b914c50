//! How many jobs a worker holds, and how many it may.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lovage_queue::broker::Claimed;
use lovage_queue::job::Job;
use tokio::sync::Notify;

/// A worker claims no more than this much work beyond what runs, by its own
/// measured rate: so no job waits behind a long one while another worker is
/// free.
const AHEAD: Duration = Duration::from_millis(5);
/// However fast it is: a claim must stay a short step for the broker.
const MOST_AHEAD: f64 = 1000.0;
/// Bytes of records that one claim should bring at most, by what the last ones
/// brought: one step of the broker must not carry a hundred megabytes.
const BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// Bytes of the jobs that may be set aside: they wait for others of their kind, or run
/// with them.
const ASIDE: usize = 64 * 1024 * 1024;
/// A shorter stretch says little of the rate.
const STRETCH: Duration = Duration::from_millis(20);

/// The jobs in a worker's hands.
#[derive(Default)]
pub(super) struct Load {
    held: AtomicUsize,
    /// Those beside them that came while all slots were taken.
    spare: AtomicUsize,
    /// Bytes of those beside them that want no slot of their own.
    aside: AtomicUsize,
    ended: AtomicU64,
    /// How few must be held for somebody to be told.
    enough: AtomicUsize,
    fell: Notify,
}

impl Load {
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn take(&self, jobs: usize) {
        self.held.fetch_add(jobs, Ordering::AcqRel);
    }

    /// How many are held beside those that have slots of their own.
    pub(super) fn spare(&self) -> usize {
        self.spare.load(Ordering::SeqCst)
    }

    /// Jobs came while all slots were taken.
    pub(super) fn take_spare(&self, jobs: usize) {
        self.spare.fetch_add(jobs, Ordering::SeqCst);
    }

    /// One of these is held as all others from now on.
    pub(super) fn settle_in(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.spare.fetch_sub(1, Ordering::SeqCst);
        self.fell.notify_one();
    }

    /// The same as [`release`](Self::release) of one of these.
    pub(super) fn release_spare(&self, ended: bool) {
        self.ended.fetch_add(u64::from(ended), Ordering::Relaxed);
        self.spare.fetch_sub(1, Ordering::SeqCst);
        self.fell.notify_one();
    }

    /// A job is out of the worker's hands; whether it came to an end in them.
    pub(super) fn release(&self, ended: bool) {
        self.ended.fetch_add(u64::from(ended), Ordering::Relaxed);
        self.fall();
    }

    /// A job of so many bytes wants no slot of its own for now, and is not held
    /// meanwhile; whether there was room for it.
    pub(super) fn set_aside(&self, weight: usize) -> bool {
        let more = |aside: usize| (aside < ASIDE).then_some(aside + weight);
        let aside = self
            .aside
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        if aside.is_ok() {
            self.fall();
        }
        aside.is_ok()
    }

    /// It wants one again.
    pub(super) fn bring_back(&self, weight: usize) {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.aside.fetch_sub(weight, Ordering::SeqCst);
    }

    /// The same as [`release`](Self::release) of one that is set aside.
    pub(super) fn release_aside(&self, weight: usize, ended: bool) {
        self.ended.fetch_add(u64::from(ended), Ordering::Relaxed);
        if self.aside.fetch_sub(weight, Ordering::SeqCst) == weight {
            self.fell.notify_one();
        }
    }

    /// Whether a job is here, held or set aside, of a worker that sets none aside any
    /// more. If so, [`fell`](Self::fell) comes back once there may be none.
    pub(super) fn is_any(&self) -> bool {
        // In this order: who is brought back, or settles in, is held before it is not there
        // any more.
        let aside = self.aside.load(Ordering::SeqCst) > 0;
        let spare = self.spare() > 0;
        self.is_above(0) || aside || spare
    }

    fn fall(&self) {
        // In one order with `is_above`: either that sees the job gone, or this sees
        // what is waited for.
        let left = self.held.fetch_sub(1, Ordering::SeqCst) - 1;
        if left <= self.enough.load(Ordering::SeqCst) {
            self.fell.notify_one();
        }
    }

    /// Whether more jobs are held than are enough. If so, [`fell`](Self::fell) comes
    /// back once they no longer are: a wake-up a job would cost more than the job.
    pub(super) fn is_above(&self, enough: usize) -> bool {
        self.enough.store(enough, Ordering::SeqCst);
        self.held.load(Ordering::SeqCst) > enough
    }

    /// Returns once no more jobs are held than are enough.
    pub(super) async fn fell(&self) {
        self.fell.notified().await;
    }
}

/// The rate at which jobs end, and what follows from it.
pub(super) struct Pace {
    concurrency: usize,
    since: Instant,
    ended: u64,
    per_second: f64,
    /// Bytes of a record.
    weight: f64,
}

impl Pace {
    pub(super) fn new(concurrency: usize) -> Self {
        Pace {
            concurrency,
            since: Instant::now(),
            ended: 0,
            per_second: 0.0,
            weight: 0.0,
        }
    }

    /// How many jobs to claim now; none if it is better to wait until fewer are held.
    pub(super) fn wanted(&mut self, load: &Load) -> Option<usize> {
        self.measure(load.ended.load(Ordering::Relaxed), self.since.elapsed());
        if load.is_above(self.enough()) {
            return None;
        }
        Some(self.wanted_at(load.held()).min(self.bearable()))
    }

    /// What a claim brought.
    pub(super) fn brought(&mut self, jobs: &[Claimed]) {
        if !jobs.is_empty() {
            let jobs_read = jobs.iter().flat_map(|it| &it.job);
            let bytes: usize = jobs_read.map(weight).sum();
            self.weight = (self.weight + bytes as f64 / jobs.len() as f64) / 2.0;
        }
    }

    fn bearable(&self) -> usize {
        (BYTES / self.weight.max(1.0)).max(1.0) as usize
    }

    fn measure(&mut self, ended: u64, stretch: Duration) {
        if stretch >= STRETCH {
            let newest = (ended - self.ended) as f64 / stretch.as_secs_f64();
            self.per_second = (self.per_second + newest) / 2.0;
            if newest == 0.0 {
                // Whatever was fast before, what runs now is long.
                self.per_second = self.per_second.min(1.0 / stretch.as_secs_f64());
            }
            self.ended = ended;
            self.since = Instant::now();
        }
    }

    /// Whether a slot becomes free in a moment by itself.
    pub(super) fn is_fast(&self) -> bool {
        self.ahead() > 0
    }

    /// So many jobs in hand that a claim is better put off: an idle slot is filled at
    /// once; what is only ahead of need comes in batches that are worth a call.
    pub(super) fn enough(&self) -> usize {
        (self.concurrency + self.ahead() / 4).saturating_sub(1)
    }

    fn wanted_at(&self, held: usize) -> usize {
        (self.concurrency + self.ahead())
            .saturating_sub(held)
            .max(1)
    }

    fn ahead(&self) -> usize {
        (self.per_second * AHEAD.as_secs_f64()).min(MOST_AHEAD) as usize
    }
}

/// The bytes of a record that vary most.
pub(super) fn weight(job: &Job) -> usize {
    let logs: usize = job.attempts.iter().map(|it| it.log.len()).sum();
    job.call.input.inline().map_or(0, <[u8]>::len) + logs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_second: f64) -> Pace {
        Pace {
            per_second,
            ..Pace::new(10)
        }
    }

    #[test]
    fn long_jobs_are_claimed_one_for_one() {
        let pace = pace(1.0);
        assert_eq!(pace.wanted_at(0), 10);
        assert_eq!(pace.wanted_at(9), 1);
        assert_eq!(pace.enough(), 9);
    }

    #[test]
    fn short_jobs_are_claimed_some_milliseconds_ahead_in_batches() {
        let pace = pace(20_000.0);
        assert_eq!(pace.wanted_at(0), 110);
        assert_eq!(pace.wanted_at(30), 80);
        assert_eq!(
            pace.enough(),
            34,
            "of fewer free places no claim is worth a call"
        );
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_few_enough_are_held() {
        let load = Load::default();
        load.take(3);
        assert!(load.is_above(1));
        load.release(true);
        let patience = Duration::from_millis(10);
        let too_early = tokio::time::timeout(patience, load.fell()).await;
        assert!(too_early.is_err());
        load.release(true);
        load.fell().await;
        assert!(!load.is_above(1));
    }

    #[tokio::test]
    async fn what_is_set_aside_leaves_room_and_is_not_forgotten() {
        let load = Load::default();
        load.take(2);
        assert!(load.set_aside(10) && load.set_aside(20));
        assert!(!load.is_above(0), "others may be claimed");
        assert!(load.is_any());
        load.bring_back(10);
        assert_eq!(load.held(), 1);
        load.release(true);
        assert!(load.is_any());
        load.release_aside(20, true);
        load.fell().await;
        assert!(!load.is_any());
    }

    #[tokio::test]
    async fn what_is_spare_takes_nobodys_slot() {
        let load = Load::default();
        load.take(1);
        load.take_spare(2);
        assert_eq!((load.held(), load.spare()), (1, 2));
        load.settle_in();
        assert_eq!((load.held(), load.spare()), (2, 1));
        load.release(true);
        load.release(true);
        assert!(load.is_any());
        load.release_spare(true);
        load.fell().await;
        assert!(!load.is_any());
    }

    #[test]
    fn no_more_is_set_aside_than_there_is_room_for() {
        let load = Load::default();
        load.take(3);
        assert!(load.set_aside(ASIDE - 1) && load.set_aside(5));
        assert!(!load.set_aside(1));
        assert_eq!(load.held(), 1);
        load.release_aside(5, false);
        assert!(load.set_aside(1));
    }

    #[test]
    fn heavy_records_come_in_smaller_claims_and_never_in_none() {
        let mut pace = pace(0.0);
        assert!(pace.bearable() >= 10_000);
        pace.weight = 64.0 * 1024.0;
        assert_eq!(pace.bearable(), 128);
        pace.weight = 1e9;
        assert_eq!(pace.bearable(), 1);
    }

    #[test]
    fn the_rate_follows_what_is_measured() {
        let mut pace = pace(0.0);
        pace.measure(400, Duration::from_millis(20));
        assert_eq!(pace.per_second, 10_000.0);
        pace.measure(440, Duration::from_millis(20));
        assert_eq!(pace.per_second, 6_000.0);
        pace.measure(500, Duration::from_millis(1));
        assert_eq!(pace.per_second, 6_000.0, "too short a stretch");
        pace.measure(440, Duration::from_millis(20));
        assert_eq!(pace.per_second, 50.0, "a long job shows at once");
    }
}
