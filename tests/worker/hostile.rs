//! Guests that mean harm, beside some that do not.

use std::time::{Duration, Instant};

use lovage_queue::client::Call;
use lovage_queue::job::{Ending, State};

use super::{completed_once, endings};
use crate::fixtures::{ECHO, Guest, SPIN};
use crate::support::guests::sleeping;
use crate::support::site::{Site, call};
use crate::support::{PATIENCE, site_test};

/// What `go` does by its argument `n`, and how that ends. The first is the one
/// that is not hostile: it answers with its input.
const KINDS: [(&str, Ending); 9] = [
    (ECHO, Ending::Completed),
    (SPIN, Ending::Deadline),
    (
        // Each page is written to, so that the memory is really there.
        "(loop $on
            (local.set $n (memory.grow (i32.const 1)))
            (if (i32.eq (local.get $n) (i32.const -1)) (then unreachable))
            (i32.store (i32.shl (local.get $n) (i32.const 16)) (i32.const 1))
            (br $on))",
        Ending::OutOfMemory,
    ),
    ("(drop (call $deep (i32.const 1)))", Ending::StackOverflow),
    ("unreachable", Ending::Trapped),
    (
        "(local.set $n (call $get-stderr))
        (loop $on
            (call $write (local.get $n) (i32.const 8000) (i32.const 4096) (i32.const 128))
            (br $on))",
        Ending::Deadline,
    ),
    (
        "(drop (memory.grow (i32.const 300)))
        (call $respond (i32.const 0) (i32.const 17000000))",
        Ending::ResultTooLarge,
    ),
    ("(call $exit (i32.const 0))", Ending::Trapped),
    (
        // A host call in a loop is as endless as any other.
        "(loop $on (drop (call $remaining-ms)) (br $on))",
        Ending::Deadline,
    ),
];
/// The deadline of those that would go on for ever.
const DEADLINE: Duration = Duration::from_millis(300);

/// A module that does all of that: `n` is the fourth byte of `{"n": …}`.
fn zoo() -> Vec<u8> {
    let arms = KINDS.iter().enumerate().map(|(n, (code, _))| {
        format!("(if (i32.eq (local.get $kind) (i32.const {n})) (then {code}))")
    });
    let code = format!(
        "(local $kind i32) (local $n i32)
        (local.set $kind (i32.load8_u (i32.add (local.get $input) (i32.const 3))))
        {}",
        arms.collect::<String>()
    );
    Guest::with_imports(&code)
        .functions(
            "(func $deep (param i32) (result i32)
               (i32.add (call $deep (local.get 0)) (local.get 0)))",
        )
        .build()
}

fn of_kind(kind: usize) -> Call {
    let mut call = call("zoo").arg("n", &kind).unwrap();
    call.options.max_attempts = Some(1);
    if KINDS[kind].1 == Ending::Deadline {
        call.options.timeout = Some(DEADLINE);
    }
    call
}

site_test!(
    a_hostile_module_changes_nothing_for_its_neighbours,
    |site| async move {
        site.push("zoo", &zoo()).await;
        let mut worker = site.worker(&["--concurrency", "12"]).await;
        let pid = worker.pid();
        // Ten good ones between any two bad ones.
        let kinds: Vec<usize> = (0..4 * (KINDS.len() - 1))
            .flat_map(|n| [0; 10].into_iter().chain([1 + n % (KINDS.len() - 1)]))
            .collect();
        let ids = site
            .enqueue_all(kinds.iter().map(|kind| of_kind(*kind)).collect())
            .await;
        let jobs = site.ends(&ids).await;
        for (kind, job) in kinds.into_iter().zip(&jobs) {
            let (_, ending) = KINDS[kind];
            if kind == 0 {
                completed_once(job, &[0x81, 0xa1, b'n', 0]);
                continue;
            }
            assert_eq!(
                (job.state, endings(job)),
                (State::Discarded, vec![ending]),
                "{kind}"
            );
            assert!(job.result.is_none() && job.crash == 0, "{kind}: {job:?}");
            let attempt = &job.attempts[0];
            assert!(attempt.failure.is_some(), "{kind}: {attempt:?}");
            assert!(
                attempt.took < Duration::from_secs(10),
                "{kind}: {attempt:?}"
            );
            assert!(attempt.log.len() < 70_000, "{kind}: {}", attempt.log.len());
            assert_eq!(job.worker, jobs[0].worker, "the worker never died");
        }
        assert!(worker.is_alive());
        assert_eq!(worker.pid(), pid);
    }
);

/// Neighbours are not only right but soon: two endless loops a core do not keep
/// a short job from its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_loops_do_not_hold_up_short_jobs() {
    let site = Site::sqlite();
    site.push("zoo", &zoo()).await;
    let mut worker = site.worker(&["--concurrency", "8"]).await;
    let endless = || {
        let mut call = of_kind(1);
        call.options.timeout = Some(PATIENCE);
        call.options.fuel = Some(u64::MAX);
        call
    };
    site.enqueue_all((0..4).map(|_| endless()).collect()).await;
    site.running(4).await;
    let ids = site
        .enqueue_all((0..50).map(|_| of_kind(0)).collect())
        .await;
    for job in site.ends(&ids).await {
        completed_once(&job, &[0x81, 0xa1, b'n', 0]);
    }
    assert_eq!(site.counts().await.running, 4, "they still run");
    assert!(worker.is_alive());
}

site_test!(
    a_describe_that_hangs_is_refused_and_no_worker_knows,
    |site| async move {
        site.push("good", &sleeping(1)).await;
        let mut worker = site.worker(&[]).await;
        let before = site.ends(&site.enqueue("good", 1).await).await.remove(0);
        let hangs = Guest::new(ECHO).describe(SPIN).build();
        for (name, hostile) in [
            ("hangs", hangs),
            ("good", Guest::new(ECHO).describe("unreachable").build()),
        ] {
            let file = site.write("hostile.wasm", hostile);
            let since = Instant::now();
            let args = ["push", file.to_str().unwrap(), "--name", name];
            site.lovage(&args).await.fails(5, &["`describe`"]);
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{:?}",
                since.elapsed()
            );
        }
        let releases = site.lovage(&["releases", "--json"]).await.ok().json();
        assert_eq!(releases.as_array().unwrap().len(), 1, "{releases}");
        assert_eq!(releases[0]["release"]["number"], 1, "nothing was staged");
        let after = site.ends(&site.enqueue("good", 1).await).await.remove(0);
        completed_once(&after, &[7]);
        assert_eq!(after.worker, before.worker);
        assert!(worker.is_alive());
    }
);
