//! Jobs that are not to run, or to run no further.

use rusqlite::params;

use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::Cancelled;
use crate::clock::Millis;
use crate::job::{Attempt, Ending, JobId, State, WorkerId};
use crate::record::{self, CANCELLING, Header};
use crate::task::Failure;
use std::time::Duration;

/// Why a job ended that no worker tells of.
#[derive(Clone, Copy)]
pub(super) enum Why {
    /// Somebody said so before it ran.
    Stopped,
    /// It was asked to stop, and nobody has it any more.
    Abandoned,
    /// Its time to begin was over.
    Expired,
    /// Its flow was stopped.
    WithFlow,
}

/// Cancels one job. What only a later Lovage can read, or nobody, is left alone.
pub(super) fn cancel(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<Cancelled> {
    match Stored::by_id(&step.db, tenant, id)? {
        Some(job) => cancel_job(step, job, Why::Stopped),
        None => Ok(Cancelled::Missing),
    }
}

/// The same for a job that has been looked up, which is stopped for this where nobody runs
/// it.
pub(super) fn cancel_job(step: &mut Step<'_>, mut job: Stored, why: Why) -> Done<Cancelled> {
    let Some(header) = &mut job.header else {
        return Ok(Cancelled::Missing);
    };
    if job.state.is_final() {
        return Ok(Cancelled::Ended(job.state));
    }
    if job.state != State::Running {
        step.pull(&job)?;
        close(step, job, why)?;
        return Ok(Cancelled::Now);
    }
    let worker = header.worker;
    if header.flags & CANCELLING == 0 {
        header.flags |= CANCELLING;
        let at = header.available;
        step.write(&mut job, State::Running, at)?;
        let row = params![job.n, worker.cast_signed()];
        step.db.run(sql!("lease", "ask"), row)?;
    }
    step.effects.asked.push((worker, job.tenant, job.id));
    Ok(Cancelled::Asked)
}

/// Ends a job that is in nobody's hands (any more), with an entry that says why.
/// The caller has taken it from where it was.
pub(super) fn close(step: &mut Step<'_>, mut job: Stored, why: Why) -> rusqlite::Result<()> {
    if let Some(header) = &mut job.header {
        let entry = record::encode_attempt(&entry(header, why), None);
        // A late settlement must find that it is not its job any more.
        header.worker = 0;
        job.record.extend(entry);
    }
    step.end(job, State::Cancelled)
}

/// The entry of a record's tail that stands for the end.
pub(super) fn entry(header: &Header, why: Why) -> Attempt {
    let (ending, said) = match why {
        Why::Stopped => (Ending::Cancelled, "cancelled before it ran"),
        Why::Abandoned => (
            Ending::Cancelled,
            "cancelled, and its worker gave it back or died",
        ),
        Why::Expired => (Ending::Expired, "it had not begun when its time was over"),
        Why::WithFlow => (Ending::Cancelled, "cancelled with its flow"),
    };
    let kind = match why {
        Why::WithFlow => "upstream",
        _ => ending.as_str(),
    };
    let began = matches!(why, Why::Abandoned);
    Attempt {
        ending,
        delivery: header.delivery,
        worker: WorkerId(if began { header.worker } else { 0 }),
        digest: None,
        release: 0,
        started: if began { header.started } else { Millis(0) },
        took: Duration::ZERO,
        fuel: 0,
        peak_memory: 0,
        failure: Some(Failure::new(kind, said)),
        log: Vec::new(),
    }
}
