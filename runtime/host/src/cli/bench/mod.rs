//! `lovage bench`: what this machine and this broker can do.
//!
//! # Layout
//! - this file: the command, and the worker that all measurements share
//! - `drain`: enqueue and drain; `roundtrip`: from a call to its result;
//!   `scheduled`: how late jobs start; `fairness`: whose turn it is

mod drain;
mod fairness;
mod roundtrip;
mod scheduled;

use std::time::Duration;

use clap::{Args, Subcommand};
use lovage_queue::client::Client;
use lovage_queue::job::{JobId, NewJob};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Context;
use crate::deploy::{self, Push};
use crate::engine::Engine;
use crate::worker::{self, Phase, WorkerError};

/// A hand-written component: what is measured is the queue, not a guest.
const NOOP: &str = include_str!("noop.wat");

/// Measure what this machine and its broker can do
///
/// Without a further word: enqueue and drain. Each measurement uses queues of its
/// own on the broker that is configured; the jobs stay there until their retention
/// is over, so point `--broker` at one that may hold them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Bench {
    #[command(flatten)]
    drain: drain::Drain,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    Drain(drain::Drain),
    Roundtrip(roundtrip::Roundtrip),
    Scheduled(scheduled::Scheduled),
    Fairness(fairness::Fairness),
}

impl Bench {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.what {
            None => self.drain.run(context).await,
            Some(What::Drain(it)) => it.run(context).await,
            Some(What::Roundtrip(it)) => it.run(context).await,
            Some(What::Scheduled(it)) => it.run(context).await,
            Some(What::Fairness(it)) => it.run(context).await,
        }
    }
}

/// A queue that nobody else uses.
fn own_queue() -> String {
    format!("bench-{:08x}", rand::random::<u32>())
}

/// Pushes the no-op, for a tenant's jobs to run.
async fn push(engine: &Engine, client: &Client) -> anyhow::Result<()> {
    let push = Push {
        name: "bench",
        bytes: wat::parse_str(NOOP)?,
        by: "lovage bench",
        patience: Duration::ZERO,
    };
    deploy::push(engine, client, push, |_| ()).await?;
    Ok(())
}

fn noop(client: &Client, queue: &str) -> NewJob {
    NewJob {
        queue: queue.to_owned(),
        ..NewJob::new(JobId::new(client.partition()), "bench", "noop", vec![0x80])
    }
}

/// A worker in this process.
struct Worker {
    tell: watch::Sender<Phase>,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    fn start(
        context: &Context,
        engine: Engine,
        queues: &[&str],
        concurrency: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut settings = context.config.worker();
        settings.queues = queues.iter().map(|it| ((*it).to_owned(), 1)).collect();
        settings.concurrency = concurrency.unwrap_or(settings.concurrency);
        let (tell, phase) = watch::channel(Phase::Serve);
        let place = context.place()?;
        let ended = tokio::spawn(async move { worker::run(&place, engine, settings, phase).await });
        Ok(Worker { tell, ended })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.tell.send_replace(Phase::Drain);
        self.ended.await??;
        Ok(())
    }
}

/// Spans from the shortest to the longest.
struct Spans(Vec<Duration>);

impl Spans {
    fn new(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Spans(spans)
    }

    /// In milliseconds: the span that this share of all is no longer than.
    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = (share * last as f64).round() as usize;
        let span = self.0.get(at).copied().unwrap_or_default();
        (span.as_secs_f64() * 100_000.0).round() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_spans_are_read_in_order() {
        let spans = Spans::new([3, 1, 2].map(Duration::from_millis).into());
        assert_eq!(
            [spans.at(0.0), spans.at(0.5), spans.at(1.0)],
            [1.0, 2.0, 3.0]
        );
        assert_eq!(Spans::new(Vec::new()).at(0.5), 0.0);
    }
}
