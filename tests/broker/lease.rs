//! Leases: extend, reclaim, retire.

use lovage_queue::broker::{BrokerError, Reclaimed, Settled};
use lovage_queue::job::{Ending, State};

use super::harness::{BEGIN, Worker, complete, secs};

broker_test!(a_heartbeat_keeps_a_worker_alive, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    for _ in 0..5 {
        b.pass(Worker::LEASE - secs(1));
        worker.beat().await.unwrap();
        assert_eq!(b.reclaim(b.home(), 10).await.unwrap(), Reclaimed::default());
    }
    assert_eq!(
        worker.settle(complete(&claimed, &[1])).await,
        Settled::Recorded
    );
});

broker_test!(a_claim_keeps_a_worker_alive, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    worker.claim_one().await;
    b.pass(Worker::LEASE - secs(1));
    worker.claim(1).await;
    b.pass(secs(5));
    assert_eq!(b.reclaim(b.home(), 10).await.unwrap(), Reclaimed::default());
});

broker_test!(a_heartbeat_says_whether_there_is_work, |b| async move {
    let worker = Worker::new(&b);
    assert!(!worker.beat().await.unwrap().work);
    b.add(&b.jobs_with(1, |_, job| job.queue = "other".into()))
        .await;
    assert!(!worker.beat().await.unwrap().work, "not in its queues");
    b.add_plain(1).await;
    assert!(worker.beat().await.unwrap().work);
    worker.claim_one().await;
    assert!(!worker.beat().await.unwrap().work);
});

broker_test!(
    a_worker_declared_dead_is_told_by_its_heartbeat,
    |b| async move {
        let worker = Worker::new(&b);
        worker.beat().await.unwrap();
        b.pass(Worker::LEASE + secs(1));
        assert_eq!(b.reclaim(b.home(), 10).await.unwrap().workers, 1);
        let refused = worker.beat().await;
        assert!(
            matches!(refused, Err(BrokerError::Dead(id)) if id == worker.id),
            "{refused:?}"
        );
    }
);

broker_test!(
    jobs_of_a_dead_worker_are_available_again_with_a_crash_counted,
    |b| async move {
        let ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        b.pass(Worker::LEASE + secs(1));
        let done = b.reclaim(b.home(), 10).await.unwrap();
        assert_eq!(
            done,
            Reclaimed {
                workers: 1,
                jobs: 2,
                lost: 0
            }
        );
        let job = b.look(ids[0]).await;
        assert_eq!(
            (job.state, job.crash, job.attempt, job.delivery),
            (State::Available, 1, 0, 1)
        );
        assert_eq!((job.worker, job.available), (None, BEGIN));
        assert_eq!(
            worker.settle(complete(&claimed[0], &[1])).await,
            Settled::Stale
        );
        assert_eq!(
            Worker::new(&b).claim_ids(9).await,
            ids,
            "in front, in their order"
        );
    }
);

broker_test!(a_job_that_crashes_too_often_is_lost, |b| async move {
    let ids = b.add(&b.jobs_with(1, |_, job| job.crash_limit = 2)).await;
    for crash in 1..=2 {
        let claimed = Worker::new(&b).claim_one().await;
        assert_eq!(claimed.delivery, crash);
        b.pass(Worker::LEASE + secs(1));
        let done = b.reclaim(b.home(), 10).await.unwrap();
        assert_eq!(
            (done.jobs, done.lost),
            if crash == 1 { (1, 0) } else { (0, 1) }
        );
    }
    let job = b.look(ids[0]).await;
    assert_eq!(
        (job.state, job.crash, job.attempt),
        (State::Discarded, 2, 0)
    );
    assert_eq!(job.finished, b.now());
    let lost = &job.attempts[0];
    assert_eq!(
        (job.attempts.len(), lost.ending, lost.delivery),
        (1, Ending::Lost, 2)
    );
    assert_eq!(lost.failure.as_ref().unwrap().kind, "lost");
    assert_eq!(b.depths().await.discarded, 1);
});

broker_test!(
    a_reclaim_takes_no_more_than_its_limit_and_the_next_goes_on,
    |b| async move {
        b.add_plain(25).await;
        Worker::new(&b).claim(25).await;
        b.pass(Worker::LEASE + secs(1));
        let mut sum = Reclaimed::default();
        for _ in 0..4 {
            let done = b.reclaim(b.home(), 10).await.unwrap();
            assert!(done.jobs <= 10, "{done:?}");
            sum = Reclaimed {
                workers: sum.workers + done.workers,
                jobs: sum.jobs + done.jobs,
                lost: sum.lost + done.lost,
            };
        }
        assert_eq!(
            sum,
            Reclaimed {
                workers: 1,
                jobs: 25,
                lost: 0
            }
        );
        assert_eq!(Worker::new(&b).claim(50).await.len(), 25);
    }
);

broker_test!(a_reclaim_leaves_the_living_alone, |b| async move {
    b.add_plain(2).await;
    let (dead, living) = (Worker::new(&b), Worker::new(&b));
    let lost = dead.claim_one().await;
    let kept = living.claim_one().await;
    b.pass(secs(6));
    living.beat().await.unwrap();
    b.pass(secs(6));
    let done = b.reclaim(b.home(), 10).await.unwrap();
    assert_eq!(
        done,
        Reclaimed {
            workers: 1,
            jobs: 1,
            lost: 0
        }
    );
    assert_eq!(b.look(lost.id).await.state, State::Available);
    assert_eq!(
        living.settle(complete(&kept, &[1])).await,
        Settled::Recorded
    );
});

broker_test!(
    a_worker_that_retires_gives_back_what_it_holds_with_no_crash,
    |b| async move {
        let ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        b.retire(b.home(), worker.id).await.unwrap();
        let job = b.look(ids[0]).await;
        assert_eq!(
            (job.state, job.crash, job.worker),
            (State::Available, 0, None)
        );
        assert_eq!(
            worker.settle(complete(&claimed[0], &[1])).await,
            Settled::Stale
        );
        assert!(matches!(
            b.claim(&worker.wish(1)).await,
            Err(BrokerError::Dead(_))
        ));
        assert_eq!(Worker::new(&b).claim_ids(9).await, ids);
        b.pass(Worker::LEASE / 2);
        b.retire(b.home(), worker.id).await.unwrap();
    }
);
