//! Runs of many jobs, with hand-written guests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lovage::engine::{BatchCall, BatchOutcome, End, NoHost, Refusal};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Ending, JobId, Partition};
use lovage_queue::task::Batch;

use super::{ENGINE, PATIENCE, invocation, module};
use crate::fixtures::{ANSWER, ECHO, Guest, SPIN, component};

fn call(number: u8) -> BatchCall {
    BatchCall {
        id: JobId::new(Partition(0)),
        attempt: 1,
        max_attempts: 5,
        enqueued_at: Millis(1),
        headers: BTreeMap::from([("a".into(), "b".into())]),
        input: vec![number; usize::from(number)],
    }
}

async fn run(guest: &Guest, calls: u8) -> BatchOutcome {
    within(guest, calls, Duration::from_secs(20)).await
}

async fn within(guest: &Guest, calls: u8, deadline: Duration) -> BatchOutcome {
    let module = module(guest);
    let mut invocation = invocation(&module);
    invocation.limits.deadline = deadline;
    invocation.limits.result = 8;
    let calls = (1..=calls).map(call).collect();
    let run = ENGINE.run_batch(&module, invocation, calls, Arc::new(NoHost::default()));
    tokio::time::timeout(PATIENCE, run).await.expect("it ends")
}

fn batched(each: &str) -> Guest {
    Guest::new(ECHO).batch(100, 50, each)
}

#[tokio::test]
async fn each_call_has_its_own_end() {
    let outcome = run(&batched(ANSWER), 9).await;
    assert!(outcome.run.fuel > 0 && outcome.run.peak_memory > 0);
    for (number, end) in (1..).zip(&outcome.ends[..8]) {
        let result = vec![number; usize::from(number)];
        assert_eq!(*end, End::Completed(result));
    }
    assert_eq!(outcome.ends[8].ending(), Ending::ResultTooLarge);
    let fuel = outcome.run.fuel;
    let shares = outcome.shares(1024).map(|it| it.fuel);
    assert_eq!(shares.sum::<u64>(), fuel);
}

#[tokio::test]
async fn a_call_may_fail_by_itself() {
    // The second one does: its kind and message are two bytes of its input.
    let fail = format!(
        "{ANSWER}
        (if (i32.eq (local.get $number) (i32.const 1)) (then
            (i32.store8 (i32.const 49208) (i32.const 1))
            (i32.store (i32.const 49220) (i32.const 2))
            (i32.store (i32.const 49224) (i32.load offset=32 (local.get $calls)))
            (i32.store (i32.const 49228) (i32.const 2))
            (i32.store8 (i32.const 49248) (i32.const 3))))"
    );
    let outcome = run(&batched(&fail), 3).await;
    assert_eq!(outcome.run.end.ending(), Ending::Completed);
    let failure = outcome.ends[1].failure().expect("a failure");
    assert_eq!(failure.kind, "\u{2}\u{2}");
    assert_eq!(outcome.ends[2], End::Completed(vec![3; 3]));
}

#[tokio::test]
async fn whatever_ends_the_run_is_the_end_of_all() {
    let fewer = "(i32.store (i32.const 876) (i32.const 2))";
    for (each, ending, said) in [
        (fewer, Ending::Trapped, "returned 2 results for 3 calls"),
        ("unreachable", Ending::Trapped, "panicked or aborted"),
        (SPIN, Ending::Deadline, "ran past its deadline"),
    ] {
        let deadline = Duration::from_secs(if ending == Ending::Deadline { 1 } else { 20 });
        let outcome = within(&batched(each), 3, deadline).await;
        assert_eq!(outcome.ends.len(), 3);
        for end in &outcome.ends {
            assert_eq!(end.ending(), ending, "{each}");
            let message = &end.failure().unwrap().message;
            assert!(message.contains(said), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_batched_is_described_and_a_module_without_is_sound() {
    let described = |guest: Guest| async move { ENGINE.describe(&module(&guest)).await };
    let tasks = [("a", "{}"), ("b", "{}")];
    let infos = described(batched(ANSWER).tasks(&tasks)).await.unwrap();
    let wait = Duration::from_millis(50);
    assert_eq!(infos[0].options.batch, Some(Batch { max: 100, wait }));
    assert_eq!(infos[1].options.batch, None);
    let infos = described(Guest::new(ECHO)).await.unwrap();
    assert_eq!(infos[0].options.batch, None);
    let many = Guest::new(ECHO).batch(1001, 50, ANSWER);
    let text = described(many).await.unwrap_err().to_string();
    assert_eq!(
        text,
        "`describe` of `go`: a batch takes 1 to 1000 jobs, not 1001"
    );
    let outcome = run(&Guest::new(ECHO), 2).await;
    assert_eq!(outcome.ends[1].ending(), Ending::HostError, "none to run");
}

#[tokio::test]
async fn batches_of_another_shape_are_refused() {
    let lacks = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $h (export "run" (func $f)) (export "describe" (func $f)))
        (instance $b (export "run" (func $f)))
        (export "lovage:task/handler@0.1.0" (instance $h))
        (export "lovage:task/batches@0.1.0" (instance $b)))"#;
    let refusal = ENGINE.compile(&component(lacks)).unwrap_err();
    let text = "its `batches` lacks `describe`".into();
    assert_eq!(refusal, Refusal::World(text));
}
