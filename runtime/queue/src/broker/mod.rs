//! The broker: what stores jobs and hands them out.
//!
//! # Layout
//! - this file: the contract, word for word what both implementations promise
//! - `words`: what is asked and answered; `check`: what is refused at once
//! - `schedules`: the contract of schedules; `flows`: that of jobs that wait for others;
//!   `ledger`: that of what is kept for those who look on; `audit`: that of the audit log;
//!   `tenants`: that of tenants and what they may take; `buckets`: that of keys with values
//! - [`Audited`]: any of them, with all that somebody changes on the log
//! - [`redis`]: the production broker; its operations are Lua scripts
//! - [`Place`]: from a URL to a broker
//! - [`sqlite`]: the embedded broker; the same operations as transactions
//! - [`remote`]: a server's HTTP API, for producers and operators
//!
//! Nothing outside this room knows which one is there.

mod audit;
mod audited;
mod buckets;
mod check;
mod flows;
mod ledger;
mod place;
pub mod redis;
pub mod remote;
mod schedules;
pub mod sqlite;
mod tenants;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::audit::{ACTS_KEPT, AuditLog, MAX_ACTS, Recorded};
pub use self::audited::Audited;
pub use self::buckets::{BucketStatus, Buckets, Swapped};
pub(crate) use self::check::{
    PAGE_WAITS, check_beat, check_declared, check_flow, check_jobs, check_nodes, check_pause,
    check_settlements, counts_as_failed, is_kept,
};
pub use self::flows::{
    FlowNode, FlowState, FlowStatus, Flows, MAX_ABOUT, MAX_FLOWS_LISTED, MAX_NEEDS,
    MAX_NODES_ADDED, NewFlow,
};
pub use self::ledger::{
    EVENTS_KEPT, Events, HISTORY_KEPT, LaneCounts, Ledger, MAX_ENTRIES, MAX_ENTRY, MAX_ENTRY_NAME,
    MAX_EVENT, MAX_HELD, MAX_LANES, MAX_MINUTES, MAX_SERIES, MAX_TOLD, Minute, Shelf, Tally,
    USAGE_DAYS, Usage, WorkerStatus,
};
pub use self::place::Place;
pub use self::schedules::{
    Declared, Due, DueSchedule, FIRES_HELD, FIRES_KEPT, Fire, FireOutcome, Fired, Firing, Owner,
    Planned, Schedules, Turn,
};
pub(crate) use self::tenants::{LINGERS, no_tenant};
pub use self::tenants::{MAX_TENANTS, TenantChange, Tenants};
pub use self::words::{
    Cancelled, Claim, Claimed, Enqueued, Filter, Heartbeat, LongStep, MAX_BATCH, MAX_WORKER_ABOUT,
    Note, Page, Promoted, Pulse, QueueCounts, Reclaimed, Requeued, Retention, Settled, Signal,
    Signals, StepWatch,
};

use crate::job::{Checkpoint, Job, JobId, NewJob, Partition, Settlement, WorkerId};
use crate::limits::{Limit, Limited, Scope};
use crate::registry::{Digest, Registry};

/// Why a broker did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerError {
    /// It cannot be reached, or the connection broke. The operation may or may
    /// not have happened; every one is safe to repeat.
    #[error("the broker at {place} cannot be reached: {reason}")]
    Unreachable {
        /// The URL, without its password.
        place: String,
        /// What the connection said.
        reason: String,
    },
    /// It is there, but not one that Lovage can use.
    #[error("the broker at {place} cannot be used: {reason}")]
    Unsuitable {
        /// The URL, without its password.
        place: String,
        /// What is wrong with it, and what would do.
        reason: String,
    },
    /// It has no room left. Nothing of the operation happened.
    #[error("the broker at {place} is full: {reason}")]
    Full {
        /// The URL, without its password.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Something that lies in the broker cannot be read.
    #[error("{what} in the broker is corrupt: {reason}")]
    Corrupt {
        /// Which record or module.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was named does not exist.
    #[error("{0} does not exist")]
    Missing(String),
    /// A queue holds as many waiting jobs as it may. Nothing was enqueued.
    #[error("queue `{queue}` is full: {waiting} jobs wait in it, and it may hold {depth}")]
    QueueFull {
        /// The queue.
        queue: String,
        /// How many wait.
        waiting: u64,
        /// How many may.
        depth: u64,
    },
    /// Another job holds the unique key of one that asked to be refused then.
    /// Nothing was enqueued.
    #[error("job {0} is there already, and is unique")]
    Duplicate(JobId),
    /// The request breaks the contract.
    #[error("{0}")]
    Invalid(String),
    /// This worker's lease ran out and its jobs were given to others: it must
    /// drop them and go on under a new identity.
    #[error("worker {0} was declared dead")]
    Dead(WorkerId),
    /// Whoever asks may not: the server in front of the broker takes no token, this one
    /// no more, or not for this.
    #[error("the server refuses it: {0}")]
    Denied(String),
    /// The server in front of the broker takes no more requests of this token just now.
    /// Nothing of the operation happened.
    #[error("the server at {place} takes no more requests just now: {reason}")]
    Busy {
        /// The URL, without its token.
        place: String,
        /// What it said.
        reason: String,
    },
    /// The tenant has taken all that it may. Nothing of the operation happened.
    #[error("the tenant's quota `{quota}` of {limit} does not allow it: {used} are taken")]
    Quota {
        /// The quota's name.
        quota: String,
        /// What it allows.
        limit: u64,
        /// What is taken; of a module that is too large, its size.
        used: u64,
        /// When it may be worth to try again, where time alone changes anything.
        retry_after: Option<Duration>,
    },
    /// Nothing new of the tenant is taken.
    #[error("the tenant is suspended: nothing new of it is taken until its operator resumes it")]
    Suspended,
}

impl BrokerError {
    /// What a quota does not allow.
    pub(crate) fn over(quota: &str, limit: u64, used: u64) -> Self {
        let seconds = match quota {
            "queued" => Some(1),
            // What has ended goes by its age.
            "bytes" => Some(60),
            _ => None,
        };
        BrokerError::Quota {
            quota: quota.to_owned(),
            limit,
            used,
            retry_after: seconds.map(Duration::from_secs),
        }
    }
}

/// The answer of every operation.
pub type Result<T> = std::result::Result<T, BrokerError>;

/// Stores jobs and hands them out.
///
/// Every operation is one atomic step on one partition, takes a batch where
/// that makes sense, goes by the broker's clock, and is safe to repeat when its
/// answer was lost: enqueue by the job's id, claim by its number, settle by the
/// delivery.
#[async_trait::async_trait]
pub trait Broker:
    AuditLog + Buckets + Flows + Ledger + Registry + Schedules + Tenants + Send + Sync
{
    /// How many partitions there are; fixed for a broker's life.
    fn partitions(&self) -> u16;

    /// Whose everything is, where one tenant is all that can be seen from here: a
    /// server's, by the token.
    fn tenant(&self) -> Option<&str> {
        None
    }

    /// Adds jobs, all or none, at most [`MAX_BATCH`]. One whose time is yet to
    /// come is scheduled, the others are available at once, in the order of the
    /// batch. All ids must lie in the tenant's partition, and blobs that inputs
    /// refer to must have been [put](Broker::put_blob) within the last hour or be
    /// referred to by another job.
    ///
    /// A job whose idempotency key another job's record has, or whose unique key
    /// another job holds, is not made; what happens instead is
    /// [`Conflict`](crate::job::Conflict)'s to say. Keys are looked at after the
    /// id: the same job again is the same job.
    ///
    /// # Errors
    /// [`BrokerError::QueueFull`], [`BrokerError::Duplicate`], and
    /// [`BrokerError::Missing`] for a blob that is not there. [`BrokerError::Quota`] and
    /// [`BrokerError::Suspended`] where the [tenant](Tenants) may not.
    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>>;

    /// Hands out jobs.
    ///
    /// A queue's tenants with available jobs share it by CPU time: who has had the least of
    /// it there, by its weight, is next (see [`Tenant`](crate::tenant::Tenant)), for some 4 ms of
    /// it, and no more than an even share of the jobs that are wanted, of which four are
    /// no less. It is charged at once what its jobs cost on average; each settlement
    /// [puts that right](crate::job::Spent). Whoever comes back goes on where it left, or
    /// where the queue is by then: nobody saves up time by waiting, and of what is taken
    /// while nobody else waits nothing is held against it, as nothing beyond a minute is.
    /// [Crowded](Claim::crowded) ones are passed over.
    ///
    /// Each tenant's queue has a ring of lanes with available jobs. The claim takes a turn's
    /// worth from a lane (an even share of what is wanted, at least four), highest rank
    /// first, and moves on. Rank: the time a job became available, minus
    /// its priority times ten minutes; the lowest goes first. In a queue of
    /// strict [order](crate::limits::Order) the priority decides, then the time.
    ///
    /// What is paused, or at its limit of rate or concurrency (see
    /// [`limit`](Broker::limit)), is passed over and waits aside until it may go
    /// on, so it costs the others nothing. In the tenant's own lane (the empty
    /// key) jobs of a task with a limit or a pause step out of the way of the
    /// others; a lane with a key keeps its order, and waits as a whole when its
    /// first job may not start. A job that is past its expiry is cancelled.
    ///
    /// Each job moves into the worker's in-flight set in the same step, with
    /// its delivery counted. The step registers the worker's lease, and a
    /// worker that gets less than it asked for is signalled [`Signal::Work`]
    /// once there is more. A record that cannot be read is handed out as such, so that it
    /// does not block its lane.
    ///
    /// # Errors
    /// [`BrokerError::Dead`] for a worker that was declared dead.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>>;

    /// Keeps a worker's lease alive, however many jobs it holds, and takes its
    /// word on staged modules, and on itself: that goes with the lease.
    ///
    /// # Errors
    /// [`BrokerError::Dead`] for a worker that was declared dead. One that has
    /// never claimed gets its first lease. [`BrokerError::Invalid`] for more than
    /// [`MAX_WORKER_ABOUT`] bytes about itself.
    async fn extend(&self, beat: &Heartbeat) -> Result<Pulse>;

    /// Ends deliveries. All settlements are of one partition; each is fenced by
    /// its delivery and its worker. A job that was asked to stop is cancelled by
    /// every settlement but a completion. One that is given back has not started,
    /// as far as rates are concerned.
    ///
    /// A source's [page](crate::job::Action::NextPage) is made in the step that writes its
    /// cursor and takes the source from its worker: so each page is made once, whoever
    /// dies. While too many of its jobs have not ended the source is scheduled, and the step
    /// that ends one of them makes it available. A job of a page that is requeued
    /// counts again.
    async fn settle(&self, worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>>;

    /// Keeps what running jobs say of themselves; stale notes are dropped.
    async fn note(&self, worker: WorkerId, notes: &[Note]) -> Result<()>;

    /// The state that an earlier attempt saved. It goes when the job ends; but that of a
    /// source which did not complete stays with its record, and a requeue goes on there.
    async fn checkpoint(&self, tenant: &str, id: JobId) -> Result<Option<Checkpoint>>;

    /// Makes scheduled and retryable jobs available whose time has come, at
    /// most `limit` of them.
    async fn promote(&self, partition: Partition, limit: u32) -> Result<Promoted>;

    /// Declares workers dead whose lease ran out, and makes their jobs
    /// available again with a crash counted, in front of their lanes; at the
    /// crash limit a job is discarded as lost. At most `limit` jobs a call: a
    /// dead worker with more is finished by the next.
    async fn reclaim(&self, partition: Partition, limit: u32) -> Result<Reclaimed>;

    /// Ends a worker's lease of its own will: what it still holds is available
    /// again, with no crash counted.
    async fn retire(&self, partition: Partition, worker: WorkerId) -> Result<()>;

    /// Lets finished jobs go that have been kept long enough, the oldest first
    /// and at most `limit` in a call, blobs that nothing refers to, and stagings
    /// that nobody ended within a day. A call may look at some tenants only;
    /// over time each has its turn. Returns how many went.
    async fn prune(&self, partition: Partition, keep: &Retention, limit: u32) -> Result<u32>;

    /// Cancels jobs, whatever their state: those that wait end at once; whoever
    /// runs one is told by [`Signal::Cancel`] and again with each heartbeat's
    /// answer until it has settled it. A job whose worker dies first is cancelled
    /// by the reclaim.
    async fn cancel(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>>;

    /// Makes discarded and cancelled jobs available again, at the end of their
    /// lanes, with no failed attempts and no crashes counted; what is known of
    /// their earlier attempts stays on the record.
    async fn requeue(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>>;

    /// Forgets jobs that have ended; whether each was forgotten. One whose record
    /// cannot be read is forgotten too.
    async fn delete(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>>;

    /// Sets what a scope allows, from now on and for jobs that are there
    /// already: [`Limit::default`] lifts all of it. Of a task it goes before what
    /// its module says, rate and concurrency each by itself. A job is under all
    /// scopes that it belongs to: it starts when each of them allows it. A lane's
    /// own limit goes before that of [`Scope::Lanes`].
    async fn limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()>;

    /// Pauses a scope, or lets it go on: while it is paused none of its jobs
    /// starts. Those that run are not touched. Not of [`Scope::Lanes`].
    async fn pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()>;

    /// All scopes that have a limit or are paused, in order.
    async fn limits(&self, tenant: &str) -> Result<Vec<Limited>>;

    /// Stores bytes under their digest for jobs to refer to. They are kept for as
    /// long as a job does, and for at least an hour.
    ///
    /// # Errors
    /// [`BrokerError::Quota`] where the [tenant](Tenants) may store no more.
    async fn put_blob(&self, tenant: &str, bytes: &[u8]) -> Result<Digest>;

    /// A blob's bytes, verified; `None` if there are none.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] where the stored bytes have another digest.
    async fn blob(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>>;

    /// Jobs by id, in the order asked for.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] where a record cannot be read.
    async fn jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>>;

    /// Waits until all these jobs have ended or the time is up, and answers as
    /// [`jobs`](Broker::jobs) does. A job that does not exist counts as ended. It
    /// is woken by the end of a job, and polls nothing.
    async fn wait(
        &self,
        tenant: &str,
        ids: &[JobId],
        at_most: Duration,
    ) -> Result<Vec<Option<Job>>>;

    /// Jobs by state.
    async fn list(&self, tenant: &str, filter: &Filter) -> Result<Page>;

    /// Depths of all the tenant's queues, sorted by name.
    async fn counts(&self, tenant: &str) -> Result<Vec<QueueCounts>>;

    /// Bytes that all that lies in the store takes, whoever put it there: memory in
    /// use on Redis, pages in use of an SQLite file.
    async fn footprint(&self) -> Result<u64>;

    /// Processor time that the store's own server has used since it started; `None`
    /// where there is no such server.
    async fn processor_time(&self) -> Result<Option<Duration>>;

    /// Has the store's own server take note of its long steps; `None` where there is no
    /// such server, or it lets nobody tell it so. That is a setting of the server, and
    /// stays until [`longest_step`](Broker::longest_step) is asked: for a benchmark, on a
    /// server of its own.
    async fn watch_steps(&self) -> Result<Option<StepWatch>>;

    /// The longest step since then that took a millisecond, if any did; nothing is
    /// watched any more.
    async fn longest_step(&self, watch: StepWatch) -> Result<Option<LongStep>>;

    /// What a worker of this identity should hear of, in all partitions.
    async fn signals(&self, worker: WorkerId) -> Result<Signals>;
}

pub(crate) fn corrupt(what: String, reason: impl std::fmt::Display) -> BrokerError {
    BrokerError::Corrupt {
        what,
        reason: reason.to_string(),
    }
}
