//! One operation inside the writer's transaction: the moves that all
//! operations are made of, and what they leave to be done after the commit.

use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::sql::sql;
use crate::clock::Millis;
use crate::job::{JobId, State};
use crate::record::{self, Header, Route};

/// How many milliseconds of waiting a step of priority is worth.
const AGING: i64 = 600_000;

/// A connection whose statements are prepared once.
#[derive(Clone, Copy)]
pub(super) struct Db<'c>(pub(super) &'c Connection);

impl Db<'_> {
    /// Runs a statement; how many rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.0.prepare_cached(sql)?.execute(params)
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.0
            .prepare_cached(sql)?
            .query_row(params, read)
            .optional()
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.0
            .prepare_cached(sql)?
            .query_map(params, read)?
            .collect()
    }
}

/// An id as it lies in a column.
pub(super) fn id_at(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    row.get(column).map(JobId)
}

/// A state as it lies in a column.
pub(super) fn state_at(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(
        column,
        code.into(),
    ))
}

/// A time as it lies in a column.
pub(super) fn time(at: Millis) -> i64 {
    at.0.cast_signed()
}

/// What other tasks and workers should hear of once a step is committed.
#[derive(Default)]
pub(super) struct Effects {
    /// Queues that have more jobs available than before.
    pub(super) available: Vec<String>,
    /// A job is due before all others.
    pub(super) due: bool,
    /// The delayed jobs are not what they were.
    pub(super) delayed: bool,
    /// A module was staged.
    pub(super) staged: bool,
    /// Jobs that ended.
    pub(super) ended: Vec<JobId>,
    /// This worker found nothing in these queues (or something: then none).
    pub(super) idle: Option<(u64, Vec<String>)>,
}

/// Where among its equals a job is put.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// A row of `job`.
pub(super) struct Stored {
    pub(super) n: i64,
    pub(super) tenant: String,
    pub(super) id: JobId,
    pub(super) queue: String,
    /// What the row says, which the record may no longer.
    pub(super) state: State,
    pub(super) record: Vec<u8>,
    /// The record's header, if it can be read.
    pub(super) header: Option<Header>,
}

impl Stored {
    /// The job of this id.
    pub(super) fn by_id(db: Db<'_>, tenant: &str, id: JobId) -> rusqlite::Result<Option<Self>> {
        db.one(sql!("moves", "job"), params![tenant, id.0], |row| {
            let (state, record) = (state_at(row, 2)?, row.get(3)?);
            Ok(Stored::new(
                row.get(0)?,
                tenant.into(),
                id,
                row.get(1)?,
                state,
                record,
            ))
        })
    }

    /// The job of this row.
    pub(super) fn by_number(db: Db<'_>, n: i64) -> rusqlite::Result<Option<Self>> {
        db.one(sql!("moves", "job_by_number"), [n], |row| {
            let (state, record) = (state_at(row, 3)?, row.get(4)?);
            Ok(Stored::new(
                n,
                row.get(0)?,
                id_at(row, 1)?,
                row.get(2)?,
                state,
                record,
            ))
        })
    }

    fn new(
        n: i64,
        tenant: String,
        id: JobId,
        queue: String,
        state: State,
        record: Vec<u8>,
    ) -> Self {
        let header = Header::decode(&record).ok();
        Stored {
            n,
            tenant,
            id,
            queue,
            state,
            record,
            header,
        }
    }
}

/// One operation's view of the transaction.
pub(super) struct Step<'c> {
    /// The write connection.
    pub(super) db: Db<'c>,
    /// The time of the step.
    pub(super) now: Millis,
    /// What is to be told after the commit.
    pub(super) effects: Effects,
    tallies: Vec<(String, String, State, i64)>,
    /// The lane that was joined last: a batch mostly goes to one.
    joined: Option<[String; 3]>,
    /// What goes to the front of its lane: lane, rank, job.
    fronts: Vec<([String; 3], i64, i64)>,
}

impl<'c> Step<'c> {
    /// Begins.
    pub(super) fn new(conn: &'c Connection, now: Millis) -> Self {
        let effects = Effects::default();
        Step {
            db: Db(conn),
            now,
            effects,
            tallies: Vec::new(),
            joined: None,
            fronts: Vec::new(),
        }
    }

    /// Writes what was kept for the end, and hands over what is to be told.
    pub(super) fn finish(mut self) -> rusqlite::Result<Effects> {
        // Each is put before all its equals: the last first, so that those of
        // one step stand in the step's order.
        for (lane, rank, n) in std::mem::take(&mut self.fronts).into_iter().rev() {
            self.push(End::Front, lane.each_ref().map(String::as_str), rank, n)?;
        }
        for (tenant, queue, state, more) in self.tallies.iter().filter(|it| it.3 != 0) {
            let key = params![tenant, queue, *state as u8, more];
            let jobs: Option<i64> = self.db.one(sql!("moves", "tally"), key, |row| row.get(0))?;
            if jobs == Some(0) {
                let key = params![tenant, queue, *state as u8];
                self.db.run(sql!("moves", "tally_none"), key)?;
            }
        }
        Ok(self.effects)
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

    /// Puts a job into its lane, and the lane into its ring.
    pub(super) fn push(
        &mut self,
        end: End,
        [tenant, queue, lane]: [&str; 3],
        rank: i64,
        n: i64,
    ) -> rusqlite::Result<()> {
        let push = match end {
            End::Front => sql!("moves", "push_front"),
            End::Back => sql!("moves", "push_back"),
        };
        self.db.run(push, params![tenant, queue, lane, rank, n])?;
        let place = [tenant, queue, lane];
        if self.joined.as_ref().is_none_or(|joined| *joined != place) {
            self.db.run(sql!("moves", "join_lanes"), place)?;
            self.db
                .run(sql!("moves", "join_tenants"), [queue, tenant])?;
            self.joined = Some(place.map(str::to_owned));
            if !self.effects.available.iter().any(|known| known == queue) {
                self.effects.available.push(queue.into());
            }
        }
        Ok(())
    }

    /// Lets a job wait for its time.
    pub(super) fn delay(&mut self, n: i64, due: Millis) -> rusqlite::Result<()> {
        let first = self.first_due()?;
        self.db.run(sql!("moves", "delay"), params![time(due), n])?;
        self.effects.delayed = true;
        self.effects.due |= first.is_none_or(|first| due < first);
        Ok(())
    }

    /// When the next delayed job is due.
    pub(super) fn first_due(&self) -> rusqlite::Result<Option<Millis>> {
        first_due(self.db)
    }

    /// Makes a stored job available: its header and row are written, whatever
    /// the header says by now of counters and times. One whose record cannot be
    /// read would come back for ever, so it goes to the dead list.
    pub(super) fn free(&mut self, mut job: Stored, end: End) -> rusqlite::Result<()> {
        let Some(header) = &mut job.header else {
            return self.end(job, State::Discarded);
        };
        header.state = State::Available;
        let (at, rank) = (header.available, rank(header.available, header.priority));
        self.write(&mut job, State::Available, at)?;
        let route = Route::decode(&job.record);
        let lane = route
            .as_ref()
            .map_or("", |(route, _)| route.lane)
            .to_owned();
        if end == End::Front {
            self.fronts
                .push(([job.tenant, job.queue, lane], rank, job.n));
            return Ok(());
        }
        self.push(end, [&job.tenant, &job.queue, &lane], rank, job.n)
    }

    /// Ends a job: nothing holds it any more, and whoever waits for it hears.
    pub(super) fn end(&mut self, mut job: Stored, state: State) -> rusqlite::Result<()> {
        if let Some(header) = &mut job.header {
            (header.state, header.finished) = (state, self.now);
        }
        self.write(&mut job, state, self.now)?;
        self.db.run(sql!("moves", "drop_note"), [job.n])?;
        self.effects.ended.push(job.id);
        Ok(())
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

/// When the next delayed job is due.
pub(super) fn first_due(db: Db<'_>) -> rusqlite::Result<Option<Millis>> {
    let due: Option<i64> = db.one(sql!("moves", "first_due"), [], |row| row.get(0))?;
    Ok(due.map(|due| Millis(due.cast_unsigned())))
}

/// A job's place in its lane: the lowest goes first.
pub(super) fn rank(available: Millis, priority: u8) -> i64 {
    time(available).saturating_sub(i64::from(priority) * AGING)
}
