//! Real worker processes on both brokers: what they promise to whoever deploys,
//! kills, drains and abuses them.

mod batches;
mod buckets;
mod cancel;
mod crash;
mod deploy;
mod drain;
mod family;
mod flows;
mod hostile;
mod isolation;
mod large;
mod limits;
mod logs;
mod mail;
mod order;
mod outage;
mod outbound;
mod plain;
mod reach;
mod retry;
mod schedules;
mod scratch;
mod sources;
mod spare;
mod terms;

use lovage_queue::job::{Ending, Job, State};

/// How each of a job's attempts ended.
fn endings(job: &Job) -> Vec<Ending> {
    job.attempts.iter().map(|it| it.ending).collect()
}

/// The result, where the record itself holds it.
fn inline(job: &Job) -> Option<&[u8]> {
    job.result.as_ref()?.inline()
}

/// A job that ran once, with this result.
#[track_caller]
pub(crate) fn completed_once(job: &Job, result: &[u8]) {
    assert_eq!(job.state, State::Completed, "{job:#?}");
    assert_eq!(endings(job), [Ending::Completed], "{job:#?}");
    assert_eq!(inline(job), Some(result), "{job:#?}");
}
