//! What may start, how often and beside how many others, over all workers.

use lovage_queue::job::{Job, State};
use lovage_queue::limits::Scope;

use super::completed_once;
use crate::fixtures::Guest;
use crate::support::guests::{answering, beginning, respond, sleep};
use crate::support::site::call;
use crate::support::site_test;

fn by_start(mut jobs: Vec<Job>) -> Vec<Job> {
    jobs.sort_by_key(|job| job.started);
    jobs
}

site_test!(
    a_task_of_concurrency_1_never_runs_twice_at_once,
    |site| async move {
        let code = format!("{} {}", sleep(30), respond("(i32.const 7)"));
        let guest = Guest::with_imports(&code).concurrency(1);
        site.push("app", &guest.build()).await;
        let _workers = [site.worker(&[]).await, site.worker(&[]).await];
        let ids = site.enqueue("app", 24).await;
        let jobs = by_start(site.ends(&ids).await);
        for pair in jobs.windows(2) {
            completed_once(&pair[0], &[7]);
            assert!(pair[0].finished <= pair[1].started, "{pair:#?}");
        }
    }
);

site_test!(a_tasks_rate_is_kept_over_all_workers, |site| async move {
    const PER_SECOND: u64 = 20;
    const JOBS: usize = 41;
    let guest = Guest::new(&respond("(i32.const 7)")).rate(PER_SECOND as u32);
    site.push("app", &guest.build()).await;
    site.push("free", &answering(1)).await;
    let _workers = [site.worker(&[]).await, site.worker(&[]).await];
    // At once, so that those behind them in the queue are there in time.
    let calls = [vec![call("app"); JOBS], vec![call("free"); 20]].concat();
    let ids = site.enqueue_all(calls).await;
    let (ids, free) = ids.split_at(JOBS);
    // They hold up nobody else in their queue.
    let free = site.ends(free).await;
    let jobs = by_start(site.ends(ids).await);
    let first_end = free.iter().map(|job| job.finished).max().unwrap();
    assert!(first_end < jobs[JOBS - 1].started);
    // In any time no more than its share, with the 50 ms that may be borrowed.
    for (i, job) in jobs.iter().enumerate() {
        let within = job.started.since(jobs[0].started).as_millis() as u64 + 50;
        assert!(
            i as u64 <= within * PER_SECOND / 1_000,
            "{i} in {within} ms"
        );
    }
});

site_test!(what_is_paused_waits_and_then_goes_on, |site| async move {
    site.push("app", &answering(1)).await;
    let _worker = site.worker(&["--queues", "default,other"]).await;
    let client = site.client().await;
    let scopes = [
        Scope::Queue("default".into()),
        Scope::Module("app".into()),
        Scope::Task("app.go".parse().unwrap()),
    ];
    for scope in scopes {
        let pause = |paused| client.broker().pause(client.tenant(), &scope, paused);
        pause(true).await.unwrap();
        let ids = site.enqueue("app", 5).await;
        if let Scope::Queue(_) = scope {
            // The worker is there, and would have taken them before this one.
            let mut other = call("app");
            other.queue = Some("other".into());
            let other = site.enqueue_all(vec![other]).await;
            completed_once(&site.ends(&other).await[0], &[1]);
        }
        for id in &ids {
            assert_eq!(site.job(*id).await.state, State::Available, "{scope}");
        }
        pause(false).await.unwrap();
        for job in site.ends(&ids).await {
            completed_once(&job, &[1]);
        }
    }
});

site_test!(
    nothing_waits_behind_a_long_job_while_another_worker_is_free,
    |site| async move {
        site.push("long", &beginning(60_000)).await;
        site.push("app", &answering(1)).await;
        // Two that have just been fast, and so claim ahead.
        let one = ["--concurrency", "1"];
        let _workers = [site.worker(&one).await, site.worker(&one).await];
        let ids = site.enqueue("app", 2_000).await;
        site.ends(&ids).await;
        let long = site.enqueue("long", 1).await;
        site.begun(&long).await;
        let short = site.enqueue("app", 200).await;
        let short = site.ends(&short).await;
        let long = site.job(long[0]).await;
        assert_eq!(long.state, State::Running, "{long:#?}");
        for job in short {
            completed_once(&job, &[1]);
            assert_ne!(job.worker, long.worker);
        }
    }
);
