//! As many connections as there may be, and those of them that nobody uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of connections of a kind.
pub(super) struct Pool<C>(Arc<Inner<C>>);

struct Inner<C> {
    slots: Arc<Semaphore>,
    /// The one used last is the last.
    idle: Mutex<Vec<(C, Instant)>>,
    keep: Duration,
    /// Whether somebody is there to close what was idle for too long.
    sweeping: AtomicBool,
    threads: Handle,
}

/// The right to one connection. Its holder brings the connection back, or it is gone.
pub(super) struct Slot<C> {
    pool: Arc<Inner<C>>,
    _permit: OwnedSemaphorePermit,
}

impl<C: Send + 'static> Pool<C> {
    /// So many connections, of which an idle one is kept for so long.
    pub(super) fn new(most: usize, keep: Duration, threads: Handle) -> Self {
        Pool(Arc::new(Inner {
            slots: Arc::new(Semaphore::new(most)),
            idle: Mutex::default(),
            keep,
            sweeping: AtomicBool::new(false),
            threads,
        }))
    }

    /// Waits in line for a slot, for so long at most.
    pub(super) async fn slot(&self, patience: Duration) -> Option<Slot<C>> {
        let permit = self.0.slots.clone().acquire_owned();
        let permit = tokio::time::timeout(patience, permit).await.ok()?.ok()?;
        Some(Slot {
            pool: self.0.clone(),
            _permit: permit,
        })
    }
}

impl<C: Send + 'static> Slot<C> {
    /// An idle connection, and since when it is that: the one that was used last.
    pub(super) fn idle(&self) -> Option<(C, Duration)> {
        let (connection, since) = self.pool.lock().pop()?;
        Some((connection, since.elapsed()))
    }

    /// Leaves a connection for the next one.
    pub(super) fn bring_back(self, connection: C) {
        self.pool.lock().push((connection, Instant::now()));
        if !self.pool.sweeping.swap(true, Ordering::AcqRel) {
            let pool = Arc::downgrade(&self.pool);
            self.pool.threads.spawn(sweep(pool));
        }
    }
}

impl<C> Inner<C> {
    fn lock(&self) -> MutexGuard<'_, Vec<(C, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what was idle for too long. When to look again; never where nothing is left.
    fn sweep(&self) -> Option<Duration> {
        let mut idle = self.lock();
        // They lie in the order in which they were brought back.
        let old = |(_, since): &(C, Instant)| since.elapsed() >= self.keep;
        let fresh = idle.iter().position(|it| !old(it)).unwrap_or(idle.len());
        let closed: Vec<_> = idle.drain(..fresh).collect();
        let next = idle
            .first()
            .map(|(_, since)| self.keep.saturating_sub(since.elapsed()));
        if next.is_none() {
            // Under the lock: what is brought back after this finds nobody sweeping.
            self.sweeping.store(false, Ordering::Release);
        }
        drop(idle);
        drop(closed);
        next
    }
}

/// Runs for as long as there is anything idle.
async fn sweep<C>(pool: Weak<Inner<C>>) {
    while let Some(next) = pool.upgrade().and_then(|it| it.sweep()) {
        tokio::time::sleep(next.max(Duration::from_millis(1))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(most: usize, keep: Duration) -> Pool<Arc<()>> {
        Pool::new(most, keep, Handle::current())
    }

    #[tokio::test]
    async fn there_are_no_more_than_there_may_be() {
        let pool = pool(2, Duration::from_secs(60));
        let first = pool.slot(Duration::ZERO).await.unwrap();
        let _second = pool.slot(Duration::ZERO).await.unwrap();
        assert!(pool.slot(Duration::from_millis(1)).await.is_none());
        first.bring_back(Arc::default());
        let third = pool.slot(Duration::ZERO).await.unwrap();
        assert!(third.idle().is_some() && third.idle().is_none());
    }

    #[tokio::test]
    async fn what_is_idle_is_closed_in_time() {
        let pool = pool(2, Duration::ZERO);
        let (connection, slot) = (Arc::new(()), pool.slot(Duration::ZERO).await.unwrap());
        let alive = Arc::downgrade(&connection);
        slot.bring_back(connection);
        while alive.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
        // And the next one finds somebody sweeping again.
        let connection = Arc::new(());
        let alive = Arc::downgrade(&connection);
        pool.slot(Duration::ZERO)
            .await
            .unwrap()
            .bring_back(connection);
        while alive.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }
}
