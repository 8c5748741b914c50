//! Settle: each action, fenced by delivery and worker, safe to repeat.

use lovage_queue::broker::{BrokerError, Settled};
use lovage_queue::job::{Ending, JobId, State, WorkerId};

use super::harness::{
    BEGIN, TENANT, Worker, attempt, cancel, complete, discard, fail, give_back, secs,
};

broker_test!(
    a_completed_job_has_its_result_and_its_attempt,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.pass(secs(2));
        assert_eq!(
            worker.settle(complete(&claimed, &[0x2a])).await,
            Settled::Recorded
        );
        let job = b.look(id).await;
        assert_eq!(
            (job.state, job.result),
            (State::Completed, Some(vec![0x2a].into()))
        );
        assert_eq!(
            (job.finished, job.attempt, job.worker),
            (b.now(), 0, Some(worker.id))
        );
        assert_eq!(job.attempts, [attempt(&claimed, Ending::Completed)]);
    }
);

broker_test!(
    a_failed_job_is_retryable_until_its_wait_is_over,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(fail(&claimed, secs(5))).await;
        let job = b.look(id).await;
        assert_eq!(
            (job.state, job.attempt, job.delivery),
            (State::Retryable, 1, 1)
        );
        assert_eq!(
            (job.available, job.result, job.finished.0),
            (BEGIN.after(secs(5)), None, 0)
        );
        assert!(worker.claim(1).await.is_empty());
        b.pass(secs(5));
        b.promote(b.home(), 10).await.unwrap();
        let again = worker.claim_one().await;
        assert_eq!(again.delivery, 2);
        assert_eq!(
            again.job.unwrap().attempts,
            [attempt(&claimed, Ending::Failed)]
        );
    }
);

broker_test!(
    a_retry_without_a_wait_is_available_at_once_behind_the_others,
    |b| async move {
        let ids = b.add_plain(2).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.pass(secs(1));
        worker.settle(fail(&claimed, secs(0))).await;
        let job = b.look(ids[0]).await;
        assert_eq!(
            (job.state, job.attempt, job.available),
            (State::Available, 1, b.now())
        );
        assert_eq!(worker.claim_ids(9).await, [ids[1], ids[0]]);
    }
);

broker_test!(
    a_discarded_job_counts_its_failure_and_is_kept,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(discard(&claimed)).await;
        let job = b.look(id).await;
        assert_eq!(
            (job.state, job.attempt, job.finished),
            (State::Discarded, 1, b.now())
        );
        assert_eq!(job.attempts, [attempt(&claimed, Ending::OutOfFuel)]);
    }
);

broker_test!(a_cancelled_job_counts_no_failure, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    worker.settle(cancel(&worker.claim_one().await)).await;
    let job = b.look(id).await;
    assert_eq!(
        (job.state, job.attempt, job.finished),
        (State::Cancelled, 0, b.now())
    );
});

broker_test!(
    a_job_given_back_goes_to_the_front_and_counts_nothing,
    |b| async move {
        let ids = b.add_plain(4).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        b.pass(secs(9));
        let settlements: Vec<_> = claimed.iter().map(|it| give_back(it, secs(0))).collect();
        assert_eq!(
            b.settle(worker.id, &settlements).await.unwrap(),
            [Settled::Recorded; 2]
        );
        let job = b.look(ids[0]).await;
        assert_eq!(
            (job.state, job.attempt, job.delivery),
            (State::Available, 0, 1)
        );
        assert_eq!(job.available, BEGIN, "it keeps its place in time");
        assert_eq!(worker.claim_ids(9).await, ids);
    }
);

broker_test!(a_job_given_back_for_later_is_scheduled, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    worker
        .settle(give_back(&worker.claim_one().await, secs(5)))
        .await;
    let job = b.look(id).await;
    assert_eq!(
        (job.state, job.attempt, job.available),
        (State::Scheduled, 0, BEGIN.after(secs(5)))
    );
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    assert_eq!(worker.claim_one().await.id, id);
});

broker_test!(a_repeated_settlement_is_recorded_once, |b| async move {
    b.add_plain(5).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim(5).await;
    let all = [
        complete(&claimed[0], &[1]),
        fail(&claimed[1], secs(5)),
        discard(&claimed[2]),
        cancel(&claimed[3]),
        give_back(&claimed[4], secs(5)),
    ];
    assert_eq!(
        b.settle(worker.id, &all).await.unwrap(),
        [Settled::Recorded; 5]
    );
    let before = b
        .jobs(TENANT, &claimed.iter().map(|it| it.id).collect::<Vec<_>>())
        .await
        .unwrap();
    let counts = b.depths().await;
    b.pass(secs(1));
    assert_eq!(
        b.settle(worker.id, &all).await.unwrap(),
        [Settled::Recorded; 5]
    );
    let after = b
        .jobs(TENANT, &claimed.iter().map(|it| it.id).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(after, before);
    assert_eq!(b.depths().await, counts);
});

broker_test!(
    a_settlement_of_an_earlier_delivery_is_stale,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        worker.settle(give_back(&first, secs(0))).await;
        let second = worker.claim_one().await;
        assert_eq!(worker.settle(complete(&first, &[1])).await, Settled::Stale);
        assert_eq!(b.look(first.id).await.state, State::Running);
        assert_eq!(
            worker.settle(complete(&second, &[2])).await,
            Settled::Recorded
        );
        assert_eq!(worker.settle(complete(&first, &[1])).await, Settled::Stale);
        assert_eq!(
            b.look(first.id).await.result,
            Some(vec![2].into()),
            "never written over"
        );
    }
);

broker_test!(a_settlement_by_another_worker_is_stale, |b| async move {
    b.add_plain(1).await;
    let claimed = Worker::new(&b).claim_one().await;
    let stranger = WorkerId::random();
    let answer = b
        .settle(stranger, &[complete(&claimed, &[1])])
        .await
        .unwrap();
    assert_eq!(answer, [Settled::Stale]);
    assert_eq!(b.look(claimed.id).await.state, State::Running);
});

broker_test!(
    a_settlement_of_no_job_is_missing_and_spoils_no_batch,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let mut missing = complete(&claimed, &[1]);
        missing.id = JobId::new(b.home());
        let answer = b
            .settle(worker.id, &[missing, complete(&claimed, &[1])])
            .await
            .unwrap();
        assert_eq!(answer, [Settled::Missing, Settled::Recorded]);
        assert_eq!(b.settle(worker.id, &[]).await.unwrap(), []);
    }
);

broker_test!(
    a_result_without_its_attempt_is_refused_and_nothing_is_written,
    |b| async move {
        b.add_plain(2).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        let mut bare = complete(&claimed[1], &[1]);
        bare.attempt = None;
        let refused = b
            .settle(worker.id, &[complete(&claimed[0], &[1]), bare])
            .await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid(_))),
            "{refused:?}"
        );
        assert_eq!(b.depths().await.running, 2);
    }
);

broker_test!(every_attempt_is_kept_and_fuel_is_summed, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let mut expected = Vec::new();
    for _ in 0..3 {
        let claimed = worker.claim_one().await;
        expected.push(attempt(&claimed, Ending::Failed));
        worker.settle(fail(&claimed, secs(0))).await;
        b.pass(secs(1));
    }
    let claimed = worker.claim_one().await;
    expected.push(attempt(&claimed, Ending::Completed));
    worker.settle(complete(&claimed, &[0x2a])).await;
    let job = b.look(id).await;
    assert_eq!(job.attempts, expected);
    assert_eq!((job.attempt, job.delivery, job.fuel), (3, 4, 4_000));
    assert_eq!(job.result, Some(vec![0x2a].into()));
});

broker_test!(a_large_result_is_kept_whole, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let result: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    worker
        .settle(complete(&worker.claim_one().await, &result))
        .await;
    assert_eq!(b.look(id).await.result, Some(result.into()));
});
