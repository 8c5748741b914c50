//! What a neighbour feels of modules that mean harm, on the worker that runs them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::{JobId, JobOptions, NewJob, State};
use serde_json::json;
use tokio::task::JoinHandle;

use super::figures::{Percentiles, Report, Spans, Spread, hundredths, ms};
use super::rig::{NOOP, Rig, failed, noop, own_queue};
use super::worker::Apart;
use super::{Context, Repeats};
use crate::cli::output::table;

/// Whose the harm is.
const TENANT: &str = "bench-hostile";
/// How long a call or a hostile job may take before it counts as lost.
const LOST: Duration = Duration::from_secs(60);
/// After which a job that means harm is ended, and the next one begins.
const DEADLINE: Duration = Duration::from_secs(1);
/// How long harm is done before it is measured.
const AHEAD: Duration = Duration::from_millis(500);
/// Calls before those that count.
const WARM_UP: u32 = 50;
/// What the no-op does in its task `spin`, in whose place the harm goes.
const SPIN: &str = "(loop $on (br $on))";
/// What WASI the harm takes, and where in the no-op it is imported.
const CLOCK: [(&str, &str); 3] = [
    (
        "  (core module $Libc",
        r#"(import "wasi:io/poll@0.2.3" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (export "pollable" (type $pollable-here (eq $pollable)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable-here))))))
  (core module $Libc"#,
    ),
    (
        "  (core module $Main\n    (import \"libc\" \"memory\" (memory 0))",
        r#"(core func $now (canon lower (func $clock "now")))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $poll (canon lower (func $poll "poll") (memory $memory) (realloc $realloc)))
  (core module $Main
    (import "libc" "memory" (memory 0))
    (import "host" "now" (func $now (result i64)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32)))"#,
    ),
    (
        "(with \"libc\" (instance $libc))",
        r#"(with "libc" (instance $libc))
    (with "host" (instance
      (export "now" (func $now)) (export "after" (func $after)) (export "poll" (func $poll))))"#,
    ),
];

/// What is done in a job, over and over.
const HARM: [(&str, &str); 7] = [
    ("spin", SPIN),
    ("trap", "unreachable"),
    (
        "memory",
        "(drop (memory.grow (i32.const 2000)))
        (loop $on (memory.fill (i32.const 4096) (i32.const 1) (i32.const 130000000)) (br $on))",
    ),
    ("recursion", "(drop (call $deep (i32.const 1)))"),
    (
        "result",
        "(drop (memory.grow (i32.const 2000)))
        (call $respond (i32.const 4096) (i32.const 130000000)) (return (i32.const 64))",
    ),
    ("clock", "(loop $on (drop (call $now)) (br $on))"),
    (
        "poll",
        "(drop (memory.grow (i32.const 100)))
        (local.set $task (i32.const 131072))
        (local.set $input (call $after (i64.const 0)))
        (loop $fill
            (i32.store (local.get $task) (local.get $input))
            (local.set $task (i32.add (local.get $task) (i32.const 4)))
            (br_if $fill (i32.lt_u (local.get $task) (i32.const 167072))))
        (loop $on (call $poll (i32.const 131072) (i32.const 9000) (i32.const 128)) (br $on))",
    ),
];

/// Measure what hostile modules cost their neighbours
///
/// One tenant makes one call after the other, and each is timed from the call to its
/// result: first alone, then beside another tenant whose jobs do nothing but harm, one
/// kind after the other, as many at once as `--hostile` says. One worker runs all of
/// them, in a process of its own, which must still be there at the end. Each figure stands
/// beside its ratio to the quiet one of the same repeat.
#[derive(Debug, Args)]
pub(super) struct Hostile {
    /// How many calls of each kind a repeat
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) calls: u32,
    /// How many hostile jobs run at once
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) hostile: u32,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Hostile {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let mallory = Client::over(rig.client.broker().clone(), TENANT);
        for (name, code) in HARM {
            rig.push(&mallory, name, module(code)?).await?;
        }
        let queue = own_queue();
        let worker = Apart::start(context, &[&queue])?;
        calls(&rig, &queue, WARM_UP).await?;
        let (mut quiet, mut beside) = (Vec::new(), HARM.map(|_| Vec::new()));
        for _ in 0..self.repeats.repeats {
            quiet.push(calls(&rig, &queue, self.calls).await?);
            for ((name, _), spans) in HARM.into_iter().zip(&mut beside) {
                let harm = Harm::start(&mallory, name, &queue, self.hostile);
                tokio::time::sleep(AHEAD).await;
                let measured = calls(&rig, &queue, self.calls).await;
                harm.stop().await?;
                spans.push(measured?);
            }
        }
        ensure!(worker.resident().is_some(), "the worker did not outlive it");
        worker.stop().await?;
        rig.prune().await?;
        Ok(self.report(&quiet, &beside))
    }

    fn report(&self, quiet: &[Spans], beside: &[Vec<Spans>]) -> Report {
        let calm = Percentiles::of(quiet);
        let of = |word: &str, it: &Percentiles, ratio: String| {
            let [p50, p99, _, max] = it.cells();
            [word.to_owned(), p50, p99, ratio, max]
        };
        let mut rows = vec![of("quiet", &calm, "1".into())];
        let mut kinds = serde_json::Map::new();
        for ((name, _), spans) in HARM.iter().zip(beside) {
            let all = Percentiles::of(spans);
            let ratio: Spread = all.p99().over(calm.p99());
            rows.push(of(name, &all, ratio.show(hundredths)));
            let told = json!({"roundtrip_ms": all.json(), "p99_to_quiet": ratio.json()});
            kinds.insert((*name).to_owned(), told);
        }
        let json = json!({
            "calls": self.calls, "hostile": self.hostile, "quiet_ms": calm.json(), "beside": kinds,
        });
        let head = [
            "from call to result, ms",
            "p50",
            "p99",
            "p99 to quiet",
            "max",
        ];
        Report {
            json,
            text: table(head, rows),
        }
    }
}

/// The no-op, but that its task `spin` does this.
fn module(code: &str) -> anyhow::Result<Vec<u8>> {
    let mut text = NOOP.replacen(SPIN, code, 1);
    for (place, more) in CLOCK {
        text = text.replacen(place, more, 1);
    }
    let deep = "(func $deep (param i32) (result i32)
      (i32.add (call $deep (local.get 0)) (local.get 0)))
    (func (export \"run\")";
    Ok(wat::parse_str(text.replacen(
        "(func (export \"run\")",
        deep,
        1,
    ))?)
}

/// One call after the other, each from the call to its result.
async fn calls(rig: &Rig<'_>, queue: &str, count: u32) -> anyhow::Result<Spans> {
    let bar = rig.context.out.bar(count.into(), "calls");
    let mut spans = Vec::new();
    for _ in 0..count {
        let since = Instant::now();
        let job = noop(&rig.client, queue);
        let id = job.id;
        rig.client
            .broker()
            .enqueue(rig.client.tenant(), &[job])
            .await?;
        if rig.client.wait(id, LOST).await?.state != State::Completed {
            return Err(failed());
        }
        spans.push(since.elapsed());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Spans::new(spans))
}

/// Jobs that do harm, so many at a time, until they are stopped.
struct Harm {
    stop: Arc<AtomicBool>,
    loops: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Harm {
    fn start(client: &Client, module: &'static str, queue: &str, count: u32) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let one = |_| {
            let (client, queue, stop) = (client.clone(), queue.to_owned(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    harm(&client, module, &queue).await?;
                }
                Ok(())
            })
        };
        Harm {
            loops: (0..count).map(one).collect(),
            stop,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for ended in self.loops {
            ended.await??;
        }
        Ok(())
    }
}

/// One job that does harm, to its end.
async fn harm(client: &Client, module: &str, queue: &str) -> anyhow::Result<()> {
    let job = NewJob {
        module: module.into(),
        task: "spin".into(),
        options: JobOptions {
            max_attempts: Some(1),
            timeout: Some(DEADLINE),
            ..JobOptions::default()
        },
        ..noop(client, queue)
    };
    let id: JobId = job.id;
    client.broker().enqueue(client.tenant(), &[job]).await?;
    let ended = client.wait(id, LOST).await?;
    ensure!(
        ended.state.is_final(),
        "a job of `{module}` was still {} after {:.0} ms",
        ended.state,
        ms(LOST)
    );
    // The dead list is nobody's measurement.
    client.delete(&[id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy;
    use crate::engine::{Engine, Settings};

    #[tokio::test]
    async fn all_that_does_harm_is_a_module() {
        let engine = Engine::new(Settings::default()).unwrap();
        for (name, code) in HARM {
            let bytes = module(code).unwrap();
            let manifest = deploy::inspect(&engine, bytes).await;
            assert_eq!(manifest.unwrap().tasks.len(), 2, "{name}");
        }
    }
}
