//! Task modules by what they do, each with the one task `go`.

use crate::fixtures::Guest;

/// Leaves a small number as the result, in MessagePack.
pub(crate) fn respond(number: &str) -> String {
    format!("(i32.store8 (i32.const 3000) {number}) (call $respond (i32.const 3000) (i32.const 1))")
}

/// Sleeps for so long.
pub(crate) fn sleep(ms: u64) -> String {
    format!(
        "(call $block (call $subscribe-duration (i64.const {})))",
        ms * 1_000_000
    )
}

/// Reads which attempt this is, from the record that `current` writes to 128.
pub(crate) const ATTEMPT: &str =
    "(call $current (i32.const 128)) (local.set $attempt (i32.load (i32.const 176)))";

/// Fails with the kind and message at 2000 (`kind` and `not yet`), and a retry
/// that is a tag (0 policy, 1 now, 2 after, 3 never) and a time.
pub(crate) fn fail(retry: u8, ms: u64) -> String {
    format!(
        "(i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 72) (i32.const 2000)) (i32.store (i32.const 76) (i32.const 4))
        (i32.store (i32.const 80) (i32.const 2004)) (i32.store (i32.const 84) (i32.const 7))
        (i32.store8 (i32.const 88) (i32.const 0))
        (i32.store8 (i32.const 104) (i32.const {retry})) (i64.store (i32.const 112) (i64.const {ms}))"
    )
}

/// The text that [`fail`] points to.
pub(crate) const FAILURE: &str = "kindnot yet";

/// Answers with a small number at once.
pub(crate) fn answering(number: u8) -> Vec<u8> {
    Guest::new(&respond(&format!("(i32.const {number})"))).build()
}

/// Saves a checkpoint: whoever sees it knows that the job runs, and not only
/// that a worker has it. Its text is at 2000.
pub(crate) const BEGIN: &str = "(call $checkpoint (i32.const 2000) (i32.const 5) (i32.const 128))";

/// Says that it begins, and answers with 7 after a while.
pub(crate) fn beginning(ms: u64) -> Vec<u8> {
    let code = format!("{BEGIN} {} {}", sleep(ms), respond("(i32.const 7)"));
    Guest::with_imports(&code).text(2000, "begun").build()
}

/// Says that it begins and sleeps for a minute in its first run; in the next one
/// answers with 7 at once.
pub(crate) fn stuck_once() -> Vec<u8> {
    let code = format!(
        "(call $restore (i32.const 128))
        (if (i32.eqz (i32.load8_u (i32.const 132))) (then {BEGIN} {}))
        {}",
        sleep(60_000),
        respond("(i32.const 7)"),
    );
    Guest::with_imports(&code).text(2000, "begun").build()
}

/// Answers with 7 after a while.
pub(crate) fn sleeping(ms: u64) -> Vec<u8> {
    Guest::with_imports(&format!("{} {}", sleep(ms), respond("(i32.const 7)"))).build()
}
