//! A connection, and what lies in its columns.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::clock::Millis;
use crate::job::{JobId, State};

/// A connection whose statements are prepared once.
#[derive(Clone, Copy)]
pub(super) struct Db<'c>(pub(super) &'c Connection);

impl Db<'_> {
    /// Runs a statement; how many rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.0.prepare_cached(sql)?.execute(params)
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.0
            .prepare_cached(sql)?
            .query_row(params, read)
            .optional()
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.0
            .prepare_cached(sql)?
            .query_map(params, read)?
            .collect()
    }

    /// The number of the row that was inserted last.
    pub(super) fn last_insert(&self) -> i64 {
        self.0.last_insert_rowid()
    }

    /// Whether there is such a row.
    pub(super) fn is(&self, sql: &str, params: impl Params) -> rusqlite::Result<bool> {
        Ok(self.one(sql, params, |row| row.get(0))?.unwrap_or(false))
    }
}

/// An id as it lies in a column.
pub(super) fn id_at(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    row.get(column).map(JobId)
}

/// A state as it lies in a column.
pub(super) fn state_at(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: u8 = row.get(column)?;
    State::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(
        column,
        code.into(),
    ))
}

/// A time as it lies in a column.
pub(super) fn time(at: Millis) -> i64 {
    at.0.cast_signed()
}

/// A time that was read from a column.
pub(super) fn millis_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Millis> {
    Ok(Millis(row.get::<_, i64>(column)?.cast_unsigned()))
}
