//! How jobs of a kind come together: until there are enough of them, or the first has
//! waited long enough. Pure: whoever asks brings the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use lovage_queue::task::Batch;
use tokio::sync::oneshot;

/// Bytes of inputs that a run may be given together, or those of a single job with
/// more: all of them are in memory at once, here and in the guest.
const BYTES: u64 = 16 * 1024 * 1024;

/// Jobs that wait for others of their kind, which is `K`.
pub(super) struct Collector<K, J> {
    groups: HashMap<K, Group<J>>,
    closed: bool,
}

struct Group<J> {
    /// Each with the bytes of its input, in the order in which they came.
    jobs: Vec<(J, u64)>,
    bytes: u64,
    due: Instant,
    /// Goes with the group, however that goes.
    _there: oneshot::Sender<()>,
}

/// What follows from a job's coming.
pub(super) struct Joined<J> {
    /// These run now.
    pub(super) run: Option<Vec<J>>,
    /// Somebody has to ask for the group at its time.
    pub(super) timer: Option<Timer>,
}

/// When a new group is due, unless it is gone before.
pub(super) struct Timer {
    pub(super) due: Instant,
    pub(super) gone: oneshot::Receiver<()>,
}

impl<K, J> Default for Collector<K, J> {
    fn default() -> Self {
        Collector {
            groups: HashMap::new(),
            closed: false,
        }
    }
}

impl<K: Hash + Eq, J> Collector<K, J> {
    /// Whether it takes no more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes a job whose input has so many bytes.
    pub(super) fn join(
        &mut self,
        kind: K,
        job: J,
        bytes: u64,
        batch: Batch,
        now: Instant,
    ) -> Joined<J>
    where
        K: Clone,
    {
        // What would be too much for one run goes without it.
        let too_much = |group: &mut Group<J>| group.bytes.saturating_add(bytes) > BYTES;
        let run = match self.groups.get_mut(&kind).is_some_and(too_much) {
            true => self.take(&kind),
            false => None,
        };
        let most = batch.max as usize;
        if let Some(group) = self.groups.get_mut(&kind) {
            group.jobs.push((job, bytes));
            group.bytes += bytes;
            let full = group.jobs.len() >= most;
            let run = if full { self.take(&kind) } else { None };
            return Joined { run, timer: None };
        }
        let (there, gone) = oneshot::channel();
        let due = now + batch.wait;
        let group = Group {
            jobs: vec![(job, bytes)],
            bytes,
            due,
            _there: there,
        };
        self.groups.insert(kind, group);
        let timer = Some(Timer { due, gone });
        Joined { run, timer }
    }

    /// The jobs of a kind, if their time has come.
    pub(super) fn due(&mut self, kind: &K, now: Instant) -> Option<Vec<J>> {
        let due = self.groups.get(kind).is_some_and(|it| it.due <= now);
        if due { self.take(kind) } else { None }
    }

    /// Takes out the one job that is meant; its peers wait on.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&J) -> bool) -> Option<J> {
        let mut taken = None;
        self.groups.retain(|_, group| {
            let at = group.jobs.iter().position(|(job, _)| is_meant(job));
            if let Some(at) = at.filter(|_| taken.is_none()) {
                let (job, bytes) = group.jobs.remove(at);
                group.bytes -= bytes;
                taken = Some(job);
            }
            !group.jobs.is_empty()
        });
        taken
    }

    /// Takes no more, and answers with all that waited.
    pub(super) fn close(&mut self) -> Vec<J> {
        self.closed = true;
        let groups = self.groups.drain();
        let jobs = groups.flat_map(|(_, group)| group.jobs);
        jobs.map(|(job, _)| job).collect()
    }

    /// The jobs of a kind, whether or not their time has come.
    pub(super) fn take(&mut self, kind: &K) -> Option<Vec<J>> {
        let jobs = self.groups.remove(kind)?.jobs.into_iter();
        Some(jobs.map(|(job, _)| job).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BATCH: Batch = Batch {
        max: 3,
        wait: Duration::from_millis(50),
    };

    /// Jobs are numbers here, and come at so many milliseconds.
    struct Stage {
        collector: Collector<char, u32>,
        zero: Instant,
    }

    impl Stage {
        fn new() -> Self {
            Stage {
                collector: Collector::default(),
                zero: Instant::now(),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.zero + Duration::from_millis(ms)
        }

        /// Which run now, and when those are due that wait with it as the first.
        fn join(
            &mut self,
            kind: char,
            job: u32,
            bytes: u64,
            ms: u64,
        ) -> (Option<Vec<u32>>, Option<Timer>) {
            let now = self.at(ms);
            let joined = self.collector.join(kind, job, bytes, BATCH, now);
            (joined.run, joined.timer)
        }

        fn due(&mut self, kind: char, ms: u64) -> Option<Vec<u32>> {
            let now = self.at(ms);
            self.collector.due(&kind, now)
        }
    }

    #[test]
    fn as_many_as_fit_run_at_once_and_the_next_one_is_a_first_again() {
        let mut stage = Stage::new();
        let (run, timer) = stage.join('a', 1, 0, 0);
        let mut timer = timer.expect("it is the first");
        assert_eq!((run, timer.due), (None, stage.at(50)));
        assert!(matches!(stage.join('a', 2, 0, 10), (None, None)));
        assert!(
            timer
                .gone
                .try_recv()
                .is_err_and(|it| it == oneshot::error::TryRecvError::Empty)
        );
        let (run, none) = stage.join('a', 3, 0, 20);
        assert_eq!(run, Some(vec![1, 2, 3]));
        assert!(none.is_none());
        assert!(
            timer
                .gone
                .try_recv()
                .is_err_and(|it| it == oneshot::error::TryRecvError::Closed)
        );
        let (_, timer) = stage.join('a', 4, 0, 30);
        assert_eq!(timer.unwrap().due, stage.at(80));
    }

    #[test]
    fn the_first_waits_no_longer_than_it_must_and_the_others_with_it() {
        let mut stage = Stage::new();
        stage.join('a', 1, 0, 0);
        stage.join('a', 2, 0, 40);
        assert_eq!(stage.due('a', 49), None);
        assert_eq!(stage.due('a', 50), Some(vec![1, 2]));
        assert_eq!(stage.due('a', 50), None);
        stage.join('a', 3, 0, 51);
        assert_eq!(stage.due('a', 100), None, "it is of another group");
        assert_eq!(stage.due('a', 101), Some(vec![3]), "alone, if need be");
    }

    #[test]
    fn kinds_do_not_mix() {
        let mut stage = Stage::new();
        for (kind, job) in [('a', 1), ('b', 2), ('a', 3), ('b', 4)] {
            assert!(stage.join(kind, job, 0, 0).0.is_none());
        }
        assert_eq!(stage.join('a', 5, 0, 0).0, Some(vec![1, 3, 5]));
        assert_eq!(stage.due('b', 50), Some(vec![2, 4]));
    }

    #[test]
    fn what_is_taken_out_is_gone_alone() {
        let mut stage = Stage::new();
        stage.join('a', 1, 5, 0);
        stage.join('a', 2, 0, 0);
        let (_, timer) = stage.join('b', 3, 0, 0);
        assert_eq!(stage.collector.remove(|it| *it == 1), Some(1));
        assert_eq!(stage.collector.remove(|it| *it == 1), None);
        stage.join('a', 4, 0, 10);
        assert_eq!(
            stage.due('a', 50),
            Some(vec![2, 4]),
            "at the first one's time"
        );
        assert_eq!(stage.collector.remove(|it| *it == 3), Some(3));
        assert!(timer.unwrap().gone.try_recv().is_err(), "nobody waits");
        assert_eq!(stage.due('b', 50), None);
    }

    #[test]
    fn what_is_too_much_for_one_run_makes_two_and_one_job_is_never_too_much() {
        let mut stage = Stage::new();
        assert!(stage.join('a', 1, BYTES + 1, 0).0.is_none());
        let (run, timer) = stage.join('a', 2, 1, 10);
        assert_eq!(run, Some(vec![1]));
        assert_eq!(timer.unwrap().due, stage.at(60));
        assert!(stage.join('a', 3, BYTES - 1, 20).0.is_none());
        assert_eq!(stage.join('a', 4, 1, 20).0, Some(vec![2, 3]));
    }

    #[test]
    fn closed_it_gives_all_of_them_away() {
        let mut stage = Stage::new();
        stage.join('a', 1, 0, 0);
        stage.join('a', 2, 0, 0);
        stage.join('b', 3, 0, 0);
        assert!(!stage.collector.is_closed());
        let mut all = stage.collector.close();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        assert!(stage.collector.is_closed());
        assert_eq!(stage.due('a', 50), None);
    }
}
