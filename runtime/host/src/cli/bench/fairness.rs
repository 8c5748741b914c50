//! Whose turn it is: light lanes beside a heavy one, and tenants with many lanes
//! beside one with a single lane.

use std::time::Duration;

use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::{JobId, NewJob};
use serde_json::json;

use super::{Context, Worker, noop, own_queue, push};
use crate::engine::Engine;

/// Jobs in one enqueue.
const BATCH: u64 = 10_000;
/// How long all may take.
const LOST: Duration = Duration::from_secs(120);

/// Measure how turns are shared
///
/// First one lane with a long backlog and 100 lanes with one job each: how long
/// from the start of the work until the last of the 100 has ended. Then a tenant
/// whose jobs lie in 10,000 lanes beside one with a single lane: which share of the
/// work each gets while both have some.
#[derive(Debug, Args)]
pub(super) struct Fairness {
    /// How many jobs the long lane holds
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    backlog: u64,
    /// How many lanes the tenant with many has
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    lanes: u64,
}

impl Fairness {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let light = self.light_beside_heavy(context).await?.as_secs_f64();
        let (many, one) = self.many_beside_one(context).await?;
        let share = many as f64 / (many + one).max(1) as f64;
        let json = json!({
            "broker": context.place()?.to_string(),
            "backlog": self.backlog, "light_lanes_done_after_s": light,
            "lanes": self.lanes, "share_of_many_lanes": share,
        });
        context.out.print(&json, || {
            format!(
                "100 lanes of one job beside {} in one lane: done after {light:.2} s\n\
                 a tenant with {} lanes beside one with a single lane: {:.1} % of the turns",
                self.backlog,
                self.lanes,
                share * 100.0
            )
        })
    }

    async fn light_beside_heavy(&self, context: &Context) -> anyhow::Result<Duration> {
        let client = context.client().await?;
        let engine = Engine::new(context.config.engine())?;
        push(&engine, &client).await?;
        let queue = own_queue();
        let heavy = fill(context, &client, self.backlog, |_| noop(&client, &queue)).await?;
        let light = |n| NewJob {
            lane: format!("light-{n}"),
            ..noop(&client, &queue)
        };
        let ids = fill(context, &client, 100, light).await?;
        let worker = Worker::start(context, engine, &[&queue], None)?;
        let ended = client.broker().wait(client.tenant(), &ids, LOST).await?;
        worker.stop().await?;
        let jobs: Vec<_> = ended.into_iter().flatten().collect();
        let begun = client.job(heavy[0]).await?.started;
        let first = jobs.iter().map(|job| job.started).fold(begun, Ord::min);
        let last = jobs
            .iter()
            .map(|job| job.finished)
            .max()
            .unwrap_or_default();
        anyhow::ensure!(
            jobs.iter().all(|job| job.state.is_final()),
            "the light lanes were not done within {LOST:?}"
        );
        Ok(last.since(first))
    }

    /// How many jobs of each tenant are done when half of all are.
    async fn many_beside_one(&self, context: &Context) -> anyhow::Result<(u64, u64)> {
        let broker = context.place()?.connect().await?;
        let [many, one] =
            ["bench-many", "bench-one"].map(|tenant| Client::over(broker.clone(), tenant));
        let engine = Engine::new(context.config.engine())?;
        push(&engine, &many).await?;
        push(&engine, &one).await?;
        let (queue, jobs) = (own_queue(), self.lanes * 10);
        let laned = |n: u64| NewJob {
            lane: format!("lane-{}", n % self.lanes),
            ..noop(&many, &queue)
        };
        fill(context, &many, jobs, laned).await?;
        let ids = fill(context, &one, jobs, |_| noop(&one, &queue)).await?;
        let worker = Worker::start(context, engine, &[&queue], None)?;
        // The single lane is in order: its middle is the middle of the work.
        let middle = [ids[ids.len() / 2]];
        broker.wait(one.tenant(), &middle, LOST).await?;
        let done = [done(&many, &queue).await?, done(&one, &queue).await?];
        worker.stop().await?;
        Ok((done[0], done[1]))
    }
}

async fn done(client: &Client, queue: &str) -> anyhow::Result<u64> {
    let counts = client.broker().counts(client.tenant()).await?;
    let row = counts.iter().find(|it| it.queue == queue);
    Ok(row.map_or(0, |it| it.completed))
}

async fn fill(
    context: &Context,
    client: &Client,
    jobs: u64,
    job: impl Fn(u64) -> NewJob,
) -> anyhow::Result<Vec<JobId>> {
    let bar = context.out.bar(jobs, "enqueue");
    let mut ids = Vec::new();
    let mut from = 0;
    while from < jobs {
        let to = jobs.min(from + BATCH);
        let some: Vec<NewJob> = (from..to).map(&job).collect();
        client.broker().enqueue(client.tenant(), &some).await?;
        ids.extend(some.iter().map(|job| job.id));
        bar.inc(to - from);
        from = to;
    }
    bar.finish_and_clear();
    Ok(ids)
}
