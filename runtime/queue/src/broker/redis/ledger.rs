//! The ledger on Redis: each operation's way into its script.

use redis::Value;

use super::connection::unexpected;
use super::reply::Reply;
use super::{RedisBroker, scripts};
use crate::broker::ledger::{
    EVENTS_KEPT, Events, HISTORY_KEPT, LaneCounts, Ledger, MAX_ENTRIES, MAX_HELD, MAX_LANES,
    MAX_SERIES, MAX_TOLD, Minute, NUMBERS, Shelf, Tally, USAGE_KEPT, USED, Usage, WorkerStatus,
    as_named, check_days, check_entry, check_look, check_told, no_cursor, shelf_is_full,
};
use crate::broker::{Result, corrupt};
use crate::clock::{Millis, millis};
use crate::job::WorkerId;

#[async_trait::async_trait]
impl Ledger for RedisBroker {
    async fn put_entry(&self, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<()> {
        check_entry(tenant, name, bytes)?;
        let mut command = self.of_tenant(&scripts::PUT_ENTRY, tenant);
        command.arg(shelf.as_str()).arg(name).arg(bytes);
        command.arg(MAX_ENTRIES);
        match self.number_of(&scripts::PUT_ENTRY, &command).await? {
            0 => Err(shelf_is_full(shelf)),
            _ => Ok(()),
        }
    }

    async fn remove_entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<bool> {
        let mut command = self.of_tenant(&scripts::REMOVE_ENTRY, tenant);
        command.arg(shelf.as_str()).arg(name);
        let removed = self.number_of(&scripts::REMOVE_ENTRY, &command).await?;
        Ok(removed == 1)
    }

    async fn entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>> {
        // The script takes no name for all of them.
        if name.is_empty() {
            return Ok(None);
        }
        let found = self.read_entries(tenant, shelf, name).await?;
        Ok(found.into_iter().next().map(|(_, bytes)| bytes))
    }

    async fn entries(&self, tenant: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>> {
        let mut entries = self.read_entries(tenant, shelf, "").await?;
        entries.sort_unstable();
        Ok(entries)
    }

    async fn tell(&self, tenant: &str, tallies: &[Tally], events: &[Vec<u8>]) -> Result<()> {
        check_told(tenant, tallies, events)?;
        if tallies.is_empty() && events.is_empty() {
            return Ok(());
        }
        let mut command = self.of_tenant(&scripts::TELL, tenant);
        command.arg(MAX_SERIES).arg(millis(HISTORY_KEPT));
        command.arg(millis(USAGE_KEPT));
        command.arg(EVENTS_KEPT).arg(tallies.len());
        for it in tallies {
            command.arg([it.queue.as_bytes(), b"\0", it.task.as_bytes()].concat());
            command.arg(packed(&it.numbers()));
            command.arg(it.usage().map(|used| packed(&used)).unwrap_or_default());
        }
        command.arg(events);
        self.number_of(&scripts::TELL, &command).await.map(drop)
    }

    async fn history(&self, tenant: &str, from: Millis, minutes: u32) -> Result<Vec<Minute>> {
        let (from, to) = check_look(from, minutes)?;
        let mut command = self.of_tenant(&scripts::HISTORY, tenant);
        command.arg(from.0).arg(to.0).arg(millis(HISTORY_KEPT));
        let mut reply = self.list_of(&scripts::HISTORY, &command).await?;
        let mut history = Vec::new();
        while !reply.is_empty() {
            let (at, mut row) = (Millis(reply.number()?), reply.list()?);
            while !row.is_empty() {
                let tally = read_tally(&row.text()?, &row.bytes()?)?;
                history.push(Minute { at, tally });
            }
        }
        let key = |it: &Minute| (it.at, it.tally.queue.clone(), it.tally.task.clone());
        history.sort_by_cached_key(key);
        Ok(history)
    }

    async fn usage(&self, tenant: &str, from: Millis, days: u32) -> Result<Vec<Usage>> {
        let (from, to) = check_days(from, days)?;
        let mut command = self.of_tenant(&scripts::USAGE, tenant);
        command.arg(from.0).arg(to.0).arg(millis(USAGE_KEPT));
        let mut reply = self.list_of(&scripts::USAGE, &command).await?;
        let mut usage = Vec::new();
        while !reply.is_empty() {
            let (day, mut row) = (Millis(reply.number()?), reply.list()?);
            while !row.is_empty() {
                let task = row.text()?;
                let numbers: [u64; USED] = read_numbers(&row.bytes()?, "the usage of a day")?;
                usage.push(Usage::of(day, task, numbers));
            }
        }
        usage.sort_by(|a, b| (a.day, &a.task).cmp(&(b.day, &b.task)));
        Ok(usage)
    }

    async fn events(&self, tenant: &str, after: Option<&str>, limit: u32) -> Result<Events> {
        if let Some(cursor) = after
            && !is_cursor(cursor)
        {
            return Err(no_cursor(cursor));
        }
        let mut command = self.of_tenant(&scripts::EVENTS, tenant);
        command.arg(after.unwrap_or_default());
        command.arg(limit.min(MAX_TOLD as u32));
        let mut reply = self.list_of(&scripts::EVENTS, &command).await?;
        let mut events = Events {
            missed: reply.int()? == 1,
            cursor: reply.text()?,
            events: Vec::new(),
        };
        while !reply.is_empty() {
            events.events.push((reply.text()?, reply.bytes()?));
        }
        Ok(events)
    }

    async fn workers(&self, tenant: &str) -> Result<Vec<WorkerStatus>> {
        let mut command = self.of_tenant(&scripts::WORKERS, tenant);
        command.arg(MAX_HELD);
        let mut reply = self.list_of(&scripts::WORKERS, &command).await?;
        let mut workers = Vec::new();
        while !reply.is_empty() {
            let id = reply.bytes()?.try_into();
            let id = id.map_err(|_| unexpected("workers", "an id of a wrong length"))?;
            workers.push(WorkerStatus {
                worker: WorkerId(u64::from_le_bytes(id)),
                expires: Millis(reply.number()?),
                about: reply.bytes()?,
                held: reply.ids()?,
                others: reply.number()?,
            });
        }
        workers.sort_by_key(|it| it.worker.0);
        Ok(workers)
    }

    async fn lanes(&self, tenant: &str, queue: &str, limit: u32) -> Result<Vec<LaneCounts>> {
        let mut command = self.of_tenant(&scripts::LANES, tenant);
        command.arg(queue).arg(limit.min(MAX_LANES));
        let mut reply = self.list_of(&scripts::LANES, &command).await?;
        let mut lanes = Vec::new();
        while !reply.is_empty() {
            lanes.push(LaneCounts {
                lane: reply.text()?,
                available: reply.number()?,
                oldest: read_time(&mut reply)?,
            });
        }
        Ok(as_named(lanes))
    }
}

impl RedisBroker {
    async fn read_entries(
        &self,
        tenant: &str,
        shelf: Shelf,
        one: &str,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let mut command = self.of_tenant(&scripts::ENTRIES, tenant);
        command.arg(shelf.as_str()).arg(one);
        let mut reply = self.list_of(&scripts::ENTRIES, &command).await?;
        let mut entries = Vec::new();
        while !reply.is_empty() {
            entries.push((reply.text()?, reply.bytes()?));
        }
        Ok(entries)
    }
}

/// A stream's id, as Redis spells them.
pub(super) fn is_cursor(text: &str) -> bool {
    let number = |it: &str| it.parse::<u64>().is_ok_and(|n| n.to_string() == it);
    text.split_once('-')
        .is_some_and(|(time, place)| number(time) && number(place))
}

/// A time, or nothing.
pub(super) fn read_time(reply: &mut Reply) -> Result<Option<Millis>> {
    match reply.value()? {
        Value::BulkString(none) if none.is_empty() => Ok(None),
        Value::Int(at) => Ok(u64::try_from(at).ok().map(Millis)),
        other => Err(unexpected("counts", &format!("no time but {other:?}"))),
    }
}

fn read_tally(pair: &str, numbers: &[u8]) -> Result<Tally> {
    let (queue, task) = pair.split_once('\0').unwrap_or_default();
    let numbers: [u64; NUMBERS] =
        read_numbers(numbers, &format!("the history of queue `{queue}`"))?;
    Ok(Tally::of(queue.into(), task.into(), numbers))
}

fn packed<const N: usize>(numbers: &[u64; N]) -> Vec<u8> {
    rmp_serde::to_vec(&numbers[..]).expect("a vector takes all writes")
}

/// Numbers that a script added up. An earlier Lovage kept fewer.
fn read_numbers<const N: usize>(bytes: &[u8], of: &str) -> Result<[u64; N]> {
    let kept: Vec<u64> = rmp_serde::from_slice(bytes).map_err(|e| corrupt(of.to_owned(), e))?;
    let mut numbers = [0; N];
    numbers
        .iter_mut()
        .zip(kept)
        .for_each(|(it, kept)| *it = kept);
    Ok(numbers)
}
