//! The production broker: Redis 7.0 or newer, every operation one Lua script.
//!
//! # Layout
//! - this file: [`RedisBroker`], and most operations' way into their scripts
//! - `scripts/*.lua`: the operations; `prelude.lua` spells the stored keys
//! - `scripts.rs`: how they are put together; `keys.rs`: roots and channels
//! - `hot.rs`: a job's way through: enqueue, claim, settle
//! - `connection.rs`: reconnecting, and what Redis' errors mean
//! - `reply.rs`: reading answers; `signals.rs`: being woken; `slow.rs`: long steps
//! - `control.rs`: cancel, requeue, delete, limits, pauses
//! - `read.rs`: looking at jobs, and waiting for them
//! - `blobs.rs`: inputs and results that are too large for a record
//! - `registry.rs`: modules and releases; `schedules.rs`: schedules; `flows.rs`: flows
//! - `ledger.rs`: what is kept for those who look on; `audit.rs`: who did what;
//!   `tenants.rs`: tenants; `buckets.rs`: keys with values
//!
//! What survives a crash of Redis is what its persistence setting says: with
//! `appendfsync always` everything accepted, with `everysec` all but the last
//! second, with neither nothing since the last snapshot.

mod audit;
mod blobs;
mod buckets;
mod connection;
mod control;
mod flows;
mod hot;
mod keys;
mod ledger;
mod read;
mod registry;
mod reply;
mod schedules;
mod scripts;
mod signals;
mod slow;
mod tenants;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::sync::watch;

pub(super) use self::connection::without_password;
use self::connection::{Connection, unexpected};
use self::reply::Reply;
use self::scripts::Script;
use self::signals::Waiters;
use super::{
    Broker, BrokerError, Cancelled, Claim, Claimed, Enqueued, Filter, Heartbeat, LongStep, Note,
    Page, Promoted, Pulse, QueueCounts, Reclaimed, Requeued, Result, Retention, Settled, Signals,
    StepWatch,
};
use crate::clock::{Clock, millis};
use crate::job::{Checkpoint, Job, JobId, NewJob, Partition, Settlement, WorkerId};
use crate::limits::{Limit, Limited, Scope};
use crate::registry::Digest;

/// A broker on Redis.
pub struct RedisBroker {
    connection: Connection,
    partitions: u16,
    clock: Clock,
    /// This process' own number among those who wait for results.
    waiter: u64,
    waiters: OnceLock<Arc<Waiters>>,
    /// Dropped with the broker: whoever listens for it then stops.
    alive: watch::Sender<()>,
}

impl RedisBroker {
    /// Connects, and makes sure that it is a Redis that will do.
    ///
    /// # Errors
    /// [`BrokerError::Unreachable`] and [`BrokerError::Unsuitable`].
    pub async fn connect(url: &str, partitions: u16, clock: Clock) -> Result<Self> {
        Ok(RedisBroker {
            connection: Connection::open(url).await?,
            partitions: partitions.clamp(1, Partition::LIMIT),
            clock,
            waiter: rand::random(),
            waiters: OnceLock::new(),
            alive: watch::Sender::new(()),
        })
    }

    /// Begins a script's command: its key and the time, if a test has set it.
    fn command(&self, script: &Script, partition: Partition) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&script.sha).arg(1).arg(keys::root(partition));
        match self.clock.fixed() {
            Some(now) => command.arg(now.0),
            None => command.arg(""),
        };
        command
    }

    fn of_tenant(&self, script: &Script, tenant: &str) -> Cmd {
        let mut command = self.command(script, Partition::of(tenant, self.partitions));
        command.arg(tenant);
        command
    }

    async fn run(&self, script: &Script, command: &Cmd) -> Result<Value> {
        self.connection.run(script, command).await
    }

    async fn list_of(&self, script: &Script, command: &Cmd) -> Result<Reply> {
        Reply::of(script, self.run(script, command).await?)
    }

    async fn bytes_of(&self, script: &Script, command: &Cmd) -> Result<Option<Vec<u8>>> {
        match self.run(script, command).await? {
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::Nil => Ok(None),
            other => Err(unexpected(script.name, &format!("no bytes but {other:?}"))),
        }
    }

    async fn number_of(&self, script: &Script, command: &Cmd) -> Result<u32> {
        match self.run(script, command).await? {
            Value::Int(number) => Ok(u32::try_from(number).unwrap_or(0)),
            other => Err(unexpected(script.name, &format!("no number but {other:?}"))),
        }
    }

    /// A list, unless the worker was declared dead.
    async fn list_of_living(
        &self,
        script: &Script,
        command: &Cmd,
        worker: WorkerId,
    ) -> Result<Reply> {
        match self.run(script, command).await? {
            Value::BulkString(word) if word == b"dead" => Err(BrokerError::Dead(worker)),
            value => Reply::of(script, value),
        }
    }

    async fn reclaim_from(
        &self,
        partition: Partition,
        limit: u32,
        retiring: &[u8],
    ) -> Result<Reclaimed> {
        let mut command = self.command(&scripts::RECLAIM, partition);
        command.arg(limit).arg(retiring);
        let mut reply = self.list_of(&scripts::RECLAIM, &command).await?;
        Ok(Reclaimed {
            workers: reply.number()? as u32,
            jobs: reply.number()? as u32,
            lost: reply.number()? as u32,
        })
    }
}

fn id_bytes(worker: WorkerId) -> [u8; 8] {
    worker.0.to_le_bytes()
}

#[async_trait::async_trait]
impl Broker for RedisBroker {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        self.add_jobs(tenant, jobs).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>> {
        self.claim_jobs(claim).await
    }

    async fn extend(&self, beat: &Heartbeat) -> Result<Pulse> {
        super::check_beat(beat)?;
        let mut command = self.command(&scripts::EXTEND, beat.partition);
        command
            .arg(&id_bytes(beat.worker))
            .arg(millis(beat.lease))
            .arg(&beat.about)
            .arg(beat.queues.len());
        command.arg(&beat.queues);
        for (tenant, digest, refusal) in &beat.compiled {
            command.arg([&digest.0[..], tenant.as_bytes()].concat());
            command.arg(refusal.as_deref().unwrap_or("ok"));
        }
        let mut reply = self
            .list_of_living(&scripts::EXTEND, &command, beat.worker)
            .await?;
        let mut pulse = Pulse {
            work: reply.int()? == 1,
            ..Pulse::default()
        };
        let mut cancelled = reply.list()?;
        while !cancelled.is_empty() {
            pulse.cancelled.push(cancelled.job()?);
        }
        while !reply.is_empty() {
            let staged = reply.bytes()?;
            if let Some((digest, tenant)) = staged.split_first_chunk::<32>() {
                pulse.staged.push((
                    String::from_utf8_lossy(tenant).into_owned(),
                    Digest(*digest),
                ));
            }
        }
        Ok(pulse)
    }

    async fn settle(&self, worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>> {
        self.settle_jobs(worker, settlements).await
    }

    async fn note(&self, worker: WorkerId, notes: &[Note]) -> Result<()> {
        let Some(first) = notes.first() else {
            return Ok(());
        };
        let mut command = self.command(&scripts::NOTE, first.id.partition());
        command.arg(&id_bytes(worker));
        for note in notes {
            command
                .arg(&note.tenant)
                .arg(&note.id.0)
                .arg(&note.delivery.to_le_bytes());
            command
                .arg(packed(note.progress.as_ref()))
                .arg(packed(note.checkpoint.as_ref()))
                .arg(note.log.as_deref().unwrap_or_default());
        }
        self.number_of(&scripts::NOTE, &command).await.map(drop)
    }

    async fn checkpoint(&self, tenant: &str, id: JobId) -> Result<Option<Checkpoint>> {
        let mut command = self.of_tenant(&scripts::CHECKPOINT, tenant);
        command.arg(&id.0);
        let Some(bytes) = self.bytes_of(&scripts::CHECKPOINT, &command).await? else {
            return Ok(None);
        };
        let corrupt =
            |e: rmp_serde::decode::Error| super::corrupt(format!("the checkpoint of job {id}"), e);
        rmp_serde::from_slice(&bytes).map(Some).map_err(corrupt)
    }

    async fn promote(&self, partition: Partition, limit: u32) -> Result<Promoted> {
        let mut command = self.command(&scripts::PROMOTE, partition);
        command.arg(limit);
        let mut reply = self.list_of(&scripts::PROMOTE, &command).await?;
        let jobs = reply.number()? as u32;
        Ok(Promoted {
            jobs,
            next: u64::try_from(reply.int()?).ok().map(Duration::from_millis),
            schedules: reply.int()? == 1,
            flows: reply.int()? == 1,
        })
    }

    async fn reclaim(&self, partition: Partition, limit: u32) -> Result<Reclaimed> {
        self.reclaim_from(partition, limit, b"").await
    }

    async fn retire(&self, partition: Partition, worker: WorkerId) -> Result<()> {
        // A step is bounded, so that a worker with very many jobs blocks nobody.
        const STEP: u32 = 1000;
        while self
            .reclaim_from(partition, STEP, &id_bytes(worker))
            .await?
            .workers
            == 0
        {}
        Ok(())
    }

    async fn prune(&self, partition: Partition, keep: &Retention, limit: u32) -> Result<u32> {
        let mut command = self.command(&scripts::PRUNE, partition);
        command
            .arg(millis(keep.completed))
            .arg(millis(keep.discarded))
            .arg(keep.count)
            .arg(keep.bytes)
            .arg(limit);
        self.number_of(&scripts::PRUNE, &command).await
    }

    async fn cancel(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        self.cancel_jobs(tenant, ids).await
    }

    async fn requeue(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>> {
        self.requeue_jobs(tenant, ids).await
    }

    async fn delete(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>> {
        self.delete_jobs(tenant, ids).await
    }

    async fn limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()> {
        self.set_limit(tenant, scope, limit).await
    }

    async fn pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()> {
        self.set_pause(tenant, scope, paused).await
    }

    async fn limits(&self, tenant: &str) -> Result<Vec<Limited>> {
        self.read_limits(tenant).await
    }

    async fn put_blob(&self, tenant: &str, bytes: &[u8]) -> Result<Digest> {
        self.write_blob(tenant, bytes).await
    }

    async fn blob(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        self.read_blob(tenant, digest).await
    }

    async fn jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        self.read_jobs(tenant, ids).await
    }

    async fn wait(
        &self,
        tenant: &str,
        ids: &[JobId],
        at_most: Duration,
    ) -> Result<Vec<Option<Job>>> {
        self.wait_for(tenant, ids, at_most).await
    }

    async fn list(&self, tenant: &str, filter: &Filter) -> Result<Page> {
        self.read_page(tenant, filter).await
    }

    async fn counts(&self, tenant: &str) -> Result<Vec<QueueCounts>> {
        self.read_counts(tenant).await
    }

    async fn footprint(&self) -> Result<u64> {
        self.connection.memory().await
    }

    async fn processor_time(&self) -> Result<Option<Duration>> {
        self.connection.processor_time().await.map(Some)
    }

    async fn watch_steps(&self) -> Result<Option<StepWatch>> {
        self.connection.watch_steps().await
    }

    async fn longest_step(&self, watch: StepWatch) -> Result<Option<LongStep>> {
        self.connection.longest_step(watch).await
    }

    async fn signals(&self, worker: WorkerId) -> Result<Signals> {
        let channels = (0..self.partitions)
            .flat_map(|p| {
                [
                    keys::worker_channel(Partition(p), worker),
                    keys::workers_channel(Partition(p)),
                ]
            })
            .collect();
        Ok(signals::listen(
            self.connection.client().clone(),
            channels,
            self.alive.subscribe(),
        ))
    }
}

fn packed<T: serde::Serialize>(value: Option<&T>) -> Vec<u8> {
    value
        .map(|it| rmp_serde::to_vec(it).expect("a vector takes all writes"))
        .unwrap_or_default()
}
