//! Modules that are let in, and do harm when they run.

use std::time::Duration;

use lovage_queue::job::{Ending, State};

use super::Stage;
use crate::fixtures::{Guest, SPIN};
use crate::support::site::{Site, call};
use crate::support::site_test;

/// A module, by what it does; how its attempt ends, and what is said of that.
struct Case {
    name: &'static str,
    guest: Guest,
    ending: Ending,
    says: &'static str,
}

/// How long those may run that would go on for ever.
const DEADLINE: Duration = Duration::from_millis(500);

fn case(name: &'static str, guest: Guest, ending: Ending, says: &'static str) -> Case {
    Case {
        name,
        guest,
        ending,
        says,
    }
}

/// A function whose frame takes some 16 KiB: all that it reads is needed after the call.
fn huge_frames() -> String {
    let count = 2_000;
    let locals: String = (0..count).map(|_| "(local i64) ").collect();
    let each = |code: fn(usize) -> String| (1..=count).map(code).collect::<String>();
    let reads = each(|n| format!("(local.set {n} (i64.load (i32.const {})))", 8 * n));
    let sums = each(|n| format!("(local.get {n}) (i64.add)"));
    format!(
        "(func $deep (param i32) (result i64) {locals} {reads}
            (call $deep (local.get 0)) {sums})"
    )
}

fn writing(bytes: u32) -> String {
    format!(
        "(local $out i32) (local.set $out (call $get-stderr))
        (loop $on
            (call $write (local.get $out) (i32.const 8000) (i32.const {bytes}) (i32.const 128))
            (br $on))"
    )
}

fn cases() -> Vec<Case> {
    use Ending::{Deadline, OutOfFuel, OutOfMemory, ResultTooLarge, StackOverflow, Trapped};
    let grow = "(loop $on
        (local.set $n (memory.grow (i32.const 1)))
        (if (i32.eq (local.get $n) (i32.const -1)) (then unreachable))
        (i32.store (i32.shl (local.get $n) (i32.const 16)) (i32.const 1))
        (br $on))";
    let table = "(loop $on
        (br_if $on (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 100)))))
        unreachable";
    let deep = "(func $deep (param i32) (result i32)
        (i32.add (call $deep (local.get 0)) (local.get 0)))";
    let endless = |call: &str| Guest::with_imports(&format!("(loop $on {call} (br $on))"));
    vec![
        case("spin", Guest::new(SPIN), Deadline, "its deadline of 500ms"),
        case(
            "fuel",
            Guest::new(SPIN),
            OutOfFuel,
            "used up its 1,000,000 units",
        ),
        case(
            "memory-bomb",
            Guest::new(&format!("(local $n i32) {grow}")),
            OutOfMemory,
            "128 MiB",
        ),
        case(
            "table-bomb",
            Guest::new(table).functions("(table $t 1 funcref)"),
            Trapped,
            "unreachable",
        ),
        case(
            "recursion",
            Guest::new("(drop (call $deep (i32.const 1)))").functions(deep),
            StackOverflow,
            "too deep",
        ),
        case(
            "huge-frames",
            Guest::new("(drop (call $deep (i32.const 1)))").functions(&huge_frames()),
            StackOverflow,
            "too deep",
        ),
        case(
            "log-flood",
            Guest::with_imports(&writing(4096)),
            Deadline,
            "deadline",
        ),
        case(
            "result-flood",
            Guest::new(
                "(drop (memory.grow (i32.const 300))) (call $respond (i32.const 0) (i32.const 17000000))",
            ),
            ResultTooLarge,
            "16 MiB",
        ),
        case(
            "result-lie",
            Guest::new("(call $respond (i32.const 0) (i32.const -1))"),
            Trapped,
            "contract",
        ),
        case(
            "host-call-flood",
            endless("(drop (call $remaining-ms))"),
            Deadline,
            "deadline",
        ),
        case(
            "checkpoint-flood",
            endless("(call $checkpoint (i32.const 0) (i32.const 60000) (i32.const 128))"),
            Deadline,
            "deadline",
        ),
        case(
            "progress-flood",
            endless(
                "(call $progress (i32.const 0) (f64.const 0) (i32.const 1) (i32.const 8192) (i32.const 50000) (i32.const 128))",
            ),
            Deadline,
            "deadline",
        ),
        case(
            "random-flood",
            endless("(call $random (i64.const 65536) (i32.const 128)) (drop (i32.const 0))"),
            OutOfMemory,
            "128 MiB",
        ),
        case(
            "handle-flood",
            endless("(drop (call $subscribe-duration (i64.const -1)))"),
            Trapped,
            "",
        ),
        case(
            "long-sleep",
            Guest::with_imports("(call $block (call $subscribe-duration (i64.const -1)))"),
            Deadline,
            "deadline",
        ),
        case(
            "dead-handle",
            Guest::with_imports("(call $block (i32.const 4242))"),
            Trapped,
            "contract",
        ),
        case(
            "exit",
            Guest::with_imports("(call $exit (i32.const 0))"),
            Trapped,
            "exited with code 0",
        ),
        case(
            "trap",
            Guest::new("(i32.store (i32.const -4) (i32.const 1))"),
            Trapped,
            "out of bounds",
        ),
    ]
}

site_test!(
    each_hostile_module_comes_to_its_own_end,
    |site| async move {
        let mut stage = Stage::set(site).await;
        for Case {
            name,
            guest,
            ending,
            says,
        } in cases()
        {
            stage.push(name, &guest.build()).await.ok();
            let mut call = call(name);
            match ending {
                Ending::Deadline => call.options.timeout = Some(DEADLINE),
                Ending::OutOfFuel => call.options.fuel = Some(1_000_000),
                _ => call.options.timeout = Some(Duration::from_secs(20)),
            }
            let job = stage.job(call).await;
            assert_eq!(job.state, State::Discarded, "{name}: {job:#?}");
            let [attempt] = &job.attempts[..] else {
                panic!("{name}: {job:#?}")
            };
            assert_eq!(attempt.ending, ending, "{name}: {attempt:#?}");
            let failure = attempt.failure.as_ref().expect("a reason");
            assert!(failure.message.contains(says), "{name}: {failure:?}");
            assert!(attempt.log.len() < 70_000, "{name}: {}", attempt.log.len());
            assert!(
                attempt.took < Duration::from_secs(20),
                "{name}: {attempt:#?}"
            );
            assert_eq!((job.crash, &job.result), (0, &None), "{name}");
            stage.lives(name).await;
        }
        stage.over_and_well().await;
    }
);

/// Whatever a task asks for, it gets no more than the operator allows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_gets_more_than_the_ceilings() {
    let ceilings = [
        "LOVAGE_LIMITS__MAX_FUEL=5000000",
        "LOVAGE_LIMITS__MAX_MEMORY=2MiB",
        // Long enough for the others to come to their own bounds first.
        "LOVAGE_LIMITS__MAX_TIMEOUT=3s",
    ];
    let mut stage = Stage::over(Site::sqlite(), &ceilings).await;
    let bomb =
        "(loop $on (br_if $on (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable";
    for (name, code, says) in [
        ("spin", SPIN, "5,000,000 units of fuel"),
        ("bomb", bomb, "2 MiB of memory"),
        (
            "sleep",
            "(call $block (call $subscribe-duration (i64.const -1)))",
            "deadline of 3s",
        ),
    ] {
        stage
            .push(name, &Guest::with_imports(code).build())
            .await
            .ok();
        let mut call = call(name);
        call.options.fuel = Some(u64::MAX);
        call.options.memory = Some(1 << 40);
        call.options.timeout = Some(Duration::from_secs(1_000_000));
        let job = stage.job(call).await;
        let failure = job.attempts[0].failure.as_ref().unwrap();
        assert!(failure.message.contains(says), "{name}: {failure:?}");
        stage.lives(name).await;
    }
    stage.over_and_well().await;
}
