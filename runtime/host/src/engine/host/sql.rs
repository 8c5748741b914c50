//! `lovage:task/sql`: statements in databases by name. They are judged here, and judged again
//! and carried out by the [`Host`](super::Host), which alone knows where a database is.

use lovage_queue::grant::Grant;
use wasmtime::component::Resource;

use super::{Access, CallError, Reply, Request, State, mismatch};
use crate::engine::bindings::lovage::task::sql;
use crate::engine::outcome::cut;
use crate::sql::{SqlAnswer, SqlFailure, SqlRequest, SqlRows, SqlValue, Statement};

/// A transaction, as the guest holds it.
#[allow(unreachable_pub, reason = "the generated bindings name it once more")]
pub struct Transaction {
    number: u32,
    /// Whether it was ended by a call.
    over: bool,
}

impl sql::Host for State {
    async fn query(
        &mut self,
        connection: String,
        statement: String,
        parameters: Vec<sql::Value>,
    ) -> Result<sql::Rows, sql::SqlError> {
        self.may_reach(&connection)?;
        let statement = read(statement, parameters);
        let request = SqlRequest::Query {
            connection,
            statement,
        };
        rows(self.ask_sql(request).await?)
    }
}

impl sql::HostTransaction for State {
    async fn begin(&mut self, connection: String) -> Result<Resource<Transaction>, sql::SqlError> {
        self.may_reach(&connection)?;
        let number = match self.ask_sql(SqlRequest::Begin { connection }).await? {
            SqlAnswer::Begun(number) => number,
            _ => return Err(strange()),
        };
        let transaction = Transaction {
            number,
            over: false,
        };
        let most = self.limits.log;
        // Of more resources than there may be, the host rolls it back at the attempt's end.
        let held = self.machine.made(most).1.push(transaction);
        held.map_err(|e| sql::SqlError::Limit(e.to_string()))
    }

    async fn query(
        &mut self,
        it: Resource<Transaction>,
        statement: String,
        parameters: Vec<sql::Value>,
    ) -> Result<sql::Rows, sql::SqlError> {
        let transaction = self.number(&it)?;
        let statement = read(statement, parameters);
        let request = SqlRequest::Within {
            transaction,
            statement,
        };
        rows(self.ask_sql(request).await?)
    }

    async fn commit(&mut self, it: Resource<Transaction>) -> Result<(), sql::SqlError> {
        self.end(&it, true).await
    }

    async fn rollback(&mut self, it: Resource<Transaction>) -> Result<(), sql::SqlError> {
        self.end(&it, false).await
    }

    async fn drop(&mut self, it: Resource<Transaction>) -> wasmtime::Result<()> {
        let most = self.limits.log;
        let it = self.machine.made(most).1.delete(it)?;
        if !it.over {
            let request = SqlRequest::End {
                transaction: it.number,
                commit: false,
            };
            // Where that fails, it is rolled back at the attempt's end.
            let _ = self.ask_sql(request).await;
        }
        Ok(())
    }
}

impl State {
    fn may_reach(&self, connection: &str) -> Result<(), sql::SqlError> {
        match self.grants.0.contains(&Grant::Sql(connection.to_owned())) {
            true => Ok(()),
            false => {
                let name = cut(connection, 200);
                let text = format!("the module was not granted `sql {name}`");
                Err(sql::SqlError::Denied(text))
            }
        }
    }

    fn number(&mut self, it: &Resource<Transaction>) -> Result<u32, sql::SqlError> {
        let most = self.limits.log;
        match self.machine.made(most).1.get(it) {
            Ok(it) if !it.over => Ok(it.number),
            _ => Err(sql::SqlError::Invalid("this transaction is over".into())),
        }
    }

    async fn end(&mut self, it: &Resource<Transaction>, commit: bool) -> Result<(), sql::SqlError> {
        let transaction = self.number(it)?;
        let most = self.limits.log;
        if let Ok(it) = self.machine.made(most).1.get_mut(it) {
            it.over = true;
        }
        let request = SqlRequest::End {
            transaction,
            commit,
        };
        match self.ask_sql(request).await? {
            SqlAnswer::Done => Ok(()),
            _ => Err(strange()),
        }
    }

    async fn ask_sql(&mut self, request: SqlRequest) -> Result<SqlAnswer, sql::SqlError> {
        request.check()?;
        match self.ask(Request::Access(Access::Sql(request))).await {
            Ok(Reply::Sql(answered)) => Ok(answered?),
            Ok(_) => Err(strange()),
            Err(CallError::Denied(text)) => Err(sql::SqlError::Denied(text)),
            Err(CallError::Invalid(text)) => Err(sql::SqlError::Invalid(text)),
            Err(CallError::Limit(text)) => Err(sql::SqlError::Limit(text)),
            Err(CallError::Unavailable(text)) => Err(sql::SqlError::Unavailable(text)),
        }
    }
}

/// An answer to another question.
fn strange() -> sql::SqlError {
    sql::SqlError::Unavailable(mismatch().to_string())
}

fn read(text: String, parameters: Vec<sql::Value>) -> Statement {
    let value = |it: sql::Value| match it {
        sql::Value::Null => SqlValue::Null,
        sql::Value::Boolean(it) => SqlValue::Boolean(it),
        sql::Value::Integer(it) => SqlValue::Integer(it),
        sql::Value::Real(it) => SqlValue::Real(it),
        sql::Value::Text(it) => SqlValue::Text(it),
        sql::Value::Blob(it) => SqlValue::Blob(it),
    };
    let parameters = parameters.into_iter().map(value).collect();
    Statement { text, parameters }
}

fn rows(answer: SqlAnswer) -> Result<sql::Rows, sql::SqlError> {
    let SqlAnswer::Rows(SqlRows {
        columns,
        rows,
        affected,
    }) = answer
    else {
        return Err(strange());
    };
    let value = |it: SqlValue| match it {
        SqlValue::Null => sql::Value::Null,
        SqlValue::Boolean(it) => sql::Value::Boolean(it),
        SqlValue::Integer(it) => sql::Value::Integer(it),
        SqlValue::Real(it) => sql::Value::Real(it),
        SqlValue::Text(it) => sql::Value::Text(it),
        SqlValue::Blob(it) => sql::Value::Blob(it),
    };
    let row = |it: Vec<SqlValue>| it.into_iter().map(value).collect();
    Ok(sql::Rows {
        columns,
        rows: rows.into_iter().map(row).collect(),
        affected,
    })
}

impl From<SqlFailure> for sql::SqlError {
    fn from(failure: SqlFailure) -> Self {
        match failure {
            SqlFailure::Denied(text) => sql::SqlError::Denied(text),
            SqlFailure::Unknown(text) => sql::SqlError::Unknown(text),
            SqlFailure::Invalid(text) => sql::SqlError::Invalid(text),
            SqlFailure::Database {
                code,
                message,
                retry,
            } => sql::SqlError::Database(sql::DatabaseError {
                code,
                message,
                retry,
            }),
            SqlFailure::Limit(text) => sql::SqlError::Limit(text),
            SqlFailure::Unavailable(text) => sql::SqlError::Unavailable(text),
        }
    }
}
