//! Failures, and when they are tried again.

use std::time::Duration;

use lovage_queue::job::{Ending, State};
use lovage_queue::retry::{Backoff, Retry};

use super::{endings, inline};
use crate::fixtures::Guest;
use crate::support::guests::{ATTEMPT, FAILURE, fail, respond};
use crate::support::site::call;
use crate::support::site_test;

/// What a failure asks for where it asks for a wait.
const WAIT: Duration = Duration::from_millis(700);

/// Fails until its third attempt, in the manner of its argument `n`: 0 leaves
/// it to the policy, 1 asks for another at once, 2 for one after a wait, 3 for
/// none. Answers with the attempt's number.
fn flaky() -> Vec<u8> {
    let arms = (0..4).map(|n| {
        let ms = WAIT.as_millis() as u64;
        format!(
            "(if (i32.eq (local.get $kind) (i32.const {n})) (then {}))",
            fail(n, ms)
        )
    });
    let code = format!(
        "(local $kind i32) (local $attempt i32)
        {ATTEMPT}
        (local.set $kind (i32.load8_u (i32.add (local.get $input) (i32.const 3))))
        {}
        (if (i32.ge_u (local.get $attempt) (i32.const 3)) (then {}))",
        arms.collect::<String>(),
        respond("(local.get $attempt)")
    );
    Guest::with_imports(&code).text(2000, FAILURE).build()
}

site_test!(
    a_task_that_fails_twice_completes_in_its_third_attempt,
    |site| async move {
        let _worker = site.live_worker(&[]).await;
        // To a live worker, which so has it compiled: no delivery goes back without a run.
        site.push("app", &flaky()).await;
        let backoff = Backoff {
            base: Duration::from_millis(200),
            factor: 1.0,
            max: Duration::from_secs(1),
        };
        let mut calls = Vec::new();
        for kind in 0..3 {
            let mut call = call("app").arg("n", &kind).unwrap();
            call.options.backoff = Some(backoff);
            calls.push(call);
        }
        let ids = site.enqueue_all(calls).await;
        let jobs = site.ends(&ids).await;
        for job in &jobs {
            assert_eq!(job.state, State::Completed, "{job:#?}");
            assert_eq!(inline(job), Some(&[3][..]));
            assert_eq!((job.attempt, job.crash, job.delivery), (2, 0, 3));
            assert_eq!(
                endings(job),
                [Ending::Failed, Ending::Failed, Ending::Completed]
            );
            for (at, attempt) in job.attempts.iter().enumerate() {
                assert_eq!(attempt.delivery, at as u32 + 1);
                let failure = attempt.failure.as_ref().map(|it| (&*it.kind, &*it.message));
                assert_eq!(failure, (at < 2).then_some(("kind", "not yet")));
            }
        }
        let asked = jobs
            .iter()
            .map(|it| it.attempts[0].failure.as_ref().unwrap().retry);
        let asked: Vec<_> = asked.collect();
        assert_eq!(asked, [Retry::Policy, Retry::Now, Retry::After(WAIT)]);
        // By the broker's clock; the job was given back no earlier than it began.
        let waits = |job: usize| {
            let attempts = &jobs[job].attempts;
            [1, 2].map(|at: usize| attempts[at].started.since(attempts[at - 1].started))
        };
        assert!(waits(2).iter().all(|wait| *wait >= WAIT), "{:?}", waits(2));
        // Drawn from 0 to the backoff's 200 ms, and promoted when due: the rest is
        // the machine's.
        for wait in [waits(0), waits(1)].concat() {
            assert!(wait < Duration::from_secs(10), "{wait:?}");
        }
    }
);

site_test!(
    what_must_not_be_tried_again_is_discarded,
    |site| async move {
        site.push("app", &flaky()).await;
        let _worker = site.worker(&[]).await;
        let never = call("app").arg("n", &3).unwrap();
        let mut twice = call("app").arg("n", &1).unwrap();
        twice.options.max_attempts = Some(2);
        let jobs = site.ends(&site.enqueue_all(vec![never, twice]).await).await;
        for (job, attempts) in jobs.iter().zip([1, 2]) {
            assert_eq!(job.state, State::Discarded, "{job:#?}");
            assert_eq!(endings(job), vec![Ending::Failed; attempts]);
            assert_eq!(job.attempt, attempts as u32);
            assert!(job.result.is_none());
        }
        let failure = jobs[0].attempts[0].failure.as_ref();
        assert_eq!(failure.unwrap().retry, Retry::Never);
        let path = format!("job {} --json", jobs[0].call.id);
        let args: Vec<&str> = path.split(' ').collect();
        let shown = site.lovage(&args).await.ok().json();
        assert_eq!(
            shown["attempts"][0]["failure"]["retry"], "never",
            "{shown:#}"
        );
    }
);

site_test!(
    a_fix_reaches_the_retries_of_what_it_fixes,
    |site| async move {
        // It fails until the fix is there, however long that takes.
        let fails = Guest::with_imports(&fail(2, 1_000)).text(2000, FAILURE);
        site.push("app", &fails.build()).await;
        let _worker = site.worker(&[]).await;
        let mut call = call("app");
        call.options.max_attempts = Some(100);
        let id = site.enqueue_all(vec![call]).await[0];
        crate::support::until("it has failed once", || async {
            (!site.job(id).await.attempts.is_empty()).then_some(())
        })
        .await;
        site.push("app", &crate::support::guests::answering(9))
            .await;
        let job = site.ends(&[id]).await.remove(0);
        assert_eq!(inline(&job), Some(&[9][..]), "{job:#?}");
        assert_eq!(job.attempts.last().unwrap().release, 2);
    }
);
