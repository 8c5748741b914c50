//! Ending deliveries, and what running jobs say of themselves.

use std::time::Duration;

use rusqlite::params;

use super::cancel::{self, Why};
use super::fault::Done;
use super::lanes::End;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::{blobs, enqueue, flow, sources, terms};
use crate::broker::{Note, Result, Settled, counts_as_failed, is_kept};
use crate::job::{Action, JobId, Payload, Settlement, State, WorkerId};
use crate::record::{self, BLOBS, CANCELLING, COUNTED};

/// A settlement with its entry encoded, which is done before the writer is troubled.
pub(super) struct Ready {
    tenant: String,
    id: JobId,
    /// Where it lies, as far as that is known.
    n: Option<i64>,
    delivery: u32,
    /// A result that lies in the entry is not here.
    action: Action,
    /// The attempt with its result, as it is appended to the record.
    entry: Option<Vec<u8>>,
    fuel: u64,
    is_failed: bool,
    /// Whether there was an attempt.
    ran: bool,
    /// Its CPU time, and what its claim charged for it.
    spent: [Duration; 2],
    children: Vec<enqueue::Ready>,
    flows: Vec<JobId>,
}

impl Ready {
    /// Encodes.
    pub(super) fn new(it: &Settlement, n: Option<i64>) -> Result<Self> {
        let (action, result) = match &it.action {
            Action::Complete(result) => {
                let rest = match result {
                    Payload::Inline(_) => Payload::default(),
                    blob => blob.clone(),
                };
                (Action::Complete(rest), Some(result))
            }
            other => (other.clone(), None),
        };
        let encode = |attempt| record::encode_attempt(attempt, result);
        let children = it.children.iter().map(enqueue::Ready::new);
        Ok(Ready {
            children: children.collect::<Result<_>>()?,
            flows: it.flows.clone(),
            tenant: it.tenant.clone(),
            id: it.id,
            n,
            delivery: it.delivery,
            action,
            entry: it
                .attempt
                .as_ref()
                .filter(|_| is_kept(&it.action))
                .map(encode),
            fuel: it.attempt.as_ref().map_or(0, |attempt| attempt.fuel),
            ran: it.attempt.is_some(),
            spent: [it.spent.of_run(it.attempt.is_some()), it.spent.charged],
            is_failed: counts_as_failed(it),
        })
    }
}

/// Ends deliveries.
pub(super) fn settle(
    step: &mut Step<'_>,
    worker: WorkerId,
    settlements: Vec<Ready>,
) -> Done<Vec<Settled>> {
    settlements
        .into_iter()
        .map(|settlement| one(step, worker, settlement))
        .collect()
}

fn one(step: &mut Step<'_>, worker: WorkerId, settlement: Ready) -> Done<Settled> {
    let (tenant, id) = (&settlement.tenant, settlement.id);
    let mut job = match settlement.n {
        Some(n) => Stored::by_number(&step.db, n)?,
        None => None,
    };
    if job
        .as_ref()
        .is_none_or(|job| job.id != id || job.tenant != *tenant)
    {
        job = Stored::by_id(&step.db, tenant, id)?;
    }
    let Some(job) = job else {
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
    let ran = settlement.ran;
    step.spend(&job.tenant, &job.queue, ran, settlement.spent);
    apply(step, worker, job, settlement)?;
    Ok(Settled::Recorded)
}

fn apply(step: &mut Step<'_>, worker: WorkerId, mut job: Stored, settlement: Ready) -> Done<()> {
    let asked = job
        .header
        .as_ref()
        .is_some_and(|it| it.flags & CANCELLING != 0);
    let counted = job
        .header
        .as_ref()
        .is_some_and(|it| it.flags & COUNTED[0] != 0);
    if counted && settlement.fuel > 0 {
        step.charge(&job.tenant, settlement.fuel)?;
    }
    step.let_go(&mut job, worker.0.cast_signed())?;
    if matches!(settlement.action, Action::GiveBack(_)) {
        step.refund(&job)?;
    }
    if let Some(header) = &mut job.header {
        header.fuel = header.fuel.saturating_add(settlement.fuel);
        let failed = u16::from(settlement.is_failed);
        header.attempt = header.attempt.saturating_add(failed);
    }
    job.record
        .extend_from_slice(settlement.entry.as_deref().unwrap_or_default());
    if asked && !matches!(settlement.action, Action::Complete(_)) {
        stop(step, job, settlement.entry.is_none())?;
        // What comes of another end than the one that was said is not made.
        if matches!(settlement.action, Action::Cancel) {
            enqueue::add_children(step, &settlement.tenant, &settlement.children)?;
        }
        return Ok(());
    }
    match settlement.action {
        Action::Complete(result) => {
            complete(step, job, &result)?;
            enqueue::add_children(step, &settlement.tenant, &settlement.children)?;
            for id in &settlement.flows {
                flow::start_if_whole(step, &settlement.tenant, *id)?;
            }
        }
        Action::Cancel => {
            step.end(job, State::Cancelled)?;
            enqueue::add_children(step, &settlement.tenant, &settlement.children)?;
        }
        Action::Discard => {
            step.end(job, State::Discarded)?;
            enqueue::add_children(step, &settlement.tenant, &settlement.children)?;
        }
        Action::Retry(wait) => {
            if let Some(header) = &mut job.header {
                header.available = step.now;
            }
            later(step, job, State::Retryable, wait, End::Back)?;
        }
        // It lost its place through no fault of its own.
        Action::GiveBack(wait) => later(step, job, State::Scheduled, wait, End::Front)?,
        Action::NextPage { cursor, open } => {
            sources::turn_page(step, job, &cursor, open)?;
            enqueue::add_children(step, &settlement.tenant, &settlement.children)?;
        }
    }
    Ok(())
}

/// It was asked to stop, and whatever came of it, it stops. The worker stays on
/// the record: the same settlement may come again. `unsaid` where it had no attempt.
fn stop(step: &mut Step<'_>, mut job: Stored, unsaid: bool) -> rusqlite::Result<()> {
    if let (true, Some(header)) = (unsaid, &job.header) {
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

pub(super) fn packed(value: &impl serde::Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("a vector takes all writes")
}
