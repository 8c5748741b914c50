//! A broker behind a server: what producers and operators do, over its HTTP API.
//!
//! # Layout
//! - this file: [`RemoteBroker`], and the operations on jobs
//! - `operation`: [`Operation`]s by name, and the [`Right`] that each needs
//! - [`wire`]: what travels; `address`: [`Address`], where to; `connection`: how
//! - `flows`, `schedules`, `registry`, `ledger`, `tenants`, `buckets`: these contracts' share
//! - `push`: a module's bytes
//!
//! Each operation is one request. The other side is
//! [`client::answer`](crate::client::answer), which runs it on the server's own broker:
//! as the tenant of the token, whatever the request says, and jobs only once it has
//! checked them itself. What only workers do is refused here: their leases and signals
//! are between them and the broker itself.

mod address;
mod audit;
mod buckets;
mod connection;
mod flows;
mod ledger;
mod operation;
mod push;
mod registry;
mod schedules;
mod tenants;
pub mod wire;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

pub use self::address::Address;
use self::connection::Connection;
pub use self::operation::{Operation, Right};
pub use self::push::{PushError, Pushed};
use self::wire::{About, Bytes, Ids, Jobs, MAX_READ, OfDigest, Wait, Waited};
use super::{
    Broker, BrokerError, Cancelled, Claim, Claimed, Enqueued, Filter, Heartbeat, LongStep, Note,
    Page, Promoted, Pulse, QueueCounts, Reclaimed, Requeued, Result, Retention, Settled, Signals,
    StepWatch,
};
use crate::job::{Checkpoint, Job, JobId, NewJob, Partition, Settlement, WorkerId};
use crate::limits::{Limit, Limited, Scope};
use crate::registry::Digest;

/// How long one request waits for jobs: less than what many proxies allow.
const WAIT: Duration = Duration::from_secs(25);

/// A broker behind a server. Its tenant is the token's.
pub struct RemoteBroker {
    connection: Connection,
    about: About,
}

impl RemoteBroker {
    /// Connects, and makes sure that it is a server that takes the token.
    ///
    /// # Errors
    /// [`BrokerError::Unreachable`], [`BrokerError::Unsuitable`],
    /// [`BrokerError::Denied`], and [`BrokerError::Invalid`] for certificates that
    /// cannot be read.
    pub async fn connect(address: &Address) -> Result<Self> {
        let connection = Connection::new(address)?;
        let about = connection.run(Operation::About, wire::pack(&()), Duration::ZERO);
        let about: About = about.await?;
        if about.partitions == 0 || about.partitions > Partition::LIMIT {
            let said = format!("it says that it has {} partitions", about.partitions);
            return Err(connection.unsuitable(said));
        }
        Ok(RemoteBroker { connection, about })
    }

    /// One operation, in the name of a tenant that must be the token's.
    async fn run<T: DeserializeOwned>(
        &self,
        tenant: &str,
        operation: Operation,
        request: &impl Serialize,
    ) -> Result<T> {
        self.run_for(tenant, operation, request, Duration::ZERO)
            .await
    }

    async fn run_for<T: DeserializeOwned>(
        &self,
        tenant: &str,
        operation: Operation,
        request: &impl Serialize,
        waits: Duration,
    ) -> Result<T> {
        if tenant != self.about.tenant {
            let own = &self.about.tenant;
            return Err(BrokerError::Denied(format!(
                "the token is of tenant `{own}`, not of `{tenant}`"
            )));
        }
        self.connection
            .run(operation, wire::pack(request), waits)
            .await
    }
}

/// The answer to what only workers do.
fn of_workers<T>() -> Result<T> {
    let said = "a worker needs the broker itself, not its HTTP API: give it a `redis://…` or `sqlite:` URL";
    Err(BrokerError::Invalid(said.into()))
}

#[async_trait::async_trait]
impl Broker for RemoteBroker {
    fn partitions(&self) -> u16 {
        self.about.partitions
    }

    fn tenant(&self) -> Option<&str> {
        Some(&self.about.tenant)
    }

    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        let jobs = Jobs { jobs: jobs.into() };
        self.run(tenant, Operation::Enqueue, &jobs).await
    }

    async fn claim(&self, _: &Claim) -> Result<Vec<Claimed>> {
        of_workers()
    }

    async fn extend(&self, _: &Heartbeat) -> Result<Pulse> {
        of_workers()
    }

    async fn settle(&self, _: WorkerId, _: &[Settlement]) -> Result<Vec<Settled>> {
        of_workers()
    }

    async fn note(&self, _: WorkerId, _: &[Note]) -> Result<()> {
        of_workers()
    }

    async fn checkpoint(&self, _: &str, _: JobId) -> Result<Option<Checkpoint>> {
        of_workers()
    }

    async fn promote(&self, _: Partition, _: u32) -> Result<Promoted> {
        of_workers()
    }

    async fn reclaim(&self, _: Partition, _: u32) -> Result<Reclaimed> {
        of_workers()
    }

    async fn retire(&self, _: Partition, _: WorkerId) -> Result<()> {
        of_workers()
    }

    async fn prune(&self, _: Partition, _: &Retention, _: u32) -> Result<u32> {
        of_workers()
    }

    async fn cancel(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>> {
        self.run(tenant, Operation::Cancel, &Ids { ids: ids.into() })
            .await
    }

    async fn requeue(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>> {
        self.run(tenant, Operation::Requeue, &Ids { ids: ids.into() })
            .await
    }

    async fn delete(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>> {
        self.run(tenant, Operation::Delete, &Ids { ids: ids.into() })
            .await
    }

    async fn limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()> {
        let (scope, limit) = (Cow::Borrowed(scope), *limit);
        let request = wire::Limit { scope, limit };
        self.run(tenant, Operation::Limit, &request).await
    }

    async fn pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()> {
        let scope = Cow::Borrowed(scope);
        let request = wire::Pause { scope, paused };
        self.run(tenant, Operation::Pause, &request).await
    }

    async fn limits(&self, tenant: &str) -> Result<Vec<Limited>> {
        self.run(tenant, Operation::Limits, &()).await
    }

    async fn put_blob(&self, tenant: &str, bytes: &[u8]) -> Result<Digest> {
        let bytes = ByteBuf::from(bytes);
        self.run(tenant, Operation::PutBlob, &Bytes { bytes }).await
    }

    async fn blob(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        let asked = OfDigest { digest };
        let bytes: Option<ByteBuf> = self.run(tenant, Operation::Blob, &asked).await?;
        Ok(bytes.map(ByteBuf::into_vec))
    }

    async fn jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let mut jobs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_READ) {
            let ids = Ids { ids: ids.into() };
            let some: Vec<Option<Job>> = self.run(tenant, Operation::Jobs, &ids).await?;
            jobs.extend(some);
        }
        Ok(jobs)
    }

    async fn wait(
        &self,
        tenant: &str,
        ids: &[JobId],
        at_most: Duration,
    ) -> Result<Vec<Option<Job>>> {
        let since = Instant::now();
        let mut jobs = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_READ) {
            let some = loop {
                let left = at_most.saturating_sub(since.elapsed());
                let at_most = left.min(WAIT);
                let request = Wait {
                    ids: ids.into(),
                    at_most,
                };
                let waited: Waited = self
                    .run_for(tenant, Operation::Wait, &request, at_most)
                    .await?;
                if waited.over || left <= WAIT {
                    break waited.jobs;
                }
            };
            jobs.extend(some);
        }
        Ok(jobs)
    }

    async fn list(&self, tenant: &str, filter: &Filter) -> Result<Page> {
        let (mut filter, mut page) = (filter.clone(), Page::default());
        // A request's page is bounded, and so a larger one is several.
        let is_large = filter.limit > MAX_READ as u32;
        loop {
            let some: Page = self.run(tenant, Operation::List, &filter).await?;
            filter.limit = filter.limit.saturating_sub(some.jobs.len() as u32);
            page.jobs.extend(some.jobs);
            page.corrupt.extend(some.corrupt);
            page.next = some.next;
            match page.next {
                Some(next) if is_large && filter.limit > 0 => filter.offset = next,
                _ => return Ok(page),
            }
        }
    }

    async fn counts(&self, tenant: &str) -> Result<Vec<QueueCounts>> {
        self.run(tenant, Operation::Counts, &()).await
    }

    async fn footprint(&self) -> Result<u64> {
        of_workers()
    }

    async fn processor_time(&self) -> Result<Option<Duration>> {
        of_workers()
    }

    async fn watch_steps(&self) -> Result<Option<StepWatch>> {
        of_workers()
    }

    async fn longest_step(&self, _: StepWatch) -> Result<Option<LongStep>> {
        of_workers()
    }

    async fn signals(&self, _: WorkerId) -> Result<Signals> {
        of_workers()
    }
}
