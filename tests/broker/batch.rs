//! Batches of ten thousand: all or none, wherever the refusal is.

use lovage_queue::broker::{BrokerError, Cancelled, Enqueued, MAX_BATCH, Requeued};
use lovage_queue::job::{Conflict, Key, NewJob, Payload, State, Unique, Until, When};
use lovage_queue::limits::Limit;
use lovage_queue::registry::Digest;

use super::harness::{Bench, TENANT, Worker, secs, unlimited};

/// A full batch of every kind of job.
fn full(b: &Bench) -> Vec<NewJob> {
    b.jobs_with(MAX_BATCH, |n, job| {
        job.lane = ["", "a", "b"][n % 3].into();
        job.priority = (n % 10) as u8;
        match n % 5 {
            0 => job.key = Some(Key::idempotency(&format!("key {n}"))),
            1 => {
                job.unique = Some(Unique {
                    key: Key::unique(&format!("unique {n}")),
                    until: Until::Done,
                    conflict: Conflict::Reject,
                });
            }
            2 => job.eta = When::In(secs(60)),
            3 => job.expiry = Some(When::In(secs(600))),
            _ => {}
        }
    })
}

/// Nothing of a refused batch is anywhere: it can be enqueued as if new.
async fn assert_untouched(b: &Bench, batch: &[NewJob]) {
    let counts = b.depths().await;
    assert_eq!((counts.available, counts.scheduled), (0, 0));
    let ids: Vec<_> = batch.iter().map(|job| job.id).collect();
    let there = b.jobs(TENANT, &ids).await.unwrap();
    assert!(there.iter().all(Option::is_none));
    assert_eq!(b.promote(b.home(), 10).await.unwrap().next, None);
    assert!(Worker::new(b).claim(9).await.is_empty());
    let answer = b.enqueue(TENANT, &full(b)).await.unwrap();
    assert_eq!(answer, [Enqueued::New; MAX_BATCH]);
}

broker_test!(ten_thousand_jobs_are_one_batch, |b| async move {
    let batch = full(&b);
    let answer = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(answer, [Enqueued::New; MAX_BATCH]);
    let again = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(again, [Enqueued::Exists; MAX_BATCH]);
    let counts = b.depths().await;
    assert_eq!((counts.available, counts.scheduled), (8_000, 2_000));
    let ids: Vec<_> = batch.iter().map(|job| job.id).collect();
    let worker = Worker::new(&b);
    let claimed = worker.claim(1_000).await;
    assert_eq!(claimed.len(), 1_000);
    let waiting: Vec<_> = ids
        .iter()
        .filter(|id| claimed.iter().all(|it| it.id != **id))
        .copied()
        .collect();
    let answer = b.cancel(TENANT, &waiting).await.unwrap();
    assert_eq!(answer, [Cancelled::Now; 9_000]);
    let answer = b.requeue(TENANT, &waiting).await.unwrap();
    assert_eq!(answer, [Requeued::Now; 9_000]);
    assert_eq!(b.depths().await.available, 9_000);
});

broker_test!(one_job_more_than_a_batch_is_refused, |b| async move {
    let mut batch = full(&b);
    batch.push(b.job());
    let refused = b.enqueue(TENANT, &batch).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(b.depths().await.available, 0);
});

broker_test!(
    an_invalid_job_in_the_middle_leaves_nothing,
    |b| async move {
        let mut batch = full(&b);
        batch[5_000].queue = "No Queue".into();
        let refused = b.enqueue(TENANT, &batch).await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid(_))),
            "{refused:?}"
        );
        assert_untouched(&b, &batch).await;
    }
);

broker_test!(a_duplicate_in_the_middle_leaves_nothing, |b| async move {
    let mut batch = full(&b);
    batch[5_001].unique = batch[4_001].unique;
    let holder = batch[4_001].id;
    assert!(batch[5_001].unique.is_some());
    let refused = b.enqueue(TENANT, &batch).await;
    assert!(
        matches!(refused, Err(BrokerError::Duplicate(id)) if id == holder),
        "{refused:?}"
    );
    assert_untouched(&b, &batch).await;
});

broker_test!(
    a_duplicate_behind_a_replacement_leaves_the_replaced_alone,
    |b| async move {
        let mut first = b.job();
        first.unique = Some(Unique {
            key: Key::unique("r"),
            until: Until::Done,
            conflict: Conflict::Replace,
        });
        let id = b.add(std::slice::from_ref(&first)).await[0];
        let mut batch = b.jobs_with(3, |_, _| {});
        batch[0].unique = first.unique;
        for job in &mut batch[1..] {
            job.unique = Some(Unique {
                key: Key::unique("d"),
                until: Until::Done,
                conflict: Conflict::Reject,
            });
        }
        let refused = b.enqueue(TENANT, &batch).await;
        assert!(matches!(refused, Err(BrokerError::Duplicate(_))));
        assert_eq!(b.look(id).await.state, State::Available);
        assert_eq!(Worker::new(&b).claim_ids(9).await, [id]);
    }
);

broker_test!(
    a_missing_blob_in_the_middle_leaves_nothing,
    |b| async move {
        let mut batch = full(&b);
        batch[5_000].input = Payload::Blob {
            digest: Digest::of(b"none"),
            size: 4,
        };
        let refused = b.enqueue(TENANT, &batch).await;
        assert!(
            matches!(refused, Err(BrokerError::Missing(_))),
            "{refused:?}"
        );
        assert_untouched(&b, &batch).await;
    }
);

broker_test!(
    a_queue_that_gets_full_in_the_middle_leaves_nothing,
    |b| async move {
        let depth = |depth| Limit {
            depth,
            ..unlimited()
        };
        b.allow("queue:default", depth(Some(5_000))).await;
        let batch = full(&b);
        let refused = b.enqueue(TENANT, &batch).await;
        assert!(
            matches!(
                refused,
                Err(BrokerError::QueueFull {
                    waiting: 0,
                    depth: 5_000,
                    ..
                })
            ),
            "{refused:?}"
        );
        b.allow("queue:default", depth(None)).await;
        assert_untouched(&b, &batch).await;
    }
);
