//! The contract of schedules: what a store keeps of them, and how they fire.
//!
//! A store knows of a schedule when to look at it, and nothing of cron lines and
//! time zones: whoever looks works out what is due, and [fires](Schedules::fire) it
//! by comparing the revision that it saw. So any worker may look, none is the leader,
//! and no time fires twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Result;
use crate::clock::Millis;
use crate::job::{JobId, NewJob, Partition};
use crate::registry::Manifest;
use crate::schedule::Schedule;
use crate::task::TaskName;

/// How many fires are remembered of each schedule.
pub const FIRES_KEPT: usize = 100;
/// How many fires may wait for the end of the schedule's last job.
pub const FIRES_HELD: usize = 100;

/// Who declared a schedule, and so who may change it or take it back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A person or a program, at run time.
    Operator,
    /// The configuration file.
    Config,
    /// A module's active release.
    Module(String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Operator => f.write_str("operator"),
            Owner::Config => f.write_str("config"),
            Owner::Module(name) => write!(f, "module:{name}"),
        }
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "operator" => Ok(Owner::Operator),
            "config" => Ok(Owner::Config),
            _ => match text.strip_prefix("module:") {
                Some(name) => Ok(Owner::Module(name.into())),
                None => Err(format!("`{text}` is no owner of schedules")),
            },
        }
    }
}

impl Serialize for Owner {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A schedule that is to be kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Declared {
    /// What it says.
    pub schedule: Schedule,
    /// When it fires first. One that is there already and says the same goes on as
    /// it was.
    pub first: Option<Millis>,
}

impl Declared {
    /// What the tasks of a module declare, where it is `now` by the broker's clock.
    pub(crate) fn of_module(module: &str, manifest: &Manifest, now: Millis) -> Vec<Declared> {
        let tasks = manifest.tasks.iter().flat_map(|task| {
            let all = task.schedules.iter().enumerate();
            all.map(move |(n, it)| it.schedule(module, &task.name, n))
        });
        let declared = tasks.map(|schedule| Declared {
            first: schedule.first(now),
            schedule,
        });
        declared.collect()
    }
}

/// A schedule as the store knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// What it says.
    pub schedule: Schedule,
    /// Who declared it.
    pub owner: Owner,
    /// Counts up with each fire and each change: the fence of a [`Firing`].
    pub revision: u64,
    /// The first time that has not been dealt with; `None` where there is no more.
    pub due: Option<Millis>,
    /// A time that was due and waits for its conditions.
    pub waiting: Option<Millis>,
    /// Whether it is paused.
    pub paused: bool,
    /// The job of its last fire.
    pub last: Option<JobId>,
    /// Times that wait for the end of that job, oldest first.
    pub held: Vec<Millis>,
    /// How many jobs it has made.
    pub fired: u64,
    /// How many times went by without one.
    pub missed: u64,
}

/// Schedules that somebody should look at.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// The broker's time.
    pub now: Millis,
    /// What there is to look at.
    pub schedules: Vec<DueSchedule>,
    /// Whose schedules cannot be read, by tenant and name, and why. They are looked
    /// at again after a while: a newer Lovage may have written them.
    pub unreadable: Vec<(String, String, String)>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct DueSchedule {
    /// Whose it is.
    pub tenant: String,
    /// What is known of it.
    pub planned: Planned,
    /// When each task that its conditions name has completed last.
    pub completed: Vec<(TaskName, Millis)>,
}

/// What a look at a schedule came to.
#[derive(Clone, Debug)]
pub struct Firing {
    /// Whose it is.
    pub tenant: String,
    /// Which.
    pub name: String,
    /// What the look found, and what comes after it; without it somebody fires by
    /// hand, and the schedule's times stay as they are.
    pub turn: Option<Turn>,
    /// What is to be done now, in order.
    pub fires: Vec<Fire>,
}

/// What moves a schedule on.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The revision that was looked at: with any other nothing happens.
    pub revision: u64,
    /// The time of the look.
    pub looked: Millis,
    /// The next time.
    pub next: Option<Millis>,
    /// A time that still waits for its conditions.
    pub waiting: Option<Millis>,
    /// Times that went by without a job.
    pub missed: u64,
}

/// One fire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fire {
    /// The time that it is for.
    pub at: Millis,
    /// Whether that is the first of those held.
    pub held: bool,
    /// Its job; or why there can be none.
    pub job: std::result::Result<NewJob, String>,
}

/// What became of one fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FireOutcome {
    /// There is this job for it.
    Job(JobId),
    /// The job of the fire before it had not ended.
    Skipped,
    /// It waits for the end of the job of the fire before it.
    Held,
    /// There could be no job.
    Refused(String),
}

/// A fire as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The time that it was for.
    pub at: Millis,
    /// When it was done.
    pub when: Millis,
    /// Whether somebody did it by hand.
    pub by_hand: bool,
    /// What became of it.
    pub outcome: FireOutcome,
}

/// Keeps schedules and fires them. Every call is of one tenant, but for
/// [`due`](Schedules::due).
#[async_trait::async_trait]
pub trait Schedules: Send + Sync {
    /// The broker's time in the tenant's partition.
    async fn time(&self, tenant: &str) -> Result<Millis>;

    /// Keeps these schedules in the name of an owner, all or none; with `whole` they
    /// are all that the owner has, and its others go. One that is there already and
    /// says the same is left alone; one that says something else takes the new word
    /// and the new first time, and keeps its pause, its history and its last job.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`](super::BrokerError::Invalid) where another owner has
    /// a schedule of one of these names.
    async fn declare(
        &self,
        tenant: &str,
        owner: &Owner,
        schedules: &[Declared],
        whole: bool,
    ) -> Result<()>;

    /// Schedules in the order of their names, behind `after`, at most `limit`.
    async fn schedules(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Planned>>;

    /// One schedule, and its last fires, the newest first.
    async fn schedule(&self, tenant: &str, name: &str) -> Result<Option<(Planned, Vec<Fired>)>>;

    /// Pauses a schedule, or lets it go on with `due` as its next time: what fell
    /// into the pause is not made up for. Whether there is such a schedule. What it
    /// holds waits for the end of the pause.
    async fn pause_schedule(
        &self,
        tenant: &str,
        name: &str,
        paused: bool,
        due: Option<Millis>,
    ) -> Result<bool>;

    /// Forgets a schedule and its history; whether there was one. Its jobs stay.
    async fn remove_schedule(&self, tenant: &str, name: &str) -> Result<bool>;

    /// Schedules whose time has come, or for which something else has happened that
    /// they waited for; at most `limit`. Who was told of one is alone with it for a
    /// second: then it is told again, if it has not been fired.
    async fn due(&self, partition: Partition, limit: u32) -> Result<Due>;

    /// Fires: makes the jobs, goes by the schedule's
    /// [overlap](crate::schedule::Overlap) for each, and sets its next time, in one
    /// step. Answers with what became of each fire; with nothing where the schedule is
    /// paused, gone or not as it was looked at, and then nothing has happened.
    async fn fire(&self, firing: &Firing) -> Result<Option<Vec<FireOutcome>>>;
}

/// An entry of the history, as stores keep it: time, when (6 bytes each), whether by
/// hand (1), a letter and what it brings.
///
/// `j` job and its id; `s` skipped; `h` held; `r` refused and why.
pub(crate) fn read_fired(entry: &[u8]) -> Option<Fired> {
    let (head, rest) = entry.split_first_chunk::<14>()?;
    let time = |at: usize| {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(&head[at..at + 6]);
        Millis(u64::from_le_bytes(wide))
    };
    Some(Fired {
        at: time(0),
        when: time(6),
        by_hand: head[12] == b'1',
        outcome: read_outcome(head[13], rest)?,
    })
}

/// What became of a fire, by its letter and what it brings.
pub(crate) fn read_outcome(letter: u8, rest: &[u8]) -> Option<FireOutcome> {
    Some(match letter {
        b'j' => FireOutcome::Job(JobId(rest.try_into().ok()?)),
        b's' => FireOutcome::Skipped,
        b'h' => FireOutcome::Held,
        b'r' => FireOutcome::Refused(String::from_utf8_lossy(rest).into_owned()),
        _ => return None,
    })
}

/// Held times as stores keep them: 6 bytes each, little-endian.
pub(crate) fn read_times(bytes: &[u8]) -> Vec<Millis> {
    let (times, _) = bytes.as_chunks::<6>();
    let wide = |time: &[u8; 6]| {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(time);
        Millis(u64::from_le_bytes(wide))
    };
    times.iter().map(wide).collect()
}

/// A schedule's own words, as stores keep them.
pub(crate) fn pack(schedule: &Schedule) -> Vec<u8> {
    rmp_serde::to_vec_named(schedule).expect("a vector takes all writes")
}

/// Reads them.
pub(crate) fn unpack(bytes: &[u8]) -> std::result::Result<Schedule, String> {
    rmp_serde::from_slice(bytes).map_err(|e| e.to_string())
}
