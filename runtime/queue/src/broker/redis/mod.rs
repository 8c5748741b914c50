//! The production broker: Redis 7.0 or newer, every operation one Lua script.
//!
//! # Layout
//! - this file: [`RedisBroker`], and each operation's way into its script
//! - `scripts/*.lua`: the operations; `prelude.lua` spells the stored keys
//! - `scripts.rs`: how they are put together; `keys.rs`: roots and channels
//! - `connection.rs`: reconnecting, and what Redis' errors mean
//! - `reply.rs`: reading answers; `signals.rs`: being woken
//! - `control.rs`: cancel, requeue, delete, limits, pauses
//! - `read.rs`: looking at jobs, and waiting for them
//! - `blobs.rs`: inputs and results that are too large for a record
//! - `registry.rs`: modules and releases
//!
//! What survives a crash of Redis is what its persistence setting says: with
//! `appendfsync always` everything accepted, with `everysec` all but the last
//! second, with neither nothing since the last snapshot.

mod blobs;
mod connection;
mod control;
mod keys;
mod read;
mod registry;
mod reply;
mod scripts;
mod signals;

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
    Broker, BrokerError, Cancelled, Claim, Claimed, Enqueued, Filter, Heartbeat, Note, Page,
    Promoted, Pulse, QueueCounts, Reclaimed, Requeued, Result, Retention, Settled, Signals,
};
use crate::clock::{Clock, Millis, millis};
use crate::job::{
    Action, Checkpoint, Job, JobId, NewJob, Partition, Payload, Settlement, State, When, WorkerId,
};
use crate::limits::{Limit, Limited, Scope};
use crate::record::{self, Header};
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

/// The runs of jobs that share all that a group of `enqueue.lua` says once.
fn alike(a: &NewJob, b: &NewJob) -> bool {
    a.queue == b.queue
        && a.lane == b.lane
        && a.priority == b.priority
        && a.crash_limit == b.crash_limit
        && a.eta == b.eta
}

fn read_enqueued(reply: &mut Reply) -> Result<Vec<Enqueued>> {
    let word = reply.bytes()?;
    match &word[..] {
        b"ok" => {}
        b"full" => {
            return Err(BrokerError::QueueFull {
                queue: reply.text()?,
                waiting: reply.number()?,
                depth: reply.number()?,
            });
        }
        b"duplicate" => return Err(BrokerError::Duplicate(reply.id()?)),
        _ => {
            let digest = reply.text()?;
            return Err(BrokerError::Missing(format!("blob {digest}")));
        }
    }
    let (letters, mut others) = (reply.bytes()?, reply.ids()?.into_iter());
    let read = |letter: &u8| match letter {
        b'n' => Ok(Enqueued::New),
        b'x' => Ok(Enqueued::Exists),
        _ => reply.one_more(&mut others).map(Enqueued::Instead),
    };
    letters.iter().map(read).collect()
}

#[async_trait::async_trait]
impl Broker for RedisBroker {
    fn partitions(&self) -> u16 {
        self.partitions
    }

    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        super::check_jobs(tenant, jobs, self.partitions)?;
        let mut command = self.of_tenant(&scripts::ENQUEUE, tenant);
        for group in jobs.chunk_by(alike) {
            let first = &group[0];
            command
                .arg(&first.queue)
                .arg(&first.lane)
                .arg(first.priority)
                .arg(first.crash_limit);
            let (wait, at) = match first.eta {
                When::Now => (0, 0),
                When::In(span) => (millis(span), 0),
                When::At(at) => (0, at.0),
            };
            command.arg(wait).arg(at).arg(group.len());
            for job in group {
                let (version, call) =
                    record::encode_call(job).map_err(|e| BrokerError::Invalid(e.to_string()))?;
                command.arg(&job.id.0).arg(version).arg(call);
            }
        }
        let mut reply = self.list_of(&scripts::ENQUEUE, &command).await?;
        read_enqueued(&mut reply)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>> {
        let mut command = self.command(&scripts::CLAIM, claim.partition);
        command
            .arg(&id_bytes(claim.worker))
            .arg(claim.number)
            .arg(claim.max)
            .arg(millis(claim.lease));
        for (queue, share) in &claim.queues {
            command.arg(queue).arg(*share);
        }
        let mut reply = self
            .list_of_living(&scripts::CLAIM, &command, claim.worker)
            .await?;
        let now = Millis(reply.number()?);
        let mut jobs = Vec::new();
        while !reply.is_empty() {
            let (tenant, queue, id) = (reply.text()?, reply.text()?, reply.id()?);
            let mut record = reply.bytes()?;
            let target = reply.bytes()?;
            let header = write_claim(&mut record, claim.worker, now);
            jobs.push(Claimed {
                delivery: header.as_ref().map_or(0, |it| it.delivery),
                started: header.as_ref().map_or(now, |it| it.started),
                target: target
                    .split_first_chunk::<4>()
                    .and_then(|(number, digest)| {
                        Some((Digest::from_slice(digest)?, u32::from_le_bytes(*number)))
                    }),
                job: record::decode(&tenant, id, &record).map_err(|e| e.to_string()),
                tenant,
                id,
                queue,
            });
        }
        Ok(jobs)
    }

    async fn extend(&self, beat: &Heartbeat) -> Result<Pulse> {
        let mut command = self.command(&scripts::EXTEND, beat.partition);
        command
            .arg(&id_bytes(beat.worker))
            .arg(millis(beat.lease))
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
            pulse.cancelled.push(cancelled.id()?);
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
        let Some(first) = settlements.first() else {
            return Ok(Vec::new());
        };
        super::check_settlements(settlements)?;
        let mut command = self.command(&scripts::SETTLE, first.id.partition());
        command.arg(&id_bytes(worker));
        for it in settlements {
            let (action, wait, result) = match &it.action {
                Action::Complete(result) => ("c", Duration::ZERO, Some(result)),
                Action::Retry(wait) => ("r", *wait, None),
                Action::Discard => ("d", Duration::ZERO, None),
                Action::Cancel => ("x", Duration::ZERO, None),
                Action::GiveBack(wait) => ("g", *wait, None),
            };
            let failed = super::counts_as_failed(it);
            command
                .arg(&it.tenant)
                .arg(&it.queue)
                .arg(&it.id.0)
                .arg(&it.delivery.to_le_bytes());
            command
                .arg(action)
                .arg(millis(wait))
                .arg(it.attempt.as_ref().map_or(0, |a| a.fuel));
            command.arg(u8::from(failed));
            command.arg(
                it.attempt
                    .as_ref()
                    .map(|a| record::encode_attempt(a, result))
                    .unwrap_or_default(),
            );
            match result.and_then(Payload::blob) {
                Some(digest) => command.arg(&digest.0),
                None => command.arg(""),
            };
        }
        let answer = self
            .bytes_of(&scripts::SETTLE, &command)
            .await?
            .unwrap_or_default();
        let read = |c: &u8| match c {
            b'r' => Settled::Recorded,
            b's' => Settled::Stale,
            _ => Settled::Missing,
        };
        Ok(answer.iter().map(read).collect())
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

/// Writes a claim into the copy of a record from before it; one from after it,
/// as a repeated claim gives, stays as it is.
fn write_claim(record: &mut [u8], worker: WorkerId, now: Millis) -> Option<Header> {
    let mut header = Header::decode(record).ok()?;
    if header.state == State::Available {
        header.state = State::Running;
        header.delivery += 1;
        header.worker = worker.0;
        header.started = now;
        record[..record::HEADER].copy_from_slice(&header.encode());
    }
    Some(header)
}
