//! How fast jobs are enqueued.

use std::time::Instant;

use clap::Args;
use lovage_queue::client::Call;
use lovage_queue::job::NewJob;
use lovage_queue::task::TaskName;
use serde_json::json;

use super::bare;
use super::figures::{Report, Spread, hundredths, whole};
use super::rig::{MODULE, Rig, own_queue};
use super::{Context, Repeats};
use crate::cli::output::table;

/// Measure how fast jobs are enqueued
///
/// In each repeat calls of a no-op are enqueued one batch after the other, twice: by
/// the client, which looks up the task, checks the arguments against its schema and
/// makes the jobs; and by a bare loop, which calls the broker's enqueue with jobs that
/// are made before the clock runs. The jobs are taken out again without being run.
#[derive(Debug, Args)]
pub(super) struct Enqueue {
    /// How many jobs a repeat
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    pub(super) jobs: u64,
    /// Jobs in one enqueue
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) batch: u64,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Enqueue {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let mut rates = [const { Vec::new() }; 2];
        for repeat in 0..=self.repeats.repeats as usize {
            // The first one warms everything up and does not count.
            let jobs = if repeat == 0 {
                (self.jobs / 10).max(10)
            } else {
                self.jobs
            };
            for turn in 0..rates.len() {
                let at = (repeat + turn) % rates.len();
                let rate = self.enqueue(&rig, jobs, at == 0).await?;
                if repeat > 0 {
                    rates[at].push(rate);
                }
            }
        }
        Ok(self.report(rates.map(|it| it.into_iter().collect())))
    }

    /// Jobs a second, of those moments in which something was enqueued.
    async fn enqueue(&self, rig: &Rig<'_>, jobs: u64, by_client: bool) -> anyhow::Result<f64> {
        let (queue, mut took, mut left) = (own_queue(), std::time::Duration::ZERO, jobs);
        let bar = rig.context.out.bar(jobs, "enqueue");
        let client = &rig.client;
        while left > 0 {
            let some = left.min(self.batch);
            if by_client {
                let calls = (0..some).map(|_| call(&queue)).collect();
                let since = Instant::now();
                client.enqueue_all(calls).await?;
                took += since.elapsed();
            } else {
                let made: Vec<NewJob> = (0..some).map(|_| rig.noop(&queue)).collect();
                let since = Instant::now();
                client.broker().enqueue(client.tenant(), &made).await?;
                took += since.elapsed();
            }
            left -= some;
            bar.inc(some);
        }
        bar.finish_and_clear();
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        Ok(jobs as f64 / took.as_secs_f64())
    }

    fn report(&self, [client, bare]: [Spread; 2]) -> Report {
        let by_bare = client.over(&bare);
        let json = json!({
            "jobs": self.jobs, "batch": self.batch,
            "enqueue_per_second": client.json(), "bare_per_second": bare.json(),
            "client_to_bare": by_bare.json(),
        });
        let rows = [
            ["client", &client.show(whole), ""],
            ["bare loop", &bare.show(whole), &by_bare.show(hundredths)],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        let text = table(["enqueue", "jobs/s", "ratio"], rows);
        let text = format!("{text}\nratio: the client's rate to this one's");
        Report { json, text }
    }
}

fn call(queue: &str) -> Call {
    Call {
        queue: Some(queue.to_owned()),
        ..Call::of(TaskName {
            module: MODULE.into(),
            task: "noop".into(),
        })
    }
}
