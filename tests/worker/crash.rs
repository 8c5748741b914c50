//! Workers that die, and workers that only seem to.

use lovage_queue::job::State;

use super::completed_once;
use crate::support::guests::{beginning, sleeping, stuck_once};
use crate::support::{site_test, until};

/// In flight when the worker is killed.
const JOBS: usize = 200;
/// Short enough to be waited for, long enough for a busy machine.
const LEASE: [&str; 2] = [
    "LOVAGE_WORKER__HEARTBEAT=100ms",
    "LOVAGE_WORKER__LEASE=5000ms",
];

site_test!(
    kill_9_with_200_jobs_in_flight_loses_none,
    |site| async move {
        site.push("app", &stuck_once()).await;
        let wide = [LEASE[0], LEASE[1], "--concurrency", "200"];
        let mut victim = site.worker(&wide).await;
        let ids = site.enqueue("app", JOBS).await;
        site.running(JOBS as u64).await;
        site.begun(&ids).await;
        let mut heir = site.worker(&wide).await;
        let dead = site.job(ids[0]).await.worker;
        victim.kill();

        let jobs = site.ends(&ids).await;
        for job in &jobs {
            completed_once(job, &[7]);
            assert_eq!((job.crash, job.attempt), (1, 0), "{job:#?}");
            assert_ne!(job.worker, dead);
        }
        let counts = site.counts().await;
        assert_eq!((counts.completed, counts.running), (JOBS as u64, 0));
        assert_eq!(counts.available + counts.retryable + counts.discarded, 0);
        assert!(heir.is_alive());
    }
);

site_test!(
    a_job_that_kills_its_workers_is_lost_in_the_end,
    |site| async move {
        site.push("app", &sleeping(60_000)).await;
        let id = site.enqueue("app", 1).await[0];
        for crash in 0..3 {
            let mut victim = site.worker(&LEASE).await;
            until("it runs", || async {
                let job = site.job(id).await;
                (job.state == State::Running && job.crash == crash).then_some(())
            })
            .await;
            victim.kill();
        }
        let _heir = site.worker(&LEASE).await;
        let job = site.ends(&[id]).await.remove(0);
        assert_eq!((job.state, job.crash), (State::Discarded, 3), "{job:#?}");
        let attempt = job.attempts.last().expect("it says why");
        assert_eq!(attempt.ending.as_str(), "lost");
    }
);

site_test!(
    a_worker_that_was_declared_dead_goes_on_under_a_new_identity,
    |site| async move {
        site.push("app", &beginning(6_000)).await;
        let mut sleeper = site.worker(&LEASE).await;
        let ids = site.enqueue("app", 10).await;
        site.begun(&ids).await;
        sleeper.signal("STOP");
        let before = site.job(ids[0]).await.worker;
        let mut heir = site.worker(&LEASE).await;
        let jobs = site.ends(&ids).await;
        let heirs = jobs[0].worker;
        // It wakes with ten results in its hands, which are nobody's any more.
        sleeper.signal("CONT");
        sleeper.says("new identity").await;
        heir.signal("TERM");
        heir.ended().await;
        let more = site.enqueue("app", 1).await;
        let last = site.ends(&more).await.remove(0);
        completed_once(&last, &[7]);
        assert!(![before, heirs].contains(&last.worker), "{last:#?}");
        for (job, earlier) in site.ends(&ids).await.iter().zip(&jobs) {
            assert_eq!(job, earlier, "a stale settlement was written");
            completed_once(job, &[7]);
            assert_eq!((job.crash, job.worker), (1, heirs));
        }
        assert!(sleeper.is_alive());
    }
);
