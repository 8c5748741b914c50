//! Handing out jobs: the walk over the two rings. A lane's turn is `turn.rs`, and what a
//! tenant's costs it `fair.rs`.

use std::time::Duration;

use rusqlite::{params, params_from_iter};

use super::db::{Db, id_at};
use super::fault::Done;
use super::lease;
use super::sql::sql;
use super::step::Step;
use crate::broker::{BrokerError, Claim, Claimed};
use crate::clock::Millis;
use crate::job::{JobId, MAX_GIVEN_BYTES, Pin};
use crate::record::{self, Header, Route};
use crate::registry::Digest;

/// The least a turn is worth: rotating costs as much as a few jobs.
const TURN: u32 = 4;
/// How many entries and lanes a claim looks at that come to nothing: no backlog of
/// what may not start makes it slow.
const LOOKS: u32 = 1_000;

/// A job that is handed out, with its record as it lies there: the writer has more
/// to do than to read it.
pub(super) struct Taken {
    n: i64,
    tenant: String,
    id: JobId,
    queue: String,
    delivery: u32,
    started: Millis,
    /// In microseconds.
    charged: u32,
    target: Option<(Digest, u32)>,
    record: Vec<u8>,
    /// Places, ids and records of nodes whose results it takes.
    upstream: Vec<(u32, JobId, Vec<u8>)>,
}

impl Taken {
    /// Which it is, and its row.
    pub(super) fn number(&self) -> (JobId, i64) {
        (self.id, self.n)
    }

    /// Reads the record.
    pub(super) fn read(self) -> Claimed {
        let mut job = record::decode(&self.tenant, self.id, &self.record);
        if let Ok(job) = &mut job {
            let nodes = self.upstream.into_iter();
            // One that cannot be read is left out: whoever asks for it hears why.
            let read = nodes.filter_map(|(place, id, record)| {
                Some((place, record::decode(&self.tenant, id, &record).ok()?))
            });
            job.upstream = read.collect();
        }
        Claimed {
            target: self.target.filter(|_| job.is_ok()),
            tenant: self.tenant,
            id: self.id,
            queue: self.queue,
            delivery: self.delivery,
            started: self.started,
            charged: Duration::from_micros(self.charged.into()),
            job: job.map_err(|error| error.to_string()),
        }
    }
}

/// One claim, and its repetition after a lost answer.
pub(super) fn claim(step: &mut Step<'_>, claim: &Claim) -> Done<Vec<Taken>> {
    let worker = claim.worker;
    let last = lease::last_claim(&step.db, worker)?;
    let dead = last.is_none() && (claim.number > 1 || lease::is_dead(&step.db, worker)?);
    if dead {
        return Err(BrokerError::Dead(worker).into());
    }
    if claim.number == 0 {
        let said = format!("worker {worker} makes claim 0: they count up from 1");
        return Err(BrokerError::Invalid(said).into());
    }
    if last > Some(claim.number) {
        // It was long on its way: the worker has asked again since, and nobody
        // would hear of what this one takes.
        return Ok(Vec::new());
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
    let (claimed, is_tired) = (walk.claimed, walk.looks == 0);
    let names = || claim.queues.iter().map(|(queue, _)| queue.clone());
    let is_idle = claimed.len() < claim.max as usize;
    let queues = if is_idle {
        names().collect()
    } else {
        Vec::new()
    };
    step.effects.idle = Some((worker.0, queues, !claim.crowded.is_empty()));
    if is_idle && is_tired {
        // It has not seen all there is: it is to come again at once.
        names().for_each(|queue| step.tell_of_work(&queue));
    }
    Ok(claimed)
}

/// What a name stood for a moment ago: a batch is mostly of few modules.
struct Target {
    tenant: String,
    module: String,
    pin: Pin,
    is: Option<(Digest, u32)>,
}

/// The walk of one claim.
pub(super) struct Walk<'s, 'c, 'a> {
    pub(super) step: &'s mut Step<'c>,
    pub(super) claim: &'a Claim,
    pub(super) claimed: Vec<Taken>,
    /// How many entries and lanes may still be looked at that come to nothing.
    pub(super) looks: u32,
    /// What each job of this turn is charged, in microseconds.
    pub(super) charge: u32,
    targets: Vec<Target>,
}

/// What becomes of a lane or a tenant after its turn.
pub(super) enum After {
    /// It has more, and goes behind the others of its ring.
    Rotate,
    /// It has nothing.
    Leave,
    /// It waits for a scope.
    Wait(String),
}

impl<'s, 'c, 'a> Walk<'s, 'c, 'a> {
    fn new(step: &'s mut Step<'c>, claim: &'a Claim) -> Self {
        Walk {
            step,
            claim,
            claimed: Vec::new(),
            looks: LOOKS,
            charge: 0,
            targets: Vec::new(),
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
            let which = (row.get(5)?, id_at(row, 1)?);
            Ok((tenant, which, queue, delivery, record, row.get(6)?))
        })?;
        for (tenant, which, queue, delivery, record, charged) in held {
            self.charge = charged;
            let started = Header::decode(&record).map_or(self.step.now, |header| header.started);
            self.hand_out([&tenant, &queue], which, delivery, started, record)?;
        }
        Ok(())
    }

    /// Takes up to so many jobs from a queue, tenant by tenant.
    fn queue(&mut self, queue: &str, wanted: u32) -> Done<()> {
        if wanted == 0 {
            return Ok(());
        }
        // Those who are not crowded are to be let in one by one.
        let least = if self.claim.crowded.is_empty() {
            TURN
        } else {
            1
        };
        let ring = params![queue, wanted.div_ceil(least)];
        let tenants = count(&self.step.db, sql!("claim", "tenants"), ring)?;
        let most = least.max(wanted.div_ceil(tenants.max(1)));
        let (mut clock, mut left) = (0, false);
        let goal = self.claimed.len() as u32 + wanted;
        while let missing @ 1.. = goal - self.claimed.len() as u32
            && self.looks > 0
        {
            let Some((tenant, place)) = self.next_tenant(queue)? else {
                break;
            };
            let before = self.claimed.len();
            clock = clock.max(place);
            left |= self.turn([queue, &tenant], place, most.min(missing))?;
            self.looked(before);
        }
        match clock > 0 || left {
            true => Ok(self.step.tick(queue, clock, left)?),
            false => Ok(()),
        }
    }

    /// Who is next in a queue, and its place: the first that is not passed over.
    fn next_tenant(&self, queue: &str) -> Done<Option<(String, i64)>> {
        let crowded = &self.claim.crowded;
        let first = params![queue, crowded.len() as i64 + 1];
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let db = &self.step.db;
        let first: Vec<(String, i64)> = db.all(sql!("fair", "next_tenants"), first, read)?;
        let mut first = first.into_iter();
        Ok(first.find(|(tenant, _)| !crowded.contains(tenant)))
    }

    /// A tenant's turn: as many jobs as its CPU time is worth. It is charged at once what
    /// they cost on average. Whether it left the ring.
    fn turn(&mut self, key @ [queue, tenant]: [&str; 2], place: i64, most: u32) -> Done<bool> {
        let share = self.step.share(tenant)?;
        self.charge = share.charge();
        let before = self.claimed.len();
        let after = self.tenant(tenant, queue, most.min(share.worth()))?;
        let now = share.after(place, self.claimed.len() - before);
        if !matches!(after, After::Leave) && now > place {
            let row = params![queue, tenant, now];
            self.step.db.run(sql!("fair", "charge"), row)?;
        }
        match after {
            After::Rotate => return Ok(false),
            After::Leave => {
                self.leave(sql!("claim", "leave_tenants"), &key)?;
                self.step.leave_at(queue, tenant, now)?;
            }
            After::Wait(scope) => self.step.park_tenant(queue, tenant, &scope)?,
        }
        Ok(true)
    }

    /// One turn of a tenant, lane by lane.
    fn tenant(&mut self, tenant: &str, queue: &str, wanted: u32) -> Done<After> {
        let ring = params![tenant, queue, wanted.div_ceil(TURN)];
        let lanes = count(&self.step.db, sql!("claim", "lanes"), ring)?;
        let share = TURN.max(wanted.div_ceil(lanes.max(1)));
        let goal = self.claimed.len() as u32 + wanted;
        loop {
            let db = &self.step.db;
            let place = [tenant, queue];
            let next = db.one(sql!("claim", "next_lane"), place, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let Some((lane, baton)): Option<(String, Option<String>)> = next else {
                return Ok(After::Leave);
            };
            let missing = goal - self.claimed.len() as u32;
            if missing == 0 || self.looks == 0 {
                return Ok(After::Rotate);
            }
            let room = match self.room(tenant, queue)? {
                Ok(room) => room,
                Err(scope) => return Ok(After::Wait(scope)),
            };
            let before = self.claimed.len();
            let place = [tenant, queue, lane.as_str()];
            self.visit(place, share.min(missing).min(room), baton)?;
            self.looked(before);
        }
    }

    /// How many of a tenant's jobs may start in a queue; else what they wait for.
    fn room(&mut self, tenant: &str, queue: &str) -> Done<Result<u32, String>> {
        let kinds = self.step.kinds(tenant)?;
        let mut room = u32::MAX;
        let scopes = [
            kinds.tenant.then(|| "tenant".to_owned()),
            kinds.queue.then(|| format!("queue:{queue}")),
        ];
        for scope in scopes.into_iter().flatten() {
            match self.step.room(tenant, &scope)? {
                0 => return Ok(Err(scope)),
                more => room = room.min(more),
            }
        }
        Ok(Ok(room))
    }

    /// A lane's turn, and its place after that.
    fn visit(&mut self, place: [&str; 3], wanted: u32, baton: Option<String>) -> Done<()> {
        let [tenant, queue, _] = place;
        let before = match &baton {
            Some(scope) => self.started(tenant, scope)?,
            None => 0,
        };
        match self.lane(place, wanted)? {
            After::Rotate => drop(self.step.db.run(sql!("claim", "rotate_lane"), place)?),
            After::Leave => self.leave(sql!("claim", "leave_lanes"), &place)?,
            After::Wait(scope) => {
                let first = baton.as_ref() == Some(&scope);
                self.step.park_lane(place, &scope, first)?;
            }
        }
        if let Some(scope) = baton
            && self.started(tenant, &scope)? == before
        {
            self.step.pass_on(tenant, queue, &scope)?;
        }
        Ok(())
    }

    fn started(&mut self, tenant: &str, scope: &str) -> Done<u32> {
        let gate = self.step.gate(tenant, scope)?;
        Ok(gate.map_or(0, |gate| gate.started))
    }

    /// What has nothing leaves its ring; a job that comes later brings it back.
    fn leave(&mut self, leave: &'static str, place: &[&str]) -> Done<()> {
        self.step.db.run(leave, params_from_iter(place))?;
        self.step.joined = None;
        Ok(())
    }

    /// Counts a look that found nothing to start.
    fn looked(&mut self, before: usize) {
        if self.claimed.len() == before {
            self.looks = self.looks.saturating_sub(1);
        }
    }

    /// Adds to the claim's answer.
    pub(super) fn hand_out(
        &mut self,
        [tenant, queue]: [&str; 2],
        (n, id): (i64, JobId),
        delivery: u32,
        started: Millis,
        record: Vec<u8>,
    ) -> Done<()> {
        let (target, upstream) = match Route::decode(&record) {
            Ok((route, _)) => (self.target(tenant, &route)?, self.upstream(n, &route)?),
            Err(_) => (None, Vec::new()),
        };
        let (tenant, queue) = (tenant.to_owned(), queue.to_owned());
        self.claimed.push(Taken {
            n,
            tenant,
            id,
            queue,
            delivery,
            started,
            charged: self.charge,
            target,
            record,
            upstream,
        });
        Ok(())
    }

    /// The nodes whose results a job takes, where they are few and short: it need not
    /// ask.
    fn upstream(&self, n: i64, route: &Route<'_>) -> Done<Vec<(u32, JobId, Vec<u8>)>> {
        let mut nodes = Vec::new();
        let terms = match route.terms.is_empty() {
            true => return Ok(nodes),
            false => route.terms().unwrap_or_default(),
        };
        for place in terms.takes() {
            let which = params![n, place, MAX_GIVEN_BYTES as i64];
            let read = |row: &rusqlite::Row<'_>| Ok((*place, id_at(row, 0)?, row.get(1)?));
            nodes.extend(self.step.db.one(sql!("claim", "upstream"), which, read)?);
        }
        Ok(nodes)
    }

    /// What a job runs, in the same step that hands it out.
    fn target(&mut self, tenant: &str, route: &Route<'_>) -> Done<Option<(Digest, u32)>> {
        let (module, Ok(pin)) = (route.module, route.pin()) else {
            return Ok(None);
        };
        let is_known = |it: &&Target| it.pin == pin && it.module == module && it.tenant == tenant;
        if let Some(known) = self.targets.iter().rfind(is_known) {
            return Ok(known.is);
        }
        let read = |row: &rusqlite::Row<'_>| Ok((Digest(row.get(0)?), row.get(1)?));
        let db = &self.step.db;
        let is = match pin {
            Pin::Active => db.one(sql!("claim", "active"), params![tenant, module], read),
            Pin::Release(number) => db.one(
                sql!("claim", "release"),
                params![tenant, module, number],
                read,
            ),
            Pin::Digest(digest) => db.one(sql!("claim", "digest"), params![tenant, digest.0], read),
        }?;
        self.targets.push(Target {
            tenant: tenant.to_owned(),
            module: module.to_owned(),
            pin,
            is,
        });
        Ok(is)
    }
}

fn count(db: &Db<'_>, sql: &'static str, ring: &[&dyn rusqlite::ToSql]) -> Done<u32> {
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
