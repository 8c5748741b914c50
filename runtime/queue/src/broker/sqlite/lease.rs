//! Leases: signs of life, and what becomes of the jobs of those that give none.

use std::time::Duration;

use rusqlite::params;

use super::cancel::{self, Why};
use super::db::{Db, id_at, time};
use super::fault::Done;
use super::lanes::End;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::{BrokerError, Heartbeat, Pulse, Reclaimed};
use crate::job::{Attempt, Ending, State, WorkerId};
use crate::record::{self, CANCELLING};
use crate::registry::Digest;
use crate::task::Failure;

/// The number of a live worker's last claim; zero before the first.
pub(super) fn last_claim(db: &Db<'_>, worker: WorkerId) -> Done<Option<u64>> {
    let number: Option<i64> = db.one(sql!("lease", "find"), [worker.0.cast_signed()], |row| {
        row.get(0)
    })?;
    Ok(number.map(i64::cast_unsigned))
}

/// Whether a worker was declared dead.
pub(super) fn is_dead(db: &Db<'_>, worker: WorkerId) -> Done<bool> {
    Ok(db
        .one(sql!("lease", "is_dead"), [worker.0.cast_signed()], |_| {
            Ok(())
        })?
        .is_some())
}

/// Registers or renews a lease.
pub(super) fn renew(step: &Step<'_>, worker: WorkerId, lease: Duration, number: u64) -> Done<()> {
    let until = time(step.now.after(lease));
    let row = params![worker.0.cast_signed(), until, number.cast_signed()];
    step.db.run(sql!("lease", "renew"), row)?;
    Ok(())
}

/// A heartbeat.
pub(super) fn extend(step: &mut Step<'_>, beat: &Heartbeat) -> Done<Pulse> {
    let last = last_claim(&step.db, beat.worker)?;
    if last.is_none() && is_dead(&step.db, beat.worker)? {
        return Err(BrokerError::Dead(beat.worker).into());
    }
    renew(step, beat.worker, beat.lease, last.unwrap_or(0))?;
    let worker = beat.worker.0.cast_signed();
    step.db
        .run(sql!("lease", "about"), params![worker, beat.about])?;
    for (tenant, digest, refusal) in &beat.compiled {
        step.db.run(
            sql!("lease", "word"),
            params![tenant, digest.0, worker, refusal],
        )?;
    }
    let mut pulse = Pulse::default();
    for queue in &beat.queues {
        pulse.work |= has_work(&step.db, queue)?;
    }
    pulse.staged = step.db.all(sql!("lease", "unsaid"), [worker], |row| {
        Ok((row.get(0)?, Digest(row.get(1)?)))
    })?;
    pulse.cancelled = step.db.all(sql!("lease", "asked_of"), [worker], |row| {
        Ok((row.get(0)?, id_at(row, 1)?))
    })?;
    Ok(pulse)
}

/// Whether a queue has available jobs.
pub(super) fn has_work(db: &Db<'_>, queue: &str) -> rusqlite::Result<bool> {
    db.is(sql!("lease", "has_work"), [queue])
}

/// Declares workers dead, and gives their jobs back.
pub(super) fn reclaim(step: &mut Step<'_>, limit: u32) -> Done<Reclaimed> {
    let mut done = Reclaimed::default();
    let now = time(step.now);
    for worker in step
        .db
        .all(sql!("lease", "run_out"), [now], |row| row.get::<_, i64>(0))?
    {
        step.db.run(sql!("lease", "end"), [worker])?;
        step.db
            .run(sql!("lease", "bury"), params![worker, now, true])?;
        done.workers += 1;
    }
    let mut left = limit;
    for worker in step
        .db
        .all(sql!("lease", "holding"), [], |row| row.get::<_, i64>(0))?
    {
        let held = held(&step.db, worker, left)?;
        left -= held.len() as u32;
        for n in held {
            match take_back(step, worker, n)? {
                Taken::Freed => done.jobs += 1,
                Taken::Lost => done.lost += 1,
                Taken::Otherwise => {}
            }
        }
        if left == 0 {
            // It may hold more; the next call finds out.
            break;
        }
        step.db.run(sql!("lease", "emptied"), [worker])?;
    }
    Ok(done)
}

/// The last jobs that a worker claimed, first claimed first: so those that a
/// later call puts before these were claimed before these.
fn held(db: &Db<'_>, worker: i64, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut held: Vec<i64> = db.all(
        sql!("lease", "last_claimed"),
        params![worker, limit],
        |row| row.get(0),
    )?;
    held.reverse();
    Ok(held)
}

/// What became of a dead worker's job.
enum Taken {
    /// It is available again.
    Freed,
    /// It is on the dead list.
    Lost,
    /// It is cancelled, or left to whoever can read it.
    Otherwise,
}

/// Takes a job from a dead worker. It is worse to lose a job than to run it twice,
/// but one that takes worker after worker down with it must stop somewhere.
fn take_back(step: &mut Step<'_>, worker: i64, n: i64) -> Done<Taken> {
    let Some(mut job) = release(step, worker, n, true)? else {
        return Ok(Taken::Otherwise);
    };
    let Some(header) = &mut job.header else {
        step.end(job, State::Discarded)?;
        return Ok(Taken::Lost);
    };
    header.crash = header.crash.saturating_add(1);
    let worker = WorkerId(std::mem::take(&mut header.worker));
    if header.crash < u16::from(header.crash_limit) {
        step.free(job, End::Front)?;
        return Ok(Taken::Freed);
    }
    let attempt = Attempt {
        ending: Ending::Lost,
        delivery: header.delivery,
        worker,
        digest: None,
        release: 0,
        started: header.started,
        took: step.now.since(header.started),
        fuel: 0,
        peak_memory: 0,
        failure: Some(Failure::new(
            Ending::Lost.as_str(),
            format!(
                "{} workers died while they ran this job, {worker} last",
                header.crash
            ),
        )),
        log: Vec::new(),
    };
    job.record.extend(record::encode_attempt(&attempt, None));
    step.end(job, State::Discarded)?;
    Ok(Taken::Lost)
}

/// Takes a job from its worker, which died or retires; `None` where nothing more is
/// to be done with it.
fn release(step: &mut Step<'_>, worker: i64, n: i64, crashed: bool) -> Done<Option<Stored>> {
    let Some(mut job) = Stored::by_number(&step.db, n)? else {
        step.db.run(sql!("moves", "let_go"), [worker, n])?;
        return Ok(None);
    };
    let asked = job
        .header
        .as_ref()
        .is_some_and(|it| it.flags & CANCELLING != 0);
    step.let_go(&mut job, worker)?;
    if job.is_newer() {
        step.set_aside(n, job.state)?;
    } else if asked {
        if let (true, Some(header)) = (crashed, &mut job.header) {
            header.crash = header.crash.saturating_add(1);
        }
        cancel::close(step, job, Why::Abandoned)?;
    } else {
        return Ok(Some(job));
    }
    Ok(None)
}

/// Ends a lease, and gives back what it held. A heartbeat that comes late must
/// not bring the worker back to life.
pub(super) fn retire(step: &mut Step<'_>, worker: WorkerId) -> Done<()> {
    let worker = worker.0.cast_signed();
    step.db.run(sql!("lease", "end"), [worker])?;
    step.db.run(
        sql!("lease", "bury"),
        params![worker, time(step.now), false],
    )?;
    for n in held(&step.db, worker, u32::MAX)? {
        let Some(mut job) = release(step, worker, n, false)? else {
            continue;
        };
        if let Some(header) = &mut job.header {
            // A late settlement must find that it is not its job any more.
            header.worker = 0;
        }
        step.free(job, End::Front)?;
    }
    Ok(())
}
