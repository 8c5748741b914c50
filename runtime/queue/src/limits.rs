//! What may start, how often and beside how many others. Pure: both brokers go
//! by these rules, and `broker/redis/scripts/limits.lua` is this file's twin.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::task::{NameError, Rate, TaskName, TaskOptions, check_lane, check_name};

/// How far ahead of its even pace a rate may run, in microseconds: what a wake-up
/// is late by is made up for, and fast starts come in batches.
const AHEAD: u64 = 50_000;

/// What a limit or a pause is of. All of them lie within one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All of the tenant's jobs.
    Tenant,
    /// The jobs of a queue.
    Queue(String),
    /// The jobs of one lane of a queue.
    Lane(String, String),
    /// Each lane of a queue that jobs name by a key, by itself.
    Lanes(String),
    /// The jobs of a task.
    Task(TaskName),
    /// The jobs of a module: it may be paused, no more.
    Module(String),
}

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It begins with no word of ours.
    #[error(
        "`{0}` is no scope: write `tenant`, `queue:NAME`, `lane:QUEUE/KEY`, `lanes:QUEUE`, `task:MODULE.TASK` or `module:NAME`"
    )]
    Unknown(String),
    /// A name in it breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let unknown = || ScopeError::Unknown(text.into());
        if text == "tenant" {
            return Ok(Scope::Tenant);
        }
        let (kind, name) = text.split_once(':').ok_or_else(unknown)?;
        let queue = |name| check_name(name, "queue").map(str::to_owned);
        Ok(match kind {
            "queue" => Scope::Queue(queue(name)?),
            "lanes" => Scope::Lanes(queue(name)?),
            "lane" => {
                let (of, key) = name.split_once('/').ok_or_else(unknown)?;
                let key = check_lane(key)?.to_owned();
                if key.is_empty() {
                    return Err(unknown());
                }
                Scope::Lane(queue(of)?, key)
            }
            "task" => Scope::Task(name.parse()?),
            "module" => Scope::Module(check_name(name, "module")?.into()),
            _ => return Err(unknown()),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Tenant => f.write_str("tenant"),
            Scope::Queue(queue) => write!(f, "queue:{queue}"),
            Scope::Lane(queue, key) => write!(f, "lane:{queue}/{key}"),
            Scope::Lanes(queue) => write!(f, "lanes:{queue}"),
            Scope::Task(task) => write!(f, "task:{task}"),
            Scope::Module(module) => write!(f, "module:{module}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// In which order a lane's jobs go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// A step of priority is worth ten minutes of waiting, so nothing waits for
    /// ever.
    #[default]
    Aging,
    /// The higher priority always goes first.
    Strict,
}

/// What a scope allows. The default allows everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limit {
    /// How often its jobs may start.
    pub rate: Option<Rate>,
    /// How many of them may run at once.
    pub concurrency: Option<u32>,
    /// Of a queue: how many of them may wait (scheduled, available and
    /// retryable). Past it enqueue is refused.
    pub depth: Option<u32>,
    /// Of a queue: which of them goes first.
    pub order: Order,
}

impl Limit {
    /// What a module says of one of its tasks; `None` where it says nothing.
    pub fn declared(options: &TaskOptions) -> Option<Self> {
        let limit = Limit {
            rate: options.rate,
            concurrency: options.concurrency,
            ..Limit::default()
        };
        (limit != Limit::default()).then_some(limit)
    }

    /// Why a scope cannot have this limit.
    pub fn check(&self, scope: &Scope) -> Result<(), String> {
        let of_queue = matches!(scope, Scope::Queue(_));
        if (self.depth.is_some() || self.order != Order::default()) && !of_queue {
            return Err(format!(
                "only a queue has a depth or an order, not `{scope}`"
            ));
        }
        if matches!(scope, Scope::Module(_)) && *self != Limit::default() {
            return Err(format!(
                "`{scope}` can be paused, but has no limits: limit its tasks"
            ));
        }
        if self.concurrency == Some(0) {
            return Err("a concurrency of 0 lets nothing run: pause it instead".into());
        }
        if self
            .rate
            .is_some_and(|rate| rate.count == 0 || rate.period < Duration::from_millis(1))
        {
            return Err("a rate of 0 lets nothing run: pause it instead".into());
        }
        Ok(())
    }
}

/// A scope's limit, and what it holds just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limited {
    /// Of what.
    pub scope: Scope,
    /// What it allows: a task's is its module's word, where nobody else set one.
    #[serde(flatten)]
    pub limit: Limit,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether the limit is the module's own word.
    pub declared: bool,
    /// How many of its jobs run, where its concurrency is limited.
    pub running: u32,
}

/// The generic cell rate algorithm (ITU-T I.371, annex A, in its virtual
/// scheduling form): starts are even, and 50 ms may be borrowed or made up for.
/// So over any time they are `count` a `period`, however many workers share it.
///
/// Of two, the slower is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pace {
    /// Microseconds between two starts.
    step: u64,
}

impl Pace {
    /// The pace of a rate.
    pub fn of(rate: Rate) -> Self {
        let period = u64::try_from(rate.period.as_micros()).unwrap_or(u64::MAX);
        Pace {
            step: (period / u64::from(rate.count.max(1))).max(1),
        }
    }

    /// How many may start now. `due` is the theoretical time of the next start,
    /// in microseconds; zero before the first.
    pub fn room(self, due: u64, now: Millis) -> u64 {
        let now = now.0 * 1_000;
        (now + AHEAD)
            .checked_sub(due.max(now))
            .map_or(0, |ahead| ahead / self.step + 1)
    }

    /// The theoretical time of the next start once `started` more have started.
    pub fn after(self, due: u64, now: Millis, started: u64) -> u64 {
        due.max(now.0 * 1_000) + started * self.step
    }

    /// The same once one that started is said not to have.
    pub fn before(self, due: u64) -> u64 {
        due.saturating_sub(self.step)
    }

    /// How far the theoretical time of the next start can be, whatever has started.
    pub fn farthest(self, now: Millis) -> u64 {
        now.0 * 1_000 + AHEAD + self.step
    }

    /// When one more may start, where none may now.
    pub fn next(due: u64) -> Millis {
        Millis(due.saturating_sub(AHEAD).div_ceil(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_from_their_text() {
        for text in [
            "tenant",
            "queue:default",
            "lane:default/user 42/x",
            "lanes:default",
            "task:images.thumbnail",
            "module:images",
        ] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "queue",
            "queue:",
            "lane:default",
            "lane:default/",
            "task:x",
            "all:x",
        ] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_is_exact_over_time_although_wake_ups_are_late() {
        let rate = Rate {
            count: 100,
            period: Duration::from_secs(1),
        };
        let pace = Pace::of(rate);
        let (mut due, mut now, mut started) = (0, Millis(1_000_000), 0);
        let begin = now;
        while now.0 < begin.0 + 60_000 {
            let room = pace.room(due, now);
            if room > 0 {
                started += room;
                due = pace.after(due, now, room);
            }
            // Late by up to 40 ms, as a busy machine is.
            now = Millis(Pace::next(due).0.max(now.0 + 1) + started % 41);
        }
        assert!((5_940..=6_060).contains(&started), "{started}");
    }

    #[test]
    fn a_slow_rate_starts_one_at_a_time() {
        let hourly = Pace::of(Rate {
            count: 1,
            period: Duration::from_secs(3600),
        });
        let now = Millis(7_200_000);
        assert_eq!(hourly.room(0, now), 1);
        let due = hourly.after(0, now, 1);
        assert_eq!(hourly.room(due, now), 0);
        assert_eq!(Pace::next(due), Millis(now.0 + 3_600_000 - 50));
        assert_eq!(hourly.room(due, Pace::next(due)), 1);
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        let none = Limit::default();
        let deep = Limit {
            depth: Some(5),
            ..none
        };
        assert!(deep.check(&Scope::Queue("q".into())).is_ok());
        assert!(deep.check(&Scope::Tenant).is_err());
        let one = Limit {
            concurrency: Some(1),
            ..none
        };
        assert!(one.check(&Scope::Lanes("q".into())).is_ok());
        assert!(one.check(&Scope::Module("m".into())).is_err());
        assert!(none.check(&Scope::Module("m".into())).is_ok());
        assert!(
            Limit {
                concurrency: Some(0),
                ..none
            }
            .check(&Scope::Tenant)
            .is_err()
        );
    }
}
