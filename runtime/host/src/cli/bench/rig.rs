//! What all measurements stand on: a broker, an engine, the no-op, and queues that
//! nobody else uses.

use std::time::{Duration, Instant};

use lovage_queue::broker::QueueCounts;
use lovage_queue::client::Client;
use lovage_queue::granted::Approver;
use lovage_queue::job::{Job, JobId, NewJob, Partition, State};

use super::Context;
use super::worker::Worker;
use crate::cli::exit::Verdict;
use crate::deploy::{self, Push};
use crate::engine::{Engine, Settings as EngineSettings};
use crate::worker::Settings;

/// A hand-written component: what is measured is the queue, not a guest.
pub(super) const NOOP: &str = include_str!("noop.wat");
/// The name that it is pushed under.
pub(super) const MODULE: &str = "bench";
/// An empty map, in MessagePack: no arguments.
const NO_ARGUMENTS: &[u8] = &[0x80];
/// Jobs in one enqueue, where that is not what is measured.
const BATCH: u64 = 1000;
/// How often a worker is looked after while its jobs are waited for. A look is a
/// command to the broker, so it is rare.
const LOOK: Duration = Duration::from_secs(5);
/// A queue that stood still for so long will not move any more.
const STILL: Duration = Duration::from_secs(120);
/// How often the end of a queue is looked for once its last jobs have ended.
const SOON: Duration = Duration::from_millis(5);
/// Jobs that one step of a prune may look at.
const PRUNE: u32 = 1000;

/// A broker, an engine, and what a worker of this run is given.
pub(super) struct Rig<'a> {
    pub(super) context: &'a Context,
    pub(super) client: Client,
    pub(super) engine: Engine,
    concurrency: Option<usize>,
}

impl<'a> Rig<'a> {
    /// Connects, and pushes the no-op.
    pub(super) async fn new(context: &'a Context) -> anyhow::Result<Self> {
        Self::with(context, None).await
    }

    /// The same for workers that run so many jobs at once.
    pub(super) async fn with(
        context: &'a Context,
        concurrency: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut config = context.config.clone();
        config.worker.concurrency = concurrency.unwrap_or(config.worker.concurrency);
        let rig = Rig {
            client: context.client().await?,
            engine: Engine::new(config.worker_engine())?,
            context,
            concurrency,
        };
        rig.push(&rig.client, MODULE, wat::parse_str(NOOP)?).await?;
        Ok(rig)
    }

    /// What a worker of this run is given.
    pub(super) fn settings(&self) -> Settings {
        let settings = self.context.config.worker();
        Settings {
            concurrency: self.concurrency.unwrap_or(settings.concurrency),
            ..settings
        }
    }

    /// Pushes a module, and waits for no worker.
    pub(super) async fn push(
        &self,
        client: &Client,
        name: &str,
        bytes: Vec<u8>,
    ) -> anyhow::Result<()> {
        push(&self.engine, client, name, bytes, Duration::ZERO).await
    }

    /// An engine that finds nothing on disk and leaves nothing there: what it pushes
    /// comes as from another machine.
    pub(super) fn foreign_engine(&self) -> anyhow::Result<Engine> {
        Ok(Engine::new(EngineSettings {
            cache: None,
            ..self.context.config.engine()
        })?)
    }

    /// A call of the no-op.
    pub(super) fn noop(&self, queue: &str) -> NewJob {
        noop(&self.client, queue)
    }

    /// Enqueues jobs in batches; the ids of those whose number is asked for.
    pub(super) async fn fill(
        &self,
        jobs: u64,
        asked: impl Fn(u64) -> bool,
        job: impl Fn(u64) -> NewJob,
    ) -> anyhow::Result<Vec<JobId>> {
        self.fill_of(&self.client, jobs, asked, job).await
    }

    /// The same for another tenant.
    pub(super) async fn fill_of(
        &self,
        client: &Client,
        jobs: u64,
        asked: impl Fn(u64) -> bool,
        job: impl Fn(u64) -> NewJob,
    ) -> anyhow::Result<Vec<JobId>> {
        let bar = self.context.out.bar(jobs, "enqueue");
        let (mut ids, mut from) = (Vec::new(), 0);
        while from < jobs {
            let to = jobs.min(from + BATCH);
            let some: Vec<NewJob> = (from..to).map(&job).collect();
            client.broker().enqueue(client.tenant(), &some).await?;
            let numbered = (from..to).zip(&some);
            ids.extend(numbered.filter(|(n, _)| asked(*n)).map(|(_, job)| job.id));
            bar.inc(to - from);
            from = to;
        }
        bar.finish_and_clear();
        Ok(ids)
    }

    /// How many jobs of a queue stand where.
    pub(super) async fn counts(&self, client: &Client, queue: &str) -> anyhow::Result<QueueCounts> {
        let counts = client.broker().counts(client.tenant()).await?;
        let row = counts.into_iter().find(|it| it.queue == queue);
        Ok(row.unwrap_or_default())
    }

    /// How many jobs of a queue have not ended.
    pub(super) async fn left(&self, queue: &str) -> anyhow::Result<u64> {
        let row = self.counts(&self.client, queue).await?;
        if row.discarded + row.retryable + row.cancelled > 0 {
            return Err(failed());
        }
        Ok(row.pending + row.available + row.running + row.scheduled)
    }

    /// The job once it has completed. The broker wakes us, so that waiting costs it
    /// nothing; only now and then it is asked whether the queue still moves.
    pub(super) async fn completed(
        &self,
        id: JobId,
        queue: &str,
        worker: Option<&Worker>,
    ) -> anyhow::Result<Job> {
        let (mut left, mut moved) = (u64::MAX, Instant::now());
        loop {
            let job = self.client.wait(id, LOOK).await?;
            match job.state {
                State::Completed => return Ok(job),
                state if state.is_final() => return Err(failed()),
                _ => {}
            }
            let now = self.left(queue).await?;
            if now != left {
                (left, moved) = (now, Instant::now());
            }
            alive(worker, moved)?;
        }
    }

    /// Waits until nothing of a queue is left.
    pub(super) async fn emptied(&self, queue: &str, worker: &Worker) -> anyhow::Result<()> {
        let (mut left, mut moved) = (u64::MAX, Instant::now());
        loop {
            match self.left(queue).await? {
                0 => return Ok(()),
                now if now != left => (left, moved) = (now, Instant::now()),
                _ => alive(Some(worker), moved)?,
            }
            tokio::time::sleep(SOON).await;
        }
    }

    /// Lets finished jobs go as a worker would, so that the next round finds the
    /// broker as this one did.
    pub(super) async fn prune(&self) -> anyhow::Result<()> {
        let (broker, keep) = (self.client.broker(), self.settings().retention);
        for partition in (0..broker.partitions()).map(Partition) {
            while broker.prune(partition, &keep, PRUNE).await? > 0 {}
        }
        Ok(())
    }
}

/// Pushes a module.
pub(super) async fn push(
    engine: &Engine,
    client: &Client,
    name: &str,
    bytes: Vec<u8>,
    patience: Duration,
) -> anyhow::Result<()> {
    let by = "lovage bench";
    let push = Push {
        name,
        bytes,
        by,
        patience,
        approver: Some(Approver::Operator),
    };
    deploy::push(engine, client, push, |_| ()).await?;
    Ok(())
}

/// A call of the no-op by some tenant.
pub(super) fn noop(client: &Client, queue: &str) -> NewJob {
    let id = JobId::new(client.partition());
    NewJob {
        queue: queue.to_owned(),
        ..NewJob::new(id, MODULE, "noop", NO_ARGUMENTS.to_vec())
    }
}

/// A queue that nobody else uses.
pub(super) fn own_queue() -> String {
    format!("bench-{:08x}", rand::random::<u32>())
}

/// A job of ours that did not complete.
pub(super) fn failed() -> anyhow::Error {
    let text = "failed: nothing was measured; `lovage dead list` and `lovage jobs` say why";
    Verdict::Task(text.into()).into()
}

/// Whether it makes sense to go on waiting for a worker.
fn alive(worker: Option<&Worker>, moved: Instant) -> anyhow::Result<()> {
    if worker.is_some_and(Worker::is_over) {
        anyhow::bail!("the worker ended before its queue was empty");
    }
    if moved.elapsed() > STILL {
        anyhow::bail!("no job has ended for {STILL:?}; is the broker full, or the queue paused?");
    }
    Ok(())
}

/// A component's bytes under a digest of its own: a custom section of random bytes
/// is added, which nobody reads.
pub(super) fn renewed(component: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"lovage-bench";
    let salt: [u8; 16] = rand::random();
    let length = 1 + NAME.len() + salt.len();
    // The section's number, then lengths, each short enough for one byte.
    let head = [0, length as u8, NAME.len() as u8];
    [component, &head, NAME, &salt].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Settings;
    use lovage_queue::registry::Digest;

    #[tokio::test]
    async fn a_renewed_component_is_the_same_module_by_another_digest() {
        let engine = Engine::new(Settings::default()).unwrap();
        let component = wat::parse_str(NOOP).unwrap();
        let again = renewed(&component);
        assert_ne!(Digest::of(&component), Digest::of(&again));
        assert_ne!(Digest::of(&renewed(&component)), Digest::of(&again));
        let of = async |bytes| deploy::inspect(&engine, bytes).await.unwrap().tasks;
        let tasks = of(again).await;
        let names: Vec<_> = tasks.iter().map(|it| &it.name[..]).collect();
        assert_eq!(names, ["noop", "spin"]);
        assert_eq!(of(component).await, tasks);
    }
}
