//! From a call to its result.

use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::State;
use serde_json::json;

use super::{Context, Spans, Worker, noop, own_queue, push};
use crate::cli::exit::Verdict;
use crate::engine::Engine;

/// How long a call may take before it counts as lost.
const LOST: Duration = Duration::from_secs(30);
/// How many jobs a busy worker has before it.
const BACKLOG: usize = 10_000;
/// How many calls go by until its backlog is looked at again.
const LOOK: u32 = 25;

/// Measure the time from a call to its result
///
/// Calls a no-op and waits for its result, one call after the other, on an idle
/// worker: in this process, or `--apart` in one of its own. With `--busy` the worker
/// drains a backlog of another queue meanwhile, and the time that counts is that of
/// the enqueue.
#[derive(Debug, Args)]
pub(super) struct Roundtrip {
    /// How many calls
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// Run the worker in a process of its own
    #[arg(long)]
    apart: bool,
    /// Keep the worker busy with a backlog of another queue
    #[arg(long)]
    busy: bool,
}

impl Roundtrip {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let engine = Engine::new(context.config.engine())?;
        push(&engine, &client).await?;
        let (queue, other) = (own_queue(), own_queue());
        let here = match self.apart {
            false => Some(Worker::start(context, engine, &[&queue, &other], None)?),
            true => None,
        };
        let there = match self.apart {
            true => Some(Apart::start(context, &[&queue, &other])?),
            false => None,
        };
        self.call(&client, &queue).await?;
        let mut calls = Vec::new();
        let mut enqueues = Vec::new();
        let bar = context.out.bar(self.calls.into(), "calls");
        for n in 0..self.calls {
            if self.busy && n % LOOK == 0 {
                self.fill(&client, &other).await?;
            }
            let (enqueued, ended) = self.call(&client, &queue).await?;
            enqueues.push(enqueued);
            calls.push(ended);
            bar.inc(1);
        }
        bar.finish_and_clear();
        if let Some(worker) = here {
            worker.stop().await?;
        }
        if let Some(worker) = there {
            worker.stop().await?;
        }
        self.report(context, Spans::new(enqueues), Spans::new(calls))
    }

    /// One call: how long the enqueue took, and all of it.
    async fn call(&self, client: &Client, queue: &str) -> anyhow::Result<(Duration, Duration)> {
        let job = noop(client, queue);
        let id = job.id;
        let since = Instant::now();
        client.broker().enqueue(client.tenant(), &[job]).await?;
        let enqueued = since.elapsed();
        let job = client.wait(id, LOST).await?;
        if job.state != State::Completed {
            return Err(
                Verdict::Task(format!("is {}; `lovage job {id}` says why", job.state)).into(),
            );
        }
        Ok((enqueued, since.elapsed()))
    }

    /// Sees to it that the worker has a backlog for a while.
    async fn fill(&self, client: &Client, queue: &str) -> anyhow::Result<()> {
        let counts = client.broker().counts(client.tenant()).await?;
        let row = counts.iter().find(|it| it.queue == queue);
        if row.is_some_and(|it| it.available as usize > BACKLOG) {
            return Ok(());
        }
        let jobs: Vec<_> = (0..BACKLOG).map(|_| noop(client, queue)).collect();
        client.broker().enqueue(client.tenant(), &jobs).await?;
        Ok(())
    }

    fn report(&self, context: &Context, enqueues: Spans, calls: Spans) -> anyhow::Result<()> {
        let row = |spans: &Spans| json!({"p50": spans.at(0.5), "p99": spans.at(0.99), "max": spans.at(1.0)});
        let json = json!({
            "calls": self.calls, "apart": self.apart, "busy": self.busy,
            "broker": context.place()?.to_string(),
            "enqueue_ms": row(&enqueues), "roundtrip_ms": row(&calls),
        });
        let line = |word: &str, spans: &Spans| {
            format!(
                "{word}  p50 {:>7.2} ms  p99 {:>7.2} ms  max {:>7.2} ms",
                spans.at(0.5),
                spans.at(0.99),
                spans.at(1.0)
            )
        };
        context.out.print(&json, || {
            format!(
                "{}\n{}",
                line("enqueue  ", &enqueues),
                line("roundtrip", &calls)
            )
        })
    }
}

/// A worker in a process of its own.
struct Apart(tokio::process::Child);

impl Apart {
    fn start(context: &Context, queues: &[&str]) -> anyhow::Result<Self> {
        let place = context.config.broker.clone();
        let child = tokio::process::Command::new(std::env::current_exe()?)
            .args(["worker", "--broker", &place, "--queues", &queues.join(",")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Apart(child))
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.0.kill().await?;
        Ok(())
    }
}
