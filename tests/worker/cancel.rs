//! Jobs that a user stops, and tasks that hear of it.

use std::time::Duration;

use lovage_queue::broker::Cancelled;
use lovage_queue::job::{Ending, Job, JobId, State};

use super::{completed_once, endings, inline};
use crate::fixtures::{Guest, SPIN};
use crate::support::guests::{BEGIN, answering, beginning, respond, sleep};
use crate::support::redis::Server;
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

/// So rare that nothing but a signal can be in time.
const RARE: [&str; 2] = ["LOVAGE_WORKER__HEARTBEAT=60s", "LOVAGE_WORKER__LEASE=180s"];
/// What a stop may take on a busy machine; on a quiet one it is 100 ms.
const SOON: Duration = Duration::from_secs(15);

/// Looks until it hears that it should stop.
const LOOK: &str = "(loop $on (br_if $on (i32.eqz (call $cancelled))))";

fn guest(code: &str) -> Vec<u8> {
    let code = format!("{BEGIN} {code}");
    Guest::with_imports(&code).text(2000, "begun").build()
}

impl Site {
    async fn cancel(&self, ids: &[JobId]) -> Vec<Cancelled> {
        self.client().await.cancel(ids).await.unwrap()
    }
}

/// A job that was stopped in its first attempt.
#[track_caller]
fn stopped(job: &Job) {
    assert_eq!(job.state, State::Cancelled, "{job:#?}");
    assert_eq!(endings(job), [Ending::Cancelled], "{job:#?}");
    assert!(job.ended_for("cancelled") && job.result.is_none());
    assert_eq!(job.attempt, 0, "it did not fail");
}

site_test!(
    a_cancelled_job_stops_whatever_its_guest_does,
    |site| async move {
        let host_calls = format!("(loop $on {BEGIN} (br $on))");
        for (name, code) in [
            ("spins", SPIN),
            ("sleeps", &*sleep(60_000)),
            ("calls", &host_calls),
        ] {
            site.push(name, &guest(code)).await;
        }
        site.push("quick", &answering(1)).await;
        let mut worker = site.worker(&RARE).await;
        let mut ids = Vec::new();
        for name in ["spins", "sleeps", "calls"] {
            ids.extend(site.enqueue(name, 1).await);
        }
        site.begun(&ids).await;
        assert_eq!(site.cancel(&ids).await, [Cancelled::Asked; 3]);
        let asked = site.enqueue("quick", 1).await;
        let asked = site.ends(&asked).await.remove(0).enqueued;
        for job in site.ends(&ids).await {
            stopped(&job);
            assert_eq!(job.attempts[0].worker, job.worker.unwrap());
            let took = job.finished.since(asked);
            assert!(took < SOON, "{}: {took:?}", job.call.module);
        }
        let again = site.cancel(&ids).await;
        assert_eq!(again, [Cancelled::Ended(State::Cancelled); 3]);
        assert!(worker.is_alive());
    }
);

site_test!(
    a_task_that_looks_may_tidy_up_before_it_is_stopped,
    |site| async move {
        // It saves another state before it returns.
        let code = format!(
            "{LOOK} (call $checkpoint (i32.const 2000) (i32.const 3) (i32.const 128)) {} (call $write (call $get-stdout) (i32.const 2005) (i32.const 4) (i32.const 128))",
            respond("(i32.const 9)")
        );
        let module = Guest::with_imports(&format!("{BEGIN} {code}")).text(2000, "begundone");
        site.push("app", &module.build()).await;
        let _worker = site.worker(&RARE).await;
        let ids = site.enqueue("app", 1).await;
        site.begun(&ids).await;
        site.cancel(&ids).await;
        let job = site.ends(&ids).await.remove(0);
        stopped(&job);
        assert_eq!(job.attempts[0].log, b"done", "it came to its own end");
    }
);

site_test!(
    a_job_that_was_cancelled_before_it_ran_never_does,
    |site| async move {
        site.push("app", &answering(1)).await;
        let ids = site.enqueue("app", 2).await;
        assert_eq!(site.cancel(&ids[..1]).await, [Cancelled::Now]);
        let _worker = site.worker(&[]).await;
        let jobs = site.ends(&ids).await;
        stopped(&jobs[0]);
        assert_eq!(jobs[0].delivery, 0, "nobody had it");
        completed_once(&jobs[1], &[1]);
    }
);

/// Takes a compiler seconds.
fn bulky() -> Vec<u8> {
    let body = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const 7)))";
    let function = |n| {
        let body = body.repeat(200);
        format!("(func $f{n} (export \"f{n}\") (param i32) (result i32) {body} (local.get 0))")
    };
    let functions: String = (0..1_000).map(function).collect();
    Guest::new(&respond("(i32.const 1)"))
        .functions(&functions)
        .build()
}

site_test!(
    a_job_whose_module_is_still_compiled_is_cancelled_too,
    |site| async move {
        site.push("app", &bulky()).await;
        let ids = site.enqueue("app", 1).await;
        // Its cache is empty, so that it must compile.
        let cache = format!("LOVAGE_CACHE={}", site.work().join("cache").display());
        let _worker = site.worker(&[&cache]).await;
        until("the worker has it", || async {
            (site.job(ids[0]).await.delivery > 0).then_some(())
        })
        .await;
        site.cancel(&ids).await;
        let job = site.ends(&ids).await.remove(0);
        stopped(&job);
        assert_eq!(job.attempts[0].digest, None, "it never ran");
    }
);

/// A worker whose connection is cut hears later of what was cancelled meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_was_lost_with_the_connection_arrives_after_it() {
    let server = Server::start();
    let kill = server.listeners_killer();
    let site = Site::on(server);
    site.push("app", &guest(&sleep(60_000))).await;
    let worker = site.worker(&RARE).await;
    let ids = site.enqueue("app", 3).await;
    site.begun(&ids).await;
    // It cannot connect anew before the signal has gone to nobody.
    worker.signal("STOP");
    kill();
    assert_eq!(site.cancel(&ids).await, [Cancelled::Asked; 3]);
    worker.signal("CONT");
    site.ends(&ids).await.iter().for_each(stopped);
}

site_test!(
    after_its_soft_timeout_a_task_hears_that_it_should_stop,
    |site| async move {
        const SOFT: Duration = Duration::from_millis(300);
        let code = format!("{LOOK} {}", respond("(i32.const 9)"));
        let guest = Guest::with_imports(&code);
        site.push("app", &guest.build()).await;
        site.push("own", &guest.soft_timeout(300).build()).await;
        let _worker = site.worker(&[]).await;
        let mut by_call = call("app");
        by_call.options.soft_timeout = Some(SOFT);
        let ids = site.enqueue_all(vec![by_call, call("own")]).await;
        for job in site.ends(&ids).await {
            // What it returns then is a result like any other.
            completed_once(&job, &[9]);
            assert!(job.attempts[0].took >= SOFT, "{job:#?}");
        }
    }
);

site_test!(
    past_its_soft_timeout_a_task_that_does_not_look_runs_to_its_deadline,
    |site| async move {
        site.push("app", &Guest::new(SPIN).build()).await;
        site.push("slow", &beginning(600)).await;
        let _worker = site.worker(&[]).await;
        let mut spins = call("app");
        spins.options.soft_timeout = Some(Duration::from_millis(50));
        spins.options.timeout = Some(Duration::from_millis(400));
        spins.options.max_attempts = Some(1);
        let mut ends = call("slow");
        ends.options.soft_timeout = Some(Duration::from_millis(50));
        let ids = site.enqueue_all(vec![spins, ends]).await;
        let jobs = site.ends(&ids).await;
        assert_eq!(endings(&jobs[0]), [Ending::Deadline]);
        assert!(jobs[0].attempts[0].took >= Duration::from_millis(400));
        assert_eq!(inline(&jobs[1]), Some(&[7][..]));
    }
);
