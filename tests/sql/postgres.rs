//! A Postgres server.

use std::sync::Arc;
use std::time::Duration;

use lovage::sql::{Desk, Settings, SqlFailure, SqlValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::Client;

use super::{
    begin, clear, code, databases, end, granted, one, query, query_with, says, settings, within,
};
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::until;

/// Connections of tasks, as the server has them: by what they do.
async fn sessions(beside: &Client, state: &str) -> i64 {
    let count = "select count(*) from pg_stat_activity
        where application_name = 'lovage' and state = $1";
    beside.query_one(count, &[&state]).await.unwrap().get(0)
}

async fn none_is_active(beside: &Client) {
    until("no statement runs", || async {
        (sessions(beside, "active").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn values_go_both_ways() {
    let server = Postgres::start().await;
    let desk = databases(clear(&server)).desk("default", granted());
    let values = [
        SqlValue::Null,
        SqlValue::Boolean(true),
        SqlValue::Integer(i64::MIN),
        SqlValue::Real(0.1),
        says("ä\u{1f600}"),
        SqlValue::Blob(vec![0, 255]),
    ];
    let text = "select $1::int4, $2::bool, $3::int8, $4::float8, $5::text, $6::bytea";
    let found = query_with(&desk, text, &values).await.unwrap();
    assert_eq!(found.rows, [values]);
    assert_eq!(found.affected, 1);
    for (value, expected) in [
        ("7::int2", SqlValue::Integer(7)),
        ("0.5::float4", SqlValue::Real(0.5)),
        (
            "'-123456789012345678901234.5600'::numeric",
            says("-123456789012345678901234.5600"),
        ),
        ("'0.00001'::numeric(10, 5)", says("0.00001")),
        ("'NaN'::numeric", says("NaN")),
        ("'{\"a\": 1}'::jsonb", says("{\"a\": 1}")),
        ("'[1]'::json", says("[1]")),
        (
            "'0190163d-8694-739b-aea5-966c26f8ad91'::uuid",
            says("0190163d-8694-739b-aea5-966c26f8ad91"),
        ),
        ("'2024-02-29'::date", says("2024-02-29")),
        ("'23:59:59.5'::time", says("23:59:59.5")),
        (
            "'1999-01-31 12:00:00.000001'::timestamp",
            says("1999-01-31 12:00:00.000001"),
        ),
        (
            "'2024-07-01 12:00:00+02'::timestamptz",
            says("2024-07-01 10:00:00+00"),
        ),
        ("'infinity'::timestamptz", says("infinity")),
        ("'ab'::char(3)", says("ab ")),
        ("pg_sleep(0)", SqlValue::Null),
    ] {
        assert_eq!(
            one(&desk, &format!("select {value}")).await,
            expected,
            "{value}"
        );
    }
    // A text fits whatever type is wanted.
    let texts = ["12.50", "2024-02-29", "{1,2}", "[1]"].map(says);
    let text = "select $1::numeric, $2::date, ($3::int[])[2], $4::jsonb";
    let found = query_with(&desk, text, &texts).await.unwrap();
    let expected = [
        says("12.50"),
        says("2024-02-29"),
        SqlValue::Integer(2),
        says("[1]"),
    ];
    assert_eq!(found.rows, [expected]);
    // Types of somebody's own, twice, since the first time they are looked up.
    query(&desk, "create type mood as enum ('fine')")
        .await
        .unwrap();
    query(&desk, "create domain age as int").await.unwrap();
    for _ in 0..2 {
        let found = query_with(&desk, "select $1::mood, 3::age", &[says("fine")]).await;
        assert_eq!(found.unwrap().rows, [[says("fine"), SqlValue::Integer(3)]]);
    }
    for (text, parameters) in [
        ("select '1 day'::interval", vec![]),
        ("select $1::text", vec![SqlValue::Blob(vec![1])]),
        ("select $1::text", vec![]),
        ("copy pg_class to stdout", vec![]),
    ] {
        let done = query_with(&desk, text, &parameters).await;
        assert!(
            matches!(done, Err(SqlFailure::Invalid(_))),
            "{text}: {done:?}"
        );
    }
    // What the database itself refuses: two statements, and a constraint.
    assert_eq!(code(query(&desk, "select 1; select 2").await), "42601");
    query(&desk, "create table t (n int primary key)")
        .await
        .unwrap();
    assert_eq!(
        query(&desk, "insert into t values (1), (2)")
            .await
            .unwrap()
            .affected,
        2
    );
    assert_eq!(
        code(query(&desk, "insert into t values (1)").await),
        "23505"
    );
}

#[tokio::test]
async fn transactions() {
    let server = Postgres::start().await;
    let databases = databases(clear(&server));
    super::transactions_count_whole_or_not_at_all(&databases).await;
    // One that has failed does not count, whatever is asked for.
    let desk = databases.desk("default", granted());
    let failed = begin(&desk).await.unwrap();
    within(&desk, failed, "delete from kept").await.unwrap();
    assert_eq!(code(within(&desk, failed, "select 1 / 0").await), "22012");
    assert_eq!(code(end(&desk, failed, true).await), "25P02");
    assert_ne!(
        one(&desk, "select count(*) from kept").await,
        SqlValue::Integer(0)
    );
    // Who may only read does, whatever it says.
    let mut settings = clear(&server);
    settings.read_only = true;
    let reader = super::databases(settings).desk("default", granted());
    let open = begin(&reader).await.unwrap();
    let set = within(&reader, open, "set transaction read write").await;
    assert_eq!(code(set), "25001");
    end(&reader, open, false).await.unwrap();
    query(&reader, "set default_transaction_read_only = off")
        .await
        .unwrap();
    for text in ["delete from kept", "do $$ begin delete from kept; end $$"] {
        assert_eq!(code(query(&reader, text).await), "25006", "{text}");
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_at_the_server() {
    let server = Postgres::start().await;
    let beside = server.client().await;
    let mut short = clear(&server);
    // Long enough for what is no sleep.
    short.bounds.time = Duration::from_secs(3);
    let desk = databases(short).desk("default", granted());
    let late = |done: &Result<_, SqlFailure>| {
        assert!(
            matches!(done, Err(SqlFailure::Limit(it)) if it.contains("at most 3s")),
            "{done:?}"
        );
    };
    late(&query(&desk, "select pg_sleep(3600)").await.map(drop));
    none_is_active(&beside).await;
    // Also where a task has told the server not to.
    let open = begin(&desk).await.unwrap();
    within(&desk, open, "set statement_timeout = 0")
        .await
        .unwrap();
    late(&within(&desk, open, "select pg_sleep(3600)").await.map(drop));
    none_is_active(&beside).await;
    // And where nobody waits any more.
    let patient = databases(clear(&server)).desk("default", granted());
    {
        let mut asked = Box::pin(query(&patient, "select pg_sleep(3600)"));
        tokio::select! {
            done = &mut asked => panic!("{done:?}"),
            () = until("it runs", || async {
                (sessions(&beside, "active").await == 1).then_some(())
            }) => {}
        }
    }
    none_is_active(&beside).await;
    assert_eq!(one(&patient, "select 1").await, SqlValue::Integer(1));
}

#[tokio::test]
async fn there_are_no_more_connections_than_there_may_be_and_idle_ones_go() {
    let server = Postgres::start().await;
    let beside = server.client().await;
    let mut settings = clear(&server);
    (settings.pool, settings.idle) = (2, Duration::from_millis(1));
    let databases = databases(settings);
    // What runs and what waits: all of it comes to its turn, and the server sees two at most.
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let databases = databases.clone();
        let count = "select count(*) from pg_stat_activity, pg_sleep(0.05)
            where application_name = 'lovage'";
        asked.spawn(async move { one(&databases.desk("default", granted()), count).await });
    }
    let mut most = 0;
    while let Some(seen) = asked.join_next().await {
        let SqlValue::Integer(seen) = seen.unwrap() else {
            panic!("a count is a number");
        };
        most = most.max(seen);
    }
    assert!((1..=2).contains(&most), "{most}");
    until("idle connections are closed", || async {
        (sessions(&beside, "idle").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_session_is_left_to_its_next_user() {
    let server = Postgres::start().await;
    let mut settings = clear(&server);
    settings.pool = 1;
    let databases = databases(settings);
    let (one_tenant, other) = (
        databases.desk("default", granted()),
        databases.desk("other", granted()),
    );
    let session = "select pg_backend_pid()";
    query(&one_tenant, "create role guest").await.unwrap();
    let before = one(&one_tenant, session).await;
    for text in [
        "create temp table mine (a int)",
        "set role guest",
        "reset role",
        "set search_path = pg_temp",
        "set my.word = 'hunter2'",
        "set statement_timeout = 0",
        "select pg_advisory_lock(7)",
        "listen gossip",
    ] {
        query(&one_tenant, text).await.unwrap();
    }
    let open = begin(&one_tenant).await.unwrap();
    within(&one_tenant, open, "set role guest").await.unwrap();
    end(&one_tenant, open, true).await.unwrap();
    assert_eq!(one(&other, session).await, before, "it is the same session");
    assert_eq!(code(query(&other, "select * from mine").await), "42P01");
    for (text, expected) in [
        ("select current_user::text", says("app")),
        ("show search_path", says("\"$user\", public")),
        ("show statement_timeout", says("30s")),
        (
            "select count(*) from pg_locks where locktype = 'advisory'",
            SqlValue::Integer(0),
        ),
        (
            "select count(*) from pg_listening_channels()",
            SqlValue::Integer(0),
        ),
    ] {
        assert_eq!(one(&other, text).await, expected, "{text}");
    }
    let word = one(&other, "select current_setting('my.word', true)").await;
    assert_ne!(word, says("hunter2"));
    // A statement that was prepared past us ends the session.
    let prepare = "do $$ begin execute 'prepare left_behind as select 1'; end $$";
    query(&one_tenant, prepare).await.unwrap();
    assert_ne!(one(&other, session).await, before);
    // And one that lost what the driver had prepared is soon as good as another.
    let forget = "do $$ begin execute 'deallocate all'; end $$";
    query(&one_tenant, forget).await.unwrap();
    query(&other, "create type mood as enum ('fine')")
        .await
        .unwrap();
    until("its types are known again", || async {
        query(&other, "select 'fine'::mood").await.ok()
    })
    .await;
}

/// One who trusts this authority.
fn trusting(server: &Postgres, host: &str, sslmode: &str) -> Settings {
    let mut settings = settings(&server.url(host, sslmode));
    settings.trusted = vec![CertificateDer::from_pem_file(server.ca()).unwrap()];
    settings
}

#[tokio::test]
async fn the_server_proves_who_it_is() {
    let server = Postgres::start().await;
    let encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let desk = |settings: Settings| databases(settings).desk("default", granted());
    let known = desk(trusting(&server, "localhost", "verify-full"));
    assert_eq!(one(&known, encrypted).await, SqlValue::Boolean(true));
    // By another name than its certificate has, or of an authority that nobody trusts.
    for settings in [
        trusting(&server, "127.0.0.1", "verify-full"),
        settings(&server.url("localhost", "verify-full")),
    ] {
        let refused = query(&desk(settings), "select 1").await;
        assert!(
            matches!(refused, Err(SqlFailure::Unavailable(_))),
            "{refused:?}"
        );
    }
    // Whoever asks for no proof gets none.
    let unproven = desk(settings(&server.url("127.0.0.1", "require")));
    assert_eq!(one(&unproven, encrypted).await, SqlValue::Boolean(true));
    let in_clear = desk(clear(&server));
    assert_eq!(one(&in_clear, encrypted).await, SqlValue::Boolean(false));
    // A statement is cancelled the same way.
    let mut short = trusting(&server, "localhost", "verify-full");
    short.bounds.rows = 1;
    let short = desk(short);
    let many = query(&short, "select generate_series(1, 100000000)").await;
    assert!(matches!(many, Err(SqlFailure::Limit(_))), "{many:?}");
    none_is_active(&server.client().await).await;
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let mut server = Postgres::start().await;
    let databases = databases(clear(&server));
    let desk: Arc<Desk> = Arc::new(databases.desk("default", granted()));
    assert_eq!(one(&desk, "select 1").await, SqlValue::Integer(1));
    let beside = server.client().await;
    let asking = desk.clone();
    let asked = tokio::spawn(async move { query(&asking, "select pg_sleep(3600)").await });
    until("it runs", || async {
        (sessions(&beside, "active").await == 1).then_some(())
    })
    .await;
    let open = begin(&desk).await.unwrap();
    server.stop();
    let unavailable = |done: Result<_, SqlFailure>| {
        let Err(failure) = done else {
            panic!("{done:?}")
        };
        assert!(matches!(failure, SqlFailure::Unavailable(_)), "{failure:?}");
        let text = failure.to_string();
        for secret in [PASSWORD, "127.0.0.1", "app", "postgres://"] {
            assert!(!text.contains(secret), "{text}");
        }
    };
    unavailable(asked.await.unwrap().map(drop));
    unavailable(within(&desk, open, "select 1").await.map(drop));
    unavailable(query(&desk, "select 1").await.map(drop));
    server.go_on().await;
    assert_eq!(one(&desk, "select 1").await, SqlValue::Integer(1));
    // With the wrong password it is no less away, and says no more.
    let mut stranger = clear(&server);
    stranger.password = None;
    unavailable(
        query(
            &super::databases(stranger).desk("default", granted()),
            "select 1",
        )
        .await
        .map(drop),
    );
}
