//! What a statement may bring back, and who may send one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lovage::sql::{Databases, Settings, SqlFailure, SqlRequest, SqlValue};
use tokio::runtime::Handle;

use super::{begin, clear, databases, end, granted, one, query, settings, statement};
use crate::net::grants;
use crate::support::postgres::Postgres;
use crate::support::until;

fn limited<T: std::fmt::Debug>(done: Result<T, SqlFailure>, text: &str) {
    assert!(
        matches!(&done, Err(SqlFailure::Limit(it)) if it.contains(text)),
        "{done:?}"
    );
}

/// Numbers up to one, however the database makes them.
fn numbers(to: usize) -> String {
    format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {to})
        select i from n"
    )
}

async fn results_have_bounds(mut settings: Settings, long: impl Fn(usize) -> String) {
    (settings.bounds.rows, settings.bounds.bytes) = (10, 100_000);
    let databases = databases(settings);
    let desk = databases.desk("default", granted());
    assert_eq!(query(&desk, &numbers(10)).await.unwrap().rows.len(), 10);
    limited(query(&desk, &numbers(11)).await, "10 rows");
    assert_eq!(query(&desk, &long(90_000)).await.unwrap().rows.len(), 1);
    limited(query(&desk, &long(110_000)).await, "100000 bytes");
    // Past what is read of a row at all.
    limited(query(&desk, &long(4_000_000)).await, "100000 bytes");
    // Whatever it was, the next one is carried out.
    assert_eq!(query(&desk, "select 1").await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn results_of_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.db");
    std::fs::write(&path, b"").unwrap();
    let settings = settings(&format!("sqlite:{}", path.display()));
    let long = |bytes: usize| format!("select hex(zeroblob({}))", bytes / 2);
    results_have_bounds(settings, long).await;
}

#[tokio::test]
async fn results_of_postgres() {
    let server = Postgres::start().await;
    let long = |bytes: usize| format!("select repeat('x', {bytes})");
    results_have_bounds(clear(&server), long).await;
}

#[tokio::test]
async fn an_attempt_has_four_transactions_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.db");
    std::fs::write(&path, b"").unwrap();
    let mut settings = settings(&format!("sqlite:{}", path.display()));
    (settings.read_only, settings.pool) = (true, 8);
    let databases = databases(settings);
    let desk = databases.desk("default", granted());
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(begin(&desk).await.unwrap());
    }
    limited(begin(&desk).await, "at most 4");
    // Another attempt has four of its own.
    let other = databases.desk("default", granted());
    begin(&other).await.unwrap();
    end(&desk, open[0], false).await.unwrap();
    begin(&desk).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_lies_idle_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.db");
    std::fs::write(&path, b"").unwrap();
    let mut settings = settings(&format!("sqlite:{}", path.display()));
    settings.bounds.time = Duration::from_secs(2);
    let databases = databases(settings);
    let (idle, busy) = (
        databases.desk("default", granted()),
        databases.desk("default", granted()),
    );
    let open = begin(&idle).await.unwrap();
    // Nobody else can write while it is open.
    until("it is rolled back", || async {
        query(&busy, "create table if not exists t (a)").await.ok()
    })
    .await;
    let over = end(&idle, open, true).await;
    assert!(matches!(over, Err(SqlFailure::Invalid(_))), "{over:?}");
}

#[tokio::test]
async fn who_may_not_have_a_connection_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.db");
    std::fs::write(&path, b"").unwrap();
    let mut one_of = settings(&format!("sqlite:{}", path.display()));
    one_of.tenants = ["default".to_owned()].into();
    let all = BTreeMap::from([("main".to_owned(), one_of)]);
    let databases: Arc<Databases> = Databases::new(&all, Handle::current());
    assert_eq!(
        one(&databases.desk("default", granted()), "select 1").await,
        SqlValue::Integer(1)
    );
    // Another tenant, and a module that was granted another one.
    for stranger in [
        databases.desk("other", granted()),
        databases.desk("default", grants(&["sql elsewhere"])),
    ] {
        let denied = query(&stranger, "select 1").await;
        assert!(matches!(denied, Err(SqlFailure::Denied(_))), "{denied:?}");
        assert!(matches!(begin(&stranger).await, Err(SqlFailure::Denied(_))));
    }
    let stranger = databases.desk("other", granted());
    let unknown = SqlRequest::Query {
        connection: "elsewhere".into(),
        statement: statement("select 1", &[]),
    };
    let unknown = stranger.answer(unknown).await;
    assert!(
        matches!(unknown, Err(SqlFailure::Unknown(_))),
        "{unknown:?}"
    );
}
