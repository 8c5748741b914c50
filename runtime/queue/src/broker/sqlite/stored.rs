//! A row of `job`: a record, and what the row says beside it.

use rusqlite::params;

use super::db::{Db, id_at, state_at};
use super::sql::sql;
use crate::job::{JobId, State, Terms};
use crate::record::{self, BLOBS, Header, Route};
use crate::task::TaskName;

/// A row of `job`.
pub(super) struct Stored {
    pub(super) n: i64,
    pub(super) tenant: String,
    pub(super) id: JobId,
    pub(super) queue: String,
    /// What the row says, which the record may no longer.
    pub(super) state: State,
    pub(super) record: Vec<u8>,
    /// The record's header, if it can be read.
    pub(super) header: Option<Header>,
}

impl Stored {
    /// The job of this id.
    pub(super) fn by_id(db: &Db<'_>, tenant: &str, id: JobId) -> rusqlite::Result<Option<Self>> {
        db.one(sql!("moves", "job"), params![tenant, id.0], |row| {
            let (n, queue) = (row.get(0)?, row.get(1)?);
            let (state, record) = (state_at(row, 2)?, row.get(3)?);
            Ok(Stored::new(n, tenant.into(), id, queue, state, record))
        })
    }

    /// The job of this row.
    pub(super) fn by_number(db: &Db<'_>, n: i64) -> rusqlite::Result<Option<Self>> {
        db.one(sql!("moves", "job_by_number"), [n], |row| {
            let (tenant, id, queue) = (row.get(0)?, id_at(row, 1)?, row.get(2)?);
            let (state, record) = (state_at(row, 3)?, row.get(4)?);
            Ok(Stored::new(n, tenant, id, queue, state, record))
        })
    }

    fn new(
        n: i64,
        tenant: String,
        id: JobId,
        queue: String,
        state: State,
        record: Vec<u8>,
    ) -> Self {
        let header = Header::decode(&record).ok();
        Stored {
            n,
            tenant,
            id,
            queue,
            state,
            record,
            header,
        }
    }

    /// Whether a later Lovage wrote the record, and will read it.
    pub(super) fn is_newer(&self) -> bool {
        record::is_newer(&self.record)
    }

    /// What the job says of expiry, keys and the like; nothing where it cannot be
    /// read.
    pub(super) fn terms(&self) -> Terms {
        terms_of(&self.record)
    }

    /// How many bytes of its record were there when it was enqueued; all of one that
    /// cannot be read.
    pub(super) fn call_size(&self) -> i64 {
        call_size(self.header.as_ref(), self.record.len() as i64)
    }

    /// Whether it may refer to blobs: of what cannot be read, nobody knows.
    pub(super) fn may_refer(&self) -> bool {
        self.header.as_ref().is_none_or(|it| it.flags & BLOBS != 0)
    }

    /// The lane that the caller named.
    pub(super) fn lane(&self) -> &str {
        Route::decode(&self.record).map_or("", |(route, _)| route.lane)
    }
}

/// How many bytes a record of this size has without its attempts.
pub(super) fn call_size(header: Option<&Header>, size: i64) -> i64 {
    header.map_or(size, |it| record::HEADER as i64 + i64::from(it.call))
}

/// A record's terms. Most records have none, and say so in their first byte.
pub(super) fn terms_of(record: &[u8]) -> Terms {
    match record.first() {
        None | Some(1) => Terms::default(),
        Some(_) => Route::decode(record)
            .and_then(|(route, _)| route.terms())
            .unwrap_or_default(),
    }
}

/// What a record says of the way to its module and task.
pub(super) fn task_of(record: &[u8]) -> Option<(Route<'_>, TaskName)> {
    let header = Header::decode(record).ok()?;
    let (route, body) = Route::decode(record).ok()?;
    let body = record.get(body..record::HEADER + header.call as usize)?;
    // The first of the body's fields: the others may be large.
    let mut fields = body.get(1..)?;
    let task: String = rmp_serde::from_read(&mut fields).ok()?;
    let module = route.module.to_owned();
    Some((route, TaskName { module, task }))
}
