//! What an idle system costs, without and with schedules that are not due.

use std::time::{Duration, Instant};

use clap::Args;
use lovage_queue::broker::{Declared, Owner};
use lovage_queue::schedule::{Schedule, ScheduledCall, Trigger};
use serde_json::json;

use super::figures::{Report, Spread, hundredths};
use super::rig::{Rig, own_queue};
use super::worker::Apart;
use super::{Context, Repeats};
use crate::cli::output::table;
use crate::units::Span;

/// Schedules in one step of the broker.
const BATCH: u32 = 500;
/// When all of them are due.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Measure what an idle system costs
///
/// The processor time of a worker that has nothing to do, in a process of its own, and
/// of the broker's server where it has one: without schedules and with so many that
/// are due in a year, in turns. What is asked for a heartbeat is the same in both.
#[derive(Debug, Args)]
pub(super) struct Idle {
    /// How many schedules there are
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) schedules: u32,
    /// How long each look takes
    #[arg(long, default_value = "5s", value_name = "SPAN")]
    pub(super) span: Span,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// Milliseconds of processor time a second: of the worker, and of the server.
type Cost = [Option<f64>; 2];

impl Idle {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let worker = Apart::start(context, &[&own_queue()])?;
        // What it does once, when it starts, is over by then.
        self.look(&rig, &worker).await?;
        let mut costs: [Vec<Cost>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..self.repeats.repeats {
            costs[0].push(self.look(&rig, &worker).await?);
            let owner = self.declare(&rig).await?;
            costs[1].push(self.look(&rig, &worker).await?);
            rig.client.declare_schedules(&owner, Vec::new()).await?;
        }
        worker.stop().await?;
        Ok(self.report(&costs))
    }

    /// Keeps the schedules, in a name of their own.
    async fn declare(&self, rig: &Rig<'_>) -> anyhow::Result<Owner> {
        let (broker, tenant) = (rig.client.broker(), rig.client.tenant());
        let at = broker.time(tenant).await?.after(FAR);
        let name = own_queue();
        let owner = Owner::Module(name.clone());
        let call = ScheduledCall::new("bench", "noop", vec![0x80]);
        let all = (0..self.schedules).map(|n| Declared {
            schedule: Schedule::new(&format!("{name}.{n}"), Trigger::At(at), call.clone()),
            first: Some(at),
        });
        let all: Vec<_> = all.collect();
        for some in all.chunks(BATCH as usize) {
            broker.declare(tenant, &owner, some, false).await?;
        }
        Ok(owner)
    }

    async fn look(&self, rig: &Rig<'_>, worker: &Apart) -> anyhow::Result<Cost> {
        let broker = rig.client.broker();
        let (since, used) = (Instant::now(), worker.processor_time());
        let served = broker.processor_time().await?;
        tokio::time::sleep(self.span.0).await;
        let span = since.elapsed().as_secs_f64();
        let a_second = |before: Option<Duration>, after: Option<Duration>| {
            let spent = after?.saturating_sub(before?);
            Some(spent.as_secs_f64() * 1000.0 / span)
        };
        let server = a_second(served, broker.processor_time().await?);
        Ok([a_second(used, worker.processor_time()), server])
    }

    fn report(&self, costs: &[Vec<Cost>; 2]) -> Report {
        let of = |which: usize, whose: usize| -> Spread {
            costs[which].iter().filter_map(|it| it[whose]).collect()
        };
        let mut json = json!({"schedules": self.schedules});
        let mut rows = Vec::new();
        for (whose, name) in ["worker", "server"].into_iter().enumerate() {
            let [without, with] = [of(0, whose), of(1, whose)];
            json[name] = json!({
                "without_ms_per_second": without.json(), "with_ms_per_second": with.json(),
            });
            let told = costs[0].iter().any(|it| it[whose].is_some());
            rows.push(match told {
                true => [
                    name.to_owned(),
                    without.show(hundredths),
                    with.show(hundredths),
                ],
                false => [name.to_owned(), "-".into(), "-".into()],
            });
        }
        let with = format!("with {} schedules", self.schedules);
        let text = table(["processor, ms a second", "without", &with], rows);
        Report { json, text }
    }
}
