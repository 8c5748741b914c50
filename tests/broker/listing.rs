//! List, counts and looking at jobs.

use lovage_queue::broker::{Filter, QueueCounts};
use lovage_queue::job::{JobId, State, When};

use super::harness::{Bench, TENANT, Worker, all, cancel, complete, discard, fail, secs};

broker_test!(jobs_are_answered_in_the_order_asked_for, |b| async move {
    let ids = b.add_plain(2).await;
    let none = JobId::new(b.home());
    let jobs = b
        .jobs(TENANT, &[ids[1], none, ids[0], ids[1]])
        .await
        .unwrap();
    let found: Vec<_> = jobs
        .iter()
        .map(|job| job.as_ref().map(|job| job.call.id))
        .collect();
    assert_eq!(found, [Some(ids[1]), None, Some(ids[0]), Some(ids[1])]);
});

broker_test!(every_state_has_its_list, |b| async move {
    let worker = Worker::new(&b);
    let ids = b.add_plain(6).await;
    let claimed = worker.claim(5).await;
    worker.settle(complete(&claimed[0], &[1])).await;
    worker.settle(discard(&claimed[1])).await;
    worker.settle(cancel(&claimed[2])).await;
    worker.settle(fail(&claimed[3], secs(1))).await;
    let scheduled = b
        .add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(1))))
        .await;
    assert_eq!(b.ids_in(State::Completed).await, ids[..1]);
    assert_eq!(b.ids_in(State::Discarded).await, ids[1..2]);
    assert_eq!(b.ids_in(State::Cancelled).await, ids[2..3]);
    assert_eq!(b.ids_in(State::Retryable).await, ids[3..4]);
    assert_eq!(b.ids_in(State::Running).await, ids[4..5]);
    assert_eq!(b.ids_in(State::Available).await, ids[5..]);
    assert_eq!(b.ids_in(State::Scheduled).await, scheduled);
    assert_eq!(b.ids_in(State::Pending).await, []);
});

broker_test!(
    jobs_that_ended_are_listed_newest_first_the_others_as_they_are_due,
    |b| async move {
        let worker = Worker::new(&b);
        let ids = b.add_plain(3).await;
        for it in worker.claim(3).await {
            b.pass(secs(1));
            worker.settle(complete(&it, &[1])).await;
        }
        assert_eq!(b.ids_in(State::Completed).await, [ids[2], ids[1], ids[0]]);
        let later = b
            .add(&b.jobs_with(3, |n, job| job.eta = When::In(secs([3, 1, 2][n]))))
            .await;
        assert_eq!(
            b.ids_in(State::Scheduled).await,
            [later[1], later[2], later[0]]
        );
        let now = b.add_plain(3).await;
        assert_eq!(b.ids_in(State::Available).await, now);
    }
);

broker_test!(
    a_listing_is_filtered_by_queue_module_and_task,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(4, |n, job| {
                job.queue = ["default", "default", "default", "high"][n].into();
                job.module = ["a", "a", "b", "a"][n].into();
                job.task = ["x", "y", "x", "x"][n].into();
            }))
            .await;
        let find = async |queue: Option<&str>, module: Option<&str>, task: Option<&str>| {
            let filter = Filter {
                queue: queue.map(Into::into),
                module: module.map(Into::into),
                task: task.map(Into::into),
                ..all(State::Available)
            };
            let mut found: Vec<_> = b
                .list(TENANT, &filter)
                .await
                .unwrap()
                .jobs
                .iter()
                .map(|job| job.call.id)
                .collect();
            found.sort_by_key(|id| ids.iter().position(|it| it == id));
            found
        };
        assert_eq!(find(None, None, None).await, ids);
        assert_eq!(find(Some("high"), None, None).await, ids[3..]);
        assert_eq!(find(None, Some("a"), None).await, [ids[0], ids[1], ids[3]]);
        assert_eq!(find(None, Some("a"), Some("x")).await, [ids[0], ids[3]]);
        assert_eq!(find(Some("default"), Some("a"), Some("x")).await, ids[..1]);
        assert_eq!(find(None, None, Some("x")).await, [ids[0], ids[2], ids[3]]);
        assert_eq!(find(Some("none"), None, None).await, []);
    }
);

/// All pages of a listing, by id.
async fn pages(b: &Bench, filter: Filter) -> Vec<Vec<JobId>> {
    let (mut pages, mut offset) = (Vec::new(), 0);
    loop {
        let page = b
            .list(
                TENANT,
                &Filter {
                    offset,
                    ..filter.clone()
                },
            )
            .await
            .unwrap();
        pages.push(page.jobs.iter().map(|job| job.call.id).collect());
        match page.next {
            Some(next) => offset = next,
            None => return pages,
        }
    }
}

broker_test!(a_listing_is_paged, |b| async move {
    let worker = Worker::new(&b);
    let ids = b.add_plain(7).await;
    let three = |state| Filter {
        limit: 3,
        ..all(state)
    };
    let chunks = |ids: &[JobId]| ids.chunks(3).map(<[_]>::to_vec).collect::<Vec<_>>();
    assert_eq!(pages(&b, three(State::Available)).await, chunks(&ids));
    for it in worker.claim(7).await {
        worker.settle(complete(&it, &[1])).await;
    }
    let newest: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(pages(&b, three(State::Completed)).await, chunks(&newest));
});

broker_test!(
    a_page_that_finds_little_still_comes_to_an_end,
    |b| async move {
        let jobs = b.jobs_with(50, |n, job| {
            job.module = if n == 40 { "rare" } else { "basics" }.into()
        });
        let ids = b.add(&jobs).await;
        let rare = Filter {
            module: Some("rare".into()),
            limit: 1,
            ..all(State::Available)
        };
        assert_eq!(pages(&b, rare).await.concat(), ids[40..41]);
    }
);

broker_test!(counts_follow_a_job_through_its_whole_life, |b| async move {
    let none = QueueCounts {
        queue: "default".into(),
        ..QueueCounts::default()
    };
    assert!(b.counts(TENANT).await.unwrap().is_empty());
    let worker = Worker::new(&b);
    b.add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(1))))
        .await;
    assert_eq!(
        b.depths().await,
        QueueCounts {
            scheduled: 1,
            ..none.clone()
        }
    );
    b.pass(secs(1));
    b.promote(b.home(), 9).await.unwrap();
    let since = b.now();
    assert_eq!(
        b.depths().await,
        QueueCounts {
            available: 1,
            oldest: Some(since),
            ..none.clone()
        }
    );
    let claimed = worker.claim_one().await;
    assert_eq!(
        b.depths().await,
        QueueCounts {
            running: 1,
            ..none.clone()
        }
    );
    worker.settle(fail(&claimed, secs(1))).await;
    assert_eq!(
        b.depths().await,
        QueueCounts {
            retryable: 1,
            ..none.clone()
        }
    );
    b.pass(secs(1));
    b.promote(b.home(), 9).await.unwrap();
    let since = b.now();
    worker.claim_one().await;
    b.pass(Worker::LEASE + secs(1));
    b.reclaim(b.home(), 9).await.unwrap();
    assert_eq!(
        b.depths().await,
        QueueCounts {
            available: 1,
            oldest: Some(since),
            ..none.clone()
        }
    );
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    assert_eq!(
        b.depths().await,
        QueueCounts {
            completed: 1,
            ..none.clone()
        }
    );
    b.pass(secs(48 * 3600));
    assert_eq!(b.prune(b.home(), &Default::default(), 9).await.unwrap(), 1);
    assert_eq!(b.depths().await, none);
});

broker_test!(counts_are_of_all_queues_by_name, |b| async move {
    let queues = ["low", "default", "high", "default"];
    b.add(&b.jobs_with(4, |n, job| job.queue = queues[n].into()))
        .await;
    let counts = b.counts(TENANT).await.unwrap();
    let found: Vec<_> = counts
        .iter()
        .map(|it| (it.queue.as_str(), it.available))
        .collect();
    assert_eq!(found, [("default", 2), ("high", 1), ("low", 1)]);
});
