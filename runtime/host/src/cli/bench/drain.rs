//! How fast a worker empties a queue, beside two baselines.

use clap::Args;
use serde_json::json;

use super::emptying::{Backlog, By};
use super::figures::{Report, Spread, hundredths, whole};
use super::rig::Rig;
use super::{Context, Repeats};
use crate::cli::output::table;

/// Measure how fast a worker drains a queue
///
/// In each repeat three queues of no-op jobs are drained, in turns that rotate: by a
/// worker, in a fresh sandbox a job with the result recorded; by the same worker with
/// an echo in the engine's place, which leaves all that is not the engine; and by a
/// bare loop, which calls the broker's claim and settle in batches of 200, the next
/// claim while the last batch is settled, and leaves all that is not the worker. The
/// rate is the slope between 90 % and 10 % of the backlog. The ratios hold on any
/// machine.
#[derive(Debug, Args)]
pub(super) struct Drain {
    /// How many jobs each queue holds
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    pub(super) jobs: u64,
    /// How many lanes they lie in
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) lanes: u64,
    /// How many jobs run at once [default: as for a worker]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) concurrency: Option<u32>,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Drain {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::with(context, self.concurrency.map(|it| it as usize)).await?;
        let mut rates = [const { Vec::new() }; 3];
        for repeat in 0..=self.repeats.repeats as usize {
            // The first one warms everything up and does not count.
            let jobs = if repeat == 0 {
                self.warm_up()
            } else {
                self.jobs
            };
            for turn in 0..By::ALL.len() {
                let at = (repeat + turn) % By::ALL.len();
                let backlog = Backlog::of_noops(&rig, jobs, self.lanes).await?;
                let rate = backlog.empty(&rig, By::ALL[at]).await?;
                rig.prune().await?;
                if repeat > 0 {
                    rates[at].push(rate);
                }
            }
        }
        Ok(self.report(rates.map(|it| it.into_iter().collect())))
    }

    fn warm_up(&self) -> u64 {
        (self.jobs / 10).max(10)
    }

    fn report(&self, [bare, echo, engine]: [Spread; 3]) -> Report {
        let (by_echo, by_bare) = (engine.over(&echo), engine.over(&bare));
        let json = json!({
            "jobs": self.jobs, "lanes": self.lanes,
            "drain_per_second": engine.json(), "echo_per_second": echo.json(),
            "bare_per_second": bare.json(),
            "engine_to_echo": by_echo.json(), "engine_to_bare": by_bare.json(),
        });
        let text = table(
            ["drain", "jobs/s", "ratio"],
            [
                ["worker", &engine.show(whole), ""],
                [
                    "worker with an echo for the engine",
                    &echo.show(whole),
                    &by_echo.show(hundredths),
                ],
                ["bare loop", &bare.show(whole), &by_bare.show(hundredths)],
            ]
            .map(|row| row.map(str::to_owned)),
        );
        let text = format!("{text}\nratio: the worker's rate to this one's");
        Report { json, text }
    }
}
