//! Cancel: what waits ends at once, what runs is asked, and nobody overhears it.

use lovage_queue::broker::{Cancelled, Reclaimed, Settled, Signal};
use lovage_queue::job::{Ending, JobId, State, When, WorkerId};
use lovage_queue::registry::Manifest;

use super::harness::signals::{SOON, heard, hears, listen};
use super::harness::{
    Bench, TENANT, Worker, attempt, cancel, complete, discard, fail, give_back, secs,
};

/// What the worker of a job hears.
fn of(id: JobId) -> Signal {
    Signal::Cancel(TENANT.into(), id)
}

async fn stop(b: &Bench, id: JobId) -> Cancelled {
    b.cancel(TENANT, &[id]).await.unwrap()[0]
}

broker_test!(
    what_waits_for_a_worker_is_cancelled_at_once,
    |b| async move {
        let ids = b.add_plain(3).await;
        b.pass(secs(2));
        assert_eq!(stop(&b, ids[1]).await, Cancelled::Now);
        let job = b.look(ids[1]).await;
        assert_eq!((job.state, job.finished), (State::Cancelled, b.now()));
        assert_eq!((job.attempt, job.delivery, job.worker), (0, 0, None));
        let counts = b.depths().await;
        assert_eq!((counts.available, counts.cancelled), (2, 1));
        assert_eq!(Worker::new(&b).claim_ids(9).await, [ids[0], ids[2]]);
    }
);

broker_test!(
    a_cancellation_is_on_the_record_with_its_reason,
    |b| async move {
        let id = b.add_plain(1).await[0];
        stop(&b, id).await;
        let job = b.look(id).await;
        assert_eq!(job.attempts.len(), 1);
        let last = &job.attempts[0];
        assert_eq!(
            (last.ending, last.delivery, last.worker),
            (Ending::Cancelled, 0, WorkerId(0))
        );
        assert_eq!((last.started.0, last.took), (0, secs(0)));
        let failure = last.failure.as_ref().unwrap();
        assert_eq!(failure.kind, "cancelled");
        assert_eq!(failure.message, "cancelled before it ran");
    }
);

broker_test!(
    what_waits_for_its_time_is_cancelled_and_never_becomes_due,
    |b| async move {
        let scheduled = b
            .add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(5))))
            .await[0];
        let retryable = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(fail(&claimed, secs(5))).await;
        let answer = b.cancel(TENANT, &[scheduled, retryable]).await.unwrap();
        assert_eq!(answer, [Cancelled::Now; 2]);
        let job = b.look(retryable).await;
        assert_eq!((job.state, job.attempt), (State::Cancelled, 1));
        assert_eq!(job.attempts[0], attempt(&claimed, Ending::Failed));
        let last = &job.attempts[1];
        assert_eq!((last.ending, last.delivery), (Ending::Cancelled, 1));
        b.pass(secs(9));
        assert_eq!(b.promote_all().await, 0);
        assert!(worker.claim(9).await.is_empty());
        let counts = b.depths().await;
        assert_eq!((counts.scheduled, counts.retryable), (0, 0));
        assert_eq!((counts.available, counts.cancelled), (0, 2));
    }
);

broker_test!(a_running_job_is_asked_and_goes_on, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert!(!b.look(id).await.cancelling);
    for _ in 0..2 {
        assert_eq!(stop(&b, id).await, Cancelled::Asked);
        let job = b.look(id).await;
        assert_eq!((job.state, job.cancelling), (State::Running, true));
        assert_eq!(b.depths().await.running, 1);
    }
    assert_eq!(
        worker.settle(complete(&claimed, &[7])).await,
        Settled::Recorded
    );
    let job = b.look(id).await;
    assert_eq!(job.state, State::Completed, "it was faster");
    assert_eq!(job.result, Some(vec![7].into()));
});

broker_test!(
    a_job_that_was_asked_to_stop_is_cancelled_by_all_but_its_completion,
    |b| async move {
        let ids = b.add_plain(4).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(4).await;
        b.cancel(TENANT, &ids).await.unwrap();
        b.pass(secs(1));
        let all = [
            fail(&claimed[0], secs(5)),
            discard(&claimed[1]),
            cancel(&claimed[2]),
            give_back(&claimed[3], secs(0)),
        ];
        for round in ["first", "repeated"] {
            let answer = b.settle(worker.id, &all).await.unwrap();
            assert_eq!(answer, [Settled::Recorded; 4], "{round}");
        }
        assert_eq!(b.states(&ids).await, [State::Cancelled; 4]);
        let endings = [Ending::Failed, Ending::OutOfFuel, Ending::Cancelled];
        for (n, ending) in endings.into_iter().enumerate() {
            let job = b.look(ids[n]).await;
            assert_eq!(job.attempts, [attempt(&claimed[n], ending)]);
            assert_eq!(job.finished, b.now());
        }
        let counts = b.depths().await;
        assert_eq!((counts.running, counts.cancelled), (0, 4));
        b.pass(secs(9));
        assert_eq!(b.promote_all().await, 0);
        assert!(worker.claim(9).await.is_empty());
    }
);

broker_test!(
    what_has_ended_stays_as_it_is_and_what_is_not_there_is_missing,
    |b| async move {
        let ids = b.add_plain(4).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        worker.settle(complete(&claimed[0], &[1])).await;
        worker.settle(discard(&claimed[1])).await;
        worker.settle(cancel(&claimed[2])).await;
        let before = b.jobs(TENANT, &ids[..3]).await.unwrap();
        let none = JobId::new(b.home());
        let asked = [ids[0], none, ids[1], ids[2], ids[3], ids[3]];
        assert_eq!(
            b.cancel(TENANT, &asked).await.unwrap(),
            [
                Cancelled::Ended(State::Completed),
                Cancelled::Missing,
                Cancelled::Ended(State::Discarded),
                Cancelled::Ended(State::Cancelled),
                Cancelled::Now,
                Cancelled::Ended(State::Cancelled),
            ]
        );
        assert_eq!(b.jobs(TENANT, &ids[..3]).await.unwrap(), before);
        assert_eq!(b.cancel(TENANT, &[]).await.unwrap(), []);
        let other = b.neighbours(2).remove(1);
        let answer = b.cancel(&other, &ids[..1]).await.unwrap();
        assert_eq!(answer, [Cancelled::Missing], "it is not that tenant's");
    }
);

broker_test!(
    the_reclaim_cancels_what_its_dead_worker_was_asked_to_stop,
    |b| async move {
        let ids = b.add_plain(2).await;
        Worker::new(&b).claim(2).await;
        stop(&b, ids[0]).await;
        b.pass(Worker::LEASE + secs(1));
        let done = b.reclaim(b.home(), 10).await.unwrap();
        let expected = Reclaimed {
            workers: 1,
            jobs: 1,
            lost: 0,
        };
        assert_eq!(done, expected);
        let job = b.look(ids[0]).await;
        assert_eq!((job.state, job.finished), (State::Cancelled, b.now()));
        assert_eq!(Worker::new(&b).claim_ids(9).await, ids[1..]);
        assert_eq!(b.depths().await.cancelled, 1);
    }
);

broker_test!(
    a_worker_that_retires_leaves_cancelled_what_it_was_asked_to_stop,
    |b| async move {
        let ids = b.add_plain(2).await;
        let worker = Worker::new(&b);
        worker.claim(2).await;
        stop(&b, ids[1]).await;
        b.retire(b.home(), worker.id).await.unwrap();
        let states = b.states(&ids).await;
        assert_eq!(states, [State::Available, State::Cancelled]);
        assert_eq!(Worker::new(&b).claim_ids(9).await, ids[..1]);
    }
);

broker_test!(
    the_worker_that_runs_a_job_hears_of_its_cancellation_and_no_other,
    |b| async move {
        let ids = b.add_plain(2).await;
        let (mine, other) = (Worker::new(&b), Worker::new(&b));
        let mut mine_hears = listen(&b, mine.id).await;
        let mut other_hears = listen(&b, other.id).await;
        assert_eq!(mine.claim_ids(1).await, ids[..1]);
        assert_eq!(other.claim_ids(1).await, ids[1..]);
        stop(&b, ids[0]).await;
        hears(&mut mine_hears, of(ids[0])).await;
        // A later signal that both hear: what comes before it has come.
        let manifest = Manifest {
            size: 1,
            tasks: Vec::new(),
            wants: Default::default(),
        };
        let digest = b.put(TENANT, b"m", &manifest).await.unwrap();
        b.stage(TENANT, "basics", digest, "me").await.unwrap();
        let before = hears(&mut other_hears, Signal::Staged).await;
        assert!(!before.contains(&of(ids[0])), "{before:?}");
    }
);

broker_test!(
    each_heartbeat_repeats_a_cancellation_until_it_is_settled,
    |b| async move {
        let ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        assert!(worker.beat().await.unwrap().cancelled.is_empty());
        b.cancel(TENANT, &[ids[0], ids[2]]).await.unwrap();
        for _ in 0..3 {
            let told = worker.beat_cancels().await;
            assert_eq!(told, [ids[0], ids[2]]);
        }
        worker.settle(cancel(&claimed[0])).await;
        assert_eq!(worker.beat_cancels().await, ids[2..]);
        worker.settle(complete(&claimed[2], &[1])).await;
        assert!(worker.beat().await.unwrap().cancelled.is_empty());
        assert!(Worker::new(&b).beat().await.unwrap().cancelled.is_empty());
    }
);

broker_test!(
    who_listens_anew_learns_what_it_missed_from_the_heartbeat,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let signals = listen(&b, worker.id).await;
        worker.claim_one().await;
        drop(signals);
        stop(&b, id).await;
        let mut signals = listen(&b, worker.id).await;
        assert!(!heard(&mut signals).contains(&of(id)));
        assert_eq!(worker.beat_cancels().await, [id]);
        stop(&b, id).await;
        hears(&mut signals, of(id)).await;
    }
);

broker_test!(a_wait_is_ended_by_a_cancellation, |b| async move {
    let id = b.add_plain(1).await[0];
    let broker = b.broker.clone();
    let waiting = tokio::spawn(async move { broker.wait(TENANT, &[id], SOON * 100).await });
    stop(&b, id).await;
    let ended = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
    let job = ended.unwrap().remove(0).unwrap();
    assert_eq!(job.state, State::Cancelled);
});

broker_test!(
    a_lane_full_of_cancelled_jobs_is_passed_in_bounded_steps,
    |b| async move {
        let ids = b.add_plain(3_000).await;
        b.cancel(TENANT, &ids[..2_999]).await.unwrap();
        assert_eq!(b.depths().await.available, 1);
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        for _ in 0..20 {
            let claimed = worker.claim_ids(1).await;
            if !claimed.is_empty() {
                assert_eq!(claimed, ids[2_999..]);
                return;
            }
            // It stopped early, so it calls itself again.
            hears(&mut signals, Signal::Work).await;
        }
        panic!("twenty claims did not pass 2,999 cancelled jobs");
    }
);

broker_test!(
    a_cancelled_job_is_still_there_under_its_id,
    |b| async move {
        let job = b.job();
        b.add(std::slice::from_ref(&job)).await;
        stop(&b, job.id).await;
        let answer = b.enqueue(TENANT, std::slice::from_ref(&job)).await.unwrap();
        assert_eq!(answer, [lovage_queue::broker::Enqueued::Exists]);
        assert!(Worker::new(&b).claim(9).await.is_empty());
    }
);
