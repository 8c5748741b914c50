//! Whose turn it is: light lanes beside a heavy one, and tenants with many lanes
//! beside one with a single lane.

use std::time::Duration;

use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::{NewJob, State};
use serde_json::json;

use super::bare;
use super::figures::{Report, Spread, hundredths, ms};
use super::rig::{MODULE, NOOP, Rig, failed, noop, own_queue};
use super::worker::Worker;
use super::{Context, Repeats};
use crate::engine::outcome::grouped;

/// How many lanes of one job there are.
const LIGHT: u64 = 100;
/// How long all may take.
const LOST: Duration = Duration::from_secs(120);

/// Measure how turns are shared
///
/// First one lane with a long backlog and 100 lanes with one job each: how long
/// from the start of the work until the last of the 100 has ended. Then a tenant
/// whose jobs lie in many lanes beside one with a single lane: which share of the
/// work it gets while both have some; half is fair.
#[derive(Debug, Args)]
pub(super) struct Fairness {
    /// How many jobs the long lane holds
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) backlog: u64,
    /// How many lanes the tenant with many has
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    pub(super) lanes: u64,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Fairness {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let (mut light, mut share) = (Spread::default(), Spread::default());
        // These warm everything up and do not count.
        self.light_beside_heavy(&rig, self.backlog.min(1000))
            .await?;
        self.many_beside_one(&rig, self.lanes.min(100)).await?;
        for _ in 0..self.repeats.repeats {
            let after = self.light_beside_heavy(&rig, self.backlog).await?;
            light.add(ms(after));
            share.add(self.many_beside_one(&rig, self.lanes).await?);
        }
        let json = json!({
            "backlog": self.backlog, "light_lanes_done_after_ms": light.json(),
            "lanes": self.lanes, "share_of_many_lanes": share.json(),
        });
        let text = format!(
            "{LIGHT} lanes of one job beside {} in one lane: done after {} ms\n\
             a tenant with {} lanes beside one with a single lane: {} of the turns",
            grouped(self.backlog),
            light.show(hundredths),
            grouped(self.lanes),
            share.show(hundredths),
        );
        Ok(Report { json, text })
    }

    async fn light_beside_heavy(&self, rig: &Rig<'_>, backlog: u64) -> anyhow::Result<Duration> {
        let (client, queue) = (&rig.client, own_queue());
        let first = rig.fill(backlog, |n| n == 0, |_| rig.noop(&queue)).await?;
        let light = |n| NewJob {
            lane: format!("light-{n}"),
            ..rig.noop(&queue)
        };
        let ids = rig.fill(LIGHT, |_| true, light).await?;
        let worker = Worker::start(rig, &[&queue])?;
        let ended = client.broker().wait(client.tenant(), &ids, LOST).await?;
        worker.stop().await?;
        let jobs: Vec<_> = ended.into_iter().flatten().collect();
        if !jobs.iter().all(|job| job.state == State::Completed) {
            return Err(failed());
        }
        let begun = client.job(first[0]).await?.started;
        let begun = jobs.iter().map(|job| job.started).fold(begun, Ord::min);
        let last = jobs.iter().map(|job| job.finished).max();
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        Ok(last.unwrap_or_default().since(begun))
    }

    /// The share of the many lanes' jobs in all that are done when the single lane
    /// is half empty.
    async fn many_beside_one(&self, rig: &Rig<'_>, lanes: u64) -> anyhow::Result<f64> {
        let broker = rig.client.broker();
        let [many, one] =
            ["bench-many", "bench-one"].map(|tenant| Client::over(broker.clone(), tenant));
        for tenant in [&many, &one] {
            rig.push(tenant, MODULE, wat::parse_str(NOOP)?).await?;
        }
        let (queue, jobs) = (own_queue(), lanes * 10);
        let laned = |n: u64| NewJob {
            lane: format!("lane-{}", n % lanes),
            ..noop(&many, &queue)
        };
        rig.fill_of(&many, jobs, |_| false, laned).await?;
        // The single lane is in order: its middle is the middle of the work.
        let middle = |n| n == jobs / 2;
        let middle = rig
            .fill_of(&one, jobs, middle, |_| noop(&one, &queue))
            .await?;
        let worker = Worker::start(rig, &[&queue])?;
        broker.wait(one.tenant(), &middle, LOST).await?;
        let mut done = [0, 0];
        for (done, client) in done.iter_mut().zip([&many, &one]) {
            // What is done may have left the broker again: what is not has not.
            let row = rig.counts(client, &queue).await?;
            *done = jobs.saturating_sub(row.available + row.running);
        }
        let [of_many, of_one] = done;
        worker.stop().await?;
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        if of_one < jobs / 2 {
            return Err(failed());
        }
        Ok(of_many as f64 / (of_many + of_one) as f64)
    }
}
