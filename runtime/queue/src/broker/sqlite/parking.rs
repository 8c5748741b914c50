//! What may not start waits aside, in nobody's way, and comes back when the scope
//! that it waits for allows more:
//!
//! - a slot became free: as many lanes go on, the longest waiting first
//! - a rate allows the next start: the same, at that time (`wake`)
//! - a limit or a pause was lifted: all of them, a stride at a time
//!
//! A task's jobs may wait in several queues, and nobody knows which of them is
//! served: so as many go on in each. A lane that went on and did not use what was
//! free, because it is empty or waits for something else, passes it on to the next
//! (its baton). One that came too late is the first to go on again.

use rusqlite::params;

use super::db::time;
use super::sql::sql;
use super::step::Step;
use crate::clock::Millis;

/// How many lanes go on in one step.
pub(super) const STRIDE: u32 = 1_000;

/// The scopes of all lanes of the queue of a `lanes:` scope, as a range.
pub(super) fn each_lane(scope: &str) -> Option<[String; 2]> {
    // `0` is the character behind `/`.
    let queue = scope.strip_prefix("lanes:")?;
    Some([format!("lane:{queue}/"), format!("lane:{queue}0")])
}

impl Step<'_> {
    /// A lane waits for a scope. `first` before all others: it has waited before.
    pub(super) fn park_lane(
        &mut self,
        [tenant, queue, lane]: [&str; 3],
        scope: &str,
        first: bool,
    ) -> rusqlite::Result<()> {
        let park = match first {
            true => sql!("limits", "park_lane_first"),
            false => sql!("limits", "park_lane"),
        };
        self.db.run(park, [tenant, queue, lane, scope])?;
        self.joined = None;
        self.look_when_open(tenant, scope)
    }

    /// The tenant's place in a queue waits for a scope.
    pub(super) fn park_tenant(
        &mut self,
        queue: &str,
        tenant: &str,
        scope: &str,
    ) -> rusqlite::Result<()> {
        self.db
            .run(sql!("limits", "park_tenant"), [queue, tenant, scope])?;
        self.joined = None;
        self.look_when_open(tenant, scope)
    }

    fn look_when_open(&mut self, tenant: &str, scope: &str) -> rusqlite::Result<()> {
        let now = self.now;
        match self.gate(tenant, scope)?.and_then(|gate| gate.opens(now)) {
            Some(at) => self.look_later(tenant, scope, at),
            None => Ok(()),
        }
    }

    /// Looks at a scope again at this time, if anything waits for it.
    fn look_later(&mut self, tenant: &str, scope: &str, at: Millis) -> rusqlite::Result<()> {
        if self
            .db
            .is(sql!("limits", "is_waited_for"), [tenant, scope])?
        {
            self.wake_at(tenant, scope, at)?;
        }
        Ok(())
    }

    fn wake_at(&mut self, tenant: &str, scope: &str, at: Millis) -> rusqlite::Result<()> {
        self.expect(at)?;
        self.db
            .run(sql!("limits", "wake"), params![tenant, scope, time(at)])?;
        Ok(())
    }

    /// Lets those go on who wait for a scope, as many as it has room for, and no
    /// more than `most` in a queue.
    pub(super) fn let_on(&mut self, tenant: &str, scope: &str, most: u32) -> rusqlite::Result<()> {
        if let Some(range) = each_lane(scope) {
            return self.let_each_lane_on(tenant, scope, range);
        }
        let room = self.room(tenant, scope)?;
        if room == 0 {
            return self.look_when_open(tenant, scope);
        }
        let tenants = params![tenant, scope, STRIDE];
        let queues: Vec<String> =
            self.db
                .all(sql!("limits", "waiting_tenants"), tenants, |row| row.get(0))?;
        for queue in &queues {
            let place = [queue.as_str(), tenant];
            self.db.run(sql!("limits", "unpark_tenant"), place)?;
            self.tell_of_work(queue);
        }
        let most = room.min(most).min(STRIDE);
        let (mut queue, mut strides) = (String::new(), queues.len() as u32 == STRIDE);
        loop {
            let after = [tenant, scope, &queue];
            let next = self
                .db
                .one(sql!("limits", "next_queue"), after, |row| row.get(0))?;
            let Some(next) = next else { break };
            queue = next;
            strides |= self.let_lanes_on(tenant, scope, &queue, most)? == STRIDE;
        }
        match strides {
            true => self.look_later(tenant, scope, self.now),
            false => Ok(()),
        }
    }

    /// Whoever may not go on after all waits again when its turn comes.
    fn let_each_lane_on(
        &mut self,
        tenant: &str,
        scope: &str,
        [from, to]: [String; 2],
    ) -> rusqlite::Result<()> {
        let queue = scope.trim_start_matches("lanes:");
        for _ in 0..STRIDE {
            let range = [tenant, &from, &to];
            let next = self
                .db
                .one(sql!("limits", "next_scope"), range, |row| row.get(0))?;
            let Some(next): Option<String> = next else {
                return Ok(());
            };
            self.let_lanes_on(tenant, &next, queue, 1)?;
        }
        self.wake_at(tenant, scope, self.now)
    }

    /// How many went on.
    fn let_lanes_on(
        &mut self,
        tenant: &str,
        scope: &str,
        queue: &str,
        most: u32,
    ) -> rusqlite::Result<u32> {
        let waiting = params![tenant, scope, queue, most];
        let lanes: Vec<String> = self
            .db
            .all(sql!("limits", "waiting_lanes"), waiting, |row| row.get(0))?;
        for lane in &lanes {
            self.let_lane_on(tenant, scope, [queue, lane])?;
        }
        Ok(lanes.len() as u32)
    }

    /// One lane goes on that waited for this scope.
    pub(super) fn let_lane_on(
        &mut self,
        tenant: &str,
        scope: &str,
        [queue, lane]: [&str; 2],
    ) -> rusqlite::Result<()> {
        let place = [tenant, queue, lane, scope];
        self.db.run(sql!("limits", "unpark_lane"), place)?;
        self.rejoin(tenant, queue)
    }

    /// All lanes of a queue that wait because of their first job go on: in another
    /// order it may be another.
    pub(super) fn let_queue_on(&mut self, tenant: &str, queue: &str) -> rusqlite::Result<()> {
        match self
            .db
            .run(sql!("limits", "unpark_queue"), [tenant, queue])?
        {
            0 => Ok(()),
            _ => self.rejoin(tenant, queue),
        }
    }

    fn rejoin(&mut self, tenant: &str, queue: &str) -> rusqlite::Result<()> {
        self.db
            .run(sql!("moves", "join_tenants"), [queue, tenant])?;
        self.tell_of_work(queue);
        Ok(())
    }

    /// A lane went on for a scope and did not use it: the next one may.
    pub(super) fn pass_on(
        &mut self,
        tenant: &str,
        queue: &str,
        scope: &str,
    ) -> rusqlite::Result<()> {
        match self.room(tenant, scope)? {
            0 => self.look_when_open(tenant, scope),
            _ => self.let_lanes_on(tenant, scope, queue, 1).map(drop),
        }
    }

    /// Writes what changed of limits, and lets those go on who waited for it.
    pub(super) fn flush_limits(&mut self) -> rusqlite::Result<()> {
        for it in self.limits.write(&self.db, self.now)? {
            if it.freed > 0 {
                self.let_on(&it.tenant, &it.scope, it.freed)?;
            } else if let Some(at) = it.opens {
                self.look_later(&it.tenant, &it.scope, at)?;
            }
        }
        Ok(())
    }
}
