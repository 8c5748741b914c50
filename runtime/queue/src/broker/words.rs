//! What a broker is asked, and what it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, millis};
use crate::job::{Checkpoint, Job, JobId, Partition, Progress, State, WorkerId};
use crate::registry::Digest;

/// What became of one enqueued job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enqueued {
    /// It is new.
    New,
    /// A job of this id was there already; it is as it was.
    Exists,
    /// Another job has its idempotency key or its unique key: nothing was made.
    Instead(JobId),
}

/// What a store's server is told again once its steps are watched no longer.
#[derive(Clone, Debug)]
pub struct StepWatch {
    /// Settings, as they were.
    pub(crate) settings: Vec<(String, String)>,
    /// The first note that was taken since then.
    pub(crate) since: u64,
}

/// A step that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongStep {
    /// Which one.
    pub name: String,
    /// How long the server did nothing else.
    pub took: Duration,
}

/// The largest batch of jobs that is taken in one step.
pub const MAX_BATCH: usize = 10_000;

/// What became of one cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cancelled {
    /// It is cancelled.
    Now,
    /// It runs; its worker was told to stop it.
    Asked,
    /// It had ended before.
    Ended(State),
    /// There is no such job.
    Missing,
}

/// What became of one job that was to be requeued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requeued {
    /// It is available again, with all its attempts before it.
    Now,
    /// It is in this state, and only discarded and cancelled jobs are requeued.
    Not(State),
    /// Another job has taken its unique key meanwhile.
    Duplicate(JobId),
    /// There is no such job, or its record cannot be read.
    Missing,
}

/// A worker's wish for jobs.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where.
    pub partition: Partition,
    /// For whom.
    pub worker: WorkerId,
    /// Counts up from 1 for each worker and partition. Repeating a number
    /// returns what it returned before; the next number acknowledges that. An
    /// earlier one, which was long on its way, is answered with nothing.
    pub number: u64,
    /// The queues to take from and how many jobs of each, at most, in the first
    /// round. What one leaves over goes to the others, in this order.
    pub queues: Vec<(String, u32)>,
    /// How many jobs in all.
    pub max: u32,
    /// How long the worker counts as alive without a further sign.
    pub lease: Duration,
    /// Tenants of which it wants none.
    pub crowded: Vec<String>,
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
    /// What its tenant was charged for it: a settlement says so again.
    pub charged: Duration,
    /// What is to be run: the digest and its release number (0 where a digest
    /// was pinned). `None` where the name has no such release.
    pub target: Option<(Digest, u32)>,
    /// The job; or what is wrong with its record. If it takes the results of at most four
    /// nodes of its flow, those of them come [along](Job::upstream) whose records are short.
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
    /// What it tells of its host, for those who look on; at most [`MAX_WORKER_ABOUT`]
    /// bytes, of which the broker knows no more than that.
    pub about: Vec<u8>,
}

/// How many bytes a worker tells of its host at most.
pub const MAX_WORKER_ABOUT: usize = 1024;

/// What a heartbeat answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Whether one of the queues has available jobs.
    pub work: bool,
    /// Staged digests (with their tenant) of which this worker has not yet
    /// said whether it compiled them.
    pub staged: Vec<(String, Digest)>,
    /// Jobs of this worker (with their tenant, as ids are each tenant's own) that were asked
    /// to stop and have not been settled.
    pub cancelled: Vec<(String, JobId)>,
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
    /// All that it has written so far, if that is news.
    pub log: Option<Vec<u8>>,
}

/// What a promotion did: it also cancels what has expired, and lets those lanes
/// go on whose rate allows it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// How many jobs became available.
    pub jobs: u32,
    /// How long until there is more to do, if anything waits for a time.
    pub next: Option<Duration>,
    /// Whether schedules are to be looked at: see [`due`](super::Schedules::due).
    pub schedules: bool,
    /// Whether flows have more to do at once.
    pub flows: bool,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filter {
    /// Of this state.
    pub state: State,
    /// Of this queue, if it is named.
    pub queue: Option<String>,
    /// Of this module, if it is named.
    pub module: Option<String>,
    /// Of this task of the module, if it is named.
    pub task: Option<String>,
    /// Whose last attempt failed for this reason (a failure's kind, such as
    /// `argument`, or an ending, such as `out-of-fuel`), if it is named.
    pub reason: Option<String>,
    /// Which has this tag, if it is named: its header `tags` is a list of them, with
    /// commas between them.
    pub tag: Option<String>,
    /// Which ended, or else became or become available, before this time.
    pub before: Option<Millis>,
    /// Longer ago than this, by the broker's clock.
    pub older: Option<Duration>,
    /// At most so many.
    pub limit: u32,
    /// How many jobs of that state to pass over: the cursor of the last page.
    pub offset: u64,
}

impl Filter {
    /// All jobs of a state.
    pub fn of(state: State, limit: u32) -> Self {
        Filter {
            state,
            queue: None,
            module: None,
            task: None,
            reason: None,
            tag: None,
            before: None,
            older: None,
            limit,
            offset: 0,
        }
    }

    /// The same where it is `now` by the broker's clock.
    pub(crate) fn at(mut self, now: Millis) -> Self {
        if let Some(span) = self.older.take() {
            let ago = Millis(now.0.saturating_sub(millis(span)));
            self.before = Some(self.before.map_or(ago, |before| before.min(ago)));
        }
        self
    }

    /// Whether a job of the right state is one of these.
    pub(crate) fn takes(&self, job: &Job) -> bool {
        let is = |wish: &Option<String>, it: &str| wish.as_ref().is_none_or(|wish| wish == it);
        let at = job.finished.known().unwrap_or(job.available);
        is(&self.queue, &job.call.queue)
            && is(&self.module, &job.call.module)
            && is(&self.task, &job.call.task)
            && self.before.is_none_or(|before| at < before)
            && self
                .reason
                .as_ref()
                .is_none_or(|reason| job.ended_for(reason))
            && self.tag.as_ref().is_none_or(|tag| has_tag(job, tag))
    }
}

fn has_tag(job: &Job, tag: &str) -> bool {
    let tags = job.call.options.headers.get("tags");
    tags.is_some_and(|tags| tags.split(',').any(|it| it.trim() == tag))
}

/// One page of a listing. Jobs that end are listed newest first, the others in
/// the order in which they are due.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<u64>,
    /// Ids of jobs whose record cannot be read, and why.
    pub corrupt: Vec<(JobId, String)>,
}

/// How many jobs of a queue stand where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounts {
    /// The queue's name.
    pub queue: String,
    /// Waiting for other jobs of their flows.
    pub pending: u64,
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
    /// Since when the available job waits that has waited longest. It is looked for in
    /// at most 100 of the queue's lanes, and in fewer where there are many queues.
    #[serde(default)]
    pub oldest: Option<Millis>,
}

impl QueueCounts {
    /// The number of jobs in a state.
    pub(crate) fn of(&mut self, state: State) -> &mut u64 {
        match state {
            State::Pending => &mut self.pending,
            State::Scheduled => &mut self.scheduled,
            State::Available => &mut self.available,
            State::Running => &mut self.running,
            State::Retryable => &mut self.retryable,
            State::Completed => &mut self.completed,
            State::Discarded => &mut self.discarded,
            State::Cancelled => &mut self.cancelled,
        }
    }
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
    /// At most so many bytes of all kinds in a tenant, their blobs included:
    /// past it completed ones leave first, then cancelled, then discarded ones.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Retention {
            completed: day,
            discarded: day * 30,
            count: 100_000,
            bytes: 1 << 30,
        }
    }
}

/// Something that a worker should look at now rather than later. All of them
/// are hints: a lost one costs time, never a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Jobs became available.
    Work,
    /// A job was scheduled that is due before all others.
    Due,
    /// A module was staged: the next heartbeat says which.
    Staged,
    /// This tenant's job, which this worker runs, is to stop.
    Cancel(String, JobId),
    /// From here on nothing is missed: any of the above may have been before. It is a
    /// listener's first, and comes again with each connection that is made anew.
    Listening,
}

/// A worker's signals. It ends when the broker is dropped.
pub type Signals = tokio::sync::mpsc::UnboundedReceiver<Signal>;
