//! Nodes that need wait no longer.

use rusqlite::params;

use super::At;
use super::work::{self, Kind};
use crate::broker::sqlite::lanes::End;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::sqlite::stored::Stored;
use crate::broker::sqlite::terms;
use crate::clock::Millis;
use crate::job::State;

/// The joint that stands for the beginning of a flow.
pub(super) const START: i64 = -1;
/// The most nodes that a joint frees in the step that ends its last member.
const INLINE: usize = 50;
/// The most that a step frees in this way.
const IN_STEP: usize = 200;

/// A node that a joint frees.
struct Edge {
    place: u32,
    n: i64,
    /// How many joints it waits for, if these are several.
    waits: i64,
}

fn edges(step: &Step<'_>, at: At, joint: i64, most: usize) -> rusqlite::Result<Vec<Edge>> {
    let key = params![step.flows.known[at.0].n, joint, most as i64];
    step.db.all(sql!("flows", "edges"), key, |row| {
        Ok(Edge {
            place: row.get(0)?,
            n: row.get(1)?,
            waits: row.get(2)?,
        })
    })
}

/// A joint is down to zero: whoever waits for it is free, as far as that goes.
pub(super) fn free_joint(step: &mut Step<'_>, at: At, joint: i64) -> rusqlite::Result<()> {
    let edges = edges(step, at, joint, INLINE + 1)?;
    if edges.len() > INLINE || step.flows.freed + edges.len() > IN_STEP {
        return work::add(step, at, Kind::Free(joint));
    }
    step.flows.freed += edges.len();
    free(step, at, joint, &edges)
}

/// Frees the next of a joint's nodes; how many.
pub(super) fn free_some(
    step: &mut Step<'_>,
    at: At,
    joint: i64,
    most: usize,
) -> rusqlite::Result<usize> {
    let edges = edges(step, at, joint, most)?;
    free(step, at, joint, &edges)?;
    Ok(edges.len())
}

fn free(step: &mut Step<'_>, at: At, joint: i64, edges: &[Edge]) -> rusqlite::Result<()> {
    let Some(last) = edges.last() else {
        return Ok(());
    };
    let cut = params![step.flows.known[at.0].n, joint, last.place];
    step.db.run(sql!("flows", "cut"), cut)?;
    for edge in edges {
        if edge.waits > 1 {
            step.db.run(sql!("flows", "one_less"), [edge.n])?;
        } else {
            free_node(step, at, edge.n)?;
        }
    }
    Ok(())
}

fn free_node(step: &mut Step<'_>, at: At, n: i64) -> rusqlite::Result<()> {
    let Some(mut job) = Stored::by_number(&step.db, n)? else {
        return Ok(());
    };
    let is_newer = job.is_newer();
    match (job.state, &mut job.header) {
        (State::Pending, None) if !is_newer => step.end(job, State::Discarded),
        (State::Pending, _) => {
            let flow = step.flows.at(at);
            flow.pending -= 1;
            flow.live += 1;
            release(step, job)
        }
        // Where it is requeued, it need not wait.
        (State::Cancelled, Some(header)) if header.available == Millis(0) => {
            header.available = step.now;
            let ended = header.finished;
            step.write(&mut job, State::Cancelled, ended)
        }
        _ => Ok(()),
    }
}

/// A pending job is free: from now on counts what is relative to its enqueueing.
pub(in super::super) fn release(step: &mut Step<'_>, mut job: Stored) -> rusqlite::Result<()> {
    let delay = job.terms().delay();
    let Some(header) = &mut job.header else {
        // A later Lovage's: it is told again.
        return step.set_aside(job.n, State::Pending);
    };
    let due = step.now.after(delay);
    (header.enqueued, header.available) = (step.now, due);
    terms::wait_to_begin(step, &job)?;
    if delay.is_zero() {
        return step.free(job, End::Back);
    }
    if let Some(header) = &mut job.header {
        header.state = State::Scheduled;
    }
    step.write(&mut job, State::Scheduled, due)?;
    step.delay(job.n, due)
}
