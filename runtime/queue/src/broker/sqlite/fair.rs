//! Shares by CPU time, start-time fair queueing. The twin of fair.lua and spend.lua.
//!
//! A tenant's `turn` in a queue's ring is the CPU time that it has had there by its weight;
//! who has the least is next. `clock` has the turn of who was served last, the queue's own
//! time, and those of tenants that left the ring ahead of it. All are in nanoseconds.

use std::time::Duration;

use rusqlite::params;

use super::sql::sql;
use super::step::Step;

/// What a tenant's jobs are taken for while none is known.
const GUESS: i64 = 1_000_000;
/// The CPU time that a turn is worth, in microseconds.
const WORTH: i64 = 4_000;
/// Nobody owes more, nor is charged for a job.
const DEBT: i64 = 60_000_000_000;

/// What a step knows and has to write of shares.
#[derive(Default)]
pub(super) struct Fair {
    shares: Vec<(String, Share)>,
    spent: Vec<Spending>,
}

/// A tenant's part in a queue.
#[derive(Clone, Copy)]
pub(super) struct Share {
    weight: i64,
    /// What its jobs cost on average, in nanoseconds, once one was.
    known: Option<i64>,
}

impl Share {
    /// What a job is charged, in microseconds.
    pub(super) fn charge(self) -> u32 {
        let nanos = self.known.unwrap_or(GUESS).min(DEBT);
        u32::try_from((nanos + 500) / 1_000).map_or(1, |micros| micros.max(1))
    }

    /// How many jobs a turn is worth.
    pub(super) fn worth(self) -> u32 {
        u32::try_from(WORTH / i64::from(self.charge())).map_or(1, |jobs| jobs.max(1))
    }

    /// Where a tenant is after so many jobs.
    pub(super) fn after(self, place: i64, jobs: usize) -> i64 {
        place + jobs as i64 * i64::from(self.charge()) * 1_000 / self.weight
    }
}

/// What some jobs of a tenant in a queue cost, in nanoseconds.
struct Spending {
    tenant: String,
    queue: String,
    runs: i32,
    cpu: i64,
    charged: i64,
}

impl Step<'_> {
    /// A tenant's weight and what its jobs cost.
    pub(super) fn share(&mut self, tenant: &str) -> rusqlite::Result<Share> {
        if let Some((_, share)) = self.fair.shares.iter().rfind(|it| it.0 == tenant) {
            return Ok(*share);
        }
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found = self.db.one(sql!("fair", "share"), [tenant], read)?;
        let (weight, known): (Option<i64>, Option<i64>) = found.unwrap_or_default();
        let weight = weight.unwrap_or(1).max(1);
        let share = Share { weight, known };
        self.fair.shares.push((tenant.to_owned(), share));
        Ok(share)
    }

    /// Sets a tenant's weight.
    pub(super) fn weigh_tenant(&self, tenant: &str, weight: u32) -> rusqlite::Result<()> {
        let row = params![tenant, weight];
        self.db.run(sql!("fair", "weigh"), row).map(drop)
    }

    /// A tenant has left a queue's ring where it was.
    pub(super) fn leave_at(&self, queue: &str, tenant: &str, place: i64) -> rusqlite::Result<()> {
        let row = params![queue, tenant, place];
        self.db.run(sql!("fair", "leave"), row).map(drop)
    }

    /// Somebody was served at this time of the queue; whoever is behind it is forgotten,
    /// if anybody left.
    pub(super) fn tick(&self, queue: &str, at: i64, left: bool) -> rusqlite::Result<()> {
        self.db.run(sql!("fair", "tick"), params![queue, at])?;
        if left {
            self.db.run(sql!("fair", "passed"), params![queue, at])?;
        }
        Ok(())
    }

    /// A job of a tenant in a queue has ended its run, or goes back.
    pub(super) fn spend(
        &mut self,
        tenant: &str,
        queue: &str,
        ran: bool,
        [cpu, charged]: [Duration; 2],
    ) {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(DEBT);
        let known = self.fair.spent.iter_mut();
        let at = known
            .rev()
            .find(|it| it.tenant == tenant && it.queue == queue);
        let (runs, cpu, charged) = (i32::from(ran), nanos(cpu), nanos(charged));
        match at {
            Some(it) => {
                it.runs += runs;
                it.cpu = it.cpu.saturating_add(cpu);
                it.charged = it.charged.saturating_add(charged);
            }
            None => self.fair.spent.push(Spending {
                tenant: tenant.to_owned(),
                queue: queue.to_owned(),
                runs,
                cpu,
                charged,
            }),
        }
    }

    /// Puts right what claim has charged.
    pub(super) fn flush_spent(&mut self) -> rusqlite::Result<()> {
        for it in std::mem::take(&mut self.fair.spent) {
            if it.cpu == 0 && it.charged == 0 {
                continue;
            }
            if it.runs > 0 {
                self.learn(&it)?;
            }
            let by = (it.cpu - it.charged) / self.share(&it.tenant)?.weight;
            self.move_by(&it.queue, &it.tenant, by)?;
        }
        Ok(())
    }

    /// The average leans to what was last, by an eighth a job; written where it has
    /// changed.
    fn learn(&mut self, it: &Spending) -> rusqlite::Result<()> {
        let known = self.share(&it.tenant)?.known;
        let mean = it.cpu as f64 / f64::from(it.runs);
        let before = known.map_or(mean, |known| known as f64);
        let cost = before + (mean - before) * (1.0 - 0.875_f64.powi(it.runs));
        if known.is_some() && (cost - before).abs() <= before / 32.0 {
            return Ok(());
        }
        let cost = cost as i64;
        self.db
            .run(sql!("fair", "learn"), params![it.tenant, cost])?;
        let shares = self.fair.shares.iter_mut();
        shares
            .filter(|(tenant, _)| *tenant == it.tenant)
            .for_each(|(_, share)| share.known = Some(cost));
        Ok(())
    }

    /// Moves a tenant in a queue. What it takes while nobody else waits is forgotten: the
    /// clock goes with it.
    fn move_by(&self, queue: &str, tenant: &str, by: i64) -> rusqlite::Result<()> {
        let key = [queue, tenant];
        let alone = !self.db.is(sql!("fair", "others"), key)?;
        let clock = self.clock(queue, "")?.unwrap_or(0);
        let turn: Option<i64> = self.db.one(sql!("fair", "place"), key, |row| row.get(0))?;
        let own = match turn {
            Some(turn) => Some(turn),
            None => self.clock(queue, tenant)?,
        };
        let mut place = own.unwrap_or(0);
        if turn.is_none() {
            place = place.max(clock);
        }
        place = place.saturating_add(by);
        if alone {
            self.tick(queue, place, false)?;
        } else if by > 0 {
            place = place.min(clock + DEBT);
        }
        match (turn, own) {
            (Some(_), _) => {
                let row = params![queue, tenant, place];
                self.db.run(sql!("fair", "charge"), row).map(drop)
            }
            _ if place > clock && !alone => self.leave_at(queue, tenant, place),
            (None, Some(_)) => self.db.run(sql!("fair", "come"), key).map(drop),
            (None, None) => Ok(()),
        }
    }

    /// The queue's own time, of nobody, or that of a tenant that left.
    fn clock(&self, queue: &str, tenant: &str) -> rusqlite::Result<Option<i64>> {
        let key = [queue, tenant];
        self.db.one(sql!("fair", "clock"), key, |row| row.get(0))
    }
}
