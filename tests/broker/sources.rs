//! Sources: jobs that make others page by page, and wait while too many of them have not
//! ended.

use std::time::Duration;

use lovage_queue::broker::{BrokerError, Requeued, Retention, Settled};
use lovage_queue::job::{Action, Checkpoint, JobId, NewJob, Payload, Settlement, State, When};
use lovage_queue::registry::Digest;

use super::harness::{
    Bench, TENANT, Worker, cancel, complete, cursor, discard, fail, give_back, next_page, secs,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Jobs of a source's page.
fn of(b: &Bench, source: JobId, count: usize) -> Vec<NewJob> {
    b.jobs_with(count, |_, job| {
        job.counted = true;
        job.options.parent = Some(source);
    })
}

fn ids(jobs: &[NewJob]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

/// A source that has made its first page of so many, and the worker that did it.
async fn source(b: &Bench, jobs: usize, open: u32) -> (Worker<'_>, JobId, Vec<JobId>) {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(b);
    let jobs = of(b, id, jobs);
    let claimed = worker.claim_one().await;
    let settled = worker.settle(next_page(&claimed, &jobs, 1, open)).await;
    assert_eq!(settled, Settled::Recorded);
    (worker, id, ids(&jobs))
}

/// One that waits for one of its two jobs to end.
async fn waiting(b: &Bench) -> (Worker<'_>, JobId, Vec<JobId>) {
    let (worker, id, mut jobs) = source(b, 1, 2).await;
    let second = of(b, id, 1);
    let claimed = worker.claim_one().await;
    worker.settle(next_page(&claimed, &second, 2, 2)).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    jobs.extend(ids(&second));
    (worker, id, jobs)
}

/// Claims so many jobs of pages, and completes them.
async fn complete_some(worker: &Worker<'_>, count: u32) {
    let claimed = worker.claim(count).await;
    assert_eq!(claimed.len(), count as usize);
    for it in claimed {
        worker.settle(complete(&it, &[1])).await;
    }
}

broker_test!(a_page_is_made_and_the_next_goes_first, |b| async move {
    let (worker, id, first) = source(&b, 3, 10).await;
    // Three of ten are no more than half of them: it goes on at once, before its jobs.
    assert_eq!(b.states(&[id]).await, [State::Available]);
    assert_eq!(b.states(&first).await, [State::Available; 3]);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
    let again = worker.claim_one().await;
    assert_eq!((again.id, again.delivery), (id, 2));
    worker.settle(complete(&again, &[7])).await;
    let done = b.look(id).await;
    assert_eq!(done.result, Some(Payload::from(vec![7])));
    assert_eq!((done.attempts.len(), done.fuel), (1, 2_000));
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), None);
    let look = b.look(first[0]).await;
    assert!(look.call.counted && look.call.options.parent == Some(id));
    let depths = b.depths().await;
    assert_eq!((depths.available, depths.completed), (3, 1));
});

broker_test!(it_waits_until_half_are_left, |b| async move {
    let (worker, id, first) = source(&b, 5, 10).await;
    let again = worker.claim_one().await;
    assert_eq!(again.id, id);
    let second = of(&b, id, 5);
    worker.settle(next_page(&again, &second, 2, 10)).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    let depths = b.depths().await;
    assert_eq!((depths.scheduled, depths.available), (1, 10));
    complete_some(&worker, 4).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    // However one ends, it is one less.
    let fifth = worker.claim_one().await;
    assert_eq!(fifth.id, first[4]);
    worker.settle(discard(&fifth)).await;
    assert_eq!(b.states(&[id]).await, [State::Available]);
    assert_eq!(b.look(id).await.available, b.now());
    let depths = b.depths().await;
    assert_eq!((depths.scheduled, depths.available), (0, 6));
    let next = worker.claim_one().await;
    assert_eq!((next.id, next.delivery), (id, 3));
    // Nothing of it is left to be promoted.
    b.pass(YEAR);
    assert_eq!(b.promote(b.home(), 100).await.unwrap().jobs, 0);
});

broker_test!(only_ends_count, |b| async move {
    let (worker, id, jobs) = waiting(&b).await;
    let claimed = worker.claim(2).await;
    worker.settle(give_back(&claimed[0], secs(0))).await;
    worker.settle(fail(&claimed[1], secs(5))).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    b.cancel(TENANT, &jobs[1..]).await.unwrap();
    assert_eq!(b.states(&[id]).await, [State::Available]);
});

broker_test!(a_page_may_be_empty, |b| async move {
    let (worker, id, _) = source(&b, 0, 2).await;
    assert_eq!(b.states(&[id]).await, [State::Available]);
    assert_eq!(worker.claim_one().await.id, id);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
});

broker_test!(a_page_is_made_once, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let first = of(&b, id, 2);
    worker.settle(next_page(&claimed, &first, 1, 4)).await;
    // The answer was lost, and it is told again, with another page even.
    let again = of(&b, id, 2);
    let settled = worker.settle(next_page(&claimed, &again, 9, 4)).await;
    assert_eq!(settled, Settled::Recorded);
    assert_eq!(b.depths().await.available, 3);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
    // Another worker has it: what the first one says now is stale.
    let other = Worker::new(&b);
    assert_eq!(other.claim_one().await.id, id);
    let settled = worker.settle(next_page(&claimed, &again, 9, 4)).await;
    assert_eq!(settled, Settled::Stale);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
    let jobs = b.jobs(TENANT, &ids(&again)).await.unwrap();
    assert!(jobs.iter().all(Option::is_none));
});

broker_test!(a_dead_worker_has_made_no_page, |b| async move {
    let (worker, id, _) = source(&b, 1, 4).await;
    assert_eq!(worker.claim_one().await.id, id);
    b.pass(secs(3_600));
    assert_eq!(b.reclaim(b.home(), 100).await.unwrap().jobs, 1);
    let next = Worker::new(&b).claim_one().await;
    assert_eq!(next.id, id);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
    assert_eq!(b.depths().await.available, 1);
});

broker_test!(a_page_makes_good_for_failures_before, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    worker.settle(fail(&claimed, secs(0))).await;
    worker.claim_one().await;
    b.pass(secs(3_600));
    b.reclaim(b.home(), 100).await.unwrap();
    let job = b.look(id).await;
    assert_eq!((job.attempt, job.crash), (1, 1));
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    worker
        .settle(next_page(&claimed, &of(&b, id, 1), 1, 2))
        .await;
    let job = b.look(id).await;
    assert_eq!((job.attempt, job.crash), (0, 0));
    assert_eq!(job.attempts, [], "there may be millions of pages");
});

broker_test!(
    a_source_that_is_asked_to_stop_makes_no_page,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[id]).await.unwrap();
        let jobs = of(&b, id, 1);
        worker.settle(next_page(&claimed, &jobs, 1, 2)).await;
        assert_eq!(b.states(&[id]).await, [State::Cancelled]);
        assert_eq!(b.jobs(TENANT, &ids(&jobs)).await.unwrap(), [None]);
        assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), None);
    }
);

broker_test!(
    one_that_waits_can_be_cancelled_and_requeued,
    |b| async move {
        let (worker, id, _) = waiting(&b).await;
        b.cancel(TENANT, &[id]).await.unwrap();
        assert_eq!(b.states(&[id]).await, [State::Cancelled]);
        // Its jobs go on, and their ends are nothing to it any more.
        complete_some(&worker, 2).await;
        assert_eq!(b.states(&[id]).await, [State::Cancelled]);
        assert_eq!(b.requeue(TENANT, &[id]).await.unwrap(), [Requeued::Now]);
        let again = worker.claim_one().await;
        assert_eq!(again.id, id);
        worker.settle(next_page(&again, &of(&b, id, 1), 1, 2)).await;
        assert_eq!(b.states(&[id]).await, [State::Available]);
    }
);

broker_test!(one_that_failed_goes_on_at_its_cursor, |b| async move {
    let (worker, id, _) = source(&b, 0, 2).await;
    for end in [discard, cancel] {
        worker.settle(end(&worker.claim_one().await)).await;
        assert_eq!(b.requeue(TENANT, &[id]).await.unwrap(), [Requeued::Now]);
        assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), Some(cursor(1)));
    }
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), None);
});

broker_test!(a_cursor_weighs_and_goes_with_its_job, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let mut large = next_page(&claimed, &[], 1, 2);
    large.action = Action::NextPage {
        cursor: Checkpoint {
            digest: Digest::of(b"a module"),
            state: vec![7; 10_000],
        },
        open: 2,
    };
    worker.settle(large).await;
    worker.settle(discard(&worker.claim_one().await)).await;
    let keep = |bytes| Retention {
        bytes,
        ..Retention::default()
    };
    assert_eq!(b.prune(b.home(), &keep(20_000), 10).await.unwrap(), 0);
    // With its cursor it is too much, and without it would not be.
    assert_eq!(b.prune(b.home(), &keep(9_000), 10).await.unwrap(), 1);
    assert_eq!(b.checkpoint(TENANT, id).await.unwrap(), None);
    // What is left weighs nothing.
    let other = b.add_plain(1).await[0];
    worker.settle(discard(&worker.claim_one().await)).await;
    assert_eq!(b.prune(b.home(), &keep(5_000), 10).await.unwrap(), 0);
    assert_eq!(b.states(&[other]).await, [State::Discarded]);
});

broker_test!(one_that_waits_for_a_time_waits_for_it, |b| async move {
    let (worker, id, _) = waiting(&b).await;
    b.cancel(TENANT, &[id]).await.unwrap();
    b.requeue(TENANT, &[id]).await.unwrap();
    let held = worker.claim(2).await;
    let again = worker.claim_one().await;
    assert_eq!(again.id, id);
    worker.settle(give_back(&again, secs(5))).await;
    worker.settle(complete(&held[0], &[1])).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    b.pass(secs(5));
    assert_eq!(b.promote(b.home(), 10).await.unwrap().jobs, 1);
    assert_eq!(b.states(&[id]).await, [State::Available]);
});

broker_test!(one_that_waits_expires, |b| async move {
    let mut job = b.job();
    job.expiry = Some(When::In(secs(10)));
    let id = b.add(&[job]).await[0];
    let worker = Worker::new(&b);
    for at in [1, 2] {
        let claimed = worker.claim_one().await;
        let settled = next_page(&claimed, &of(&b, id, 1), at, 2);
        worker.settle(settled).await;
    }
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    b.pass(secs(10));
    b.promote(b.home(), 10).await.unwrap();
    assert_eq!(b.states(&[id]).await, [State::Cancelled]);
});

broker_test!(it_goes_before_what_came_since, |b| async move {
    let (worker, id, _) = waiting(&b).await;
    b.pass(secs(60));
    b.add_plain(5).await;
    let urgent = b.jobs_with(1, |_, job| job.priority = 6);
    let held = worker.claim(1).await;
    b.add(&urgent).await;
    worker.settle(complete(&held[0], &[1])).await;
    assert_eq!(b.look(id).await.available, b.look(id).await.enqueued);
    let order = worker.claim_ids(3).await;
    assert_eq!(order[0], urgent[0].id, "a higher priority is one");
    assert_eq!(order[1], id);
});

broker_test!(a_job_that_is_requeued_counts_again, |b| async move {
    let (worker, id, first) = source(&b, 1, 2).await;
    let next = worker.claim_one().await;
    assert_eq!(next.id, id);
    let dead = worker.claim_one().await;
    worker.settle(discard(&dead)).await;
    b.requeue(TENANT, &first).await.unwrap();
    worker.settle(next_page(&next, &of(&b, id, 1), 2, 2)).await;
    assert_eq!(b.states(&[id]).await, [State::Scheduled]);
    worker.settle(cancel(&worker.claim_one().await)).await;
    assert_eq!(b.states(&[id]).await, [State::Available]);
    // Its own end is not theirs: they go on to count for nobody.
    let last = worker.claim_one().await;
    worker.settle(complete(&last, &[1])).await;
    complete_some(&worker, 1).await;
    b.requeue(TENANT, &first).await.unwrap();
    assert_eq!(b.depths().await.completed, 2);
});

broker_test!(a_job_that_is_there_already_counts_once, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let mut jobs = of(&b, id, 2);
    jobs[1].id = jobs[0].id;
    worker.settle(next_page(&claimed, &jobs, 1, 4)).await;
    let next = worker.claim_one().await;
    let mut more = of(&b, id, 2);
    more[0].id = jobs[0].id;
    more[1].eta = When::In(secs(60));
    worker.settle(next_page(&next, &more, 2, 4)).await;
    // Two are open, of four: had one counted twice, it would wait.
    assert_eq!(b.states(&[id]).await, [State::Available]);
    assert_eq!(b.depths().await.scheduled, 1);
});

broker_test!(what_is_no_page_is_refused, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let jobs = of(&b, id, 3);
    let mut uncounted = jobs.clone();
    uncounted[1].counted = false;
    let wrong = [
        next_page(&claimed, &jobs, 1, 5),
        next_page(&claimed, &[], 1, 1),
        next_page(&claimed, &[], 1, 1_000_001),
        next_page(&claimed, &uncounted, 1, 10),
        next_page(&claimed, &of(&b, jobs[0].id, 1), 1, 10),
        Settlement {
            children: jobs.clone(),
            ..complete(&claimed, &[1])
        },
        Settlement {
            flows: vec![id],
            ..next_page(&claimed, &jobs, 1, 10)
        },
    ];
    for settlement in wrong {
        let refused = b.settle(worker.id, std::slice::from_ref(&settlement)).await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid(_))),
            "{settlement:?}: {refused:?}"
        );
    }
    let refused = b.enqueue(TENANT, &jobs).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(b.states(&[id]).await, [State::Running]);
});
