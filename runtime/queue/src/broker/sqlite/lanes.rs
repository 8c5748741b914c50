//! Where jobs wait: their lanes, the rings of lanes and tenants, and their time.

use rusqlite::params;

use super::db::time;
use super::limits::Kinds;
use super::sql::sql;
use super::step::Step;
use super::stored::{Stored, task_of};
use crate::clock::Millis;
use crate::job::{MAX_PRIORITY, State};
use crate::record::Header;
use crate::task::TaskName;

/// How many milliseconds of waiting a step of priority is worth.
const AGING: i64 = 600_000;
/// How long it takes until somebody looks again at what only a later Lovage can
/// read.
const ASIDE: u64 = 1_000;
/// Has in flight what runs in nobody's hands.
pub(super) const NOBODY: i64 = 0;
/// Begins the lane of a task that has limits: no lane of a caller's has it.
const OWN: char = '\u{1}';

/// Where among its equals a job is put.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// A lane that has been put into its ring, and where among its equals the last job
/// went to the back.
pub(super) struct Joined {
    place: [String; 3],
    last: Option<(Rank, i64)>,
}

/// A job's place in its lane.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Rank {
    /// The highest priority less the job's.
    pub(super) step: i64,
    /// When it became available.
    pub(super) at: i64,
}

impl Rank {
    /// By when a job became available, and its priority.
    pub(super) fn new(available: Millis, priority: u8) -> Self {
        Rank {
            step: i64::from(MAX_PRIORITY.saturating_sub(priority)),
            at: time(available),
        }
    }

    /// By what a header says.
    pub(super) fn of(header: &Header) -> Self {
        Rank::new(header.available, header.priority)
    }

    /// How the steps of a lane compete: the lowest goes first.
    pub(super) fn age(self) -> i64 {
        self.at.saturating_add(self.step * AGING)
    }

    /// Up to when entries of its step are as old as that.
    pub(super) fn until(self, age: i64) -> i64 {
        age.saturating_sub(self.step * AGING)
    }
}

/// The lane of a task whose jobs are in others' way in the tenant's own.
fn lane_of_task(task: &TaskName) -> String {
    format!("{OWN}{task}")
}

impl Step<'_> {
    /// Puts a job into its lane, and the lane into its ring.
    pub(super) fn push(
        &mut self,
        end: End,
        place @ [tenant, queue, lane]: [&str; 3],
        rank: Rank,
        n: i64,
    ) -> rusqlite::Result<()> {
        let known = self.joined.as_ref().filter(|it| it.place == place);
        let (is_joined, last) = (known.is_some(), known.and_then(|it| it.last));
        let seq = match (end, last) {
            (End::Front, _) => self.outermost(sql!("moves", "first"), place, rank)? - 1,
            (End::Back, Some((of, last))) if of == rank => n.max(last + 1),
            (End::Back, _) => n.max(self.outermost(sql!("moves", "last"), place, rank)? + 1),
        };
        let entry = params![tenant, queue, lane, rank.step, rank.at, seq, n];
        self.db.run(sql!("moves", "push"), entry)?;
        if !is_joined {
            self.join(place)?;
        }
        let last = match end {
            End::Front => last,
            End::Back => Some((rank, seq)),
        };
        match &mut self.joined {
            Some(joined) if is_joined => joined.last = last,
            joined => {
                let place = place.map(str::to_owned);
                *joined = Some(Joined { place, last });
            }
        }
        self.reconsider(place, rank)
    }

    /// The first or last number among the equals of a rank. Only they compete by it,
    /// so it is counted among them alone, and it mostly is the job's own: by that
    /// cancel finds the entry again.
    fn outermost(
        &self,
        sql: &'static str,
        [tenant, queue, lane]: [&str; 3],
        rank: Rank,
    ) -> rusqlite::Result<i64> {
        let equals = params![tenant, queue, lane, rank.step, rank.at];
        let seq: Option<Option<i64>> = self.db.one(sql, equals, |row| row.get(0))?;
        Ok(seq.flatten().unwrap_or(0))
    }

    /// A lane that waits because of its first job need not when that is another:
    /// one of this rank came or went.
    fn reconsider(
        &mut self,
        place @ [tenant, queue, lane]: [&str; 3],
        rank: Rank,
    ) -> rusqlite::Result<()> {
        // Lanes of tasks, and the tenant's own, do not wait because of a job.
        let is_named = !lane.is_empty() && !lane.starts_with(OWN);
        if !is_named || !self.kinds(tenant)?.has_tasks() {
            return Ok(());
        }
        let waits = self
            .db
            .one(sql!("limits", "waits_for_task"), place, |row| row.get(0))?;
        let Some(scope): Option<String> = waits else {
            return Ok(());
        };
        match self.is_first(place, rank)? {
            true => self.let_lane_on(tenant, &scope, [queue, lane]),
            false => Ok(()),
        }
    }

    /// Whether nothing in a lane goes before this rank.
    fn is_first(
        &mut self,
        place @ [tenant, queue, _]: [&str; 3],
        rank: Rank,
    ) -> rusqlite::Result<bool> {
        let is_strict = self.is_strict(tenant, queue)?;
        let goes_before = |head: Rank| match is_strict {
            true => (head.step, head.at) < (rank.step, rank.at),
            false => head.age() < rank.age(),
        };
        let mut step = -1;
        while let Some(head) = self.head(place, step)? {
            if goes_before(head) {
                return Ok(false);
            }
            step = head.step;
        }
        Ok(true)
    }

    /// The first entry of a lane, and its last step that has any.
    pub(super) fn ends(&self, place: [&str; 3]) -> rusqlite::Result<Option<(Rank, i64)>> {
        self.db.one(sql!("claim", "ends"), place, |row| {
            let (step, at) = (row.get(0)?, row.get(1)?);
            Ok((Rank { step, at }, row.get(2)?))
        })
    }

    /// The first entry of a lane's next step that has any.
    pub(super) fn head(
        &self,
        [tenant, queue, lane]: [&str; 3],
        after: i64,
    ) -> rusqlite::Result<Option<Rank>> {
        let place = params![tenant, queue, lane, after];
        self.db.one(sql!("claim", "head"), place, |row| {
            Ok(Rank {
                step: row.get(0)?,
                at: row.get(1)?,
            })
        })
    }

    /// A lane that was in its ring or waits aside stays where it is; and while
    /// one was in the ring, nobody was told that there is nothing.
    fn join(&mut self, place @ [tenant, queue, _]: [&str; 3]) -> rusqlite::Result<()> {
        let db = &self.db;
        // Cheaper than to try, and with many lanes most are there.
        if !db.is(sql!("moves", "has_lane"), place)?
            && db.run(sql!("moves", "join_lanes"), place)? > 0
            && db.run(sql!("moves", "join_tenants"), [queue, tenant])? > 0
        {
            self.tell_of_work(queue);
        }
        Ok(())
    }

    /// Workers that found nothing in the queue are to look again.
    pub(super) fn tell_of_work(&mut self, queue: &str) {
        if !self.effects.available.iter().any(|known| known == queue) {
            self.effects.available.push(queue.into());
        }
    }

    /// The lane that a job waits in: the one it names, but in the tenant's own
    /// nobody stands behind jobs that may not start.
    pub(super) fn lane_for(
        &mut self,
        tenant: &str,
        record: &[u8],
        named: &str,
    ) -> rusqlite::Result<String> {
        let kinds = self.kinds(tenant)?;
        if !named.is_empty() || !kinds.has_tasks() {
            return Ok(named.into());
        }
        Ok(self.steps_aside(tenant, record, kinds)?.unwrap_or_default())
    }

    /// The lane of its own that a job of the tenant's own lane steps into.
    pub(super) fn steps_aside(
        &mut self,
        tenant: &str,
        record: &[u8],
        kinds: Kinds,
    ) -> rusqlite::Result<Option<String>> {
        let Some((_, task)) = task_of(record).filter(|_| kinds.has_tasks()) else {
            return Ok(None);
        };
        let module = format!("module:{}", task.module);
        let limited = kinds.task && self.gate(tenant, &format!("task:{task}"))?.is_some();
        let aside = limited || (kinds.module && self.gate(tenant, &module)?.is_some());
        Ok(aside.then(|| lane_of_task(&task)))
    }

    /// Lets a job wait for its time.
    pub(super) fn delay(&mut self, n: i64, due: Millis) -> rusqlite::Result<()> {
        self.expect(due)?;
        self.db.run(sql!("moves", "delay"), params![time(due), n])?;
        Ok(())
    }

    /// Lets a job wait that only a later Lovage can read: in its state, so that
    /// whoever knows it takes it as it is.
    pub(super) fn set_aside(&mut self, n: i64, state: State) -> rusqlite::Result<()> {
        if state == State::Running {
            let row = params![n, NOBODY, 0, 0, 0, 0];
            self.db.run(sql!("moves", "hold"), row)?;
        }
        self.delay(n, Millis(self.now.0 + ASIDE))
    }

    /// Something is about to wait for this time.
    pub(super) fn expect(&mut self, at: Millis) -> rusqlite::Result<()> {
        let first = self.first_due()?;
        self.effects.delayed = true;
        self.effects.due |= first.is_none_or(|first| at < first);
        Ok(())
    }

    /// Takes a job from where it waits. Its lane may become empty in its ring:
    /// the next claim sees to that.
    pub(super) fn pull(&mut self, job: &Stored) -> rusqlite::Result<()> {
        let db = &self.db;
        if job.state == State::Pending {
            return Ok(());
        }
        if job.state != State::Available {
            db.run(sql!("moves", "undelay"), [job.n])?;
            self.effects.delayed = true;
            return Ok(());
        }
        let Some(header) = &job.header else {
            return Ok(());
        };
        let rank = Rank::of(header);
        let named = job.lane();
        let mut lanes = vec![named.to_owned()];
        if named.is_empty() {
            lanes.extend(task_of(&job.record).map(|(_, task)| lane_of_task(&task)));
        }
        for lane in lanes {
            if self.pull_from(job, &lane, rank)? {
                return self.reconsider([&job.tenant, &job.queue, &lane], rank);
            }
        }
        // It was set aside: promote will find that it has ended.
        Ok(())
    }

    fn pull_from(&self, job: &Stored, lane: &str, rank: Rank) -> rusqlite::Result<bool> {
        let (db, n) = (&self.db, job.n);
        let pull = |seq: i64| {
            let entry = params![job.tenant, job.queue, lane, rank.step, rank.at, seq, n];
            Ok(db.run(sql!("moves", "pull"), entry)? > 0)
        };
        if pull(n)? {
            return Ok(true);
        }
        let equals = params![job.tenant, job.queue, lane, rank.step, rank.at, n];
        match db.one(sql!("moves", "seq"), equals, |row| row.get(0))? {
            Some(seq) => pull(seq),
            None => Ok(false),
        }
    }
}
