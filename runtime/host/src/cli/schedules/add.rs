//! `lovage schedules add`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use lovage_queue::client::Client;
use lovage_queue::schedule::{Overlap, SunEvent};
use lovage_queue::task::TaskName;
use serde_json::json;

use super::super::exit::Verdict;
use super::super::{Context, arguments};
use super::show;
use crate::timetable::{CatchUpWord, Entry, Sun, Timing};
use crate::units::{Size, Span};
use crate::view::moment;

const EXAMPLES: &str = "\
Examples:
    lovage schedules add sweep cache.sweep --every 5m
    lovage schedules add report reports.daily to=ann --cron '0 9 * * MON-FRI' --tz Europe/Berlin
    lovage schedules add lights home.lights on:=true --sun sunset@52.52,13.40
    lovage schedules add hourly stats.count --every 1h --only '* * * * MON-FRI'
    lovage schedules add mail reports.mail --cron '0 7 * * *' --once-completed reports.build
    lovage schedules add once backup.run --at 2027-01-31T03:00:00Z

A cron line has five fields (minute, hour, day, month, weekday) or six (a second in
front): names, ranges, steps, lists, `L`, `#`, `W`, and @daily and its like. A time
that daylight saving skips fires when the gap is over, one that comes twice fires at
the first; lines whose hour is `*` go by the clock through both.";

/// Add a schedule, or change the one of this name
///
/// What is not said of the job is as the task's author has it. A schedule that is
/// changed keeps its history.
#[derive(Debug, Args)]
#[command(after_help = format!("{}\n\n{EXAMPLES}", arguments::HELP))]
pub(super) struct Add {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// The task that it calls: `module.task`
    #[arg(value_name = "TASK")]
    task: String,
    /// Arguments: see below
    arguments: Vec<String>,

    /// At even spans since the epoch: `5m` is at :00, :05, …
    #[arg(long, value_name = "SPAN", group = "timing", help_heading = WHEN)]
    every: Option<Span>,
    /// By a cron line
    #[arg(long, value_name = "LINE", group = "timing", help_heading = WHEN)]
    cron: Option<String>,
    /// Once
    #[arg(long, value_name = "TIME", group = "timing", help_heading = WHEN)]
    at: Option<String>,
    /// By the sun: an event, and where, in degrees north and east
    #[arg(long, value_name = "EVENT@LAT,LON", value_parser = sun, group = "timing", help_heading = WHEN)]
    sun: Option<Sun>,
    /// As JSON, whatever it is: `{"any": [{"every": "1h"}, {"cron": "…"}]}`
    #[arg(long, value_name = "JSON", value_parser = timing, group = "timing", help_heading = WHEN)]
    when: Option<Timing>,
    /// The time zone of cron lines and of days [default: UTC]
    #[arg(long, value_name = "ZONE", help_heading = WHEN)]
    tz: Option<String>,
    /// And only while this cron line matches; may be given again
    #[arg(long, value_name = "LINE", help_heading = WHEN)]
    only: Vec<String>,
    /// And only once this task has completed on the same day; may be given again
    #[arg(long, value_name = "TASK", help_heading = WHEN)]
    once_completed: Vec<String>,
    /// Not before
    #[arg(long, value_name = "TIME", help_heading = WHEN)]
    start: Option<String>,
    /// Not after
    #[arg(long, value_name = "TIME", help_heading = WHEN)]
    end: Option<String>,
    /// Each job begins up to so much later, at random
    #[arg(long, value_name = "SPAN", help_heading = WHEN)]
    jitter: Option<Span>,
    /// What becomes of times that no worker was there for: `none`, only the `last` of
    /// them, or the last so many [default: last]
    #[arg(long, value_name = "none|last|N", help_heading = WHEN)]
    catch_up: Option<String>,
    /// What a fire does while the job of the last one has not ended: make another
    /// (`allow`), make none (`skip`), wait for it (`queue`), or cancel it (`replace`)
    #[arg(long, value_parser = PossibleValuesParser::new(["allow", "skip", "queue", "replace"]), default_value = "allow", help_heading = WHEN)]
    overlap: String,

    /// The queue [default: the task's]
    #[arg(long, help_heading = JOB)]
    queue: Option<String>,
    /// A lane of the queue
    #[arg(long, value_name = "KEY", help_heading = JOB)]
    lane: Option<String>,
    /// 0 to 9, 9 first [default: the task's, or 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9), help_heading = JOB)]
    priority: Option<u8>,
    /// How long a job may wait before it begins; after that it is cancelled instead
    #[arg(long, value_name = "SPAN", help_heading = JOB)]
    expires: Option<Span>,
    /// Keep a completed job, with its result, for so long
    #[arg(long, value_name = "SPAN", help_heading = JOB)]
    result_ttl: Option<Span>,
    /// How often to try again after a failure [default: the task's, or 4]
    #[arg(long, value_name = "N", help_heading = JOB)]
    retries: Option<u32>,
    /// Wall-clock time of an attempt [default: the task's, or 60s]
    #[arg(long, value_name = "SPAN", help_heading = JOB)]
    timeout: Option<Span>,
    /// Fuel of an attempt
    #[arg(long, value_name = "UNITS", help_heading = JOB)]
    fuel: Option<u64>,
    /// Memory of an attempt
    #[arg(long, value_name = "SIZE", help_heading = JOB)]
    memory: Option<Size>,
}

const WHEN: &str = "When";
const JOB: &str = "Its jobs";

impl Add {
    pub(super) async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let usage = |text: String| anyhow::Error::from(Verdict::Usage(text));
        let name: TaskName = self.task.parse()?;
        let task = client.task(&name).await?;
        let arguments = arguments::read(&self.arguments, &task)?;
        let name = self.name.clone();
        let schedule = self.entry().schedule_of(&name, arguments).map_err(usage)?;
        let trigger = schedule.trigger.to_string();
        let first = client.add_schedule(schedule).await?;
        let json = json!({"name": name, "when": trigger, "next": first.map(moment)});
        context.out.print(&json, || {
            format!("`{name}`: {trigger}; {}", show::next(first))
        })
    }

    fn entry(self) -> Entry {
        let mut when = self.when.unwrap_or_default();
        when.every = self.every.or(when.every);
        when.cron = self.cron.or(when.cron);
        when.at = self.at.or(when.at);
        when.sun = self.sun.or(when.sun);
        when.tz = self.tz.or(when.tz);
        when.only.extend(self.only);
        when.once_completed.extend(self.once_completed);
        Entry {
            task: self.task,
            when,
            start: self.start,
            end: self.end,
            jitter: self.jitter,
            catch_up: self.catch_up.map(CatchUpWord::Word),
            overlap: match &*self.overlap {
                "skip" => Overlap::Skip,
                "queue" => Overlap::Queue,
                "replace" => Overlap::Replace,
                _ => Overlap::Allow,
            },
            queue: self.queue,
            lane: self.lane,
            priority: self.priority,
            expires: self.expires,
            result_ttl: self.result_ttl,
            retries: self.retries,
            timeout: self.timeout,
            fuel: self.fuel,
            memory: self.memory,
            ..Entry::default()
        }
    }
}

fn timing(json: &str) -> Result<Timing, String> {
    serde_json::from_str(json).map_err(|e| e.to_string())
}

/// `sunset@52.52,13.40`
fn sun(text: &str) -> Result<Sun, String> {
    let wrong = || format!("`{text}` is no event and place, as in `sunset@52.52,13.40`");
    let (event, place) = text.split_once('@').ok_or_else(wrong)?;
    let (latitude, longitude) = place.split_once(',').ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
    Ok(Sun {
        event: event.parse::<SunEvent>()?,
        latitude: number(latitude)?,
        longitude: number(longitude)?,
    })
}
