//! Flows inside a step. What a step learns and changes of one is kept in hand until its
//! end: however many nodes of it a batch settles, its row is read and written once, and
//! so is each joint.
//!
//! - `build`: flows and nodes that are new
//! - `free`: nodes that need wait no longer
//! - `ends`: nodes that have ended or come back, and the end of a flow
//! - `work`: what is more than one step should do
//! - `leave`: flows that nobody will ask for again
//! - `read`: what needs no writer

mod build;
mod ends;
mod free;
mod leave;
mod read;
mod work;

use std::collections::HashMap;

use rusqlite::params;

use super::db::{id_at, millis_at, time};
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::FlowState;
use crate::clock::Millis;
use crate::job::{JobId, Seat, State, Terms};

pub(super) use build::{Node, add, begin, start, start_if_whole};
pub(super) use ends::{Ending, back, ended};
pub(super) use free::release;
pub(super) use leave::{leave, leave_with, make_room, tallies};
pub(super) use read::{about, goes_on, newest, nodes, status};
pub(super) use work::{cancel, has_work, retry, work};

/// Why the rest of a flow is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It is not.
    No,
    /// A node of it failed that must not.
    Failed,
    /// Nothing runs any more that it could wait for.
    Rest,
    /// Somebody said so.
    Called,
}

impl Stop {
    fn letter(self) -> &'static str {
        match self {
            Stop::No => "",
            Stop::Failed => "u",
            Stop::Rest => "b",
            Stop::Called => "c",
        }
    }

    fn from_letter(letter: &str) -> Self {
        let all = [Stop::Failed, Stop::Rest, Stop::Called];
        let known = all.into_iter().find(|it| it.letter() == letter);
        known.unwrap_or(Stop::No)
    }
}

/// A flow that a step has looked up.
struct Flow {
    /// Its row.
    n: i64,
    tenant: String,
    id: JobId,
    /// `None` for one that is on its way out.
    state: Option<FlowState>,
    stop: Stop,
    pending: i64,
    live: i64,
    done: i64,
    failed: i64,
    ended: Millis,
    /// The members that each joint waits for, where this step looked, and whether it
    /// changed that.
    joints: HashMap<u32, (i64, bool)>,
    /// Whether its counters are other ones than in its row.
    is_counted: bool,
    /// Whether more than they is.
    is_turned: bool,
}

/// What a step knows of flows.
#[derive(Default)]
pub(super) struct Flows {
    known: Vec<Flow>,
    places: HashMap<(String, JobId), usize>,
    /// How many nodes it has freed on its way.
    freed: usize,
    tallies: Vec<(String, &'static str, i64)>,
}

/// Which of a step's flows.
#[derive(Clone, Copy)]
pub(super) struct At(usize);

impl Flows {
    fn at(&mut self, At(place): At) -> &mut Flow {
        let flow = &mut self.known[place];
        flow.is_counted = true;
        flow
    }

    fn tally(&mut self, tenant: &str, what: &'static str, more: i64) {
        let mut all = self.tallies.iter_mut();
        match all.find(|it| it.1 == what && it.0 == tenant) {
            Some(known) => known.2 += more,
            None => self.tallies.push((tenant.into(), what, more)),
        }
    }

    /// Counts a node among what has ended, or no more.
    pub(super) fn tally_node(&mut self, tenant: &str, state: State, more: i64) {
        self.tally(tenant, word_of_nodes(state), more);
    }
}

/// The word for nodes that ended so, where flows and nodes are counted.
pub(super) fn word_of_nodes(state: State) -> &'static str {
    match state {
        State::Completed => "5",
        State::Discarded => "6",
        _ => "7",
    }
}

/// The word for flows that ended so.
fn word_of_flows(state: FlowState) -> &'static str {
    match state {
        FlowState::Completed => "c",
        FlowState::Failed => "f",
        _ => "x",
    }
}

impl Step<'_> {
    /// Whether its nodes may run again: it is not on its way out, nor being built.
    pub(super) fn has_begun(&self, At(place): At) -> bool {
        let state = self.flows.known[place].state;
        state.is_some_and(|it| it != FlowState::Building)
    }

    /// Looks a flow up.
    pub(super) fn flow(&mut self, tenant: &str, id: JobId) -> rusqlite::Result<Option<At>> {
        let key = (tenant.to_owned(), id);
        if let Some(place) = self.flows.places.get(&key) {
            return Ok(Some(At(*place)));
        }
        let row = self
            .db
            .one(sql!("flows", "open"), params![tenant, id.0], |row| {
                let (state, stop): (String, String) = (row.get(1)?, row.get(2)?);
                Ok(Flow {
                    n: row.get(0)?,
                    tenant: tenant.to_owned(),
                    id,
                    state: FlowState::from_letter(&state),
                    stop: Stop::from_letter(&stop),
                    pending: row.get(3)?,
                    live: row.get(4)?,
                    done: row.get(5)?,
                    failed: row.get(6)?,
                    ended: millis_at(row, 7)?,
                    joints: HashMap::new(),
                    is_counted: false,
                    is_turned: false,
                })
            })?;
        let Some(flow) = row else { return Ok(None) };
        let place = self.flows.known.len();
        self.flows.known.push(flow);
        self.flows.places.insert(key, place);
        Ok(Some(At(place)))
    }

    /// The flow that a job is of, and its seat there. Of one whose record does not say
    /// it, the flow is known all the same, and must not wait for it for ever.
    pub(super) fn seat_of(
        &mut self,
        job: &Stored,
        terms: &Terms,
    ) -> rusqlite::Result<Option<(At, Option<Seat>)>> {
        if let Some(seat) = terms.seat() {
            let at = self.flow(&job.tenant, seat.flow)?;
            return Ok(at.map(|at| (at, Some(seat))));
        }
        let says_nothing = |version: u8| version > 1 && *terms == Terms::default();
        if !job
            .header
            .as_ref()
            .is_none_or(|it| says_nothing(it.version))
        {
            return Ok(None);
        }
        let flow = self.db.one(sql!("flows", "of_job"), [job.n], |row| {
            Ok((row.get::<_, String>(0)?, id_at(row, 1)?))
        })?;
        let Some((tenant, id)) = flow else {
            return Ok(None);
        };
        Ok(self.flow(&tenant, id)?.map(|at| (at, None)))
    }

    /// Writes what became of flows.
    pub(super) fn flush_flows(&mut self) -> rusqlite::Result<()> {
        for flow in &mut self.flows.known {
            if std::mem::take(&mut flow.is_counted) {
                let row = params![flow.n, flow.pending, flow.live, flow.done, flow.failed];
                self.db.run(sql!("flows", "count"), row)?;
            }
            if std::mem::take(&mut flow.is_turned) {
                let state = flow.state.map_or('g', FlowState::letter).to_string();
                let row = params![flow.n, state, flow.stop.letter(), time(flow.ended)];
                self.db.run(sql!("flows", "turn"), row)?;
            }
            for (joint, (open, changed)) in &mut flow.joints {
                if std::mem::take(changed) {
                    let row = params![flow.n, joint, *open];
                    self.db.run(sql!("flows", "count_down"), row)?;
                }
            }
        }
        let tallies = std::mem::take(&mut self.flows.tallies);
        for (tenant, what, more) in tallies.iter().filter(|it| it.2 != 0) {
            self.db
                .run(sql!("flows", "tally"), params![tenant, what, more])?;
            if *more < 0 {
                self.db.run(sql!("flows", "tally_none"), [tenant, *what])?;
            }
        }
        Ok(())
    }
}
