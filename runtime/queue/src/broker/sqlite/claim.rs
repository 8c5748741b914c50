//! Handing out jobs: the walk over the two rings.

use std::collections::HashMap;

use rusqlite::params;

use super::fault::Done;
use super::lease;
use super::sql::sql;
use super::step::{Db, Step, Stored, id_at, state_at};
use crate::broker::{BrokerError, Claim, Claimed};
use crate::clock::Millis;
use crate::job::{JobId, Pin, State};
use crate::record::{self, Header, Route};
use crate::registry::Digest;

/// The least a turn is worth: rotating costs as much as a few jobs.
const TURN: u32 = 4;

/// One claim, and its repetition after a lost answer.
pub(super) fn claim(step: &mut Step<'_>, claim: &Claim) -> Done<Vec<Claimed>> {
    let worker = claim.worker;
    let last = lease::last_claim(step.db, worker)?;
    let dead = last.is_none() && (claim.number > 1 || lease::is_dead(step.db, worker)?);
    if dead {
        return Err(BrokerError::Dead(worker).into());
    }
    if claim.number <= last.unwrap_or(0) && last != Some(claim.number) || claim.number == 0 {
        return Err(BrokerError::Invalid(format!(
            "worker {worker} repeats claim {}, but its last was {}",
            claim.number,
            last.unwrap_or(0)
        ))
        .into());
    }
    lease::renew(step, worker, claim.lease, claim.number)?;
    let mut walk = Walk::new(step, claim);
    if last == Some(claim.number) {
        walk.again()?;
    } else {
        for (queue, most) in &claim.queues {
            walk.queue(queue, (*most).min(walk.left()))?;
        }
        for (queue, _) in &claim.queues {
            walk.queue(queue, walk.left())?;
        }
    }
    let claimed = walk.claimed;
    let queues = if claimed.is_empty() && claim.max > 0 {
        claim
            .queues
            .iter()
            .map(|(queue, _)| queue.clone())
            .collect()
    } else {
        Vec::new()
    };
    step.effects.idle = Some((worker.0, queues));
    Ok(claimed)
}

/// What each target was a moment ago: a batch is mostly of few modules.
type Targets = HashMap<(String, String, Vec<u8>), Option<(Digest, u32)>>;

struct Walk<'s, 'c, 'a> {
    step: &'s mut Step<'c>,
    claim: &'a Claim,
    claimed: Vec<Claimed>,
    targets: Targets,
}

impl<'s, 'c, 'a> Walk<'s, 'c, 'a> {
    fn new(step: &'s mut Step<'c>, claim: &'a Claim) -> Self {
        Walk {
            step,
            claim,
            claimed: Vec::new(),
            targets: Targets::new(),
        }
    }

    /// How many jobs are still wanted in all.
    fn left(&self) -> u32 {
        self.claim.max.saturating_sub(self.claimed.len() as u32)
    }

    /// What the last claim handed out, as far as it is still held.
    fn again(&mut self) -> Done<()> {
        let claim = params![
            self.claim.worker.0.cast_signed(),
            self.claim.number.cast_signed()
        ];
        let held = self.step.db.all(sql!("claim", "again"), claim, |row| {
            let (tenant, queue): (String, String) = (row.get(0)?, row.get(2)?);
            let (delivery, record): (u32, Vec<u8>) = (row.get(3)?, row.get(4)?);
            Ok((tenant, id_at(row, 1)?, queue, delivery, record))
        })?;
        for (tenant, id, queue, delivery, record) in held {
            let started = Header::decode(&record).map_or(self.step.now, |header| header.started);
            self.hand_out([&tenant, &queue], id, delivery, started, &record)?;
        }
        Ok(())
    }

    /// Takes up to so many jobs from a queue, tenant by tenant.
    fn queue(&mut self, queue: &str, wanted: u32) -> Done<()> {
        if wanted == 0 {
            return Ok(());
        }
        let ring = params![queue, wanted.div_ceil(TURN)];
        let tenants = count(self.step.db, sql!("claim", "tenants"), ring)?;
        let share = TURN.max(wanted.div_ceil(tenants.max(1)));
        let goal = self.claimed.len() as u32 + wanted;
        while let missing @ 1.. = goal - self.claimed.len() as u32 {
            let db = self.step.db;
            let next = db.one(sql!("claim", "next_tenant"), [queue], |row| row.get(0))?;
            let Some(tenant): Option<String> = next else {
                break;
            };
            let more = self.tenant(&tenant, queue, share.min(missing))?;
            let after = if more {
                sql!("claim", "rotate_tenant")
            } else {
                sql!("claim", "leave_tenants")
            };
            db.run(after, [queue, &tenant])?;
        }
        Ok(())
    }

    /// One turn of a tenant, lane by lane; whether it has more.
    fn tenant(&mut self, tenant: &str, queue: &str, wanted: u32) -> Done<bool> {
        let ring = params![tenant, queue, wanted.div_ceil(TURN)];
        let lanes = count(self.step.db, sql!("claim", "lanes"), ring)?;
        let share = TURN.max(wanted.div_ceil(lanes.max(1)));
        let goal = self.claimed.len() as u32 + wanted;
        loop {
            let db = self.step.db;
            let place = [tenant, queue];
            let next = db.one(sql!("claim", "next_lane"), place, |row| row.get(0))?;
            let Some(lane): Option<String> = next else {
                return Ok(false);
            };
            let missing = goal - self.claimed.len() as u32;
            if missing == 0 {
                return Ok(true);
            }
            let more = self.lane([tenant, queue, &lane], share.min(missing))?;
            let after = if more {
                sql!("claim", "rotate_lane")
            } else {
                sql!("claim", "leave_lanes")
            };
            db.run(after, [tenant, queue, &lane])?;
        }
    }

    /// One turn of a lane; whether it has more.
    fn lane(&mut self, place @ [tenant, queue, lane]: [&str; 3], wanted: u32) -> Done<bool> {
        let db = self.step.db;
        let jobs = params![tenant, queue, lane, wanted];
        let jobs = db.all(sql!("claim", "jobs"), jobs, |row| {
            let position: (i64, i64) = (row.get(0)?, row.get(1)?);
            let (n, at): (i64, i64) = (row.get(2)?, row.get(5)?);
            let record: Vec<u8> = row.get(6)?;
            Ok((position, n, id_at(row, 3)?, state_at(row, 4)?, at, record))
        })?;
        let Some(&((rank, seq), ..)) = jobs.last() else {
            return Ok(false);
        };
        db.run(
            sql!("claim", "take"),
            params![tenant, queue, lane, rank, seq],
        )?;
        let full = jobs.len() as u32 == wanted;
        for (_, n, id, state, at, mut record) in jobs {
            let delivery = match self.mark(&mut record) {
                Some(delivery) => {
                    self.hold(n, at, delivery, &record)?;
                    self.step
                        .count(tenant, queue, Some(state), Some(State::Running));
                    delivery
                }
                // Nobody could settle it: it goes to the dead list as it is.
                None => {
                    self.bury(n)?;
                    0
                }
            };
            self.hand_out([tenant, queue], id, delivery, self.step.now, &record)?;
        }
        Ok(full
            && db
                .one(sql!("claim", "more"), place, |row| row.get(0))?
                .unwrap_or(false))
    }

    /// Overwrites the header of a record, if it has one; its delivery.
    fn mark(&self, record: &mut [u8]) -> Option<u32> {
        let mut header = Header::decode(record).ok()?;
        header.state = State::Running;
        header.delivery = header.delivery.wrapping_add(1);
        header.worker = self.claim.worker.0;
        header.started = self.step.now;
        record[..record::HEADER].copy_from_slice(&header.encode());
        Some(header.delivery)
    }

    /// Writes a claimed record, and moves the job into the in-flight set.
    fn hold(&self, n: i64, at: i64, delivery: u32, record: &[u8]) -> Done<()> {
        let db = self.step.db;
        db.run(
            sql!("moves", "write"),
            params![n, State::Running as u8, at, record],
        )?;
        let (worker, number) = (
            self.claim.worker.0.cast_signed(),
            self.claim.number.cast_signed(),
        );
        let position = self.claimed.len() as i64;
        db.run(
            sql!("moves", "hold"),
            params![n, worker, number, position, delivery],
        )?;
        Ok(())
    }

    fn bury(&mut self, n: i64) -> Done<()> {
        if let Some(job) = Stored::by_number(self.step.db, n)? {
            self.step.end(job, State::Discarded)?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        [tenant, queue]: [&str; 2],
        id: JobId,
        delivery: u32,
        started: Millis,
        record: &[u8],
    ) -> Done<()> {
        let job = record::decode(tenant, id, record).map_err(|error| error.to_string());
        let target = match &job {
            Ok(job) => self.target(tenant, &job.call.module, job.call.pin, record)?,
            Err(_) => None,
        };
        let (tenant, queue) = (tenant.to_owned(), queue.to_owned());
        self.claimed.push(Claimed {
            tenant,
            id,
            queue,
            delivery,
            started,
            target,
            job,
        });
        Ok(())
    }

    /// What a job runs, in the same step that hands it out.
    fn target(
        &mut self,
        tenant: &str,
        module: &str,
        pin: Pin,
        record: &[u8],
    ) -> Done<Option<(Digest, u32)>> {
        let bytes = Route::decode(record).map_or(Vec::new(), |(route, _)| route.pin.to_vec());
        let key = (tenant.to_owned(), module.to_owned(), bytes);
        if let Some(known) = self.targets.get(&key) {
            return Ok(*known);
        }
        let read = |row: &rusqlite::Row<'_>| Ok((Digest(row.get(0)?), row.get(1)?));
        let db = self.step.db;
        let target = match pin {
            Pin::Active => db.one(sql!("claim", "active"), params![tenant, module], read),
            Pin::Release(number) => db.one(
                sql!("claim", "release"),
                params![tenant, module, number],
                read,
            ),
            Pin::Digest(digest) => db.one(sql!("claim", "digest"), params![tenant, digest.0], read),
        }?;
        self.targets.insert(key, target);
        Ok(target)
    }
}

fn count(db: Db<'_>, sql: &str, ring: &[&dyn rusqlite::ToSql]) -> Done<u32> {
    Ok(db.one(sql, ring, |row| row.get(0))?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_counted_up_to_the_least_turn_gives_the_share_of_the_whole() {
        for wanted in 1..200u32 {
            for ring in 1..300u32 {
                let counted = ring.min(wanted.div_ceil(TURN));
                let share = |ring| TURN.max(wanted.div_ceil(ring));
                assert_eq!(share(counted), share(ring), "{wanted} {ring}");
            }
        }
    }
}
