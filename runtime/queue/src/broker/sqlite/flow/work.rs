//! What is more of a flow than one step should do: nodes to be freed, cancelled, or run
//! again. It is written down with what it comes of, and [`work`] goes on with it.

use rusqlite::params;

use super::build::extent;
use super::free::{START, free_joint, free_some};
use super::{At, Stop, ends};
use crate::broker::FlowState;
use crate::broker::sqlite::db::{id_at, state_at};
use crate::broker::sqlite::fault::Done;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::sqlite::stored::Stored;
use crate::broker::sqlite::{cancel as jobs, requeue};
use crate::job::{JobId, State, WithoutNode};
use crate::record::CANCELLING;

/// How many nodes a step looks at.
const STRIDE: usize = 500;

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The nodes are free that wait for this joint.
    Free(i64),
    /// The rest is cancelled: all of it but handlers, what is pending, or all of it.
    Cancel(Stop),
    /// What was cancelled with the flow comes back.
    Revive,
    /// So does what failed.
    Retry,
}

impl Kind {
    fn letter(self) -> &'static str {
        match self {
            Kind::Free(_) => "f",
            Kind::Cancel(stop) => stop.letter(),
            Kind::Revive => "v",
            Kind::Retry => "t",
        }
    }

    fn from_letter(letter: &str, joint: i64) -> Self {
        match letter {
            "f" => Kind::Free(joint),
            "v" => Kind::Revive,
            "t" => Kind::Retry,
            stop => Kind::Cancel(Stop::from_letter(stop)),
        }
    }
}

/// Something that was written down.
struct Item {
    seq: i64,
    flow: i64,
    kind: Kind,
    /// From where on.
    place: u32,
}

/// Writes down what there is to do; the flow lives as long as it is not done.
pub(super) fn add(step: &mut Step<'_>, at: At, kind: Kind) -> rusqlite::Result<()> {
    let flow = step.flows.at(at);
    flow.live += 1;
    let joint = match kind {
        Kind::Free(joint) => joint,
        _ => 0,
    };
    let row = params![flow.n, kind.letter(), joint];
    step.db.run(sql!("flows", "add_work"), row)?;
    step.effects.due = true;
    step.effects.delayed = true;
    Ok(())
}

/// A flow goes on that was stopped: nothing of it is cancelled any more.
pub(super) fn let_live(step: &mut Step<'_>, at: At) -> rusqlite::Result<()> {
    let flow = step.flows.at(at);
    let gone = step.db.run(sql!("flows", "cancel_no_more"), [flow.n])?;
    flow.live -= gone as i64;
    flow.stop = Stop::No;
    flow.is_turned = true;
    Ok(())
}

/// Goes on with what there is to do, so far as one step should; flows take turns.
pub(in super::super) fn work(step: &mut Step<'_>) -> Done<()> {
    let mut left = STRIDE;
    while left > 0 {
        let Some(item) = next(step)? else { break };
        step.effects.delayed = true;
        let (looked, place) = match find(step, item.flow)? {
            Some(at) => go_on(step, at, &item, left)?,
            None => (0, None),
        };
        left = left.saturating_sub(looked.max(1));
        if let Some(place) = place {
            step.db
                .run(sql!("flows", "work_on"), params![item.seq, place])?;
        }
        step.db.run(sql!("flows", "work_done"), [item.seq])?;
    }
    Ok(())
}

/// Whether there is more to do.
pub(in super::super) fn has_work(step: &Step<'_>) -> Done<bool> {
    Ok(next(step)?.is_some())
}

fn next(step: &Step<'_>) -> Done<Option<Item>> {
    Ok(step.db.one(sql!("flows", "next_work"), [], |row| {
        let (kind, joint): (String, i64) = (row.get(2)?, row.get(3)?);
        Ok(Item {
            seq: row.get(0)?,
            flow: row.get(1)?,
            kind: Kind::from_letter(&kind, joint),
            place: row.get(4)?,
        })
    })?)
}

fn find(step: &mut Step<'_>, flow: i64) -> Done<Option<At>> {
    let name = step.db.one(sql!("flows", "name_of"), [flow], |row| {
        Ok((row.get::<_, String>(0)?, id_at(row, 1)?))
    })?;
    Ok(match name {
        Some((tenant, id)) => step.flow(&tenant, id)?,
        None => None,
    })
}

/// Goes on with one thing: how many nodes it looked at, and from where on there is more
/// of it, if there is.
fn go_on(step: &mut Step<'_>, at: At, item: &Item, most: usize) -> Done<(usize, Option<u32>)> {
    let (looked, place) = match item.kind {
        Kind::Free(joint) => {
            let freed = free_some(step, at, joint, most)?;
            (freed, (freed == most).then_some(0))
        }
        // The flow was stopped again since.
        Kind::Revive | Kind::Retry if step.flows.known[at.0].stop != Stop::No => (0, None),
        _ => walk(step, item, most)?,
    };
    if place.is_none() {
        step.flows.at(at).live -= 1;
        ends::look_over(step, at, item.kind == Kind::Cancel(Stop::Rest))?;
    }
    Ok((looked, place))
}

/// Visits some of a flow's nodes.
fn walk(step: &mut Step<'_>, item: &Item, most: usize) -> Done<(usize, Option<u32>)> {
    let page = params![item.flow, item.place, most as i64];
    let page: Vec<(u32, i64, State)> = step.db.all(sql!("flows", "nodes"), page, |row| {
        Ok((row.get(0)?, row.get(1)?, state_at(row, 2)?))
    })?;
    for (_, n, state) in &page {
        visit(step, item.kind, *n, *state)?;
    }
    let more = page.last().filter(|_| page.len() == most);
    Ok((page.len(), more.map(|(place, ..)| place + 1)))
}

fn visit(step: &mut Step<'_>, kind: Kind, n: i64, state: State) -> Done<()> {
    let concerned = match kind {
        Kind::Free(_) => false,
        Kind::Cancel(Stop::Rest) => state == State::Pending,
        Kind::Cancel(_) => !state.is_final(),
        Kind::Revive => state == State::Cancelled,
        Kind::Retry => matches!(state, State::Discarded | State::Cancelled),
    };
    if !concerned {
        return Ok(());
    }
    let Some(job) = Stored::by_number(&step.db, n)? else {
        return Ok(());
    };
    match kind {
        Kind::Cancel(stop) => {
            let handles = |it: crate::job::Seat| it.without == WithoutNode::Handles;
            if stop == Stop::Failed && job.terms().seat().is_some_and(handles) {
                return Ok(());
            }
            if job.header.is_none() && state == State::Pending && !job.is_newer() {
                return Ok(step.end(job, State::Discarded)?);
            }
            jobs::cancel_job(step, job, jobs::Why::WithFlow)?;
        }
        _ => {
            let marked = job.header.as_ref().map(|it| it.flags & CANCELLING != 0);
            if kind == Kind::Retry || marked == Some(true) {
                requeue::again(step, job)?;
            }
        }
    }
    Ok(())
}

/// Cancels what has not ended of a flow; whether there is anything to cancel.
pub(in super::super) fn cancel(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<bool> {
    let Some(at) = step.flow(tenant, id)? else {
        return Ok(false);
    };
    let flow = step.flows.at(at);
    if flow.state.is_none_or(FlowState::is_final) {
        return Ok(false);
    }
    if flow.stop != Stop::Called {
        flow.stop = Stop::Called;
        flow.is_turned = true;
        add(step, at, Kind::Cancel(Stop::Called))?;
    }
    Ok(true)
}

/// Lets a flow go on that failed or was cancelled; whether it is one.
pub(in super::super) fn retry(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<bool> {
    let Some(at) = step.flow(tenant, id)? else {
        return Ok(false);
    };
    let flow = step.flows.at(at);
    if !matches!(flow.state, Some(FlowState::Failed | FlowState::Cancelled)) {
        return Ok(false);
    }
    let n = flow.n;
    let (whole, added) = extent(step, n)?;
    if added < whole {
        return Ok(false);
    }
    step.flows.at(at).stop = Stop::No;
    ends::reopen(step, at);
    // Of one that was cancelled before it began.
    free_joint(step, at, START)?;
    add(step, at, Kind::Retry)?;
    Ok(true)
}
