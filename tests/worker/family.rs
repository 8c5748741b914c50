//! What a running job may tell the queue: progress, checkpoints, children.

use lovage_queue::job::{Ending, JobId, State};

use super::{completed_once, endings, inline};
use crate::fixtures::Guest;
use crate::support::guests::{ATTEMPT, FAILURE, answering, fail, respond, sleep};
use crate::support::{site_test, until};

/// The children as `enqueue` reads them at 3200 and 3288: `kid.go` with the
/// empty map for its input, one with the key `a` and one without.
const CHILDREN: &str = "
    (i32.store8 (i32.const 3100) (i32.const 128))
    (i32.store (i32.const 3200) (i32.const 2020)) (i32.store (i32.const 3204) (i32.const 6))
    (i32.store (i32.const 3208) (i32.const 3100)) (i32.store (i32.const 3212) (i32.const 1))
    (i32.store8 (i32.const 3216) (i32.const 1))
    (i32.store (i32.const 3220) (i32.const 2026)) (i32.store (i32.const 3224) (i32.const 1))
    (i32.store (i32.const 3288) (i32.const 2020)) (i32.store (i32.const 3292) (i32.const 6))
    (i32.store (i32.const 3296) (i32.const 3100)) (i32.store (i32.const 3300) (i32.const 1))
    (call $enqueue (i32.const 3200) (i32.const 2) (i32.const 128))
    (if (i32.load8_u (i32.const 128)) (then unreachable))";

/// Tells of its progress, saves a checkpoint, enqueues two children and fails;
/// in its second attempt enqueues them again and answers with what it had saved.
fn parent() -> Vec<u8> {
    let code = format!(
        "(local $attempt i32)
        {ATTEMPT}
        {CHILDREN}
        (if (i32.eq (local.get $attempt) (i32.const 1))
          (then
            (call $progress (i32.const 1) (f64.const 0.5) (i32.const 1) (i32.const 2027) (i32.const 4) (i32.const 128))
            (i32.store8 (i32.const 2040) (i32.const 42))
            (call $checkpoint (i32.const 2040) (i32.const 1) (i32.const 128))
            {}
            {})
          (else
            (call $restore (i32.const 128))
            (if (i32.eqz (i32.load8_u (i32.const 132))) (then unreachable))
            {}))",
        sleep(1200),
        fail(1, 0),
        respond("(i32.load8_u (i32.load (i32.const 144)))"),
    );
    Guest::with_imports(&code)
        .text(2000, FAILURE)
        .text(2020, "kid.goahalf")
        .build()
}

site_test!(
    a_retried_parent_keeps_its_state_and_has_each_child_once,
    |site| async move {
        site.push("kid", &answering(5)).await;
        site.push("app", &parent()).await;
        let _worker = site.worker(&[]).await;
        let id = site.enqueue("app", 1).await[0];
        let progress = until("it tells of its progress", || async {
            site.job(id).await.progress
        })
        .await;
        assert_eq!(
            (progress.share, progress.message.as_deref()),
            (Some(0.5), Some("half"))
        );

        let job = site.ends(&[id]).await.remove(0);
        assert_eq!(job.state, State::Completed, "{job:#?}");
        assert_eq!(endings(&job), [Ending::Failed, Ending::Completed]);
        assert_eq!(inline(&job), Some(&[42][..]), "what it had saved");

        let children = [JobId::child(id, "key:a"), JobId::child(id, "ordinal:1")];
        for child in site.ends(&children).await {
            completed_once(&child, &[5]);
            assert_eq!(child.call.options.parent, Some(id));
        }
        assert_eq!(site.list(State::Completed).await.len(), 3, "and no others");
        let client = site.client().await;
        let saved = client.broker().checkpoint(client.tenant(), id).await;
        assert_eq!(saved.unwrap(), None, "it goes when the job ends");
    }
);
