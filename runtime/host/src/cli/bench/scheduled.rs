//! How late scheduled jobs start.

use std::time::Duration;

use clap::Args;
use lovage_queue::clock::millis;
use lovage_queue::job::{NewJob, State, When};
use serde_json::json;

use super::{Context, Spans, Worker, noop, own_queue, push};
use crate::cli::exit::Verdict;
use crate::engine::Engine;

/// The first of them is due after this.
const AHEAD: Duration = Duration::from_secs(1);
/// How long all may take.
const LOST: Duration = Duration::from_secs(60);

/// Measure how late scheduled jobs start
///
/// Schedules no-op jobs evenly over one second, and says how much later than its
/// time each began, by the broker's clock.
#[derive(Debug, Args)]
pub(super) struct Scheduled {
    /// How many jobs
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    jobs: u32,
}

impl Scheduled {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let engine = Engine::new(context.config.engine())?;
        push(&engine, &client).await?;
        let queue = own_queue();
        let worker = Worker::start(context, engine, &[&queue], None)?;
        let wait = |n: u32| AHEAD + Duration::from_secs(1) * n / self.jobs;
        let jobs: Vec<NewJob> = (0..self.jobs)
            .map(|n| NewJob {
                eta: When::In(wait(n)),
                ..noop(&client, &queue)
            })
            .collect();
        client.broker().enqueue(client.tenant(), &jobs).await?;
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let ended = client.broker().wait(client.tenant(), &ids, LOST).await?;
        worker.stop().await?;

        let mut late = Vec::new();
        for (n, job) in (0..).zip(&ended) {
            let Some(job) = job.as_ref().filter(|it| it.state == State::Completed) else {
                return Err(
                    Verdict::Task("was not done in time; `lovage jobs` says why".into()).into(),
                );
            };
            let due = job.enqueued.0 + millis(wait(n));
            if job.started.0 < due {
                return Err(Verdict::Task(format!("{} began before its time", job.call.id)).into());
            }
            late.push(Duration::from_millis(job.started.0 - due));
        }
        let late = Spans::new(late);
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| late.at(share));
        let json = json!({
            "jobs": self.jobs, "broker": context.place()?.to_string(),
            "late_ms": {"p50": p50, "p99": p99, "max": max},
        });
        context.out.print(&json, || {
            format!("late  p50 {p50:>5.0} ms  p99 {p99:>5.0} ms  max {max:>5.0} ms")
        })
    }
}
