//! Real worker processes on both brokers: what they promise to whoever deploys,
//! kills, drains and abuses them.

mod crash;
mod deploy;
mod drain;
mod family;
mod hostile;
mod order;
mod outage;
mod retry;

use lovage_queue::job::{Ending, Job, State};

/// How each of a job's attempts ended.
fn endings(job: &Job) -> Vec<Ending> {
    job.attempts.iter().map(|it| it.ending).collect()
}

/// A job that ran once, with this result.
#[track_caller]
fn completed_once(job: &Job, result: &[u8]) {
    assert_eq!(job.state, State::Completed, "{job:#?}");
    assert_eq!(endings(job), [Ending::Completed], "{job:#?}");
    assert_eq!(job.result.as_deref(), Some(result), "{job:#?}");
}
