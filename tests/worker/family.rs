//! What a running job may tell the queue: progress, checkpoints, children.

use lovage_queue::job::{Ending, Job, JobId, State};

use super::{completed_once, endings, inline};
use crate::fixtures::Guest;
use crate::support::guests::{ATTEMPT, FAILURE, answering, fail, respond, sleep};
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

/// The children as `enqueue` reads them at 3200 and 3296: `kid.go` with the empty map
/// for its input, one with the key `a` and one without; both at once, or with their
/// parent's completion.
fn children(at_once: bool) -> String {
    let at_once = u8::from(at_once);
    format!(
        "(i32.store8 (i32.const 3100) (i32.const 128))
        (i32.store (i32.const 3200) (i32.const 2020)) (i32.store (i32.const 3204) (i32.const 6))
        (i32.store (i32.const 3208) (i32.const 3100)) (i32.store (i32.const 3212) (i32.const 1))
        (i32.store8 (i32.const 3216) (i32.const 1))
        (i32.store (i32.const 3220) (i32.const 2026)) (i32.store (i32.const 3224) (i32.const 1))
        (i32.store8 (i32.const 3288) (i32.const {at_once}))
        (i32.store (i32.const 3296) (i32.const 2020)) (i32.store (i32.const 3300) (i32.const 6))
        (i32.store (i32.const 3304) (i32.const 3100)) (i32.store (i32.const 3308) (i32.const 1))
        (i32.store8 (i32.const 3384) (i32.const {at_once}))
        (call $enqueue (i32.const 3200) (i32.const 2) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then unreachable))"
    )
}

/// Tells of its progress, saves a checkpoint, enqueues two children and fails;
/// in its second attempt enqueues them again and answers with what it had saved.
fn parent(at_once: bool) -> Vec<u8> {
    let code = format!(
        "(local $attempt i32)
        {ATTEMPT}
        {}
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
        children(at_once),
        sleep(3_000),
        fail(2, 3_000),
        respond("(i32.load8_u (i32.load (i32.const 144)))"),
    );
    Guest::with_imports(&code)
        .text(2000, FAILURE)
        .text(2020, "kid.goahalf")
        .build()
}

/// Runs a parent to its end; it, and its children.
async fn family(site: &Site, at_once: bool) -> (Job, Vec<Job>) {
    site.push("kid", &answering(5)).await;
    site.push("app", &parent(at_once)).await;
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
    let children = site.ends(&children).await;
    for child in &children {
        completed_once(child, &[5]);
        let options = &child.call.options;
        assert_eq!(
            (options.parent, options.root, options.depth),
            (Some(id), Some(id), 1)
        );
    }
    assert_eq!(site.list(State::Completed).await.len(), 3, "and no others");
    (job, children)
}

site_test!(
    children_come_with_their_parents_completion_and_each_once,
    |site| async move {
        let _worker = site.worker(&[]).await;
        let (job, children) = family(&site, false).await;
        for child in &children {
            // Its first attempt failed: there are none of it.
            assert!(child.enqueued >= job.attempts[1].started, "{child:#?}");
        }
        let client = site.client().await;
        let saved = client.broker().checkpoint(client.tenant(), job.call.id);
        let saved = saved.await;
        assert_eq!(saved.unwrap(), None, "it goes when the job ends");
    }
);

site_test!(
    children_at_once_do_not_wait_and_a_retry_makes_no_second_ones,
    |site| async move {
        let _worker = site.worker(&[]).await;
        let (job, children) = family(&site, true).await;
        for child in &children {
            assert!(child.finished < job.attempts[1].started, "{child:#?}");
        }
    }
);

site_test!(a_line_of_children_has_an_end, |site| async move {
    // It calls itself, and traps where it is refused.
    let endless = "(i32.store8 (i32.const 3100) (i32.const 128))
            (i32.store (i32.const 3200) (i32.const 2020)) (i32.store (i32.const 3204) (i32.const 6))
            (i32.store (i32.const 3208) (i32.const 3100)) (i32.store (i32.const 3212) (i32.const 1))
            (call $enqueue (i32.const 3200) (i32.const 1) (i32.const 128))
            (if (i32.load8_u (i32.const 128)) (then unreachable))";
    let code = format!("{endless} {}", respond("(i32.const 1)"));
    let guest = Guest::with_imports(&code).text(2020, "app.go");
    site.push("app", &guest.build()).await;
    let _worker = site.worker(&[]).await;
    let mut call = call("app");
    call.options.max_attempts = Some(1);
    let root = site.enqueue_all(vec![call]).await[0];
    let mut id = root;
    for depth in 0..32 {
        let job = site.ends(&[id]).await.remove(0);
        assert_eq!(job.state, State::Completed, "{job:#?}");
        assert_eq!(job.call.options.depth, depth);
        let expected = (depth > 0).then_some(root);
        assert_eq!(job.call.options.root, expected);
        id = JobId::child(id, "ordinal:0");
    }
    let last = until("the last one was refused", || async {
        let job = site.job(id).await;
        (!job.attempts.is_empty()).then_some(job)
    })
    .await;
    assert_eq!(last.call.options.depth, 32);
    assert_eq!(last.attempts[0].ending, Ending::Trapped);
});

site_test!(
    no_more_than_a_thousand_wait_for_their_parent,
    |site| async move {
        // Six hundred, twice: those of the second call are refused, and the first stay.
        let code = format!(
            "(local $at i32)
        (i32.store8 (i32.const 3100) (i32.const 128))
        (local.set $at (i32.const 65536))
        (loop $next
          (i32.store (local.get $at) (i32.const 2020))
          (i32.store (i32.add (local.get $at) (i32.const 4)) (i32.const 6))
          (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 3100))
          (i32.store (i32.add (local.get $at) (i32.const 12)) (i32.const 1))
          (local.set $at (i32.add (local.get $at) (i32.const 96)))
          (br_if $next (i32.lt_u (local.get $at) (i32.const 123136))))
        (call $enqueue (i32.const 65536) (i32.const 600) (i32.const 128))
        (if (i32.load8_u (i32.const 128)) (then unreachable))
        (call $enqueue (i32.const 65536) (i32.const 600) (i32.const 128))
        {}",
            respond("(i32.load8_u (i32.const 128))"),
        );
        let guest = Guest::with_imports(&code).pages(4).text(2020, "kid.go");
        site.push("kid", &answering(5)).await;
        site.push("app", &guest.build()).await;
        let id = site.enqueue("app", 1).await[0];
        let _worker = site.worker(&[]).await;
        let job = site.ends(&[id]).await.remove(0);
        assert_eq!(inline(&job), Some(&[1][..]), "an error: {job:#?}");
        let children: Vec<_> = (0..600)
            .map(|n| JobId::child(id, &format!("ordinal:{n}")))
            .collect();
        for child in site.ends(&children).await {
            assert_eq!(child.state, State::Completed);
        }
        assert_eq!(site.list(State::Completed).await.len(), 601);
    }
);
