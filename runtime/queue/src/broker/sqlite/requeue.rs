//! Jobs that have ended: made available again, or forgotten.

use rusqlite::params;

use super::blobs;
use super::db::state_at;
use super::fault::Done;
use super::lanes::End;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::terms;
use crate::broker::Requeued;
use crate::clock::Millis;
use crate::job::{JobId, State};
use crate::record::{self, BLOBS, Header};

/// Makes one job available again.
pub(super) fn requeue(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<Requeued> {
    let Some(mut job) = Stored::by_id(&step.db, tenant, id)? else {
        return Ok(Requeued::Missing);
    };
    if job.header.is_none() {
        return Ok(Requeued::Missing);
    }
    if !matches!(job.state, State::Discarded | State::Cancelled) {
        return Ok(Requeued::Not(job.state));
    }
    if let Some(other) = terms::retake(step, &job, &job.terms())? {
        return Ok(Requeued::Duplicate(other));
    }
    let weight = blobs::weight(&step.db, &job)?;
    step.weigh(tenant, -weight);
    // Its expiry was for the first time only.
    if let Ok(record) = record::without_expiry(&job.record) {
        job.record = record;
    }
    job.header = Header::decode(&job.record).ok();
    if let Some(header) = &mut job.header {
        (header.attempt, header.crash, header.worker) = (0, 0, 0);
        (header.available, header.finished) = (step.now, Millis(0));
        header.flags &= BLOBS;
    }
    step.free(job, End::Back)?;
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

/// Forgets an ended job with all that lies beside it; how many bytes it took.
/// `None` where it has not ended, or only a later Lovage can read it.
pub(super) fn forget(step: &mut Step<'_>, n: i64) -> Done<Option<i64>> {
    let row = step.db.one(sql!("prune", "head"), [n], |row| {
        let (tenant, queue): (String, String) = (row.get(0)?, row.get(1)?);
        let (size, head): (i64, Vec<u8>) = (row.get(3)?, row.get(4)?);
        Ok((tenant, queue, state_at(row, 2)?, size, head))
    })?;
    let Some((tenant, queue, state, size, head)) = row else {
        return Ok(None);
    };
    if !state.is_final() || record::is_newer(&head) {
        return Ok(None);
    }
    let header = Header::decode(&head).ok();
    let mut weight = size;
    if header.as_ref().is_none_or(|it| it.flags & BLOBS != 0) {
        weight += blobs::release(step, n)?;
    }
    // Only what has terms can be in one of these.
    if header.is_none_or(|it| it.version > 1) {
        step.db.run(sql!("terms", "let_go"), [n])?;
        step.db.run(sql!("terms", "left"), [n])?;
    }
    step.db.run(sql!("prune", "forget"), [n])?;
    step.count(&tenant, &queue, Some(state), None);
    step.weigh(&tenant, -weight);
    Ok(Some(weight))
}
