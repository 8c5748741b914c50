//! What people do with jobs, scopes and large bytes.

use std::time::Duration;

use lovage_queue::broker::{Cancelled, Requeued};
use lovage_queue::limits::{Limit, Scope};

use super::store::{QUEUE, Store, TENANT, Worker, discarded, noise, timed};
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

pub(super) async fn put_blob(store: &Store) -> Duration {
    let bytes = noise(BLOB);
    let (took, put) = timed(store.broker.put_blob(TENANT, &bytes)).await;
    put.expect("room for a blob");
    took
}
