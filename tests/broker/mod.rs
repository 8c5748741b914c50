//! The conformance suite: one case, every broker. Each test is a rule of the
//! contract (`lovage_queue::broker`) and names it.
//!
//! # Layout
//! - `harness`: a store of the test's own, a clock that it moves by hand, and
//!   the words in which the cases are told
//! - `model`: random operations, compared with a model of the broker
//! - the others: the contract, operation by operation

mod harness;

/// One case for every broker: `name::redis` and `name::sqlite`.
macro_rules! broker_test {
    ($name:ident, |$bench:ident| $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn case($bench: $crate::broker::harness::Bench) {
                $body.await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis() {
                case($crate::broker::harness::Bench::redis().await).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                case($crate::broker::harness::Bench::sqlite().await).await
            }
        }
    };
}

mod audit;
mod batch;
mod blobs;
mod buckets;
mod cancel;
mod children;
mod claim;
mod concurrency;
mod corrupt;
mod delayed;
mod departure;
mod depth;
mod enqueue;
mod expiry;
mod fairness;
mod flows;
mod footprint;
mod lease;
mod ledger;
mod limits;
mod listing;
mod looking;
mod model;
mod modules;
mod note;
mod order;
mod pause;
mod prune;
mod quotas;
mod rate;
mod requeue;
mod retention;
mod schedules;
mod settle;
mod shares;
mod sources;
mod tenants;
mod unique;
mod versions;
mod waking;
