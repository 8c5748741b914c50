//! How a tenant goes: first it is asked to stop, then all that names it is taken away,
//! some in a call, its record last.

use rusqlite::params;

use super::{stored, write};
use crate::broker::LINGERS;
use crate::broker::sqlite::db::{id_at, state_at};
use crate::broker::sqlite::fault::Done;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::sqlite::stored::Stored;
use crate::broker::sqlite::{blobs, cancel, flow, registry};
use crate::job::{JobId, State};
use crate::record;
use crate::tenant::{Deletion, Tenant};

/// What goes by the tenant's name alone; each takes a name and how many rows.
const TABLES: &[&str] = &[
    sql!("tenants", "drop_available"),
    sql!("tenants", "drop_lanes"),
    sql!("tenants", "drop_keys"),
    sql!("tenants", "drop_leaving"),
    sql!("tenants", "drop_releases"),
    sql!("tenants", "drop_staged"),
    sql!("tenants", "drop_words"),
    sql!("tenants", "drop_schedules"),
    sql!("tenants", "drop_fires"),
    sql!("tenants", "drop_needs"),
    sql!("tenants", "drop_watched"),
    sql!("tenants", "drop_sources"),
    sql!("tenants", "drop_entries"),
    sql!("tenants", "drop_minutes"),
    sql!("tenants", "drop_events"),
    sql!("tenants", "drop_used"),
    sql!("tenants", "drop_acts"),
    // In this order.
    sql!("tenants", "drop_pairs"),
    sql!("tenants", "drop_buckets"),
    sql!("tenants", "drop_held"),
];

/// What is small, and may be written again by the end of a step that takes something else.
const LAST: &[&str] = &[
    sql!("tenants", "drop_ring"),
    sql!("tenants", "drop_fair"),
    sql!("tenants", "drop_clock"),
    sql!("tenants", "drop_passed"),
    sql!("tenants", "drop_kept"),
    sql!("tenants", "drop_rules"),
    sql!("tenants", "drop_wakes"),
    sql!("tenants", "drop_tally"),
    sql!("tenants", "drop_flow_tally"),
    sql!("tenants", "drop"),
];

/// One call.
pub(super) fn delete(step: &mut Step<'_>, name: &str, limit: u32) -> Done<Deletion> {
    let tenant = match stored(&step.db, name)? {
        Some(tenant) => tenant,
        None if step.db.is(sql!("tenants", "is_known"), [name])? => Tenant::new(name),
        None => return Ok(Deletion::Missing),
    };
    let Some(since) = tenant.leaving else {
        let leaving = Some(step.now);
        write(step, &Tenant { leaving, ..tenant })?;
        stop(step, name)?;
        return Ok(Deletion::More);
    };
    if step.now.0 < since.0 + LINGERS {
        stop(step, name)?;
        return Ok(Deletion::More);
    }
    let mut left = limit;
    left -= flow::leave_with(step, name, left)?;
    left -= jobs(step, name, left)?;
    left -= bytes(step, name, left)?;
    for table in TABLES {
        if left == 0 {
            break;
        }
        let gone = step.db.run(table, params![name, left])?;
        left -= u32::try_from(gone).unwrap_or(left).min(left);
    }
    if left < limit {
        return Ok(Deletion::More);
    }
    for table in LAST {
        step.db.run(table, [name])?;
    }
    step.limits.forget();
    Ok(Deletion::Done)
}

/// Asks whoever runs something of it to stop.
fn stop(step: &mut Step<'_>, name: &str) -> Done<()> {
    let running: Vec<i64> = step
        .db
        .all(sql!("control", "running"), [name], |row| row.get(0))?;
    for n in running {
        if let Some(job) = Stored::by_number(&step.db, n)? {
            cancel::cancel_job(step, job, cancel::Why::Stopped)?;
        }
    }
    Ok(())
}

/// Takes jobs away, whatever their state.
fn jobs(step: &mut Step<'_>, name: &str, limit: u32) -> Done<u32> {
    let page = params![name, limit];
    let jobs = step.db.all(sql!("tenants", "jobs"), page, |row| {
        let (n, head): (i64, Vec<u8>) = (row.get(0)?, row.get(3)?);
        Ok((n, id_at(row, 1)?, state_at(row, 2)?, head))
    })?;
    let gone = jobs.len() as u32;
    for (n, id, state, head) in jobs {
        take(step, n, id, state)?;
        let odd = record::Header::decode(&head).is_err() || record::is_newer(&head);
        // What lies somewhere that its row does not tell.
        if odd || state == State::Running {
            step.db.run(sql!("tenants", "drop_inflight"), [n])?;
        }
        if odd {
            step.db.run(sql!("tenants", "drop_delayed"), [n])?;
        }
    }
    Ok(gone)
}

fn take(step: &mut Step<'_>, n: i64, id: JobId, state: State) -> Done<()> {
    let db = &step.db;
    if matches!(state, State::Scheduled | State::Retryable) {
        db.run(sql!("moves", "undelay"), [n])?;
        step.effects.delayed = true;
    }
    for of_job in [
        sql!("moves", "drop_note"),
        sql!("lease", "answer"),
        sql!("terms", "unexpire"),
        sql!("terms", "let_go"),
        sql!("terms", "left"),
        sql!("blobs", "drop_refers"),
        sql!("tenants", "drop_node"),
        sql!("prune", "forget"),
    ] {
        db.run(of_job, [n])?;
    }
    step.effects.ended.push(id);
    Ok(())
}

/// Takes blobs and modules away with their chunks.
fn bytes(step: &mut Step<'_>, name: &str, limit: u32) -> Done<u32> {
    let page = params![name, limit];
    let loose = step.db.all(sql!("tenants", "blobs"), page, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let gone = loose.len() as u32;
    for blob in loose {
        blobs::forget(step, name, blob)?;
    }
    let page = params![name, limit - gone];
    let modules: Vec<(i64, i64)> = step.db.all(sql!("tenants", "modules"), page, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    for (module, upload) in &modules {
        step.db.run(sql!("tenants", "drop_module"), [module])?;
        registry::drop_upload(&step.db, *upload)?;
    }
    Ok(gone + modules.len() as u32)
}
