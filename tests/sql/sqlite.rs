//! Files of SQLite's.

use std::time::Duration;

use lovage::sql::{SqlFailure, SqlValue};
use tempfile::TempDir;

use super::{begin, code, databases, granted, one, query, query_with, says, settings, within};

/// A file of a test's own, and what is said of it.
fn file() -> (TempDir, lovage::sql::Settings) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.db");
    std::fs::write(&path, b"").unwrap();
    let settings = settings(&format!("sqlite:{}", path.display()));
    (dir, settings)
}

#[tokio::test]
async fn values_go_both_ways() {
    let (_dir, settings) = file();
    let desk = databases(settings).desk("default", granted());
    let values = [
        SqlValue::Null,
        SqlValue::Integer(i64::MIN),
        SqlValue::Real(0.1),
        says("ä\u{1f600}"),
        SqlValue::Blob(vec![0, 255]),
    ];
    let found = query_with(&desk, "select ?1, ?2, ?3, ?4, ?5", &values).await;
    let found = found.unwrap();
    assert_eq!(found.rows, [values]);
    assert_eq!((found.columns.len(), found.affected), (5, 1));
    // It has no truth values of its own.
    let truth = query_with(&desk, "select $1 as a", &[SqlValue::Boolean(true)]).await;
    let truth = truth.unwrap();
    assert_eq!(
        (&*truth.columns[0], &truth.rows[0][0]),
        ("a", &SqlValue::Integer(1))
    );
    // `$2` is the second one wherever it stands, and however often.
    let two = [SqlValue::Integer(1), SqlValue::Integer(2)];
    let turned = query_with(&desk, "select $2, $1, $2", &two).await.unwrap();
    assert_eq!(
        turned.rows,
        [[two[1].clone(), two[0].clone(), two[1].clone()]]
    );
    let quoted = "select $2, $1, '?''?', \"?\" from (select 3 as [?]) -- ?\n/* ? */";
    let quoted = query_with(&desk, quoted, &two).await.unwrap();
    assert_eq!(quoted.rows[0][0], two[1]);
    for text in [
        "select $1, $3",
        "select :one, @two",
        "select $one, $two",
        // `?1` would be the first that stands there, which is the second.
        "select $2, $1, ?1",
        "select $2, '', ?",
    ] {
        let done = query_with(&desk, text, &two).await;
        assert!(
            matches!(&done, Err(SqlFailure::Invalid(text)) if text.contains("placeholder")),
            "{text}: {done:?}"
        );
    }
    let made = query(&desk, "create table t (n integer primary key)")
        .await
        .unwrap();
    assert_eq!((made.affected, made.columns.len()), (0, 0));
    assert_eq!(
        query(&desk, "insert into t values (1), (2)")
            .await
            .unwrap()
            .affected,
        2
    );
    // A constraint, by its extended code; and what is no SQL at all.
    assert_eq!(code(query(&desk, "insert into t values (1)").await), "1555");
    assert_eq!(code(query(&desk, "selec 1").await), "1");
}

#[tokio::test]
async fn transactions() {
    let (_dir, settings) = file();
    super::transactions_count_whole_or_not_at_all(&databases(settings)).await;
}

#[tokio::test]
async fn what_is_not_for_a_task_is_refused() {
    let (dir, settings) = file();
    let desk = databases(settings).desk("default", granted());
    let other = dir.path().join("other.db");
    let other = other.display();
    for text in [
        format!("attach '{other}' as other"),
        format!("vacuum into '{other}'"),
        "select load_extension('x')".into(),
        "pragma journal_mode = wal".into(),
        "pragma writable_schema = 1".into(),
        "pragma temp_store_directory = '/tmp'".into(),
        "pragma hard_heap_limit = 1".into(),
        "select 1; select 2".into(),
        "select ?1".into(),
    ] {
        let done = query(&desk, &text).await;
        assert!(
            matches!(done, Err(SqlFailure::Invalid(_))),
            "{text}: {done:?}"
        );
    }
    assert!(!dir.path().join("other.db").exists());
    // What tells of the schema is let be.
    query(&desk, "create table t (a)").await.unwrap();
    let told = query(&desk, "select name from pragma_table_info('t')").await;
    assert_eq!(told.unwrap().rows, [[says("a")]]);
    // Nothing of a session is there for the next statement.
    query(&desk, "create temp table mine (a)").await.unwrap();
    assert_eq!(code(query(&desk, "select * from mine").await), "1");
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let (_dir, mut settings) = file();
    let writer = databases(settings.clone()).desk("default", granted());
    query(&writer, "create table t (a)").await.unwrap();
    settings.read_only = true;
    let reader = databases(settings).desk("default", granted());
    assert_eq!(
        one(&reader, "select count(*) from t").await,
        SqlValue::Integer(0)
    );
    assert_eq!(code(query(&reader, "insert into t values (1)").await), "8");
    let transaction = begin(&reader).await.unwrap();
    assert_eq!(
        code(within(&reader, transaction, "drop table t").await),
        "8"
    );
}

#[tokio::test]
async fn a_statement_ends_in_time_and_when_nobody_waits() {
    let (_dir, mut settings) = file();
    settings.pool = 1;
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n)
        select count(*) from n";
    let patient = databases(settings.clone());
    let left = patient.desk("default", granted());
    {
        let mut asked = Box::pin(query(&left, endless));
        // Until it has begun, and no longer.
        let begun = tokio::time::timeout(Duration::from_millis(50), &mut asked).await;
        assert!(begun.is_err());
    }
    // There is one connection, and it is free again long before that statement's time.
    assert_eq!(one(&left, "select 1").await, SqlValue::Integer(1));

    (settings.bounds.time, settings.pool) = (Duration::from_secs(2), 4);
    let desk = databases(settings).desk("default", granted());
    let late = query(&desk, endless).await;
    assert!(
        matches!(&late, Err(SqlFailure::Limit(it)) if it.contains("2s")),
        "{late:?}"
    );
    assert_eq!(one(&desk, "select 1").await, SqlValue::Integer(1));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_unavailable_and_not_made() {
    let (dir, settings) = file();
    let path = dir.path().join("main.db");
    std::fs::remove_file(&path).unwrap();
    let desk = databases(settings).desk("default", granted());
    let away = query(&desk, "select 1").await.unwrap_err();
    assert!(matches!(away, SqlFailure::Unavailable(_)), "{away:?}");
    assert!(!away.to_string().contains("main.db"), "{away}");
    assert!(!path.exists());
    std::fs::write(&path, b"").unwrap();
    assert_eq!(one(&desk, "select 1").await, SqlValue::Integer(1));
}
