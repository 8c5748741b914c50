//! What people do with jobs, scopes and large bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lovage_queue::broker::{Cancelled, Requeued};
use lovage_queue::limits::{Limit, Scope};

use super::store::{QUEUE, Store, TENANT, Worker, discarded, timed};
use super::{BATCH, BLOB};

pub(super) async fn cancel(store: &Store) -> Duration {
    let ids = store.fill(BATCH).await;
    let (took, cancelled) = timed(store.broker.cancel(TENANT, &ids)).await;
    let cancelled = cancelled.expect("the broker answers");
    assert!(cancelled.iter().all(|it| *it == Cancelled::Now));
    store.forget(&ids).await;
    // What they left in their lane goes with the next claim.
    store.clear().await;
    took
}

pub(super) async fn requeue(store: &Store) -> Duration {
    let ids = store.fill(BATCH).await;
    let worker = Worker::default();
    let claimed = worker.claim(store, BATCH).await;
    worker.settle(store, discarded(&claimed)).await;
    worker.retire(store).await;
    let (took, requeued) = timed(store.broker.requeue(TENANT, &ids)).await;
    let requeued = requeued.expect("the broker answers");
    assert!(requeued.iter().all(|it| *it == Requeued::Now));
    store.clear().await;
    took
}

pub(super) async fn delete(store: &Store) -> Duration {
    store.fill(BATCH).await;
    let ids = store.complete_all().await;
    let (took, ()) = timed(store.forget(&ids)).await;
    took
}

pub(super) async fn limit(store: &Store) -> Duration {
    let scope = Scope::Queue(QUEUE.into());
    let some = Limit {
        concurrency: Some(7),
        ..Limit::default()
    };
    let (took, limited) = timed(store.broker.limit(TENANT, &scope, &some)).await;
    limited.expect("a sound limit");
    let lifted = store.broker.limit(TENANT, &scope, &Limit::default()).await;
    lifted.expect("a sound limit");
    took
}

pub(super) async fn pause(store: &Store) -> Duration {
    let scope = Scope::Queue(QUEUE.into());
    let (took, ()) = timed(async {
        for paused in [true, false] {
            let done = store.broker.pause(TENANT, &scope, paused).await;
            done.expect("a queue can be paused");
        }
    })
    .await;
    took
}

/// Bytes that are not there yet, and do not shrink.
pub(super) async fn put_blob(store: &Store) -> Duration {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let mut state = NUMBER.fetch_add(1, Ordering::Relaxed) << 32;
    let bytes: Vec<u8> = (0..BLOB / 8)
        .flat_map(|_| {
            // The steps of SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 27)).to_le_bytes()
        })
        .collect();
    let (took, put) = timed(store.broker.put_blob(TENANT, &bytes)).await;
    put.expect("room for a blob");
    took
}
