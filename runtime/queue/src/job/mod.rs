//! A job: one enqueued call of a task, and its whole life.
//!
//! ```text
//! pending ───┐                            ┌─► completed
//! scheduled ─┼─► available ──► running ───┼─► discarded  (attempts used up, a fatal failure, lost)
//!            │       ▲            │       └─► cancelled
//! retryable ─┘       └────────────┘
//!     ▲             given back, its page made, or its worker died
//!     └── retry at ── running
//! ```
//!
//! Three counters that are never mixed: [`Job::delivery`] (+1 at each claim,
//! never reset: the fence), [`Job::attempt`] (+1 at each run that failed) and
//! [`Job::crash`] (+1 at each reclaim from a dead worker).

mod id;
mod options;
mod payload;
mod seat;
mod terms;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::id::{IdError, JobId, Partition, WorkerId};
pub use self::options::JobOptions;
pub use self::payload::{CLAIM_CHECK, Payload};
pub use self::seat::{Bind, From, MAX_NODES, Seat, WithoutNode};
pub(crate) use self::seat::{MAX_GIVEN_BYTES, few_nodes};
pub(crate) use self::terms::Terms;
pub use self::terms::{Conflict, Key, Unique, Until, When};

use crate::clock::Millis;
use crate::registry::Digest;
use crate::task::Failure;

macro_rules! coded_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $code,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// What the byte stands for in a record.
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|it| it.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|it| it.as_str()).collect();
                    format!("`{text}` is none of {}", known.join(", "))
                })
            }
        }
    };
}

coded_enum! {
    /// Where a job stands in its life. The codes are part of the record format.
    State {
        /// Waits for other jobs.
        Pending = 0 "pending",
        /// Waits for its time.
        Scheduled = 1 "scheduled",
        /// Waits for a worker.
        Available = 2 "available",
        /// A worker has it.
        Running = 3 "running",
        /// Failed, and waits for its next attempt.
        Retryable = 4 "retryable",
        /// Done, with a result.
        Completed = 5 "completed",
        /// Given up: kept on the dead list.
        Discarded = 6 "discarded",
        /// Stopped by a user, or it expired before it began.
        Cancelled = 7 "cancelled",
    }
}

impl State {
    /// Whether nothing more will happen to the job by itself.
    pub fn is_final(self) -> bool {
        matches!(self, State::Completed | State::Discarded | State::Cancelled)
    }
}

coded_enum! {
    /// How an attempt ended, by name. The codes are part of the record format.
    Ending {
        /// The task returned a result.
        Completed = 0 "completed",
        /// The task returned a failure.
        Failed = 1 "failed",
        /// A trap with no name of its own, such as a panic.
        Trapped = 2 "trapped",
        /// It burnt its fuel.
        OutOfFuel = 3 "out-of-fuel",
        /// It asked for more memory than its limit.
        OutOfMemory = 4 "out-of-memory",
        /// It ran past its wall-clock limit.
        Deadline = 5 "deadline",
        /// It recursed too deep.
        StackOverflow = 6 "stack-overflow",
        /// Its result is larger than the limit.
        ResultTooLarge = 7 "result-too-large",
        /// Somebody cancelled the job.
        Cancelled = 8 "cancelled",
        /// Its worker died, once too often.
        Lost = 9 "lost",
        /// There was no module to run, or it could not be loaded.
        NoModule = 10 "no-module",
        /// The host itself failed the attempt.
        HostError = 11 "host-error",
        /// Its time to begin was over before a worker was free.
        Expired = 12 "expired",
    }
}

impl Ending {
    /// Whether the attempt used up what it was given. The same input would do so
    /// again, so another attempt is a waste unless somebody asks for it.
    pub fn exhausts(self) -> bool {
        matches!(
            self,
            Ending::OutOfFuel | Ending::OutOfMemory | Ending::ResultTooLarge
        )
    }
}

/// Which release of its module a job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pin {
    /// The one that is active when the job is claimed.
    #[default]
    Active,
    /// The release of this number.
    Release(u32),
    /// The module of this digest.
    Digest(Digest),
}

/// A job to be enqueued: all that a record holds of the caller's will.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// Its id. Enqueueing the same one again changes nothing.
    pub id: JobId,
    /// Its module's name.
    pub module: String,
    /// Its task's name within the module.
    pub task: String,
    /// A MessagePack map of the arguments by name.
    pub input: Payload,
    /// The queue it goes to.
    pub queue: String,
    /// Its lane; the empty one is the tenant's own in that queue.
    pub lane: String,
    /// 0 to 9, 9 first.
    pub priority: u8,
    /// How many dead workers it may take down with it.
    pub crash_limit: u8,
    /// Which release it runs.
    pub pin: Pin,
    /// When it becomes available.
    pub eta: When,
    /// Until when it must have begun; after that it is cancelled instead.
    pub expiry: Option<When>,
    /// Names this call: a second one with the same key is the same job, for as
    /// long as the first one's record is kept.
    pub key: Option<Key>,
    /// What it may not be beside.
    pub unique: Option<Unique>,
    /// How long its record is kept once it has completed, where that is not
    /// for the broker's retention to say.
    pub result_ttl: Option<Duration>,
    /// Its place in a flow, if it is of one.
    pub seat: Option<Seat>,
    /// Whether its parent is a source that it is on a page of: one that waits while too
    /// many of these have not ended.
    pub counted: bool,
    /// The rest.
    pub options: JobOptions,
}

/// The priority of a job that names none.
pub const DEFAULT_PRIORITY: u8 = 5;
/// The highest priority.
pub const MAX_PRIORITY: u8 = 9;
/// How many crashes discard a job.
pub const DEFAULT_CRASH_LIMIT: u8 = 3;

impl NewJob {
    /// A call of `module.task` with all defaults.
    pub fn new(id: JobId, module: &str, task: &str, input: impl Into<Payload>) -> Self {
        NewJob {
            id,
            module: module.into(),
            task: task.into(),
            input: input.into(),
            queue: crate::task::DEFAULT_QUEUE.into(),
            lane: String::new(),
            priority: DEFAULT_PRIORITY,
            crash_limit: DEFAULT_CRASH_LIMIT,
            pin: Pin::Active,
            eta: When::Now,
            expiry: None,
            key: None,
            unique: None,
            result_ttl: None,
            seat: None,
            counted: false,
            options: JobOptions::default(),
        }
    }
}

/// One run of a job on one worker, as it is kept on the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// How it ended.
    pub ending: Ending,
    /// The delivery it belongs to.
    pub delivery: u32,
    /// Who ran it.
    pub worker: WorkerId,
    /// What was run; `None` where there was nothing to run.
    pub digest: Option<Digest>,
    /// Its release number; 0 for a pinned digest that is no release.
    pub release: u32,
    /// When it began, by the broker's clock.
    pub started: Millis,
    /// How long it took, by the worker's.
    pub took: Duration,
    /// Fuel it burnt.
    pub fuel: u64,
    /// The most linear memory it held, in bytes.
    pub peak_memory: u64,
    /// Why it did not complete.
    pub failure: Option<Failure>,
    /// What it wrote to stdout and stderr.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<u8>,
}

/// A job as the broker knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Whose it is.
    pub tenant: String,
    /// What the caller asked for.
    pub call: NewJob,
    /// Where it stands.
    pub state: State,
    /// Claims so far.
    pub delivery: u32,
    /// Failed runs so far.
    pub attempt: u32,
    /// Workers that died with it.
    pub crash: u32,
    /// Who has it, or had it last.
    pub worker: Option<WorkerId>,
    /// When it was enqueued.
    pub enqueued: Millis,
    /// When it became, or becomes, available.
    pub available: Millis,
    /// When its last run began; zero before the first.
    pub started: Millis,
    /// When it ended; zero before that.
    pub finished: Millis,
    /// Fuel over all attempts.
    pub fuel: u64,
    /// What became of each run, oldest first.
    pub attempts: Vec<Attempt>,
    /// The result, in MessagePack, once it is completed.
    pub result: Option<Payload>,
    /// Whether a running job was asked to stop.
    pub cancelling: bool,
    /// Whether a cancelled job was cancelled with its flow, and comes back with it.
    pub with_flow: bool,
    /// How far the running attempt is, where the task says so.
    pub progress: Option<Progress>,
    /// What the running attempt has written so far, as of a moment ago.
    #[serde(with = "serde_bytes")]
    pub log: Option<Vec<u8>>,
    /// Nodes of its flow whose results it takes, by their places: a claim brings few and
    /// short ones along. Nothing is said of those that are not there.
    pub upstream: Vec<(u32, Job)>,
}

impl Job {
    /// Whether the last attempt ended so: by the kind of its failure, or by the
    /// name of its ending.
    pub fn ended_for(&self, reason: &str) -> bool {
        self.attempts.last().is_some_and(|it| {
            it.ending.as_str() == reason || it.failure.as_ref().is_some_and(|f| f.kind == reason)
        })
    }
}

/// How far a job is, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 1.
    pub share: Option<f64>,
    /// A line for a person.
    pub message: Option<String>,
}

/// A state that an attempt saved for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What saved it.
    pub digest: Digest,
    /// The module's own bytes.
    #[serde(with = "serde_bytes")]
    pub state: Vec<u8>,
}

/// What a worker tells the broker of one delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Whose job it is.
    pub tenant: String,
    /// Which.
    pub id: JobId,
    /// The delivery that is settled: a newer one makes this settlement stale.
    pub delivery: u32,
    /// The queue it was claimed from.
    pub queue: String,
    /// What happens to the job.
    pub action: Action,
    /// The run to be kept on the record, if there was one.
    pub attempt: Option<Attempt>,
    /// Jobs that are made in the step that records the end that is said here (it completed,
    /// was given up or stopped), or a page, and in no other. None of them is refused: a full queue takes them, a second one of a
    /// kind is not made.
    pub children: Vec<NewJob>,
    /// Flows that are whole, and begin in that step.
    pub flows: Vec<JobId>,
    /// What it cost, and was taken for.
    pub spent: Spent,
}

/// What a delivery cost, for the shares of tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// CPU time of the guest.
    pub cpu: Duration,
    /// What its claim had charged for it.
    pub charged: Duration,
}

impl Spent {
    /// Nobody is served for nothing: a run counts for a microsecond at least. What was
    /// charged goes back where there was none.
    pub(crate) fn of_run(self, ran: bool) -> Duration {
        match ran {
            true => self.cpu.max(Duration::from_micros(1)),
            false => self.cpu,
        }
    }
}

/// What a settlement does to the job.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Done, with this result.
    Complete(Payload),
    /// Failed; available again after this wait, which the broker's clock
    /// measures.
    Retry(Duration),
    /// Failed for good.
    Discard,
    /// Stopped by a user.
    Cancel,
    /// It did not run: available again after this wait, no attempt counted.
    GiveBack(Duration),
    /// It is a source, and the settlement's children are a page of what comes from it. It
    /// runs again, for the next page, once at most [half](page_of) of `open` of its
    /// children have not ended, before all of its priority that came to its lane since it
    /// was enqueued.
    /// Failures and crashes of earlier runs count no more, nor are they on record.
    NextPage {
        /// Where the next page begins: the checkpoint that its next run restores.
        cursor: Checkpoint,
        /// How many of its children may be there at once that have not ended.
        open: u32,
    },
}

/// The most children that a source may have open at once.
pub const MAX_OPEN: u32 = 1_000_000;

/// How many jobs a page may have where so many may be open, and how many may be left when
/// the next one is made: so there are never more than `open` of them.
pub fn page_of(open: u32) -> u32 {
    open / 2
}
