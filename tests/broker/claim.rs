//! Claim: order, one step, repeatable; what a job runs.

use std::collections::BTreeSet;

use lovage_queue::broker::{BrokerError, Settled};
use lovage_queue::job::{Pin, State};
use lovage_queue::registry::{Digest, Manifest};

use super::harness::{BEGIN, Bench, TENANT, Worker, complete, secs};

/// Ten minutes: what a step of priority is worth.
const STEP: std::time::Duration = secs(600);

broker_test!(
    the_higher_priority_goes_first_and_equals_go_by_age,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(6, |n, job| job.priority = [5, 9, 0, 9, 5, 6][n]))
            .await;
        let order = [1, 3, 5, 0, 4, 2].map(|n| ids[n]);
        assert_eq!(Worker::new(&b).claim_ids(9).await, order);
    }
);

broker_test!(
    ten_minutes_of_waiting_are_worth_a_step_of_priority,
    |b| async move {
        let low = b.add(&b.jobs_with(1, |_, job| job.priority = 4)).await[0];
        b.pass(STEP - secs(1));
        let early = b.add(&b.jobs_with(1, |_, job| job.priority = 5)).await[0];
        b.pass(secs(2));
        let late = b.add(&b.jobs_with(1, |_, job| job.priority = 5)).await[0];
        assert_eq!(Worker::new(&b).claim_ids(9).await, [early, low, late]);
    }
);

broker_test!(the_order_holds_from_claim_to_claim, |b| async move {
    let ids = b
        .add(&b.jobs_with(40, |n, job| job.priority = (n % 10) as u8))
        .await;
    let mut order: Vec<_> = ids.iter().enumerate().collect();
    order.sort_by_key(|(n, _)| 10 - n % 10);
    let order: Vec<_> = order.into_iter().map(|(_, id)| *id).collect();
    let worker = Worker::new(&b);
    let mut claimed = Vec::new();
    while claimed.len() < ids.len() {
        claimed.extend(worker.claim_ids(3).await);
    }
    assert_eq!(claimed, order);
});

broker_test!(a_claim_says_who_runs_what_since_when, |b| async move {
    let id = b.add_plain(1).await[0];
    b.pass(secs(5));
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert_eq!(
        (claimed.tenant.as_str(), claimed.queue.as_str(), claimed.id),
        (TENANT, "default", id)
    );
    assert_eq!((claimed.delivery, claimed.started), (1, b.now()));
    let job = b.look(id).await;
    assert_eq!(claimed.job, Ok(job.clone()));
    assert_eq!(
        (job.state, job.worker, job.started),
        (State::Running, Some(worker.id), b.now())
    );
    assert_eq!((job.available, job.delivery, job.attempt), (BEGIN, 1, 0));
});

broker_test!(no_job_is_handed_out_twice, |b| async move {
    let ids: BTreeSet<_> = b.add_plain(200).await.into_iter().collect();
    let workers: Vec<_> = (0..8).map(|_| Worker::new(&b)).collect();
    let mut claimed = Vec::new();
    for _ in 0..5 {
        let claims: Vec<_> = workers.iter().map(|it| it.wish(7)).collect();
        let tasks = claims.into_iter().map(|claim| {
            let broker = b.broker.clone();
            tokio::spawn(async move { broker.claim(&claim).await.unwrap() })
        });
        for task in tasks.collect::<Vec<_>>() {
            claimed.extend(task.await.unwrap().into_iter().map(|it| it.id));
        }
    }
    assert_eq!(claimed.len(), 200);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), ids);
});

broker_test!(
    a_claim_takes_its_shares_first_and_then_what_is_left,
    |b| async move {
        b.add(&b.jobs_with(20, |n, job| job.queue = ["a", "b"][n % 2].into()))
            .await;
        let worker = Worker::new(&b);
        let per_queue = |claimed: &[lovage_queue::broker::Claimed]| {
            ["a", "b"].map(|queue| claimed.iter().filter(|it| it.queue == queue).count())
        };
        let first = worker.claim_from(&[("a", 3), ("b", 1)], 4).await;
        assert_eq!(per_queue(&first), [3, 1]);
        let second = worker.claim_from(&[("a", 3), ("b", 1)], 6).await;
        assert_eq!(per_queue(&second), [5, 1], "what is left goes to the first");
        let third = worker.claim_from(&[("a", 3), ("b", 1)], 8).await;
        assert_eq!(
            per_queue(&third),
            [2, 6],
            "what the first has not goes to the second"
        );
        assert_eq!(worker.claim_from(&[("none", 9)], 9).await.len(), 0);
    }
);

broker_test!(a_claim_never_takes_more_than_its_maximum, |b| async move {
    b.add(&b.jobs_with(20, |n, job| job.queue = ["a", "b"][n % 2].into()))
        .await;
    assert_eq!(
        Worker::new(&b)
            .claim_from(&[("a", 9), ("b", 9)], 5)
            .await
            .len(),
        5
    );
    assert_eq!(
        Worker::new(&b)
            .claim_from(&[("a", 9), ("b", 9)], 0)
            .await
            .len(),
        0
    );
});

broker_test!(a_repeated_claim_returns_the_same_jobs, |b| async move {
    let ids = b.add_plain(5).await;
    let worker = Worker::new(&b);
    let wish = worker.wish(3);
    let first = b.claim(&wish).await.unwrap();
    b.pass(secs(1));
    let again = b.claim(&wish).await.unwrap();
    assert_eq!(again.iter().map(|it| it.id).collect::<Vec<_>>(), ids[..3]);
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(
            (first.delivery, first.started),
            (again.delivery, again.started)
        );
        assert_eq!(first.job, again.job);
    }
    assert_eq!(b.depths().await.running, 3);
    assert_eq!(
        worker.settle(complete(&again[0], &[1])).await,
        Settled::Recorded
    );
    let rest = b.claim(&wish).await.unwrap();
    assert_eq!(
        rest.iter().map(|it| it.id).collect::<Vec<_>>(),
        ids[1..3],
        "what it still holds"
    );
});

broker_test!(
    a_repeated_claim_that_found_nothing_finds_nothing,
    |b| async move {
        let worker = Worker::new(&b);
        let wish = worker.wish(3);
        assert!(b.claim(&wish).await.unwrap().is_empty());
        b.add_plain(1).await;
        assert!(b.claim(&wish).await.unwrap().is_empty());
        assert_eq!(worker.claim(3).await.len(), 1);
    }
);

broker_test!(
    the_next_number_hands_out_further_jobs_and_keeps_those_in_flight,
    |b| async move {
        let ids = b.add_plain(5).await;
        let worker = Worker::new(&b);
        let first = worker.claim(3).await;
        assert_eq!(worker.claim_ids(3).await, ids[3..]);
        assert_eq!(b.depths().await.running, 5);
        assert_eq!(
            worker.settle(complete(&first[0], &[1])).await,
            Settled::Recorded
        );
    }
);

broker_test!(
    an_earlier_claim_that_arrives_late_takes_nothing,
    |b| async move {
        let ids = b.add_plain(5).await;
        let worker = Worker::new(&b);
        let late = worker.wish(2);
        assert_eq!(b.claim(&late).await.unwrap().len(), 2);
        assert_eq!(worker.claim_ids(1).await, ids[2..3]);
        assert!(b.claim(&late).await.unwrap().is_empty());
        let counts = b.depths().await;
        assert_eq!((counts.running, counts.available), (3, 2));
        assert_eq!(worker.claim_ids(9).await, ids[3..]);
    }
);

broker_test!(
    a_worker_that_was_declared_dead_claims_nothing,
    |b| async move {
        let worker = Worker::new(&b);
        worker.claim(1).await;
        b.pass(Worker::LEASE + secs(1));
        assert_eq!(b.reclaim(b.home(), 10).await.unwrap().workers, 1);
        b.add_plain(1).await;
        let refused = b.claim(&worker.wish(1)).await;
        assert!(
            matches!(refused, Err(BrokerError::Dead(id)) if id == worker.id),
            "{refused:?}"
        );
        let from_the_start = lovage_queue::broker::Claim {
            number: 1,
            ..worker.wish(1)
        };
        assert!(matches!(
            b.claim(&from_the_start).await,
            Err(BrokerError::Dead(_))
        ));
        assert_eq!(
            Worker::new(&b).claim(1).await.len(),
            1,
            "under a new identity it does"
        );
    }
);

broker_test!(
    a_worker_that_nobody_knows_has_made_no_earlier_claims,
    |b| async move {
        let worker = Worker::new(&b);
        worker.wish(1);
        assert!(matches!(
            b.claim(&worker.wish(1)).await,
            Err(BrokerError::Dead(_))
        ));
    }
);

async fn release(b: &Bench, module: &[u8]) -> (Digest, u32) {
    let digest = b
        .put(
            TENANT,
            module,
            &Manifest {
                size: 1,
                tasks: Vec::new(),
                wants: Default::default(),
            },
        )
        .await
        .unwrap();
    let release = b.stage(TENANT, "basics", digest, "me").await.unwrap();
    (digest, release.number)
}

broker_test!(
    a_job_runs_the_release_that_is_active_when_it_is_claimed,
    |b| async move {
        let worker = Worker::new(&b);
        b.add_plain(4).await;
        assert_eq!(worker.claim_one().await.target, None, "there is none");
        let first = release(&b, b"one").await;
        assert_eq!(
            worker.claim_one().await.target,
            None,
            "it is not active yet"
        );
        b.activate(TENANT, "basics", first.1).await.unwrap();
        assert_eq!(worker.claim_one().await.target, Some(first));
        let second = release(&b, b"two").await;
        b.activate(TENANT, "basics", second.1).await.unwrap();
        assert_eq!(worker.claim_one().await.target, Some(second));
    }
);

broker_test!(a_job_may_pin_a_release_or_a_digest, |b| async move {
    let first = release(&b, b"one").await;
    let second = release(&b, b"two").await;
    b.activate(TENANT, "basics", second.1).await.unwrap();
    let pins = [
        Pin::Release(first.1),
        Pin::Digest(first.0),
        Pin::Release(9),
        Pin::Digest(Digest::of(b"no")),
    ];
    b.add(&b.jobs_with(4, |n, job| job.pin = pins[n])).await;
    let claimed = Worker::new(&b).claim(9).await;
    let targets: Vec<_> = claimed.iter().map(|it| it.target).collect();
    assert_eq!(targets, [Some(first), Some((first.0, 0)), None, None]);
});
