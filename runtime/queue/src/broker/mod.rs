//! The broker: what stores jobs and hands them out.
//!
//! # Layout
//! - this file: the contract, word for word what both implementations promise
//! - [`redis`]: the production broker; its operations are Lua scripts
//! - [`Place`]: from a URL to a broker
//! - [`sqlite`]: the embedded broker; the same operations as transactions
//!
//! Nothing outside this room knows which one is there.

mod place;
pub mod redis;
pub mod sqlite;

pub use self::place::Place;

use std::time::Duration;

use crate::clock::Millis;
use crate::job::{
    Action, Checkpoint, Ending, Job, JobId, MAX_PRIORITY, NewJob, Partition, Progress, Settlement,
    State, WorkerId,
};
use crate::registry::{Digest, Registry};
use crate::task::{NameError, check_lane, check_name};

/// Why a broker did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
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
    /// The request breaks the contract.
    #[error("{0}")]
    Invalid(String),
    /// This worker's lease ran out and its jobs were given to others: it must
    /// drop them and go on under a new identity.
    #[error("worker {0} was declared dead")]
    Dead(WorkerId),
}

/// The answer of every operation.
pub type Result<T> = std::result::Result<T, BrokerError>;

/// What became of one enqueued job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It is new.
    New,
    /// A job of this id was there already; it is as it was.
    Exists,
}

/// A worker's wish for jobs.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where.
    pub partition: Partition,
    /// For whom.
    pub worker: WorkerId,
    /// Counts up from 1 for each worker and partition. Repeating a number
    /// returns what it returned before; the next number acknowledges that.
    pub number: u64,
    /// The queues to take from and how many jobs of each, at most, in the first
    /// round. What one leaves over goes to the others, in this order.
    pub queues: Vec<(String, u32)>,
    /// How many jobs in all.
    pub max: u32,
    /// How long the worker counts as alive without a further sign.
    pub lease: Duration,
}

/// A job handed to a worker.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Whose it is.
    pub tenant: String,
    /// Which.
    pub id: JobId,
    /// The queue it lay in: a settlement names it.
    pub queue: String,
    /// The fence of this claim.
    pub delivery: u32,
    /// When this run began, by the broker's clock.
    pub started: Millis,
    /// What is to be run: the digest and its release number (0 where a digest
    /// was pinned). `None` where the name has no such release.
    pub target: Option<(Digest, u32)>,
    /// The job; or what is wrong with its record.
    pub job: std::result::Result<Job, String>,
}

/// A worker's sign of life in one partition.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Where.
    pub partition: Partition,
    /// Whose.
    pub worker: WorkerId,
    /// How long the worker counts as alive without a further one.
    pub lease: Duration,
    /// The queues it serves.
    pub queues: Vec<String>,
    /// Staged digests it has compiled (`None`) or could not compile (why), each
    /// told once.
    pub compiled: Vec<(String, Digest, Option<String>)>,
}

/// What a heartbeat answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Whether one of the queues has available jobs.
    pub work: bool,
    /// Staged digests (with their tenant) of which this worker has not yet
    /// said whether it compiled them.
    pub staged: Vec<(String, Digest)>,
}

/// What became of one settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is recorded; or it was already, by an earlier try of the same one.
    Recorded,
    /// The job has been given to somebody else, or has ended otherwise: nothing
    /// was written.
    Stale,
    /// There is no such job.
    Missing,
}

/// What a running job says of itself, fenced as a settlement is.
#[derive(Clone, Debug)]
pub struct Note {
    /// Whose job it is.
    pub tenant: String,
    /// Which.
    pub id: JobId,
    /// The delivery that speaks.
    pub delivery: u32,
    /// How far it is, if that is news.
    pub progress: Option<Progress>,
    /// A state for the next attempt, if that is news.
    pub checkpoint: Option<Checkpoint>,
}

/// What a promotion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// How many jobs became available.
    pub jobs: u32,
    /// How long until the next one is due, if any waits.
    pub next: Option<Duration>,
}

/// What a reclaim did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Workers declared dead.
    pub workers: u32,
    /// Jobs that are available again.
    pub jobs: u32,
    /// Jobs discarded because they crashed too often.
    pub lost: u32,
}

/// Which jobs to list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Of this state.
    pub state: State,
    /// Of this queue, if it is named.
    pub queue: Option<String>,
    /// Of this module, if it is named.
    pub module: Option<String>,
    /// Of this task of the module, if it is named.
    pub task: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// How many jobs of that state to pass over: the cursor of the last page.
    pub offset: u64,
}

/// One page of a listing. Jobs that end are listed newest first, the others in
/// the order in which they are due.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<u64>,
    /// Ids of jobs whose record cannot be read, and why.
    pub corrupt: Vec<(JobId, String)>,
}

/// How many jobs of a queue stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QueueCounts {
    /// The queue's name.
    pub queue: String,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub available: u64,
    /// With a worker.
    pub running: u64,
    /// Waiting for their next attempt.
    pub retryable: u64,
    /// Done, and still kept.
    pub completed: u64,
    /// On the dead list.
    pub discarded: u64,
    /// Stopped, and still kept.
    pub cancelled: u64,
}

/// What finished jobs are kept for.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Completed and cancelled ones, for so long.
    pub completed: Duration,
    /// Discarded ones, for so long.
    pub discarded: Duration,
    /// At most so many of each kind in a tenant, the oldest leave first.
    pub count: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Retention {
            completed: day,
            discarded: day * 30,
            count: 100_000,
        }
    }
}

/// Something that a worker should look at now rather than later. All of them
/// are hints: a lost one costs time, never a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Jobs became available.
    Work,
    /// A job was scheduled that is due before all others.
    Due,
    /// A module was staged: the next heartbeat says which.
    Staged,
    /// The connection was made anew: any of the above may have been missed.
    Reconnected,
}

/// A worker's signals. It ends when the broker is dropped.
pub type Signals = tokio::sync::mpsc::UnboundedReceiver<Signal>;

/// Stores jobs and hands them out.
///
/// Every operation is one atomic step on one partition, takes a batch where
/// that makes sense, goes by the broker's clock, and is safe to repeat when its
/// answer was lost: enqueue by the job's id, claim by its number, settle by the
/// delivery.
#[async_trait::async_trait]
pub trait Broker: Registry + Send + Sync {
    /// How many partitions there are; fixed for a broker's life.
    fn partitions(&self) -> u16;

    /// Adds jobs, all or none. One with a delay is scheduled, the others are
    /// available at once, in the order of the batch. All ids must lie in the
    /// tenant's partition.
    async fn enqueue(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>>;

    /// Hands out jobs.
    ///
    /// A queue has a ring of tenants, and each tenant's queue a ring of lanes
    /// with available jobs. The claim walks them: it takes a turn's worth from
    /// a lane (an even share of what is wanted, at least four), highest rank
    /// first, and moves on. Rank: the time a job became available, minus
    /// its priority times ten minutes; the lowest goes first.
    ///
    /// Each job moves into the worker's in-flight set in the same step, with
    /// its delivery counted. The step registers the worker's lease, and a
    /// worker that finds nothing is signalled [`Signal::Work`] once there is
    /// some. A record that cannot be read is handed out as such, so that it
    /// does not block its lane.
    ///
    /// # Errors
    /// [`BrokerError::Dead`] for a worker that was declared dead.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Claimed>>;

    /// Keeps a worker's lease alive, however many jobs it holds, and takes its
    /// word on staged modules.
    ///
    /// # Errors
    /// [`BrokerError::Dead`] for a worker that was declared dead. One that has
    /// never claimed gets its first lease.
    async fn extend(&self, beat: &Heartbeat) -> Result<Pulse>;

    /// Ends deliveries. All settlements are of one partition; each is fenced by
    /// its delivery and its worker.
    async fn settle(&self, worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>>;

    /// Keeps what running jobs say of themselves; stale notes are dropped.
    async fn note(&self, worker: WorkerId, notes: &[Note]) -> Result<()>;

    /// The state that an earlier attempt saved. It goes when the job ends.
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
    /// and at most `limit` in a call, and stagings that nobody ended within a
    /// day. A call may look at some tenants only; over time each has its turn.
    /// Returns how many went.
    async fn prune(&self, partition: Partition, keep: &Retention, limit: u32) -> Result<u32>;

    /// Jobs by id, in the order asked for.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] where a record cannot be read.
    async fn jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>>;

    /// Waits until all these jobs have ended or the time is up, and answers as
    /// [`jobs`](Broker::jobs) does. A job that does not exist counts as ended. It is woken by the end of a job, and polls
    /// nothing.
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

    /// What a worker of this identity should hear of, in all partitions.
    async fn signals(&self, worker: WorkerId) -> Result<Signals>;
}

impl QueueCounts {
    /// The number of jobs in a state. Nothing is ever pending in a queue.
    pub(crate) fn of(&mut self, state: State) -> &mut u64 {
        match state {
            State::Pending | State::Scheduled => &mut self.scheduled,
            State::Available => &mut self.available,
            State::Running => &mut self.running,
            State::Retryable => &mut self.retryable,
            State::Completed => &mut self.completed,
            State::Discarded => &mut self.discarded,
            State::Cancelled => &mut self.cancelled,
        }
    }
}

/// What both implementations refuse before they touch the store.
pub(crate) fn check_jobs(tenant: &str, jobs: &[NewJob], partitions: u16) -> Result<()> {
    let invalid = |e: NameError| BrokerError::Invalid(e.to_string());
    check_name(tenant, "tenant").map_err(invalid)?;
    let partition = Partition::of(tenant, partitions);
    for job in jobs {
        check_name(&job.module, "module").map_err(invalid)?;
        check_name(&job.task, "task").map_err(invalid)?;
        check_name(&job.queue, "queue").map_err(invalid)?;
        check_lane(&job.lane).map_err(invalid)?;
        if job.priority > MAX_PRIORITY {
            let said = format!(
                "priority {} is not one of 0 to {MAX_PRIORITY}",
                job.priority
            );
            return Err(BrokerError::Invalid(said));
        }
        if job.id.partition() != partition {
            let said = format!(
                "job {} is not of the partition of tenant `{tenant}`",
                job.id
            );
            return Err(BrokerError::Invalid(said));
        }
    }
    Ok(())
}

/// A completed job without its attempt would be a result from nowhere.
pub(crate) fn check_settlements(settlements: &[Settlement]) -> Result<()> {
    let broken =
        |it: &&Settlement| matches!(it.action, Action::Complete(_)) && it.attempt.is_none();
    match settlements.iter().find(broken) {
        Some(it) => Err(BrokerError::Invalid(format!(
            "job {} completed without an attempt",
            it.id
        ))),
        None => Ok(()),
    }
}

/// Whether a settlement adds to the job's failed attempts.
pub(crate) fn counts_as_failed(it: &Settlement) -> bool {
    match it.action {
        Action::Retry(_) => true,
        Action::Discard => it
            .attempt
            .as_ref()
            .is_some_and(|a| a.ending != Ending::Completed),
        Action::Complete(_) | Action::Cancel | Action::GiveBack(_) => false,
    }
}

pub(crate) fn corrupt(what: String, reason: impl std::fmt::Display) -> BrokerError {
    BrokerError::Corrupt {
        what,
        reason: reason.to_string(),
    }
}
