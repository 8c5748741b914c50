//! The dead list: what was given up comes back, or is forgotten.

use lovage_queue::broker::{Enqueued, Filter, Requeued, Signal};
use lovage_queue::job::{Ending, JobId, State, When};

use super::harness::signals::{hears, listen};
use super::harness::{
    Bench, TENANT, Worker, all, attempt, cancel, complete, discard, fail, give_back, secs,
};

async fn again(b: &Bench, id: JobId) -> Requeued {
    b.requeue(TENANT, &[id]).await.unwrap()[0]
}

/// One job that was given up.
async fn given_up(b: &Bench) -> JobId {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(b);
    worker.settle(discard(&worker.claim_one().await)).await;
    id
}

broker_test!(
    a_discarded_job_is_available_again_as_if_it_had_never_failed,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        worker.settle(fail(&first, secs(0))).await;
        let second = worker.claim_one().await;
        worker.settle(discard(&second)).await;
        b.pass(secs(7));
        assert_eq!(again(&b, id).await, Requeued::Now);
        let job = b.look(id).await;
        assert_eq!(
            (job.state, job.available),
            (State::Available, b.now()),
            "it is as old as its requeue"
        );
        assert_eq!((job.attempt, job.crash, job.finished.0), (0, 0, 0));
        assert_eq!((job.worker, job.delivery), (None, 2), "the fence stays");
        let expected = [
            attempt(&first, Ending::Failed),
            attempt(&second, Ending::OutOfFuel),
        ];
        assert_eq!(job.attempts, expected, "and what is known of it");
        let counts = b.depths().await;
        assert_eq!((counts.available, counts.discarded), (1, 0));
        assert!(b.ids_in(State::Discarded).await.is_empty());
        assert_eq!(b.ids_in(State::Available).await, [id]);
        let third = worker.claim_one().await;
        assert_eq!((third.id, third.delivery), (id, 3));
        worker.settle(complete(&third, &[7])).await;
        assert_eq!(b.look(id).await.result, Some(vec![7].into()));
    }
);

broker_test!(
    a_job_that_was_stopped_while_it_ran_is_not_stopped_again,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[id]).await.unwrap();
        worker.settle(cancel(&claimed)).await;
        assert_eq!(again(&b, id).await, Requeued::Now);
        assert!(!b.look(id).await.cancelling);
        let claimed = worker.claim_one().await;
        assert!(worker.beat().await.unwrap().cancelled.is_empty());
        worker.settle(fail(&claimed, secs(5))).await;
        let job = b.look(id).await;
        assert_eq!((job.state, job.attempt), (State::Retryable, 1));
    }
);

broker_test!(
    a_job_that_was_cancelled_before_it_ran_runs_after_all,
    |b| async move {
        let id = b
            .add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(50))))
            .await[0];
        b.cancel(TENANT, &[id]).await.unwrap();
        assert_eq!(again(&b, id).await, Requeued::Now);
        assert_eq!(Worker::new(&b).claim_ids(9).await, [id], "at once");
        b.pass(secs(50));
        assert_eq!(b.promote_all().await, 0, "its old time is forgotten");
        assert_eq!(b.depths().await.running, 1);
    }
);

broker_test!(a_lost_job_gets_all_its_crashes_back, |b| async move {
    let id = b.add(&b.jobs_with(1, |_, job| job.crash_limit = 2)).await[0];
    for lost in [0, 1, 0, 1] {
        Worker::new(&b).claim_one().await;
        b.pass(Worker::LEASE + secs(1));
        assert_eq!(b.reclaim(b.home(), 10).await.unwrap().lost, lost);
        if lost == 1 {
            assert_eq!(again(&b, id).await, Requeued::Now);
            assert_eq!(b.look(id).await.crash, 0);
        }
    }
});

broker_test!(a_requeued_job_goes_behind_those_that_wait, |b| async move {
    let id = given_up(&b).await;
    let waiting = b.add_plain(3).await;
    assert_eq!(again(&b, id).await, Requeued::Now);
    let order = [&waiting[..], &[id]].concat();
    assert_eq!(Worker::new(&b).claim_ids(9).await, order);
});

broker_test!(
    only_discarded_and_cancelled_jobs_are_requeued,
    |b| async move {
        let worker = Worker::new(&b);
        let ids = b.add_plain(5).await;
        let claimed = worker.claim(4).await;
        worker.settle(complete(&claimed[0], &[1])).await;
        worker.settle(fail(&claimed[1], secs(5))).await;
        worker.settle(give_back(&claimed[2], secs(5))).await;
        let before = b.jobs(TENANT, &ids).await.unwrap();
        let none = JobId::new(b.home());
        let asked = [&ids[..], &[none]].concat();
        assert_eq!(
            b.requeue(TENANT, &asked).await.unwrap(),
            [
                Requeued::Not(State::Completed),
                Requeued::Not(State::Retryable),
                Requeued::Not(State::Scheduled),
                Requeued::Not(State::Running),
                Requeued::Not(State::Available),
                Requeued::Missing,
            ]
        );
        assert_eq!(b.jobs(TENANT, &ids).await.unwrap(), before);
        assert_eq!(b.requeue(TENANT, &[]).await.unwrap(), []);
    }
);

broker_test!(a_job_twice_in_a_requeue_is_there_once, |b| async move {
    let id = given_up(&b).await;
    assert_eq!(
        b.requeue(TENANT, &[id, id]).await.unwrap(),
        [Requeued::Now, Requeued::Not(State::Available)]
    );
    assert_eq!(Worker::new(&b).claim(9).await.len(), 1);
    assert_eq!(b.depths().await.available, 0);
});

broker_test!(
    a_job_cancelled_in_its_lane_and_requeued_is_there_once,
    |b| async move {
        let ids = b.add_plain(2).await;
        for _ in 0..3 {
            b.cancel(TENANT, &ids[..1]).await.unwrap();
            b.pass(secs(1));
            assert_eq!(again(&b, ids[0]).await, Requeued::Now);
        }
        assert_eq!(b.depths().await.available, 2);
        assert_eq!(Worker::new(&b).claim_ids(9).await, [ids[1], ids[0]]);
        assert_eq!(b.depths().await.running, 2);
    }
);

broker_test!(
    a_late_settlement_of_a_requeued_job_is_stale,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        worker.settle(discard(&first)).await;
        again(&b, id).await;
        let second = worker.claim_one().await;
        let answer = worker.settle(complete(&first, &[1])).await;
        assert_eq!(answer, lovage_queue::broker::Settled::Stale);
        assert_eq!(b.look(second.id).await.state, State::Running);
    }
);

broker_test!(an_idle_worker_hears_of_requeued_work, |b| async move {
    let id = given_up(&b).await;
    let worker = Worker::new(&b);
    let mut signals = listen(&b, worker.id).await;
    assert!(worker.claim(1).await.is_empty());
    again(&b, id).await;
    hears(&mut signals, Signal::Work).await;
    assert_eq!(worker.claim_ids(1).await, [id]);
});

broker_test!(a_whole_dead_list_comes_back, |b| async move {
    let ids = b.add_plain(1_000).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim(1_000).await;
    let settlements: Vec<_> = claimed.iter().map(discard).collect();
    b.settle(worker.id, &settlements).await.unwrap();
    let answer = b.requeue(TENANT, &ids).await.unwrap();
    assert_eq!(answer, [Requeued::Now; 1_000]);
    assert_eq!(worker.claim_ids(1_000).await, ids);
});

broker_test!(
    the_dead_list_is_searched_by_reason_and_time,
    |b| async move {
        let ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        worker.settle(discard(&claimed[0])).await;
        b.pass(secs(10));
        worker.settle(discard(&claimed[1])).await;
        let mut other = discard(&claimed[2]);
        let why = other.attempt.as_mut().unwrap();
        (why.ending, why.failure.as_mut().unwrap().kind) = (Ending::Failed, "argument".into());
        worker.settle(other).await;
        let find = async |reason: Option<&str>, before: Option<u64>| {
            let filter = Filter {
                reason: reason.map(Into::into),
                before: before.map(|ago| lovage_queue::clock::Millis(b.now().0 - ago)),
                ..all(State::Discarded)
            };
            let page = b.list(TENANT, &filter).await.unwrap();
            let mut found: Vec<_> = page.jobs.iter().map(|job| job.call.id).collect();
            found.sort_by_key(|id| ids.iter().position(|it| it == id));
            found
        };
        assert_eq!(find(None, None).await, ids);
        assert_eq!(find(Some("argument"), None).await, ids[2..]);
        assert_eq!(find(Some("out-of-fuel"), None).await, ids[..2]);
        assert_eq!(find(Some("io"), None).await, ids[..2]);
        assert_eq!(find(Some("none"), None).await, []);
        assert_eq!(find(None, Some(0)).await, ids[..1]);
        assert_eq!(find(Some("io"), Some(9_999)).await, ids[..1]);
        assert_eq!(find(Some("argument"), Some(0)).await, []);
        let older = async |span| {
            let filter = Filter {
                older: Some(span),
                ..all(State::Discarded)
            };
            let page = b.list(TENANT, &filter).await.unwrap();
            page.jobs.iter().map(|job| job.call.id).collect::<Vec<_>>()
        };
        assert_eq!(older(secs(9)).await, ids[..1], "by the broker's clock");
        assert_eq!(older(secs(10)).await, []);
    }
);

broker_test!(what_has_ended_may_be_forgotten, |b| async move {
    let ids = b.add_plain(5).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim(4).await;
    worker.settle(complete(&claimed[0], &[1])).await;
    worker.settle(discard(&claimed[1])).await;
    worker.settle(cancel(&claimed[2])).await;
    let none = JobId::new(b.home());
    let asked = [&ids[..], &[none, ids[0]]].concat();
    assert_eq!(
        b.delete(TENANT, &asked).await.unwrap(),
        [true, true, true, false, false, false, false],
        "neither what runs, nor what waits, nor what is not there"
    );
    let left = b.jobs(TENANT, &ids).await.unwrap();
    let there: Vec<_> = left.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, false, false, true, true]);
    let counts = b.depths().await;
    assert_eq!((counts.completed, counts.discarded), (0, 0));
    assert_eq!((counts.cancelled, counts.running), (0, 1));
    for state in [State::Completed, State::Discarded, State::Cancelled] {
        assert!(b.ids_in(state).await.is_empty(), "{state}");
    }
    assert!(b.delete(TENANT, &[]).await.unwrap().is_empty());
});

broker_test!(a_forgotten_id_may_be_enqueued_again, |b| async move {
    let job = b.job();
    b.add(std::slice::from_ref(&job)).await;
    b.cancel(TENANT, &[job.id]).await.unwrap();
    assert_eq!(b.delete(TENANT, &[job.id]).await.unwrap(), [true]);
    assert_eq!(again(&b, job.id).await, Requeued::Missing);
    let answer = b.enqueue(TENANT, std::slice::from_ref(&job)).await.unwrap();
    assert_eq!(answer, [Enqueued::New]);
    assert_eq!(Worker::new(&b).claim_ids(9).await, [job.id], "once");
});

broker_test!(
    a_record_that_cannot_be_read_is_forgotten_but_not_requeued,
    |b| async move {
        let id = b.add_plain(1).await[0];
        b.corrupt(TENANT, id, b"\0no record").await;
        Worker::new(&b).claim(1).await;
        assert_eq!(b.depths().await.discarded, 1);
        assert_eq!(again(&b, id).await, Requeued::Missing);
        assert_eq!(b.depths().await.discarded, 1);
        assert_eq!(b.delete(TENANT, &[id]).await.unwrap(), [true]);
        assert_eq!(b.depths().await.discarded, 0);
        assert_eq!(b.jobs(TENANT, &[id]).await.unwrap(), [None]);
        let page = b.list(TENANT, &all(State::Discarded)).await.unwrap();
        assert!(page.corrupt.is_empty());
    }
);
