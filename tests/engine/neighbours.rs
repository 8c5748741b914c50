//! Guests beside each other: none starves another, and slots come back.

use std::time::{Duration, Instant};

use lovage_queue::job::Ending;

use super::{ENGINE, engine, invocation, module, run_with};
use crate::fixtures::{ECHO, Guest, SPIN};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spinning_guests_do_not_starve_a_quick_one() {
    let engine = lovage::engine::Engine::new(lovage::engine::Settings {
        instances: 16,
        ..Default::default()
    })
    .unwrap();
    let spin = engine.compile(&Guest::new(SPIN).build()).unwrap();
    let quick = engine.compile(&Guest::new(ECHO).build()).unwrap();
    let mut stops = Vec::new();
    let mut spinning = Vec::new();
    for _ in 0..8 {
        let mut invocation = invocation(&spin);
        invocation.limits.fuel = u64::MAX;
        stops.push(invocation.cancel.clone());
        let (engine, spin) = (engine.clone(), spin.clone());
        spinning.push(tokio::spawn(async move {
            run_with(&engine, &spin, invocation).await
        }));
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    for _ in 0..50 {
        let (engine, quick) = (engine.clone(), quick.clone());
        let task = tokio::spawn(async move { run_with(&engine, &quick, invocation(&quick)).await });
        assert_eq!(task.await.unwrap().end.ending(), Ending::Completed);
    }
    // Timers are not starved either.
    tokio::time::sleep(Duration::from_millis(10)).await;
    stops.iter().for_each(lovage::engine::Cancel::stop);
    let mut spun = Duration::ZERO;
    for spinning in spinning {
        let outcome = spinning.await.unwrap();
        assert_eq!(outcome.end.ending(), Ending::Cancelled);
        spun += outcome.cpu;
    }
    // Not by the clock: others may have the machine meanwhile.
    let each = spun / 50;
    assert!(each < Duration::from_millis(100), "{each:?}");
}

#[tokio::test]
async fn slots_come_back_after_every_kind_of_end() {
    let engine = engine();
    let trap = engine.compile(&Guest::new("unreachable").build()).unwrap();
    let spin = engine.compile(&Guest::new(SPIN).build()).unwrap();
    for _ in 0..200 {
        let outcome = run_with(&engine, &trap, invocation(&trap)).await;
        assert_eq!(outcome.end.ending(), Ending::Trapped);
    }
    for _ in 0..20 {
        let mut dropped = invocation(&spin);
        dropped.limits.fuel = u64::MAX;
        let run = run_with(&engine, &spin, dropped);
        // Whoever waits for it goes away.
        let gone = tokio::time::timeout(Duration::from_millis(3), run).await;
        assert!(gone.is_err());
    }
    let quick = engine.compile(&Guest::new(ECHO).build()).unwrap();
    let all = (0..8).map(|_| run_with(&engine, &quick, invocation(&quick)));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome.end.ending(), Ending::Completed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_lets_wait_and_does_not_fail() {
    let engine = engine();
    let code = "(call $block (call $subscribe-duration (i64.const 20000000)))";
    let slow = engine.compile(&Guest::with_imports(code).build()).unwrap();
    let started = Instant::now();
    let all = (0..32).map(|_| run_with(&engine, &slow, invocation(&slow)));
    let mut walls = Duration::ZERO;
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome.end.ending(), Ending::Completed);
        walls += outcome.wall;
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(80), "four rounds of eight");
    // The wait is not held against the attempts, of which there are eight at a time: with
    // it, they would be twenty.
    assert!(walls < 12 * took, "{walls:?} in {took:?}");
}

#[tokio::test]
async fn instances_share_nothing() {
    // Returns the byte at 3000, having raised it.
    let code = "
        (i32.store8 (i32.const 3000) (i32.add (i32.load8_u (i32.const 3000)) (i32.const 1)))
        (call $respond (i32.const 3000) (i32.const 1))";
    let module = module(&Guest::new(code));
    for _ in 0..20 {
        let outcome = run_with(&ENGINE, &module, invocation(&module)).await;
        assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1]));
    }
}
