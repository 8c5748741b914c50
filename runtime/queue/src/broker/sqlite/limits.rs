//! What may start just now: the gates of a tenant's scopes, as one step sees
//! them. The rules are `limits.rs`' of this crate; here is what they hold.

use std::collections::HashMap;

use rusqlite::params;
use rusqlite::types::Type;

use super::db::Db;
use super::sql::sql;
use super::step::Step;
use super::stored::{Stored, task_of};
use super::{control, tenants};
use crate::clock::Millis;
use crate::limits::{Limit, Order, Pace};
use crate::record::{COUNTED, Route};
use crate::task::TaskName;
use crate::tenant::{Burn, Tenant};

/// Under which scope's name it is held when a tenant's fuel is paid off.
const FUEL: &str = "fuel";

/// All flags of a job that is counted for something.
const ALL_COUNTED: u8 = COUNTED[0] | COUNTED[1] | COUNTED[2] | COUNTED[3];

/// On which kinds of scopes a tenant has any words. Most have none, and are asked
/// once a step.
#[derive(Clone, Copy, Default)]
pub(super) struct Kinds {
    pub(super) tenant: bool,
    pub(super) queue: bool,
    pub(super) lane: bool,
    pub(super) task: bool,
    pub(super) module: bool,
}

impl Kinds {
    /// Whether there is any limit or pause.
    pub(super) fn any(self) -> bool {
        self.tenant || self.queue || self.lane || self.has_tasks()
    }

    /// Whether it matters of which task a job is.
    pub(super) fn has_tasks(self) -> bool {
        self.task || self.module
    }
}

/// What is said of a scope.
pub(super) struct Rule {
    /// By the operator.
    pub(super) own: Option<Limit>,
    /// By the module, of its task.
    pub(super) declared: Option<Limit>,
    pub(super) paused: bool,
}

impl Rule {
    /// Reads three columns.
    pub(super) fn read(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let limit = |column: usize| {
            let text: Option<String> = row.get(column)?;
            let read = text.map(|text| serde_json::from_str(&text)).transpose();
            read.map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
            })
        };
        Ok(Rule {
            own: limit(from)?,
            declared: limit(from + 1)?,
            paused: row.get(from + 2)?,
        })
    }

    /// What is said of this scope, if anything is.
    pub(super) fn of(db: &Db<'_>, tenant: &str, scope: &str) -> rusqlite::Result<Option<Self>> {
        db.one(sql!("limits", "rule"), [tenant, scope], |row| {
            Rule::read(row, 0)
        })
    }
}

/// The particular word goes before the general one, rate and concurrency each by
/// itself.
pub(super) fn merged(own: Option<Limit>, general: Option<Limit>) -> Limit {
    let (own, general) = (own.unwrap_or_default(), general.unwrap_or_default());
    Limit {
        rate: own.rate.or(general.rate),
        concurrency: own.concurrency.or(general.concurrency),
        ..own
    }
}

/// A scope that has a limit or is paused, with what it holds.
pub(super) struct Gate {
    pub(super) limit: Limit,
    paused: bool,
    busy: u32,
    /// When its next start is due, in microseconds.
    due: u64,
    /// Of a tenant with a quota of fuel: that, and when what was burnt is paid off.
    burn: Option<(Burn, u64)>,
    changed: bool,
    /// How many started in this step.
    pub(super) started: u32,
    /// How many were let go in this step.
    freed: u32,
}

impl Gate {
    fn load(
        db: &Db<'_>,
        tenant: &str,
        scope: &str,
        record: Option<&Tenant>,
    ) -> rusqlite::Result<Option<Self>> {
        let rule = Rule::of(db, tenant, scope)?;
        // A lane is limited by its own word, and by that on each of its queue's.
        let general = match scope
            .strip_prefix("lane:")
            .and_then(|it| it.split_once('/'))
        {
            Some((queue, _)) => {
                Rule::of(db, tenant, &format!("lanes:{queue}"))?.and_then(|it| it.own)
            }
            None => rule.as_ref().and_then(|it| it.declared),
        };
        let mut paused = rule.as_ref().is_some_and(|it| it.paused);
        let mut limit = merged(rule.and_then(|it| it.own), general);
        let record = record.filter(|_| scope == "tenant");
        if let Some((stricter, stopped)) = record.and_then(|it| it.gate(Some(limit))) {
            (limit, paused) = (stricter, paused || stopped);
        }
        let fuel = record.and_then(|it| it.quota.fuel);
        if limit == Limit::default() && !paused && fuel.is_none() {
            return Ok(None);
        }
        let held = |scope: &str| {
            db.one(sql!("limits", "held"), [tenant, scope], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
            })
        };
        let (busy, due) = held(scope)?.unwrap_or_default();
        let burn = match fuel {
            Some(fuel) => Some((Burn { fuel }, held(FUEL)?.map_or(0, |it: (u32, u64)| it.1))),
            None => None,
        };
        Ok(Some(Gate {
            limit,
            paused,
            busy,
            due,
            burn,
            changed: false,
            started: 0,
            freed: 0,
        }))
    }

    fn free(&self) -> u32 {
        let most = self.limit.concurrency.unwrap_or(u32::MAX);
        most.saturating_sub(self.busy)
    }

    fn in_time(&self, now: Millis) -> u32 {
        self.limit.rate.map_or(u32::MAX, |rate| {
            u32::try_from(Pace::of(rate).room(self.due, now)).unwrap_or(u32::MAX)
        })
    }

    /// How many more may start.
    pub(super) fn room(&self, now: Millis) -> u32 {
        match self.paused || !self.has_fuel(now) {
            true => 0,
            false => self.free().min(self.in_time(now)),
        }
    }

    fn has_fuel(&self, now: Millis) -> bool {
        self.burn.is_none_or(|(_, debt)| Burn::is_open(debt, now))
    }

    /// When one may start, if nothing but the time is in its way.
    pub(super) fn opens(&self, now: Millis) -> Option<Millis> {
        let (in_time, has_fuel) = (self.in_time(now) > 0, self.has_fuel(now));
        if self.paused || self.free() == 0 || (in_time && has_fuel) {
            return None;
        }
        let paced = (!in_time).then(|| Pace::next(self.due));
        let paid = self.burn.filter(|_| !has_fuel);
        paced.max(paid.map(|(_, debt)| Burn::opens(debt)))
    }

    /// Fuel was burnt.
    fn charge(&mut self, now: Millis, fuel: u64) {
        if let Some((burn, debt)) = &mut self.burn {
            *debt = burn.after(*debt, now, fuel);
            self.changed = true;
        }
    }

    /// One starts; whether it is counted for as long as it runs.
    fn pass(&mut self, now: Millis) -> bool {
        self.changed = true;
        self.started += 1;
        if let Some(rate) = self.limit.rate {
            self.due = Pace::of(rate).after(self.due, now, 1);
        }
        self.count()
    }

    /// One that started is given back: it has not.
    fn refund(&mut self) {
        if let Some(rate) = self.limit.rate {
            self.due = Pace::of(rate).before(self.due);
            self.changed = true;
            self.freed += 1;
        }
    }

    /// One runs; whether that is counted.
    fn count(&mut self) -> bool {
        // What burns fuel is known again at its end by being counted.
        let counts = self.limit.concurrency.is_some() || self.burn.is_some();
        if counts {
            self.changed = true;
            self.busy += 1;
        }
        counts
    }
}

/// What is known of limits, by tenant.
#[derive(Default)]
pub(super) struct Limits(HashMap<String, Known>);

#[derive(Default)]
struct Known {
    kinds: Kinds,
    /// The tenant's record, if it has one.
    tenant: Option<Tenant>,
    gates: HashMap<String, Option<Gate>>,
}

/// A gate that is not what it was.
pub(super) struct Changed {
    pub(super) tenant: String,
    pub(super) scope: String,
    pub(super) freed: u32,
    pub(super) opens: Option<Millis>,
}

impl Limits {
    fn of(&mut self, db: &Db<'_>, tenant: &str) -> rusqlite::Result<&mut Known> {
        if !self.0.contains_key(tenant) {
            let kinds = db.one(sql!("limits", "kinds"), [tenant], |row| {
                let kinds = Kinds {
                    tenant: row.get(0)?,
                    queue: row.get(1)?,
                    lane: row.get(2)?,
                    task: row.get(3)?,
                    module: row.get(4)?,
                };
                Ok((kinds, tenants::read(row, 5)?))
            })?;
            let (mut kinds, record) = kinds.unwrap_or_default();
            kinds.tenant |= record.as_ref().is_some_and(|it| it.gate(None).is_some());
            let known = Known {
                kinds,
                tenant: record,
                ..Known::default()
            };
            self.0.insert(tenant.into(), known);
        }
        Ok(self.0.get_mut(tenant).expect("it was put there"))
    }

    /// Writes what changed, and says what that was.
    pub(super) fn write(&mut self, db: &Db<'_>, now: Millis) -> rusqlite::Result<Vec<Changed>> {
        let mut changed = Vec::new();
        for (tenant, known) in &mut self.0 {
            for (scope, gate) in &mut known.gates {
                let Some(gate) = gate.as_mut().filter(|it| it.changed) else {
                    continue;
                };
                gate.changed = false;
                if let Some((_, debt)) = gate.burn {
                    let row = params![tenant, FUEL, 0, debt.cast_signed()];
                    db.run(sql!("limits", "hold"), row)?;
                }
                if gate.busy == 0 && gate.due <= now.0 * 1_000 {
                    db.run(sql!("limits", "drop_held"), [tenant, scope])?;
                } else {
                    let row = params![tenant, scope, gate.busy, gate.due.cast_signed()];
                    db.run(sql!("limits", "hold"), row)?;
                }
                changed.push(Changed {
                    tenant: tenant.clone(),
                    scope: scope.clone(),
                    freed: std::mem::take(&mut gate.freed),
                    opens: gate.opens(now),
                });
            }
        }
        Ok(changed)
    }

    /// Forgets what was looked up, because it was changed in the file.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Whether a job may start where it stands.
pub(super) enum Allowed {
    /// It may, and has: its flags.
    Starts(u8),
    /// It is in the way of others, and steps into a lane of its own.
    Aside(String),
    /// It waits for this scope.
    Waits(String),
}

/// The scopes that a job is counted under, in the order of [`COUNTED`].
fn scopes(kinds: Kinds, route: &Route<'_>, task: &TaskName) -> [Option<String>; 4] {
    let Route { queue, lane, .. } = route;
    [
        kinds.tenant.then(|| "tenant".to_owned()),
        kinds.queue.then(|| format!("queue:{queue}")),
        (kinds.lane && !lane.is_empty()).then(|| format!("lane:{queue}/{lane}")),
        kinds.task.then(|| format!("task:{task}")),
    ]
}

impl Step<'_> {
    /// On what the tenant has any words.
    pub(super) fn kinds(&mut self, tenant: &str) -> rusqlite::Result<Kinds> {
        Ok(self.limits.of(&self.db, tenant)?.kinds)
    }

    /// The tenant's record, if it has one.
    pub(super) fn record_of(&mut self, tenant: &str) -> rusqlite::Result<Option<&Tenant>> {
        Ok(self.limits.of(&self.db, tenant)?.tenant.as_ref())
    }

    /// A tenant has burnt fuel, in a job that was counted.
    pub(super) fn charge(&mut self, tenant: &str, fuel: u64) -> rusqlite::Result<()> {
        let now = self.now;
        if let Some(gate) = self.gate(tenant, "tenant")? {
            gate.charge(now, fuel);
        }
        Ok(())
    }

    /// A scope's gate, if it is limited or paused.
    pub(super) fn gate(
        &mut self,
        tenant: &str,
        scope: &str,
    ) -> rusqlite::Result<Option<&mut Gate>> {
        let known = self.limits.of(&self.db, tenant)?;
        if !known.gates.contains_key(scope) {
            let gate = Gate::load(&self.db, tenant, scope, known.tenant.as_ref())?;
            known.gates.insert(scope.into(), gate);
        }
        Ok(known.gates.get_mut(scope).and_then(Option::as_mut))
    }

    /// How many of a scope's jobs may start.
    pub(super) fn room(&mut self, tenant: &str, scope: &str) -> rusqlite::Result<u32> {
        let now = self.now;
        let gate = self.gate(tenant, scope)?;
        Ok(gate.map_or(u32::MAX, |gate| gate.room(now)))
    }

    /// What a queue is limited to.
    pub(super) fn limit_of_queue(&mut self, tenant: &str, queue: &str) -> rusqlite::Result<Limit> {
        let limited = self.kinds(tenant)?.queue;
        let gate = match limited {
            true => self.gate(tenant, &format!("queue:{queue}"))?,
            false => None,
        };
        Ok(gate.map_or_else(Limit::default, |gate| gate.limit))
    }

    /// Whether the higher priority always goes first.
    pub(super) fn is_strict(&mut self, tenant: &str, queue: &str) -> rusqlite::Result<bool> {
        Ok(self.limit_of_queue(tenant, queue)?.order == Order::Strict)
    }

    /// Lets a job start, if its lane, task and module allow it. Of tenant and queue
    /// the caller has made sure.
    pub(super) fn start(
        &mut self,
        [tenant, _, lane]: [&str; 3],
        record: &[u8],
    ) -> rusqlite::Result<Allowed> {
        let kinds = self.kinds(tenant)?;
        let Some((route, task)) = task_of(record) else {
            return Ok(Allowed::Starts(0));
        };
        if lane.is_empty()
            && let Some(own) = self.steps_aside(tenant, record, kinds)?
        {
            return Ok(Allowed::Aside(own));
        }
        let scopes = scopes(kinds, &route, &task);
        let module = kinds.module.then(|| format!("module:{}", task.module));
        for scope in [&scopes[2], &module, &scopes[3]].into_iter().flatten() {
            if self.room(tenant, scope)? == 0 {
                return Ok(Allowed::Waits(scope.clone()));
            }
        }
        let (mut flags, now) = (0, self.now);
        for (flag, scope) in COUNTED.into_iter().zip(&scopes) {
            if let Some(scope) = scope
                && let Some(gate) = self.gate(tenant, scope)?
                && gate.pass(now)
            {
                flags |= flag;
            }
        }
        Ok(Allowed::Starts(flags))
    }

    /// A job that was given back has not started, as far as rates are concerned.
    pub(super) fn refund(&mut self, job: &Stored) -> rusqlite::Result<()> {
        let kinds = self.kinds(&job.tenant)?;
        let Some((route, task)) = task_of(&job.record).filter(|_| kinds.any()) else {
            return Ok(());
        };
        for scope in scopes(kinds, &route, &task).into_iter().flatten() {
            if let Some(gate) = self.gate(&job.tenant, &scope)? {
                gate.refund();
            }
        }
        Ok(())
    }

    /// A job runs no longer: nor does it count.
    pub(super) fn release(&mut self, job: &mut Stored) -> rusqlite::Result<()> {
        let Some(header) = &mut job.header else {
            return control::recover(self, &job.tenant);
        };
        let flags = header.flags & ALL_COUNTED;
        header.flags &= !ALL_COUNTED;
        if flags == 0 {
            return Ok(());
        }
        let kinds = self.kinds(&job.tenant)?;
        let Some((route, task)) = task_of(&job.record) else {
            return Ok(());
        };
        for (flag, scope) in COUNTED.into_iter().zip(scopes(kinds, &route, &task)) {
            if let Some(scope) = scope.filter(|_| flags & flag != 0)
                && let Some(gate) = self.gate(&job.tenant, &scope)?
            {
                gate.changed = true;
                gate.busy = gate.busy.saturating_sub(1);
                gate.freed += 1;
            }
        }
        Ok(())
    }

    /// Counts a job that runs in all scopes that count; the flags that say so.
    pub(super) fn count_running(&mut self, job: &Stored) -> rusqlite::Result<Option<u8>> {
        let kinds = self.kinds(&job.tenant)?;
        let (Some(header), Some((route, task))) = (&job.header, task_of(&job.record)) else {
            return Ok(None);
        };
        let mut flags = header.flags & !ALL_COUNTED;
        for (flag, scope) in COUNTED.into_iter().zip(scopes(kinds, &route, &task)) {
            if let Some(scope) = scope
                && let Some(gate) = self.gate(&job.tenant, &scope)?
                && gate.count()
            {
                flags |= flag;
            }
        }
        Ok(Some(flags))
    }
}
