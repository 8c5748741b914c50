//! Attempts in processes of their own: the same behaviour, and what becomes of a process
//! that is killed, or grows, or has been taken over.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lovage_queue::client::{Call, Client};
use lovage_queue::job::{Ending, JobId, State};
use lovage_queue::retry::Backoff;

use super::{completed_once, endings};
use crate::fixtures::Guest;
use crate::support::guests::{ATTEMPT, beginning, sleep, stuck_once};
use crate::support::site::{Site, call};
use crate::support::{PATIENCE, until};

/// Cases of a worker, once more over one whose attempts have processes of their own.
macro_rules! apart {
    ($($area:ident::$name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$area::$name::case(Site::sqlite().apart()).await
        }
    )*};
}

apart!(
    hostile::a_hostile_module_changes_nothing_for_its_neighbours,
    cancel::a_cancelled_job_stops_whatever_its_guest_does,
    cancel::a_task_that_looks_may_tidy_up_before_it_is_stopped,
    cancel::after_its_soft_timeout_a_task_hears_that_it_should_stop,
    family::children_come_with_their_parents_completion_and_each_once,
    family::children_at_once_do_not_wait_and_a_retry_makes_no_second_ones,
    retry::a_task_that_fails_twice_completes_in_its_third_attempt,
    large::large_inputs_and_results_travel_beside_their_jobs,
    logs::a_log_can_be_read_while_its_job_runs,
    batches::who_fails_in_a_batch_fails_alone,
    batches::progress_is_everybodys_and_what_needs_a_single_job_is_refused,
    drain::what_runs_finishes_and_what_waits_is_available,
    crash::kill_9_with_200_jobs_in_flight_loses_none,
);

/// The processes of a worker that run attempts.
fn children(worker: u32) -> BTreeSet<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let theirs = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(')')
            .and_then(|it| it.1.split_whitespace().nth(1));
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let runs = line.windows(12).any(|it| it == b"sandbox\0run\0");
        parent == Some(worker.to_string().as_str()) && runs
    };
    pids.filter(theirs).collect()
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// A call that is tried again at once.
fn impatient(module: &str) -> Call {
    let mut call = call(module);
    call.options.backoff = Some(Backoff {
        base: Duration::from_millis(1),
        ..Backoff::default()
    });
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_costs_the_attempt_that_it_ran_and_that_is_tried_again() {
    let site = Site::sqlite().apart();
    site.push("app", &stuck_once()).await;
    let mut worker = site.worker(&[]).await;
    let ids = site.enqueue_all(vec![impatient("app")]).await;
    site.begun(&ids).await;
    let victims = children(worker.pid());
    assert_eq!(victims.len(), 1);
    victims.into_iter().for_each(kill);
    let job = site.ends(&ids).await.remove(0);
    assert_eq!(job.state, State::Completed, "{job:#?}");
    assert_eq!(endings(&job), [Ending::HostError, Ending::Completed]);
    let failure = job.attempts[0].failure.as_ref().unwrap();
    assert!(
        failure.message.contains("was killed by signal 9"),
        "{failure:?}"
    );
    assert_eq!(job.crash, 0);
    assert!(worker.is_alive());
}

/// How often each has been claimed: also where it went back without a run.
async fn deliveries(client: &Client, ids: &[JobId]) -> Vec<u32> {
    let mut all = Vec::new();
    for id in ids {
        all.push(client.job(*id).await.unwrap().delivery);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_costs_its_own_attempts_and_no_other_tenants() {
    let site = Site::sqlite().apart();
    site.push("app", &stuck_once()).await;
    let file = site.write("other.wasm", beginning(8_000));
    let push = [
        "push",
        file.to_str().unwrap(),
        "--name",
        "app",
        "--tenant",
        "other",
    ];
    site.lovage(&push).await.ok();
    let mut worker = site.worker(&["--concurrency", "20"]).await;
    let pid = worker.pid();
    let ids = site.enqueue("app", 5).await;
    site.begun(&ids).await;
    let victims = children(pid);
    assert_eq!(victims.len(), 1, "one a tenant");
    let other = Client::over(site.client().await.broker().clone(), "other");
    let theirs = other.enqueue_all(vec![call("app"); 5]).await.unwrap();
    until("the other tenant's have begun", || async {
        for id in &theirs {
            other.broker().checkpoint("other", *id).await.unwrap()?;
        }
        Some(())
    })
    .await;
    assert_eq!(children(pid).len(), 2);
    let before = deliveries(site.client().await, &ids).await;
    let theirs_before = deliveries(&other, &theirs).await;
    victims.into_iter().for_each(kill);

    for (job, before) in site.ends(&ids).await.iter().zip(before) {
        // Nobody knows whose doing it was: so it is nobody's.
        completed_once(job, &[7]);
        assert_eq!(
            (job.attempt, job.crash, job.delivery),
            (0, 0, before + 1),
            "{job:#?}"
        );
    }
    let jobs = other
        .broker()
        .wait("other", &theirs, PATIENCE)
        .await
        .unwrap();
    for job in jobs.into_iter().flatten() {
        completed_once(&job, &[7]);
    }
    assert_eq!(deliveries(&other, &theirs).await, theirs_before);
    assert!(worker.is_alive());
    assert_eq!(worker.pid(), pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_its_process_each_time_is_discarded() {
    let site = Site::sqlite().apart();
    // Tells which of four attempts it is, as a share.
    let tell = "(call $progress (i32.const 1)
        (f64.div (f64.convert_i32_u (local.get $attempt)) (f64.const 4))
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128))";
    let code = format!("(local $attempt i32) {ATTEMPT} {tell} {}", sleep(60_000));
    site.push("app", &Guest::with_imports(&code).build()).await;
    let worker = site.worker(&[]).await;
    let mut call = impatient("app");
    call.options.max_attempts = Some(3);
    let id: JobId = site.enqueue_all(vec![call]).await[0];
    let mut killed = BTreeSet::new();
    for share in [0.25, 0.5, 0.75] {
        // A process that has not been handed the attempt does not cost it.
        let fresh = until("its attempt has begun", || async {
            let told = site.job(id).await.progress;
            let runs = told.is_some_and(|it| it.share == Some(share));
            let fresh: Vec<u32> = children(worker.pid())
                .difference(&killed)
                .copied()
                .collect();
            (runs && fresh.len() == 1).then(|| fresh[0])
        })
        .await;
        killed.insert(fresh);
        kill(fresh);
    }
    let job = site.ends(&[id]).await.remove(0);
    assert_eq!(job.state, State::Discarded, "{job:#?}");
    assert_eq!(endings(&job), [Ending::HostError; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_holds_too_much_memory_is_killed_and_replaced() {
    let site = Site::sqlite().apart();
    let grow = "(local $n i32)
        (drop (memory.grow (i32.const 5000)))
        (loop $on
            (i32.store (i32.shl (local.get $n) (i32.const 12)) (i32.const 1))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $n) (i32.const 80000))))";
    let code = format!("{grow} {}", sleep(60_000));
    site.push("large", &Guest::with_imports(&code).build())
        .await;
    site.push("small", &crate::support::guests::answering(3))
        .await;
    let worker = site.worker(&["LOVAGE_WORKER__SANDBOX_MEMORY=200MiB"]).await;
    let mut large = call("large");
    large.options.memory = Some(1 << 30);
    large.options.max_attempts = Some(1);
    let ids = site.enqueue_all(vec![large]).await;
    let job = site.ends(&ids).await.remove(0);
    assert_eq!(endings(&job), [Ending::HostError], "{job:#?}");
    let failure = job.attempts[0].failure.as_ref().unwrap();
    let said = "was killed: it held more than 200 MiB of memory";
    assert!(failure.message.contains(said), "{failure:?}");
    let job = site.ends(&site.enqueue("small", 1).await).await.remove(0);
    completed_once(&job, &[3]);
    assert!(worker.log().contains("held more than 200 MiB"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_its_socket_and_nothing_else_of_its_worker() {
    let site = Site::sqlite().apart();
    site.push("app", &beginning(60_000)).await;
    let worker = site.worker(&["LOVAGE_TOKEN=lov_secret"]).await;
    site.begun(&site.enqueue("app", 1).await).await;
    let child = *children(worker.pid()).first().unwrap();
    let environment = fs::read_to_string(format!("/proc/{child}/environ")).unwrap();
    assert_eq!(environment, "MIMALLOC_ARENA_EAGER_COMMIT=0\0");
    let folder = fs::read_link(format!("/proc/{child}/cwd")).unwrap();
    assert!(
        folder.display().to_string().ends_with("(deleted)"),
        "{folder:?}"
    );
    let mut sockets = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
        let link = fs::read_link(entry.unwrap().path()).unwrap();
        let link = link.display().to_string();
        match link.split([':', '/']).next() {
            Some("socket") => drop(sockets.insert(link)),
            Some("pipe") => {}
            _ => {
                let own = link == "/dev/null"
                    || link.starts_with("/memfd:")
                    || link == format!("/proc/{child}/pagemap");
                assert!(own, "{link}");
            }
        }
    }
    assert_eq!(sockets.len(), 1, "{sockets:?}");
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    // A Ctrl-C at the worker is none at its children.
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let rest = stat.rsplit_once(')').unwrap().1.to_owned();
        rest.split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_ne!(group(child), group(worker.pid()));
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_end_with_their_worker_however_that_ends() {
    let site = Site::sqlite().apart();
    site.push("app", &beginning(60_000)).await;
    let mut worker = site.worker(&[]).await;
    site.begun(&site.enqueue("app", 1).await).await;
    let child = *children(worker.pid()).first().unwrap();
    worker.kill();
    until("its child has ended", || async {
        let stat = fs::read_to_string(format!("/proc/{child}/stat"));
        stat.map_or(true, |it| it.contains(") Z")).then_some(())
    })
    .await;
}
