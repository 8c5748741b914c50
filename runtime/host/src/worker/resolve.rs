//! What an attempt may use and what happens when it fails: the call's word goes
//! before the task's, and that before the host's.

use std::mem::take;

use lovage_queue::job::{Attempt, Ending, Job};
use lovage_queue::registry::Digest;
use lovage_queue::retry::Policy;
use lovage_queue::task::TaskOptions;

use super::Settings;
use crate::engine::{JobContext, Limits};

/// How many times an attempt's log all attempts of a job may keep: a job that is
/// tried a thousand times must not grow a record of a thousand logs.
const LOGS: usize = 4;
/// Bytes of a failure's message that an attempt always keeps.
const LINE: usize = 256;
/// What stands at the end of a log that was longer.
pub(super) const CUT: &[u8] = b"\n[the log goes on; the rest was not kept]\n";

pub(super) fn policy(job: &Job, task: &TaskOptions) -> Policy {
    let default = Policy::default();
    let call = &job.call.options;
    let retry_exhausted = call.retry_exhausted.or(task.retry_exhausted);
    Policy {
        max_attempts: call
            .max_attempts
            .or(task.max_attempts)
            .unwrap_or(default.max_attempts),
        backoff: call.backoff.or(task.backoff).unwrap_or(default.backoff),
        max_age: call.max_age.or(task.max_age).or(default.max_age),
        retry_exhausted: retry_exhausted.unwrap_or(default.retry_exhausted),
    }
}

pub(super) fn limits(settings: &Settings, job: &Job, task: &TaskOptions) -> Limits {
    let (call, host) = (&job.call.options, &settings.limits);
    let limits = Limits {
        fuel: call.fuel.or(task.fuel).unwrap_or(host.fuel),
        memory: call.memory.or(task.memory).unwrap_or(host.memory),
        deadline: call.timeout.or(task.timeout).unwrap_or(host.deadline),
        soft_deadline: call
            .soft_timeout
            .or(task.soft_timeout)
            .or(host.soft_deadline),
        log: room(host.log, &job.attempts),
        ..host.clone()
    };
    limits.held_to(&settings.ceilings)
}

/// Bytes of texts that the next attempt may leave on the record: half of what the
/// earlier ones left over, so that there is always something for the newest.
pub(super) fn room(log: usize, attempts: &[Attempt]) -> usize {
    let kept: usize = attempts.iter().map(texts).sum();
    let left = (log * LOGS).saturating_sub(kept);
    log.min(left / 2)
}

fn texts(attempt: &Attempt) -> usize {
    let failure = attempt.failure.as_ref().map_or(0, |it| {
        it.message.len() + it.detail.as_ref().map_or(0, String::len)
    });
    failure + attempt.log.len()
}

/// Whether a job of a batched task runs alone: an earlier run of it failed as a whole,
/// or took its worker with it, and it may be the one that did that. So it fails its
/// peers once.
pub(super) fn runs_alone(job: &Job) -> bool {
    job.crash > 0 || job.attempts.last().is_some_and(|it| is_whole(it.ending))
}

/// Whether an attempt that ended so took its whole run with it.
fn is_whole(ending: Ending) -> bool {
    use Ending::{Cancelled, Completed, Expired, Failed, NoModule};
    !matches!(ending, Completed | Failed | Cancelled | Expired | NoModule)
}

/// The job's own words move into it: most tasks never ask for them.
pub(super) fn context(job: &mut Job, digest: Digest, policy: &Policy) -> JobContext {
    JobContext {
        id: job.call.id,
        tenant: take(&mut job.tenant),
        module: take(&mut job.call.module),
        task: take(&mut job.call.task),
        queue: take(&mut job.call.queue),
        digest,
        attempt: job.attempt + 1,
        max_attempts: policy.max_attempts,
        enqueued_at: job.enqueued,
        headers: take(&mut job.call.options.headers),
    }
}

/// Holds what an attempt leaves on the record to its room: the message goes
/// first; of what it leaves over the detail has half, and the log the rest.
pub(super) fn fit(attempt: &mut Attempt, room: usize) {
    let mut left = room;
    if let Some(failure) = &mut attempt.failure {
        cut(&mut failure.message, left.max(LINE));
        left = left.saturating_sub(failure.message.len());
        if let Some(detail) = &mut failure.detail {
            cut(detail, left.div_ceil(2));
            left -= detail.len();
        }
        failure.detail.take_if(|it| it.is_empty());
    }
    if attempt.log.len() > left {
        attempt.log.truncate(left.saturating_sub(CUT.len()));
        attempt.log.extend_from_slice(&CUT[..left.min(CUT.len())]);
    }
}

fn cut(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use lovage_queue::clock::Millis;
    use lovage_queue::job::WorkerId;
    use lovage_queue::task::Failure;

    const LOG: usize = 64 * 1024;

    fn talkative() -> Attempt {
        let mut failure = Failure::new("error", "m".repeat(4096));
        failure.detail = Some("d".repeat(16 * 1024));
        Attempt {
            ending: Ending::Failed,
            delivery: 1,
            worker: WorkerId(1),
            digest: None,
            release: 0,
            started: Millis(1),
            took: Duration::ZERO,
            fuel: 0,
            peak_memory: 0,
            failure: Some(failure),
            log: vec![b'x'; LOG],
        }
    }

    #[test]
    fn a_thousand_attempts_keep_what_a_few_may_and_the_newest_something() {
        let mut attempts: Vec<Attempt> = Vec::new();
        for n in 0..1_000 {
            let room = room(LOG, &attempts);
            let mut attempt = talkative();
            fit(&mut attempt, room);
            assert!(texts(&attempt) <= room.max(LINE), "{n}");
            assert!(n > 5 || attempt.log.ends_with(CUT), "{n}");
            assert!(!attempt.failure.as_ref().unwrap().message.is_empty());
            attempts.push(attempt);
        }
        let details: usize = attempts.iter().map(texts).sum();
        assert!(details <= 4 * LOG + 1_000 * LINE, "{details}");
        assert_eq!(texts(&attempts[0]), LOG);
    }

    #[test]
    fn only_what_failed_as_a_whole_is_run_alone() {
        for ending in [Ending::Completed, Ending::Failed, Ending::Cancelled] {
            assert!(!is_whole(ending), "{ending}");
        }
        for ending in [Ending::Trapped, Ending::OutOfFuel, Ending::Deadline] {
            assert!(is_whole(ending), "{ending}");
        }
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let mut attempt = talkative();
        attempt.log = b"short".to_vec();
        let before = attempt.clone();
        fit(&mut attempt, LOG);
        assert_eq!(attempt, before);
    }
}
