//! What the engine counts of the modules that it looks for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often modules were there, and how often they were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleCounts {
    /// Looks that found one in memory.
    pub hits: u64,
    /// Looks that did not.
    pub misses: u64,
    /// Modules that had to be compiled, since they were not on disk either.
    pub compilations: u64,
    /// How long that took.
    pub compiling: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    compilations: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counts {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn compiled(&self, took: Duration) {
        self.compilations.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> ModuleCounts {
        ModuleCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            compilations: self.compilations.load(Ordering::Relaxed),
            compiling: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}
