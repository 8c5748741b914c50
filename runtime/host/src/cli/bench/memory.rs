//! What jobs take of the broker's memory, and what a worker takes.

use std::collections::VecDeque;

use clap::Args;
use lovage_queue::job::{JobId, NewJob};
use serde_json::json;

use super::bare;
use super::figures::{Report, Spread, mebibytes, whole};
use super::rig::{Rig, own_queue};
use super::worker::Apart;
use super::{Context, Repeats};
use crate::cli::output::table;
use crate::engine::outcome::grouped;

/// Jobs in one enqueue of those that a worker is fed with.
const BATCH: u64 = 1000;
/// Batches that may wait for it.
const AHEAD: usize = 20;

/// Measure the memory of a job and of a worker
///
/// A job's share of the broker: by how much its bytes in use grow with jobs that are
/// enqueued, and what of that is there once all have completed; memory on Redis, pages
/// of the file on SQLite. The worker is a process of its own, and what counts is its
/// resident memory: after its first job, after a tenth of its jobs, and after all.
/// Nothing grows where the last two are the same.
#[derive(Debug, Args)]
pub(super) struct Memory {
    /// How many jobs the broker is filled with
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub(super) sample: u64,
    /// How many jobs the worker runs
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(10..=100_000_000))]
    pub(super) jobs: u64,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// A worker's resident memory at its marks; nothing where the system does not tell.
type Resident = [Option<u64>; 3];

impl Memory {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let (mut queued, mut finished) = (Spread::default(), Spread::default());
        let mut residents = Vec::new();
        for _ in 0..self.repeats.repeats {
            let (waiting, done) = self.of_jobs(&rig).await?;
            queued.add(waiting);
            finished.add(done);
            residents.push(self.of_a_worker(&rig).await?);
        }
        let resident = [0, 1, 2].map(|mark| {
            let known = residents.iter().filter_map(|it: &Resident| it[mark]);
            known.map(|bytes| bytes as f64).collect()
        });
        Ok(self.report([queued, finished], resident))
    }

    /// Bytes of a job that waits, and of one that has completed.
    async fn of_jobs(&self, rig: &Rig<'_>) -> anyhow::Result<(f64, f64)> {
        let (broker, queue) = (rig.client.broker(), own_queue());
        let before = broker.footprint().await?;
        rig.fill(self.sample, |_| false, |_| rig.noop(&queue))
            .await?;
        let full = broker.footprint().await?;
        bare::empty(rig, &queue).await?;
        let after = broker.footprint().await?;
        rig.prune().await?;
        let each = |bytes: u64| (bytes as f64 - before as f64) / self.sample as f64;
        Ok((each(full), each(after)))
    }

    async fn of_a_worker(&self, rig: &Rig<'_>) -> anyhow::Result<Resident> {
        let queue = own_queue();
        let worker = Apart::start(rig.context, &[&queue])?;
        let mut resident = Resident::default();
        let mut done = 0;
        for (resident, mark) in resident.iter_mut().zip(self.marks()) {
            feed(rig, &queue, mark - done).await?;
            *resident = worker.resident();
            done = mark;
        }
        worker.stop().await?;
        Ok(resident)
    }

    /// After how many jobs the worker is looked at.
    fn marks(&self) -> [u64; 3] {
        [1, (self.jobs / 10).max(1), self.jobs]
    }

    fn report(&self, jobs: [Spread; 2], resident: [Spread; 3]) -> Report {
        let [queued, finished] = jobs;
        let growth = resident[2].over(&resident[1]);
        let [first, tenth, all] = &resident;
        let json = json!({
            "sample": self.sample, "jobs": self.jobs,
            "queued_job_bytes": queued.json(), "finished_job_bytes": finished.json(),
            "worker_bytes": {
                "after_first_job": first.json(), "after_a_tenth": tenth.json(),
                "after_all": all.json(), "all_to_a_tenth": growth.json(),
            },
        });
        let mut rows = vec![
            [
                "broker, a queued job".into(),
                format!("{} bytes", queued.show(whole)),
            ],
            [
                "broker, a finished job".into(),
                format!("{} bytes", finished.show(whole)),
            ],
        ];
        for (mark, spread) in self.marks().into_iter().zip(&resident) {
            let jobs = if mark == 1 { "job" } else { "jobs" };
            rows.push([
                format!("worker, after {} {jobs}", grouped(mark)),
                match spread.median() {
                    0.0 => "this system does not tell".into(),
                    _ => spread.show(mebibytes),
                },
            ]);
        }
        let text = table(["memory", "in use"], rows);
        Report { json, text }
    }
}

/// Has so many jobs run, and never lets many of them wait: a long run shall not
/// measure a long queue.
async fn feed(rig: &Rig<'_>, queue: &str, count: u64) -> anyhow::Result<()> {
    let bar = rig.context.out.bar(count, "jobs");
    let (mut left, mut ahead) = (count, VecDeque::<(JobId, u64)>::new());
    while left > 0 || !ahead.is_empty() {
        if left > 0 && ahead.len() < AHEAD {
            let some = left.min(BATCH);
            let jobs: Vec<NewJob> = (0..some).map(|_| rig.noop(queue)).collect();
            rig.client
                .broker()
                .enqueue(rig.client.tenant(), &jobs)
                .await?;
            ahead.extend(jobs.last().map(|job| (job.id, some)));
            left -= some;
        } else if let Some((last, some)) = ahead.pop_front() {
            rig.completed(last, queue, None).await?;
            bar.inc(some);
        }
    }
    bar.finish_and_clear();
    Ok(())
}
