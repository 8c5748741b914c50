//! An attempt as a part of a trace.

use std::time::SystemTime;

use lovage_queue::client::TRACEPARENT;
use lovage_queue::job::{Action, Ending, Job, Settlement};

use super::delivery::Delivery;
use super::series::became;
use crate::telemetry::traces::{Kind, Span};

/// Begins the span of an attempt, where attempts are traced.
pub(super) fn begin(delivery: &Delivery, job: &Job) -> Option<Box<Span>> {
    let traces = &delivery.session.telemetry.traces;
    if !traces.is_on() {
        return None;
    }
    let (call, parent) = (&job.call, carried(job));
    let name = format!("attempt {}.{}", call.module, call.task);
    let mut span = traces.span(name, Kind::Consumer, parent)?;
    if span.is_recorded() {
        span.note("lovage.job.id", call.id.to_string());
        span.note("lovage.tenant", job.tenant.clone());
        span.note("lovage.task", format!("{}.{}", call.module, call.task));
        span.note("lovage.queue", call.queue.clone());
        span.note("lovage.attempt", i64::from(job.attempt) + 1);
        span.note("lovage.delivery", i64::from(delivery.number));
        let available = SystemTime::now().checked_sub(delivery.waited);
        span.within("wait", available.unwrap_or(SystemTime::UNIX_EPOCH));
    }
    Some(Box::new(span))
}

/// What the children of a job carry: that it made them, or at least its trace.
pub(super) fn of_children(delivery: &Delivery, job: &Job) -> Option<String> {
    match &delivery.span {
        Some(span) => Some(span.traceparent()),
        None => carried(job).map(str::to_owned),
    }
}

fn carried(job: &Job) -> Option<&str> {
    job.call
        .options
        .headers
        .get(TRACEPARENT)
        .map(String::as_str)
}

/// What became of it.
pub(super) fn conclude(span: &mut Span, settlement: &Settlement) {
    if !span.is_recorded() {
        return;
    }
    span.note("lovage.outcome", became(&settlement.action).as_str());
    let Some(attempt) = &settlement.attempt else {
        return;
    };
    span.note("lovage.ending", attempt.ending.as_str());
    span.note("lovage.release", i64::from(attempt.release));
    if let Some(digest) = attempt.digest {
        span.note("lovage.digest", digest.to_string());
    }
    span.note("lovage.fuel", whole(attempt.fuel));
    span.note("lovage.peak_memory", whole(attempt.peak_memory));
    let failed = matches!(settlement.action, Action::Retry(_) | Action::Discard);
    if failed || attempt.ending != Ending::Completed {
        let failure = attempt.failure.as_ref();
        span.failed(failure.map_or_else(|| attempt.ending.to_string(), |it| it.message.clone()));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
