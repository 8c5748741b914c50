//! Looking at flows, on connections that the writer never waits for.

use std::time::Duration;

use rusqlite::{Row, params};

use crate::broker::sqlite::db::{Db, id_at, millis_at, state_at};
use crate::broker::sqlite::fault::Done;
use crate::broker::sqlite::sql::sql;
use crate::broker::{FlowState, FlowStatus, MAX_BATCH, MAX_FLOWS_LISTED};
use crate::job::{JobId, State};
use crate::record::Header;

fn read(row: &Row<'_>) -> rusqlite::Result<Option<FlowStatus>> {
    let letter: String = row.get(2)?;
    let Some(state) = FlowState::from_letter(&letter) else {
        return Ok(None);
    };
    let keep: Option<i64> = row.get(9)?;
    Ok(Some(FlowStatus {
        id: id_at(row, 0)?,
        name: row.get(1)?,
        state,
        nodes: row.get(3)?,
        pending: row.get(4)?,
        completed: row.get(5)?,
        failed: row.get(6)?,
        begun: millis_at(row, 7)?,
        ended: millis_at(row, 8)?,
        keep: keep.map(|span| Duration::from_millis(span.cast_unsigned())),
    }))
}

/// A flow.
pub(in super::super) fn status(db: &Db<'_>, tenant: &str, id: JobId) -> Done<Option<FlowStatus>> {
    let found = db.one(sql!("flows", "flow"), params![tenant, id.0], read)?;
    Ok(found.flatten())
}

/// Flows, the newest first.
pub(in super::super) fn newest(
    db: &Db<'_>,
    tenant: &str,
    offset: u64,
    limit: u32,
) -> Done<Vec<FlowStatus>> {
    let page = params![
        tenant,
        limit.min(MAX_FLOWS_LISTED),
        i64::try_from(offset).unwrap_or(i64::MAX)
    ];
    let rows = db.all(sql!("flows", "newest"), page, read)?;
    Ok(rows.into_iter().flatten().collect())
}

/// What its client wants to know of a flow.
pub(in super::super) fn about(db: &Db<'_>, tenant: &str, id: JobId) -> Done<Option<Vec<u8>>> {
    let key = params![tenant, id.0];
    Ok(db.one(sql!("flows", "about"), key, |row| row.get(0))?)
}

/// The nodes of a flow, in the order of their places, and where each stands.
pub(in super::super) fn nodes(
    db: &Db<'_>,
    tenant: &str,
    id: JobId,
    first: u32,
    count: u32,
) -> Done<Vec<(JobId, Option<State>)>> {
    let page = params![tenant, id.0, first, count.min(MAX_BATCH as u32)];
    Ok(db.all(sql!("flows", "page"), page, |row| {
        let (id, state, head): (_, _, Vec<u8>) = (id_at(row, 0)?, state_at(row, 1)?, row.get(2)?);
        Ok((id, Header::decode(&head).is_ok().then_some(state)))
    })?)
}

/// Whether there is such a flow, and it has not ended.
pub(in super::super) fn goes_on(db: &Db<'_>, tenant: &str, id: JobId) -> rusqlite::Result<bool> {
    db.is(sql!("flows", "goes_on"), params![tenant, id.0])
}
