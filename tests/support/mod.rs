//! What the tests of whole processes stand on.
//!
//! # Layout
//! - `site`: a broker, a cache and a folder of a test's own, and the binary in
//!   them
//! - `process`: processes that end with the test, however that ends
//! - `postgres`: a server of a test's own, for tasks' statements
//! - `redis`: a server of a test's own, which can be killed and comes back
//! - `guests`: task modules by what they do
//! - `disk`: a disk that is full or read-only
//! - `wasm`: modules that must be compiled by a guest toolchain
//! - `web`: another host, as tasks meet one
//! - `peer`: one that speaks no HTTP
//! - `until`: waiting

pub(crate) mod disk;
pub(crate) mod guests;
pub(crate) mod peer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod site;
mod until;
pub(crate) mod wasm;
pub(crate) mod web;

pub(crate) use until::{PATIENCE, until};

/// One case for every broker: `name::redis` and `name::sqlite`.
macro_rules! site_test {
    ($name:ident, |$site:ident| $body:expr) => {
        pub(crate) mod $name {
            #[allow(unused_imports)]
            use super::*;

            pub(crate) async fn case($site: $crate::support::site::Site) {
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
