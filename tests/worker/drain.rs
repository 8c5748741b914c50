//! SIGTERM: what runs finishes, the rest goes back.

use lovage_queue::job::{Job, State};

use super::completed_once;
use crate::support::guests::{answering, beginning};
use crate::support::{site_test, until};

/// A job that waits as if nothing had happened to it.
#[track_caller]
fn untouched(job: &Job) {
    assert_eq!(job.state, State::Available, "{job:#?}");
    assert_eq!((job.attempt, job.crash), (0, 0), "{job:#?}");
    assert!(job.attempts.is_empty(), "{job:#?}");
}

site_test!(
    what_runs_finishes_and_what_waits_is_available,
    |site| async move {
        let mut worker = site.live_worker(&["--concurrency", "2"]).await;
        // Pushed to a live worker, which so has it compiled: the first two jobs
        // begin at once.
        site.push("app", &beginning(6_000)).await;
        let ids = site.enqueue("app", 7).await;
        site.begun(&ids[..2]).await;
        worker.signal("TERM");
        worker.says("draining").await;
        // It says so before the others are back, which they are while the two still run.
        until("the rest is back", || async {
            let counts = site.counts().await;
            assert!(counts.completed == 0, "not at once: {counts:?}");
            ((counts.available, counts.running) == (5, 2)).then_some(())
        })
        .await;
        assert_eq!(worker.ended().await.code(), Some(0));
        for id in &ids[..2] {
            completed_once(&site.job(*id).await, &[7]);
        }
        for id in &ids[2..] {
            untouched(&site.job(*id).await);
        }
    }
);

site_test!(a_drain_longer_than_the_lease_keeps_it, |site| async move {
    let mut worker = site.live_worker(&["LOVAGE_WORKER__LEASE=4s"]).await;
    // To a live worker, which so has it compiled before the job is there.
    site.push("app", &beginning(10_000)).await;
    let id = site.enqueue("app", 1).await[0];
    site.begun(&[id]).await;
    // It would take the job, were the lease to run out.
    let _other = site.worker(&[]).await;
    worker.signal("TERM");
    assert_eq!(worker.ended().await.code(), Some(0));
    let job = site.job(id).await;
    completed_once(&job, &[7]);
    assert_eq!((job.delivery, job.crash), (1, 0), "{job:#?}");
});

site_test!(what_outlasts_the_grace_goes_back, |site| async move {
    site.push("app", &beginning(60_000)).await;
    let mut worker = site.worker(&["--grace", "300ms"]).await;
    let id = site.enqueue("app", 1).await[0];
    site.begun(&[id]).await;
    worker.signal("TERM");
    assert_eq!(worker.ended().await.code(), Some(0));
    untouched(&site.job(id).await);
});

site_test!(
    a_second_signal_does_not_wait_for_the_grace,
    |site| async move {
        site.push("app", &beginning(60_000)).await;
        let mut worker = site.worker(&["--grace", "50s"]).await;
        let id = site.enqueue("app", 1).await[0];
        site.begun(&[id]).await;
        worker.signal("INT");
        worker.says("draining").await;
        assert!(worker.is_alive());
        worker.signal("TERM");
        assert_eq!(worker.ended().await.code(), Some(0));
        untouched(&site.job(id).await);
    }
);

site_test!(
    an_idle_worker_ends_at_once_and_leaves_no_lease,
    |site| async move {
        let mut worker = site.worker(&[]).await;
        worker.signal("TERM");
        assert_eq!(worker.ended().await.code(), Some(0));
        // A push would wait for a live worker that has yet to compile.
        let since = std::time::Instant::now();
        site.push("app", &answering(1)).await;
        assert!(since.elapsed().as_secs() < 20, "{:?}", since.elapsed());
        until("nobody is waited for", || async {
            let pushed = site.lovage(&["push", "app.wasm", "--json"]).await.ok();
            (pushed.json()["workers"]["live"] == 0).then_some(())
        })
        .await;
    }
);
