//! On what terms a job is enqueued, as flags: when it may begin, how often it is
//! tried, and beside which others it may not be.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use lovage_queue::client::{Call, Unique};
use lovage_queue::job::{Conflict, JobOptions, Pin, Until, When};
use lovage_queue::retry::Backoff;

use super::budget::BudgetFlags;
use super::exit::Verdict;
use crate::units::{Span, TAGS, read_key, read_until, read_when, tag_list};

/// Each goes before the task's own word.
#[derive(Debug, Args)]
pub(super) struct TermFlags {
    /// The queue [default: the task's]
    #[arg(long)]
    queue: Option<String>,
    /// A lane of the queue, with an order of its own
    #[arg(long, value_name = "KEY")]
    lane: Option<String>,
    /// 0 to 9, 9 first [default: the task's, or 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Run this release, whichever is active
    #[arg(long, value_name = "NUMBER")]
    release: Option<u32>,
    /// A word to find it by; may be said again
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Not before: a time by the broker's clock, or a span from now
    #[arg(long, visible_alias = "countdown", value_name = "TIME|SPAN", value_parser = read_when, help_heading = TIME)]
    eta: Option<When>,
    /// Cancel the job if it has not begun by then
    #[arg(long, value_name = "TIME|SPAN", value_parser = read_when, help_heading = TIME)]
    expires: Option<When>,
    /// Start no further attempt when the job is older than this
    #[arg(long, value_name = "SPAN", help_heading = TIME)]
    max_age: Option<Span>,
    /// Keep the completed job, with its result, for so long
    #[arg(long, value_name = "SPAN", help_heading = TIME)]
    result_ttl: Option<Span>,

    /// How often to try again after a failure [default: the task's, or 4]
    #[arg(long, value_name = "N", help_heading = AGAIN)]
    retries: Option<u32>,
    /// How long the wait after the first failure is at most; each further one may be three
    /// times as long, up to 1h [default: the task's, or 5s]
    #[arg(long, value_name = "SPAN", help_heading = AGAIN)]
    backoff: Option<Span>,
    /// Try again also when fuel or memory ran out, or the result was too large
    #[arg(
        long, value_name = "BOOL", help_heading = AGAIN,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    retry_exhausted: Option<bool>,

    /// Idempotent: a second call with this key gets the first one's job, for as
    /// long as that is kept
    #[arg(
        long, value_name = "KEY", value_parser = read_key,
        conflicts_with = "batch", help_heading = ONCE
    )]
    key: Option<String>,
    /// No two of a kind at once: those with this key, or else those of the task
    /// with the same arguments
    #[arg(
        long, value_name = "KEY", help_heading = ONCE,
        num_args = 0..=1, require_equals = true, default_missing_value = ""
    )]
    unique: Option<String>,
    /// How long it is unique: until a worker has begun with it (`start`), until it
    /// has ended (`done`), or for a span [default: done]
    #[arg(long, value_name = "start|done|SPAN", value_parser = read_until, requires = "unique", help_heading = ONCE)]
    until: Option<Until>,
    /// What a second one does: it gets the first one's id, is refused, or takes
    /// the place of the first one, which is cancelled [default: existing]
    #[arg(long, value_name = "WHAT", value_parser = conflicts(), requires = "unique", help_heading = ONCE)]
    on_conflict: Option<Conflict>,

    #[command(flatten, next_help_heading = "Limits of an attempt")]
    budget: BudgetFlags,
}

const TIME: &str = "Time";
const AGAIN: &str = "Retries";
const ONCE: &str = "Once only";

impl TermFlags {
    /// The release that the job is to run.
    pub(super) fn pin(&self) -> Pin {
        self.release.map_or(Pin::Active, Pin::Release)
    }

    /// Puts all of it into a call.
    pub(super) fn set(&self, call: &mut Call) -> anyhow::Result<()> {
        let span = |it: &Option<Span>| -> Option<Duration> { it.map(|Span(span)| span) };
        call.queue.clone_from(&self.queue);
        call.lane = self.lane.clone().unwrap_or_default();
        call.priority = self.priority;
        call.pin = self.pin();
        call.eta = self.eta.unwrap_or_default();
        call.expiry = self.expires;
        call.key.clone_from(&self.key);
        call.unique = self.unique.as_ref().map(|key| Unique {
            key: Some(key.clone()).filter(|key| !key.is_empty()),
            until: self.until.unwrap_or(Until::Done),
            conflict: self.on_conflict.unwrap_or_default(),
        });
        call.result_ttl = span(&self.result_ttl);
        call.options = JobOptions {
            max_attempts: self.retries.map(|it| it.saturating_add(1)),
            backoff: span(&self.backoff).map(Backoff::from),
            max_age: span(&self.max_age),
            retry_exhausted: self.retry_exhausted,
            timeout: span(&self.budget.timeout),
            soft_timeout: span(&self.budget.soft_timeout),
            fuel: self.budget.fuel,
            memory: self.budget.memory.map(|it| it.0),
            ..JobOptions::default()
        };
        let tags = tag_list(&self.tags).map_err(Verdict::Usage)?;
        let headers = &mut call.options.headers;
        headers.extend(tags.map(|it| (TAGS.to_owned(), it)));
        Ok(())
    }
}

fn conflicts() -> impl clap::builder::TypedValueParser<Value = Conflict> {
    PossibleValuesParser::new(["existing", "reject", "replace"]).map(|word| match &*word {
        "reject" => Conflict::Reject,
        "replace" => Conflict::Replace,
        _ => Conflict::Existing,
    })
}
