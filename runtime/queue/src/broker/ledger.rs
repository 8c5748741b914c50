//! The contract of the ledger: what a broker keeps for those who look on, and for the
//! front door. Nothing of it is on a job's way, and all of it is bounded.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BrokerError, Result};
use crate::clock::Millis;
use crate::job::{JobId, WorkerId};
use crate::task::{TaskName, check_name};

/// How many entries a shelf of a tenant has at most.
pub const MAX_ENTRIES: usize = 1_000;
/// How many bytes an entry has at most.
pub const MAX_ENTRY: usize = 16 * 1024;
/// How many bytes the name of an entry has at most.
pub const MAX_ENTRY_NAME: usize = 255;
/// For how long history is kept.
pub const HISTORY_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many pairs of queue and task a minute of a tenant tells apart. What is beyond is
/// added to one pair of empty names, the others.
pub const MAX_SERIES: usize = 200;
/// For how many days usage is kept.
pub const USAGE_DAYS: u32 = 400;
/// How many minutes one look at the history covers at most.
pub const MAX_MINUTES: u32 = 60;
/// How many of a tenant's last events are kept, at least; hardly more are.
pub const EVENTS_KEPT: usize = 10_000;
/// How many bytes an event has at most.
pub const MAX_EVENT: usize = 4 * 1024;
/// How many tallies, and how many events, are told at most in one step; and how many
/// events a look answers with.
pub const MAX_TOLD: usize = 1_000;
/// How many of a worker's jobs are named at most.
pub const MAX_HELD: usize = 1_000;
/// How many lanes a look answers with at most.
pub const MAX_LANES: u32 = 1_000;

/// No sum grows past this: all numbers up to here are exact in every store.
pub(crate) const MOST: u64 = 1 << 53;

/// A shelf of small entries by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shelf {
    /// Who may use the front door.
    Tokens,
    /// Who is told of events.
    Hooks,
    /// What modules were granted.
    Grants,
    /// Values that modules read by name.
    Config,
    /// Those of them that are encrypted, with a key that is not here.
    Secrets,
}

impl Shelf {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Shelf::Tokens => "tokens",
            Shelf::Hooks => "hooks",
            Shelf::Grants => "grants",
            Shelf::Config => "config",
            Shelf::Secrets => "secrets",
        }
    }
}

/// What became of a task's jobs in one queue since the last tally.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The queue.
    pub queue: String,
    /// The task: `module.task`.
    pub task: String,
    /// Jobs that completed.
    pub completed: u64,
    /// Attempts that failed and are tried again.
    pub retried: u64,
    /// Jobs that went to the dead list.
    pub discarded: u64,
    /// Jobs that were stopped.
    pub cancelled: u64,
    /// For how long attempts ran, all together.
    pub ran: Duration,
    /// For how long attempts were available before they began, all together.
    pub waited: Duration,
    /// The longest of these.
    pub waited_most: Duration,
    /// Fuel that attempts used, all together.
    pub fuel: u64,
    /// Attempts, whatever came of them.
    #[serde(default)]
    pub attempts: u64,
    /// CPU time that guests took, all together.
    #[serde(default)]
    pub cpu: Duration,
    /// The most memory of each attempt times how long it ran, all together, in KiB times
    /// milliseconds.
    #[serde(default)]
    pub memory_time: u64,
}

/// How many numbers a tally has.
pub(crate) const NUMBERS: usize = 11;

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(MOST)
}

impl Tally {
    /// The numbers, as the stores keep them: spans in microseconds. All are added up but
    /// `waited_most`, of which the greatest stays. Behind it stands what an earlier Lovage
    /// did not count.
    pub(crate) fn numbers(&self) -> [u64; NUMBERS] {
        [
            self.completed,
            self.retried,
            self.discarded,
            self.cancelled,
            micros(self.ran),
            micros(self.waited),
            self.fuel,
            micros(self.waited_most),
            self.attempts,
            micros(self.cpu),
            self.memory_time,
        ]
        .map(|it| it.min(MOST))
    }

    /// What of it is kept for long: as [`Usage::of`] takes it, or nothing where no attempt
    /// was.
    pub(crate) fn usage(&self) -> Option<[u64; USED]> {
        let used = [
            self.attempts,
            micros(self.cpu),
            self.memory_time,
            self.fuel,
            micros(self.ran),
        ];
        (used != [0; USED]).then(|| used.map(|it| it.min(MOST)))
    }

    pub(crate) fn of(queue: String, task: String, numbers: [u64; NUMBERS]) -> Self {
        let [
            completed,
            retried,
            discarded,
            cancelled,
            ran,
            waited,
            fuel,
            most,
            attempts,
            cpu,
            memory_time,
        ] = numbers;
        Tally {
            queue,
            task,
            completed,
            retried,
            discarded,
            cancelled,
            ran: Duration::from_micros(ran),
            waited: Duration::from_micros(waited),
            waited_most: Duration::from_micros(most),
            fuel,
            attempts,
            cpu: Duration::from_micros(cpu),
            memory_time,
        }
    }
}

/// How many numbers a day's usage of a task has.
pub(crate) const USED: usize = 5;

/// What a task used on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When the day began, in UTC.
    pub day: Millis,
    /// The task: `module.task`. Empty where it is of all that [`MAX_SERIES`] had no place
    /// for.
    pub task: String,
    /// Attempts, whatever came of them.
    pub attempts: u64,
    /// CPU time that guests took.
    pub cpu: Duration,
    /// The most memory of each attempt times how long it ran, in KiB times milliseconds.
    pub memory_time: u64,
    /// Fuel.
    pub fuel: u64,
    /// For how long attempts ran.
    pub ran: Duration,
}

impl Usage {
    pub(crate) fn of(day: Millis, task: String, numbers: [u64; USED]) -> Self {
        let [attempts, cpu, memory_time, fuel, ran] = numbers;
        Usage {
            day,
            task,
            attempts,
            cpu: Duration::from_micros(cpu),
            memory_time,
            fuel,
            ran: Duration::from_micros(ran),
        }
    }
}

/// What became of a task's jobs in one queue in a minute of history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute {
    /// When the minute began.
    pub at: Millis,
    /// What became of them. Queue and task are empty where it is of all that
    /// [`MAX_SERIES`] had no place for.
    pub tally: Tally,
}

/// Events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Each with the cursor behind it.
    pub events: Vec<(String, Vec<u8>)>,
    /// The cursor behind all of them.
    pub cursor: String,
    /// Whether some may have left that the last look had not seen.
    pub missed: bool,
}

/// A live worker, as a tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Which.
    pub worker: WorkerId,
    /// Until when it counts as alive without a further sign.
    pub expires: Millis,
    /// What its last heartbeat told of its host; empty where none told anything.
    #[serde(with = "serde_bytes")]
    pub about: Vec<u8>,
    /// The tenant's jobs that it holds, at most [`MAX_HELD`] of them, in order.
    pub held: Vec<JobId>,
    /// How many jobs of other tenants it holds.
    pub others: u64,
}

/// How many jobs of a lane may be claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCounts {
    /// Its key; the empty one is the tenant's own lane, in which jobs of limited tasks
    /// count too, wherever the broker keeps them.
    pub lane: String,
    /// How many are available. One that was cancelled may be counted until a claim has
    /// come by.
    pub available: u64,
    /// Since when the oldest of them waits, as far as that is known.
    pub oldest: Option<Millis>,
}

/// What a broker keeps for those who look on, and for the front door.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync {
    /// Keeps an entry under a name, instead of the one that had it before.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for a name that is empty, longer than
    /// [`MAX_ENTRY_NAME`] or has control characters, for more bytes than [`MAX_ENTRY`],
    /// and for a further entry of a shelf that has [`MAX_ENTRIES`].
    async fn put_entry(&self, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<()>;

    /// Takes an entry from its shelf; whether it was there.
    async fn remove_entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<bool>;

    /// An entry.
    async fn entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>>;

    /// All entries of a shelf, sorted by name.
    async fn entries(&self, tenant: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>>;

    /// Adds tallies to the current minute, by the broker's clock, and appends events in
    /// their order: all or nothing, at most [`MAX_TOLD`] of either. It is not safe to
    /// repeat: what was told twice counts twice.
    ///
    /// A minute tells [`MAX_SERIES`] pairs of queue and task apart; the tallies of
    /// further ones are added to the pair of empty names.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for too many, for a tally whose queue or task has no
    /// such name, and for an event of more than [`MAX_EVENT`] bytes.
    async fn tell(&self, tenant: &str, tallies: &[Tally], events: &[Vec<u8>]) -> Result<()>;

    /// The history of so many minutes, from the one on in which `from` lies; sorted by
    /// time, queue and task. Only of minutes and pairs in which something happened, and
    /// of none that began longer than [`HISTORY_KEPT`] ago.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for more than [`MAX_MINUTES`].
    async fn history(&self, tenant: &str, from: Millis, minutes: u32) -> Result<Vec<Minute>>;

    /// What tasks used on so many days, from the one on in which `from` lies; sorted by
    /// day and task. A day is one of UTC, by the broker's clock; only of days and tasks with
    /// attempts, and of none that began longer than [`USAGE_DAYS`] ago. A day tells
    /// [`MAX_SERIES`] tasks apart.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for more than [`USAGE_DAYS`].
    async fn usage(&self, tenant: &str, from: Millis, days: u32) -> Result<Vec<Usage>>;

    /// Events behind a cursor, oldest first, at most `limit` and at most [`MAX_TOLD`];
    /// without a cursor none, but the cursor of now. Behind the cursor of an event that
    /// is not there any more come the oldest that are, and `missed` is said.
    ///
    /// A cursor is a text of this broker's, and nobody else need understand it.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for what is no cursor.
    async fn events(&self, tenant: &str, after: Option<&str>, limit: u32) -> Result<Events>;

    /// The live workers of the tenant's partition, sorted by id. They are everybody's;
    /// of other tenants' jobs only the number is told.
    async fn workers(&self, tenant: &str) -> Result<Vec<WorkerStatus>>;

    /// Lanes of a queue that have available jobs, also those that wait for a limit, at
    /// most `limit` and at most [`MAX_LANES`], sorted by key. Which they are where there
    /// are more is not said.
    async fn lanes(&self, tenant: &str, queue: &str, limit: u32) -> Result<Vec<LaneCounts>>;
}

/// The minutes of a look: from the first of these times up to the other.
pub(crate) fn check_look(from: Millis, minutes: u32) -> Result<(Millis, Millis)> {
    if minutes > MAX_MINUTES {
        return Err(BrokerError::Invalid(format!(
            "a look at the history covers at most {MAX_MINUTES} minutes, and not {minutes}"
        )));
    }
    let from = minute_of(from);
    Ok((from, from.after(MINUTE * minutes)))
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// For how long usage is kept.
pub(crate) const USAGE_KEPT: Duration = Duration::from_secs(USAGE_DAYS as u64 * 24 * 3600);

/// The days of a look: from the first of these times up to the other.
pub(crate) fn check_days(from: Millis, days: u32) -> Result<(Millis, Millis)> {
    if days > USAGE_DAYS {
        return Err(BrokerError::Invalid(format!(
            "usage is kept for {USAGE_DAYS} days: a look covers no more, and not {days}"
        )));
    }
    let from = day_of(from);
    Ok((from, from.after(DAY * days)))
}

/// The day that a time lies in, as [`minute_of`].
pub(crate) fn day_of(at: Millis) -> Millis {
    let at = at.0.min(MOST);
    Millis(at - at % 86_400_000)
}

/// The minute that a time lies in. Past any calendar there is one last minute, so that no
/// store need know of longer numbers.
pub(crate) fn minute_of(at: Millis) -> Millis {
    let at = at.0.min(MOST);
    Millis(at - at % 60_000)
}

pub(crate) fn check_entry(tenant: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let invalid = |said: String| Err(BrokerError::Invalid(said));
    check_tenant(tenant)?;
    if name.is_empty() || name.len() > MAX_ENTRY_NAME || name.chars().any(char::is_control) {
        return invalid(format!(
            "an entry's name has 1 to {MAX_ENTRY_NAME} bytes and no control characters"
        ));
    }
    if bytes.len() > MAX_ENTRY {
        return invalid(format!(
            "entry `{name}` has {} bytes: at most {MAX_ENTRY} are kept",
            bytes.len()
        ));
    }
    Ok(())
}

/// A shelf takes no further entry.
pub(crate) fn shelf_is_full(shelf: Shelf) -> BrokerError {
    BrokerError::Invalid(format!(
        "there are {MAX_ENTRIES} {} already: remove one first",
        shelf.as_str()
    ))
}

pub(crate) fn check_told(tenant: &str, tallies: &[Tally], events: &[Vec<u8>]) -> Result<()> {
    let invalid = |said: String| Err(BrokerError::Invalid(said));
    check_tenant(tenant)?;
    let most = tallies.len().max(events.len());
    if most > MAX_TOLD {
        return invalid(format!(
            "at most {MAX_TOLD} tallies and events are told in a step, and not {most}"
        ));
    }
    for it in tallies {
        check_name(&it.queue, "queue").map_err(|e| BrokerError::Invalid(e.to_string()))?;
        if let Err(error) = it.task.parse::<TaskName>() {
            return invalid(error.to_string());
        }
    }
    match events.iter().find(|it| it.len() > MAX_EVENT) {
        None => Ok(()),
        Some(event) => invalid(format!(
            "an event has at most {MAX_EVENT} bytes, and not {}",
            event.len()
        )),
    }
}

fn check_tenant(tenant: &str) -> Result<()> {
    let named = check_name(tenant, "tenant").map(drop);
    named.map_err(|e| BrokerError::Invalid(e.to_string()))
}

pub(crate) fn no_cursor(text: &str) -> BrokerError {
    BrokerError::Invalid(format!("`{text}` is no cursor: begin without one"))
}

/// Sorts lanes, and counts the lanes of limited tasks with the tenant's own.
pub(crate) fn as_named(lanes: Vec<LaneCounts>) -> Vec<LaneCounts> {
    let mut named: Vec<LaneCounts> = Vec::with_capacity(lanes.len());
    let (own, mut others): (Vec<_>, Vec<_>) = lanes
        .into_iter()
        .partition(|it| it.lane.is_empty() || it.lane.starts_with('\u{1}'));
    if !own.is_empty() {
        named.push(LaneCounts {
            lane: String::new(),
            available: own.iter().map(|it| it.available).sum(),
            oldest: own.iter().filter_map(|it| it.oldest).min(),
        });
    }
    others.sort_by(|a, b| a.lane.cmp(&b.lane));
    named.append(&mut others);
    named
}
