//! A connection, and what lies in its columns.

use std::cell::RefCell;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use crate::clock::Millis;
use crate::job::{JobId, State};

/// A connection whose statements are prepared once. It keeps those that it has run
/// at hand: to look one up among all costs as much as a simple one takes to run.
pub(super) struct Db<'c> {
    pub(super) conn: &'c Connection,
    at_hand: RefCell<Vec<(&'static str, Option<CachedStatement<'c>>)>>,
}

impl<'c> Db<'c> {
    /// The same connection with nothing at hand yet.
    pub(super) fn new(conn: &'c Connection) -> Self {
        let at_hand = RefCell::default();
        Db { conn, at_hand }
    }

    /// Does something with a statement.
    fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut CachedStatement<'c>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut at_hand = self.at_hand.borrow_mut();
        let place = at_hand.iter().position(|it| it.0 == sql);
        let place = place.unwrap_or_else(|| {
            at_hand.push((sql, None));
            at_hand.len() - 1
        });
        let taken = at_hand[place].1.take();
        drop(at_hand);
        let mut statement = match taken {
            Some(statement) => statement,
            None => self.conn.prepare_cached(sql)?,
        };
        let done = work(&mut statement);
        self.at_hand.borrow_mut()[place].1 = Some(statement);
        done
    }

    /// Runs a statement; how many rows it changed.
    pub(super) fn run(&self, sql: &'static str, params: impl Params) -> rusqlite::Result<usize> {
        self.with(sql, |statement| statement.execute(params))
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.with(sql, |statement| {
            statement.query_row(params, read).optional()
        })
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.with(sql, |statement| {
            statement.query_map(params, read)?.collect()
        })
    }

    /// The number of the row that was inserted last.
    pub(super) fn last_insert(&self) -> i64 {
        self.conn.last_insert_rowid()
    }

    /// Whether there is such a row.
    pub(super) fn is(&self, sql: &'static str, params: impl Params) -> rusqlite::Result<bool> {
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
