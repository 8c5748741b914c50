//! What limits cost, and that nothing waits for ever.

use super::*;
use crate::clock::processor_time;
use crate::task::Rate;

/// What a broker's writer has had of the processor.
async fn written(broker: &SqliteBroker) -> Duration {
    let taken = broker.core.write(&broker.clock, |_| Ok(processor_time()));
    taken.await.unwrap()
}

/// The budget's shape rather than its figures: a claim from a long backlog over
/// many lanes costs what it costs from a short one.
#[tokio::test]
async fn a_claim_does_not_cost_more_where_more_waits() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let worker = WorkerId::random();
    let mut number = 0;
    let mut costs = Vec::new();
    for lanes in [10, 2_000] {
        let jobs: Vec<_> = (0..20_000)
            .map(|n| NewJob {
                lane: format!("lane-{}", n % lanes),
                ..job()
            })
            .collect();
        for some in jobs.chunks(5_000) {
            broker.enqueue(TENANT, some).await.unwrap();
        }
        let before = written(&broker).await;
        for _ in 0..100 {
            number += 1;
            assert_eq!(
                broker.claim(&claim(worker, number)).await.unwrap().len(),
                10
            );
        }
        costs.push(written(&broker).await - before);
    }
    assert!(costs[1] < costs[0] * 5, "{costs:?}");
}

fn in_lane(lane: String, task: &str) -> NewJob {
    NewJob {
        lane,
        task: task.into(),
        ..job()
    }
}

fn task(name: &str) -> Scope {
    format!("task:basics.{name}").parse().unwrap()
}

fn at_once(concurrency: u32) -> Limit {
    Limit {
        concurrency: Some(concurrency),
        ..Limit::default()
    }
}

/// Lanes that wait for a task cost the jobs of others nothing, and their own no
/// more when there are many of them.
#[tokio::test]
async fn a_claim_does_not_cost_more_where_more_waits_aside() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let limit = at_once(1);
    broker.limit(TENANT, &task("slow"), &limit).await.unwrap();
    let worker = WorkerId::random();
    let (mut number, mut costs, mut lanes) = (0, Vec::new(), 0);
    for more in [200, 20_000] {
        let jobs: Vec<_> = (lanes..lanes + more)
            .map(|n| in_lane(format!("lane-{n}"), "slow"))
            .collect();
        lanes += more;
        for some in jobs.chunks(5_000) {
            broker.enqueue(TENANT, some).await.unwrap();
        }
        let mut running = Vec::new();
        // Until all have been looked at once.
        for _ in 0..lanes / 1_000 + 2 {
            number += 1;
            running.extend(broker.claim(&claim(worker, number)).await.unwrap());
        }
        let before = written(&broker).await;
        for _ in 0..100 {
            let settled = running.pop().expect("one runs");
            broker
                .settle(worker, &[done(&settled, worker)])
                .await
                .unwrap();
            number += 1;
            running = broker.claim(&claim(worker, number)).await.unwrap();
            assert_eq!(running.len(), 1, "the next goes on");
        }
        costs.push(written(&broker).await - before);
        for it in running {
            broker.settle(worker, &[done(&it, worker)]).await.unwrap();
        }
    }
    assert!(costs[1] < costs[0] * 5, "{costs:?}");
}

/// A task's jobs wait in a queue that nobody serves, and in one that is served.
#[tokio::test]
async fn what_becomes_free_is_not_kept_by_a_queue_that_nobody_serves() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let limit = at_once(1);
    broker.limit(TENANT, &task("add"), &limit).await.unwrap();
    let mut jobs = Vec::new();
    for queue in ["a", "default"] {
        jobs.extend((0..5).map(|n| NewJob {
            queue: queue.into(),
            lane: format!("lane-{n}"),
            ..job()
        }));
    }
    broker.enqueue(TENANT, &jobs).await.unwrap();
    let worker = WorkerId::random();
    let both = Claim {
        queues: vec![("a".into(), 10), ("default".into(), 10)],
        ..claim(worker, 1)
    };
    let mut running = broker.claim(&both).await.unwrap();
    for number in 2..7 {
        assert_eq!(running.len(), 1, "claim {number}");
        broker
            .settle(worker, &[done(&running[0], worker)])
            .await
            .unwrap();
        running = broker.claim(&claim(worker, number)).await.unwrap();
    }
    assert_eq!(running.len(), 1);
}

/// A lane that goes on and does not use what was free passes it on.
#[tokio::test]
async fn what_becomes_free_is_not_kept_by_a_lane_that_cannot_use_it() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let limit = at_once(1);
    broker.limit(TENANT, &task("add"), &limit).await.unwrap();
    let jobs: Vec<_> = ["a", "b", "c", "d"]
        .map(|lane| in_lane(lane.into(), "add"))
        .into();
    broker.enqueue(TENANT, &jobs).await.unwrap();
    let worker = WorkerId::random();
    let running = broker.claim(&claim(worker, 1)).await.unwrap();
    assert_eq!(ids(&running), [jobs[0].id]);
    // The next in line is paused, and the one behind it has no job any more.
    let paused = Scope::Lane("default".into(), "b".into());
    broker.pause(TENANT, &paused, true).await.unwrap();
    broker.cancel(TENANT, &[jobs[2].id]).await.unwrap();
    broker
        .settle(worker, &[done(&running[0], worker)])
        .await
        .unwrap();
    let running = broker.claim(&claim(worker, 2)).await.unwrap();
    assert_eq!(ids(&running), [jobs[3].id]);
}

/// A lane waits because of its first job, and another becomes the first.
#[tokio::test]
async fn a_lane_does_not_wait_for_what_is_no_longer_its_first_job() {
    let (_dir, path) = place();
    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    broker.pause(TENANT, &task("slow"), true).await.unwrap();
    let urgent = |task: &str| NewJob {
        priority: 9,
        ..in_lane("a".into(), task)
    };
    let (first, older) = (urgent("slow"), in_lane("a".into(), "add"));
    broker
        .enqueue(TENANT, &[first, older.clone()])
        .await
        .unwrap();
    let worker = WorkerId::random();
    let idle = |number| {
        let (broker, claim) = (broker.clone(), claim(worker, number));
        async move { ids(&broker.claim(&claim).await.unwrap()) }
    };
    assert!(idle(1).await.is_empty());
    // Behind it, nothing changes; before it, everything.
    let behind = in_lane("a".into(), "add");
    broker
        .enqueue(TENANT, std::slice::from_ref(&behind))
        .await
        .unwrap();
    assert!(idle(2).await.is_empty());
    now.fetch_sub(1_000, Ordering::SeqCst);
    let before = urgent("add");
    broker
        .enqueue(TENANT, std::slice::from_ref(&before))
        .await
        .unwrap();
    assert_eq!(idle(3).await, [before.id]);
    assert!(idle(4).await.is_empty());
    // In another order, the oldest is the first.
    now.fetch_add(6_000_000, Ordering::SeqCst);
    let strict = Limit {
        order: crate::limits::Order::Strict,
        ..Limit::default()
    };
    let queue = Scope::Queue("default".into());
    broker.limit(TENANT, &queue, &strict).await.unwrap();
    let late = urgent("slow");
    broker
        .enqueue(TENANT, std::slice::from_ref(&late))
        .await
        .unwrap();
    let first = broker.list(TENANT, &Filter::of(State::Available, 1)).await;
    let first = first.unwrap().jobs[0].call.id;
    broker.cancel(TENANT, &[first]).await.unwrap();
    assert!(idle(5).await.is_empty(), "the urgent one is first");
    let aging = Limit::default();
    broker.limit(TENANT, &queue, &aging).await.unwrap();
    assert_eq!(idle(6).await, [older.id, behind.id]);
}

/// Nobody knows any more what a running job was counted for whose record breaks.
#[tokio::test]
async fn a_job_that_breaks_while_it_runs_keeps_no_place() {
    let (_dir, path) = place();
    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let limit = at_once(1);
    for scope in [Scope::Tenant, task("add")] {
        broker.limit(TENANT, &scope, &limit).await.unwrap();
    }
    let jobs = [in_lane("a".into(), "add"), in_lane("b".into(), "add")];
    broker.enqueue(TENANT, &jobs).await.unwrap();
    let first = broker.claim(&claim(WorkerId::random(), 1)).await.unwrap();
    assert_eq!(ids(&first), [jobs[0].id]);
    let id = jobs[0].id;
    let breaks = move |step: &mut Step<'_>| {
        let record = "UPDATE job SET record = x'00' WHERE id = ?1";
        step.db.conn.execute(record, [id.0])?;
        Ok(())
    };
    broker.core.write(&broker.clock, breaks).await.unwrap();
    now.fetch_add(60_000, Ordering::SeqCst);
    assert_eq!(broker.reclaim(Partition(0), 10).await.unwrap().lost, 1);
    let next = broker.claim(&claim(WorkerId::random(), 1)).await.unwrap();
    assert_eq!(ids(&next), [jobs[1].id]);
}

/// Paces and counts of lanes that are no longer used do not stay.
#[tokio::test]
async fn what_a_scope_held_is_forgotten() {
    let (_dir, path) = place();
    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let limit = Limit {
        rate: Some(Rate {
            count: 1,
            period: Duration::from_secs(1),
        }),
        ..at_once(1)
    };
    let lanes = Scope::Lanes("default".into());
    broker.limit(TENANT, &lanes, &limit).await.unwrap();
    let jobs: Vec<_> = (0..5)
        .map(|n| in_lane(format!("lane-{n}"), "add"))
        .collect();
    broker.enqueue(TENANT, &jobs).await.unwrap();
    let worker = WorkerId::random();
    for it in broker.claim(&claim(worker, 1)).await.unwrap() {
        broker.settle(worker, &[done(&it, worker)]).await.unwrap();
    }
    let held = || {
        broker.core.read(|db| {
            let count = "SELECT count(*) FROM held";
            Ok(db.conn.query_row(count, [], |row| row.get::<_, i64>(0))?)
        })
    };
    assert_eq!(held().await.unwrap(), 5);
    now.fetch_add(2_000, Ordering::SeqCst);
    let keep = Retention::default();
    broker.prune(Partition(0), &keep, 100).await.unwrap();
    assert_eq!(held().await.unwrap(), 0);
}
