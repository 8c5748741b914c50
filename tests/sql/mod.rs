//! Statements of tasks in databases of the operator's.

mod bounds;
mod config;
mod postgres;
mod sqlite;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lovage::sql::settings::Password;
use lovage::sql::value::Bounds;
use lovage::sql::{
    Databases, Desk, Settings, SqlAnswer, SqlFailure, SqlRequest, SqlRows, SqlValue, Statement,
};
use lovage_queue::grant::Grants;
use tokio::runtime::Handle;

use crate::support::postgres::{PASSWORD, Postgres};

/// One as nobody has said more of it.
fn settings(url: &str) -> Settings {
    Settings {
        place: url.parse().unwrap(),
        password: Some(Password(PASSWORD.into())),
        trusted: Vec::new(),
        tenants: ["default".to_owned(), "other".to_owned()].into(),
        pool: 4,
        idle: Duration::from_secs(300),
        bounds: Bounds {
            time: Duration::from_secs(30),
            rows: 10_000,
            bytes: 8 << 20,
        },
        read_only: false,
    }
}

/// The same in clear, which most tests have no need to encrypt.
fn clear(server: &Postgres) -> Settings {
    settings(&server.url("127.0.0.1", "disable"))
}

/// Databases of which one is named `main`.
fn databases(main: Settings) -> Arc<Databases> {
    let all = BTreeMap::from([("main".to_owned(), main)]);
    Databases::new(&all, Handle::current())
}

fn granted() -> Arc<Grants> {
    crate::net::grants(&["sql main", "sql elsewhere"])
}

fn statement(text: &str, parameters: &[SqlValue]) -> Statement {
    Statement {
        text: text.into(),
        parameters: parameters.into(),
    }
}

fn rows(answer: SqlAnswer) -> SqlRows {
    match answer {
        SqlAnswer::Rows(rows) => rows,
        other => panic!("{other:?}"),
    }
}

async fn query_with(
    desk: &Desk,
    text: &str,
    parameters: &[SqlValue],
) -> Result<SqlRows, SqlFailure> {
    let request = SqlRequest::Query {
        connection: "main".into(),
        statement: statement(text, parameters),
    };
    desk.answer(request).await.map(rows)
}

async fn query(desk: &Desk, text: &str) -> Result<SqlRows, SqlFailure> {
    query_with(desk, text, &[]).await
}

async fn begin(desk: &Desk) -> Result<u32, SqlFailure> {
    let connection = "main".into();
    match desk.answer(SqlRequest::Begin { connection }).await? {
        SqlAnswer::Begun(number) => Ok(number),
        other => panic!("{other:?}"),
    }
}

async fn within(desk: &Desk, transaction: u32, text: &str) -> Result<SqlRows, SqlFailure> {
    let request = SqlRequest::Within {
        transaction,
        statement: statement(text, &[]),
    };
    desk.answer(request).await.map(rows)
}

async fn end(desk: &Desk, transaction: u32, commit: bool) -> Result<(), SqlFailure> {
    let request = SqlRequest::End {
        transaction,
        commit,
    };
    desk.answer(request).await.map(drop)
}

/// The one value that a statement brings back.
async fn one(desk: &Desk, text: &str) -> SqlValue {
    let mut found = query(desk, text)
        .await
        .unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!((found.rows.len(), found.columns.len()), (1, 1), "{text}");
    found.rows.remove(0).remove(0)
}

fn says(text: &str) -> SqlValue {
    SqlValue::Text(text.into())
}

/// The code of what the database itself said.
#[track_caller]
fn code<T: std::fmt::Debug>(done: Result<T, SqlFailure>) -> String {
    match done {
        Err(SqlFailure::Database { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

/// What is the same in both, seen from a task.
async fn transactions_count_whole_or_not_at_all(databases: &Arc<Databases>) {
    let desk = databases.desk("default", granted());
    query(&desk, "create table kept (n bigint primary key)")
        .await
        .unwrap();
    let committed = begin(&desk).await.unwrap();
    let put = within(&desk, committed, "insert into kept values (1), (2)").await;
    assert_eq!(put.unwrap().affected, 2);
    end(&desk, committed, true).await.unwrap();
    let count = "select count(*) from kept";
    assert_eq!(one(&desk, count).await, SqlValue::Integer(2));

    let undone = begin(&desk).await.unwrap();
    within(&desk, undone, "delete from kept").await.unwrap();
    end(&desk, undone, false).await.unwrap();
    // What was left open when the attempt ended, however it did.
    let left = databases.desk("default", granted());
    let open = begin(&left).await.unwrap();
    within(&left, open, "delete from kept").await.unwrap();
    drop(left);
    let put = "insert into kept values (3)";
    // It waits for the lock that the other one had: so that is rolled back by now.
    query(&desk, put).await.unwrap();
    assert_eq!(one(&desk, count).await, SqlValue::Integer(3));

    let over = |done: Result<SqlRows, SqlFailure>| {
        assert!(matches!(done, Err(SqlFailure::Invalid(_))), "{done:?}");
    };
    over(within(&desk, committed, count).await);
    over(within(&desk, 99, count).await);
    // Another attempt's number is nobody's here.
    let mine = begin(&desk).await.unwrap();
    over(within(&databases.desk("default", granted()), mine, count).await);
    let mut open = vec![mine];
    for statement in ["commit", "rollback", "begin", "; /* so */ commit"] {
        over(within(&desk, mine, statement).await);
        over(query(&desk, statement).await);
    }
    assert!(within(&desk, mine, "savepoint a").await.is_ok());
    assert!(within(&desk, mine, "rollback to a").await.is_ok());
    end(&desk, open.pop().unwrap(), true).await.unwrap();
}
