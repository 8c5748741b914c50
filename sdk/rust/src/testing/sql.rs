//! A database as a test says it is.

use super::CONTEXT;
use crate::sql::{Error, Rows, Value};
use std::fmt;
use std::sync::Arc;

type Answer = dyn Fn(&str, &str, &[Value]) -> Result<Rows, Error>;

/// What answers statements.
#[derive(Clone)]
pub(super) struct Database(pub(super) Arc<Answer>);

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Database")
    }
}

pub(crate) fn query(
    connection: &str,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<Rows, Error> {
    note(connection, statement);
    // Not while it is borrowed: an answer may ask for something, too.
    let database = CONTEXT.with_borrow(|context| context.sql.clone());
    match database {
        Some(database) => database.0(connection, statement, &parameters),
        None => Err(Error::Unknown(format!(
            "this test has no `Context::sql`, which would be `{connection}`"
        ))),
    }
}

fn note(connection: &str, what: &str) {
    CONTEXT.with_borrow_mut(|context| context.record.sql.push(format!("{connection}: {what}")));
}

#[derive(Debug)]
pub(crate) struct Transaction {
    connection: String,
    over: bool,
}

impl Transaction {
    pub(crate) fn begin(connection: &str) -> Result<Self, Error> {
        note(connection, "begin");
        Ok(Self {
            connection: connection.into(),
            over: false,
        })
    }

    pub(crate) fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Rows, Error> {
        query(&self.connection, statement, parameters)
    }

    pub(crate) fn commit(mut self) -> Result<(), Error> {
        self.over = true;
        note(&self.connection, "commit");
        Ok(())
    }

    pub(crate) fn rollback(self) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.over {
            note(&self.connection, "rollback");
        }
    }
}
