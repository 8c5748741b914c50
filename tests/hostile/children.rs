//! Jobs that make jobs that make jobs.

use lovage_queue::broker::Filter;
use lovage_queue::job::{Ending, State};

use super::Stage;
use crate::fixtures::Guest;
use crate::support::site::call;
use crate::support::{site_test, until};

/// Makes so many of itself, at once, and answers with the first byte of what it is told.
/// Each is a record of 88 bytes at 5000; what is set of it is its task, and at 80 that it
/// is made at once. Its input, at 2100, is the empty map.
fn forking(children: u32) -> Vec<u8> {
    let code = format!(
        "(local $at i32)
        (i32.store8 (i32.const 2100) (i32.const 128))
        (local.set $at (i32.const 5000))
        (loop $on
            (i32.store (local.get $at) (i32.const 2000))
            (i32.store offset=4 (local.get $at) (i32.const 7))
            (i32.store offset=8 (local.get $at) (i32.const 2100))
            (i32.store offset=12 (local.get $at) (i32.const 1))
            (i32.store8 offset={AT_ONCE} (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const {JOB})))
            (br_if $on (i32.lt_u (local.get $at) (i32.const {}))))
        (call $enqueue (i32.const 5000) (i32.const {children}) (i32.const 128))
        (call $respond (i32.const 128) (i32.const 1))",
        5000 + children * JOB
    );
    Guest::with_imports(&code)
        .text(2000, "fork.go")
        .pages(4)
        .build()
}

/// Bytes of a new job, and where in it stands that it is made at once.
const JOB: u32 = 96;
const AT_ONCE: u32 = 88;
/// How many of Mallory's jobs may wait.
const DEPTH: u64 = 300;

site_test!(
    a_fork_bomb_fills_its_own_queue_and_nobody_elses,
    |site| async move {
        let mut stage = Stage::set(site).await;
        stage
            .lovage(&["limit", "queue:default", "--depth", "300"])
            .await
            .ok();
        stage.push("fork", &forking(10)).await.ok();
        let first = stage.job(call("fork")).await;
        assert_eq!(first.state, State::Completed, "{first:#?}");
        // It grows tenfold a generation, until there is no more room.
        until("the queue is full, or nearly so", || async {
            let counts = stage.mallory.broker().counts("mallory").await.unwrap();
            let waiting: u64 = counts.iter().map(|it| it.available + it.scheduled).sum();
            assert!(waiting <= DEPTH, "{counts:?}");
            (waiting + 10 > DEPTH).then_some(())
        })
        .await;
        stage.lives("fork bomb").await;
        // Who was refused was told so, and ended as ever.
        let filter = Filter::of(State::Discarded, 10);
        let broken = stage
            .mallory
            .broker()
            .list("mallory", &filter)
            .await
            .unwrap();
        assert!(broken.jobs.is_empty(), "{:#?}", broken.jobs);
        stage.over_and_well().await;
    }
);

site_test!(a_line_of_children_has_an_end, |site| async move {
    let mut stage = Stage::set(site).await;
    stage.push("fork", &forking(1)).await.ok();
    let first = stage.job(call("fork")).await;
    assert_eq!(first.state, State::Completed, "{first:#?}");
    let ended = until("all of the line have ended", || async {
        let list = async |state| {
            let filter = Filter::of(state, 100);
            let listed = stage.mallory.broker().list("mallory", &filter).await;
            listed.unwrap().jobs
        };
        let refused = |it: &lovage_queue::job::Job| {
            it.result.as_ref().and_then(|it| it.inline()) == Some(&[1][..])
        };
        let is_there = list(State::Completed).await.iter().any(refused);
        // It may end before the one that made it.
        let over = is_there && list(State::Running).await.is_empty();
        match over {
            true => Some(list(State::Completed).await),
            false => None,
        }
    })
    .await;
    // The first, and 32 that came of it; the last of these could make none.
    assert_eq!(ended.len(), 33);
    assert!(
        ended
            .iter()
            .all(|it| it.attempts[0].ending == Ending::Completed)
    );
    stage.lives("a line").await;
    stage.over_and_well().await;
});
