//! Jobs that have ended: made available again, or forgotten.

use rusqlite::params;

use super::db::state_at;
use super::fault::Done;
use super::lanes::End;
use super::sql::sql;
use super::step::Step;
use super::stored::{Stored, call_size};
use super::{blobs, flow, terms};
use crate::broker::Requeued;
use crate::clock::Millis;
use crate::job::{JobId, State};
use crate::record::{self, BLOBS, CANCELLING, Header};

/// Makes one job available again.
pub(super) fn requeue(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<Requeued> {
    match Stored::by_id(&step.db, tenant, id)? {
        Some(job) => again(step, job),
        None => Ok(Requeued::Missing),
    }
}

/// The same for a job that has been looked up. A node that was cancelled before it was
/// free waits for others again.
pub(super) fn again(step: &mut Step<'_>, mut job: Stored) -> Done<Requeued> {
    let Some(header) = &job.header else {
        return Ok(Requeued::Missing);
    };
    if !matches!(job.state, State::Discarded | State::Cancelled) {
        return Ok(Requeued::Not(job.state));
    }
    let marked = header.flags & CANCELLING != 0;
    let was_free = header.available != Millis(0);
    let terms = job.terms();
    let node = match step.seat_of(&job, &terms)? {
        Some((at, Some(seat))) if step.has_begun(at) => Some((at, seat)),
        None if terms.seat().is_none() => None,
        _ => return Ok(Requeued::Missing),
    };
    if let Some(other) = terms::retake(step, &job, &terms)? {
        return Ok(Requeued::Duplicate(other));
    }
    if let Some(source) = terms.source() {
        step.sources.count(&job.tenant, source, 1);
    }
    let weight = step.weight(&job)?;
    step.weigh(&job.tenant, -weight);
    let (waits, before) = (node.is_some() && !was_free, job.record.len() as i64);
    if let Some(node) = node {
        flow::back(step, node, (job.state, marked), was_free)?;
    }
    // Its expiry was for the first time only.
    if let Ok(record) = record::without_expiry(&job.record)
        && !waits
    {
        job.record = record;
    }
    job.header = Header::decode(&job.record).ok();
    if let Some(header) = &mut job.header {
        (header.attempt, header.crash, header.worker) = (0, 0, 0);
        (header.available, header.finished) = (step.now, Millis(0));
        header.flags &= BLOBS;
        if waits {
            (header.state, header.available) = (State::Pending, Millis(0));
        }
    }
    step.store(&job.tenant, job.call_size() - before);
    match waits {
        true => step.write(&mut job, State::Pending, step.now)?,
        false => step.free(job, End::Back)?,
    }
    Ok(Requeued::Now)
}

/// Forgets one job, if it has ended.
pub(super) fn delete(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<bool> {
    let key = params![tenant, id.0];
    let n: Option<i64> = step
        .db
        .one(sql!("prune", "head_of"), key, |row| row.get(0))?;
    match n {
        Some(n) => Ok(forget(step, n)?.is_some()),
        None => Ok(false),
    }
}

/// What is read of a job that is to be forgotten.
struct Head {
    tenant: String,
    queue: String,
    state: State,
    /// Of its record, in bytes.
    size: i64,
    bytes: Vec<u8>,
    header: Option<Header>,
}

impl Head {
    fn of(step: &Step<'_>, n: i64) -> Done<Option<Self>> {
        Ok(step.db.one(sql!("prune", "head"), [n], |row| {
            let bytes: Vec<u8> = row.get(4)?;
            Ok(Head {
                tenant: row.get(0)?,
                queue: row.get(1)?,
                state: state_at(row, 2)?,
                size: row.get(3)?,
                header: Header::decode(&bytes).ok(),
                bytes,
            })
        })?)
    }

    /// Whether it may have terms.
    fn may_have_terms(&self) -> bool {
        self.header.as_ref().is_none_or(|it| it.version > 1)
    }
}

/// Forgets an ended job with all that lies beside it; how many bytes it took.
/// `None` where it has not ended, only a later Lovage can read it, or it is a node,
/// which goes with its flow.
pub(super) fn forget(step: &mut Step<'_>, n: i64) -> Done<Option<i64>> {
    let Some(head) = Head::of(step, n)? else {
        return Ok(None);
    };
    if !head.state.is_final() || record::is_newer(&head.bytes) {
        return Ok(None);
    }
    if head.may_have_terms() && step.db.is(sql!("flows", "is_node"), [n])? {
        return Ok(None);
    }
    Ok(Some(erase(step, n, &head)?))
}

/// Forgets a node with its flow; how many bytes it took among what has ended.
pub(super) fn forget_node(step: &mut Step<'_>, n: i64) -> Done<i64> {
    let Some(head) = Head::of(step, n)? else {
        return Ok(0);
    };
    if head.state.is_final() {
        step.flows.tally_node(&head.tenant, head.state, -1);
    } else if head.state != State::Pending {
        // Whoever can read it ends it: then it is a job like others.
        return Ok(0);
    }
    erase(step, n, &head)
}

fn erase(step: &mut Step<'_>, n: i64, head: &Head) -> Done<i64> {
    let mut weight = head.size + step.forget_note(n)?;
    if head.header.as_ref().is_none_or(|it| it.flags & BLOBS != 0) {
        weight += blobs::release(step, &head.tenant, n)?;
    }
    // Only what has terms can be in one of these.
    if head.may_have_terms() {
        step.db.run(sql!("terms", "let_go"), [n])?;
        step.db.run(sql!("terms", "left"), [n])?;
    }
    step.db.run(sql!("prune", "forget"), [n])?;
    step.count(&head.tenant, &head.queue, Some(head.state), None);
    if !head.state.is_final() {
        step.store(&head.tenant, -call_size(head.header.as_ref(), head.size));
        return Ok(0);
    }
    step.store(&head.tenant, -head.size);
    step.weigh(&head.tenant, -weight);
    Ok(weight)
}
