//! Expiry: a job that has not begun when its time is over is cancelled instead.

use std::time::Duration;

use lovage_queue::broker::{Cancelled, Enqueued, Promoted};
use lovage_queue::job::{
    Conflict, Ending, JobId, Key, NewJob, State, Unique, Until, When, WorkerId,
};

use super::harness::signals::SOON;
use super::harness::{BEGIN, Bench, TENANT, Worker, at_once, complete, fail, give_back, secs};

const MILLI: Duration = Duration::from_millis(1);

/// A job that must have begun within so many seconds.
fn within(b: &Bench, seconds: u64) -> NewJob {
    NewJob {
        expiry: Some(When::In(secs(seconds))),
        ..b.job()
    }
}

async fn add(b: &Bench, job: NewJob) -> JobId {
    b.add(&[job]).await[0]
}

async fn assert_expired(b: &Bench, id: JobId) {
    let job = b.look(id).await;
    assert_eq!((job.state, job.finished), (State::Cancelled, b.now()));
    assert_eq!((job.attempt, job.delivery, job.worker), (0, 0, None));
    assert_eq!(job.attempts.len(), 1);
    let last = &job.attempts[0];
    assert_eq!((last.ending, last.worker), (Ending::Expired, WorkerId(0)));
    let failure = last.failure.as_ref().unwrap();
    assert_eq!(failure.kind, "expired");
    assert_eq!(failure.message, "it had not begun when its time was over");
}

broker_test!(
    a_job_that_is_past_its_expiry_is_cancelled_instead_of_claimed,
    |b| async move {
        let late = add(&b, within(&b, 5)).await;
        let lasting = add(&b, within(&b, 6)).await;
        let plain = b.add_plain(1).await[0];
        b.pass(secs(5));
        assert_eq!(Worker::new(&b).claim_ids(9).await, [lasting, plain]);
        assert_expired(&b, late).await;
        let counts = b.depths().await;
        assert_eq!((counts.available, counts.running), (0, 2));
        assert_eq!(counts.cancelled, 1);
    }
);

broker_test!(a_job_begins_up_to_its_expiry, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    b.pass(secs(5) - MILLI);
    assert_eq!(Worker::new(&b).claim_ids(9).await, [id]);
});

broker_test!(an_expiry_may_be_a_moment, |b| async move {
    let job = NewJob {
        expiry: Some(When::At(BEGIN.after(secs(9)))),
        ..b.job()
    };
    let id = add(&b, job).await;
    let expiry = b.look(id).await.call.expiry;
    assert_eq!(expiry, Some(When::At(BEGIN.after(secs(9)))));
    b.pass(secs(9));
    assert!(Worker::new(&b).claim(9).await.is_empty());
    assert_expired(&b, id).await;
});

broker_test!(
    an_expiry_comes_by_itself_even_if_nobody_claims,
    |b| async move {
        let id = add(&b, within(&b, 5)).await;
        let promoted = b.promote(b.home(), 10).await.unwrap();
        let waits = Promoted {
            jobs: 0,
            next: Some(secs(5)),
            schedules: false,
            flows: false,
        };
        assert_eq!(promoted, waits);
        b.pass(secs(5));
        let promoted = b.promote(b.home(), 10).await.unwrap();
        let done = Promoted {
            jobs: 0,
            next: None,
            schedules: false,
            flows: false,
        };
        assert_eq!(promoted, done, "it made nothing available");
        assert_expired(&b, id).await;
        assert!(Worker::new(&b).claim(9).await.is_empty());
    }
);

broker_test!(
    a_job_that_expires_before_its_time_comes_never_becomes_available,
    |b| async move {
        let mut job = within(&b, 5);
        job.eta = When::In(secs(50));
        let id = add(&b, job).await;
        let next = b.promote(b.home(), 10).await.unwrap().next;
        assert_eq!(next, Some(secs(5)));
        b.pass(secs(5));
        b.promote(b.home(), 10).await.unwrap();
        assert_expired(&b, id).await;
        b.pass(secs(45));
        assert_eq!(b.promote_all().await, 0);
        assert_eq!(b.depths().await.scheduled, 0);
    }
);

broker_test!(
    when_both_times_are_over_the_expiry_goes_first,
    |b| async move {
        let mut job = within(&b, 5);
        job.eta = When::In(secs(3));
        let id = add(&b, job).await;
        b.pass(secs(9));
        let promoted = b.promote(b.home(), 10).await.unwrap();
        assert_eq!(promoted.next, None);
        assert!(Worker::new(&b).claim(9).await.is_empty());
        assert_expired(&b, id).await;
    }
);

broker_test!(what_has_begun_once_does_not_expire, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    b.pass(secs(9));
    b.promote(b.home(), 10).await.unwrap();
    assert_eq!(b.look(id).await.state, State::Running, "it runs");
    worker.settle(fail(&claimed, secs(2))).await;
    b.pass(secs(2));
    assert_eq!(b.promote_all().await, 1, "it failed once");
    let again = worker.claim_one().await;
    worker.settle(complete(&again, &[1])).await;
    assert_eq!(b.look(id).await.state, State::Completed);
    assert_eq!(b.promote(b.home(), 10).await.unwrap().next, None);
});

broker_test!(
    a_job_that_was_given_back_unrun_still_expires,
    |b| async move {
        let id = add(&b, within(&b, 5)).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(give_back(&claimed, secs(0))).await;
        b.pass(secs(5));
        assert!(worker.claim(9).await.is_empty());
        b.promote(b.home(), 10).await.unwrap();
        let job = b.look(id).await;
        assert_eq!((job.state, job.attempt), (State::Cancelled, 0));
        let ending = job.attempts.last().unwrap().ending;
        assert_eq!(ending, Ending::Expired);
    }
);

broker_test!(a_requeued_job_does_not_expire_again, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    b.requeue(TENANT, &[id]).await.unwrap();
    let promoted = b.promote(b.home(), 10).await.unwrap();
    assert_eq!(promoted.next, None);
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    assert_eq!(Worker::new(&b).claim_ids(9).await, [id]);
});

broker_test!(an_expired_job_frees_its_unique_key, |b| async move {
    let wish = || NewJob {
        unique: Some(Unique {
            key: Key::unique("u"),
            until: Until::Done,
            conflict: Conflict::Existing,
        }),
        ..within(&b, 5)
    };
    let first = add(&b, wish()).await;
    let answer = b.enqueue(TENANT, &[wish()]).await.unwrap();
    assert_eq!(answer, [Enqueued::Instead(first)]);
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    assert_expired(&b, first).await;
    let answer = b.enqueue(TENANT, &[wish()]).await.unwrap();
    assert_eq!(answer, [Enqueued::New]);
});

broker_test!(
    an_expired_job_is_in_no_ones_way_and_takes_no_place,
    |b| async move {
        b.allow("tenant", at_once(1)).await;
        let lane = |job: NewJob| NewJob {
            lane: "a".into(),
            ..job
        };
        let late: Vec<_> = (0..50).map(|_| lane(within(&b, 5))).collect();
        let late = b.add(&late).await;
        let last = add(&b, lane(b.job())).await;
        b.pass(secs(5));
        let worker = Worker::new(&b);
        let claimed = worker.claim_ids(1).await;
        assert_eq!(claimed, [last], "one claim passes them all");
        assert_eq!(b.running_in("tenant").await, 1);
        assert_eq!(b.states(&late).await, [State::Cancelled; 50]);
    }
);

broker_test!(a_cancelled_job_does_not_expire_too, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    assert_eq!(b.cancel(TENANT, &[id]).await.unwrap(), [Cancelled::Now]);
    let before = b.look(id).await;
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    assert_eq!(b.look(id).await, before);
    assert_eq!(b.depths().await.cancelled, 1);
});

broker_test!(a_paused_job_expires_all_the_same, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    b.hold("queue:default").await;
    assert!(Worker::new(&b).claim(9).await.is_empty());
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    assert_expired(&b, id).await;
    b.resume("queue:default").await;
    assert!(Worker::new(&b).claim(9).await.is_empty());
});

broker_test!(a_wait_is_ended_by_an_expiry, |b| async move {
    let id = add(&b, within(&b, 5)).await;
    let broker = b.broker.clone();
    let waiting = tokio::spawn(async move { broker.wait(TENANT, &[id], SOON * 100).await });
    b.pass(secs(5));
    b.promote(b.home(), 10).await.unwrap();
    let ended = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap();
    let job = ended.unwrap().remove(0).unwrap();
    assert_eq!(job.state, State::Cancelled);
});

broker_test!(
    a_promotion_cancels_no_more_than_its_limit_and_says_so,
    |b| async move {
        let jobs: Vec<_> = (0..25).map(|_| within(&b, 5)).collect();
        b.add(&jobs).await;
        b.pass(secs(5));
        let mut rounds = 0;
        while let Some(next) = b.promote(b.home(), 10).await.unwrap().next {
            assert_eq!(next, Duration::ZERO, "more is due already");
            rounds += 1;
            assert!(rounds < 9, "it comes to an end");
        }
        assert!(rounds >= 2, "ten at a time");
        assert_eq!(b.depths().await.cancelled, 25);
    }
);
