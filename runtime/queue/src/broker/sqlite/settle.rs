//! Ending deliveries, and what running jobs say of themselves.

use std::time::Duration;

use rusqlite::params;

use super::cancel::{self, Why};
use super::fault::Done;
use super::lanes::End;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::{blobs, terms};
use crate::broker::{Note, Settled, counts_as_failed};
use crate::job::{Action, Payload, Settlement, State, WorkerId};
use crate::record::{self, BLOBS, CANCELLING};

/// Ends deliveries.
pub(super) fn settle(
    step: &mut Step<'_>,
    worker: WorkerId,
    settlements: &[Settlement],
) -> Done<Vec<Settled>> {
    settlements
        .iter()
        .map(|settlement| one(step, worker, settlement))
        .collect()
}

fn one(step: &mut Step<'_>, worker: WorkerId, settlement: &Settlement) -> Done<Settled> {
    let Some(job) = Stored::by_id(&step.db, &settlement.tenant, settlement.id)? else {
        return Ok(Settled::Missing);
    };
    // Nothing can be told of a record that cannot be read: it is on the dead
    // list, or comes there when its worker's lease ends.
    let Some(header) = &job.header else {
        return Ok(Settled::Missing);
    };
    if (header.delivery, header.worker) != (settlement.delivery, worker.0) {
        return Ok(Settled::Stale);
    }
    if header.state != State::Running {
        // Settled, and nobody had it since: a repeat.
        return Ok(Settled::Recorded);
    }
    apply(step, worker, job, settlement)?;
    Ok(Settled::Recorded)
}

fn apply(
    step: &mut Step<'_>,
    worker: WorkerId,
    mut job: Stored,
    settlement: &Settlement,
) -> Done<()> {
    let result = match &settlement.action {
        Action::Complete(result) => Some(result),
        _ => None,
    };
    let asked = job
        .header
        .as_ref()
        .is_some_and(|it| it.flags & CANCELLING != 0);
    step.let_go(&mut job, worker.0.cast_signed())?;
    if matches!(settlement.action, Action::GiveBack(_)) {
        step.refund(&job)?;
    }
    if let (Some(attempt), Some(header)) = (&settlement.attempt, &mut job.header) {
        header.fuel = header.fuel.saturating_add(attempt.fuel);
        job.record.extend(record::encode_attempt(attempt, result));
    }
    if counts_as_failed(settlement)
        && let Some(header) = &mut job.header
    {
        header.attempt = header.attempt.saturating_add(1);
    }
    if asked && result.is_none() {
        return Ok(stop(step, job, settlement)?);
    }
    match &settlement.action {
        Action::Complete(result) => complete(step, job, result)?,
        Action::Cancel => step.end(job, State::Cancelled)?,
        Action::Discard => step.end(job, State::Discarded)?,
        Action::Retry(wait) => {
            if let Some(header) = &mut job.header {
                header.available = step.now;
            }
            later(step, job, State::Retryable, *wait, End::Back)?;
        }
        // It lost its place through no fault of its own.
        Action::GiveBack(wait) => later(step, job, State::Scheduled, *wait, End::Front)?,
    }
    Ok(())
}

/// It was asked to stop, and whatever came of it, it stops. The worker stays on
/// the record: the same settlement may come again.
fn stop(step: &mut Step<'_>, mut job: Stored, settlement: &Settlement) -> rusqlite::Result<()> {
    if let (None, Some(header)) = (&settlement.attempt, &job.header) {
        let entry = cancel::entry(header, Why::Abandoned);
        job.record.extend(record::encode_attempt(&entry, None));
    }
    step.end(job, State::Cancelled)
}

fn complete(step: &mut Step<'_>, mut job: Stored, result: &Payload) -> Done<()> {
    if let (Some(digest), Some(header)) = (result.blob(), &mut job.header) {
        // A result whose blob is gone is still the word that the job is done.
        header.flags |= BLOBS;
        blobs::refer(step, &job.tenant, job.n, digest)?;
    }
    Ok(step.end(job, State::Completed)?)
}

/// Available after the wait; with none, at once.
fn later(step: &mut Step<'_>, mut job: Stored, state: State, wait: Duration, end: End) -> Done<()> {
    if wait.is_zero() {
        return Ok(step.free(job, end)?);
    }
    let due = step.now.after(wait);
    if let Some(header) = &mut job.header {
        (header.state, header.available) = (state, due);
    }
    step.write(&mut job, state, due)?;
    terms::wait_again(step, &job)?;
    Ok(step.delay(job.n, due)?)
}

/// Keeps what running jobs say; what is stale changes nothing.
pub(super) fn note(step: &mut Step<'_>, worker: WorkerId, notes: &[Note]) -> Done<()> {
    for note in notes {
        let progress = note.progress.as_ref().map(packed);
        let checkpoint = note.checkpoint.as_ref().map(packed);
        let row = params![
            note.tenant,
            note.id.0,
            worker.0.cast_signed(),
            note.delivery,
            progress,
            checkpoint,
            note.log
        ];
        step.db.run(sql!("settle", "note"), row)?;
    }
    Ok(())
}

fn packed(value: &impl serde::Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("a vector takes all writes")
}
