//! `lovage:task/sql` in the SDK's types.

use super::bindings::lovage::task::sql;
use crate::sql::{Error, Rows, Value};

pub(crate) fn query(
    connection: &str,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<Rows, Error> {
    let found = sql::query(connection, statement, &values(parameters));
    found.map(rows).map_err(error)
}

#[derive(Debug)]
pub(crate) struct Transaction(sql::Transaction);

impl Transaction {
    pub(crate) fn begin(connection: &str) -> Result<Self, Error> {
        sql::Transaction::begin(connection).map(Self).map_err(error)
    }

    pub(crate) fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Rows, Error> {
        let found = self.0.query(statement, &values(parameters));
        found.map(rows).map_err(error)
    }

    pub(crate) fn commit(self) -> Result<(), Error> {
        self.0.commit().map_err(error)
    }

    pub(crate) fn rollback(self) -> Result<(), Error> {
        self.0.rollback().map_err(error)
    }
}

fn values(values: Vec<Value>) -> Vec<sql::Value> {
    let value = |value| match value {
        Value::Null => sql::Value::Null,
        Value::Boolean(it) => sql::Value::Boolean(it),
        Value::Integer(it) => sql::Value::Integer(it),
        Value::Real(it) => sql::Value::Real(it),
        Value::Text(it) => sql::Value::Text(it),
        Value::Blob(it) => sql::Value::Blob(it),
    };
    values.into_iter().map(value).collect()
}

fn rows(rows: sql::Rows) -> Rows {
    let value = |value| match value {
        sql::Value::Null => Value::Null,
        sql::Value::Boolean(it) => Value::Boolean(it),
        sql::Value::Integer(it) => Value::Integer(it),
        sql::Value::Real(it) => Value::Real(it),
        sql::Value::Text(it) => Value::Text(it),
        sql::Value::Blob(it) => Value::Blob(it),
    };
    let row = |row: Vec<sql::Value>| row.into_iter().map(value).collect();
    let values = rows.rows.into_iter().map(row).collect();
    Rows::of(rows.columns, values, rows.affected)
}

fn error(error: sql::SqlError) -> Error {
    match error {
        sql::SqlError::Denied(text) => Error::Denied(text),
        sql::SqlError::Unknown(text) => Error::Unknown(text),
        sql::SqlError::Invalid(text) => Error::Invalid(text),
        sql::SqlError::Database(it) => Error::Database {
            code: it.code,
            message: it.message,
            retry: it.retry,
        },
        sql::SqlError::Limit(text) => Error::Limit(text),
        sql::SqlError::Unavailable(text) => Error::Unavailable(text),
    }
}
