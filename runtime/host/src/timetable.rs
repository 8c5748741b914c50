//! Schedules as people write them: in `lovage.toml`, and by the flags of
//! `lovage schedules add`.

use std::collections::BTreeMap;

use lovage_queue::arguments::Arguments;
use lovage_queue::clock::Millis;
use lovage_queue::job::JobOptions;
use lovage_queue::schedule::{CatchUp, Overlap, Schedule, ScheduledCall, SunEvent, Trigger};
use lovage_queue::task::TaskName;
use serde::{Deserialize, Serialize};

use crate::units::{Size, Span};

/// When a schedule fires: one of `every`, `cron`, `at`, `sun` and `any` says when,
/// the others of it what must hold then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// A span, counted from the epoch: `5m` is at :00, :05, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// A cron line of 5 or 6 fields, or `@daily` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Once, at an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// By the sun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sun: Option<Sun>,
    /// At the times of any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Timing>,
    /// The time zone of cron lines and days; UTC where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// Cron lines that must match, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Tasks that must have completed on the same day, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub once_completed: Vec<String>,
}

/// A moment of the sun's day at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sun {
    /// Which moment.
    pub event: SunEvent,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// `[schedules.NAME]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// `module.task`
    pub task: String,
    /// When.
    pub when: Timing,
    /// The task's arguments by name.
    pub input: BTreeMap<String, serde_json::Value>,
    /// No fire before this RFC 3339 time.
    pub start: Option<String>,
    /// No fire after this one.
    pub end: Option<String>,
    /// Each job begins up to so much later, at random.
    pub jitter: Option<Span>,
    /// What becomes of times that nobody was there for: `none`, `last` or a number.
    pub catch_up: Option<CatchUpWord>,
    /// What a fire does while the last job still runs.
    pub overlap: Overlap,
    /// The queue, where it is not the task's own.
    pub queue: Option<String>,
    /// The lane.
    pub lane: Option<String>,
    /// 0 to 9, 9 first.
    pub priority: Option<u8>,
    /// How long a job may wait before it begins.
    pub expires: Option<Span>,
    /// How long a completed job is kept.
    pub result_ttl: Option<Span>,
    /// How often to try again after a failure.
    pub retries: Option<u32>,
    /// Wall-clock time of an attempt.
    pub timeout: Option<Span>,
    /// Fuel of an attempt.
    pub fuel: Option<u64>,
    /// Memory of an attempt.
    pub memory: Option<Size>,
}

/// `none`, `last`, or how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CatchUpWord {
    /// How many.
    Number(u32),
    /// A word, or a number as a text.
    Word(String),
}

impl CatchUpWord {
    fn read(&self) -> Result<CatchUp, String> {
        match self {
            CatchUpWord::Number(n) => Ok(CatchUp::All(*n)),
            CatchUpWord::Word(word) => match &**word {
                "none" => Ok(CatchUp::None),
                "last" => Ok(CatchUp::Last),
                other => other.parse().map(CatchUp::All).map_err(|_| {
                    format!("catch-up `{other}` is neither `none`, `last` nor a number")
                }),
            },
        }
    }
}

/// A time by the broker's clock.
fn time(text: &str) -> Result<Millis, String> {
    let at: jiff::Timestamp = text
        .trim()
        .parse()
        .map_err(|e| format!("`{text}` is no time, as in 2027-01-31T09:00:00Z: {e}"))?;
    Ok(Millis(u64::try_from(at.as_millisecond()).unwrap_or(0)))
}

impl Timing {
    /// What it means.
    ///
    /// # Errors
    /// Nothing or more than one thing that says when, or a word that cannot be read.
    pub fn trigger(&self) -> Result<Trigger, String> {
        self.in_zone("UTC")
    }

    fn in_zone(&self, outer: &str) -> Result<Trigger, String> {
        let zone = self.tz.as_deref().unwrap_or(outer).to_owned();
        let mut when = Vec::new();
        if let Some(Span(period)) = self.every {
            when.push(Trigger::Every { period, from: None });
        }
        if let Some(line) = &self.cron {
            let (line, zone) = (line.clone(), zone.clone());
            when.push(Trigger::Cron { line, zone });
        }
        if let Some(at) = &self.at {
            when.push(Trigger::At(time(at)?));
        }
        if let Some(sun) = &self.sun {
            when.push(Trigger::Sun {
                event: sun.event,
                latitude: sun.latitude,
                longitude: sun.longitude,
            });
        }
        if !self.any.is_empty() {
            let any = self.any.iter().map(|it| it.in_zone(&zone));
            when.push(Trigger::Any(any.collect::<Result<_, _>>()?));
        }
        let by_zone = [&self.only, &self.once_completed]
            .iter()
            .any(|it| !it.is_empty());
        if self.tz.is_some() && self.cron.is_none() && self.any.is_empty() && !by_zone {
            return Err("`tz` says nothing here: it is of cron lines and of days".into());
        }
        let said = when.len();
        let (Some(when), 1) = (when.pop(), said) else {
            return Err(format!(
                "say when by one of `every`, `cron`, `at`, `sun` and `any`, and not by {said} of them"
            ));
        };
        let mut all = vec![when];
        for line in &self.only {
            let (line, zone) = (line.clone(), zone.clone());
            all.push(Trigger::Cron { line, zone });
        }
        for name in &self.once_completed {
            let TaskName { module, task } = name
                .parse()
                .map_err(|e: lovage_queue::task::NameError| e.to_string())?;
            let zone = zone.clone();
            all.push(Trigger::Completed { module, task, zone });
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Trigger::All(all),
        })
    }
}

impl Entry {
    /// The schedule of this name that it describes.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn schedule(&self, name: &str) -> Result<Schedule, String> {
        let json = serde_json::Value::Object(self.input.clone().into_iter().collect());
        let input = Arguments::from_json(json).map_err(|e| format!("`input`: {e}"))?;
        self.schedule_of(name, input)
    }

    /// The same with other arguments.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn schedule_of(&self, name: &str, input: Arguments) -> Result<Schedule, String> {
        let task: Result<TaskName, _> = self.task.parse();
        let task = task.map_err(|e| format!("`task`: {e}"))?;
        let trigger = self.when.trigger().map_err(|e| format!("`when`: {e}"))?;
        let span = |it: &Option<Span>| it.map(|Span(span)| span);
        let moment = |it: &Option<String>| it.as_deref().map(time).transpose();
        let catch_up = self.catch_up.as_ref().map(CatchUpWord::read).transpose()?;
        Ok(Schedule {
            name: name.to_owned(),
            trigger,
            call: ScheduledCall {
                module: task.module,
                task: task.task,
                input: input.encode(),
                queue: self.queue.clone(),
                lane: self.lane.clone().unwrap_or_default(),
                priority: self.priority,
                expiry: span(&self.expires),
                result_ttl: span(&self.result_ttl),
                options: JobOptions {
                    max_attempts: self.retries.map(|it| it.saturating_add(1)),
                    timeout: span(&self.timeout),
                    fuel: self.fuel,
                    memory: self.memory.map(|Size(bytes)| bytes),
                    ..JobOptions::default()
                },
            },
            start: moment(&self.start)?,
            end: moment(&self.end)?,
            jitter: span(&self.jitter).unwrap_or_default(),
            catch_up: catch_up.unwrap_or_default(),
            overlap: self.overlap,
        })
    }
}
