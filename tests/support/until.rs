//! Waiting for what must happen.

use std::time::{Duration, Instant};

/// What the tests wait for anything that must happen. The machine may be busy
/// with all the other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often they look.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let since = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(since.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(LOOK).await;
    }
}
