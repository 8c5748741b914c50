//! Pause: nothing of a scope starts, what runs goes on, and nobody else notices.

use lovage_queue::broker::{Settled, Signal};
use lovage_queue::job::{NewJob, State, When};

use super::harness::signals::{heard, hears, listen};
use super::harness::{TENANT, Worker, at_once, complete, fail, secs, unlimited};

/// Scopes that a job of `basics.add` in lane `a` is in.
const SCOPES: [&str; 5] = [
    "tenant",
    "queue:default",
    "lane:default/a",
    "task:basics.add",
    "module:basics",
];

fn in_lane(_: usize, job: &mut NewJob) {
    job.lane = "a".into();
}

broker_test!(nothing_of_a_paused_scope_starts, |b| async move {
    let worker = Worker::new(&b);
    for scope in SCOPES {
        let before = b.add(&b.jobs_with(2, in_lane)).await;
        b.hold(scope).await;
        assert!(b.limited(scope).await.unwrap().paused, "{scope}");
        let after = b.add(&b.jobs_with(2, in_lane)).await;
        for _ in 0..3 {
            assert!(worker.claim(9).await.is_empty(), "{scope}");
        }
        assert_eq!(b.depths().await.available, 4, "{scope}");
        assert_eq!(b.ids_in(State::Available).await.len(), 4, "{scope}");
        b.resume(scope).await;
        assert_eq!(b.limited(scope).await, None, "{scope}");
        let order = [before, after].concat();
        assert_eq!(worker.claim_ids(9).await, order, "{scope}");
    }
});

broker_test!(
    a_pause_is_set_and_lifted_as_often_as_one_likes,
    |b| async move {
        let ids = b.add_plain(1).await;
        let worker = Worker::new(&b);
        for scope in [
            "tenant",
            "queue:default",
            "task:basics.add",
            "module:basics",
        ] {
            b.resume(scope).await;
            b.hold(scope).await;
            b.hold(scope).await;
            assert!(worker.claim(9).await.is_empty());
            b.resume(scope).await;
            b.resume(scope).await;
        }
        assert!(b.limits(TENANT).await.unwrap().is_empty());
        assert_eq!(worker.claim_ids(9).await, ids);
    }
);

broker_test!(what_runs_is_not_touched_by_a_pause, |b| async move {
    let worker = Worker::new(&b);
    for scope in SCOPES {
        b.add(&b.jobs_with(2, in_lane)).await;
        let claimed = worker.claim(9).await;
        b.hold(scope).await;
        assert_eq!(
            worker.settle(complete(&claimed[0], &[1])).await,
            Settled::Recorded
        );
        worker.settle(fail(&claimed[1], secs(5))).await;
        b.pass(secs(5));
        assert_eq!(b.promote_all().await, 1, "{scope}: its time comes");
        assert!(worker.claim(9).await.is_empty(), "{scope}");
        b.resume(scope).await;
        let again = worker.claim_one().await;
        worker.settle(complete(&again, &[1])).await;
    }
    assert_eq!(b.depths().await.completed, 10);
});

broker_test!(
    what_comes_back_to_a_paused_scope_waits_there,
    |b| async move {
        for scope in SCOPES {
            let ids = b.add(&b.jobs_with(3, in_lane)).await;
            let (dies, retires) = (Worker::new(&b), Worker::new(&b));
            dies.claim(1).await;
            retires.claim(1).await;
            b.hold(scope).await;
            b.retire(b.home(), retires.id).await.unwrap();
            b.pass(Worker::LEASE + secs(1));
            b.reclaim(b.home(), 9).await.unwrap();
            let worker = Worker::new(&b);
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            b.cancel(TENANT, &ids[2..]).await.unwrap();
            b.requeue(TENANT, &ids[2..]).await.unwrap();
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            b.resume(scope).await;
            let claimed = worker.claim(9).await;
            let order: Vec<_> = claimed.iter().map(|it| it.id).collect();
            assert_eq!(order, ids, "{scope}");
            for it in &claimed {
                worker.settle(complete(it, &[1])).await;
            }
        }
    }
);

broker_test!(an_idle_worker_hears_that_it_may_go_on, |b| async move {
    for scope in SCOPES {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        b.hold(scope).await;
        b.add(&b.jobs_with(3, in_lane)).await;
        assert!(worker.claim(9).await.is_empty());
        heard(&mut signals);
        b.resume(scope).await;
        hears(&mut signals, Signal::Work).await;
        assert_eq!(worker.claim(9).await.len(), 3, "{scope}");
    }
});

/// What makes a job another one.
type Change = fn(&mut NewJob);

broker_test!(others_go_on_beside_a_pause, |b| async move {
    let worker = Worker::new(&b);
    let beside: [(&str, Change); 5] = [
        ("queue:default", |job| job.queue = "other".into()),
        ("lane:default/a", |job| job.lane = "b".into()),
        ("lane:default/a", |job| job.lane = String::new()),
        ("task:basics.add", |job| job.task = "other".into()),
        ("module:basics", |job| job.module = "other".into()),
    ];
    for (scope, change) in beside {
        b.hold(scope).await;
        let held = b.add(&b.jobs_with(3, in_lane)).await;
        let other = b
            .add(&b.jobs_with(2, |_, job| {
                job.lane = "b".into();
                change(job);
            }))
            .await;
        let queues = [("default", 9), ("other", 9)];
        let claimed = worker.claim_from(&queues, 9).await;
        let ids: Vec<_> = claimed.iter().map(|it| it.id).collect();
        assert_eq!(ids, other, "{scope}");
        b.resume(scope).await;
        assert_eq!(worker.claim_ids(9).await, held, "{scope}");
    }
});

broker_test!(
    a_paused_tenant_takes_no_turns_of_the_others,
    |b| async move {
        let other = b.neighbours(2).remove(1);
        b.hold("tenant").await;
        b.add(&b.jobs_with(500, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let jobs: Vec<_> = (0..100).map(|_| b.job_of(&other)).collect();
        b.enqueue(&other, &jobs).await.unwrap();
        let worker = Worker::new(&b);
        for _ in 0..5 {
            let claimed = worker.claim(20).await;
            assert_eq!(claimed.len(), 20);
            assert!(claimed.iter().all(|it| it.tenant == other));
        }
        assert!(worker.claim(20).await.is_empty());
        b.resume("tenant").await;
        assert_eq!(worker.claim(500).await.len(), 500);
    }
);

broker_test!(
    in_the_tenants_own_lane_a_paused_task_steps_aside,
    |b| async move {
        for scope in ["task:basics.add", "module:basics"] {
            let change = |n: usize, job: &mut NewJob| {
                job.module = ["basics", "other"][n % 2].into();
            };
            let ids = b.add(&b.jobs_with(40, change)).await;
            b.hold(scope).await;
            let worker = Worker::new(&b);
            let expected: Vec<_> = ids.iter().skip(1).step_by(2).copied().collect();
            assert_eq!(worker.claim_all_ids().await, expected, "{scope}");
            assert_eq!(b.depths().await.available, 20, "{scope}");
            b.resume(scope).await;
            let worker = Worker::new(&b);
            let rest: Vec<_> = ids.iter().step_by(2).copied().collect();
            let claimed = worker.claim_all_ids().await;
            assert_eq!(claimed, rest, "{scope}: in their order");
            for state in b.ids_in(State::Running).await.chunks(100) {
                b.cancel(TENANT, state).await.unwrap();
            }
            b.pass(Worker::LEASE + secs(1));
            b.reclaim(b.home(), 100).await.unwrap();
        }
    }
);

broker_test!(
    a_lane_with_a_key_waits_behind_its_first_paused_job,
    |b| async move {
        for scope in ["task:basics.add", "module:basics"] {
            let change = |n: usize, job: &mut NewJob| {
                job.lane = "a".into();
                job.module = ["other", "basics", "other"][n].into();
            };
            let ids = b.add(&b.jobs_with(3, change)).await;
            b.hold(scope).await;
            let worker = Worker::new(&b);
            assert_eq!(worker.claim_ids(9).await, ids[..1], "{scope}");
            assert!(worker.claim(9).await.is_empty(), "{scope}");
            b.resume(scope).await;
            assert_eq!(worker.claim_ids(9).await, ids[1..], "{scope}");
        }
    }
);

broker_test!(
    a_lane_goes_on_when_the_job_that_it_waited_behind_is_gone,
    |b| async move {
        let change = |n: usize, job: &mut NewJob| {
            job.lane = "a".into();
            job.module = ["basics", "basics", "other"][n].into();
            job.expiry = [None, Some(When::In(secs(5))), None][n];
        };
        let ids = b.add(&b.jobs_with(3, change)).await;
        b.hold("module:basics").await;
        let worker = Worker::new(&b);
        assert!(worker.claim(9).await.is_empty());
        b.cancel(TENANT, &ids[..1]).await.unwrap();
        assert!(worker.claim_all().await.is_empty(), "another is before it");
        b.pass(secs(5));
        b.promote_all().await;
        assert_eq!(worker.claim_all_ids().await, ids[2..]);
    }
);

broker_test!(a_job_under_two_pauses_waits_for_both, |b| async move {
    for (first, second) in [
        ("tenant", "queue:default"),
        ("queue:default", "lane:default/a"),
        ("lane:default/a", "task:basics.add"),
        ("task:basics.add", "module:basics"),
        ("module:basics", "tenant"),
    ] {
        let ids = b.add(&b.jobs_with(2, in_lane)).await;
        let worker = Worker::new(&b);
        b.hold(first).await;
        assert!(worker.claim(9).await.is_empty());
        b.hold(second).await;
        assert!(worker.claim(9).await.is_empty());
        b.resume(first).await;
        assert!(worker.claim(9).await.is_empty(), "{second} is paused");
        b.resume(second).await;
        assert_eq!(worker.claim_ids(9).await, ids, "{first}, {second}");
    }
});

broker_test!(
    a_pause_and_a_limit_are_lifted_each_by_itself,
    |b| async move {
        for scope in [
            "tenant",
            "queue:default",
            "lane:default/a",
            "task:basics.add",
        ] {
            b.add(&b.jobs_with(3, in_lane)).await;
            let worker = Worker::new(&b);
            b.allow(scope, at_once(1)).await;
            b.hold(scope).await;
            assert!(worker.claim(9).await.is_empty());
            b.resume(scope).await;
            let first = worker.claim_one().await;
            b.hold(scope).await;
            worker.settle(complete(&first, &[1])).await;
            assert!(worker.claim(9).await.is_empty(), "{scope}: paused");
            b.resume(scope).await;
            let second = worker.claim_one().await;
            assert!(worker.claim(9).await.is_empty(), "{scope}: one runs");
            b.hold(scope).await;
            b.allow(scope, unlimited()).await;
            assert!(worker.claim(9).await.is_empty(), "{scope}: paused");
            b.resume(scope).await;
            let third = worker.claim_one().await;
            for it in [&second, &third] {
                worker.settle(complete(it, &[1])).await;
            }
        }
    }
);

broker_test!(
    scheduled_jobs_of_a_paused_scope_become_available_and_wait,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(2, |_, job| job.eta = When::In(secs(5))))
            .await;
        b.hold("module:basics").await;
        b.pass(secs(5));
        assert_eq!(b.promote_all().await, 2);
        assert_eq!(b.depths().await.available, 2);
        let worker = Worker::new(&b);
        assert!(worker.claim(9).await.is_empty());
        b.resume("module:basics").await;
        assert_eq!(worker.claim_ids(9).await, ids);
    }
);
