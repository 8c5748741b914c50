//! How late scheduled jobs start.

use std::time::Duration;

use clap::Args;
use lovage_queue::clock::millis;
use lovage_queue::job::{NewJob, State, When};
use serde_json::json;

use super::figures::{Percentiles, Report, Spans};
use super::rig::{Rig, failed, own_queue};
use super::worker::Worker;
use super::{Context, Repeats};
use crate::cli::exit::Verdict;
use crate::cli::output::table;

/// The first of them is due after this.
const AHEAD: Duration = Duration::from_secs(1);
/// How long all may take.
const LOST: Duration = Duration::from_secs(60);

/// Measure how late scheduled jobs start
///
/// Schedules no-op jobs evenly over one second, and says how much later than its
/// time each began, by the broker's clock, which has milliseconds.
#[derive(Debug, Args)]
pub(super) struct Scheduled {
    /// How many jobs a repeat
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) jobs: u32,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Scheduled {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let queue = own_queue();
        let worker = Worker::start(&rig, &[&queue])?;
        let mut repeats = Vec::new();
        for repeat in 0..=self.repeats.repeats {
            // The first one warms everything up and does not count.
            let jobs = if repeat == 0 {
                self.jobs.min(10)
            } else {
                self.jobs
            };
            let late = self.late(&rig, &queue, jobs).await?;
            if repeat > 0 {
                repeats.push(late);
            }
        }
        worker.stop().await?;
        let late = Percentiles::of(&repeats);
        let json = json!({"jobs": self.jobs, "late_ms": late.json()});
        let [a, b, c, d] = Percentiles::names();
        let [p, q, r, s] = late.cells();
        let text = table(["late, ms", a, b, c, d], [["start".into(), p, q, r, s]]);
        Ok(Report { json, text })
    }

    async fn late(&self, rig: &Rig<'_>, queue: &str, count: u32) -> anyhow::Result<Spans> {
        let client = &rig.client;
        let wait = |n: u32| AHEAD + Duration::from_secs(1) * n / count;
        let job = |n| NewJob {
            eta: When::In(wait(n)),
            ..rig.noop(queue)
        };
        let jobs: Vec<NewJob> = (0..count).map(job).collect();
        client.broker().enqueue(client.tenant(), &jobs).await?;
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let ended = client.broker().wait(client.tenant(), &ids, LOST).await?;
        let mut late = Vec::new();
        for (n, job) in (0..).zip(&ended) {
            let Some(job) = job.as_ref().filter(|it| it.state == State::Completed) else {
                return Err(failed());
            };
            let due = job.enqueued.0 + millis(wait(n));
            if job.started.0 < due {
                return Err(Verdict::Task(format!("{} began before its time", job.call.id)).into());
            }
            late.push(Duration::from_millis(job.started.0 - due));
        }
        Ok(Spans::new(late))
    }
}
