//! In which order jobs start, and not before when.

use std::time::Duration;

use lovage_queue::job::{Job, State, When};

use super::completed_once;
use crate::support::guests::{answering, sleeping};
use crate::support::site::call;
use crate::support::{site_test, until};

/// The jobs in the order in which they started. Each ran alone for longer than
/// the clock's tick, so that no two have one time.
fn by_start(mut jobs: Vec<Job>) -> Vec<Job> {
    jobs.sort_by_key(|job| job.started);
    jobs
}

site_test!(the_highest_priority_starts_first, |site| async move {
    let _worker = site.live_worker(&["--concurrency", "1"]).await;
    // To a live worker, which so has it compiled: none goes back and starts later.
    site.push("app", &sleeping(15)).await;
    let priorities = [5, 0, 9, 7, 3, 9, 1, 5];
    let calls = priorities.map(|priority| {
        let mut call = call("app");
        call.priority = Some(priority);
        call
    });
    let ids = site.enqueue_all(calls.to_vec()).await;
    let jobs = by_start(site.ends(&ids).await);
    let order: Vec<_> = jobs.iter().map(|job| job.call.priority).collect();
    assert_eq!(order, [9, 9, 7, 5, 5, 3, 1, 0]);
    // Those of one priority in the order in which they were enqueued.
    let of = |priority| jobs.iter().filter(move |job| job.call.priority == priority);
    assert!(of(9).map(|job| job.call.id).eq([ids[2], ids[5]]));
    assert!(of(5).map(|job| job.call.id).eq([ids[0], ids[7]]));
});

site_test!(queues_share_a_worker_by_their_weights, |site| async move {
    let queues = ["--concurrency", "1", "--queues", "high=3,low"];
    let _worker = site.live_worker(&queues).await;
    // To a live worker, as above.
    site.push("app", &sleeping(15)).await;
    let calls = (0..24).map(|n| {
        let mut call = call("app");
        call.queue = Some(if n < 12 { "low" } else { "high" }.into());
        call
    });
    let ids = site.enqueue_all(calls.collect()).await;
    let jobs = by_start(site.ends(&ids).await);
    // While both have jobs, three of four are of the heavier one.
    let high = jobs[..12].iter().filter(|job| job.call.queue == "high");
    assert!((8..=10).contains(&high.count()), "9 of 12");
    assert!(jobs[..12].iter().any(|job| job.call.queue == "low"));
});

site_test!(
    a_worker_leaves_queues_alone_that_it_does_not_serve,
    |site| async move {
        site.push("app", &sleeping(1)).await;
        let mut other = call("app");
        other.queue = Some("other".into());
        let other = site.enqueue_all(vec![other]).await[0];
        let _worker = site.worker(&[]).await;
        let mine = site.enqueue("app", 1).await;
        completed_once(&site.ends(&mine).await[0], &[7]);
        assert_eq!(site.job(other).await.state, State::Available);
    }
);

site_test!(a_job_with_an_eta_starts_no_earlier, |site| async move {
    /// So long that one may look at it before.
    const ETA: Duration = Duration::from_secs(5);
    site.push("app", &sleeping(1)).await;
    let _worker = site.worker(&[]).await;
    let called = site
        .lovage(&["call", "app.go", "--eta", "5s", "--json"])
        .await
        .ok();
    let id = called.json()["id"].as_str().unwrap().parse().unwrap();
    let before = until("it is known", || async {
        site.client().await.job(id).await.ok()
    })
    .await;
    assert_eq!(before.available, before.enqueued.after(ETA));
    let job = site.ends(&[id]).await.remove(0);
    completed_once(&job, &[7]);
    let waited = job.attempts[0].started.since(job.enqueued);
    assert!(
        (ETA..ETA + Duration::from_secs(10)).contains(&waited),
        "{waited:?}"
    );
});

site_test!(
    a_thousand_jobs_due_within_a_second_start_on_time,
    |site| async move {
        const JOBS: u64 = 1_000;
        /// So rare that whoever waited for one would be late.
        const RARE: [&str; 2] = ["LOVAGE_WORKER__HEARTBEAT=30s", "LOVAGE_WORKER__LEASE=90s"];
        /// At the median, beside all the other tests. Alone it is 2 ms.
        const LATE: Duration = Duration::from_secs(5);
        site.push("app", &answering(1)).await;
        let _worker = site.worker(&RARE).await;
        let wait = |n| Duration::from_millis(2_000 + n * 37 % 1_000);
        let calls = (0..JOBS).map(|n| {
            let mut call = call("app");
            call.eta = When::In(wait(n));
            call
        });
        let ids = site.enqueue_all(calls.collect()).await;
        let jobs = (0..).zip(site.ends(&ids).await);
        let late = |(n, job): (u64, Job)| {
            let waited = job.attempts[0].started.since(job.enqueued);
            waited.checked_sub(wait(n)).expect("not before its time")
        };
        let mut late: Vec<Duration> = jobs.map(late).collect();
        late.sort();
        let (median, last) = (late[late.len() / 2], late[late.len() - 1]);
        assert!(median < LATE, "{median:?} at the median, {last:?} at most");
    }
);
