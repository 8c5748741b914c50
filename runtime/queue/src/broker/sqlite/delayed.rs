//! Jobs that wait for their time, and finished ones whose time is over.

use rusqlite::params;

use super::fault::Done;
use super::registry;
use super::sql::sql;
use super::step::{End, Step, Stored, state_at, time};
use crate::broker::{Promoted, Retention};
use crate::clock::{Millis, millis};
use crate::job::State;

/// How long it is remembered that a worker was declared dead: longer than any
/// that still runs can have been out of touch.
const TOMBSTONES_KEPT: u64 = 7 * 24 * 3_600_000;
/// How long workers are asked to compile what nobody came back to activate.
const STAGED_KEPT: u64 = 24 * 3_600_000;
/// How long an upload may take.
const UPLOAD_KEPT: u64 = 3_600_000;

/// Makes due jobs available, the one due first first.
pub(super) fn promote(step: &mut Step<'_>, limit: u32) -> Done<Promoted> {
    let due = params![time(step.now), limit];
    let due: Vec<(i64, i64)> = step.db.all(sql!("promote", "due"), due, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    for (at, n) in &due {
        step.db.run(sql!("promote", "undelay"), params![at, n])?;
        if let Some(mut job) = Stored::by_number(step.db, *n)? {
            if let Some(header) = &mut job.header {
                // Its place in the lane is the moment of promotion: a late
                // promotion does not put it before what came meanwhile.
                header.available = step.now;
            }
            step.free(job, End::Back)?;
        }
    }
    step.effects.delayed |= !due.is_empty();
    let next = step.first_due()?.map(|due| due.since(step.now));
    Ok(Promoted {
        jobs: due.len() as u32,
        next,
    })
}

/// Lets finished jobs go, and with them what else nobody will ask for again.
pub(super) fn prune(step: &mut Step<'_>, keep: &Retention, limit: u32) -> Done<u32> {
    let kinds = step.db.all(sql!("prune", "finished"), [], |row| {
        let (tenant, jobs): (String, u64) = (row.get(0)?, row.get::<_, i64>(2)?.cast_unsigned());
        Ok((tenant, state_at(row, 1)?, jobs))
    })?;
    let mut gone = 0;
    for (tenant, state, jobs) in kinds {
        let left = limit - gone;
        if left == 0 {
            break;
        }
        let age = if state == State::Discarded {
            keep.discarded
        } else {
            keep.completed
        };
        // A time before the epoch's first moment is none at all.
        let cutoff = step.now.0.checked_sub(millis(age)).map(Millis);
        let surplus = jobs.saturating_sub(keep.count);
        for (n, queue) in overdue(step, &tenant, state, cutoff, surplus, left)? {
            step.db.run(sql!("prune", "forget"), [n])?;
            step.count(&tenant, &queue, Some(state), None);
            gone += 1;
        }
    }
    tidy(step)?;
    Ok(gone)
}

/// The oldest ones that are too old or too many. Both are the front of one
/// list, so the walk ends at the first that is neither.
fn overdue(
    step: &Step<'_>,
    tenant: &str,
    state: State,
    cutoff: Option<Millis>,
    surplus: u64,
    limit: u32,
) -> Done<Vec<(i64, String)>> {
    let mut statement = step.db.0.prepare_cached(sql!("prune", "oldest"))?;
    let mut rows = statement.query(params![tenant, state as u8, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(2)?;
        let too_old = cutoff.is_some_and(|cutoff| at <= time(cutoff));
        if !too_old && found.len() as u64 >= surplus {
            break;
        }
        found.push((row.get(0)?, row.get(1)?));
    }
    Ok(found)
}

fn tidy(step: &Step<'_>) -> Done<()> {
    let before = |age: u64| time(Millis(step.now.0.saturating_sub(age)));
    step.db
        .run(sql!("prune", "tombstones"), [before(TOMBSTONES_KEPT)])?;
    if step
        .db
        .run(sql!("prune", "stagings"), [before(STAGED_KEPT)])?
        > 0
    {
        step.db.run(sql!("prune", "words"), [])?;
    }
    let uploads = params![before(UPLOAD_KEPT)];
    for upload in step
        .db
        .all(sql!("prune", "uploads"), uploads, |row| row.get(0))?
    {
        registry::drop_upload(step.db, upload)?;
    }
    Ok(())
}
