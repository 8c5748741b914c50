//! How tenants share the workers: light ones beside one with heavy jobs, and what two
//! with always enough to do get of the CPU time.

use std::time::Duration;

use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobId, NewJob, State};
use serde_json::json;

use super::bare;
use super::figures::{Report, Spread, hundredths, ms};
use super::rig::{NOOP, Rig, failed, noop, own_queue};
use super::worker::Worker;
use super::{Context, Repeats};
use crate::engine::outcome::grouped;
use crate::units::Span;

/// The module whose task computes for a while.
const BURN: &str = "bench-burn";
/// Rounds of its loop in a light job and in a heavy one: about 0.5 ms and 50 ms.
const ROUNDS: [u64; 2] = [150_000, 15_000_000];
/// How long all may take.
const LOST: Duration = Duration::from_secs(600);
/// How many jobs a wait is for.
const SOME: usize = 1_000;

/// Measure how tenants share the workers
///
/// First many tenants with a few light jobs each (of half a millisecond), alone and
/// beside one with many heavy jobs (of 50 ms): how long from the start of the work until
/// the last light job has ended. Then two tenants that always have enough to do, one with heavy
/// jobs and one with light ones: which share of the CPU time the heavy one gets; half is
/// fair.
#[derive(Debug, Args)]
pub(super) struct Tenants {
    /// How many heavy jobs the one tenant has
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) heavy: u64,
    /// How many tenants have light ones
    #[arg(long, default_value_t = 99, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(super) tenants: u64,
    /// How many light jobs each of them has
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) jobs: u64,
    /// For how long two tenants share a worker
    #[arg(long, default_value = "5s", value_name = "SPAN")]
    pub(super) span: Span,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

impl Tenants {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let tenants = self.clients(&rig).await?;
        let (heavy, light) = tenants.split_last().ok_or_else(failed)?;
        let (mut alone, mut beside) = (Spread::default(), Spread::default());
        let (mut ratio, mut share) = (Spread::default(), Spread::default());
        for _ in 0..self.repeats.repeats {
            let without = self.light(&rig, light, None).await?;
            let with = self.light(&rig, light, Some(heavy)).await?;
            alone.add(last(&without));
            beside.add(last(&with));
            ratio.add(last(&with) / last(&without));
            share.add(self.share(&rig, heavy, &light[0]).await?);
        }
        let json = json!({
            "heavy": self.heavy, "tenants": self.tenants, "jobs": self.jobs,
            "light_alone_ms": alone.json(), "light_beside_heavy_ms": beside.json(),
            "times_as_long": ratio.json(), "cpu_share_of_heavy": share.json(),
        });
        let text = format!(
            "{} tenants with {} light jobs each: done after {} ms\n\
             beside one with {} heavy jobs: after {} ms, {} times as long\n\
             a tenant with heavy jobs beside one with light ones: {} of the CPU time",
            self.tenants,
            self.jobs,
            alone.show(hundredths),
            grouped(self.heavy),
            beside.show(hundredths),
            ratio.show(hundredths),
            share.show(hundredths),
        );
        Ok(Report { json, text })
    }

    /// Those with light jobs, and last the one with heavy ones.
    async fn clients(&self, rig: &Rig<'_>) -> anyhow::Result<Vec<Client>> {
        let mut clients = Vec::new();
        for n in 0..=self.tenants {
            let is_heavy = n == self.tenants;
            let name = match is_heavy {
                true => "bench-heavy".to_owned(),
                false => format!("bench-light-{n}"),
            };
            let client = Client::over(rig.client.broker().clone(), &name);
            let module = wat::parse_str(burning(ROUNDS[usize::from(is_heavy)]))?;
            rig.push(&client, BURN, module).await?;
            clients.push(client);
        }
        Ok(clients)
    }

    /// How long after the start of the work each light job ended, in milliseconds and in
    /// order.
    async fn light(
        &self,
        rig: &Rig<'_>,
        light: &[Client],
        heavy: Option<&Client>,
    ) -> anyhow::Result<Vec<f64>> {
        let queue = own_queue();
        let mut first = Vec::new();
        if let Some(heavy) = heavy {
            let job = |_| burn(heavy, &queue);
            first = rig.fill_of(heavy, self.heavy, |n| n == 0, job).await?;
        }
        let mut ids = Vec::new();
        for client in light {
            let job = |_| burn(client, &queue);
            let all = rig.fill_of(client, self.jobs, |_| true, job).await?;
            ids.push((client, all));
        }
        let worker = Worker::start(rig, &[&queue])?;
        let mut jobs = Vec::new();
        for (client, ids) in &ids {
            jobs.extend(ends(client, ids).await?);
        }
        worker.stop().await?;
        let mut begun = jobs.iter().map(|job| job.started).min();
        if let (Some(heavy), Some(first)) = (heavy, first.first()) {
            let started = heavy.job(*first).await?.started;
            begun = begun
                .into_iter()
                .chain((started > Millis(0)).then_some(started))
                .min();
        }
        let begun = begun.unwrap_or_default();
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        let after = jobs.iter().map(|job| ms(job.finished.since(begun)));
        let mut after: Vec<f64> = after.collect();
        after.sort_by(f64::total_cmp);
        Ok(after)
    }

    /// The share of the CPU time that a tenant with heavy jobs gets beside one with light
    /// ones.
    async fn share(&self, rig: &Rig<'_>, heavy: &Client, light: &Client) -> anyhow::Result<f64> {
        let queue = own_queue();
        // More than there is time for, on any machine.
        let enough = (self.span.0.as_millis() as u64 + 1) * 64;
        for (client, jobs) in [(heavy, enough / 50 + 100), (light, enough * 2)] {
            let job = |_| burn(client, &queue);
            rig.fill_of(client, jobs, |_| false, job).await?;
        }
        let before = [used(heavy).await?, used(light).await?];
        let worker = Worker::start(rig, &[&queue])?;
        tokio::time::sleep(self.span.0).await;
        worker.stop().await?;
        let after = [used(heavy).await?, used(light).await?];
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        let [heavy, light] = [0, 1].map(|n: usize| (after[n] - before[n]).as_secs_f64());
        match heavy > 0.0 && light > 0.0 {
            true => Ok(heavy / (heavy + light)),
            false => Err(failed()),
        }
    }
}

/// The no-op's module, whose other task ends after so many rounds.
fn burning(rounds: u64) -> String {
    let bounded = format!(
        "(i64.store (i32.const 32) (i64.const {rounds}))
        (loop $on
          (i64.store (i32.const 32) (i64.sub (i64.load (i32.const 32)) (i64.const 1)))
          (br_if $on (i64.ne (i64.load (i32.const 32)) (i64.const 0))))"
    );
    NOOP.replace("(loop $on (br $on))", &bounded)
}

fn burn(client: &Client, queue: &str) -> NewJob {
    NewJob {
        module: BURN.to_owned(),
        task: "spin".to_owned(),
        ..noop(client, queue)
    }
}

/// Jobs once all of them have completed.
async fn ends(client: &Client, ids: &[JobId]) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for some in ids.chunks(SOME) {
        let ended = client.broker().wait(client.tenant(), some, LOST).await?;
        jobs.extend(ended.into_iter().flatten());
    }
    let completed = |job: &Job| job.state == State::Completed;
    match jobs.len() == ids.len() && jobs.iter().all(completed) {
        true => Ok(jobs),
        false => Err(failed()),
    }
}

/// The CPU time that a tenant has used yesterday and today.
async fn used(client: &Client) -> anyhow::Result<Duration> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let now = broker.time(tenant).await?;
    let yesterday = Millis(now.0.saturating_sub(24 * 3_600_000));
    let usage = broker.usage(tenant, yesterday, 2).await?;
    Ok(usage.iter().map(|it| it.cpu).sum())
}

fn last(after: &[f64]) -> f64 {
    after.last().copied().unwrap_or_default().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_burns_ends() {
        let burning = burning(7);
        assert!(burning.contains("(i64.const 7)"));
        wat::parse_str(burning).unwrap();
    }
}
