//! The modules that are in memory, and the ones that are on their way there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lovage_queue::registry::Digest;
use tokio::sync::OnceCell;

use super::module::{Module, Refusal};

/// A module, or why there is none. Both are for good, as long as the engine is
/// the same: a digest stands for its bytes.
pub(super) type Verdict = Result<Module, Refusal>;

/// What a module takes beside its code: its tables, its mappings, an open file for
/// the image of its memory. Holds down how many there are of the tiniest.
const OVERHEAD: u64 = 64 * 1024;
/// The share of the bytes that is made free when there are too many: to find out who
/// was not used for longest is a look at all of them, so it has to be rare.
const SPARE: u64 = 16;

/// Modules by digest, the least recently used leaving first.
#[derive(Debug)]
pub(super) struct Shelf {
    held: RwLock<Held>,
    /// Loads under way: whoever comes second waits for the first.
    loads: Mutex<HashMap<Digest, Arc<OnceCell<Verdict>>>>,
    clock: AtomicU64,
    /// Bytes that may be held.
    most: u64,
}

#[derive(Debug, Default)]
struct Held {
    slots: HashMap<Digest, Slot>,
    bytes: u64,
}

#[derive(Debug)]
struct Slot {
    verdict: Verdict,
    bytes: u64,
    used: AtomicU64,
}

impl Held {
    fn put(&mut self, digest: Digest, slot: Slot) {
        self.bytes += slot.bytes;
        if let Some(before) = self.slots.insert(digest, slot) {
            self.bytes -= before.bytes;
        }
    }

    /// Lets go of what was used before all others until no more than `most` are held.
    /// The newest stays, however large it is.
    fn shrink(&mut self, most: u64) {
        let used = |(digest, slot): (&Digest, &Slot)| (slot.used.load(Ordering::Relaxed), *digest);
        let mut by_age: Vec<(u64, Digest)> = self.slots.iter().map(used).collect();
        by_age.sort_unstable();
        by_age.pop();
        for (_, digest) in by_age {
            if self.bytes <= most {
                break;
            }
            self.bytes -= self.slots.remove(&digest).map_or(0, |slot| slot.bytes);
        }
    }
}

impl Shelf {
    pub(super) fn new(most: u64) -> Self {
        Shelf {
            held: RwLock::default(),
            loads: Mutex::default(),
            clock: AtomicU64::new(0),
            most,
        }
    }

    pub(super) fn get(&self, digest: Digest) -> Option<Verdict> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let slot = held.slots.get(&digest)?;
        slot.used.store(self.now(), Ordering::Relaxed);
        Some(slot.verdict.clone())
    }

    /// Puts one up, and takes down what has to make room. A module that is
    /// running lives on until its last attempt ends.
    pub(super) fn put(&self, digest: Digest, verdict: Verdict) {
        let slot = Slot {
            bytes: OVERHEAD + verdict.as_ref().map_or(0, Module::footprint),
            verdict,
            used: AtomicU64::new(self.now()),
        };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.put(digest, slot);
        if held.bytes > self.most {
            held.shrink(self.most - self.most / SPARE);
        }
    }

    /// Loads a module once, however many ask for it at the same time. An error
    /// is the asker's own; the next in line tries again.
    pub(super) async fn load<E, F>(&self, digest: Digest, load: F) -> Result<Verdict, E>
    where
        F: Future<Output = Result<Verdict, E>>,
    {
        let cell = {
            let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loads.entry(digest).or_default())
        };
        let result = cell.get_or_try_init(|| load).await.cloned();
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept while others wait on it: two hold it then, the map and this one.
        if cell.initialized() || Arc::strong_count(&cell) <= 2 {
            loads.remove(&digest);
        }
        result
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Verdict {
        Err(Refusal::NotWasm)
    }

    fn held<const N: usize>(shelf: &Shelf, numbers: [u8; N]) -> [bool; N] {
        let held = shelf.held.read().unwrap();
        numbers.map(|n| held.slots.contains_key(&Digest([n; 32])))
    }

    #[test]
    fn the_least_recently_used_leaves_first() {
        let shelf = Shelf::new(2 * OVERHEAD + OVERHEAD / 2);
        let digests = [1, 2, 3].map(|n| Digest([n; 32]));
        shelf.put(digests[0], refused());
        shelf.put(digests[1], refused());
        assert!(shelf.get(digests[0]).is_some());
        shelf.put(digests[2], refused());
        assert_eq!(held(&shelf, [1, 2, 3]), [true, false, true]);
    }

    #[test]
    fn the_same_one_twice_counts_once_and_the_newest_always_stays() {
        let shelf = Shelf::new(OVERHEAD / 2);
        for n in [1, 2, 2] {
            shelf.put(Digest([n; 32]), refused());
        }
        assert_eq!(held(&shelf, [1, 2]), [false, true]);
        assert_eq!(shelf.held.read().unwrap().bytes, OVERHEAD);
    }

    #[test]
    fn room_is_made_for_many_at_once() {
        let shelf = Shelf::new(100 * OVERHEAD);
        for n in 0..=100 {
            shelf.put(Digest([n; 32]), refused());
        }
        assert_eq!(shelf.held.read().unwrap().slots.len(), 93);
        assert_eq!(held(&shelf, [0, 7, 8, 100]), [false, false, true, true]);
    }

    #[tokio::test]
    async fn loads_of_one_digest_are_one_load() {
        let shelf = Shelf::new(u64::MAX);
        let count = AtomicU64::new(0);
        let load = || {
            shelf.load(Digest([1; 32]), async {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, ()>(refused())
            })
        };
        let (a, b, c) = tokio::join!(load(), load(), load());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(count.into_inner(), 1);
        assert!(shelf.loads.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_load_that_fails_is_tried_by_the_next_in_line() {
        let shelf = Shelf::new(u64::MAX);
        let count = AtomicU64::new(0);
        let load = || {
            shelf.load(Digest([1; 32]), async {
                tokio::task::yield_now().await;
                match count.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("down"),
                    _ => Ok(refused()),
                }
            })
        };
        let (a, b) = tokio::join!(load(), load());
        assert!(a.is_err() && b.is_ok());
        assert!(shelf.loads.lock().unwrap().is_empty());
    }
}
