//! What there is to do at a time: jobs that become available or expire, scopes that
//! allow more, and what is left to do of flows.

use rusqlite::params;

use super::cancel::{self, Why};
use super::db::time;
use super::fault::Done;
use super::lanes::{End, NOBODY};
use super::parking::STRIDE;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::{flow, terms};
use crate::broker::Promoted;
use crate::job::State;

/// Does what is due, what was due first first.
pub(super) fn promote(step: &mut Step<'_>, limit: u32) -> Done<Promoted> {
    // Before the delayed ones: what is due and expired at once does not begin.
    let expired = params![time(step.now), limit];
    let expired: Vec<i64> = step
        .db
        .all(sql!("promote", "expired"), expired, |row| row.get(0))?;
    for n in &expired {
        expire(step, *n)?;
    }
    let jobs = promote_jobs(step, limit)?;
    let awake = params![time(step.now), limit];
    let awake: Vec<[String; 2]> = step.db.all(sql!("promote", "awake"), awake, |row| {
        Ok([row.get(0)?, row.get(1)?])
    })?;
    for [tenant, scope] in &awake {
        step.db.run(sql!("promote", "woken"), [tenant, scope])?;
        step.let_on(tenant, scope, STRIDE)?;
    }
    flow::work(step)?;
    step.effects.delayed |= !expired.is_empty() || !awake.is_empty();
    let look = params![time(step.now), 1];
    let schedules = step.db.one(sql!("schedules", "look"), look, |_| Ok(()))?;
    let next = step.first_due()?.map(|due| due.since(step.now));
    Ok(Promoted {
        jobs,
        next,
        schedules: schedules.is_some(),
        flows: flow::has_work(step)?,
    })
}

/// Makes delayed jobs available; how many.
fn promote_jobs(step: &mut Step<'_>, limit: u32) -> Done<u32> {
    let due = params![time(step.now), limit];
    let due: Vec<(i64, i64)> = step.db.all(sql!("promote", "due"), due, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut promoted = 0;
    for (at, n) in &due {
        step.db.run(sql!("promote", "undelay"), params![at, n])?;
        let Some(mut job) = Stored::by_number(&step.db, *n)? else {
            continue;
        };
        if job.state == State::Running {
            step.db.run(sql!("moves", "let_go"), [NOBODY, *n])?;
        }
        let (now, newer) = (step.now, job.is_newer());
        match (job.state, &mut job.header) {
            // Set aside before, by whoever could not read it.
            (State::Available | State::Running, Some(_)) => {}
            (State::Scheduled | State::Retryable, Some(header)) if header.available <= now => {
                // Its place in the lane is the moment of promotion: a late
                // promotion does not put it before what came meanwhile.
                header.available = now;
                promoted += 1;
            }
            // A node that was free before this one could read it.
            (State::Pending, Some(_)) => {
                flow::release(step, job)?;
                promoted += 1;
                continue;
            }
            (_, None) => promoted += u32::from(!newer),
            // It has ended since it was set aside.
            _ => continue,
        }
        step.free(job, End::Back)?;
    }
    step.effects.delayed |= !due.is_empty();
    Ok(promoted)
}

fn expire(step: &mut Step<'_>, n: i64) -> Done<()> {
    step.db.run(sql!("terms", "unexpire"), [n])?;
    let Some(job) = Stored::by_number(&step.db, n)? else {
        return Ok(());
    };
    let waits = !job.state.is_final() && job.state != State::Running;
    let expired = job
        .header
        .as_ref()
        .is_some_and(|header| terms::is_expired(&job.terms(), header, step.now));
    if waits && expired {
        step.pull(&job)?;
        cancel::close(step, job, Why::Expired)?;
    }
    Ok(())
}
