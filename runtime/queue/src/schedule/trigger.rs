//! What makes a schedule fire, as it is typed and stored.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::times::{Known, Times, Work, horizon};
use crate::clock::Millis;
use crate::task::TaskName;

/// A source of times, or a condition on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// At `from`, and each `period` after it.
    Every {
        /// At least a second; whole milliseconds count.
        period: Duration,
        /// The epoch where nothing is said, so that every five minutes is at :00
        /// and :05, wherever and whenever it was declared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Millis>,
    },
    /// At the times of a cron line of 5 or 6 fields (seconds first) or a nickname
    /// such as `@daily`. As a condition it holds for the whole minute, or second,
    /// from each of them on.
    Cron {
        /// The line.
        line: String,
        /// The IANA name of the time zone whose wall clock it means.
        #[serde(default = "utc")]
        zone: String,
    },
    /// Once. As a condition it holds from then on.
    At(Millis),
    /// At an event of the sun's day, to the minute. It is no condition.
    Sun {
        /// Which.
        event: SunEvent,
        /// In degrees, north positive.
        latitude: f64,
        /// In degrees, east positive.
        longitude: f64,
    },
    /// At the times of each of them. As a condition it holds where one does.
    Any(Vec<Trigger>),
    /// At those times of the first at which the others hold.
    All(Vec<Trigger>),
    /// A condition: that the task has completed on the day of the fire, before it
    /// is looked at.
    Completed {
        /// The task's module.
        module: String,
        /// The task.
        task: String,
        /// The IANA name of the time zone whose day it is.
        #[serde(default = "utc")]
        zone: String,
    },
}

fn utc() -> String {
    "UTC".into()
}

impl Trigger {
    /// The first time after `after`, as if each task that is waited for had
    /// completed. `None` where there is none within ten years, for a trigger that
    /// a check refuses, and for one that takes tens of thousands of looks: what
    /// agrees so seldom is taken for what never does.
    pub fn next(&self, after: Millis) -> Option<Millis> {
        let from = Millis(after.0.checked_add(1)?);
        Times::of(self)?.first(from, horizon(from), &Work::default())
    }

    /// The tasks that its conditions wait for.
    pub fn requires(&self) -> Vec<TaskName> {
        let mut tasks = Vec::new();
        self.visit(&mut |trigger| {
            if let Trigger::Completed { module, task, .. } = trigger {
                tasks.push(TaskName {
                    module: module.clone(),
                    task: task.clone(),
                });
            }
        });
        tasks.sort();
        tasks.dedup();
        tasks
    }

    /// Whether the fire that is due at `at` may go, where `completed` knows when
    /// a task last completed.
    pub fn holds(
        &self,
        at: Millis,
        now: Millis,
        completed: &dyn Fn(&TaskName) -> Option<Millis>,
    ) -> bool {
        let known = Known { now, completed };
        self.requires().is_empty() || Times::of(self).is_some_and(|times| times.allows(at, &known))
    }

    /// Shows it, and all below it.
    pub(super) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Trigger)) {
        see(self);
        if let Trigger::Any(members) | Trigger::All(members) = self {
            members.iter().for_each(|member| member.visit(see));
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::Every { period, from: None } => write!(f, "every {}", Span(*period)),
            Trigger::Every {
                period,
                from: Some(from),
            } => write!(f, "every {} from {}", Span(*period), Moment(*from)),
            Trigger::Cron { line, zone } => write!(f, "cron \"{line}\" {zone}"),
            Trigger::At(at) => write!(f, "at {}", Moment(*at)),
            Trigger::Sun {
                event,
                latitude,
                longitude,
            } => write!(f, "{event} at {latitude}, {longitude}"),
            Trigger::Any(members) => list(f, members, " or "),
            Trigger::All(members) => {
                let Some((first, conditions)) = members.split_first() else {
                    return Ok(());
                };
                part(f, first)?;
                if !conditions.is_empty() {
                    f.write_str(", where ")?;
                }
                list(f, conditions, " and ")
            }
            Trigger::Completed { module, task, zone } => {
                write!(f, "{module}.{task} has completed that day ({zone})")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, members: &[Trigger], between: &str) -> fmt::Result {
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        part(f, member)?;
    }
    Ok(())
}

/// A member of another one: in parentheses, where it has members itself.
fn part(f: &mut fmt::Formatter<'_>, member: &Trigger) -> fmt::Result {
    match member {
        Trigger::Any(_) | Trigger::All(_) => write!(f, "({member})"),
        _ => fmt::Display::fmt(member, f),
    }
}

struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = crate::clock::millis(self.0);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
            ("ms", 1),
        ] {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

struct Moment(Millis);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = i64::try_from(self.0.0).ok();
        match at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            Some(at) => write!(f, "{at}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

macro_rules! sun_events {
    ($($(#[$doc:meta])* $variant:ident $text:literal,)*) => {
        /// An event of the sun's day, by the words that Celery has for them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum SunEvent { $($(#[$doc])* $variant,)* }

        impl SunEvent {
            /// All of them, in the order of the day.
            pub const ALL: &'static [SunEvent] = &[$(SunEvent::$variant,)*];

            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self { $(SunEvent::$variant => $text,)* }
            }
        }
    };
}

sun_events! {
    /// The sun's centre rises past 18° below the horizon.
    DawnAstronomical "dawn_astronomical",
    /// The same at 12°.
    DawnNautical "dawn_nautical",
    /// The same at 6°.
    DawnCivil "dawn_civil",
    /// Its upper edge appears.
    Sunrise "sunrise",
    /// It stands highest.
    SolarNoon "solar_noon",
    /// Its upper edge is gone.
    Sunset "sunset",
    /// Its centre sinks past 6° below the horizon.
    DuskCivil "dusk_civil",
    /// The same at 12°.
    DuskNautical "dusk_nautical",
    /// The same at 18°.
    DuskAstronomical "dusk_astronomical",
}

impl fmt::Display for SunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SunEvent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied().find(|it| it.as_str() == text);
        known.ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|it| it.as_str()).collect();
            format!("`{text}` is none of {}", known.join(", "))
        })
    }
}
