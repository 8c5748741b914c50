//! Strict order: the priority decides, however long the others have waited.

use lovage_queue::limits::{Limit, Order};

use super::harness::{Bench, Worker, complete, fail, secs, unlimited};

fn strict() -> Limit {
    Limit {
        order: Order::Strict,
        ..unlimited()
    }
}

/// One job of each of these priorities, each an hour younger than the one
/// before it.
async fn add_hourly(b: &Bench, priorities: &[u8]) -> Vec<lovage_queue::job::JobId> {
    let mut ids = Vec::new();
    for priority in priorities {
        ids.extend(
            b.add(&b.jobs_with(1, |_, job| job.priority = *priority))
                .await,
        );
        b.pass(secs(3_600));
    }
    ids
}

broker_test!(
    in_a_strict_queue_no_waiting_makes_up_for_priority,
    |b| async move {
        b.allow("queue:default", strict()).await;
        let ids = add_hourly(&b, &[0, 5, 9, 5, 0, 9]).await;
        let order = [2, 5, 1, 3, 0, 4].map(|n| ids[n]);
        let worker = Worker::new(&b);
        let mut claimed = Vec::new();
        for _ in 0..3 {
            claimed.extend(worker.claim_ids(2).await);
        }
        assert_eq!(claimed, order);
    }
);

broker_test!(
    an_order_is_that_of_the_jobs_that_wait_already,
    |b| async move {
        let ids = add_hourly(&b, &[0, 5, 9, 5, 0, 9]).await;
        let worker = Worker::new(&b);
        b.allow("queue:default", strict()).await;
        assert_eq!(worker.claim_ids(2).await, [ids[2], ids[5]]);
        b.allow("queue:default", unlimited()).await;
        assert_eq!(
            worker.claim_ids(9).await,
            [ids[0], ids[1], ids[3], ids[4]],
            "and age counts again"
        );
    }
);

broker_test!(
    a_strict_order_is_within_each_lane_and_each_queue,
    |b| async move {
        b.allow("queue:default", strict()).await;
        let change = |n: usize, job: &mut lovage_queue::job::NewJob| {
            job.lane = ["a", "b"][n % 2].into();
            job.priority = [1, 1, 9, 9, 5, 5][n];
        };
        let ids = b.add(&b.jobs_with(6, change)).await;
        let claimed = Worker::new(&b).claim_ids(6).await;
        for lane in 0..2 {
            let expected = [2, 4, 0].map(|n| ids[n + lane]);
            let seen: Vec<_> = claimed.iter().filter(|id| expected.contains(id)).collect();
            assert_eq!(seen, expected.iter().collect::<Vec<_>>());
        }
        let other = |n: usize, job: &mut lovage_queue::job::NewJob| {
            job.queue = "other".into();
            job.priority = [0, 1][n];
        };
        let jobs = b.jobs_with(2, other);
        let first = b.add(&jobs[..1]).await;
        b.pass(secs(3_600));
        let second = b.add(&jobs[1..]).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_from(&[("other", 9)], 9).await;
        let seen: Vec<_> = claimed.iter().map(|it| it.id).collect();
        assert_eq!(seen, [first[0], second[0]], "the other queue ages");
    }
);

broker_test!(
    retried_and_late_jobs_find_their_place_in_a_strict_order,
    |b| async move {
        b.allow("queue:default", strict()).await;
        let ids = add_hourly(&b, &[9, 5, 5]).await;
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        worker.settle(fail(&first, secs(10))).await;
        b.pass(secs(10));
        b.promote_all().await;
        let again = worker.claim_one().await;
        assert_eq!(again.id, ids[0], "it is younger, and still goes first");
        worker.settle(complete(&again, &[1])).await;
        assert_eq!(worker.claim_ids(9).await, ids[1..]);
    }
);

broker_test!(
    a_lane_that_is_filled_while_strict_ages_once_that_is_over,
    |b| async move {
        b.allow("queue:default", strict()).await;
        let ids = add_hourly(&b, &[0, 9]).await;
        b.allow("queue:default", unlimited()).await;
        let later = add_hourly(&b, &[9]).await;
        let order = [ids[1], ids[0], later[0]];
        // Nine steps of ten minutes are ninety; the last is two hours younger.
        assert_eq!(Worker::new(&b).claim_ids(9).await, order);
    }
);
