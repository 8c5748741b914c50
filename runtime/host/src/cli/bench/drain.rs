//! Enqueue and drain.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::NewJob;
use serde_json::json;

use super::{Context, Worker, noop, own_queue, push};
use crate::cli::exit::Verdict;
use crate::engine::Engine;

/// How often the queue's depth is looked at while it drains.
const LOOK: Duration = Duration::from_millis(20);

/// Measure enqueue and drain
///
/// Enqueues no-op jobs, drains them through one worker in this process, each in
/// a fresh sandbox with its result recorded, and prints the rates. The drain's
/// rate is the slope between 90 % and 10 % of the backlog.
#[derive(Debug, Args)]
pub(super) struct Drain {
    /// How many jobs
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    jobs: u64,
    /// Jobs in one enqueue
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// How many lanes they lie in
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    lanes: u64,
    /// How many jobs run at once [default: as for a worker]
    #[arg(long, short, value_name = "N")]
    concurrency: Option<usize>,
    /// A pause between enqueue and drain, to look at the broker
    #[arg(long, default_value = "0s", value_name = "SPAN", hide = true)]
    pause: crate::units::Span,
}

impl Drain {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let engine = Engine::new(context.config.engine())?;
        push(&engine, &client).await?;
        let queue = own_queue();

        let enqueued = self.enqueue(context, &client, &queue).await?;
        tokio::time::sleep(self.pause.0).await;
        let drained = self.drain(context, &client, engine, &queue).await?;
        let per_second = |jobs: f64, span: Duration| (jobs / span.as_secs_f64()).round() as u64;
        let (enqueue, drain) = (
            per_second(self.jobs as f64, enqueued),
            per_second(self.jobs as f64 * 0.8, drained),
        );
        let json = json!({
            "jobs": self.jobs, "batch": self.batch, "lanes": self.lanes, "broker": context.place()?.to_string(),
            "enqueue_per_second": enqueue, "drain_per_second": drain,
        });
        context.out.print(&json, || {
            format!(
                "enqueue  {enqueue:>8} jobs/s, in batches of {}\ndrain    {drain:>8} jobs/s",
                self.batch
            )
        })
    }

    async fn enqueue(
        &self,
        context: &Context,
        client: &Client,
        queue: &str,
    ) -> anyhow::Result<Duration> {
        let bar = context.out.bar(self.jobs, "enqueue");
        let mut took = Duration::ZERO;
        let mut left = self.jobs;
        while left > 0 {
            let some = left.min(self.batch);
            let job = |n: u64| NewJob {
                lane: match self.lanes {
                    1 => String::new(),
                    lanes => format!("lane-{}", (left - n) % lanes),
                },
                ..noop(client, queue)
            };
            let jobs: Vec<NewJob> = (0..some).map(job).collect();
            let since = Instant::now();
            client.broker().enqueue(client.tenant(), &jobs).await?;
            took += since.elapsed();
            left -= some;
            bar.inc(some);
        }
        bar.finish_and_clear();
        Ok(took)
    }

    /// How long the middle 80 % of the backlog took.
    async fn drain(
        &self,
        context: &Context,
        client: &Client,
        engine: Engine,
        queue: &str,
    ) -> anyhow::Result<Duration> {
        let worker = Worker::start(context, engine, &[queue], self.concurrency)?;
        let bar = context.out.bar(self.jobs, "drain");
        let begun = Instant::now();
        let (mut from, mut to) = (None, None);
        while to.is_none() && !worker.ended.is_finished() {
            let counts = client.broker().counts(client.tenant()).await?;
            let row = counts
                .iter()
                .find(|it| it.queue == queue)
                .context("the queue is gone")?;
            if row.discarded + row.retryable > 0 {
                return Err(Verdict::Task("failed; `lovage jobs` says why".into()).into());
            }
            // What is done may have left the broker again: what is not has not.
            let done = self.jobs - self.jobs.min(row.available + row.running);
            bar.set_position(done);
            let now = Instant::now();
            if from.is_none() && done * 10 >= self.jobs {
                from = Some((now, done));
            }
            if done * 10 >= self.jobs * 9 {
                to = Some((now, done));
            }
            tokio::time::sleep(LOOK).await;
        }
        let all = begun.elapsed();
        bar.finish_and_clear();
        worker.stop().await?;
        let ((from, first), (to, last)) = from
            .zip(to)
            .context("the worker ended before the queue was empty")?;
        // So few that one look saw both: all there is to go by is the whole.
        if last == first {
            return Ok(all.mul_f64(0.8));
        }
        // Looks fall where they fall: scale to exactly 80 %.
        let share = (last - first) as f64 / (self.jobs as f64 * 0.8);
        Ok((to - from).div_f64(share.max(f64::EPSILON)))
    }
}
