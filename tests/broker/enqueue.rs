//! Enqueue: all or none, in order, idempotent by id.

use lovage_queue::broker::{BrokerError, Enqueued};
use lovage_queue::job::{JobId, MAX_PRIORITY, Partition, Pin, State, When};
use lovage_queue::registry::Digest;

use super::harness::{BEGIN, TENANT, Worker, secs};

broker_test!(a_job_is_kept_as_it_was_enqueued, |b| async move {
    let mut job = b.job();
    job.lane = "user 42/ü".into();
    job.queue = "high".into();
    job.priority = 9;
    job.pin = Pin::Digest(Digest::of(b"x"));
    job.input = vec![0xc4; 60_000].into();
    job.eta = When::In(secs(3));
    job.options.max_attempts = Some(7);
    job.options.headers.insert("trace".into(), "1".into());
    assert_eq!(
        b.enqueue(TENANT, std::slice::from_ref(&job)).await.unwrap(),
        [Enqueued::New]
    );
    let kept = b.look(job.id).await;
    job.eta = When::At(BEGIN.after(secs(3)));
    assert_eq!(kept.call, job);
    assert_eq!(
        (kept.state, kept.delivery, kept.attempt, kept.crash),
        (State::Scheduled, 0, 0, 0)
    );
    assert_eq!(
        (kept.enqueued, kept.available),
        (BEGIN, BEGIN.after(secs(3)))
    );
    assert_eq!(
        (kept.worker, kept.result, kept.attempts.len()),
        (None, None, 0)
    );
});

broker_test!(a_batch_is_available_in_its_order, |b| async move {
    let ids = b.add_plain(100).await;
    assert_eq!(Worker::new(&b).claim_ids(100).await, ids);
});

broker_test!(
    a_job_with_a_delay_is_scheduled_and_the_others_are_available_at_once,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(3, |n, job| job.eta = When::In(secs(n as u64 % 2))))
            .await;
        assert_eq!(Worker::new(&b).claim_ids(9).await, [ids[0], ids[2]]);
        assert_eq!(b.look(ids[1]).await.state, State::Scheduled);
    }
);

broker_test!(
    enqueueing_the_same_id_again_changes_nothing,
    |b| async move {
        let job = b.job();
        b.add(std::slice::from_ref(&job)).await;
        let mut other = job.clone();
        other.task = "other".into();
        let answer = b.enqueue(TENANT, &[other.clone(), b.job()]).await.unwrap();
        assert_eq!(answer, [Enqueued::Exists, Enqueued::New]);
        assert_eq!(b.look(job.id).await.call.task, "add");
        assert_eq!(b.depths().await.available, 2);

        let worker = Worker::new(&b);
        worker.claim_one().await;
        assert_eq!(
            b.enqueue(TENANT, &[other]).await.unwrap(),
            [Enqueued::Exists],
            "while it runs"
        );
        assert_eq!(b.depths().await.running, 1);
    }
);

broker_test!(an_id_twice_in_a_batch_is_one_job, |b| async move {
    let job = b.job();
    let answer = b.enqueue(TENANT, &[job.clone(), job]).await.unwrap();
    assert_eq!(answer, [Enqueued::New, Enqueued::Exists]);
    assert_eq!(Worker::new(&b).claim(9).await.len(), 1);
});

broker_test!(all_jobs_of_a_batch_are_added_or_none, |b| async move {
    let mut wrong = b.job();
    wrong.priority = MAX_PRIORITY + 1;
    let refused = b.enqueue(TENANT, &[b.job(), wrong]).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(b.depths().await.available, 0);
});

broker_test!(an_id_of_another_partition_is_refused, |b| async move {
    let mut job = b.job();
    job.id = JobId::new(Partition(b.home().0 + 1));
    let refused = b.enqueue(TENANT, &[b.job(), job]).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    assert!(Worker::new(&b).claim(9).await.is_empty());
});

broker_test!(an_empty_batch_is_none, |b| async move {
    assert_eq!(b.enqueue(TENANT, &[]).await.unwrap(), []);
});
