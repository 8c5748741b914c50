//! What only some jobs have: an expiry, keys, and a time of their own to leave.

use rusqlite::params;

use super::cancel;
use super::db::{id_at, millis_at, state_at, time};
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::BrokerError;
use crate::clock::Millis;
use crate::job::{Conflict, JobId, Key, State, Terms, Unique, Until};
use crate::record::Header;

/// The two kinds of keys: equal ones of different kinds never meet.
const IDEMPOTENCY: &str = "k";
const UNIQUE: &str = "u";
/// For how long a unique key is held.
const START: &str = "s";
const DONE: &str = "d";
const TIME: &str = "t";

/// Who holds a unique key; one whose job has ended may be free.
fn holder(step: &Step<'_>, tenant: &str, key: Key) -> Done<Option<JobId>> {
    let key = params![tenant, UNIQUE, key.0];
    let row = step.db.one(sql!("terms", "holder"), key, |row| {
        let (span, until): (String, Millis) = (row.get(0)?, millis_at(row, 1)?);
        Ok((span, until, id_at(row, 2)?, state_at(row, 3)?))
    })?;
    Ok(row.and_then(|(span, until, id, state)| {
        let holds = match span.as_str() {
            TIME => until > step.now,
            _ => !state.is_final(),
        };
        holds.then_some(id)
    }))
}

/// The job of an idempotency key, whatever became of it.
fn first(step: &Step<'_>, tenant: &str, key: Key) -> Done<Option<JobId>> {
    let key = params![tenant, IDEMPOTENCY, key.0];
    Ok(step
        .db
        .one(sql!("terms", "holder"), key, |row| id_at(row, 2))?)
}

fn hold(step: &Step<'_>, tenant: &str, n: i64, unique: Unique) -> Done<()> {
    let (span, until) = match unique.until {
        Until::Start => (START, Millis(0)),
        Until::Done => (DONE, Millis(0)),
        Until::For(span) => (TIME, step.now.after(span)),
    };
    let row = params![tenant, UNIQUE, unique.key.0, n, span, time(until)];
    step.db.run(sql!("terms", "hold"), row)?;
    Ok(())
}

/// What keys have against a new job: the one that is there instead of it.
pub(super) fn judge(
    step: &mut Step<'_>,
    tenant: &str,
    key: Option<Key>,
    unique: Option<Unique>,
) -> Done<Option<JobId>> {
    if let Some(key) = key
        && let Some(first) = first(step, tenant, key)?
    {
        return Ok(Some(first));
    }
    let Some(unique) = unique else {
        return Ok(None);
    };
    let Some(other) = holder(step, tenant, unique.key)? else {
        return Ok(None);
    };
    match unique.conflict {
        Conflict::Existing => Ok(Some(other)),
        Conflict::Reject => Err(BrokerError::Duplicate(other).into()),
        Conflict::Replace => {
            cancel::cancel(step, tenant, other)?;
            Ok(None)
        }
    }
}

/// A new job takes its keys, and its time begins to run.
pub(super) fn agree(
    step: &mut Step<'_>,
    tenant: &str,
    n: i64,
    (key, unique): (Option<Key>, Option<Unique>),
    expiry: Option<Millis>,
) -> Done<()> {
    if let Some(key) = key {
        let row = params![tenant, IDEMPOTENCY, key.0, n, "", 0];
        step.db.run(sql!("terms", "hold"), row)?;
    }
    if let Some(unique) = unique {
        hold(step, tenant, n, unique)?;
    }
    if let Some(at) = expiry {
        expire_at(step, n, at)?;
    }
    Ok(())
}

fn expire_at(step: &mut Step<'_>, n: i64, at: Millis) -> rusqlite::Result<()> {
    step.expect(at)?;
    let row = params![n, time(at)];
    step.db.run(sql!("terms", "expire"), row)?;
    Ok(())
}

/// A requeued job takes its unique key again, where that is held by state; the
/// job that has it, if another does.
pub(super) fn retake(step: &Step<'_>, job: &Stored, terms: &Terms) -> Done<Option<JobId>> {
    let held_by_state = |it: &Unique| !matches!(it.until, Until::For(_));
    let Some(unique) = terms.unique().filter(held_by_state) else {
        return Ok(None);
    };
    let other = holder(step, &job.tenant, unique.key)?.filter(|id| *id != job.id);
    if other.is_none() {
        hold(step, &job.tenant, job.n, unique)?;
    }
    Ok(other)
}

/// Whether it is too late for a job to begin.
pub(super) fn is_expired(terms: &Terms, header: &Header, now: Millis) -> bool {
    let expiry = terms.expiry(header.enqueued);
    header.attempt == 0 && expiry.is_some_and(|at| at <= now)
}

/// A worker begins with a job.
pub(super) fn begin(step: &mut Step<'_>, n: i64, terms: &Terms) -> rusqlite::Result<()> {
    if *terms == Terms::default() {
        return Ok(());
    }
    step.effects.delayed |= step.db.run(sql!("terms", "unexpire"), [n])? > 0;
    step.db.run(sql!("terms", "begun"), [n])?;
    Ok(())
}

/// A job that ran waits again: if it has not failed yet, its time still counts.
pub(super) fn wait_again(step: &mut Step<'_>, job: &Stored) -> rusqlite::Result<()> {
    step.db.run(sql!("moves", "drop_log"), [job.n])?;
    wait_to_begin(step, job)
}

/// The time that a job has to begin runs, unless it has failed before.
pub(super) fn wait_to_begin(step: &mut Step<'_>, job: &Stored) -> rusqlite::Result<()> {
    let Some(header) = job.header.as_ref().filter(|it| it.attempt == 0) else {
        return Ok(());
    };
    match job.terms().expiry(header.enqueued) {
        Some(at) => expire_at(step, job.n, at),
        None => Ok(()),
    }
}

/// A job has ended.
pub(super) fn end(
    step: &mut Step<'_>,
    job: &Stored,
    terms: &Terms,
    state: State,
) -> rusqlite::Result<()> {
    if *terms == Terms::default() {
        return Ok(());
    }
    step.effects.delayed |= step.db.run(sql!("terms", "unexpire"), [job.n])? > 0;
    if let Some(ttl) = terms.result_ttl().filter(|_| state == State::Completed) {
        let row = params![job.n, job.tenant, time(step.now.after(ttl))];
        step.db.run(sql!("terms", "leave"), row)?;
    }
    Ok(())
}
