//! What is kept for those who look on, and for the front door.

use std::time::Duration;

use rusqlite::{Row, params};

use super::db::{Db, id_at, millis_at, time};
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::{SqliteBroker, tenants, writer};
use crate::broker::Result;
use crate::broker::ledger::{
    EVENTS_KEPT, Events, HISTORY_KEPT, LaneCounts, Ledger, MAX_ENTRIES, MAX_HELD, MAX_LANES,
    MAX_SERIES, MAX_TOLD, MOST, Minute, NUMBERS, Shelf, Tally, USAGE_KEPT, Usage, WorkerStatus,
    as_named, check_days, check_entry, check_look, check_told, day_of, minute_of, no_cursor,
    shelf_is_full,
};
use crate::clock::{Millis, millis};
use crate::job::{JobId, WorkerId};

#[async_trait::async_trait]
impl Ledger for SqliteBroker {
    async fn put_entry(&self, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<()> {
        check_entry(tenant, name, bytes)?;
        let [tenant, name] = [tenant, name].map(str::to_owned);
        let bytes = bytes.to_vec();
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                put(step, &tenant, shelf, &name, &bytes)
            })
            .await
    }

    async fn remove_entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<bool> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                let key = params![tenant, shelf.as_str(), name];
                Ok(step.db.run(sql!("ledger", "remove"), key)? > 0)
            })
            .await
    }

    async fn entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>> {
        let [tenant, name] = [tenant, name].map(str::to_owned);
        self.core
            .read(move |db| {
                let key = params![tenant, shelf.as_str(), name];
                Ok(db.one(sql!("ledger", "entry"), key, |row| row.get(0))?)
            })
            .await
    }

    async fn entries(&self, tenant: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| {
                let all = params![tenant, shelf.as_str()];
                Ok(db.all(sql!("ledger", "entries"), all, |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?)
            })
            .await
    }

    async fn tell(&self, tenant: &str, tallies: &[Tally], events: &[Vec<u8>]) -> Result<()> {
        check_told(tenant, tallies, events)?;
        if tallies.is_empty() && events.is_empty() {
            return Ok(());
        }
        let (tenant, tallies, events) = (tenant.to_owned(), tallies.to_vec(), events.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                add(step, &tenant, &tallies)?;
                add_usage(step, &tenant, &tallies)?;
                append(step, &tenant, &events)
            })
            .await
    }

    async fn history(&self, tenant: &str, from: Millis, minutes: u32) -> Result<Vec<Minute>> {
        let (from, to) = check_look(from, minutes)?;
        let kept = kept_since(writer::now(&self.clock), HISTORY_KEPT);
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| {
                let look = params![tenant, time(from.max(kept)), time(to)];
                Ok(db.all(sql!("ledger", "history"), look, minute)?)
            })
            .await
    }

    async fn usage(&self, tenant: &str, from: Millis, days: u32) -> Result<Vec<Usage>> {
        let (from, to) = check_days(from, days)?;
        let kept = kept_since(writer::now(&self.clock), USAGE_KEPT);
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| {
                let look = params![tenant, time(from.max(kept)), time(to)];
                Ok(db.all(sql!("ledger", "usage"), look, |row| {
                    Ok(Usage::of(millis_at(row, 0)?, row.get(1)?, numbers(row, 2)?))
                })?)
            })
            .await
    }

    async fn events(&self, tenant: &str, after: Option<&str>, limit: u32) -> Result<Events> {
        let after = after.map(read_cursor).transpose()?;
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| events(db, &tenant, after, limit.min(MAX_TOLD as u32)))
            .await
    }

    async fn workers(&self, tenant: &str) -> Result<Vec<WorkerStatus>> {
        let (tenant, now) = (tenant.to_owned(), writer::now(&self.clock));
        self.core.read(move |db| workers(db, &tenant, now)).await
    }

    async fn lanes(&self, tenant: &str, queue: &str, limit: u32) -> Result<Vec<LaneCounts>> {
        let [tenant, queue] = [tenant, queue].map(str::to_owned);
        self.core
            .read(move |db| lanes(db, &tenant, &queue, limit.min(MAX_LANES) as usize))
            .await
    }
}

fn put(step: &Step<'_>, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Done<()> {
    let key = params![tenant, shelf.as_str(), name];
    let known = step.db.one(sql!("ledger", "entry"), key, |_| Ok(()))?;
    if known.is_none() {
        let all = params![tenant, shelf.as_str()];
        let count: Option<i64> = step
            .db
            .one(sql!("ledger", "on_shelf"), all, |row| row.get(0))?;
        if count.unwrap_or(0) >= MAX_ENTRIES as i64 {
            return Err(shelf_is_full(shelf).into());
        }
    }
    let row = params![tenant, shelf.as_str(), name, bytes];
    step.db.run(sql!("ledger", "put"), row)?;
    Ok(())
}

/// Adds tallies to the minute of now.
fn add(step: &Step<'_>, tenant: &str, tallies: &[Tally]) -> Done<()> {
    let at = time(minute_of(step.now));
    let series: Option<i64> =
        step.db
            .one(sql!("ledger", "series"), params![tenant, at], |row| {
                row.get(0)
            })?;
    let mut series = series.unwrap_or(0);
    for it in tallies {
        let mut pair = [&*it.queue, &*it.task];
        let key = params![tenant, at, pair[0], pair[1]];
        if !step.db.is(sql!("ledger", "has_series"), key)? {
            match series < MAX_SERIES as i64 {
                true => series += 1,
                false => pair = ["", ""],
            }
        }
        let [a, b, c, d, e, f, g, h, i, j, k] = it.numbers().map(u64::cast_signed);
        let (most, [queue, task]) = (MOST.cast_signed(), pair);
        let row = params![
            tenant, at, queue, task, a, b, c, d, e, f, g, h, i, j, k, most
        ];
        step.db.run(sql!("ledger", "add"), row)?;
    }
    Ok(())
}

/// Adds what they used to the day of now.
fn add_usage(step: &Step<'_>, tenant: &str, tallies: &[Tally]) -> Done<()> {
    let (db, day) = (&step.db, time(day_of(step.now)));
    let tasks: Option<i64> = db.one(sql!("ledger", "tasks"), params![tenant, day], |row| {
        row.get(0)
    })?;
    let mut tasks = tasks.unwrap_or(0);
    for (it, used) in tallies.iter().filter_map(|it| Some((it, it.usage()?))) {
        let mut task = it.task.as_str();
        if !db.is(sql!("ledger", "has_task"), params![tenant, day, task])? {
            match tasks < MAX_SERIES as i64 {
                true => tasks += 1,
                false => task = "",
            }
        }
        let [a, b, c, d, e] = used.map(u64::cast_signed);
        let row = params![tenant, day, task, a, b, c, d, e, MOST.cast_signed()];
        db.run(sql!("ledger", "use"), row)?;
    }
    Ok(())
}

/// Appends events, and lets those go for which they leave no place.
fn append(step: &Step<'_>, tenant: &str, events: &[Vec<u8>]) -> Done<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut last = last_event(&step.db, tenant)?;
    for bytes in events {
        last += 1;
        let row = params![tenant, last, bytes];
        step.db.run(sql!("ledger", "append"), row)?;
    }
    let gone = params![tenant, last - EVENTS_KEPT as i64];
    step.db.run(sql!("ledger", "drop_events"), gone)?;
    Ok(())
}

fn last_event(db: &Db<'_>, tenant: &str) -> rusqlite::Result<i64> {
    let last = db.one(sql!("ledger", "last_event"), [tenant], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

pub(super) fn read_cursor(text: &str) -> Result<i64> {
    let number: Option<i64> = text.parse().ok();
    let ours = number.filter(|n| *n >= 0 && n.to_string() == text);
    ours.ok_or_else(|| no_cursor(text))
}

fn events(db: &Db<'_>, tenant: &str, after: Option<i64>, limit: u32) -> Done<Events> {
    let snapshot = db.conn.unchecked_transaction()?;
    let last = last_event(db, tenant)?;
    let first: Option<i64> = db.one(sql!("ledger", "first_event"), [tenant], |row| row.get(0))?;
    let first = first.unwrap_or(0);
    let Some(after) = after else {
        let cursor = last.to_string();
        return Ok(Events {
            cursor,
            ..Events::default()
        });
    };
    // They are numbered without gaps. Zero is the cursor of before the first.
    let missed = match after {
        0 => first > 1,
        _ => after < first || after > last,
    };
    let after = if missed { 0 } else { after };
    let page = params![tenant, after, limit];
    let found: Vec<(i64, Vec<u8>)> = db.all(sql!("ledger", "events"), page, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    snapshot.finish()?;
    Ok(Events {
        cursor: found.last().map_or(after, |it| it.0).to_string(),
        events: found
            .into_iter()
            .map(|(seq, bytes)| (seq.to_string(), bytes))
            .collect(),
        missed,
    })
}

fn minute(row: &Row<'_>) -> rusqlite::Result<Minute> {
    let numbers: [u64; NUMBERS] = numbers(row, 3)?;
    Ok(Minute {
        at: millis_at(row, 0)?,
        tally: Tally::of(row.get(1)?, row.get(2)?, numbers),
    })
}

/// Numbers, from a column on.
fn numbers<const N: usize>(row: &Row<'_>, from: usize) -> rusqlite::Result<[u64; N]> {
    let mut numbers = [0; N];
    for (n, it) in numbers.iter_mut().enumerate() {
        *it = row.get::<_, i64>(from + n)?.cast_unsigned();
    }
    Ok(numbers)
}

/// What began before this is forgotten.
fn kept_since(now: Millis, kept: Duration) -> Millis {
    Millis(now.0.saturating_sub(millis(kept)))
}

/// Lets minutes and days go that are too old. Events go as others come.
pub(super) fn prune(step: &Step<'_>, limit: u32) -> Done<()> {
    let old = params![time(kept_since(step.now, USAGE_KEPT)), limit];
    let old: Vec<(String, i64, String)> = step.db.all(sql!("ledger", "old_usage"), old, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    for (tenant, day, task) in old {
        let key = params![tenant, day, task];
        step.db.run(sql!("ledger", "forget_usage"), key)?;
    }
    let old = params![time(kept_since(step.now, HISTORY_KEPT)), limit];
    let old: Vec<(String, i64, String, String)> =
        step.db.all(sql!("ledger", "old_minutes"), old, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    for (tenant, at, queue, task) in old {
        let key = params![tenant, at, queue, task];
        step.db.run(sql!("ledger", "forget_minute"), key)?;
    }
    Ok(())
}

fn workers(db: &Db<'_>, tenant: &str, now: Millis) -> Done<Vec<WorkerStatus>> {
    let snapshot = db.conn.unchecked_transaction()?;
    let mut workers = db.all(sql!("ledger", "workers"), [time(now)], |row| {
        Ok(WorkerStatus {
            worker: WorkerId(row.get::<_, i64>(0)?.cast_unsigned()),
            expires: millis_at(row, 1)?,
            about: row.get(2)?,
            held: Vec::new(),
            others: 0,
        })
    })?;
    for it in &mut workers {
        let worker = [it.worker.0.cast_signed()];
        let held: Vec<Option<JobId>> = db.all(sql!("ledger", "holds"), worker, |row| {
            let ours = row.get_ref(0)?.as_str()? == tenant;
            ours.then(|| id_at(row, 1)).transpose()
        })?;
        it.others = held.iter().filter(|it| it.is_none()).count() as u64;
        it.held = held.into_iter().flatten().collect();
        it.held.sort_unstable();
        it.held.truncate(MAX_HELD);
    }
    snapshot.finish()?;
    workers.sort_by_key(|it| it.worker.0);
    Ok(workers)
}

fn lanes(db: &Db<'_>, tenant: &str, queue: &str, limit: usize) -> Done<Vec<LaneCounts>> {
    let snapshot = db.conn.unchecked_transaction()?;
    let mut lanes = Vec::new();
    for lane in some_lanes(db, tenant, queue, limit)? {
        let key = [tenant, queue, &lane];
        let available: Option<i64> = db.one(sql!("ledger", "in_lane"), key, |row| row.get(0))?;
        lanes.push(LaneCounts {
            available: available.unwrap_or(0).cast_unsigned(),
            oldest: oldest_in(db, key)?,
            lane,
        });
    }
    snapshot.finish()?;
    lanes.retain(|it| it.available > 0);
    Ok(as_named(lanes))
}

fn some_lanes(
    db: &Db<'_>,
    tenant: &str,
    queue: &str,
    limit: usize,
) -> rusqlite::Result<Vec<String>> {
    let some = params![tenant, queue, limit as i64];
    db.all(sql!("ledger", "lanes"), some, |row| row.get(0))
}

/// Since when the oldest available job of some of a queue's lanes waits.
pub(super) fn oldest(
    db: &Db<'_>,
    tenant: &str,
    queue: &str,
    lanes: usize,
) -> rusqlite::Result<Option<Millis>> {
    let mut oldest: Option<Millis> = None;
    for lane in some_lanes(db, tenant, queue, lanes)? {
        let head = oldest_in(db, [tenant, queue, &lane])?;
        oldest = [oldest, head].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// The same of one lane: of each step the first is the oldest.
fn oldest_in(db: &Db<'_>, [tenant, queue, lane]: [&str; 3]) -> rusqlite::Result<Option<Millis>> {
    let (mut oldest, mut step): (Option<Millis>, i64) = (None, -1);
    loop {
        let behind = params![tenant, queue, lane, step];
        let head = db.one(sql!("ledger", "head"), behind, |row| {
            Ok((row.get(0)?, millis_at(row, 1)?))
        })?;
        let Some((next, at)) = head else {
            return Ok(oldest);
        };
        oldest = Some(oldest.map_or(at, |it| it.min(at)));
        step = next;
    }
}
