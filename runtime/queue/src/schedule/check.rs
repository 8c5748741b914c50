//! What a schedule must be before it is stored.

use std::time::Duration;

use super::cron::zone;
use super::line::Line;
use super::{CatchUp, Schedule, ScheduledCall, Trigger};
use crate::clock::Millis;
use crate::job::MAX_PRIORITY;
use crate::task::{self, NameError, check_lane, check_name};

/// The longest name of a schedule, in bytes: a module's, a task's, their dots and
/// a number.
pub const MAX_NAME: usize = 2 * task::MAX_NAME + 8;
/// How deep triggers lie in one another, the outermost counted.
pub(super) const MAX_DEPTH: usize = 8;
/// How many triggers lie within one, at any depth.
const MAX_MEMBERS: usize = 64;
/// What a schedule may make up for.
const MAX_CATCH_UP: u32 = 1_000;
/// A schedule is no loop: what shall run more often belongs into a job.
const MIN_PERIOD: Duration = Duration::from_secs(1);
const MAX_JITTER: Duration = Duration::from_secs(86_400);

/// Why there can be no such schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Its name breaks the rules.
    #[error(
        "`{0}` is no valid schedule name: it takes at most {MAX_NAME} bytes of lower-case letters, digits, `_` and `-`, in parts that a `.` joins, a letter or digit first in each"
    )]
    Name(String),
    /// So does a name in its call.
    #[error("call: {0}")]
    Call(#[from] NameError),
    /// A line that is none.
    #[error("{path}: `{line}` is no cron line: {reason}")]
    Cron {
        /// Where in the trigger, such as `all[1].cron`.
        path: String,
        /// The line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A zone that nobody knows.
    #[error(
        "{path}: no time zone is called `{zone}`: write an IANA name such as `Europe/Berlin`, or `UTC`"
    )]
    Zone {
        /// Where in the trigger.
        path: String,
        /// What was written.
        zone: String,
    },
    /// A trigger that makes no sense where it is.
    #[error("{path}: {what}")]
    Trigger {
        /// Where in the whole.
        path: String,
        /// What is wrong, and what to write instead.
        what: String,
    },
    /// A setting beside the trigger.
    #[error("{0}")]
    Setting(String),
    /// A schedule without a fire.
    #[error(
        "`{0}` never fires from now on: between the schedule's start and its end, and within ten years, there is no such time"
    )]
    Never(String),
}

/// Checks a schedule's name.
pub fn check_schedule_name(name: &str) -> Result<&str, ScheduleError> {
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        part.bytes().next().is_some_and(plain)
            && part.bytes().all(|b| plain(b) || b == b'_' || b == b'-')
    };
    if name.len() <= MAX_NAME && name.split('.').all(part) {
        Ok(name)
    } else {
        Err(ScheduleError::Name(name.into()))
    }
}

impl Schedule {
    /// Whether it may be stored: all of it makes sense, and it will fire.
    pub fn check(&self, now: Millis) -> Result<(), ScheduleError> {
        check_schedule_name(&self.name)?;
        self.call.check()?;
        self.check_settings().map_err(ScheduleError::Setting)?;
        let mut count = 0;
        self.trigger.visit(&mut |_| count += 1);
        if count > 1 + MAX_MEMBERS {
            return Err(wrong(
                self.trigger.kind(),
                format!("it has {} members: take at most {MAX_MEMBERS}", count - 1),
            ));
        }
        self.trigger.check("", Role::Source, 1)?;
        match self.first(now) {
            Some(_) => Ok(()),
            None => Err(ScheduleError::Never(self.trigger.to_string())),
        }
    }

    fn check_settings(&self) -> Result<(), String> {
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start > end
        {
            return Err("it ends before it starts: swap `start` and `end`".into());
        }
        if self.jitter > MAX_JITTER {
            return Err("a jitter is at most a day".into());
        }
        match self.catch_up {
            CatchUp::All(0) => Err("to catch up on 0 fires is to catch up on none".into()),
            CatchUp::All(count) if count > MAX_CATCH_UP => Err(format!(
                "{count} fires are too many to catch up on: take at most {MAX_CATCH_UP}"
            )),
            _ => Ok(()),
        }
    }
}

impl ScheduledCall {
    fn check(&self) -> Result<(), ScheduleError> {
        check_name(&self.module, "module")?;
        check_name(&self.task, "task")?;
        if let Some(queue) = &self.queue {
            check_name(queue, "queue")?;
        }
        check_lane(&self.lane)?;
        match self.priority {
            Some(priority) if priority > MAX_PRIORITY => Err(ScheduleError::Setting(format!(
                "a priority of {priority} is too high: take 0 to {MAX_PRIORITY}"
            ))),
            _ => Ok(()),
        }
    }
}

/// What a trigger is there for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// It says when.
    Source,
    /// It says whether.
    Condition,
}

impl Trigger {
    fn kind(&self) -> &'static str {
        match self {
            Trigger::Every { .. } => "every",
            Trigger::Cron { .. } => "cron",
            Trigger::At(_) => "at",
            Trigger::Sun { .. } => "sun",
            Trigger::Any(_) => "any",
            Trigger::All(_) => "all",
            Trigger::Completed { .. } => "completed",
        }
    }

    /// `above` is the path of what it lies in.
    fn check(&self, above: &str, role: Role, depth: usize) -> Result<(), ScheduleError> {
        let path = format!("{above}{}", self.kind());
        let refuse = |what: &str| Err(wrong(&path, what));
        if depth > MAX_DEPTH {
            return refuse(&format!(
                "it lies too deep: take at most {MAX_DEPTH} levels"
            ));
        }
        match self {
            Trigger::Every { period, .. } if *period < MIN_PERIOD => {
                refuse("its period is too short: take at least 1s")
            }
            Trigger::Every { .. } | Trigger::At(_) => Ok(()),
            Trigger::Cron { line, zone } => {
                known_zone(&path, zone)?;
                let line = Line::parse(line).map_err(|reason| (line.clone(), reason));
                line.map(drop)
                    .map_err(|(line, reason)| ScheduleError::Cron { path, line, reason })
            }
            Trigger::Sun { .. } if role == Role::Condition => {
                refuse("the sun is no condition: make it the first of `all`")
            }
            Trigger::Sun {
                latitude,
                longitude,
                ..
            } => {
                if !(-90.0..=90.0).contains(latitude) || !(-180.0..=180.0).contains(longitude) {
                    return refuse(
                        "no such place: a latitude is -90 to 90 degrees, a longitude -180 to 180",
                    );
                }
                Ok(())
            }
            Trigger::Any(members) | Trigger::All(members) if members.is_empty() => {
                refuse("it has no members: give it one, or leave it out")
            }
            Trigger::Any(members) => check_members(members, &path, |_| role, depth),
            Trigger::All(members) => {
                let role = |index| if index == 0 { role } else { Role::Condition };
                check_members(members, &path, role, depth)
            }
            Trigger::Completed { .. } if role == Role::Source => {
                refuse("a task's completion says no time: put it behind the first of `all`")
            }
            Trigger::Completed { module, task, zone } => {
                known_zone(&path, zone)?;
                let names = check_name(module, "module").and(check_name(task, "task"));
                names.map(drop).map_err(|e| wrong(&path, e.to_string()))
            }
        }
    }
}

fn check_members(
    members: &[Trigger],
    path: &str,
    role: impl Fn(usize) -> Role,
    depth: usize,
) -> Result<(), ScheduleError> {
    for (index, member) in members.iter().enumerate() {
        member.check(&format!("{path}[{index}]."), role(index), depth + 1)?;
    }
    Ok(())
}

fn known_zone(path: &str, name: &str) -> Result<(), ScheduleError> {
    match zone(name) {
        Some(_) => Ok(()),
        None => Err(ScheduleError::Zone {
            path: path.into(),
            zone: name.into(),
        }),
    }
}

fn wrong(path: &str, what: impl Into<String>) -> ScheduleError {
    ScheduleError::Trigger {
        path: path.into(),
        what: what.into(),
    }
}
