//! What changes nothing.

use std::time::Duration;

use lovage_queue::broker::Filter;
use lovage_queue::job::State;

use super::BATCH;
use super::store::{Store, TENANT, timed};

/// Longer than any case.
const LONG: Duration = Duration::from_secs(60);

pub(super) async fn jobs(store: &Store) -> Duration {
    let (took, jobs) = timed(store.broker.jobs(TENANT, &store.standing)).await;
    assert!(jobs.expect("they can be read").iter().all(Option::is_some));
    took
}

pub(super) async fn list(store: &Store) -> Duration {
    let filter = Filter::of(State::Available, BATCH as u32);
    let (took, page) = timed(store.broker.list(TENANT, &filter)).await;
    assert_eq!(page.expect("they can be read").jobs.len(), BATCH);
    took
}

pub(super) async fn wait(store: &Store) -> Duration {
    let (took, jobs) = timed(store.broker.wait(TENANT, &store.ended, LONG)).await;
    assert!(jobs.expect("they can be read").iter().all(Option::is_some));
    took
}

pub(super) async fn counts(store: &Store) -> Duration {
    let (took, counts) = timed(store.broker.counts(TENANT)).await;
    assert!(!counts.expect("the broker answers").is_empty());
    took
}

pub(super) async fn limits(store: &Store) -> Duration {
    let (took, limits) = timed(store.broker.limits(TENANT)).await;
    limits.expect("the broker answers");
    took
}

pub(super) async fn checkpoint(store: &Store) -> Duration {
    let (took, saved) = timed(store.broker.checkpoint(TENANT, store.running)).await;
    assert!(saved.expect("it can be read").is_some());
    took
}

pub(super) async fn footprint(store: &Store) -> Duration {
    let (took, bytes) = timed(store.broker.footprint()).await;
    assert!(bytes.expect("the broker answers") > 0);
    took
}

pub(super) async fn blob(store: &Store) -> Duration {
    let (took, bytes) = timed(store.broker.blob(TENANT, store.blob)).await;
    assert!(bytes.expect("it can be read").is_some());
    took
}
