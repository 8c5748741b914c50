//! What processes tell of themselves: metrics, traces, web-hooks.

mod collector;
mod docs;
mod hooks;
mod logs;
mod metrics;
mod receiver;

pub(crate) mod prometheus;
mod tallies;
mod traces;

use crate::fixtures::Guest;
use crate::support::guests::respond;

/// Enqueues a call of `kid.go` at once, and answers.
fn parent() -> Vec<u8> {
    let code = format!(
        "(i32.store8 (i32.const 3100) (i32.const 128))
        (i32.store (i32.const 3200) (i32.const 2020)) (i32.store (i32.const 3204) (i32.const 6))
        (i32.store (i32.const 3208) (i32.const 3100)) (i32.store (i32.const 3212) (i32.const 1))
        (i32.store8 (i32.const 3288) (i32.const 1))
        (call $enqueue (i32.const 3200) (i32.const 1) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then unreachable))
        {}",
        respond("(i32.const 7)")
    );
    Guest::with_imports(&code).text(2020, "kid.go").build()
}
