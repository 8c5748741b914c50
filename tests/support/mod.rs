//! What the tests of whole processes stand on.
//!
//! # Layout
//! - `site`: a broker, a cache and a folder of a test's own, and the binary in
//!   them
//! - `process`: processes that end with the test, however that ends
//! - `redis`: a server of a test's own, which can be killed and comes back
//! - `guests`: task modules by what they do
//! - `disk`: a disk that is full or read-only
//! - `wasm`: modules that must be compiled by a guest toolchain
//! - this file: waiting

pub(crate) mod disk;
pub(crate) mod guests;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod site;
pub(crate) mod wasm;

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

/// One case for every broker: `name::redis` and `name::sqlite`.
macro_rules! site_test {
    ($name:ident, |$site:ident| $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($site: $crate::support::site::Site) {
                $body.await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                case($crate::support::site::Site::redis()).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                case($crate::support::site::Site::sqlite()).await
            }
        }
    };
}

pub(crate) use site_test;
