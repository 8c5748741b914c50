//! Children: jobs that are made in the step that records their parent's end.

use lovage_queue::broker::Settled;
use lovage_queue::job::{Conflict, Key, NewJob, Payload, Settlement, State, Unique, Until, When};
use lovage_queue::limits::Limit;
use lovage_queue::registry::Digest;

use super::harness::{Bench, TENANT, Worker, cancel, complete, discard, fail, give_back, secs};

fn with(settlement: Settlement, children: &[NewJob]) -> Settlement {
    Settlement {
        children: children.to_vec(),
        ..settlement
    }
}

/// Whether there are such jobs.
async fn are_there(b: &Bench, children: &[NewJob]) -> Vec<bool> {
    let ids: Vec<_> = children.iter().map(|it| it.id).collect();
    let jobs = b.jobs(TENANT, &ids).await.unwrap();
    jobs.iter().map(Option::is_some).collect()
}

broker_test!(
    children_are_made_with_their_parents_completion,
    |b| async move {
        let parent = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let mut children = b.jobs_with(3, |_, _| {});
        children[1].queue = "other".into();
        children[2].eta = When::In(secs(10));
        children[0].options.parent = Some(parent);
        children[0].options.root = Some(parent);
        children[0].options.depth = 1;
        assert_eq!(are_there(&b, &children).await, [false; 3]);
        let settled = worker
            .settle(with(complete(&claimed, &[1]), &children))
            .await;
        assert_eq!(settled, Settled::Recorded);
        let ids: Vec<_> = children.iter().map(|it| it.id).collect();
        let states = b.states(&ids).await;
        assert_eq!(
            states,
            [State::Available, State::Available, State::Scheduled]
        );
        let first = b.look(ids[0]).await;
        assert_eq!(first.call.options, children[0].options);
        assert_eq!(worker.claim_ids(9).await, [ids[0]]);
        let depths = b.depths().await;
        assert_eq!(
            (depths.completed, depths.running, depths.scheduled),
            (1, 1, 1)
        );
    }
);

broker_test!(there_are_none_of_a_parent_that_goes_on, |b| async move {
    type End = fn(&lovage_queue::broker::Claimed) -> Settlement;
    let ends: [End; 2] = [|it| fail(it, secs(1)), |it| give_back(it, secs(1))];
    let worker = Worker::new(&b);
    for end in ends {
        b.add_plain(1).await;
        let claimed = worker.claim_one().await;
        let child = [b.job()];
        let settled = worker.settle(with(end(&claimed), &child)).await;
        assert_eq!(settled, Settled::Recorded);
        assert_eq!(are_there(&b, &child).await, [false]);
    }
});

broker_test!(
    they_are_made_with_any_end_that_their_parents_worker_says,
    |b| async move {
        let worker = Worker::new(&b);
        for end in [discard, cancel] {
            b.add_plain(1).await;
            let claimed = worker.claim_one().await;
            let child = [b.job()];
            let settlement = with(end(&claimed), &child);
            for _ in 0..2 {
                let settled = worker.settle(settlement.clone()).await;
                assert_eq!(settled, Settled::Recorded);
                assert_eq!(are_there(&b, &child).await, [true]);
                assert_eq!(b.depths().await.available, 1);
            }
            assert_eq!(worker.claim_ids(9).await, [child[0].id]);
        }
    }
);

broker_test!(
    there_are_none_of_an_end_that_a_cancel_took_the_place_of,
    |b| async move {
        let worker = Worker::new(&b);
        let id = b.add_plain(1).await[0];
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[id]).await.unwrap();
        let child = [b.job()];
        worker.settle(with(discard(&claimed), &child)).await;
        assert_eq!(b.look(id).await.state, State::Cancelled);
        assert_eq!(are_there(&b, &child).await, [false]);
        // A cancel that the worker has heard of is what it says.
        let id = b.add_plain(1).await[0];
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[id]).await.unwrap();
        worker.settle(with(cancel(&claimed), &child)).await;
        assert_eq!(are_there(&b, &child).await, [true]);
    }
);

broker_test!(
    a_repeated_settlement_makes_no_second_child,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let first = [b.job()];
        worker.settle(with(complete(&claimed, &[1]), &first)).await;
        // The same attempt, told again with others: what was recorded stands.
        let again = [b.job()];
        let settled = worker.settle(with(complete(&claimed, &[1]), &again)).await;
        assert_eq!(settled, Settled::Recorded);
        assert_eq!(are_there(&b, &first).await, [true]);
        assert_eq!(are_there(&b, &again).await, [false]);
        assert_eq!(b.depths().await.available, 1);
    }
);

broker_test!(a_stale_settlement_makes_none, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let stale = worker.claim_one().await;
    worker.settle(give_back(&stale, secs(0))).await;
    Worker::new(&b).claim_one().await;
    let child = [b.job()];
    let settled = worker.settle(with(complete(&stale, &[1]), &child)).await;
    assert_eq!(settled, Settled::Stale);
    assert_eq!(are_there(&b, &child).await, [false]);
});

broker_test!(
    a_child_that_is_there_already_is_left_as_it_is,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let child = b.job();
        b.add(std::slice::from_ref(&child)).await;
        worker.claim_one().await;
        worker
            .settle(with(complete(&claimed, &[1]), std::slice::from_ref(&child)))
            .await;
        assert_eq!(b.look(child.id).await.state, State::Running);
    }
);

broker_test!(
    a_full_queue_takes_children_and_what_is_unique_stays_so,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let full = Limit {
            depth: Some(0),
            ..Limit::default()
        };
        b.allow("queue:default", full).await;
        let mut children = b.jobs_with(4, |n, job| {
            let conflict = [Conflict::Reject, Conflict::Reject, Conflict::Existing][n.min(2)];
            job.unique = (n < 3).then_some(Unique {
                key: Key::unique("one"),
                until: Until::Done,
                conflict,
            });
        });
        // Its bytes went with their hour: it is made, and will say so when it runs.
        children[3].input = Payload::Blob {
            digest: Digest::of(b"gone"),
            size: 70_000,
        };
        let settled = worker
            .settle(with(complete(&claimed, &[1]), &children))
            .await;
        assert_eq!(settled, Settled::Recorded);
        assert_eq!(are_there(&b, &children).await, [true, false, false, true]);
        assert_eq!(b.depths().await.available, 2);
    }
);

broker_test!(
    a_batch_of_settlements_has_children_each_of_its_own,
    |b| async move {
        b.add_plain(4).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(4).await;
        let children = b.jobs_with(3, |_, _| {});
        let settlements = [
            complete(&claimed[0], &[1]),
            with(complete(&claimed[1], &[1]), &children[..2]),
            with(discard(&claimed[2]), &children[2..]),
            complete(&claimed[3], &[1]),
        ];
        let settled = b.settle(worker.id, &settlements).await.unwrap();
        assert_eq!(settled, [Settled::Recorded; 4]);
        assert_eq!(are_there(&b, &children).await, [true; 3]);
        let depths = b.depths().await;
        assert_eq!(
            (depths.completed, depths.discarded, depths.available),
            (3, 1, 3)
        );
    }
);

broker_test!(the_same_child_twice_is_one, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let mut child = b.job();
    child.unique = Some(Unique {
        key: Key::unique("one"),
        until: Until::Done,
        conflict: Conflict::Replace,
    });
    let twice = [child.clone(), child.clone()];
    worker.settle(with(complete(&claimed, &[1]), &twice)).await;
    assert_eq!(b.look(child.id).await.state, State::Available);
    assert_eq!(b.depths().await.available, 1);
});
