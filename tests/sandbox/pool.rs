//! Attempts in children, without a worker around them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lovage::engine::{
    BatchCall, Cancel, End, Engine, Invocation, Module, NoHost, Outcome, Settings,
};
use lovage::sandbox::Program;
use lovage::sandbox::pool::{self, Sandboxes};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Ending, JobId, Partition};

use super::{enemy, program};
use crate::fixtures::{ANSWER, ECHO, Guest, SPIN};

/// The first word of a child, as a shell says it: that it is ready.
const READY: &str = r"printf '\010\000\000\000\201\245ready\220' >&0";

fn settings(program: Program) -> pool::Settings {
    pool::Settings {
        program,
        most: 2,
        memory: 2 << 30,
        idle: Duration::from_secs(60),
        instances: 8,
        threads: 2,
    }
}

/// A module as a worker has it whose attempts run elsewhere.
fn module(guest: &Guest) -> Module {
    let here = Engine::new(Settings {
        instances: 1,
        elsewhere: true,
        ..Settings::default()
    });
    let module = here.unwrap().compile(&guest.build()).unwrap();
    assert!(module.artifact().is_some());
    module
}

fn invocation(module: &Module) -> Invocation {
    let mut invocation = Invocation::local(module.digest(), "go", b"input".to_vec());
    invocation.context.id = JobId::new(Partition(0));
    invocation
}

async fn run(apart: &Sandboxes, module: &Module) -> Result<Outcome, Duration> {
    apart
        .run(module, invocation(module), Arc::new(NoHost::default()))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_come_back_whole() {
    let apart = Sandboxes::new(settings(program()));
    let echo = run(&apart, &module(&Guest::new(ECHO))).await.unwrap();
    assert_eq!(echo.end, End::Completed(b"input".to_vec()));
    assert!(echo.fuel > 0 && echo.peak_memory == 64 * 1024, "{echo:?}");
    let trap = run(&apart, &module(&Guest::new("unreachable")))
        .await
        .unwrap();
    assert_eq!(trap.end.ending(), Ending::Trapped);
    assert!(trap.end.failure().unwrap().detail.is_some(), "{trap:?}");
    assert_eq!(apart.pids().len(), 1, "one child has run both");
    let spin = module(&Guest::new(SPIN));
    let mut late = invocation(&spin);
    late.limits.deadline = Duration::from_millis(50);
    let late = apart.run(&spin, late, Arc::new(NoHost::default())).await;
    assert_eq!(late.unwrap().end.ending(), Ending::Deadline);
    let stopped = invocation(&spin);
    let cancel: Cancel = stopped.cancel.clone();
    let running = apart.run(&spin, stopped, Arc::new(NoHost::default()));
    let (ended, ()) = tokio::join!(running, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.stop();
    });
    assert_eq!(ended.unwrap().end, End::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_comes_back_with_an_end_for_each() {
    let apart = Sandboxes::new(settings(program()));
    let module = module(&Guest::new(ECHO).batch(10, 1000, ANSWER));
    let calls = (0..3).map(|n| BatchCall {
        id: JobId::new(Partition(0)),
        attempt: 1,
        max_attempts: 1,
        enqueued_at: Millis(1),
        headers: Default::default(),
        input: vec![n],
    });
    let host = Arc::new(NoHost::default());
    let ran = apart
        .run_batch(&module, invocation(&module), calls.collect(), host)
        .await;
    let ends = [0, 1, 2].map(|n| End::Completed(vec![n]));
    assert_eq!(ran.unwrap().ends, ends);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_have_children_of_their_own_and_the_idle_make_room() {
    let apart = Sandboxes::new(settings(program()));
    let echo = module(&Guest::new(ECHO));
    for tenant in ["a", "b", "c", "a"] {
        let mut invocation = invocation(&echo);
        invocation.context.tenant = tenant.into();
        let ran = apart
            .run(&echo, invocation, Arc::new(NoHost::default()))
            .await;
        assert_eq!(ran.unwrap().end.ending(), Ending::Completed);
        assert!(apart.pids().len() <= 2);
    }
    assert_eq!(apart.pids().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_talks_nonsense_is_ended_and_blamed() {
    let folder = tempfile::tempdir().unwrap();
    let echo = module(&Guest::new(ECHO));
    for (script, said) in [
        (
            "printf 'nonsense, and more of it' >&0; exec sleep 60",
            "it talks nonsense",
        ),
        (
            "printf '\\001\\000\\000\\000\\300' >&0; exec sleep 60",
            "it talks nonsense",
        ),
        (
            "printf '\\377\\377\\377\\377' >&0; exec sleep 60",
            "4294967295 bytes",
        ),
        (READY, "it was ready before"),
        ("kill -SEGV $$", "was killed by signal 11"),
        ("exit 7", "ended with code 7"),
        ("exec 0>&- 0<&-; exec sleep 60", "was killed by signal 9"),
    ] {
        // Once there is an attempt to be had by it: that is the first thing it is sent.
        let script = format!("{READY}; head -c 1 >/dev/null; {script}");
        let apart = Sandboxes::new(settings(enemy(folder.path(), &script)));
        let since = Instant::now();
        let outcome = run(&apart, &echo).await.unwrap();
        assert_eq!(outcome.end.ending(), Ending::HostError, "{script}");
        let message = &outcome.end.failure().unwrap().message;
        assert!(message.contains(said), "{script}: {message}");
        assert!(since.elapsed() < Duration::from_secs(8), "{script}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_says_nothing_is_ended_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let apart = Sandboxes::new(settings(enemy(
        folder.path(),
        &format!("{READY}; exec sleep 60"),
    )));
    let outcome = run(&apart, &module(&Guest::new(ECHO))).await.unwrap();
    let message = &outcome.end.failure().unwrap().message;
    assert!(message.contains("it said nothing for 10s"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_started_costs_no_attempt() {
    let echo = module(&Guest::new(ECHO));
    for program in [Program::at("/nowhere/lovage"), Program::at("/bin/false")] {
        let apart = Sandboxes::new(settings(program));
        assert!(run(&apart, &echo).await.is_err());
        assert_eq!(apart.pids(), [] as [u32; 0]);
    }
}
