//! Idempotency keys and unique keys: who holds one, until when, and what becomes
//! of a second job.

use std::time::Duration;

use lovage_queue::broker::{BrokerError, Enqueued, Requeued, Retention};
use lovage_queue::job::{Conflict, Ending, JobId, Key, NewJob, State, Unique, Until, When};

use super::harness::{Bench, TENANT, Worker, cancel, complete, discard, fail, give_back, secs};

fn named(b: &Bench, key: &str) -> NewJob {
    NewJob {
        key: Some(Key::idempotency(key)),
        ..b.job()
    }
}

fn unique(b: &Bench, until: Until, conflict: Conflict) -> NewJob {
    NewJob {
        unique: Some(Unique {
            key: Key::unique("the one"),
            until,
            conflict,
        }),
        ..b.job()
    }
}

async fn put(b: &Bench, job: NewJob) -> Enqueued {
    b.enqueue(TENANT, &[job]).await.unwrap()[0]
}

/// Enqueues a job that must be new; its id.
async fn new(b: &Bench, job: NewJob) -> JobId {
    let id = job.id;
    assert_eq!(put(b, job).await, Enqueued::New);
    id
}

broker_test!(
    a_second_call_of_the_same_key_is_the_first_job,
    |b| async move {
        let id = new(&b, named(&b, "order 17")).await;
        let other = new(&b, named(&b, "order 18")).await;
        assert_eq!(put(&b, named(&b, "order 17")).await, Enqueued::Instead(id));
        assert_eq!(b.depths().await.available, 2);
        assert_eq!(Worker::new(&b).claim_ids(9).await, [id, other]);
    }
);

broker_test!(
    an_idempotency_key_is_held_for_as_long_as_the_record_is_kept,
    |b| async move {
        let id = new(&b, named(&b, "k")).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let taken = Enqueued::Instead(id);
        assert_eq!(put(&b, named(&b, "k")).await, taken, "it runs");
        worker.settle(fail(&claimed, secs(0))).await;
        assert_eq!(put(&b, named(&b, "k")).await, taken, "it failed");
        worker
            .settle(complete(&worker.claim_one().await, &[1]))
            .await;
        assert_eq!(put(&b, named(&b, "k")).await, taken, "it is done");
        let keep = Retention::default();
        b.pass(keep.completed + secs(1));
        assert_eq!(put(&b, named(&b, "k")).await, taken, "it is old");
        assert_eq!(b.prune(b.home(), &keep, 10).await.unwrap(), 1);
        let next = new(&b, named(&b, "k")).await;
        b.cancel(TENANT, &[next]).await.unwrap();
        let taken = Enqueued::Instead(next);
        assert_eq!(put(&b, named(&b, "k")).await, taken, "it is cancelled");
        b.delete(TENANT, &[next]).await.unwrap();
        new(&b, named(&b, "k")).await;
    }
);

broker_test!(the_same_job_again_is_the_same_job, |b| async move {
    let mut job = unique(&b, Until::Done, Conflict::Reject);
    job.key = Some(Key::idempotency("k"));
    let batch = [job.clone(), b.job()];
    let first = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(first, [Enqueued::New; 2]);
    let again = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(again, [Enqueued::Exists; 2], "neither key is looked at");
    let worker = Worker::new(&b);
    let claimed = worker.claim(2).await;
    assert_eq!(put(&b, job.clone()).await, Enqueued::Exists);
    worker.settle(complete(&claimed[0], &[1])).await;
    assert_eq!(put(&b, job).await, Enqueued::Exists);
});

broker_test!(a_batch_sees_its_own_keys, |b| async move {
    let batch = [named(&b, "k"), named(&b, "k"), named(&b, "l")];
    let answer = b.enqueue(TENANT, &batch).await.unwrap();
    let first = Enqueued::Instead(batch[0].id);
    assert_eq!(answer, [Enqueued::New, first, Enqueued::New]);
    let twins = [(); 2].map(|()| unique(&b, Until::Done, Conflict::Existing));
    let answer = b.enqueue(TENANT, &twins).await.unwrap();
    assert_eq!(answer, [Enqueued::New, Enqueued::Instead(twins[0].id)]);
    assert_eq!(b.depths().await.available, 3);
});

broker_test!(keys_are_a_tenants_own_and_a_kinds_own, |b| async move {
    let other = b.neighbours(2).remove(1);
    new(&b, named(&b, "k")).await;
    new(&b, unique(&b, Until::Done, Conflict::Reject)).await;
    let mut theirs = unique(&b, Until::Done, Conflict::Reject);
    theirs.key = Some(Key::idempotency("k"));
    let answer = b.enqueue(&other, &[theirs]).await.unwrap();
    assert_eq!(answer, [Enqueued::New]);
    // The same bytes as a key of the other kind.
    let mut crossed = b.job();
    crossed.key = Some(Key::unique("the one"));
    new(&b, crossed).await;
});

broker_test!(
    until_start_the_key_is_free_once_a_worker_begins,
    |b| async move {
        let first = new(&b, unique(&b, Until::Start, Conflict::Existing)).await;
        let second = unique(&b, Until::Start, Conflict::Existing);
        assert_eq!(put(&b, second).await, Enqueued::Instead(first));
        Worker::new(&b).claim_one().await;
        let next = new(&b, unique(&b, Until::Start, Conflict::Existing)).await;
        let third = unique(&b, Until::Start, Conflict::Existing);
        assert_eq!(put(&b, third).await, Enqueued::Instead(next));
    }
);

broker_test!(until_start_a_scheduled_job_holds_its_key, |b| async move {
    let mut job = unique(&b, Until::Start, Conflict::Existing);
    job.eta = When::In(secs(5));
    let first = new(&b, job).await;
    let taken = Enqueued::Instead(first);
    let wish = || unique(&b, Until::Start, Conflict::Existing);
    assert_eq!(put(&b, wish()).await, taken);
    b.pass(secs(5));
    b.promote_all().await;
    assert_eq!(put(&b, wish()).await, taken);
    b.cancel(TENANT, &[first]).await.unwrap();
    new(&b, wish()).await;
});

broker_test!(
    until_done_the_key_is_free_once_the_job_has_ended,
    |b| async move {
        let worker = Worker::new(&b);
        let wish = || unique(&b, Until::Done, Conflict::Existing);
        for end in [complete_it, discard, cancel] {
            let id = new(&b, wish()).await;
            let taken = Enqueued::Instead(id);
            let claimed = worker.claim_one().await;
            assert_eq!(put(&b, wish()).await, taken, "it runs");
            worker.settle(fail(&claimed, secs(5))).await;
            assert_eq!(put(&b, wish()).await, taken, "it is retryable");
            b.pass(secs(5));
            b.promote_all().await;
            let claimed = worker.claim_one().await;
            worker.settle(give_back(&claimed, secs(0))).await;
            assert_eq!(put(&b, wish()).await, taken, "it was given back");
            worker.settle(end(&worker.claim_one().await)).await;
        }
        let lost = NewJob {
            crash_limit: 1,
            ..wish()
        };
        new(&b, lost).await;
        Worker::new(&b).claim_one().await;
        b.pass(Worker::LEASE + secs(1));
        assert_eq!(b.reclaim(b.home(), 10).await.unwrap().lost, 1);
        new(&b, wish()).await;
    }
);

fn complete_it(it: &lovage_queue::broker::Claimed) -> lovage_queue::job::Settlement {
    complete(it, &[1])
}

broker_test!(
    for_a_span_the_key_is_held_whatever_becomes_of_the_job,
    |b| async move {
        let wish = || unique(&b, Until::For(secs(60)), Conflict::Existing);
        let first = new(&b, wish()).await;
        let worker = Worker::new(&b);
        worker
            .settle(complete(&worker.claim_one().await, &[1]))
            .await;
        b.pass(Duration::from_millis(59_999));
        assert_eq!(put(&b, wish()).await, Enqueued::Instead(first));
        b.pass(Duration::from_millis(1));
        let second = new(&b, wish()).await;
        b.pass(secs(59));
        let taken = Enqueued::Instead(second);
        assert_eq!(put(&b, wish()).await, taken, "its span is its own");
        b.cancel(TENANT, &[second]).await.unwrap();
        assert_eq!(put(&b, wish()).await, taken, "only the time counts");
        b.delete(TENANT, &[second]).await.unwrap();
        new(&b, wish()).await;
    }
);

broker_test!(
    a_span_that_is_over_frees_even_a_job_that_waits,
    |b| async move {
        let wish = || unique(&b, Until::For(secs(60)), Conflict::Existing);
        new(&b, wish()).await;
        b.pass(secs(60));
        new(&b, wish()).await;
        assert_eq!(b.depths().await.available, 2);
    }
);

broker_test!(
    who_asks_to_be_refused_is_refused_with_all_of_its_batch,
    |b| async move {
        let held = new(&b, unique(&b, Until::Done, Conflict::Existing)).await;
        let batch = [
            b.job(),
            named(&b, "k"),
            unique(&b, Until::Done, Conflict::Reject),
        ];
        let refused = b.enqueue(TENANT, &batch).await;
        assert!(
            matches!(refused, Err(BrokerError::Duplicate(id)) if id == held),
            "{refused:?}"
        );
        assert_eq!(b.depths().await.available, 1);
        let ids = [batch[0].id, batch[1].id, batch[2].id];
        assert_eq!(b.jobs(TENANT, &ids).await.unwrap(), [None, None, None]);
        new(&b, named(&b, "k")).await;
        b.cancel(TENANT, &[held]).await.unwrap();
        let twins = [(); 2].map(|()| unique(&b, Until::Done, Conflict::Reject));
        let refused = b.enqueue(TENANT, &twins).await;
        assert!(
            matches!(refused, Err(BrokerError::Duplicate(id)) if id == twins[0].id),
            "{refused:?}"
        );
        assert_eq!(b.depths().await.available, 1);
        new(&b, unique(&b, Until::Done, Conflict::Reject)).await;
    }
);

broker_test!(a_replacement_cancels_what_it_replaces, |b| async move {
    let wish = |delay| NewJob {
        eta: When::In(secs(delay)),
        ..unique(&b, Until::Done, Conflict::Replace)
    };
    let first = new(&b, wish(5)).await;
    let second = new(&b, wish(5)).await;
    let third = new(&b, wish(0)).await;
    let fourth = new(&b, wish(0)).await;
    let states = b.states(&[first, second, third, fourth]).await;
    assert_eq!(states[..3], [State::Cancelled; 3]);
    assert_eq!(states[3], State::Available);
    let ending = b.look(first).await.attempts[0].ending;
    assert_eq!(ending, Ending::Cancelled);
    b.pass(secs(5));
    assert_eq!(b.promote_all().await, 0);
    assert_eq!(Worker::new(&b).claim_ids(9).await, [fourth]);
    assert_eq!(b.depths().await.cancelled, 3);
});

broker_test!(a_running_job_that_is_replaced_is_asked, |b| async move {
    let first = new(&b, unique(&b, Until::Done, Conflict::Existing)).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let second = new(&b, unique(&b, Until::Done, Conflict::Replace)).await;
    assert!(b.look(first).await.cancelling);
    assert_eq!(worker.beat_cancels().await, [first]);
    worker.settle(fail(&claimed, secs(0))).await;
    assert_eq!(b.look(first).await.state, State::Cancelled);
    let third = unique(&b, Until::Done, Conflict::Existing);
    assert_eq!(
        put(&b, third).await,
        Enqueued::Instead(second),
        "the end of the first does not free the key of the second"
    );
});

broker_test!(a_batch_replaces_within_itself, |b| async move {
    let batch = [(); 3].map(|()| unique(&b, Until::Done, Conflict::Replace));
    let answer = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(answer, [Enqueued::New; 3]);
    let again = b.enqueue(TENANT, &batch).await.unwrap();
    assert_eq!(
        again,
        [Enqueued::Exists; 3],
        "a lost answer repeats nothing"
    );
    assert_eq!(Worker::new(&b).claim_ids(9).await, [batch[2].id]);
    let counts = b.depths().await;
    assert_eq!((counts.cancelled, counts.available), (2, 0));
});

broker_test!(
    a_requeued_job_takes_its_key_again_unless_another_has_it,
    |b| async move {
        for until in [Until::Done, Until::Start] {
            let wish = || unique(&b, until, Conflict::Existing);
            let first = new(&b, wish()).await;
            b.cancel(TENANT, &[first]).await.unwrap();
            let second = new(&b, wish()).await;
            let refused = b.requeue(TENANT, &[first]).await.unwrap();
            assert_eq!(refused, [Requeued::Duplicate(second)], "{until:?}");
            assert_eq!(b.look(first).await.state, State::Cancelled);
            b.cancel(TENANT, &[second]).await.unwrap();
            let taken = b.requeue(TENANT, &[first]).await.unwrap();
            assert_eq!(taken, [Requeued::Now]);
            assert_eq!(put(&b, wish()).await, Enqueued::Instead(first));
            b.cancel(TENANT, &[first]).await.unwrap();
        }
    }
);

broker_test!(a_requeued_job_does_not_take_a_span_again, |b| async move {
    let wish = || unique(&b, Until::For(secs(60)), Conflict::Existing);
    let first = new(&b, wish()).await;
    b.cancel(TENANT, &[first]).await.unwrap();
    b.pass(secs(60));
    let second = new(&b, wish()).await;
    assert_eq!(b.requeue(TENANT, &[first]).await.unwrap(), [Requeued::Now]);
    assert_eq!(put(&b, wish()).await, Enqueued::Instead(second));
});

broker_test!(two_of_a_kind_are_requeued_as_one, |b| async move {
    let wish = || unique(&b, Until::Done, Conflict::Existing);
    let first = new(&b, wish()).await;
    b.cancel(TENANT, &[first]).await.unwrap();
    let second = new(&b, wish()).await;
    b.cancel(TENANT, &[second]).await.unwrap();
    let answer = b.requeue(TENANT, &[first, second]).await.unwrap();
    assert_eq!(answer, [Requeued::Now, Requeued::Duplicate(first)]);
    assert_eq!(b.depths().await.available, 1);
});
