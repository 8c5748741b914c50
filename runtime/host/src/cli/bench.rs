//! `lovage bench`: enqueue and drain, measured on this machine.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::{JobId, NewJob};
use serde_json::json;
use tokio::sync::watch;

use super::Context;
use super::exit::Verdict;
use crate::deploy::{self, Push};
use crate::engine::Engine;
use crate::worker::{self, Phase};

/// A hand-written component: what is measured is the queue, not a guest.
const NOOP: &str = include_str!("noop.wat");
/// How often the queue's depth is looked at while it drains.
const LOOK: Duration = Duration::from_millis(20);

/// Measure enqueue and drain on this machine
///
/// Enqueues no-op jobs, drains them through one worker in this process, each in
/// a fresh sandbox with its result recorded, and prints the rates. The drain's
/// rate is the slope between 90 % and 10 % of the backlog. It uses a queue and a
/// module of its own on the broker that is configured; the jobs stay there until
/// their retention is over, so point `--broker` at one that may hold them.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// How many jobs
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    jobs: u64,
    /// Jobs in one enqueue
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// How many jobs run at once [default: as for a worker]
    #[arg(long, short, value_name = "N")]
    concurrency: Option<usize>,
    /// A pause between enqueue and drain, to look at the broker
    #[arg(long, default_value = "0s", value_name = "SPAN", hide = true)]
    pause: crate::units::Span,
}

impl Bench {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let engine = Engine::new(context.config.engine())?;
        let bytes = wat_to_component()?;
        let push = Push {
            name: "bench",
            bytes,
            by: "lovage bench",
            patience: Duration::ZERO,
        };
        deploy::push(&engine, &client, push, |_| ()).await?;
        let queue = format!("bench-{:08x}", rand::random::<u32>());

        let enqueued = self.enqueue(context, &client, &queue).await?;
        tokio::time::sleep(self.pause.0).await;
        let drained = self.drain(context, &client, engine, &queue).await?;
        let per_second = |jobs: f64, span: Duration| (jobs / span.as_secs_f64()).round() as u64;
        let (enqueue, drain) = (
            per_second(self.jobs as f64, enqueued),
            per_second(self.jobs as f64 * 0.8, drained),
        );
        let json = json!({
            "jobs": self.jobs, "batch": self.batch, "broker": context.place()?.to_string(),
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
            let job = |_| {
                let id = JobId::new(client.partition());
                NewJob {
                    queue: queue.to_owned(),
                    ..NewJob::new(id, "bench", "noop", vec![0x80])
                }
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
        let mut settings = context.config.worker();
        settings.queues = vec![(queue.to_owned(), 1)];
        settings.concurrency = self.concurrency.unwrap_or(settings.concurrency);
        let (tell, phase) = watch::channel(Phase::Serve);
        let place = context.place()?;
        let worker =
            tokio::spawn(async move { worker::run(&place, engine, settings, phase).await });
        let bar = context.out.bar(self.jobs, "drain");
        let begun = Instant::now();
        let (mut from, mut to) = (None, None);
        while to.is_none() && !worker.is_finished() {
            let counts = client.broker().counts(client.tenant()).await?;
            let row = counts
                .iter()
                .find(|it| it.queue == queue)
                .context("the queue is gone")?;
            if row.discarded + row.retryable > 0 {
                return Err(Verdict::Task("failed; `lovage jobs` says why".into()).into());
            }
            let done = row.completed;
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
        tell.send_replace(Phase::Drain);
        worker.await??;
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

fn wat_to_component() -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(NOOP)?)
}
