//! What a job costs where there is much else: backlogs, modules, lanes, history.

use clap::Args;
use lovage_queue::job::NewJob;
use serde_json::{Value, json};

use super::bare;
use super::emptying::{Backlog, By};
use super::figures::{Report, Spread, hundredths, whole};
use super::rig::{NOOP, Rig, own_queue, renewed};
use super::{Context, Repeats};
use crate::cli::output::table;
use crate::engine::outcome::grouped;

/// Measure whether a job's cost grows with what else there is
///
/// The rate at which a worker drains a queue, without and with: finished jobs that
/// are kept; lanes among which its jobs lie; jobs that wait in another queue of the
/// tenant; modules that were pushed, when one of them is called, and when all are, in
/// turn. Each rate with is told beside one without, taken just before it. 0 leaves
/// one out. Begin with an empty broker. What is added is taken away again, but for
/// modules: their releases stay.
#[derive(Debug, Args)]
pub(super) struct Breadth {
    /// How many jobs each measured queue holds
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=10_000_000))]
    pub(super) jobs: u64,
    /// How many finished jobs are kept
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    pub(super) kept: u64,
    /// How many lanes there are
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    pub(super) lanes: u64,
    /// How many jobs wait in another queue
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    pub(super) queued: u64,
    /// How many modules are pushed
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub(super) modules: u64,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// One comparison.
struct Row {
    name: &'static str,
    words: &'static str,
    count: u64,
    without: Spread,
    with: Spread,
}

impl Breadth {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let mut rows = Vec::new();
        // In this order: history first, while there is none, and modules last, since
        // they stay.
        if self.kept > 0 {
            rows.push(self.kept(&rig).await?);
        }
        if self.lanes > 0 {
            rows.push(self.lanes(&rig).await?);
        }
        if self.queued > 0 {
            rows.push(self.queued(&rig).await?);
        }
        if self.modules > 0 {
            rows.extend(self.modules(&rig).await?);
        }
        Ok(self.report(&rows))
    }

    async fn kept(&self, rig: &Rig<'_>) -> anyhow::Result<Row> {
        let without = self.plain(rig).await?;
        let queue = own_queue();
        rig.fill(self.kept, |_| false, |_| rig.noop(&queue)).await?;
        bare::empty(rig, &queue).await?;
        let most = rig.settings().retention.count.max(self.kept);
        let noop = |_, queue: &str| rig.noop(queue);
        let with = self.rates(rig, 1, Some(most), noop).await?;
        rig.prune().await?;
        Ok(row("kept", "finished jobs kept", self.kept, without, with))
    }

    async fn lanes(&self, rig: &Rig<'_>) -> anyhow::Result<Row> {
        let without = self.plain(rig).await?;
        let laned = |n, queue: &str| NewJob {
            lane: format!("lane-{}", n % self.lanes),
            ..rig.noop(queue)
        };
        let with = self.rates(rig, self.lanes, None, laned).await?;
        Ok(row("lanes", "lanes", self.lanes, without, with))
    }

    async fn queued(&self, rig: &Rig<'_>) -> anyhow::Result<Row> {
        let (without, other) = (self.plain(rig).await?, own_queue());
        rig.fill(self.queued, |_| false, |_| rig.noop(&other))
            .await?;
        let with = self.plain(rig).await?;
        bare::empty(rig, &other).await?;
        rig.prune().await?;
        let words = "jobs in another queue";
        Ok(row("queued", words, self.queued, without, with))
    }

    async fn modules(&self, rig: &Rig<'_>) -> anyhow::Result<[Row; 2]> {
        let without = self.plain(rig).await?;
        let (component, bar) = (
            wat::parse_str(NOOP)?,
            rig.context.out.bar(self.modules, "push"),
        );
        for n in 0..self.modules {
            rig.push(&rig.client, &module(n), renewed(&component))
                .await?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        let one = self.plain(rig).await?;
        let in_turn = |n, queue: &str| NewJob {
            module: module(n % self.modules),
            ..rig.noop(queue)
        };
        let all = self.rates(rig, 1, None, in_turn).await?;
        let words = ["modules pushed, one called", "modules called in turn"];
        Ok([
            row(
                "modules_pushed",
                words[0],
                self.modules,
                without.clone(),
                one,
            ),
            row("modules_called", words[1], self.modules, without, all),
        ])
    }

    /// The rates of a queue of no-ops in one lane.
    async fn plain(&self, rig: &Rig<'_>) -> anyhow::Result<Spread> {
        self.rates(rig, 1, None, |_, queue| rig.noop(queue)).await
    }

    /// The rates at which a queue of these jobs is drained, where so many finished
    /// ones may be kept.
    async fn rates(
        &self,
        rig: &Rig<'_>,
        lanes: u64,
        keep: Option<u64>,
        job: impl Fn(u64, &str) -> NewJob,
    ) -> anyhow::Result<Spread> {
        let mut rates = Spread::default();
        for repeat in 0..=self.repeats.repeats {
            let backlog = Backlog::of(rig, self.jobs, lanes, &job).await?;
            let rate = backlog.empty_with(rig, By::Engine, |settings| {
                if let Some(count) = keep {
                    settings.retention.count = count;
                    settings.retention.bytes = u64::MAX;
                }
            });
            let rate = rate.await?;
            // The first one warms everything up and does not count.
            if repeat > 0 {
                rates.add(rate);
            }
        }
        Ok(rates)
    }

    fn report(&self, rows: &[Row]) -> Report {
        let json: Vec<Value> = rows.iter().map(Row::json).collect();
        let text = table(
            [
                "drain beside",
                "",
                "without, jobs/s",
                "with, jobs/s",
                "ratio",
            ],
            rows.iter().map(Row::cells),
        );
        Report {
            json: json!({"jobs": self.jobs, "beside": json}),
            text,
        }
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.with.median() / self.without.median()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "count": self.count, "without_per_second": self.without.json(),
            "with_per_second": self.with.json(), "ratio": self.ratio(),
        })
    }

    fn cells(&self) -> [String; 5] {
        [
            self.words.into(),
            grouped(self.count),
            self.without.show(whole),
            self.with.show(whole),
            hundredths(self.ratio()),
        ]
    }
}

fn row(name: &'static str, words: &'static str, count: u64, without: Spread, with: Spread) -> Row {
    Row {
        name,
        words,
        count,
        without,
        with,
    }
}

/// The name of one of many modules.
fn module(n: u64) -> String {
    format!("bench-many-{n}")
}
