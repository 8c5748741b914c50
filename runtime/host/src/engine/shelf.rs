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

/// Modules by digest, the least recently used leaving first.
#[derive(Debug)]
pub(super) struct Shelf {
    modules: RwLock<HashMap<Digest, Slot>>,
    /// Loads under way: whoever comes second waits for the first.
    loads: Mutex<HashMap<Digest, Arc<OnceCell<Verdict>>>>,
    clock: AtomicU64,
    /// How many may be held.
    most: usize,
    /// Bytes of compiled code that may be held.
    most_bytes: u64,
}

#[derive(Debug)]
struct Slot {
    verdict: Verdict,
    bytes: u64,
    used: AtomicU64,
}

impl Shelf {
    pub(super) fn new(most: usize, most_bytes: u64) -> Self {
        Shelf {
            modules: RwLock::default(),
            loads: Mutex::default(),
            clock: AtomicU64::new(0),
            most: most.max(1),
            most_bytes,
        }
    }

    pub(super) fn get(&self, digest: Digest) -> Option<Verdict> {
        let modules = self.modules.read().unwrap_or_else(PoisonError::into_inner);
        let slot = modules.get(&digest)?;
        slot.used.store(self.now(), Ordering::Relaxed);
        Some(slot.verdict.clone())
    }

    /// Puts one up, and takes down what has to make room. A module that is
    /// running lives on until its last attempt ends.
    pub(super) fn put(&self, digest: Digest, verdict: Verdict) {
        let bytes = verdict.as_ref().map_or(0, Module::footprint);
        let used = AtomicU64::new(self.now());
        let slot = Slot {
            verdict,
            bytes,
            used,
        };
        let mut modules = self.modules.write().unwrap_or_else(PoisonError::into_inner);
        modules.insert(digest, slot);
        let mut held: u64 = modules.values().map(|slot| slot.bytes).sum();
        // The newest stays, however large it is.
        while modules.len() > 1 && (modules.len() > self.most || held > self.most_bytes) {
            let oldest = modules
                .iter()
                .filter(|(other, _)| **other != digest)
                .min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
                .map(|(oldest, _)| *oldest);
            let Some(gone) = oldest.and_then(|oldest| modules.remove(&oldest)) else {
                break;
            };
            held -= gone.bytes;
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

    #[test]
    fn the_least_recently_used_leaves_first() {
        let shelf = Shelf::new(2, u64::MAX);
        let digests = [1, 2, 3].map(|n| Digest([n; 32]));
        shelf.put(digests[0], refused());
        shelf.put(digests[1], refused());
        assert!(shelf.get(digests[0]).is_some());
        shelf.put(digests[2], refused());
        let held = digests.map(|digest| shelf.get(digest).is_some());
        assert_eq!(held, [true, false, true]);
    }

    #[tokio::test]
    async fn loads_of_one_digest_are_one_load() {
        let shelf = Shelf::new(2, u64::MAX);
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
        let shelf = Shelf::new(2, u64::MAX);
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
