//! The way of a job: from enqueue to prune.

use std::time::Duration;

use lovage_queue::broker::{Claimed, Heartbeat, Note, Retention};
use lovage_queue::job::{Action, Ending, NewJob, Progress, When};

use super::store::{HOME, LEASE, QUEUE, Store, TENANT, Worker, completed, settlement, timed};
use super::{BATCH, LARGE};

/// More than any case has.
const ALL: u32 = 10_000;
/// A time that has come when it is looked for.
const SOON: Duration = Duration::from_millis(1);
const LANES: usize = 100;

pub(super) async fn enqueue(store: &Store) -> Duration {
    enqueued(store, LARGE).await
}

pub(super) async fn enqueue_one(store: &Store) -> Duration {
    enqueued(store, 1).await
}

async fn enqueued(store: &Store, count: usize) -> Duration {
    let jobs: Vec<NewJob> = (0..count).map(|_| store.job()).collect();
    let (took, added) = timed(store.broker.enqueue(TENANT, &jobs)).await;
    added.expect("the broker takes them");
    store.clear().await;
    took
}

pub(super) async fn claim(store: &Store) -> Duration {
    store.fill(BATCH).await;
    claimed(store).await
}

pub(super) async fn claim_from_lanes(store: &Store) -> Duration {
    let laned = |n: usize| NewJob {
        lane: format!("lane-{}", n % LANES),
        ..store.job()
    };
    store.add((0..BATCH).map(laned).collect()).await;
    claimed(store).await
}

async fn claimed(store: &Store) -> Duration {
    let worker = Worker::default();
    let wish = worker.wish(BATCH, LEASE);
    let (took, claimed) = timed(store.broker.claim(&wish)).await;
    let claimed = claimed.expect("it is alive");
    assert_eq!(claimed.len(), BATCH);
    worker.settle(store, completed(&claimed)).await;
    worker.retire(store).await;
    let ids: Vec<_> = claimed.iter().map(|it| it.id).collect();
    store.forget(&ids).await;
    took
}

pub(super) async fn settle(store: &Store) -> Duration {
    let ids = store.fill(BATCH).await;
    let worker = Worker::default();
    let settlements = completed(&worker.claim(store, BATCH).await);
    let (took, settled) = timed(store.broker.settle(worker.id, &settlements)).await;
    assert_eq!(settled.expect("they are sound").len(), BATCH);
    worker.retire(store).await;
    store.forget(&ids).await;
    took
}

/// Each failed, and is to be tried again at once.
pub(super) async fn settle_as_failed(store: &Store) -> Duration {
    store.fill(BATCH).await;
    let worker = Worker::default();
    let claimed = worker.claim(store, BATCH).await;
    let again = |it| settlement(it, Action::Retry(Duration::ZERO), Ending::Failed);
    let settlements: Vec<_> = claimed.iter().map(again).collect();
    let (took, settled) = timed(store.broker.settle(worker.id, &settlements)).await;
    assert_eq!(settled.expect("they are sound").len(), BATCH);
    worker.retire(store).await;
    promoted(store).await;
    store.clear().await;
    took
}

/// Makes available what is due; how many that was.
async fn promoted(store: &Store) -> u32 {
    let promoted = store.broker.promote(HOME, ALL).await;
    promoted.expect("the broker answers").jobs
}

/// What a job says of itself, with nothing said yet.
pub(super) fn note_of(claimed: &Claimed) -> Note {
    Note {
        tenant: claimed.tenant.clone(),
        id: claimed.id,
        delivery: claimed.delivery,
        progress: None,
        checkpoint: None,
        log: None,
    }
}

pub(super) async fn note(store: &Store) -> Duration {
    let ids = store.fill(BATCH).await;
    let worker = Worker::default();
    let claimed = worker.claim(store, BATCH).await;
    let progress = Progress {
        share: Some(0.5),
        message: Some("half of it".into()),
    };
    let note = |it| Note {
        progress: Some(progress.clone()),
        ..note_of(it)
    };
    let notes: Vec<Note> = claimed.iter().map(note).collect();
    let (took, noted) = timed(store.broker.note(worker.id, &notes)).await;
    noted.expect("the broker takes them");
    worker.settle(store, completed(&claimed)).await;
    worker.retire(store).await;
    store.forget(&ids).await;
    took
}

pub(super) async fn promote(store: &Store) -> Duration {
    let later = |_| NewJob {
        eta: When::In(SOON),
        ..store.job()
    };
    store.add((0..BATCH).map(later).collect()).await;
    tokio::time::sleep(SOON * 3).await;
    let (took, jobs) = timed(promoted(store)).await;
    assert_eq!(jobs as usize, BATCH);
    store.clear().await;
    took
}

pub(super) async fn reclaim(store: &Store) -> Duration {
    store.fill(BATCH).await;
    let worker = Worker::default();
    let claimed = store.broker.claim(&worker.wish(BATCH, SOON)).await;
    assert_eq!(claimed.expect("it is alive").len(), BATCH);
    tokio::time::sleep(SOON * 3).await;
    let (took, reclaimed) = timed(store.broker.reclaim(HOME, ALL)).await;
    assert_eq!(reclaimed.expect("the broker answers").jobs as usize, BATCH);
    store.clear().await;
    took
}

/// A worker that gives up its lease gives its jobs back with it.
pub(super) async fn retire(store: &Store) -> Duration {
    store.fill(BATCH).await;
    let worker = Worker::default();
    assert_eq!(worker.claim(store, BATCH).await.len(), BATCH);
    let (took, ()) = timed(worker.retire(store)).await;
    store.clear().await;
    took
}

pub(super) async fn prune(store: &Store) -> Duration {
    store.fill(BATCH).await;
    store.complete_all().await;
    // What failed is kept: others look at it.
    let keep = Retention {
        completed: Duration::ZERO,
        ..Retention::default()
    };
    tokio::time::sleep(SOON * 3).await;
    let (took, gone) = timed(store.broker.prune(HOME, &keep, ALL)).await;
    assert_eq!(gone.expect("the broker answers") as usize, BATCH);
    took
}

pub(super) async fn extend(store: &Store) -> Duration {
    let beat = Heartbeat {
        partition: HOME,
        worker: Worker::default().id,
        lease: LEASE,
        queues: vec![QUEUE.into()],
        compiled: Vec::new(),
        about: Vec::new(),
    };
    store.broker.extend(&beat).await.expect("a first lease");
    let (took, pulse) = timed(store.broker.extend(&beat)).await;
    pulse.expect("it is alive");
    let retired = store.broker.retire(HOME, beat.worker).await;
    retired.expect("it is alive");
    took
}
