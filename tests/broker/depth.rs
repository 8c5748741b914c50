//! Depth: a queue that is full says so, and nothing is made.

use lovage_queue::broker::{BrokerError, Enqueued, Result};
use lovage_queue::job::{Conflict, Key, NewJob, Unique, Until, When};
use lovage_queue::limits::Limit;

use super::harness::{Bench, TENANT, Worker, complete, discard, fail, give_back, secs, unlimited};

async fn deep(b: &Bench, depth: u32) {
    let limit = Limit {
        depth: Some(depth),
        ..unlimited()
    };
    b.allow("queue:default", limit).await;
}

async fn add(b: &Bench, count: usize) -> Result<Vec<Enqueued>> {
    let jobs = b.jobs_with(count, |_, _| {});
    b.enqueue(TENANT, &jobs).await
}

#[track_caller]
fn assert_full(answer: Result<Vec<Enqueued>>, expected: (u64, u64)) {
    match answer {
        Err(BrokerError::QueueFull {
            queue,
            waiting,
            depth,
        }) => {
            assert_eq!(queue, "default");
            assert_eq!((waiting, depth), expected);
        }
        other => panic!("it was to be refused: {other:?}"),
    }
}

broker_test!(a_full_queue_takes_no_more, |b| async move {
    deep(&b, 3).await;
    assert_eq!(add(&b, 2).await.unwrap(), [Enqueued::New; 2]);
    assert_full(add(&b, 2).await, (2, 3));
    assert_eq!(b.depths().await.available, 2, "nothing was made");
    assert_eq!(add(&b, 1).await.unwrap(), [Enqueued::New]);
    assert_full(add(&b, 1).await, (3, 3));
    assert_eq!(add(&b, 0).await.unwrap(), []);
});

broker_test!(
    whatever_waits_counts_and_what_runs_does_not,
    |b| async move {
        deep(&b, 3).await;
        let worker = Worker::new(&b);
        add(&b, 2).await.unwrap();
        let claimed = worker.claim(2).await;
        b.add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(9))))
            .await;
        add(&b, 2).await.unwrap();
        assert_full(add(&b, 1).await, (3, 3));
        worker.settle(fail(&claimed[0], secs(9))).await;
        worker.settle(give_back(&claimed[1], secs(0))).await;
        assert_full(add(&b, 1).await, (5, 3));
        let again = worker.claim(9).await;
        assert_eq!(again.len(), 3);
        worker.settle(complete(&again[0], &[1])).await;
        worker.settle(discard(&again[1])).await;
        assert_eq!(add(&b, 1).await.unwrap(), [Enqueued::New]);
        assert_full(add(&b, 1).await, (3, 3));
    }
);

broker_test!(what_is_there_already_is_not_new, |b| async move {
    deep(&b, 2).await;
    let mut jobs = b.jobs_with(2, |_, _| {});
    jobs[0].key = Some(Key::idempotency("k"));
    jobs[1].unique = Some(Unique {
        key: Key::unique("u"),
        until: Until::Done,
        conflict: Conflict::Existing,
    });
    b.add(&jobs).await;
    let again = b.enqueue(TENANT, &jobs).await.unwrap();
    assert_eq!(again, [Enqueued::Exists; 2]);
    let mut others = b.jobs_with(2, |_, _| {});
    others[0].key = jobs[0].key;
    others[1].unique = jobs[1].unique;
    let answer = b.enqueue(TENANT, &others).await.unwrap();
    let expected = [Enqueued::Instead(jobs[0].id), Enqueued::Instead(jobs[1].id)];
    assert_eq!(answer, expected);
    let job = b.job();
    assert_full(b.enqueue(TENANT, &[job.clone(), job]).await, (2, 2));
});

broker_test!(a_depth_is_of_one_queue_of_one_tenant, |b| async move {
    let other = b.neighbours(2).remove(1);
    deep(&b, 1).await;
    add(&b, 1).await.unwrap();
    let elsewhere = |_: usize, job: &mut NewJob| job.queue = "other".into();
    b.add(&b.jobs_with(5, elsewhere)).await;
    let jobs: Vec<_> = (0..5).map(|_| b.job_of(&other)).collect();
    b.enqueue(&other, &jobs).await.unwrap();
    let mut mixed = b.jobs_with(2, elsewhere);
    mixed.push(b.job());
    assert_full(b.enqueue(TENANT, &mixed).await, (1, 1));
    let counts = b.counts(TENANT).await.unwrap();
    let found: Vec<_> = counts.iter().map(|it| it.available).collect();
    assert_eq!(found, [1, 5], "nothing of the mixed batch was made");
});

broker_test!(a_depth_may_be_changed_at_any_time, |b| async move {
    add(&b, 5).await.unwrap();
    deep(&b, 3).await;
    assert_full(add(&b, 1).await, (5, 3));
    assert_eq!(Worker::new(&b).claim(9).await.len(), 5, "they stay");
    assert_eq!(add(&b, 3).await.unwrap().len(), 3);
    deep(&b, 10).await;
    assert_eq!(add(&b, 7).await.unwrap().len(), 7);
    b.allow("queue:default", unlimited()).await;
    assert_eq!(add(&b, 100).await.unwrap().len(), 100);
});

broker_test!(
    cancelling_makes_room_and_requeueing_is_no_enqueueing,
    |b| async move {
        deep(&b, 2).await;
        let ids = b.add_plain(2).await;
        b.cancel(TENANT, &ids[..1]).await.unwrap();
        add(&b, 1).await.unwrap();
        assert_full(add(&b, 1).await, (2, 2));
        b.requeue(TENANT, &ids[..1]).await.unwrap();
        assert_full(add(&b, 1).await, (3, 2));
    }
);
