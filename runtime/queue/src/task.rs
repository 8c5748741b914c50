//! Tasks: their names, what a module says of them, and how they fail.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::{Conflict, Until};
use crate::retry::{Backoff, Retry};
use crate::schedule::TaskSchedule;

/// The longest name of a module, task, queue or tenant, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest lane key, in bytes. A lane is named by callers' data, so it may
/// hold anything but control characters.
pub const MAX_LANE: usize = 128;
/// The tenant that is always there.
pub const DEFAULT_TENANT: &str = "default";
/// The queue of a job that names none.
pub const DEFAULT_QUEUE: &str = "default";

/// A name that breaks the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A module, task, queue or tenant.
    #[error(
        "`{0}` is no valid {1} name: it takes 1 to {MAX_NAME} lower-case letters, digits, `_` and `-`, a letter or digit first"
    )]
    Name(String, &'static str),
    /// A lane key.
    #[error("a lane key takes at most {MAX_LANE} bytes and no control characters")]
    Lane,
    /// A task reference without its module.
    #[error("`{0}` is no task: write `module.task`")]
    Task(String),
}

/// Checks a module's, task's, queue's or tenant's name; `what` is the word for
/// it in the error.
pub fn check_name<'a>(name: &'a str, what: &'static str) -> Result<&'a str, NameError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid = (1..=MAX_NAME).contains(&name.len())
        && plain(name.as_bytes()[0])
        && name.bytes().all(|b| plain(b) || b == b'_' || b == b'-');
    if valid {
        Ok(name)
    } else {
        Err(NameError::Name(shown(name), what))
    }
}

/// What is shown of a name that is none: its beginning, in one line. It may be a
/// stranger's, and as long as an input.
fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let begins = chars.by_ref().take(MAX_NAME);
    let mut text: String = begins
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// Checks a lane key; the empty one is the tenant's own lane in a queue.
pub fn check_lane(lane: &str) -> Result<&str, NameError> {
    let valid = lane.len() <= MAX_LANE && !lane.chars().any(char::is_control);
    if valid {
        Ok(lane)
    } else {
        Err(NameError::Lane)
    }
}

/// A task by its full name: `module.task`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName {
    /// The module's name.
    pub module: String,
    /// The task's name within it.
    pub task: String,
}

impl FromStr for TaskName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (module, task) = text
            .split_once('.')
            .ok_or_else(|| NameError::Task(shown(text)))?;
        Ok(TaskName {
            module: check_name(module, "module")?.into(),
            task: check_name(task, "task")?.into(),
        })
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.module, self.task)
    }
}

/// At most `count` starts in each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub period: Duration,
}

/// That a task's jobs are collected, by number or by time, into one run with a result
/// for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How many jobs a run has at most.
    pub max: u32,
    /// How long the first of them waits for others.
    pub wait: Duration,
}

/// A batch that nobody could run, or that nobody would wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Too few or too many jobs.
    #[error("a batch takes 1 to {MAX_BATCH} jobs, not {0}")]
    Max(u32),
    /// Too short or too long a wait.
    #[error("a batch is waited for 1 ms to {MAX_BATCH_WAIT:?}, not {0:?}")]
    Wait(Duration),
}

/// The most jobs that a batch may have.
pub const MAX_BATCH: u32 = 1_000;
/// The longest that a batch may be waited for.
pub const MAX_BATCH_WAIT: Duration = Duration::from_secs(60);

impl Batch {
    /// Checks both bounds.
    pub fn check(&self) -> Result<(), BatchError> {
        if !(1..=MAX_BATCH).contains(&self.max) {
            return Err(BatchError::Max(self.max));
        }
        if !(Duration::from_millis(1)..=MAX_BATCH_WAIT).contains(&self.wait) {
            return Err(BatchError::Wait(self.wait));
        }
        Ok(())
    }
}

/// A task's own defaults; a call may set each of them, and the host's defaults
/// fill the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskOptions {
    /// The queue its jobs go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// 0 to 9, 9 first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Runs in all, the first included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The wait between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How long after it was enqueued a job may still be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Whether an attempt that ran out of fuel or memory, or whose result was
    /// too large, is tried again like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_exhausted: Option<bool>,
    /// Wall-clock time of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Wall-clock time after which an attempt hears that it should stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_timeout: Option<Duration>,
    /// How long after it was enqueued a job must have begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Duration>,
    /// How long a completed job's record is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_ttl: Option<Duration>,
    /// That no two jobs with the same arguments shall be there at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<(Until, Conflict)>,
    /// Units of fuel an attempt may burn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Bytes of linear memory an attempt may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// How often its jobs may start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many of its jobs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// That its jobs run together. No call has a say in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
}

/// What a module's `describe` says of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskInfo {
    /// Its name within the module.
    pub name: String,
    /// What it does, in Markdown.
    pub doc: String,
    /// JSON Schema of its arguments: one object.
    pub input_schema: serde_json::Value,
    /// JSON Schema of its result.
    pub output_schema: serde_json::Value,
    /// Its defaults.
    pub options: TaskOptions,
    /// When it is called by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<TaskSchedule>,
}

/// A task's own account of why it did not succeed; also how the host words what
/// it found, such as a trap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable word that tells failures apart.
    pub kind: String,
    /// One line for a person.
    pub message: String,
    /// More, such as a traceback.
    pub detail: Option<String>,
    /// What the task asks for next.
    pub retry: Retry,
}

impl Failure {
    /// A failure that the job's policy decides about.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Failure {
            kind: kind.into(),
            message: message.into(),
            detail: None,
            retry: Retry::Policy,
        }
    }

    /// The same, never to be tried again.
    pub fn fatal(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Failure {
            retry: Retry::Never,
            ..Failure::new(kind, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_names_are_a_module_and_a_task() {
        let name: TaskName = "images.thumbnail".parse().unwrap();
        assert_eq!(
            (name.module.as_str(), name.task.as_str()),
            ("images", "thumbnail")
        );
        assert_eq!(
            "images".parse::<TaskName>(),
            Err(NameError::Task("images".into()))
        );
        for wrong in [
            "Images.x",
            "a.b.c",
            ".x",
            "x.",
            "-a.b",
            &format!("{}.b", "a".repeat(65)),
        ] {
            assert!(wrong.parse::<TaskName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_batch_has_its_bounds() {
        let check = |max, ms| {
            let wait = Duration::from_millis(ms);
            Batch { max, wait }.check().map_err(|e| e.to_string())
        };
        assert_eq!(check(1, 1), Ok(()));
        assert_eq!(check(1000, 60_000), Ok(()));
        let said = "a batch takes 1 to 1000 jobs, not 0";
        assert_eq!(check(0, 1), Err(said.into()));
        assert!(check(1001, 1).is_err());
        let said = "a batch is waited for 1 ms to 60s, not 0ns";
        assert_eq!(check(1, 0), Err(said.into()));
        assert!(check(1, 60_001).is_err());
    }

    #[test]
    fn a_lane_may_hold_what_callers_have_but_no_control_characters() {
        assert!(check_lane("user 42/ü").is_ok());
        assert!(check_lane("a\0b").is_err());
        assert!(check_lane(&"x".repeat(129)).is_err());
    }
}
