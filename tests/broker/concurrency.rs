//! Concurrency: how many may run at once, of each scope, counted to the job.

use lovage_queue::broker::{Claimed, Settled, Signal};
use lovage_queue::job::{NewJob, Settlement};

use super::harness::signals::{heard, hears, listen};
use super::harness::{
    Bench, TENANT, Worker, at_once, cancel, complete, discard, fail, give_back, paced, secs,
    unlimited,
};

/// Jobs of one lane, which are under a limit of each of these scopes.
const SCOPES: [&str; 5] = [
    "tenant",
    "queue:default",
    "lane:default/a",
    "lanes:default",
    "task:basics.add",
];

async fn add_in_lane(b: &Bench, lane: &str, count: usize) -> Vec<lovage_queue::job::JobId> {
    b.add(&b.jobs_with(count, |_, job| job.lane = lane.into()))
        .await
}

/// How a delivery may end.
type End = fn(&Claimed) -> Settlement;

/// How many jobs of a scope count as running. Of all lanes each has its own count,
/// which shows in what may start.
async fn assert_running(b: &Bench, scope: &str, count: u32) {
    if !scope.starts_with("lanes:") {
        assert_eq!(b.running_in(scope).await, count, "{scope}");
    }
}

broker_test!(no_more_of_a_scope_run_at_once_than_may, |b| async move {
    let worker = Worker::new(&b);
    for scope in SCOPES {
        b.allow(scope, at_once(2)).await;
        let ids = add_in_lane(&b, "a", 5).await;
        let mut done = Vec::new();
        while done.len() < 5 {
            let claimed = worker.claim(9).await;
            assert_eq!(claimed.len(), 2.min(5 - done.len()), "{scope}");
            assert_running(&b, scope, claimed.len() as u32).await;
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            for it in &claimed {
                worker.settle(complete(it, &[1])).await;
                done.push(it.id);
            }
            assert_running(&b, scope, 0).await;
        }
        assert_eq!(done, ids, "{scope}: their order is kept");
        b.allow(scope, unlimited()).await;
    }
    assert_eq!(b.depths().await.completed, 25);
});

broker_test!(
    every_end_of_a_delivery_gives_its_place_back,
    |b| async move {
        let ends: [(&str, End); 6] = [
            ("complete", |it| complete(it, &[1])),
            ("fail for later", |it| fail(it, secs(1_000_000))),
            ("fail for now", |it| fail(it, secs(0))),
            ("give back", |it| give_back(it, secs(0))),
            ("discard", discard),
            ("cancel", cancel),
        ];
        let worker = Worker::new(&b);
        for scope in SCOPES {
            b.allow(scope, at_once(1)).await;
            for (how, end) in ends {
                add_in_lane(&b, "a", 2).await;
                let claimed = worker.claim(9).await;
                assert_eq!(claimed.len(), 1, "{scope}, {how}");
                let settlement = end(&claimed[0]);
                for _ in 0..2 {
                    let answer = worker.settle(settlement.clone()).await;
                    assert_eq!(answer, Settled::Recorded);
                    assert_running(&b, scope, 0).await;
                }
                let next = worker.claim(9).await;
                assert_eq!(next.len(), 1, "{scope}, {how}");
                let stale = worker.settle(settlement).await;
                if next[0].id == claimed[0].id {
                    assert_eq!(stale, Settled::Stale, "{scope}, {how}");
                }
                assert_running(&b, scope, 1).await;
                worker.settle(complete(&next[0], &[1])).await;
            }
            b.allow(scope, unlimited()).await;
            for it in worker.claim(99).await {
                worker.settle(complete(&it, &[1])).await;
            }
        }
        assert_eq!(b.depths().await.running, 0);
    }
);

broker_test!(
    a_worker_that_is_gone_gives_its_places_back,
    |b| async move {
        for scope in SCOPES {
            b.allow(scope, at_once(3)).await;
            add_in_lane(&b, "a", 4).await;
            let (retires, dies) = (Worker::new(&b), Worker::new(&b));
            assert_eq!(retires.claim(2).await.len(), 2);
            assert_eq!(dies.claim(9).await.len(), 1);
            b.retire(b.home(), retires.id).await.unwrap();
            assert_running(&b, scope, 1).await;
            b.pass(Worker::LEASE + secs(1));
            b.reclaim(b.home(), 9).await.unwrap();
            assert_running(&b, scope, 0).await;
            let worker = Worker::new(&b);
            let claimed = worker.claim(9).await;
            assert_eq!(claimed.len(), 3, "{scope}");
            b.allow(scope, unlimited()).await;
            for it in claimed.iter().chain(&worker.claim(9).await) {
                worker.settle(complete(it, &[1])).await;
            }
        }
        assert_eq!(b.depths().await.completed, 20);
    }
);

broker_test!(
    a_cancelled_job_keeps_its_place_until_it_is_settled,
    |b| async move {
        b.allow("tenant", at_once(1)).await;
        b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[claimed.id]).await.unwrap();
        assert!(worker.claim(9).await.is_empty(), "it still runs");
        worker.settle(fail(&claimed, secs(0))).await;
        assert_eq!(b.running_in("tenant").await, 0);
        let next = worker.claim_one().await;
        b.cancel(TENANT, &[next.id]).await.unwrap();
        b.pass(Worker::LEASE + secs(1));
        b.reclaim(b.home(), 9).await.unwrap();
        assert_eq!(b.running_in("tenant").await, 0);
        assert_eq!(Worker::new(&b).claim(9).await.len(), 1);
    }
);

broker_test!(
    a_limit_counts_what_runs_already_and_counts_it_out,
    |b| async move {
        for scope in SCOPES {
            add_in_lane(&b, "a", 8).await;
            let worker = Worker::new(&b);
            let mut claimed = worker.claim(4).await;
            b.allow(scope, at_once(2)).await;
            assert_running(&b, scope, 4).await;
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            for it in claimed.drain(..3) {
                worker.settle(complete(&it, &[1])).await;
            }
            assert_running(&b, scope, 1).await;
            claimed.extend(worker.claim(9).await);
            assert_eq!(claimed.len(), 2, "{scope}");
            b.allow(scope, at_once(3)).await;
            claimed.extend(worker.claim(9).await);
            assert_eq!(claimed.len(), 3, "{scope}: one more at once");
            b.allow(scope, unlimited()).await;
            claimed.extend(worker.claim(9).await);
            assert_eq!(claimed.len(), 5, "{scope}: and all at once");
            worker.settle(complete(&claimed.remove(0), &[1])).await;
            b.allow(scope, at_once(1)).await;
            assert_running(&b, scope, 4).await;
            for it in claimed {
                worker.settle(complete(&it, &[1])).await;
            }
            assert_running(&b, scope, 0).await;
            b.allow(scope, unlimited()).await;
        }
    }
);

broker_test!(each_lane_is_counted_by_itself, |b| async move {
    b.allow("lanes:default", at_once(1)).await;
    b.add(&b.jobs_with(12, |n, job| job.lane = ["a", "b", "c", ""][n % 4].into()))
        .await;
    let worker = Worker::new(&b);
    let lanes = |claimed: &[Claimed]| {
        let mut lanes: Vec<_> = claimed
            .iter()
            .map(|it| it.job.as_ref().unwrap().call.lane.clone())
            .collect();
        lanes.sort();
        lanes
    };
    let claimed = worker.claim(20).await;
    assert_eq!(
        lanes(&claimed),
        ["", "", "", "a", "b", "c"],
        "the tenant's own lane is no lane of a key"
    );
    let of_b = claimed
        .iter()
        .find(|it| it.job.as_ref().unwrap().call.lane == "b");
    worker.settle(complete(of_b.unwrap(), &[1])).await;
    assert_eq!(lanes(&worker.claim(20).await), ["b"]);
    b.allow("lane:default/c", at_once(3)).await;
    let own = worker.claim(20).await;
    assert_eq!(lanes(&own), ["c", "c"], "its own limit goes first");
});

broker_test!(
    concurrency_of_one_keeps_strict_order_within_each_lane,
    |b| async move {
        b.allow("lanes:default", at_once(1)).await;
        let ids = b
            .add(&b.jobs_with(30, |n, job| job.lane = ["a", "b", "c"][n % 3].into()))
            .await;
        let workers = [Worker::new(&b), Worker::new(&b)];
        let (mut done, mut round) = (Vec::new(), 0);
        while done.len() < ids.len() {
            let worker = &workers[round % 2];
            round += 1;
            for it in worker.claim(5).await {
                // Some are given back once, and nobody overtakes them.
                let first = it.delivery == 1 && it.id.0[15] % 4 == 0;
                let end = match first {
                    true => give_back(&it, secs(0)),
                    false => complete(&it, &[1]),
                };
                worker.settle(end).await;
                done.extend((!first).then_some(it.id));
            }
            assert!(round < 200, "it comes to an end");
        }
        for lane in 0..3 {
            let expected: Vec<_> = ids.iter().skip(lane).step_by(3).collect();
            let seen: Vec<_> = done.iter().filter(|id| expected.contains(id)).collect();
            assert_eq!(seen, expected, "lane {lane}");
        }
    }
);

broker_test!(
    in_the_tenants_own_lane_a_limited_task_is_in_nobodys_way,
    |b| async move {
        b.allow("task:basics.add", at_once(1)).await;
        let change = |n: usize, job: &mut NewJob| {
            job.task = if n < 20 { "add" } else { "other" }.into();
        };
        let ids = b.add(&b.jobs_with(25, change)).await;
        assert_eq!(b.depths().await.available, 25);
        let worker = Worker::new(&b);
        let claimed = worker.claim_all().await;
        let mut first: Vec<_> = claimed.iter().map(|it| it.id).collect();
        first.sort_by_key(|id| ids.iter().position(|it| it == id));
        assert_eq!(first, [&ids[..1], &ids[20..]].concat());
        assert_eq!(b.depths().await.available, 19, "those aside still wait");
        let listed = b.ids_in(lovage_queue::job::State::Available).await;
        assert_eq!(listed.len(), 19, "and are listed");
        let one = claimed.iter().find(|it| it.id == ids[0]).unwrap();
        worker.settle(complete(one, &[1])).await;
        assert_eq!(worker.claim_ids(30).await, ids[1..2]);
    }
);

broker_test!(
    jobs_that_wait_already_step_aside_when_their_task_is_limited,
    |b| async move {
        let change = |n: usize, job: &mut NewJob| {
            job.task = if n < 50 { "add" } else { "other" }.into();
        };
        let ids = b.add(&b.jobs_with(60, change)).await;
        b.allow("task:basics.add", at_once(1)).await;
        let worker = Worker::new(&b);
        let mut seen = worker.claim_all_ids().await;
        seen.sort_by_key(|id| ids.iter().position(|it| it == id));
        assert_eq!(seen, [&ids[..1], &ids[50..]].concat());
        b.allow("task:basics.add", unlimited()).await;
        assert_eq!(worker.claim_all_ids().await, ids[1..50], "in their order");
    }
);

broker_test!(
    a_lane_with_a_key_waits_as_a_whole_behind_its_first_job,
    |b| async move {
        b.allow("task:basics.add", at_once(1)).await;
        let change = |n: usize, job: &mut NewJob| {
            job.lane = "a".into();
            job.task = ["add", "other", "add", "other", "other"][n].into();
        };
        let ids = b.add(&b.jobs_with(5, change)).await;
        let worker = Worker::new(&b);
        let first = worker.claim(9).await;
        assert_eq!(
            first.iter().map(|it| it.id).collect::<Vec<_>>(),
            ids[..2],
            "the third may not start, and those behind it wait"
        );
        worker.settle(complete(&first[1], &[1])).await;
        assert!(worker.claim(9).await.is_empty());
        worker.settle(complete(&first[0], &[1])).await;
        assert_eq!(worker.claim_ids(9).await, ids[2..]);
    }
);

broker_test!(a_job_is_under_all_scopes_it_belongs_to, |b| async move {
    b.allow("tenant", at_once(4)).await;
    b.allow("queue:default", at_once(3)).await;
    b.allow("task:basics.add", at_once(2)).await;
    b.add_plain(6).await;
    b.add(&b.jobs_with(6, |_, job| job.task = "other".into()))
        .await;
    b.add(&b.jobs_with(6, |_, job| {
        (job.queue, job.task) = ("more".into(), "third".into())
    }))
    .await;
    let worker = Worker::new(&b);
    let queues = [("default", 9), ("more", 9)];
    let mut claimed = worker.claim_from(&queues, 18).await;
    claimed.extend(worker.claim_from(&queues, 18).await);
    let of = |wish: fn(&NewJob) -> bool| {
        let calls = claimed.iter().map(|it| &it.job.as_ref().unwrap().call);
        calls.filter(|call| wish(call)).count()
    };
    assert_eq!(of(|_| true), 4);
    assert!(of(|job| job.queue == "default") <= 3);
    assert!(of(|job| job.task == "add") <= 2);
    let counts = ["tenant", "queue:default", "task:basics.add"];
    let expected = [
        4,
        of(|job| job.queue == "default"),
        of(|job| job.task == "add"),
    ];
    for (scope, count) in counts.into_iter().zip(expected) {
        assert_eq!(b.running_in(scope).await as usize, count, "{scope}");
    }
});

broker_test!(
    a_tenant_at_its_limit_takes_no_turns_of_the_others,
    |b| async move {
        let tenants = b.neighbours(2);
        b.allow("tenant", at_once(1)).await;
        b.add(&b.jobs_with(1_000, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let others: Vec<_> = (0..500).map(|_| b.job_of(&tenants[1])).collect();
        b.enqueue(&tenants[1], &others).await.unwrap();
        let worker = Worker::new(&b);
        let mine = worker.claim(8).await;
        assert!(mine.iter().filter(|it| it.tenant == TENANT).count() <= 1);
        let mut total = mine.len();
        for _ in 0..10 {
            let claimed = worker.claim(40).await;
            assert_eq!(claimed.len(), 40, "all that it asks for");
            total += claimed.len();
        }
        assert_eq!(total, 408);
        assert_eq!(b.running_in("tenant").await, 1);
    }
);

broker_test!(
    ten_thousand_lanes_aside_are_in_nobodys_way,
    |b| async move {
        b.allow("task:basics.add", at_once(1)).await;
        b.add(&b.jobs_with(10_000, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        // Each claim looks at a bounded number of lanes, so it takes some.
        let (mut held, mut claims) = (worker.claim(1).await, 0);
        while held.len() == 1 && claims < 20 {
            claims += 1;
            held.extend(worker.claim(50).await);
        }
        assert_eq!(held.len(), 1);
        let quick = b
            .add(&b.jobs_with(3, |_, job| job.task = "other".into()))
            .await;
        assert_eq!(worker.claim_ids(9).await, quick);
        for _ in 0..3 {
            assert!(worker.claim(9).await.is_empty());
            worker.settle(complete(&held.remove(0), &[1])).await;
            hears(&mut signals, Signal::Work).await;
            held.extend(worker.claim(9).await);
            assert_eq!(held.len(), 1, "one place, one lane");
        }
        assert_eq!(b.depths().await.available, 9_996);
    }
);

broker_test!(an_idle_worker_hears_of_a_free_place, |b| async move {
    for scope in SCOPES {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        b.allow(scope, at_once(1)).await;
        add_in_lane(&b, "a", 4).await;
        let first = worker.claim_one().await;
        assert!(worker.claim(9).await.is_empty());
        heard(&mut signals);
        worker.settle(complete(&first, &[1])).await;
        hears(&mut signals, Signal::Work).await;
        worker.claim_one().await;
        assert!(worker.claim(9).await.is_empty());
        heard(&mut signals);
        b.allow(scope, at_once(2)).await;
        hears(&mut signals, Signal::Work).await;
        worker.claim_one().await;
        assert!(worker.claim(9).await.is_empty());
        heard(&mut signals);
        b.allow(scope, unlimited()).await;
        hears(&mut signals, Signal::Work).await;
        assert_eq!(worker.claim(9).await.len(), 1, "{scope}");
        b.retire(b.home(), worker.id).await.unwrap();
        let worker = Worker::new(&b);
        for it in worker.claim(9).await {
            worker.settle(complete(&it, &[1])).await;
        }
    }
});

broker_test!(a_repeated_claim_takes_no_second_place, |b| async move {
    b.allow("tenant", at_once(3)).await;
    b.add_plain(9).await;
    let worker = Worker::new(&b);
    let wish = worker.wish(2);
    let first = b.claim(&wish).await.unwrap();
    let again = b.claim(&wish).await.unwrap();
    assert_eq!((first.len(), again.len()), (2, 2));
    assert_eq!(b.running_in("tenant").await, 2);
    assert_eq!(worker.claim(9).await.len(), 1);
});

broker_test!(a_limit_is_of_one_tenant, |b| async move {
    let other = b.neighbours(2).remove(1);
    b.allow("tenant", at_once(1)).await;
    b.allow("task:basics.add", paced(1, secs(9))).await;
    let jobs: Vec<_> = (0..8).map(|_| b.job_of(&other)).collect();
    b.enqueue(&other, &jobs).await.unwrap();
    assert_eq!(Worker::new(&b).claim(9).await.len(), 8);
    assert_eq!(b.running_in("tenant").await, 0);
});
