//! Which tasks take long, by what their attempts took.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An attempt that took the processor for longer is slow. A hundred times what a small
/// one takes, and too short for anybody to notice.
pub(super) const SLOW: Duration = Duration::from_micros(500);
/// How many quick attempts in a row a task needs to be taken for quick again. One that
/// alternates is in the others' way once in so many.
const PROBATION: u8 = 64;
/// Tasks that are remembered.
const MOST: usize = 8 * 1024;

/// A tenant's task, as far as it matters here: two that share a number share their fate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::worker) struct Kind(u64);

/// The tasks that are slow.
#[derive(Default)]
pub(super) struct Slow {
    /// Nobody can choose names that get another's number.
    hasher: RandomState,
    /// How many quick attempts each still needs.
    tasks: Mutex<HashMap<Kind, u8>>,
    /// Of those, that nobody need take the lock where there are none.
    count: AtomicUsize,
}

impl Slow {
    pub(super) fn kind(&self, task: impl Hash) -> Kind {
        Kind(self.hasher.hash_one(task))
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.lock().contains_key(&kind)
    }

    /// An attempt has ended, or turned out to be slow.
    pub(super) fn learn(&self, kind: Kind, is_slow: bool) {
        if !is_slow && self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tasks = self.lock();
        if is_slow {
            // Whoever is forgotten for it is found out again.
            if tasks.len() >= MOST
                && let Some(other) = tasks.keys().next().copied()
            {
                tasks.remove(&other);
            }
            tasks.insert(kind, PROBATION);
        } else if let Some(left) = tasks.get_mut(&kind) {
            *left -= 1;
            if *left == 0 {
                tasks.remove(&kind);
            }
        }
        self.count.store(tasks.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, u8>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_task_is_quick_again_after_as_many_quick_attempts() {
        let slow = Slow::default();
        let [one, other] = ["one", "other"].map(|task| slow.kind(task));
        slow.learn(one, true);
        for _ in 1..PROBATION {
            slow.learn(one, false);
            slow.learn(other, false);
        }
        assert!(slow.has(one) && !slow.has(other));
        slow.learn(one, true);
        for _ in 1..PROBATION {
            slow.learn(one, false);
        }
        assert!(slow.has(one));
        slow.learn(one, false);
        assert!(!slow.has(one));
        assert_eq!(slow.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let slow = Slow::default();
        for task in 0..2 * MOST {
            slow.learn(slow.kind(task), true);
        }
        assert_eq!(slow.count.load(Ordering::Relaxed), MOST);
        assert!(slow.has(slow.kind(2 * MOST - 1)));
    }
}
