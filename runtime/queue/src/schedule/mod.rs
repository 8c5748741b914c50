//! When a schedule fires. Pure: the caller brings the time and what it knows of
//! tasks that have completed; nothing here waits, enqueues or asks a clock.
//!
//! # Layout
//! - here: [`Schedule`], what brokers store of one; its jitter and its key
//! - `trigger`: [`Trigger`], the sources of its times, as they are typed
//! - `check`: what is refused before it is stored, and why
//! - `of_task`: one as a module's task declares it
//! - `plan`: what is due now: late fires, and those that wait for a task
//! - `times`: a trigger resolved for a search, and the search's bounds
//! - `cron`: cron lines in a time zone; `line`: the same by the wall clock
//! - `sun`: sunrise and its like

mod check;
mod cron;
mod line;
mod of_task;
mod plan;
mod sun;
#[cfg(test)]
mod tests;
mod times;
mod trigger;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::check::{MAX_NAME, ScheduleError, check_schedule_name};
pub use self::of_task::TaskSchedule;
pub use self::plan::{Plan, TOLERANCE};
pub use self::trigger::{SunEvent, Trigger};

use self::times::{Times, Work, horizon};
use crate::clock::{Millis, millis};
use crate::job::JobOptions;

/// Which of the fires that nobody saw to in time are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// None of them.
    None,
    /// The newest, unless there is one that is on time.
    #[default]
    Last,
    /// So many of the newest.
    All(u32),
}

/// What becomes of a fire while an earlier one's job has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// The later one is dropped.
    Skip,
    /// The later one waits for the earlier one's end.
    Queue,
    /// The earlier one is cancelled.
    Replace,
}

/// The job that each fire enqueues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledCall {
    /// Its module's name.
    pub module: String,
    /// Its task's name within the module.
    pub task: String,
    /// A MessagePack map of the arguments by name.
    #[serde(default, with = "serde_bytes")]
    pub input: Vec<u8>,
    /// The queue it goes to, where that is not the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Its lane; the empty one is the tenant's own in that queue.
    #[serde(default)]
    pub lane: String,
    /// 0 to 9, 9 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// How long after it was enqueued the job must have begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Duration>,
    /// How long the completed job's record is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_ttl: Option<Duration>,
    /// The rest.
    #[serde(default)]
    pub options: JobOptions,
}

impl ScheduledCall {
    /// A call of `module.task` with all defaults.
    pub fn new(module: &str, task: &str, input: Vec<u8>) -> Self {
        ScheduledCall {
            module: module.into(),
            task: task.into(),
            input,
            queue: None,
            lane: String::new(),
            priority: None,
            expiry: None,
            result_ttl: None,
            options: JobOptions::default(),
        }
    }
}

/// A call and the times it is made at. Brokers store it as named MessagePack, so
/// fields may be added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique within the tenant. Those that a module declares are
    /// called `module.task`, or `module.task.2` and so on.
    pub name: String,
    /// When it fires.
    pub trigger: Trigger,
    /// What it enqueues.
    pub call: ScheduledCall,
    /// The first moment that a fire may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Millis>,
    /// The last moment that a fire may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Millis>,
    /// By how much the job of a fire may begin later, so that schedules of the
    /// same minute do not all begin at once.
    #[serde(default)]
    pub jitter: Duration,
    /// What is made up for after an outage.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What becomes of a fire while an earlier one's job has not ended.
    #[serde(default)]
    pub overlap: Overlap,
}

impl Schedule {
    /// A schedule with all defaults.
    pub fn new(name: &str, trigger: Trigger, call: ScheduledCall) -> Self {
        Schedule {
            name: name.into(),
            trigger,
            call,
            start: None,
            end: None,
            jitter: Duration::ZERO,
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
        }
    }

    /// Whether all of its trigger means something to this release: another may know
    /// more zones and words.
    pub fn is_known(&self) -> bool {
        Times::of(&self.trigger).is_some()
    }

    /// The first fire at or after `now`; `None` if there is none within ten years.
    pub fn first(&self, now: Millis) -> Option<Millis> {
        self.next_from(&Times::of(&self.trigger)?, now)
    }

    /// When the job of the fire at `at` begins: later by a jitter that is drawn
    /// evenly, and alike by every worker. It may lie past [`Schedule::end`].
    pub fn begins(&self, at: Millis) -> Millis {
        let mut hasher = blake3::Hasher::new_derive_key("lovage 2026-11 schedule jitter");
        hasher.update(self.name.as_bytes()).update(b"\0");
        let hash = *hasher.update(&at.0.to_le_bytes()).finalize().as_bytes();
        let drawn = u64::from_le_bytes(*hash.first_chunk().expect("a digest has 32 bytes"));
        let room = u128::from(millis(self.jitter)) + 1;
        let wait = (u128::from(drawn) * room) >> u64::BITS;
        Millis(at.0.saturating_add(wait as u64))
    }

    /// What names the job of the fire at `at`: the text of an idempotency key, so
    /// that two workers that see to the same fire enqueue one job.
    pub fn idempotency(&self, at: Millis) -> String {
        format!("schedule:{}@{at}", self.name)
    }

    /// The first fire at or after `at`, within start and end.
    fn next_from(&self, times: &Times, at: Millis) -> Option<Millis> {
        let at = at.max(self.start.unwrap_or_default());
        let until = horizon(at).min(self.end.unwrap_or(Millis(u64::MAX)));
        times.first(at, until, &Work::default())
    }
}
