//! Which rows the jobs lie in that this process has claimed. A settlement names its
//! job by id, and to look that up takes an index more than to find a row by its
//! number. No more than a hint: the row says itself whose it is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::job::JobId;

/// More than a process holds. Jobs that it lost to others are never settled here, so
/// now and then all is forgotten.
const MOST: usize = 100_000;

/// The numbers of rows by their jobs' ids.
#[derive(Default)]
pub(super) struct Numbers(Mutex<HashMap<JobId, i64>>);

impl Numbers {
    fn known(&self) -> MutexGuard<'_, HashMap<JobId, i64>> {
        // Nothing under this lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers some.
    pub(super) fn keep(&self, some: impl Iterator<Item = (JobId, i64)>) {
        let mut known = self.known();
        if known.len() > MOST {
            known.clear();
        }
        known.extend(some);
    }

    /// What is known of each, for the last time.
    pub(super) fn take(&self, ids: impl Iterator<Item = JobId>) -> Vec<Option<i64>> {
        let mut known = self.known();
        ids.map(|id| known.remove(&id)).collect()
    }
}
