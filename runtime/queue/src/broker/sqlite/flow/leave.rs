//! Flows that nobody will ask for again. One is sent off first, so that nobody finds it
//! any more, and then goes with all of its nodes, some in a call.

use rusqlite::params;

use crate::broker::sqlite::db::{millis_at, state_at, time};
use crate::broker::sqlite::fault::Done;
use crate::broker::sqlite::requeue;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::{FlowState, Retention};
use crate::clock::{Millis, millis};
use crate::job::State;

/// How long building a flow may take.
const BUILDING_KEPT: u64 = 3_600_000;
/// How many edges or joints of a flow go at once: they are little beside a job.
const TRIMMED: i64 = 20_000;
/// How a flow ends.
const ENDS: [FlowState; 3] = [
    FlowState::Completed,
    FlowState::Cancelled,
    FlowState::Failed,
];

/// How many of a tenant's flows and nodes have ended, and how.
pub(in super::super) struct Tally {
    pub(in super::super) tenant: String,
    pub(in super::super) what: String,
    pub(in super::super) many: i64,
}

/// All that is counted.
pub(in super::super) fn tallies(step: &Step<'_>) -> Done<Vec<Tally>> {
    Ok(step.db.all(sql!("flows", "tallies"), [], |row| {
        Ok(Tally {
            tenant: row.get(0)?,
            what: row.get(1)?,
            many: row.get(2)?,
        })
    })?)
}

/// Lets flows go that have been kept long enough, or are too many, up to so many nodes;
/// how many of these went.
pub(in super::super) fn leave(
    step: &mut Step<'_>,
    keep: &Retention,
    tallies: &mut [Tally],
    limit: u32,
) -> Done<u32> {
    let never_whole = time(Millis(step.now.0.saturating_sub(BUILDING_KEPT)));
    send_off_all(
        step,
        sql!("flows", "unfinished"),
        params![never_whole, limit],
        tallies,
    )?;
    let leaving = params![time(step.now), limit];
    send_off_all(step, sql!("flows", "leaving"), leaving, tallies)?;
    for at in 0..tallies.len() {
        let tenant = tallies[at].tenant.clone();
        let Some(state) = FlowState::from_letter(&tallies[at].what) else {
            continue;
        };
        let (letter, age) = match state {
            FlowState::Failed => ("f", keep.discarded),
            FlowState::Cancelled => ("x", keep.completed),
            _ => ("c", keep.completed),
        };
        // A time before the epoch's first moment is none at all.
        if let Some(cutoff) = step.now.0.checked_sub(millis(age)).map(Millis) {
            let aged = params![tenant, letter, time(cutoff), limit];
            send_off_all(step, sql!("flows", "aged"), aged, tallies)?;
        }
        let surplus = tallies[at].many - i64::try_from(keep.count).unwrap_or(i64::MAX);
        for (flow, _) in oldest(step, &tenant, state, surplus.min(limit.into()))? {
            send_off(step, flow, &tenant, super::word_of_flows(state))?;
        }
    }
    let mut left = limit;
    while left > 0 {
        let going = step.db.one(sql!("flows", "going"), [], |row| row.get(0))?;
        let Some(flow) = going else { break };
        let (gone, _, whole) = take(step, flow, left)?;
        left -= gone;
        if !whole {
            break;
        }
    }
    Ok(limit - left)
}

/// Forgets flows of a tenant that is deleted, up to so many nodes; how many went, a flow
/// without any being one.
pub(in super::super) fn leave_with(step: &mut Step<'_>, tenant: &str, limit: u32) -> Done<u32> {
    let mut left = limit;
    while left > 0 {
        let flow = step
            .db
            .one(sql!("flows", "of_tenant"), [tenant], |row| row.get(0))?;
        let Some(flow) = flow else { break };
        step.db.run(sql!("flows", "send_off"), [flow])?;
        step.db.run(sql!("flows", "drop_work"), [flow])?;
        let (gone, ..) = take(step, flow, left)?;
        left = left.saturating_sub(gone.max(1));
    }
    Ok(limit - left)
}

/// Lets a tenant's oldest flow go, where it holds too many bytes: how many nodes went,
/// with how many bytes. `None` where there is none to let go, or one that went before
/// has not gone yet.
pub(in super::super) fn make_room(
    step: &mut Step<'_>,
    tenant: &str,
    limit: u32,
) -> Done<Option<(u32, i64)>> {
    if step
        .db
        .one(sql!("flows", "going"), [], |_| Ok(()))?
        .is_some()
    {
        return Ok(None);
    }
    let mut first: Option<(i64, Millis, FlowState)> = None;
    for state in ENDS {
        for (flow, ended) in oldest(step, tenant, state, 1)? {
            if first.is_none_or(|(_, before, _)| ended < before) {
                first = Some((flow, ended, state));
            }
        }
    }
    let Some((flow, _, state)) = first else {
        return Ok(None);
    };
    send_off(step, flow, tenant, super::word_of_flows(state))?;
    let (gone, bytes, _) = take(step, flow, limit)?;
    Ok(Some((gone, bytes)))
}

fn oldest(step: &Step<'_>, tenant: &str, state: FlowState, most: i64) -> Done<Vec<(i64, Millis)>> {
    if most <= 0 {
        return Ok(Vec::new());
    }
    let key = params![tenant, super::word_of_flows(state), most];
    Ok(step.db.all(sql!("flows", "oldest"), key, |row| {
        Ok((row.get(0)?, millis_at(row, 1)?))
    })?)
}

fn send_off_all(
    step: &mut Step<'_>,
    which: &'static str,
    params: &[&dyn rusqlite::ToSql],
    tallies: &mut [Tally],
) -> Done<()> {
    let which: Vec<(i64, String, String)> = step.db.all(which, params, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    for (flow, tenant, letter) in which {
        let ended = FlowState::from_letter(&letter).filter(|it| it.is_final());
        let Some(state) = ended else {
            step.db.run(sql!("flows", "send_off"), [flow])?;
            continue;
        };
        send_off(step, flow, &tenant, super::word_of_flows(state))?;
        let mut all = tallies.iter_mut();
        if let Some(tally) = all.find(|it| it.tenant == tenant && it.what == letter) {
            tally.many -= 1;
        }
    }
    Ok(())
}

fn send_off(step: &mut Step<'_>, flow: i64, tenant: &str, word: &'static str) -> Done<()> {
    step.db.run(sql!("flows", "send_off"), [flow])?;
    step.flows.tally(tenant, word, -1);
    Ok(())
}

/// Forgets up to so many nodes of a flow, and the flow with its last: how many, how many
/// bytes they took, and whether that was all.
fn take(step: &mut Step<'_>, flow: i64, most: u32) -> Done<(u32, i64, bool)> {
    let page = params![flow, 0, most];
    let page: Vec<(u32, i64, State)> = step.db.all(sql!("flows", "nodes"), page, |row| {
        Ok((row.get(0)?, row.get(1)?, state_at(row, 2)?))
    })?;
    let (gone, mut bytes) = (page.len() as u32, 0);
    for (_, n, _) in &page {
        bytes += requeue::forget_node(step, *n)?;
    }
    if let Some((last, ..)) = page.last() {
        step.db
            .run(sql!("flows", "drop_nodes"), params![flow, last])?;
    }
    if gone == most || !trim(step, flow)? {
        return Ok((gone, bytes, false));
    }
    step.db.run(sql!("flows", "drop_about"), [flow])?;
    step.db.run(sql!("flows", "drop_flow"), [flow])?;
    Ok((gone, bytes, true))
}

/// Forgets joints, and who waited for them; whether all of it is gone.
fn trim(step: &Step<'_>, flow: i64) -> Done<bool> {
    let db = &step.db;
    let last = params![flow, TRIMMED];
    let edge: Option<(i64, i64)> = db.one(sql!("flows", "last_edge"), last, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let (joint, place) = edge.unwrap_or((i64::MAX, i64::MAX));
    db.run(sql!("flows", "drop_edges"), params![flow, joint, place])?;
    let joint: Option<i64> = db.one(sql!("flows", "last_joint"), last, |row| row.get(0))?;
    let last = params![flow, joint.unwrap_or(i64::MAX)];
    db.run(sql!("flows", "drop_joints"), last)?;
    Ok(edge.is_none() && joint.is_none())
}
