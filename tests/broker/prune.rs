//! Prune: finished jobs leave by age or number, whichever comes first.

use lovage_queue::broker::Retention;
use lovage_queue::job::{JobId, When};

use super::harness::{Bench, TENANT, Worker, cancel, complete, discard, secs};

const KEEP: Retention = Retention {
    completed: secs(100),
    discarded: secs(1_000),
    count: 5,
    bytes: u64::MAX,
};

async fn finish(b: &Bench, count: usize) -> Vec<JobId> {
    let ids = b.add_plain(count).await;
    let worker = Worker::new(b);
    for it in worker.claim(count as u32).await {
        worker.settle(complete(&it, &[1])).await;
        b.pass(secs(1));
    }
    ids
}

async fn kept(b: &Bench, ids: &[JobId]) -> Vec<bool> {
    b.jobs(TENANT, ids)
        .await
        .unwrap()
        .iter()
        .map(Option::is_some)
        .collect()
}

broker_test!(
    finished_jobs_leave_when_they_are_old_enough,
    |b| async move {
        let ids = finish(&b, 3).await;
        assert_eq!(b.prune(b.home(), &KEEP, 10).await.unwrap(), 0);
        b.pass(secs(98));
        assert_eq!(
            b.prune(b.home(), &KEEP, 10).await.unwrap(),
            2,
            "the first two are old enough"
        );
        assert_eq!(kept(&b, &ids).await, [false, false, true]);
        assert_eq!(b.depths().await.completed, 1);
    }
);

broker_test!(beyond_their_number_the_oldest_leave, |b| async move {
    let ids = finish(&b, 7).await;
    assert_eq!(b.prune(b.home(), &KEEP, 10).await.unwrap(), 2);
    assert_eq!(
        kept(&b, &ids).await,
        [false, false, true, true, true, true, true]
    );
    assert_eq!(b.prune(b.home(), &KEEP, 10).await.unwrap(), 0);
});

broker_test!(
    discarded_jobs_are_kept_for_a_time_of_their_own,
    |b| async move {
        b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        worker.settle(complete(&claimed[0], &[1])).await;
        worker.settle(discard(&claimed[1])).await;
        worker.settle(cancel(&claimed[2])).await;
        let ids: Vec<_> = claimed.iter().map(|it| it.id).collect();
        b.pass(secs(100));
        assert_eq!(b.prune(b.home(), &KEEP, 10).await.unwrap(), 2);
        assert_eq!(kept(&b, &ids).await, [false, true, false]);
        b.pass(secs(900));
        assert_eq!(b.prune(b.home(), &KEEP, 10).await.unwrap(), 1);
    }
);

broker_test!(a_prune_lets_no_more_go_than_its_limit, |b| async move {
    finish(&b, 5).await;
    b.pass(secs(1_000));
    assert_eq!(b.prune(b.home(), &KEEP, 2).await.unwrap(), 2);
    assert_eq!(b.prune(b.home(), &KEEP, 2).await.unwrap(), 2);
    assert_eq!(b.prune(b.home(), &KEEP, 2).await.unwrap(), 1);
    assert_eq!(b.depths().await.completed, 0);
});

broker_test!(what_has_not_ended_is_never_pruned, |b| async move {
    let ids = b
        .add(&b.jobs_with(3, |n, job| job.eta = When::In(secs(n as u64 % 2))))
        .await;
    Worker::new(&b).claim_one().await;
    b.pass(secs(1_000_000));
    assert_eq!(
        b.prune(b.home(), &Retention { count: 0, ..KEEP }, 10)
            .await
            .unwrap(),
        0
    );
    assert_eq!(kept(&b, &ids).await, [true; 3]);
});

broker_test!(
    an_id_that_was_pruned_may_be_enqueued_again,
    |b| async move {
        let id = finish(&b, 1).await[0];
        b.pass(secs(1_000));
        b.prune(b.home(), &KEEP, 10).await.unwrap();
        let mut job = b.job();
        job.id = id;
        b.add(&[job]).await;
        assert_eq!(Worker::new(&b).claim_one().await.id, id);
    }
);
