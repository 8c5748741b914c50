//! Each way in which an attempt ends.

use std::time::{Duration, Instant};

use lovage::engine::{Cancel, End, Limits};
use lovage_queue::job::Ending;
use lovage_queue::retry::Retry;

use super::{ENGINE, invocation, module, run, run_with};
use crate::fixtures::{ECHO, Guest, SPIN};

#[tokio::test]
async fn a_result_comes_back() {
    let outcome = run(&Guest::new(ECHO)).await;
    assert_eq!(outcome.end, End::Completed(b"input".to_vec()));
    assert!(outcome.fuel > 0 && outcome.fuel < 1_000);
    assert_eq!(outcome.peak_memory, 64 * 1024);
}

#[tokio::test]
async fn a_failure_is_the_tasks_own_account() {
    // Kind at 72, message at 80, detail at 88, retry at 104: after 1500 ms.
    let code = "
        (i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 72) (i32.const 2000)) (i32.store (i32.const 76) (i32.const 5))
        (i32.store (i32.const 80) (i32.const 2005)) (i32.store (i32.const 84) (i32.const 7))
        (i32.store8 (i32.const 104) (i32.const 2)) (i64.store (i32.const 112) (i64.const 1500))";
    let outcome = run(&Guest::new(code).text(2000, "quotano more")).await;
    let failure = outcome.end.failure().unwrap();
    assert_eq!(outcome.end.ending(), Ending::Failed);
    assert_eq!((&*failure.kind, &*failure.message), ("quota", "no more"));
    assert_eq!(failure.retry, Retry::After(Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_failure_of_bad_text_is_a_trap() {
    let code = "
        (i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 72) (i32.const 2000)) (i32.store (i32.const 76) (i32.const 1))
        (i32.store8 (i32.const 2000) (i32.const 255))";
    let outcome = run(&Guest::new(code)).await;
    assert_eq!(outcome.end.ending(), Ending::Trapped, "{outcome:?}");
}

#[tokio::test]
async fn fuel_is_a_budget() {
    let module = module(&Guest::new(SPIN));
    let mut invocation = invocation(&module);
    invocation.limits.fuel = 1_000_000;
    let outcome = run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end.ending(), Ending::OutOfFuel);
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "used up its 1,000,000 units of fuel"
    );
    assert_eq!(outcome.fuel, 1_000_000);
}

#[tokio::test]
async fn the_deadline_ends_what_has_fuel() {
    let module = module(&Guest::new(SPIN));
    let mut invocation = invocation(&module);
    invocation.limits = Limits {
        fuel: u64::MAX,
        deadline: Duration::from_millis(50),
        ..Limits::default()
    };
    let outcome = run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end.ending(), Ending::Deadline);
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "ran past its deadline of 50ms"
    );
    assert!(outcome.wall >= Duration::from_millis(50));
    // Not by the clock: others may have the machine meanwhile.
    assert!(
        outcome.cpu < Duration::from_millis(500),
        "{:?}",
        outcome.cpu
    );
}

#[tokio::test]
async fn the_deadline_is_in_force_while_a_guest_sleeps() {
    let code = "(call $block (call $subscribe-duration (i64.const 1000000000000)))";
    let module = module(&Guest::with_imports(code));
    let mut invocation = invocation(&module);
    invocation.limits.deadline = Duration::from_millis(50);
    let outcome = run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end.ending(), Ending::Deadline);
}

#[tokio::test]
async fn a_stop_is_obeyed_within_a_tick() {
    let sleep = "(call $block (call $subscribe-duration (i64.const 1000000000000)))";
    for guest in [Guest::new(SPIN), Guest::with_imports(sleep)] {
        let module = module(&guest);
        let mut invocation = invocation(&module);
        let cancel = Cancel::default();
        invocation.cancel = cancel.clone();
        let running = tokio::spawn(async move { run_with(&ENGINE, &module, invocation).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        cancel.cancel();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!running.is_finished(), "to ask is not to stop");
        let stopped = Instant::now();
        cancel.stop();
        let outcome = running.await.unwrap();
        assert_eq!(outcome.end, End::Cancelled);
        // Others may have the machine, but it is not this guest that computes on.
        assert!(
            outcome.cpu < Duration::from_millis(200),
            "{:?}",
            outcome.cpu
        );
        assert!(
            stopped.elapsed() < Duration::from_secs(10),
            "{:?}",
            stopped.elapsed()
        );
    }
}

#[tokio::test]
async fn an_attempt_that_was_stopped_before_does_not_begin() {
    let module = module(&Guest::new(ECHO));
    let invocation = invocation(&module);
    invocation.cancel.stop();
    let outcome = run_with(&ENGINE, &module, invocation).await;
    assert_eq!((outcome.end, outcome.fuel), (End::Cancelled, 0));
}

#[tokio::test]
async fn memory_that_is_refused_is_the_cause_of_the_trap_after_it() {
    let bomb =
        "(loop $on (br_if $on (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable";
    let outcome = run(&Guest::new(bomb)).await;
    assert_eq!(outcome.end.ending(), Ending::OutOfMemory);
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "asked for more than its 128 MiB of memory"
    );
    assert!(outcome.peak_memory > 126 << 20 && outcome.peak_memory <= 128 << 20);
}

#[tokio::test]
async fn memory_that_is_refused_and_borne_is_no_failure() {
    let code = format!("(drop (memory.grow (i32.const 60000))) {ECHO}");
    let outcome = run(&Guest::new(&code)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
}

#[tokio::test]
async fn a_module_that_starts_with_too_much_memory_has_none() {
    let module = module(&Guest::new(ECHO).pages(32));
    let mut invocation = invocation(&module);
    invocation.limits.memory = 1 << 20;
    let outcome = run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end.ending(), Ending::OutOfMemory);
}

#[tokio::test]
async fn deep_recursion_ends() {
    let guest = Guest::new("(drop (call $deep (i32.const 1)))").functions(
        "(func $deep (param i32) (result i32)
           (i32.add (call $deep (local.get 0)) (local.get 0)))",
    );
    let outcome = run(&guest).await;
    assert_eq!(outcome.end.ending(), Ending::StackOverflow);
    let detail = outcome.end.failure().unwrap().detail.as_deref().unwrap();
    assert!(
        detail.starts_with("in deep\n") && detail.lines().count() <= 16,
        "{detail}"
    );
}

#[tokio::test]
async fn a_trap_is_told() {
    let outcome = run(&Guest::new("unreachable")).await;
    assert_eq!(outcome.end.ending(), Ending::Trapped);
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "panicked or aborted (`unreachable` executed)"
    );
    let outcome = run(&Guest::new(
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    ))
    .await;
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "trapped: integer divide by zero"
    );
}

#[tokio::test]
async fn a_panic_says_what_it_said() {
    let panic = "thread 'main' panicked at src/lib.rs:7:9:\nno such image\n";
    let code = format!(
        "(call $write (call $get-stderr) (i32.const 2000) (i32.const {}) (i32.const 128)) unreachable",
        panic.len()
    );
    let outcome = run(&Guest::with_imports(&code).text(2000, panic)).await;
    assert_eq!(
        outcome.end.failure().unwrap().message,
        "panicked: no such image (src/lib.rs:7:9)"
    );
}

#[tokio::test]
async fn to_exit_is_not_to_return() {
    for (status, code) in [(0, 0), (1, 1)] {
        let outcome = run(&Guest::with_imports(&format!(
            "(call $exit (i32.const {status}))"
        )))
        .await;
        assert_eq!(outcome.end.ending(), Ending::Trapped);
        assert_eq!(
            outcome.end.failure().unwrap().message,
            format!("exited with code {code} instead of returning")
        );
    }
}

#[tokio::test]
async fn a_result_has_a_size() {
    let respond = |size: usize| format!("(call $respond (i32.const 0) (i32.const {size}))");
    let limit = Limits::default().result;
    let fits = run(&Guest::new(&respond(limit)).pages(512)).await;
    assert_eq!(fits.end.ending(), Ending::Completed);
    let not = run(&Guest::new(&respond(limit + 1)).pages(512)).await;
    assert_eq!(not.end.ending(), Ending::ResultTooLarge);
    // All of its memory: told by its size, not by a bound on the way.
    let not = run(&Guest::new(&respond(127 << 20)).pages(2040)).await;
    assert_eq!(not.end.ending(), Ending::ResultTooLarge);
    assert_eq!(
        not.end.failure().unwrap().message,
        "returned 127 MiB, more than the 16 MiB that a result may have"
    );
    // A result that is not in its memory.
    let lie = run(&Guest::new(&respond(1 << 20))).await;
    assert_eq!(lie.end.ending(), Ending::Trapped);
}

/// Bounds that hold on a machine that does much else: what a thread computes is never
/// more than the time that has passed, and somebody else may have the core.
#[tokio::test]
async fn a_guests_cpu_time_is_what_it_computes_and_not_what_it_waits_for() {
    let mut spin = invocation(&module(&Guest::new(SPIN)));
    // By its fuel it computes for so long, whoever else has the core.
    spin.limits.fuel = 100_000_000;
    let spun = run_with(&ENGINE, &module(&Guest::new(SPIN)), spin).await;
    assert_eq!(spun.end.ending(), Ending::OutOfFuel);
    assert!(spun.cpu > Duration::from_millis(5), "{:?}", spun.cpu);
    let slack = Duration::from_millis(1);
    assert!(
        spun.cpu <= spun.wall + slack,
        "{:?} of {:?}",
        spun.cpu,
        spun.wall
    );
}
