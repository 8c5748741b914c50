//! Time. The broker's clock is the only clock that orders jobs; a process's own
//! clock is used for nothing but measuring how long something took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, by the broker's clock. Zero stands for
/// "never" in records.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This host's own idea of the time. Only a broker that lives in this
    /// process may call it "the time".
    pub fn of_this_host() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment `span` later.
    pub fn after(self, span: Duration) -> Self {
        Millis(self.0.saturating_add(millis(span)))
    }

    /// How long it is from `earlier` to here; nothing if it is not earlier.
    pub fn since(self, earlier: Millis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `None` for the zero that stands for "never".
    pub fn known(self) -> Option<Millis> {
        (self.0 != 0).then_some(self)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A span in whole milliseconds, saturating.
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a broker asks for the time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The store's own clock: Redis' `TIME`, or this host's for SQLite.
    #[default]
    Store,
    /// A clock that a test moves by hand.
    Set(Arc<AtomicU64>),
}

impl Clock {
    /// The time that a test has set, if one has.
    pub fn fixed(&self) -> Option<Millis> {
        match self {
            Clock::Store => None,
            Clock::Set(at) => Some(Millis(at.load(Ordering::SeqCst))),
        }
    }
}

/// What the calling thread has had of the processor. By it tests measure what work costs:
/// on a busy host time also passes while others run.
#[cfg(test)]
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("it counts from zero")
}
