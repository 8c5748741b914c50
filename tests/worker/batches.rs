//! Batched tasks: many jobs in one run, each with an end of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use lovage_queue::broker::Cancelled;
use lovage_queue::client::Call;
use lovage_queue::job::{Ending, Job, JobId, State};
use lovage_queue::retry::Backoff;
use serde::Deserialize;

use super::{completed_once, endings, inline};
use crate::fixtures::{ANSWER, ECHO, Guest, SPIN};
use crate::support::guests::{BEGIN, answering, sleep};
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

/// So long that a test is over before.
const EVER: u64 = 60_000;
/// The empty map, which is the input of a call without arguments.
const EMPTY: &[u8] = &[0x80];

/// What `basics.embed` answers.
#[derive(Debug, Deserialize)]
struct Embedded {
    vector: Vec<f32>,
    together: usize,
}

async fn embed(site: &Site, texts: &[&str]) -> Vec<JobId> {
    let call = |text: &&str| {
        let call = Call::new("basics.embed").unwrap();
        call.arg("text", text).unwrap()
    };
    site.enqueue_all(texts.iter().map(call).collect()).await
}

fn embedded(job: &Job) -> Embedded {
    assert_eq!(job.state, State::Completed, "{job:#?}");
    rmp_serde::from_slice(inline(job).expect("a small result")).unwrap()
}

/// A module whose task `go` runs when there are so many jobs, and answers each with its
/// input. A job that runs alone fails.
fn patient(max: u32) -> Vec<u8> {
    let alone = "unreachable";
    Guest::new(alone).batch(max, EVER, ANSWER).build()
}

/// Waits until a worker has all of these.
async fn claimed(site: &Site, ids: &[JobId]) {
    for id in ids {
        until("a worker has it", || async {
            (site.job(*id).await.delivery > 0).then_some(())
        })
        .await;
    }
}

site_test!(
    many_jobs_take_few_runs_and_each_has_its_own_result,
    |site| async move {
        site.push_example("basics").await;
        let texts: Vec<String> = (0..200).map(|n| "a".repeat(n % 7 + 1)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ids = embed(&site, &texts).await;
        let _worker = site.worker(&["--concurrency", "4"]).await;
        let jobs = site.ends(&ids).await;
        let mut runs = 0.0;
        for (job, text) in jobs.iter().zip(&texts) {
            let embedded = embedded(job);
            assert_eq!(embedded.vector[0], text.len() as f32);
            assert!((1..=50).contains(&embedded.together), "{embedded:?}");
            runs += 1.0 / embedded.together as f64;
            assert_eq!(endings(job), [Ending::Completed]);
            let attempt = &job.attempts[0];
            assert!(attempt.fuel > 0 && attempt.peak_memory > 0);
            assert!(!attempt.log.is_empty());
        }
        assert!(runs < 40.0, "{runs} runs of 200 jobs");
        // Even shares of what the run took.
        let first = &jobs[0].attempts[0];
        let peers = jobs.iter().map(|it| &it.attempts[0]);
        let peers = peers.filter(|it| it.took == first.took && it.log == first.log);
        let fuel: BTreeSet<u64> = peers.map(|it| it.fuel).collect();
        let spread = fuel.last().unwrap() - fuel.first().unwrap();
        assert!(spread <= 1, "{fuel:?}");
    }
);

site_test!(
    a_job_whose_peers_never_come_runs_alone_after_its_wait,
    |site| async move {
        site.push_example("basics").await;
        let _worker = site.worker(&[]).await;
        let ids = embed(&site, &["abc"]).await;
        let job = site.ends(&ids).await.remove(0);
        assert_eq!(embedded(&job).together, 1);
        // What it waited is no part of what it took; the times are whole milliseconds.
        let had = job.finished.since(job.started) + Duration::from_millis(1);
        let waited = had.saturating_sub(job.attempts[0].took);
        assert!(waited >= Duration::from_millis(100), "{job:#?}");
    }
);

site_test!(who_fails_in_a_batch_fails_alone, |site| async move {
    // Pushed to a live worker, which so has it compiled: all of them are claimed at once.
    let _worker = site.live_worker(&[]).await;
    site.push_example("basics").await;
    let ids = embed(&site, &["a", "", "b"]).await;
    let jobs = site.ends(&ids).await;
    for job in [&jobs[0], &jobs[2]] {
        assert_eq!(embedded(job).together, 3);
        assert_eq!(endings(job), [Ending::Completed]);
    }
    assert_eq!(jobs[1].state, State::Discarded);
    assert_eq!(endings(&jobs[1]), [Ending::Failed]);
    let failure = jobs[1].attempts[0].failure.as_ref().unwrap();
    assert_eq!(
        (failure.kind.as_str(), failure.message.as_str()),
        ("empty", "nothing to embed")
    );
});

site_test!(
    a_poisonous_call_fails_its_peers_once_and_then_itself,
    |site| async move {
        // Pushed to a live worker, which so has it compiled: all of them are claimed at once.
        let _worker = site.live_worker(&[]).await;
        site.push_example("basics").await;
        let ids = embed(&site, &["a", "poison", "b", "c"]).await;
        let jobs = site.ends(&ids).await;
        for (at, job) in jobs.iter().enumerate().filter(|(at, _)| *at != 1) {
            assert_eq!(endings(job), [Ending::Trapped, Ending::Completed], "{at}");
            assert_eq!(embedded(job).together, 1, "it ran alone");
            let failure = job.attempts[0].failure.as_ref().unwrap();
            let said = "no text that anybody could embed";
            assert!(failure.message.contains(said), "{failure:?}");
        }
        assert_eq!(jobs[1].state, State::Discarded);
        assert_eq!(endings(&jobs[1]), [Ending::Trapped; 4]);
    }
);

site_test!(
    fuel_that_is_too_little_for_all_may_do_for_each,
    |site| async move {
        let guest = Guest::new(ECHO).batch(3, EVER, SPIN);
        site.push("app", &guest.build()).await;
        let mut frugal = call("app");
        frugal.options.fuel = Some(1_000_000);
        let nothing = Duration::ZERO;
        frugal.options.backoff = Some(Backoff {
            base: nothing,
            factor: 1.0,
            max: nothing,
        });
        let _worker = site.worker(&[]).await;
        let ids = site
            .enqueue_all(vec![frugal.clone(), frugal.clone(), frugal])
            .await;
        let jobs = site.ends(&ids).await;
        for job in &jobs {
            assert_eq!(job.state, State::Completed, "{job:#?}");
            assert_eq!(endings(job), [Ending::OutOfFuel, Ending::Completed]);
        }
        let fuel = jobs.iter().map(|it| it.attempts[0].fuel);
        assert_eq!(fuel.sum::<u64>(), 1_000_000, "in even shares");
    }
);

site_test!(
    what_collects_takes_no_slot_and_more_than_there_are_slots_collect,
    |site| async move {
        site.push("app", &patient(30)).await;
        site.push("other", &answering(1)).await;
        let _worker = site.worker(&["--concurrency", "1"]).await;
        let first = site.enqueue("app", 29).await;
        claimed(&site, &first).await;
        let other = site.enqueue("other", 3).await;
        for job in site.ends(&other).await {
            completed_once(&job, &[1]);
        }
        let last = site.enqueue("app", 1).await;
        for job in site.ends(&[first, last].concat()).await {
            completed_once(&job, EMPTY);
        }
    }
);

site_test!(
    a_job_that_is_cancelled_while_it_waits_leaves_its_peers_waiting,
    |site| async move {
        site.push("app", &patient(3)).await;
        let _worker = site.worker(&[]).await;
        let ids = site.enqueue("app", 2).await;
        claimed(&site, &ids).await;
        let answer = site.client().await.cancel(&ids[..1]).await.unwrap();
        assert_eq!(answer, [Cancelled::Asked]);
        let job = site.ends(&ids[..1]).await.remove(0);
        assert_eq!(job.state, State::Cancelled);
        assert_eq!(endings(&job), [Ending::Cancelled]);
        assert_eq!(job.attempts[0].digest, None, "it never ran");
        // Two more make three with the one that waits.
        assert_eq!(site.job(ids[1]).await.state, State::Running);
        let more = site.enqueue("app", 2).await;
        for job in site.ends(&[&ids[1..], &more].concat()).await {
            completed_once(&job, EMPTY);
        }
    }
);

site_test!(
    a_worker_that_stops_gives_back_what_waits,
    |site| async move {
        site.push("app", &patient(4)).await;
        let mut worker = site.worker(&[]).await;
        let ids = site.enqueue("app", 3).await;
        claimed(&site, &ids).await;
        worker.signal("TERM");
        assert_eq!(worker.ended().await.code(), Some(0));
        for id in &ids {
            let job = site.job(*id).await;
            assert_eq!(job.state, State::Available, "{job:#?}");
            assert_eq!((job.attempt, job.crash), (0, 0), "{job:#?}");
        }
        let _next = site.worker(&[]).await;
        let last = site.enqueue("app", 1).await;
        for job in site.ends(&[ids, last].concat()).await {
            completed_once(&job, EMPTY);
        }
    }
);

site_test!(
    a_worker_that_is_killed_while_jobs_wait_loses_none,
    |site| async move {
        site.push("app", &Guest::new(ECHO).batch(4, EVER, ANSWER).build())
            .await;
        let mut worker = site.worker(&["LOVAGE_WORKER__LEASE=5s"]).await;
        let ids = site.enqueue("app", 3).await;
        claimed(&site, &ids).await;
        worker.signal("KILL");
        worker.ended().await;
        // Each of them runs alone now: for all that is known, one of them did it.
        let _next = site.worker(&[]).await;
        for job in site.ends(&ids).await {
            assert_eq!(job.state, State::Completed, "{job:#?}");
            assert_eq!(job.crash, 1);
        }
    }
);

site_test!(
    progress_is_everybodys_and_what_needs_a_single_job_is_refused,
    |site| async move {
        // Whether the checkpoint is refused, and as what.
        let ask = format!(
            "(call $progress (i32.const 1) (f64.const 0.5) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 128))
            {BEGIN}"
        );
        let answer = "(call $answer (local.get $number) (i32.const 128) (i32.const 1))";
        let each = format!("{ask} {answer} {}", sleep(1_500));
        let alone = format!("{ask} (call $respond (i32.const 128) (i32.const 1))");
        let guest = Guest::with_imports(&alone).text(2000, "begun");
        // Long enough for the three to meet; the fourth waits so long in vain.
        site.push("app", &guest.batch(3, 3_000, &each).build())
            .await;
        let _worker = site.worker(&[]).await;
        let mut ids = site.enqueue("app", 3).await;
        for id in &ids {
            until("its progress is told", || async {
                let progress = site.job(*id).await.progress?;
                (progress.share == Some(0.5)).then_some(())
            })
            .await;
        }
        site.ends(&ids).await;
        ids.extend(site.enqueue("app", 1).await);
        for job in site.ends(&ids).await {
            completed_once(&job, &[1]);
        }
    }
);

site_test!(
    calls_with_other_limits_are_of_another_batch,
    |site| async move {
        site.push("app", &patient(2)).await;
        let _worker = site.worker(&[]).await;
        let fuel = |units: u64| {
            let mut call = call("app");
            call.options.fuel = Some(units);
            call
        };
        let ids = site
            .enqueue_all(vec![fuel(1_000_000), fuel(2_000_000)])
            .await;
        claimed(&site, &ids).await;
        let more = site.enqueue_all(vec![fuel(2_000_000)]).await;
        for job in site.ends(&[&ids[1..], &more].concat()).await {
            completed_once(&job, EMPTY);
        }
        assert_eq!(site.job(ids[0]).await.state, State::Running, "it waits");
    }
);
