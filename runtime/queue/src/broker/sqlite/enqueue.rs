//! Adding jobs.

use rusqlite::params;

use super::fault::Done;
use super::sql::sql;
use super::step::{End, Step, rank, time};
use crate::broker::{BrokerError, Enqueued, Result};
use crate::job::{NewJob, State};
use crate::record;

/// A job with its call encoded, which is done before the writer is troubled.
pub(super) struct Ready {
    /// All but the call.
    head: NewJob,
    call: Vec<u8>,
}

impl Ready {
    /// Encodes.
    pub(super) fn new(job: &NewJob) -> Result<Self> {
        let call = record::encode_call(job)
            .map_err(|error| BrokerError::Invalid(format!("job {}: {error}", job.id)))?;
        let head = NewJob {
            queue: job.queue.clone(),
            lane: job.lane.clone(),
            priority: job.priority,
            crash_limit: job.crash_limit,
            delay: job.delay,
            ..NewJob::new(job.id, "", "", Vec::new())
        };
        Ok(Ready { head, call })
    }
}

/// Adds them in their order, each at the end of its lane.
pub(super) fn enqueue(step: &mut Step<'_>, tenant: &str, jobs: &[Ready]) -> Done<Vec<Enqueued>> {
    let mut done = Vec::with_capacity(jobs.len());
    for Ready { head, call } in jobs {
        let record = record::encode(head, call, step.now);
        let available = step.now.after(head.delay);
        let state = if head.delay.is_zero() {
            State::Available
        } else {
            State::Scheduled
        };
        let row = params![
            tenant,
            head.id.0,
            head.queue,
            state as u8,
            time(available),
            record
        ];
        let n: Option<i64> = step
            .db
            .one(sql!("enqueue", "insert"), row, |row| row.get(0))?;
        let Some(n) = n else {
            done.push(Enqueued::Exists);
            continue;
        };
        if state == State::Available {
            let rank = rank(available, head.priority);
            step.push(End::Back, [tenant, &head.queue, &head.lane], rank, n)?;
        } else {
            step.delay(n, available)?;
        }
        step.count(tenant, &head.queue, None, Some(state));
        done.push(Enqueued::New);
    }
    Ok(done)
}
