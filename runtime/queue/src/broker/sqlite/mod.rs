//! The embedded broker: one SQLite file, for as many processes as share a host.
//!
//! # Layout
//! - this file: the broker, delegating; [`Durability`]
//! - `open`: what a file must be; one `Core` a file and process
//! - `writer`: the thread that owns the write connection; `step`: what a
//!   command is made of; `signals`: who is woken; `fault`: errors
//! - `db`: a connection and its columns; `stored`: a row of a job
//! - `enqueue`, `claim` with `turn`, `settle`, `lease`, `delayed`, `prune`,
//!   `cancel`, `requeue`, `control`, `registry`: the steps, where Redis has
//!   scripts; `read`: what needs no writer
//! - `numbers`: where the jobs lie that this process has claimed
//! - `schedules`: what is kept of schedules; `fire`: how they fire
//! - `flows`: jobs that wait for others; `flow`: what steps do with them
//! - `ledger`: what is kept for those who look on; `audit`: who did what
//! - `fair`: shares by CPU time; `tenants`: what tenants may take, and how one goes
//! - `sources`: jobs that make others page by page, and wait for these; `buckets`: keys with
//!   values
//! - what steps are about: `lanes` and `parking` are where jobs wait, `limits`
//!   whether they may start, `terms` what only some have, `blobs` large bytes
//! - `sql/*.sql`: the statements, twins of those scripts; `sql`: finds them
//!
//! There is one partition. Every operation that writes is a command to the
//! writer, every one that only reads runs on a pool of connections beside it;
//! none of them runs on the executor's threads.

mod audit;
mod blobs;
mod buckets;
mod cancel;
mod claim;
mod control;
mod db;
mod delayed;
mod enqueue;
mod fair;
mod fault;
mod fire;
mod flow;
mod flows;
mod lanes;
mod lease;
mod ledger;
mod limits;
mod numbers;
mod open;
mod parking;
mod prune;
mod read;
mod registry;
mod requeue;
mod schedules;
mod settle;
mod signals;
mod sources;
mod sql;
mod step;
mod stored;
mod tenants;
mod terms;
#[cfg(test)]
mod tests;
mod turn;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fault::Done;
use open::Core;
use step::Step;

use super::{
    Broker, BrokerError, Cancelled, Claim, Claimed, Enqueued, Filter, Heartbeat, LongStep, Note,
    Page, Promoted, Pulse, QueueCounts, Reclaimed, Requeued, Result, Retention, Settled, Signals,
    StepWatch,
};
use crate::clock::Clock;
use crate::job::{Checkpoint, Job, JobId, NewJob, Partition, Settlement, WorkerId};
use crate::limits::{Limit, Limited, Scope};
use crate::registry::{Digest, Manifest, Readiness, Registry, Release};

/// What an answer promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was answered survives the end of this process, `kill -9` included,
    /// but the last moments may be missing after a power cut; the file is
    /// whole in any case. (`synchronous = NORMAL` with a write-ahead log: it is
    /// synced to disk at checkpoints.)
    #[default]
    Process,
    /// What was answered survives a power cut. Each batch of commands waits for
    /// the disk. (`synchronous = FULL`.)
    Power,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Durability::Process => "NORMAL",
            Durability::Power => "FULL",
        }
    }
}

/// A broker over one file. Clones, and brokers that are opened on the same file
/// in the same process, share its writer.
#[derive(Clone)]
pub struct SqliteBroker {
    core: Arc<Core>,
    clock: Clock,
}

impl SqliteBroker {
    /// Opens a file, and makes it if it does not exist; its directory must.
    ///
    /// # Errors
    /// [`BrokerError::Unsuitable`] for a file that is no database, that of
    /// another application or of a newer Lovage, or one that cannot be written.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self> {
        Self::open_with(path, clock, Durability::default()).await
    }

    /// The same with a choice of what an answer promises. Where one process
    /// opens a file twice, the stronger promise holds for both.
    ///
    /// # Errors
    /// As [`open`](SqliteBroker::open).
    pub async fn open_with(path: &Path, clock: Clock, durability: Durability) -> Result<Self> {
        let path = path.to_owned();
        let open = tokio::task::spawn_blocking(move || Core::shared(&path, durability));
        let core = open.await.unwrap_or_else(|error| {
            Err(BrokerError::Unsuitable {
                place: "sqlite".into(),
                reason: error.to_string(),
            })
        })?;
        Ok(SqliteBroker { core, clock })
    }
}

impl SqliteBroker {
    /// Does something with each of these jobs, all in one step.
    async fn each<T: Send + 'static>(
        &self,
        tenant: &str,
        ids: &[JobId],
        one: fn(&mut Step<'_>, &str, JobId) -> Done<T>,
    ) -> Result<Vec<T>> {
        let (tenant, ids) = (tenant.to_owned(), ids.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                ids.iter().map(|id| one(step, &tenant, *id)).collect()
            })
            .await
    }
}

/// There is one partition, and it has the number zero.
fn ours(partition: Partition) -> Result<()> {
    match partition {
        Partition(0) => Ok(()),
        Partition(other) => Err(BrokerError::Invalid(format!(
            "there is no partition {other} in a file: it is one"
        ))),
    }
}

#[async_trait::async_trait]
impl Broker for SqliteBroker {
    fn partitions(&self) -> u16 {
        1
    }

    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        super::check_jobs(tenant, jobs, self.partitions())?;
        let ready = jobs.iter().map(enqueue::Ready::new);
        let ready: Vec<_> = ready.collect::<Result<_>>()?;
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                enqueue::enqueue(step, &tenant, &ready)
            })
            .await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>> {
        ours(claim.partition)?;
        let claim = claim.clone();
        let taken = self
            .core
            .write(&self.clock, move |step| claim::claim(step, &claim))
            .await?;
        self.core
            .numbers
            .keep(taken.iter().map(claim::Taken::number));
        Ok(taken.into_iter().map(claim::Taken::read).collect())
    }

    async fn extend(&self, beat: &Heartbeat) -> Result<Pulse> {
        ours(beat.partition)?;
        super::check_beat(beat)?;
        let beat = beat.clone();
        self.core
            .write(&self.clock, move |step| lease::extend(step, &beat))
            .await
    }

    async fn settle(&self, worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>> {
        super::check_settlements(settlements, self.partitions())?;
        let numbers = self.core.numbers.take(settlements.iter().map(|it| it.id));
        let ready = settlements.iter().zip(numbers);
        let ready = ready.map(|(it, n)| settle::Ready::new(it, n));
        let ready: Vec<_> = ready.collect::<Result<_>>()?;
        self.core
            .write(&self.clock, move |step| settle::settle(step, worker, ready))
            .await
    }

    async fn note(&self, worker: WorkerId, notes: &[Note]) -> Result<()> {
        let notes = notes.to_vec();
        self.core
            .write(&self.clock, move |step| settle::note(step, worker, &notes))
            .await
    }

    async fn checkpoint(&self, tenant: &str, id: JobId) -> Result<Option<Checkpoint>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| read::checkpoint(db, &tenant, id))
            .await
    }

    async fn promote(&self, partition: Partition, limit: u32) -> Result<Promoted> {
        ours(partition)?;
        self.core
            .write(&self.clock, move |step| delayed::promote(step, limit))
            .await
    }

    async fn reclaim(&self, partition: Partition, limit: u32) -> Result<Reclaimed> {
        ours(partition)?;
        self.core
            .write(&self.clock, move |step| lease::reclaim(step, limit))
            .await
    }

    async fn retire(&self, partition: Partition, worker: WorkerId) -> Result<()> {
        ours(partition)?;
        self.core
            .write(&self.clock, move |step| lease::retire(step, worker))
            .await
    }

    async fn prune(&self, partition: Partition, keep: &Retention, limit: u32) -> Result<u32> {
        ours(partition)?;
        let keep = *keep;
        self.core
            .write(&self.clock, move |step| prune::prune(step, &keep, limit))
            .await
    }

    async fn cancel(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        self.each(tenant, ids, cancel::cancel).await
    }

    async fn requeue(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>> {
        self.each(tenant, ids, requeue::requeue).await
    }

    async fn delete(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>> {
        self.each(tenant, ids, requeue::delete).await
    }

    async fn limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()> {
        control::check(tenant, scope)?;
        limit.check(scope).map_err(BrokerError::Invalid)?;
        let (tenant, scope, limit) = (tenant.to_owned(), scope.clone(), *limit);
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                control::limit(step, &tenant, &scope, limit)
            })
            .await
    }

    async fn pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()> {
        control::check(tenant, scope)?;
        super::check_pause(scope)?;
        let (tenant, scope) = (tenant.to_owned(), scope.clone());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                control::pause(step, &tenant, &scope, paused)
            })
            .await
    }

    async fn limits(&self, tenant: &str) -> Result<Vec<Limited>> {
        let tenant = tenant.to_owned();
        self.core.read(move |db| control::limits(db, &tenant)).await
    }

    async fn put_blob(&self, tenant: &str, bytes: &[u8]) -> Result<Digest> {
        let (tenant, size) = (tenant.to_owned(), bytes.len());
        // What is refused is refused before it is written.
        let (name, digest) = (tenant.clone(), Digest::of(bytes));
        self.core
            .write(&self.clock, move |step| {
                blobs::check(step, &name, digest, size)
            })
            .await?;
        let (digest, upload) = self.upload("blob", bytes).await?;
        self.core
            .write(&self.clock, move |step| {
                blobs::finish_upload(step, &tenant, digest, upload, size)
            })
            .await?;
        Ok(digest)
    }

    async fn blob(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| blobs::read(db, &tenant, digest))
            .await
    }

    async fn jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let (tenant, ids) = (tenant.to_owned(), ids.to_vec());
        self.core
            .read(move |db| read::jobs(db, &tenant, &ids))
            .await
    }

    async fn wait(
        &self,
        tenant: &str,
        ids: &[JobId],
        at_most: Duration,
    ) -> Result<Vec<Option<Job>>> {
        // First the ear, then the look: an end in between is heard.
        let ticket = self.core.hub.await_end(ids);
        self.core.look();
        let ends = tokio::time::sleep(at_most);
        tokio::pin!(ends);
        let mut waiting = ids.to_vec();
        loop {
            let name = tenant.to_owned();
            waiting = self
                .core
                .read(move |db| {
                    read::keep_waiting(db, &name, &mut waiting)?;
                    Ok(waiting)
                })
                .await?;
            if waiting.is_empty() {
                break;
            }
            tokio::select! {
                () = ticket.woken() => {}
                () = &mut ends => break,
            }
        }
        self.jobs(tenant, ids).await
    }

    async fn list(&self, tenant: &str, filter: &Filter) -> Result<Page> {
        let now = writer::now(&self.clock);
        let (tenant, filter) = (tenant.to_owned(), filter.clone().at(now));
        self.core
            .read(move |db| read::list(db, &tenant, &filter))
            .await
    }

    async fn counts(&self, tenant: &str) -> Result<Vec<QueueCounts>> {
        let tenant = tenant.to_owned();
        self.core.read(move |db| read::counts(db, &tenant)).await
    }

    async fn footprint(&self) -> Result<u64> {
        self.core.read(read::footprint).await
    }

    async fn processor_time(&self) -> Result<Option<Duration>> {
        Ok(None)
    }

    async fn watch_steps(&self) -> Result<Option<StepWatch>> {
        Ok(None)
    }

    async fn longest_step(&self, _: StepWatch) -> Result<Option<LongStep>> {
        Ok(None)
    }

    async fn signals(&self, worker: WorkerId) -> Result<Signals> {
        let signals = self.core.hub.listen(worker);
        self.core.look();
        Ok(signals)
    }
}

#[async_trait::async_trait]
impl Registry for SqliteBroker {
    async fn put(&self, tenant: &str, module: &[u8], manifest: &Manifest) -> Result<Digest> {
        let manifest = serde_json::to_string(manifest).map_err(|error| {
            BrokerError::Invalid(format!("the module cannot be stored: {error}"))
        })?;
        let (digest, size) = (Digest::of(module), module.len());
        let name = tenant.to_owned();
        // What is refused is refused before it is written.
        self.core
            .write(&self.clock, move |step| {
                tenants::check_module(step, &name, digest, size)
            })
            .await?;
        let (digest, upload) = self.upload("module", module).await?;
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                registry::finish_upload(step, &tenant, digest, (upload, size), &manifest)
            })
            .await?;
        Ok(digest)
    }

    async fn module(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| registry::module(db, &tenant, digest))
            .await
    }

    async fn manifest(&self, tenant: &str, digest: Digest) -> Result<Option<Manifest>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| registry::manifest(db, &tenant, digest))
            .await
    }

    async fn stage(&self, tenant: &str, name: &str, digest: Digest, by: &str) -> Result<Release> {
        let [tenant, name, by] = [tenant, name, by].map(str::to_owned);
        self.core
            .write(&self.clock, move |step| {
                registry::stage(step, &tenant, &name, digest, &by)
            })
            .await
    }

    async fn readiness(&self, tenant: &str, digest: Digest) -> Result<Readiness> {
        let (tenant, now) = (tenant.to_owned(), writer::now(&self.clock));
        self.core
            .read(move |db| registry::readiness(db, &tenant, digest, now))
            .await
    }

    async fn activate(&self, tenant: &str, name: &str, number: u32) -> Result<()> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .write(&self.clock, move |step| {
                registry::activate(step, &tenant, &name, number)
            })
            .await
    }

    async fn releases(&self, tenant: &str, name: &str) -> Result<Vec<Release>> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .read(move |db| registry::releases(db, &tenant, &name))
            .await
    }

    async fn active(&self, tenant: &str) -> Result<Vec<(String, Release)>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| registry::active(db, &tenant))
            .await
    }
}
