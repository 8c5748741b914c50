//! Promote: what waits for its time, in the order in which it is due.

use std::time::Duration;

use lovage_queue::broker::Promoted;
use lovage_queue::job::{State, When};

use super::harness::{Worker, fail, secs};

broker_test!(
    a_job_becomes_available_when_it_is_due_and_not_before,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(10))))
            .await;
        b.pass(Duration::from_millis(9_999));
        let next = Some(Duration::from_millis(1));
        assert_eq!(
            b.promote(b.home(), 10).await.unwrap(),
            Promoted {
                jobs: 0,
                next,
                schedules: false,
                flows: false,
            }
        );
        b.pass(Duration::from_millis(1));
        assert_eq!(
            b.promote(b.home(), 10).await.unwrap(),
            Promoted {
                jobs: 1,
                next: None,
                schedules: false,
                flows: false,
            }
        );
        assert_eq!(b.look(ids[0]).await.state, State::Available);
        assert_eq!(Worker::new(&b).claim_ids(9).await, ids);
    }
);

broker_test!(
    jobs_are_promoted_in_the_order_in_which_they_are_due,
    |b| async move {
        let delays = [5, 1, 4, 2, 3];
        let ids = b
            .add(&b.jobs_with(5, |n, job| job.eta = When::In(secs(delays[n]))))
            .await;
        b.pass(secs(10));
        b.promote(b.home(), 10).await.unwrap();
        assert_eq!(
            Worker::new(&b).claim_ids(9).await,
            [1, 3, 4, 2, 0].map(|n| ids[n])
        );
    }
);

broker_test!(
    a_promotion_takes_no_more_than_its_limit_the_earliest_first,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(5, |n, job| job.eta = When::In(secs(5 - n as u64))))
            .await;
        b.pass(secs(10));
        let done = b.promote(b.home(), 2).await.unwrap();
        assert_eq!(
            done,
            Promoted {
                jobs: 2,
                next: Some(Duration::ZERO),
                schedules: false,
                flows: false,
            },
            "more is due already"
        );
        assert_eq!(Worker::new(&b).claim_ids(9).await, [ids[4], ids[3]]);
        assert_eq!(
            b.promote(b.home(), 9).await.unwrap(),
            Promoted {
                jobs: 3,
                next: None,
                schedules: false,
                flows: false,
            }
        );
    }
);

broker_test!(a_promotion_says_when_the_next_is_due, |b| async move {
    assert_eq!(
        b.promote(b.home(), 10).await.unwrap(),
        Promoted {
            jobs: 0,
            next: None,
            schedules: false,
            flows: false,
        }
    );
    b.add(&b.jobs_with(3, |n, job| job.eta = When::In(secs([30, 10, 20][n]))))
        .await;
    assert_eq!(b.promote(b.home(), 10).await.unwrap().next, Some(secs(10)));
    b.pass(secs(10));
    assert_eq!(
        b.promote(b.home(), 10).await.unwrap(),
        Promoted {
            jobs: 1,
            next: Some(secs(10)),
            schedules: false,
            flows: false,
        }
    );
});

broker_test!(
    retryable_and_scheduled_jobs_are_promoted_alike,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        worker
            .settle(fail(&worker.claim_one().await, secs(2)))
            .await;
        b.add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(1))))
            .await;
        let counts = b.depths().await;
        assert_eq!(
            (counts.retryable, counts.scheduled, counts.available),
            (1, 1, 0)
        );
        b.pass(secs(2));
        assert_eq!(
            b.promote(b.home(), 10).await.unwrap(),
            Promoted {
                jobs: 2,
                next: None,
                schedules: false,
                flows: false,
            }
        );
        let counts = b.depths().await;
        assert_eq!(
            (counts.retryable, counts.scheduled, counts.available),
            (0, 0, 2)
        );
    }
);

broker_test!(jobs_of_several_tenants_are_promoted, |b| async move {
    for tenant in b.neighbours(3) {
        let mut job = b.job_of(&tenant);
        job.eta = When::In(secs(1));
        b.enqueue(&tenant, &[job]).await.unwrap();
    }
    b.pass(secs(1));
    assert_eq!(
        b.promote(b.home(), 10).await.unwrap(),
        Promoted {
            jobs: 3,
            next: None,
            schedules: false,
            flows: false,
        }
    );
    assert_eq!(Worker::new(&b).claim(10).await.len(), 3);
});
