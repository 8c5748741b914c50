//! Looking at jobs, on connections that the writer never waits for.

use rusqlite::{Row, params};

use super::db::{Db, id_at, state_at};
use super::fault::Done;
use super::sql::sql;
use super::{flow, ledger};
use crate::broker::{Filter, Page, QueueCounts, corrupt};
use crate::job::{Checkpoint, Job, JobId, Progress, State};
use crate::record::{self, Route};

/// How many jobs one page of a listing looks at: a filter that matches next to
/// nothing must not read a whole history in one call.
const SCAN: u32 = 10_000;

/// In how many lanes of a queue the oldest job is looked for, and in how many in all
/// where there are many queues.
const LANES: usize = 100;
const ALL_LANES: usize = 1_000;

/// A note's part; one that cannot be read is no reason to hide the job.
fn unpacked<T: serde::de::DeserializeOwned>(bytes: Option<Vec<u8>>) -> Option<T> {
    bytes.and_then(|bytes| rmp_serde::from_slice(&bytes).ok())
}

/// What a running job says of itself: progress and log.
type Said = (Option<Vec<u8>>, Option<Vec<u8>>);

fn decode(
    tenant: &str,
    id: JobId,
    record: &[u8],
    (progress, log): Said,
) -> Result<Job, record::RecordError> {
    let job = record::decode(tenant, id, record)?;
    Ok(Job {
        progress: unpacked::<Progress>(progress),
        log: log.filter(|_| job.state == State::Running),
        ..job
    })
}

/// Bytes of the pages that hold something. What lies in the log and not yet in the
/// file counts; pages that deleted rows left free do not.
pub(super) fn footprint(db: &Db<'_>) -> Done<u64> {
    let snapshot = db.conn.unchecked_transaction()?;
    let pragma = |name| snapshot.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = pragma("page_count")? - pragma("freelist_count")?;
    let bytes = used * pragma("page_size")?;
    snapshot.finish()?;
    Ok(bytes.cast_unsigned())
}

/// Jobs by id, all of one moment.
pub(super) fn jobs(db: &Db<'_>, tenant: &str, ids: &[JobId]) -> Done<Vec<Option<Job>>> {
    let snapshot = db.conn.unchecked_transaction()?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let row = db.one(sql!("read", "job"), params![tenant, id.0], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, (row.get(1)?, row.get(2)?)))
        })?;
        let job = row.map(|(record, said)| {
            decode(tenant, *id, &record, said).map_err(|error| corrupt(format!("job {id}"), error))
        });
        found.push(job.transpose()?);
    }
    snapshot.finish()?;
    Ok(found)
}

/// Drops those that have ended or are not there: for these nobody need wait. An id may
/// be a flow's.
pub(super) fn keep_waiting(db: &Db<'_>, tenant: &str, ids: &mut Vec<JobId>) -> Done<()> {
    let goes_on = |id: &JobId| {
        let state = db.one(sql!("read", "state"), params![tenant, id.0], |row| {
            state_at(row, 0)
        })?;
        match state {
            Some(state) => Ok(!state.is_final()),
            None => flow::goes_on(db, tenant, *id),
        }
    };
    let mut failure: Option<rusqlite::Error> = None;
    ids.retain(|id| match goes_on(id) {
        Ok(goes_on) => goes_on,
        Err(error) => {
            failure = Some(error);
            true
        }
    });
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// What an earlier attempt saved.
pub(super) fn checkpoint(db: &Db<'_>, tenant: &str, id: JobId) -> Done<Option<Checkpoint>> {
    let saved = db.one(sql!("read", "checkpoint"), params![tenant, id.0], |row| {
        row.get(0)
    })?;
    Ok(unpacked(saved.flatten()))
}

/// One page of a listing.
pub(super) fn list(db: &Db<'_>, tenant: &str, filter: &Filter) -> Done<Page> {
    let order = match filter.state {
        State::Running => sql!("read", "running"),
        state if state.is_final() => sql!("read", "newest"),
        _ => sql!("read", "soonest"),
    };
    let mut statement = db.conn.prepare_cached(order)?;
    // One more than is looked at, to know whether there is a next page.
    let window = params![
        tenant,
        filter.state as u8,
        SCAN + 1,
        filter.offset.cast_signed()
    ];
    let mut rows = statement.query(window)?;
    let mut page = Page::default();
    let mut passed = 0;
    while let Some(row) = rows.next()? {
        let full = page.jobs.len() + page.corrupt.len() >= filter.limit as usize;
        if full || passed == SCAN {
            page.next = Some(filter.offset + u64::from(passed));
            break;
        }
        passed += 1;
        look_at(row, tenant, filter, &mut page)?;
    }
    Ok(page)
}

fn look_at(row: &Row<'_>, tenant: &str, filter: &Filter, page: &mut Page) -> Done<()> {
    let other = |wish: &Option<String>, is: &str| wish.as_ref().is_some_and(|wish| wish != is);
    if other(&filter.queue, row.get_ref(1)?.as_str().unwrap_or("")) {
        return Ok(());
    }
    let record = row.get_ref(2)?.as_blob().unwrap_or(&[]);
    // Queue and module are cheap to read; only what has the right ones is decoded.
    if let Ok((route, _)) = Route::decode(record)
        && other(&filter.module, route.module)
    {
        return Ok(());
    }
    let id = id_at(row, 0)?;
    match decode(tenant, id, record, (row.get(3)?, row.get(4)?)) {
        Ok(job) if !filter.takes(&job) => {}
        Ok(job) => page.jobs.push(job),
        Err(error) => page.corrupt.push((id, error.to_string())),
    }
    Ok(())
}

/// Depths, from the counters; and since when the oldest jobs wait.
pub(super) fn counts(db: &Db<'_>, tenant: &str) -> Done<Vec<QueueCounts>> {
    let rows = db.all(sql!("read", "counts"), [tenant], |row| {
        let (queue, jobs): (String, i64) = (row.get(0)?, row.get(2)?);
        Ok((queue, state_at(row, 1)?, jobs.cast_unsigned()))
    })?;
    let mut queues: Vec<QueueCounts> = Vec::new();
    for (queue, state, jobs) in rows {
        if queues.last().is_none_or(|last| last.queue != queue) {
            queues.push(QueueCounts {
                queue,
                ..QueueCounts::default()
            });
        }
        *queues.last_mut().expect("one was pushed").of(state) += jobs;
    }
    let lanes = (ALL_LANES / queues.len().max(1)).clamp(1, LANES);
    for it in queues.iter_mut().filter(|it| it.available > 0) {
        it.oldest = ledger::oldest(db, tenant, &it.queue, lanes)?;
    }
    Ok(queues)
}
