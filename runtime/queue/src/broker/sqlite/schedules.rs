//! Schedules, as steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Row, params};

use super::db::{Db, time};
use super::enqueue::Ready;
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::stored::{Stored, task_of};
use super::{SqliteBroker, fire, ours, tenants, writer};
use crate::broker::schedules::{
    Declared, Due, DueSchedule, FIRES_KEPT, FireOutcome, Fired, Firing, Owner, Planned, Schedules,
    pack, read_fired, read_times, unpack,
};
use crate::broker::{BrokerError, Result, check_declared, check_jobs, corrupt};
use crate::clock::Millis;
use crate::job::{JobId, Partition, State};

/// For how long, in milliseconds, whoever is told of a schedule is alone with it.
const ALONE: u64 = 1000;

#[async_trait::async_trait]
impl Schedules for SqliteBroker {
    async fn time(&self, _tenant: &str) -> Result<Millis> {
        Ok(writer::now(&self.clock))
    }

    async fn declare(
        &self,
        tenant: &str,
        owner: &Owner,
        schedules: &[Declared],
        whole: bool,
    ) -> Result<()> {
        check_declared(tenant, schedules)?;
        let (tenant, owner, schedules) = (tenant.to_owned(), owner.clone(), schedules.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                declare(step, &tenant, &owner, &schedules, whole)
            })
            .await
    }

    async fn schedules(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Planned>> {
        let (tenant, after) = (tenant.to_owned(), after.unwrap_or_default().to_owned());
        self.core
            .read(move |db| {
                let page = params![tenant, after, limit];
                let rows = db.all(sql!("schedules", "page"), page, planned)?;
                let read = rows.into_iter().map(|it| it.map_err(unreadable));
                Ok(read.collect::<Result<_>>()?)
            })
            .await
    }

    async fn schedule(&self, tenant: &str, name: &str) -> Result<Option<(Planned, Vec<Fired>)>> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .read(move |db| {
                let Some(planned) = one(db, &tenant, &name)? else {
                    return Ok(None);
                };
                let newest = params![tenant, name, FIRES_KEPT as i64];
                let entries = db.all(sql!("schedules", "fires"), newest, |row| {
                    row.get::<_, Vec<u8>>(0)
                })?;
                // What a later Lovage has to say of a fire is no reason to hide the others.
                let fires = entries.iter().filter_map(|entry| read_fired(entry));
                Ok(Some((planned.map_err(unreadable)?, fires.collect())))
            })
            .await
    }

    async fn pause_schedule(
        &self,
        tenant: &str,
        name: &str,
        paused: bool,
        due: Option<Millis>,
    ) -> Result<bool> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                if one(&step.db, &tenant, &name)?.is_none() {
                    return Ok(false);
                }
                step.expect(step.now)?;
                if paused {
                    step.db.run(sql!("schedules", "pause"), [&tenant, &name])?;
                } else {
                    let row = params![tenant, name, due.map(time), time(step.now)];
                    step.db.run(sql!("schedules", "resume"), row)?;
                }
                Ok(true)
            })
            .await
    }

    async fn remove_schedule(&self, tenant: &str, name: &str) -> Result<bool> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                forget(step, &tenant, &name)
            })
            .await
    }

    async fn due(&self, partition: Partition, limit: u32) -> Result<Due> {
        ours(partition)?;
        self.core
            .write(&self.clock, move |step| due(step, limit))
            .await
    }

    async fn fire(&self, firing: &Firing) -> Result<Option<Vec<FireOutcome>>> {
        // What the store said against the jobs of some fires.
        let mut refused: HashMap<usize, String> = HashMap::new();
        loop {
            let ready = firing.fires.iter().enumerate().map(|(at, fire)| {
                let job = match (&fire.job, refused.get(&at)) {
                    (Ok(job), None) => job,
                    (Err(reason), _) | (_, Some(reason)) => return Ok(Err(reason.clone())),
                };
                check_jobs(&firing.tenant, std::slice::from_ref(job), 1)?;
                Ready::new(job).map(Ok)
            });
            let ready: Vec<_> = ready.collect::<Result<_>>()?;
            let (ours, at) = (firing.clone(), Arc::new(AtomicUsize::new(0)));
            let place = at.clone();
            let fired = self
                .core
                .write(&self.clock, move |step| {
                    fire::fire(step, &ours, &ready, &place)
                })
                .await;
            // A job that cannot be made undoes the step; the next one goes without it.
            let reason = match fired {
                Err(BrokerError::QueueFull { queue, .. }) => format!("queue `{queue}` is full"),
                Err(BrokerError::Duplicate(_)) => "its unique key is held by another job".into(),
                Err(BrokerError::Missing(_)) => "its input is gone".into(),
                Err(BrokerError::Quota { quota, .. }) => {
                    format!("the quota `{quota}` is used up")
                }
                Err(BrokerError::Suspended) => "the tenant is suspended".into(),
                other => return other,
            };
            refused.insert(at.load(Ordering::SeqCst), reason);
        }
    }
}

/// The inner error says why a schedule's own words cannot be read.
pub(super) type Read<T> = std::result::Result<T, String>;

fn planned(row: &Row<'_>) -> rusqlite::Result<Read<Planned>> {
    let time_at = |column| -> rusqlite::Result<Option<Millis>> {
        let at: Option<i64> = row.get(column)?;
        Ok(at.map(|at| Millis(at.cast_unsigned())))
    };
    let (spec, owner): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
    let words = unpack(&spec).and_then(|schedule| Ok((schedule, owner.parse()?)));
    let (schedule, owner) = match words {
        Ok(words) => words,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(Ok(Planned {
        schedule,
        owner,
        revision: row.get::<_, i64>(2)?.cast_unsigned(),
        due: time_at(3)?,
        waiting: time_at(4)?,
        paused: row.get(5)?,
        last: row.get::<_, Option<[u8; 16]>>(6)?.map(JobId),
        held: read_times(&row.get::<_, Vec<u8>>(7)?),
        fired: row.get::<_, i64>(8)?.cast_unsigned(),
        missed: row.get::<_, i64>(9)?.cast_unsigned(),
    }))
}

pub(super) fn one(
    db: &Db<'_>,
    tenant: &str,
    name: &str,
) -> rusqlite::Result<Option<Read<Planned>>> {
    db.one(sql!("schedules", "one"), [tenant, name], planned)
}

fn unreadable(reason: String) -> BrokerError {
    corrupt("a schedule".into(), reason)
}

/// Keeps schedules in the name of an owner.
pub(super) fn declare(
    step: &mut Step<'_>,
    tenant: &str,
    owner: &Owner,
    schedules: &[Declared],
    whole: bool,
) -> Done<()> {
    for it in schedules {
        let name = &it.schedule.name;
        if let Some(Ok(other)) = one(&step.db, tenant, name)?
            && other.owner != *owner
        {
            let owner = other.owner;
            let said = format!(
                "there is a schedule `{name}` already, of another owner ({owner}): give this one another name"
            );
            return Err(BrokerError::Invalid(said).into());
        }
    }
    let of_owner = params![tenant, owner.to_string()];
    let before: Vec<String> = step
        .db
        .all(sql!("schedules", "of_owner"), of_owner, |row| row.get(0))?;
    for it in schedules {
        keep(step, tenant, owner, it)?;
    }
    // Behind them, so that what is known of a task's completion is not forgotten with
    // the last schedule that went by it.
    let stays = |name: &String| schedules.iter().any(|it| it.schedule.name == *name);
    for name in before.iter().filter(|name| whole && !stays(name)) {
        forget(step, tenant, name)?;
    }
    Ok(())
}

/// Keeps one; one that says what it said is left as it is.
fn keep(step: &mut Step<'_>, tenant: &str, owner: &Owner, it: &Declared) -> Done<()> {
    let (name, spec) = (&it.schedule.name, pack(&it.schedule));
    let before = one(&step.db, tenant, name)?;
    if before.is_some_and(|known| known.is_ok_and(|known| known.schedule == it.schedule)) {
        return Ok(());
    }
    if let Some(first) = it.first {
        step.expect(first)?;
    }
    let now = time(step.now);
    let row = params![
        tenant,
        name,
        owner.to_string(),
        spec,
        it.first.map(time),
        now
    ];
    step.db.run(sql!("schedules", "keep"), row)?;
    let needs = it.schedule.trigger.requires();
    let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
    set_needs(step, tenant, name, &needs)?;
    Ok(())
}

/// The tasks that a schedule goes by from now on. What is known of one that it went by
/// before stays as long as another does.
fn set_needs(
    step: &mut Step<'_>,
    tenant: &str,
    name: &str,
    tasks: &[String],
) -> rusqlite::Result<()> {
    let before = needs(&step.db, tenant, name)?;
    step.db
        .run(sql!("schedules", "drop_needs"), [tenant, name])?;
    for task in tasks {
        step.db
            .run(sql!("schedules", "need"), [tenant, task, name])?;
        step.db.run(sql!("schedules", "watch"), [tenant, task])?;
    }
    for (task, _) in &before {
        step.db.run(sql!("schedules", "unwatch"), [tenant, task])?;
    }
    Ok(())
}

/// The tasks by whose completions a schedule goes, and when each completed last.
pub(super) fn needs(
    db: &Db<'_>,
    tenant: &str,
    name: &str,
) -> rusqlite::Result<Vec<(String, Millis)>> {
    db.all(sql!("schedules", "needs"), [tenant, name], |row| {
        let at: i64 = row.get(1)?;
        Ok((row.get(0)?, Millis(at.cast_unsigned())))
    })
}

fn forget(step: &mut Step<'_>, tenant: &str, name: &str) -> Done<bool> {
    let key = [tenant, name];
    if step.db.run(sql!("schedules", "remove"), key)? == 0 {
        return Ok(false);
    }
    step.effects.delayed = true;
    step.db.run(sql!("schedules", "forget_fires"), key)?;
    set_needs(step, tenant, name, &[])?;
    Ok(true)
}

fn due(step: &mut Step<'_>, limit: u32) -> Done<Due> {
    let look = params![time(step.now), limit];
    let found: Vec<[String; 2]> = step.db.all(sql!("schedules", "look"), look, |row| {
        Ok([row.get(0)?, row.get(1)?])
    })?;
    step.effects.delayed |= !found.is_empty();
    let mut due = Due {
        now: step.now,
        ..Due::default()
    };
    for [tenant, name] in found {
        let later = time(Millis(step.now.0 + ALONE));
        step.db
            .run(sql!("schedules", "wake"), params![tenant, name, later])?;
        match one(&step.db, &tenant, &name)? {
            None => {}
            Some(Err(reason)) => due.unreadable.push((tenant, name, reason)),
            Some(Ok(planned)) => {
                let completed = needs(&step.db, &tenant, &name)?;
                let completed = completed
                    .into_iter()
                    .filter_map(|(task, at)| task.parse().ok().zip(at.known()));
                due.schedules.push(DueSchedule {
                    planned,
                    completed: completed.collect(),
                    tenant,
                });
            }
        }
    }
    Ok(due)
}

/// What the ends of jobs may have to do with schedules, looked up once a step.
#[derive(Clone, Copy)]
pub(super) struct Concern {
    /// Some schedule goes by a task's completions.
    watched: bool,
    /// Some schedule holds fires until a job's end.
    held: bool,
}

/// A job has ended: schedules that waited for that are to be looked at.
pub(super) fn ended(step: &mut Step<'_>, job: &Stored, state: State) -> rusqlite::Result<()> {
    let concern = match step.concern {
        Some(concern) => concern,
        None => {
            let any = step.db.one(sql!("schedules", "any_concern"), [], |row| {
                let (watched, held) = (row.get(0)?, row.get(1)?);
                Ok(Concern { watched, held })
            })?;
            let none = Concern {
                watched: false,
                held: false,
            };
            *step.concern.insert(any.unwrap_or(none))
        }
    };
    let mut names: Vec<String> = Vec::new();
    if concern.watched
        && state == State::Completed
        && let Some((_, task)) = task_of(&job.record)
    {
        let task = task.to_string();
        let row = params![job.tenant, task, time(step.now)];
        if step.db.run(sql!("schedules", "completed"), row)? > 0 {
            let key = [&job.tenant, &task];
            names = step
                .db
                .all(sql!("schedules", "who_waits"), key, |row| row.get(0))?;
        }
    }
    if concern.held {
        let key = params![job.tenant, job.id.0];
        let more: Vec<String> = step
            .db
            .all(sql!("schedules", "who_holds"), key, |row| row.get(0))?;
        names.extend(more);
    }
    for name in names {
        step.expect(step.now)?;
        let row = params![job.tenant, name, time(step.now)];
        step.db.run(sql!("schedules", "wake"), row)?;
    }
    Ok(())
}
