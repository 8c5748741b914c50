//! Queues and what they allow.

use lovage_queue::broker::QueueCounts;
use lovage_queue::limits::{Limit, Limited, Order, Scope};
use lovage_queue::task::Rate;
use serde::Serialize;
use utoipa::ToSchema;

use super::moment;
use crate::units::{Span, exact};

/// What a scope allows. Null is no limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Limit)]
pub struct LimitView {
    /// How often its jobs may start, as in `100/s`.
    pub rate: Option<String>,
    /// How many of them may run at once.
    pub concurrency: Option<u32>,
    /// Of a queue: how many of them may wait.
    pub depth: Option<u32>,
    /// Of a queue: `aging` or `strict`.
    #[schema(value_type = String, example = "aging")]
    pub order: Order,
}

impl LimitView {
    /// What is shown of a limit.
    pub fn of(limit: &Limit) -> Self {
        LimitView {
            rate: limit.rate.map(rate_text),
            concurrency: limit.concurrency,
            depth: limit.depth,
            order: limit.order,
        }
    }
}

/// A scope that is limited or paused.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LimitedScope)]
pub struct LimitedView {
    /// Of what: `tenant`, `queue:NAME`, `lane:QUEUE/KEY`, `lanes:QUEUE`,
    /// `task:MODULE.TASK` or `module:NAME`.
    pub scope: String,
    /// What it allows.
    #[serde(flatten)]
    pub limit: LimitView,
    /// Whether it is paused.
    pub paused: bool,
    /// Whose word the limit is: `operator` or `module`.
    pub by: &'static str,
    /// How many of its jobs run, where its concurrency is limited.
    pub running: Option<u32>,
}

impl LimitedView {
    /// What is shown of a scope.
    pub fn of(it: &Limited) -> Self {
        LimitedView {
            scope: it.scope.to_string(),
            limit: LimitView::of(&it.limit),
            paused: it.paused,
            by: whose(it),
            running: it.limit.concurrency.map(|_| it.running),
        }
    }
}

/// Whose word a limit is.
pub fn whose(it: &Limited) -> &'static str {
    if it.declared { "module" } else { "operator" }
}

/// A queue: how many jobs stand where, and what it allows.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QueueCounts)]
pub struct QueueView {
    /// The queue's name.
    pub queue: String,
    /// Waiting for other jobs of their flows.
    pub pending: u64,
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub available: u64,
    /// With a worker.
    pub running: u64,
    /// Waiting for their next attempt.
    pub retryable: u64,
    /// Done, and still kept.
    pub completed: u64,
    /// On the dead list.
    pub discarded: u64,
    /// Stopped, and still kept.
    pub cancelled: u64,
    /// Since when the oldest available job waits, as far as the first 100 lanes tell.
    pub oldest: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// What it allows.
    pub limit: LimitView,
}

/// All queues, also those that hold nothing yet but are limited or paused beforehand.
pub fn queues(counts: Vec<QueueCounts>, limits: &[Limited]) -> Vec<(QueueCounts, QueueView)> {
    let mut counts = counts;
    for it in limits {
        if let Scope::Queue(name) = &it.scope
            && !counts.iter().any(|it| it.queue == *name)
        {
            counts.push(QueueCounts {
                queue: name.clone(),
                ..QueueCounts::default()
            });
        }
    }
    counts.sort_by(|a, b| a.queue.cmp(&b.queue));
    let view = |it: QueueCounts| {
        let view = QueueView::of(&it, limits);
        (it, view)
    };
    counts.into_iter().map(view).collect()
}

impl QueueView {
    fn of(it: &QueueCounts, limits: &[Limited]) -> Self {
        let (paused, limit) = held(&Scope::Queue(it.queue.clone()), limits);
        QueueView {
            queue: it.queue.clone(),
            pending: it.pending,
            scheduled: it.scheduled,
            available: it.available,
            running: it.running,
            retryable: it.retryable,
            completed: it.completed,
            discarded: it.discarded,
            cancelled: it.cancelled,
            oldest: it.oldest.map(moment),
            paused,
            limit: LimitView::of(&limit),
        }
    }
}

/// Whether a scope is paused, and what it allows.
pub fn held(scope: &Scope, limits: &[Limited]) -> (bool, Limit) {
    let limited = limits.iter().find(|it| it.scope == *scope);
    limited.map_or((false, Limit::default()), |it| (it.paused, it.limit))
}

/// Reads `100/s` and `5/10m`.
///
/// # Errors
/// What is no rate, in words.
pub fn read_rate(text: &str) -> Result<Rate, String> {
    let read = || {
        let (count, period) = text.split_once('/')?;
        let one = format!("1{}", period.trim());
        let Span(period) = period.parse().or_else(|_| one.parse()).ok()?;
        let count = count.trim().parse().ok().filter(|count| *count > 0)?;
        (!period.is_zero()).then_some(Rate { count, period })
    };
    read().ok_or_else(|| {
        format!("`{text}` is no rate: write a number, `/` and a span, as in `100/s` or `5/10m`")
    })
}

/// A rate as it is written.
pub fn rate_text(rate: Rate) -> String {
    let period = exact(rate.period);
    let unit = period
        .strip_prefix('1')
        .filter(|it| it.starts_with(|c: char| !c.is_ascii_digit()));
    format!("{}/{}", rate.count, unit.unwrap_or(&period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back_from_their_text() {
        for text in ["100/s", "1/h", "5/10m", "3/250ms", "7/d", "1/11s"] {
            assert_eq!(rate_text(read_rate(text).unwrap()), text);
        }
        for wrong in [
            "", "100", "100/", "/s", "0/s", "-1/s", "1/0s", "1.5/s", "1/year", "none",
        ] {
            assert!(read_rate(wrong).is_err(), "{wrong}");
        }
    }
}
