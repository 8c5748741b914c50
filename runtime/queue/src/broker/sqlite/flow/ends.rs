//! Nodes that have ended or come back, and the end of a flow.

use rusqlite::params;

use super::free::free_joint;
use super::work::{self, Kind};
use super::{At, Stop, word_of_flows};
use crate::broker::FlowState;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::sqlite::stored::Stored;
use crate::clock::Millis;
use crate::job::{Seat, State, Terms, WithoutNode};

/// A node that is about to end.
pub(in super::super) struct Ending {
    at: At,
    /// `None` where its record does not say.
    seat: Option<Seat>,
    before: State,
    state: State,
    /// Whether it is cancelled with its flow, and comes back with it.
    pub(in super::super) marked: bool,
}

impl Ending {
    /// What the end of a job is to its flow, if it is of one.
    pub(in super::super) fn of(
        step: &mut Step<'_>,
        job: &Stored,
        terms: &Terms,
        state: State,
    ) -> rusqlite::Result<Option<Self>> {
        let Some((at, seat)) = step.seat_of(job, terms)? else {
            return Ok(None);
        };
        let stops = step.flows.known[at.0].stop != Stop::No;
        Ok(Some(Ending {
            at,
            seat,
            before: job.state,
            state,
            marked: state == State::Cancelled && stops && job.header.is_some(),
        }))
    }
}

/// A node has ended: its joint is counted down, or its alarm raised.
pub(in super::super) fn ended(
    step: &mut Step<'_>,
    tenant: &str,
    node: &Ending,
) -> rusqlite::Result<()> {
    let at = node.at;
    if node.before.is_final() {
        return Ok(());
    }
    step.flows.tally_node(tenant, node.state, 1);
    let flow = step.flows.at(at);
    match node.before {
        State::Pending => flow.pending -= 1,
        _ => flow.live -= 1,
    }
    if flow.state.is_none() {
        return Ok(());
    }
    let goes_on = |seat: Seat| seat.without == WithoutNode::GoesOn;
    let counts = node.state == State::Completed || (node.seat.is_some_and(goes_on) && !node.marked);
    if counts {
        flow.done += 1;
        if let Some(joint) = node.seat.and_then(|seat| seat.joins) {
            count_down(step, at, joint)?;
        }
    } else if !node.marked {
        flow.failed += 1;
        failed(step, at, node.seat)?;
    }
    look_over(step, at, false)
}

fn failed(step: &mut Step<'_>, at: At, seat: Option<Seat>) -> rusqlite::Result<()> {
    // What waits for one that nobody can read is cancelled once the rest has ended.
    let Some(seat) = seat else { return Ok(()) };
    if let Some(alarm) = seat.alarms {
        free_joint(step, at, alarm.into())?;
    }
    let flow = step.flows.at(at);
    if seat.without == WithoutNode::Stops && flow.stop == Stop::No {
        flow.stop = Stop::Failed;
        flow.is_turned = true;
        work::add(step, at, Kind::Cancel(Stop::Failed))?;
    }
    Ok(())
}

/// How many members of a joint have yet to complete.
fn members(step: &mut Step<'_>, at: At, joint: u32) -> rusqlite::Result<Option<i64>> {
    let flow = &step.flows.known[at.0];
    if let Some((open, _)) = flow.joints.get(&joint) {
        return Ok(Some(*open));
    }
    let key = params![flow.n, joint];
    step.db.one(sql!("flows", "members"), key, |row| row.get(0))
}

fn set_members(step: &mut Step<'_>, at: At, joint: u32, open: i64) {
    step.flows.at(at).joints.insert(joint, (open, true));
}

fn count_down(step: &mut Step<'_>, at: At, joint: u32) -> rusqlite::Result<()> {
    let Some(open) = members(step, at, joint)? else {
        return Ok(());
    };
    set_members(step, at, joint, open - 1);
    match open - 1 {
        0 => free_joint(step, at, joint.into()),
        _ => Ok(()),
    }
}

/// Ends a flow in which nothing runs or waits for a worker any more; but first what is
/// still pending is cancelled. `swept` where that has been done.
pub(super) fn look_over(step: &mut Step<'_>, at: At, swept: bool) -> rusqlite::Result<()> {
    let now = step.now;
    let flow = step.flows.at(at);
    let goes_on = match flow.state {
        Some(FlowState::Running) => true,
        Some(FlowState::Building) => flow.stop != Stop::No,
        _ => false,
    };
    if flow.live > 0 || !goes_on {
        return Ok(());
    }
    // What is pending after that cannot be read, not even to be cancelled.
    if flow.pending > 0 && !swept {
        if flow.stop == Stop::No {
            flow.stop = Stop::Rest;
            flow.is_turned = true;
        }
        return work::add(step, at, Kind::Cancel(Stop::Rest));
    }
    let state = match flow.stop {
        Stop::Called => FlowState::Cancelled,
        Stop::Failed => FlowState::Failed,
        _ if flow.failed > 0 => FlowState::Failed,
        _ => FlowState::Completed,
    };
    (flow.state, flow.ended, flow.is_turned) = (Some(state), now, true);
    let (tenant, id) = (flow.tenant.clone(), flow.id);
    step.flows.tally(&tenant, word_of_flows(state), 1);
    step.effects.ended.push(id);
    Ok(())
}

/// A flow goes on that had ended or was about to.
pub(super) fn reopen(step: &mut Step<'_>, at: At) {
    let flow = step.flows.at(at);
    let Some(state) = flow.state.filter(|it| it.is_final()) else {
        return;
    };
    (flow.state, flow.ended, flow.is_turned) = (Some(FlowState::Running), Millis(0), true);
    let tenant = flow.tenant.clone();
    step.flows.tally(&tenant, word_of_flows(state), -1);
}

/// A node comes back that had ended in this state: its failure is undone, and its flow
/// goes on, with what was cancelled with it. It had been free, or is pending again.
pub(in super::super) fn back(
    step: &mut Step<'_>,
    (at, seat): (At, Seat),
    (state, marked): (State, bool),
    was_free: bool,
) -> rusqlite::Result<()> {
    let flow = step.flows.at(at);
    match was_free {
        true => flow.live += 1,
        false => flow.pending += 1,
    }
    let tenant = flow.tenant.clone();
    if !marked && seat.without == WithoutNode::GoesOn {
        flow.done -= 1;
        if let Some(joint) = seat.joins
            && let Some(open @ 1..) = members(step, at, joint)?
        {
            set_members(step, at, joint, open + 1);
        }
    } else if !marked {
        flow.failed -= 1;
    }
    step.flows.tally_node(&tenant, state, -1);
    reopen(step, at);
    if step.flows.at(at).stop == Stop::No {
        // Where it waits for what failed, and nothing else goes on, that is all.
        return look_over(step, at, false);
    }
    work::let_live(step, at)?;
    work::add(step, at, Kind::Revive)
}
