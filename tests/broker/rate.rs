//! Rate: how often jobs may start, exact over time, however many workers share
//! it. Time passes as `Promoted.next` says.

use std::time::Duration;

use lovage_queue::broker::Signal;
use lovage_queue::clock::Millis;
use lovage_queue::job::NewJob;

use super::harness::signals::{heard, hears, listen};
use super::harness::{BEGIN, Bench, Worker, at_once, complete, give_back, paced, secs, unlimited};

const SCOPES: [&str; 5] = [
    "tenant",
    "queue:default",
    "lane:default/a",
    "lanes:default",
    "task:basics.add",
];

/// What may be borrowed from the time to come.
const AHEAD: Duration = Duration::from_millis(50);

async fn next(b: &Bench) -> Option<Duration> {
    b.promote(b.home(), 1_000).await.unwrap().next
}

/// Claims and completes all that may start until the time is up, by workers in
/// turn; the time of each start.
async fn run(b: &Bench, workers: &[Worker<'_>], until: Millis) -> Vec<Millis> {
    let mut starts = Vec::new();
    let mut turn = 0;
    loop {
        let worker = &workers[turn % workers.len()];
        turn += 1;
        let claimed = worker.claim(16).await;
        let settlements: Vec<_> = claimed.iter().map(|it| complete(it, &[1])).collect();
        b.settle(worker.id, &settlements).await.unwrap();
        starts.extend(claimed.iter().map(|it| it.started));
        if !claimed.is_empty() {
            continue;
        }
        let wait = next(b).await.expect("something waits for its time");
        assert!(
            wait > Duration::ZERO,
            "nothing may start, and nothing is due"
        );
        if b.now().after(wait) >= until {
            return starts;
        }
        b.pass(wait);
        next(b).await;
    }
}

/// The most starts within any span of this length.
fn densest(starts: &[Millis], span: Duration) -> usize {
    let within = |from: usize| {
        let rest = &starts[from..];
        rest.partition_point(|at| at.since(starts[from]) < span)
    };
    (0..starts.len()).map(within).max().unwrap_or(0)
}

broker_test!(
    a_rate_that_two_workers_share_is_exact_over_a_long_time,
    |b| async move {
        b.allow("queue:default", paced(20, secs(1))).await;
        b.add_plain(1_300).await;
        let workers = [Worker::new(&b), Worker::new(&b)];
        let starts = run(&b, &workers, BEGIN.after(secs(60))).await;
        let count = starts.len();
        assert!(
            (1_188..=1_212).contains(&count),
            "1,200 were due, {count} began"
        );
        let most = densest(&starts, secs(1));
        assert!(most <= 22, "{most} began within one second");
        assert_eq!(b.depths().await.completed as usize, count);
    }
);

broker_test!(a_slow_rate_is_exact_too, |b| async move {
    b.allow("task:basics.add", paced(3, secs(3_600))).await;
    b.add_plain(100).await;
    let workers = [Worker::new(&b)];
    let starts = run(&b, &workers, BEGIN.after(secs(24 * 3_600 - 1))).await;
    assert_eq!(starts.len(), 72);
    for pair in starts.windows(2) {
        let apart = pair[1].since(pair[0]);
        assert!(apart >= secs(1_200) - AHEAD && apart <= secs(1_200) + AHEAD);
    }
});

broker_test!(each_scope_has_its_rate, |b| async move {
    let worker = Worker::new(&b);
    for scope in SCOPES {
        b.allow(scope, paced(1, secs(10))).await;
        let ids = b.add(&b.jobs_with(3, |_, job| job.lane = "a".into())).await;
        for id in &ids {
            assert_eq!(worker.claim_ids(9).await, [*id], "{scope}");
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            let wait = next(&b).await;
            if id == &ids[2] {
                b.pass(secs(10));
                continue;
            }
            assert_eq!(wait, Some(secs(10) - AHEAD), "{scope}");
            b.pass(secs(10) - AHEAD - Duration::from_millis(1));
            let wait = next(&b).await;
            assert_eq!(wait, Some(Duration::from_millis(1)), "{scope}");
            assert!(worker.claim(9).await.is_empty(), "{scope}: too early");
            b.pass(AHEAD + Duration::from_millis(1));
            next(&b).await;
        }
        b.allow(scope, unlimited()).await;
    }
    assert_eq!(b.depths().await.running, 15);
});

broker_test!(time_that_nobody_used_is_not_saved_up, |b| async move {
    b.allow("tenant", paced(1, secs(1))).await;
    b.pass(secs(1_000));
    b.add_plain(9).await;
    let worker = Worker::new(&b);
    assert_eq!(worker.claim(9).await.len(), 1);
    assert!(worker.claim(9).await.is_empty());
    b.pass(secs(100));
    next(&b).await;
    assert_eq!(worker.claim(9).await.len(), 1, "one, not a hundred");
});

broker_test!(
    fast_starts_come_in_batches_of_fifty_milliseconds,
    |b| async move {
        b.allow("tenant", paced(1_000, secs(1))).await;
        b.add_plain(200).await;
        let worker = Worker::new(&b);
        let first = worker.claim(200).await.len();
        assert_eq!(first, 51, "one now, and what may be borrowed");
        assert!(worker.claim(200).await.is_empty());
        b.pass(Duration::from_millis(20));
        next(&b).await;
        assert_eq!(worker.claim(200).await.len(), 20);
    }
);

broker_test!(a_rate_may_be_changed_while_jobs_wait, |b| async move {
    b.allow("queue:default", paced(1, secs(3_600))).await;
    b.add_plain(9).await;
    let worker = Worker::new(&b);
    assert_eq!(worker.claim(9).await.len(), 1);
    assert!(worker.claim(9).await.is_empty());
    b.allow("queue:default", paced(1, secs(10))).await;
    b.pass(secs(3_600));
    next(&b).await;
    assert_eq!(worker.claim(9).await.len(), 1);
    b.pass(secs(10));
    next(&b).await;
    assert_eq!(worker.claim(9).await.len(), 1);
    assert!(worker.claim(9).await.is_empty());
    b.allow("queue:default", unlimited()).await;
    assert_eq!(worker.claim(9).await.len(), 6, "lifted, at once");
    assert_eq!(next(&b).await, None, "nothing waits for a time any more");
});

broker_test!(each_lane_keeps_its_own_pace, |b| async move {
    b.allow("lanes:default", paced(1, secs(10))).await;
    b.allow("lane:default/c", paced(1, secs(5))).await;
    let lane = |n: usize, job: &mut NewJob| job.lane = ["a", "b", "c"][n % 3].into();
    let ids = b.add(&b.jobs_with(12, lane)).await;
    let worker = Worker::new(&b);
    let mut first = worker.claim_ids(20).await;
    first.sort_by_key(|id| ids.iter().position(|it| it == id));
    assert_eq!(first, ids[..3]);
    assert!(worker.claim(20).await.is_empty());
    assert_eq!(next(&b).await, Some(secs(5) - AHEAD));
    b.pass(secs(5));
    next(&b).await;
    assert_eq!(worker.claim_ids(20).await, [ids[5]]);
    b.pass(secs(5));
    next(&b).await;
    let mut third = worker.claim_ids(20).await;
    third.sort_by_key(|id| ids.iter().position(|it| it == id));
    assert_eq!(third, [ids[3], ids[4], ids[8]]);
});

broker_test!(
    a_task_that_waits_for_its_time_is_in_nobodys_way,
    |b| async move {
        b.allow("task:basics.add", paced(1, secs(10))).await;
        b.add_plain(50).await;
        let others = b
            .add(&b.jobs_with(5, |_, job| job.task = "other".into()))
            .await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_all_ids().await;
        assert_eq!(claimed.len(), 6);
        assert!(others.iter().all(|id| claimed.contains(id)));
        assert_eq!(b.depths().await.available, 49);
    }
);

broker_test!(a_rate_and_a_concurrency_hold_together, |b| async move {
    b.allow("task:basics.add", paced(1, secs(10))).await;
    b.allow("queue:default", at_once(1)).await;
    b.add_plain(9).await;
    let worker = Worker::new(&b);
    let first = worker.claim_one().await;
    b.pass(secs(10));
    next(&b).await;
    assert!(worker.claim(9).await.is_empty(), "one runs");
    worker.settle(complete(&first, &[1])).await;
    let second = worker.claim_one().await;
    worker.settle(complete(&second, &[1])).await;
    assert!(worker.claim(9).await.is_empty(), "one has begun just now");
    b.pass(secs(10));
    next(&b).await;
    worker.claim_one().await;
});

broker_test!(
    workers_hear_when_to_look_again_and_that_they_may_go_on,
    |b| async move {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        b.allow("queue:default", paced(1, secs(5))).await;
        b.add_plain(5).await;
        assert_eq!(worker.claim(9).await.len(), 1);
        assert!(worker.claim(9).await.is_empty());
        hears(&mut signals, Signal::Due).await;
        assert_eq!(next(&b).await, Some(secs(5) - AHEAD));
        heard(&mut signals);
        b.pass(secs(5));
        next(&b).await;
        hears(&mut signals, Signal::Work).await;
        worker.claim_one().await;
    }
);

broker_test!(a_job_that_is_given_back_has_not_started, |b| async move {
    for scope in SCOPES {
        b.allow(scope, paced(1, secs(3_600))).await;
        let ids = b.add(&b.jobs_with(2, |_, job| job.lane = "a".into())).await;
        let worker = Worker::new(&b);
        for _ in 0..3 {
            let claimed = worker.claim_all().await;
            assert_eq!(claimed.len(), 1, "{scope}");
            assert_eq!(claimed[0].id, ids[0], "{scope}");
            worker.settle(give_back(&claimed[0], secs(0))).await;
        }
        assert_eq!(worker.claim_all_ids().await, ids[..1], "{scope}");
        b.allow(scope, unlimited()).await;
        assert_eq!(worker.claim_all_ids().await, ids[1..], "{scope}");
    }
});
