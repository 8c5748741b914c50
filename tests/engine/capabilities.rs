//! What a guest asks of its host.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lovage::engine::{CallError, Host, Limits, Reply, Request};
use lovage_queue::job::{Ending, JobId, Partition};

use super::{ENGINE, PATIENCE, invocation, module, run};
use crate::fixtures::Guest;

/// Answers with the first byte of the last host call's answer.
const ANSWER: &str = "(call $respond (i32.const 128) (i32.const 2))";

/// Writes down what it is asked.
#[derive(Default)]
struct Recorder(Mutex<Vec<Request>>);

#[async_trait]
impl Host for Recorder {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        let reply = match &request {
            Request::Enqueue(jobs) => {
                Reply::Enqueued(jobs.iter().map(|_| JobId::new(Partition(0))).collect())
            }
            Request::Restore => Reply::Restored(None),
            _ => Reply::Done,
        };
        self.0.lock().unwrap().push(request);
        Ok(reply)
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl Host for Silent {
    async fn call(&self, _: Request) -> Result<Reply, CallError> {
        std::future::pending().await
    }
}

async fn requests(guest: &Guest) -> (lovage::engine::Outcome, Vec<Request>) {
    let module = module(guest);
    let host = Arc::new(Recorder::default());
    let run = ENGINE.run(&module, invocation(&module), Arc::clone(&host) as _);
    let outcome = tokio::time::timeout(PATIENCE, run).await.unwrap();
    let requests = std::mem::take(&mut *host.0.lock().unwrap());
    (outcome, requests)
}

#[tokio::test]
async fn the_log_is_stdout_and_stderr_in_order_and_bounded() {
    let code = "
        (call $write (call $get-stdout) (i32.const 2000) (i32.const 4) (i32.const 128))
        (call $write (call $get-stderr) (i32.const 2004) (i32.const 4) (i32.const 128))
        (call $write (call $get-stdout) (i32.const 2008) (i32.const 4) (i32.const 128))";
    let outcome = run(&Guest::with_imports(code).text(2000, "one two four")).await;
    assert_eq!(outcome.log.bytes, b"one two four");
    assert!(!outcome.log.truncated);

    let endless = "(local $out i32) (local.set $out (call $get-stdout))
        (loop $on
            (call $write (local.get $out) (i32.const 2000) (i32.const 4096) (i32.const 128))
            (br $on))";
    let module = module(&Guest::with_imports(endless));
    let mut invocation = invocation(&module);
    // Time enough to fill the log.
    invocation.limits.deadline = Duration::from_secs(1);
    let outcome = super::run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end.ending(), Ending::Deadline);
    assert_eq!(outcome.log.bytes.len(), Limits::default().log);
    assert!(outcome.log.truncated);
    assert!(outcome.wall < Duration::from_secs(10), "{:?}", outcome.wall);
}

#[tokio::test]
async fn the_deadline_is_in_force_while_the_host_hangs() {
    let code = "(call $checkpoint (i32.const 0) (i32.const 1) (i32.const 128))";
    let module = module(&Guest::with_imports(code));
    let mut invocation = invocation(&module);
    invocation.limits.deadline = Duration::from_millis(50);
    let run = ENGINE.run(&module, invocation, Arc::new(Silent));
    let outcome = tokio::time::timeout(PATIENCE, run).await.unwrap();
    assert_eq!(outcome.end.ending(), Ending::Deadline);
    assert!(outcome.wall < Duration::from_secs(10), "{:?}", outcome.wall);
}

#[tokio::test]
async fn progress_is_thinned_but_its_end_is_told() {
    let code = "(local $n i32)
        (loop $on
            (call $progress (i32.const 1) (f64.const 0.5) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $n) (i32.const 1000))))
        (call $progress (i32.const 1) (f64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))
        (call $progress (i32.const 1) (f64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))";
    let (outcome, requests) = requests(&Guest::with_imports(code)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
    let shares: Vec<_> = requests
        .iter()
        .map(|request| match request {
            Request::Progress(progress) => progress.share.unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!((2..=20).contains(&shares.len()), "{shares:?}");
    assert_eq!((shares[0], shares[shares.len() - 1]), (0.5, 1.0));
}

#[tokio::test]
async fn a_progress_that_makes_no_sense_is_refused() {
    let code = format!(
        "(call $progress (i32.const 1) (f64.const nan) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128)) (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132))) {ANSWER}"
    );
    let (outcome, requests) = requests(&Guest::with_imports(&code)).await;
    assert!(requests.is_empty());
    // An error, of the case `invalid`.
    assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1, 1]));
}

#[tokio::test]
async fn a_checkpoint_has_a_size() {
    let code = |size: u32| {
        Guest::with_imports(&format!(
            "(call $checkpoint (i32.const 0) (i32.const {size}) (i32.const 128)) (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132))) {ANSWER}"
        ))
        .pages(32)
    };
    let (outcome, asked) = requests(&code(1 << 20)).await;
    assert!(matches!(&outcome.end, lovage::engine::End::Completed(answer) if answer[0] == 0));
    assert!(matches!(&asked[..], [Request::Checkpoint(it)] if it.state.len() == 1 << 20));
    let (outcome, asked) = requests(&code((1 << 20) + 1)).await;
    // An error, of the case `limit`.
    assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1, 2]));
    assert!(asked.is_empty());
}

#[tokio::test]
async fn calls_to_the_host_are_counted() {
    let code = format!(
        "(local $n i32)
        (loop $on
            (call $checkpoint (i32.const 0) (i32.const 1) (i32.const 128))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $n) (i32.const 10001))))
        (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132))) {ANSWER}"
    );
    let (outcome, asked) = requests(&Guest::with_imports(&code)).await;
    assert_eq!(asked.len(), 10_000);
    assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1, 2]));
}

#[tokio::test]
async fn children_are_numbered_over_the_attempt() {
    // Two calls with one job of 88 bytes at 3000 each: all optional fields are
    // none; its task is the text at 2000.
    let code = "
        (i32.store (i32.const 3000) (i32.const 2000)) (i32.store (i32.const 3004) (i32.const 16))
        (call $enqueue (i32.const 3000) (i32.const 1) (i32.const 128))
        (call $enqueue (i32.const 3000) (i32.const 1) (i32.const 128))";
    let guest = Guest::with_imports(code).text(2000, "images.thumbnail");
    let (_, requests) = requests(&guest).await;
    let [Request::Enqueue(first), Request::Enqueue(second)] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(
        (&*first[0].module, &*first[0].task),
        ("images", "thumbnail")
    );
    assert_eq!((first[0].ordinal, second[0].ordinal), (0, 1));

    // Without a queue behind the run, it is denied.
    let code =
        format!("{code} (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132))) {ANSWER}");
    let outcome = run(&Guest::with_imports(&code).text(2000, "images.thumbnail")).await;
    assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1, 0]));
}

#[tokio::test]
async fn a_run_makes_one_page_and_nothing_beside_it() {
    let enqueue = "(call $enqueue (i32.const 3000) (i32.const 1) (i32.const 128))";
    let page = |jobs, open| {
        format!(
            "(call $enqueue-page (i32.const 3000) (i32.const {jobs}) (i32.const 2000) (i32.const 6) (i32.const {open}) (i32.const 128))
            (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132)))"
        )
    };
    let answers = async |code: String| {
        let job = "(i32.store (i32.const 3000) (i32.const 2000)) (i32.store (i32.const 3004) (i32.const 16))";
        let guest = Guest::with_imports(&format!("{job} {code} {ANSWER}"));
        let (outcome, requests) = requests(&guest.text(2000, "images.thumbnail")).await;
        let lovage::engine::End::Completed(answer) = outcome.end else {
            panic!("{outcome:?}")
        };
        (answer, requests)
    };
    let (answer, asked) = answers(page(1, 2)).await;
    assert_eq!(answer[0], 0);
    let [Request::EnqueuePage(made)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!((&*made.cursor.state, made.open), (&b"images"[..], 2));
    assert_eq!(&*made.jobs[0].task, "thumbnail");

    // Errors of the case `invalid`, and none of them reaches the host.
    let page = page(1, 2);
    for code in [format!("{page} {page}"), format!("{enqueue} {page}")] {
        let (answer, asked) = answers(code).await;
        assert_eq!((&*answer, asked.len()), (&[1, 1][..], 1));
    }
    let after =
        format!("{page} {enqueue} (i32.store8 (i32.const 129) (i32.load8_u (i32.const 132)))");
    let (answer, asked) = answers(after).await;
    assert_eq!((&*answer, asked.len()), (&[1, 1][..], 1));
}

#[tokio::test]
async fn cancelled_and_remaining_answer_from_the_invocation() {
    let code = format!(
        "(i32.store8 (i32.const 128) (call $cancelled))
        (i32.store8 (i32.const 129) (i64.gt_u (call $remaining-ms) (i64.const 50000))) {ANSWER}"
    );
    let module = module(&Guest::with_imports(&code));
    let invocation = invocation(&module);
    invocation.cancel.cancel();
    let outcome = super::run_with(&ENGINE, &module, invocation).await;
    assert_eq!(outcome.end, lovage::engine::End::Completed(vec![1, 1]));
}
