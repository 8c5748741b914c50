//! One operation inside the writer's transaction: the moves that all
//! operations are made of, and what they leave to be done after the commit.

use rusqlite::{Connection, params};

use super::db::{Db, millis_at, time};
use super::lanes::{End, Joined, Rank};
use super::limits::Limits;
use super::schedules::{self, Concern};
use super::sources::{self, Sources};
use super::sql::sql;
use super::stored::Stored;
use super::{blobs, fair, flow, terms};
use crate::clock::Millis;
use crate::job::{JobId, State};
use crate::record::{self, BLOBS, CANCELLING};

/// What other tasks and workers should hear of once a step is committed.
#[derive(Default)]
pub(super) struct Effects {
    /// Queues in which there is something to find where there was nothing.
    pub(super) available: Vec<String>,
    /// A job is due before all others.
    pub(super) due: bool,
    /// The delayed jobs are not what they were.
    pub(super) delayed: bool,
    /// A module was staged.
    pub(super) staged: bool,
    /// Jobs and flows that ended.
    pub(super) ended: Vec<JobId>,
    /// Jobs that are to stop.
    pub(super) asked: Vec<Asked>,
    /// This worker found nothing in these queues (or something: then none); and whether it
    /// passed over some tenants.
    pub(super) idle: Option<(u64, Vec<String>, bool)>,
}

/// Who runs a job that is to stop, whose it is, and which.
pub(super) type Asked = (u64, String, JobId);

impl Effects {
    /// Whether workers now know more than before of what is in the file.
    pub(super) fn is_to_be_remembered(&self) -> bool {
        self.delayed || self.staged || !self.asked.is_empty()
    }
}

/// By how much more a tenant has than before.
#[derive(Default)]
struct Grown {
    tenant: String,
    /// Bytes of what has ended.
    bytes: i64,
    /// Jobs that have not.
    live: i64,
    /// Bytes that its quota counts.
    stored: i64,
}

/// One operation's view of the transaction.
pub(super) struct Step<'c> {
    /// The write connection.
    pub(super) db: Db<'c>,
    /// The time of the step.
    pub(super) now: Millis,
    /// What is to be told after the commit.
    pub(super) effects: Effects,
    /// What was looked up of limits, and what changed in them.
    pub(super) limits: Limits,
    /// The lane that was joined last: a batch mostly goes to one.
    pub(super) joined: Option<Joined>,
    /// Whether there are any notes, once somebody wanted to know.
    notes: Option<bool>,
    /// What the ends of jobs may have to do with schedules.
    pub(super) concern: Option<Concern>,
    /// What was looked up of flows, and what changed in them.
    pub(super) flows: flow::Flows,
    /// What was looked up of shares, and what is to be charged.
    pub(super) fair: fair::Fair,
    /// By how many more jobs of their pages sources have open.
    pub(super) sources: Sources,
    tallies: Vec<(String, String, State, i64)>,
    /// By how much more each tenant has.
    grown: Vec<Grown>,
    /// What goes to the front of its lane: lane, rank, job.
    fronts: Vec<([String; 3], Rank, i64)>,
}

impl<'c> Step<'c> {
    /// Begins.
    pub(super) fn new(conn: &'c Connection, now: Millis) -> Self {
        let effects = Effects::default();
        Step {
            db: Db::new(conn),
            now,
            effects,
            limits: Limits::default(),
            joined: None,
            notes: None,
            concern: None,
            flows: flow::Flows::default(),
            fair: fair::Fair::default(),
            sources: Sources::default(),
            tallies: Vec::new(),
            grown: Vec::new(),
            fronts: Vec::new(),
        }
    }

    /// Writes what was kept for the end, and hands over what is to be told.
    pub(super) fn finish(mut self) -> rusqlite::Result<Effects> {
        sources::flush(&mut self)?;
        // Each is put before all its equals: the last first, so that those of
        // one step stand in the step's order.
        for (lane, rank, n) in std::mem::take(&mut self.fronts).into_iter().rev() {
            self.push(End::Front, lane.each_ref().map(String::as_str), rank, n)?;
        }
        self.flush_spent()?;
        self.flush_limits()?;
        self.flush_weights()?;
        self.flush_tallies()?;
        self.flush_flows()?;
        Ok(self.effects)
    }

    /// Writes by how much tenants have grown so far.
    pub(super) fn flush_weights(&mut self) -> rusqlite::Result<()> {
        for it in std::mem::take(&mut self.grown) {
            if (it.bytes, it.live, it.stored) != (0, 0, 0) {
                let row = params![it.tenant, it.bytes, it.live, it.stored];
                self.db.run(sql!("moves", "keep"), row)?;
            }
        }
        Ok(())
    }

    /// Writes what was counted so far.
    pub(super) fn flush_tallies(&mut self) -> rusqlite::Result<()> {
        let tallies = std::mem::take(&mut self.tallies);
        for (tenant, queue, state, more) in tallies.iter().filter(|it| it.3 != 0) {
            let key = params![tenant, queue, *state as u8, more];
            self.db.run(sql!("moves", "tally"), key)?;
            if *more < 0 {
                let key = params![tenant, queue, *state as u8];
                self.db.run(sql!("moves", "tally_none"), key)?;
            }
        }
        Ok(())
    }

    /// Counts a job that goes from one state to another; new and forgotten jobs
    /// come from or go to none.
    pub(super) fn count(
        &mut self,
        tenant: &str,
        queue: &str,
        from: Option<State>,
        to: Option<State>,
    ) {
        for (state, more) in [(from, -1), (to, 1)] {
            let Some(state) = state else { continue };
            if !state.is_final() {
                self.grown(tenant).live += more;
            }
            let known = self
                .tallies
                .iter_mut()
                .find(|it| it.2 == state && it.1 == queue && it.0 == tenant);
            match known {
                Some(tally) => tally.3 += more,
                None => self
                    .tallies
                    .push((tenant.into(), queue.into(), state, more)),
            }
        }
    }

    /// Counts the bytes of what has ended.
    pub(super) fn weigh(&mut self, tenant: &str, more: i64) {
        self.grown(tenant).bytes += more;
    }

    /// Counts bytes that a tenant stores.
    pub(super) fn store(&mut self, tenant: &str, more: i64) {
        self.grown(tenant).stored += more;
    }

    fn grown(&mut self, tenant: &str) -> &mut Grown {
        let known = self.grown.iter().position(|it| it.tenant == tenant);
        let place = known.unwrap_or_else(|| {
            let tenant = tenant.to_owned();
            self.grown.push(Grown {
                tenant,
                ..Grown::default()
            });
            self.grown.len() - 1
        });
        &mut self.grown[place]
    }

    /// When there is next something to do at a time.
    pub(super) fn first_due(&self) -> rusqlite::Result<Option<Millis>> {
        first_due(&self.db)
    }

    /// Takes a running job from its worker: it is to end or to wait again.
    pub(super) fn let_go(&mut self, job: &mut Stored, worker: i64) -> rusqlite::Result<()> {
        self.db.run(sql!("moves", "let_go"), [worker, job.n])?;
        if job
            .header
            .as_ref()
            .is_none_or(|it| it.flags & CANCELLING != 0)
        {
            self.db.run(sql!("lease", "answer"), [job.n])?;
        }
        self.release(job)
    }

    /// Makes a stored job available: its header and row are written, whatever
    /// the header says by now of counters and times. One whose record cannot be
    /// read would come back for ever, so it goes to the dead list.
    pub(super) fn free(&mut self, mut job: Stored, end: End) -> rusqlite::Result<()> {
        if job.is_newer() {
            return self.set_aside(job.n, job.state);
        }
        let ran = job.state == State::Running;
        let Some(header) = &mut job.header else {
            return self.end(job, State::Discarded);
        };
        header.state = State::Available;
        let (at, rank) = (header.available, Rank::of(header));
        self.write(&mut job, State::Available, at)?;
        if ran {
            terms::wait_again(self, &job)?;
        }
        let lane = self.lane_for(&job.tenant, &job.record, job.lane())?;
        if end == End::Front {
            let place = [job.tenant, job.queue, lane];
            self.fronts.push((place, rank, job.n));
            return Ok(());
        }
        self.push(end, [&job.tenant, &job.queue, &lane], rank, job.n)
    }

    /// Ends a job: nothing holds it any more, and whoever waits for it hears.
    pub(super) fn end(&mut self, mut job: Stored, state: State) -> rusqlite::Result<()> {
        let terms = job.terms();
        let node = flow::Ending::of(self, &job, &terms, state)?;
        if let Some(source) = terms.source().filter(|_| !job.state.is_final()) {
            self.sources.count(&job.tenant, source, -1);
        }
        if let Some(header) = &mut job.header {
            (header.state, header.finished) = (state, self.now);
            header.flags &= BLOBS;
            if node.as_ref().is_some_and(|node| node.marked) {
                header.flags |= CANCELLING;
            }
        }
        self.write(&mut job, state, self.now)?;
        self.drop_note(job.n, state)?;
        terms::end(self, &job, &terms, state)?;
        schedules::ended(self, &job, state)?;
        let weight = self.weight(&job)?;
        self.weigh(&job.tenant, weight);
        self.store(&job.tenant, job.record.len() as i64 - job.call_size());
        self.effects.ended.push(job.id);
        match node {
            Some(node) => flow::ended(self, &job.tenant, &node),
            None => Ok(()),
        }
    }

    /// A job's note goes with its end; but a source that did not complete goes on at its
    /// cursor if it is requeued.
    fn drop_note(&mut self, n: i64, state: State) -> rusqlite::Result<()> {
        if !self.has_notes()? {
            return Ok(());
        }
        if state == State::Completed {
            self.db.run(sql!("moves", "drop_note"), [n])?;
        } else if self.db.run(sql!("moves", "drop_note_unless"), [n])? == 0 {
            self.db.run(sql!("moves", "drop_word"), [n])?;
        }
        Ok(())
    }

    /// What a job that has ended takes: its record, its blobs, and a cursor, in bytes.
    pub(super) fn weight(&mut self, job: &Stored) -> rusqlite::Result<i64> {
        Ok(blobs::weight(&self.db, job)? + self.weight_of_note(job.n)?)
    }

    fn weight_of_note(&mut self, n: i64) -> rusqlite::Result<i64> {
        match self.has_notes()? {
            true => {
                let weight = self
                    .db
                    .one(sql!("moves", "cursor_weight"), [n], |row| row.get(0))?;
                Ok(weight.flatten().unwrap_or(0))
            }
            false => Ok(0),
        }
    }

    /// Drops what a forgotten job left; how many bytes that were.
    pub(super) fn forget_note(&mut self, n: i64) -> rusqlite::Result<i64> {
        let weight = self.weight_of_note(n)?;
        self.drop_note(n, State::Completed)?;
        Ok(weight)
    }

    /// There is a note now.
    pub(super) fn is_noted(&mut self) {
        self.notes = Some(true);
    }

    fn has_notes(&mut self) -> rusqlite::Result<bool> {
        if self.notes.is_none() {
            self.notes = Some(self.db.is(sql!("moves", "any_note"), [])?);
        }
        Ok(self.notes == Some(true))
    }

    /// Writes header and row, and counts the job in its new state.
    pub(super) fn write(
        &mut self,
        job: &mut Stored,
        state: State,
        at: Millis,
    ) -> rusqlite::Result<()> {
        if let Some(header) = &job.header {
            job.record[..record::HEADER].copy_from_slice(&header.encode());
        }
        self.db.run(
            sql!("moves", "write"),
            params![job.n, state as u8, time(at), job.record],
        )?;
        self.count(&job.tenant, &job.queue, Some(job.state), Some(state));
        job.state = state;
        Ok(())
    }
}

/// When there is next something to do at a time.
pub(super) fn first_due(db: &Db<'_>) -> rusqlite::Result<Option<Millis>> {
    let first = db.one(sql!("moves", "first_due"), [], |row| {
        let due = |column| match row.get_ref(column)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => millis_at(row, column).map(Some),
        };
        let due: [Option<Millis>; 5] = [due(0)?, due(1)?, due(2)?, due(3)?, due(4)?];
        Ok(due.into_iter().flatten().min())
    })?;
    Ok(first.flatten())
}
