//! What a guest makes its host spend, each up to its bound and no further.

use std::time::{Duration, Instant};

use lovage::engine::{End, Limits, Outcome};
use lovage_queue::job::Ending;

use super::{ENGINE, invocation, module, run, run_with};
use crate::fixtures::{ECHO, Guest, component};

/// The one line of an attempt that was ended.
#[track_caller]
fn said(outcome: &Outcome, ending: Ending) -> String {
    assert_eq!(outcome.end.ending(), ending, "{outcome:?}");
    outcome.end.failure().expect("a reason").message.clone()
}

#[tokio::test]
async fn calls_of_whatever_is_imported_are_counted() {
    for call in [
        "(drop (call $remaining-ms))",
        "(drop (call $get-stdout))",
        "(call $progress (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))",
    ] {
        let module = module(&Guest::with_imports(&format!("(loop $on {call} (br $on))")));
        let mut invocation = invocation(&module);
        invocation.limits = Limits {
            imports: 2_000,
            deadline: Duration::from_secs(20),
            ..Limits::default()
        };
        let outcome = run_with(&ENGINE, &module, invocation).await;
        let text = said(&outcome, Ending::Trapped);
        // Each stream is a handle, and of those there are fewer.
        let handles = text.contains("handle") || text.contains("resource");
        assert!(
            text == "called what it imports more than 2,000 times" || handles,
            "{text}"
        );
        assert!(outcome.wall < Duration::from_secs(15), "{:?}", outcome.wall);
    }
}

#[tokio::test]
async fn what_calls_move_is_counted_both_ways() {
    // A checkpoint of 64 KiB that is read again and again, until that is refused: the
    // answer's first byte is 1 then, and the case of its error at 132.
    let code = "(local $n i32)
        (call $checkpoint (i32.const 0) (i32.const 65536) (i32.const 128))
        (loop $on
            (call $restore (i32.const 128))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.eqz (i32.load8_u (i32.const 128)))))
        (i32.store8 (i32.const 3000) (local.get $n))
        (i32.store8 (i32.const 3001) (i32.load8_u (i32.const 132)))
        (call $respond (i32.const 3000) (i32.const 2))";
    let module = module(&Guest::with_imports(code).pages(2));
    let mut invocation = invocation(&module);
    invocation.limits.moved = 10 * 65536;
    let outcome = run_with(&ENGINE, &module, invocation).await;
    // Saved once, read ten times, the last of which is past it: no more after that. The
    // error is of the case `limit`.
    let refused = End::Completed(vec![11, 2]);
    assert_eq!(outcome.end, refused);
}

#[tokio::test]
async fn a_poll_waits_for_no_more_things_than_there_may_be() {
    // One pollable, and a list that names it so often.
    let poll = |times: u32| {
        format!(
            "(local $it i32) (local $at i32)
            (local.set $it (call $subscribe-duration (i64.const 0)))
            (loop $on
                (i32.store (i32.add (i32.const 65536) (local.get $at)) (local.get $it))
                (local.set $at (i32.add (local.get $at) (i32.const 4)))
                (br_if $on (i32.lt_u (local.get $at) (i32.const {}))))
            (call $poll (i32.const 65536) (i32.const {times}) (i32.const 128))
            (i32.store (i32.const 3000) (i32.load (i32.const 132)))
            (call $respond (i32.const 3000) (i32.const 4))",
            4 * times
        )
    };
    // Each that is lent for the call is a handle of its own.
    let outcome = run(&Guest::with_imports(&poll(9_000)).pages(8)).await;
    assert_eq!(outcome.end, End::Completed(9_000_u32.to_le_bytes().into()));
    let outcome = run(&Guest::with_imports(&poll(10_001)).pages(8)).await;
    let text = said(&outcome, Ending::Trapped);
    assert!(text.contains("handle limit exceeded"), "{text}");
}

#[tokio::test]
async fn a_sleep_of_centuries_ends_with_its_attempt() {
    let code = "(call $block (call $subscribe-duration (i64.const -1)))";
    let module = module(&Guest::with_imports(code));
    let mut invocation = invocation(&module);
    invocation.limits.deadline = Duration::from_millis(50);
    let outcome = run_with(&ENGINE, &module, invocation).await;
    said(&outcome, Ending::Deadline);
}

#[tokio::test]
async fn handles_are_counted() {
    let code = "(loop $on (drop (call $subscribe-duration (i64.const -1))) (br $on))";
    let outcome = run(&Guest::with_imports(code)).await;
    said(&outcome, Ending::Trapped);
    assert!(outcome.wall < Duration::from_secs(15), "{:?}", outcome.wall);
}

#[tokio::test]
async fn randomness_is_made_a_little_at_a_time() {
    let random = |bytes: i64| format!("(call $random (i64.const {bytes}) (i32.const 128)) {ECHO}");
    let outcome = run(&Guest::with_imports(&random(1 << 20))).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
    for bytes in [(1 << 20) + 1, -1] {
        let outcome = run(&Guest::with_imports(&random(bytes))).await;
        let text = said(&outcome, Ending::Trapped);
        assert!(text.contains("exceeds limit 1048576"), "{text}");
    }
}

#[tokio::test]
async fn a_table_grows_to_its_bound_and_no_further() {
    // Answers with its table's size once it cannot grow.
    let code = "(local $n i32)
        (loop $on
            (br_if $on (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000)))))
        (i32.store (i32.const 3000) (table.size $t))
        (call $respond (i32.const 3000) (i32.const 4))";
    let outcome = run(&Guest::new(code).functions("(table $t 1 funcref)")).await;
    let End::Completed(size) = outcome.end else {
        panic!("{outcome:?}")
    };
    let size = u32::from_le_bytes(size.try_into().unwrap());
    assert!((19_000..=20_000).contains(&size), "{size}");
}

#[tokio::test]
async fn a_description_has_a_size() {
    // Its one schema is all of its memory.
    let guest = Guest::new(ECHO).pages(400).describe(
        "(i32.store (i32.const 272) (i32.const 0)) (i32.store (i32.const 276) (i32.const 20000000))",
    );
    let module = module(&guest);
    let since = Instant::now();
    let refusal = ENGINE.describe(&module).await.unwrap_err().to_string();
    assert!(refusal.contains("too much data"), "{refusal}");
    assert!(since.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_refusal_names_some_of_what_is_missing_and_not_all() {
    let imports: String = (0..500)
        .map(|n| format!("(import \"acme:n{n}/x\" (instance))"))
        .collect();
    let refusal = ENGINE.compile(&component(&format!("(component {imports})")));
    let text = refusal.unwrap_err().to_string();
    assert!(text.contains("`acme:n19/x`, and others;"), "{text}");
    assert!(text.len() < 1_000, "{}", text.len());
}
