//! Statements of tasks, from the push to their rows: as granted, and no further.

use serde_json::{Value, json};

use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::site::{Ran, Site, text};
use crate::support::until;
use crate::support::wasm::Examples;

/// Pushes the example, and grants it what it wants.
async fn push(site: &Site, tenant: &str) {
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let file = built.component("reports");
    let args = [
        "push",
        text(&file),
        "--name",
        "reports",
        "--grant",
        "--tenant",
        tenant,
    ];
    site.lovage(&args).await.ok();
}

async fn call(site: &Site, task: &str, args: &[&str]) -> Ran {
    let task = format!("reports.{task}");
    let all = [&["call", &task, "--wait", "--json"], args].concat();
    site.lovage(&all).await
}

/// What a statement brings back, as the task that carries out any tells it.
async fn ask(site: &Site, statement: &str) -> Value {
    let statement = format!("statement={statement}");
    let ran = call(site, "ask", &[&statement]).await;
    ran.ok().json()["result"]["rows"].take()
}

/// What a task was told that did not get any.
async fn told(site: &Site, args: &[&str]) -> String {
    let ran = call(site, "ask", args).await;
    ran.fails(1, &[]).json().to_string()
}

/// Cancels a task that lingers in a transaction: nothing of it counts.
async fn lingers(site: &Site) {
    let linger = "statement=delete from sales";
    let ran = site
        .lovage(&["call", "reports.linger", linger, "--json"])
        .await;
    let id = ran.ok().json()["id"].as_str().unwrap().to_owned();
    until("it lingers", || async {
        let job = site.lovage(&["job", &id, "--json"]).await.ok().json();
        job.to_string().contains("lingers").then_some(())
    })
    .await;
    site.lovage(&["cancel", &id]).await.ok();
    // It waits for the rows that the other one has taken away, and finds them as they were.
    let touched = until("it is rolled back", || async {
        let ran = call(site, "ask", &["statement=update sales set amount = amount"]).await;
        let done = ran.code == Some(0);
        done.then(|| ran.json()["result"]["affected"].take())
    })
    .await;
    assert_eq!(touched, 2);
}

async fn a_module_uses_what_it_was_granted(site: Site, url: &str, password: bool) {
    let config = format!("[sql.reports]\nurl = '{url}'\n[sql.secrets]\nurl = '{url}'\n");
    site.write("lovage.toml", config);
    let variable = format!("LOVAGE_SQL__REPORTS__PASSWORD={PASSWORD}");
    let variables = [variable.as_str()];
    let worker = site.worker(if password { &variables } else { &[] }).await;
    push(&site, "default").await;
    push(&site, "other").await;

    call(&site, "prepare", &[]).await.ok();
    let sales = json!([{"article": "salt", "amount": 2}, {"article": "tea", "amount": 3}]);
    let sold = call(&site, "sell", &[&format!("sales:={sales}")])
        .await
        .ok()
        .json();
    assert_eq!(sold["result"], 2, "{sold}");
    // All or none: the second one breaks what the table says.
    let wrong = json!([{"article": "tea", "amount": 1}, {"article": "tea", "amount": -1}]);
    call(&site, "sell", &[&format!("sales:={wrong}")])
        .await
        .fails(1, &[]);
    let totals = call(&site, "totals", &[]).await.ok().json();
    assert_eq!(totals["result"], sales, "{totals}");

    // A connection that there is, and that it was not granted; and a tenant that may not.
    let other = ["statement=select 1", "connection=secrets"];
    let denied = told(&site, &other).await;
    assert!(denied.contains("was not granted `sql secrets`"), "{denied}");
    let stranger = ["statement=select 1", "--tenant", "other"];
    let denied = told(&site, &stranger).await;
    assert!(
        denied.contains("the tenant `other` may not have"),
        "{denied}"
    );

    // However an attempt ends, what it left open does not count.
    lingers(&site).await;
    let count = ask(&site, "select count(*) from sales").await;
    assert_eq!(count, json!([[2]]));

    site.lovage(&["grants", "revoke", "reports", "sql reports"])
        .await
        .ok();
    until("the grant is gone", || async {
        let ran = call(&site, "ask", &["statement=select 1"]).await;
        ran.out.contains("was not granted").then_some(())
    })
    .await;
    let log = worker.log();
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres() {
    let server = Postgres::start().await;
    let url = server.url("127.0.0.1", "disable");
    a_module_uses_what_it_was_granted(Site::sqlite(), &url, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres_from_a_process_of_its_own() {
    let server = Postgres::start().await;
    let url = server.url("127.0.0.1", "disable");
    a_module_uses_what_it_was_granted(Site::sqlite().apart(), &url, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sqlite() {
    let site = Site::sqlite();
    site.write("reports.db", b"");
    a_module_uses_what_it_was_granted(site, "sqlite:reports.db", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_starts_where_a_database_is_away() {
    let site = Site::sqlite();
    // Nobody listens there.
    let url = "postgres://app@127.0.0.1:1/main?sslmode=disable";
    let config = format!("[sql.reports]\nurl = '{url}'\npassword = '{PASSWORD}'\n");
    site.write("lovage.toml", config);
    let worker = site.worker(&[]).await;
    push(&site, "default").await;
    let said = told(&site, &["statement=select 1"]).await;
    assert!(said.contains("unavailable"), "{said}");
    let log = worker.log();
    assert!(log.contains("cannot reach a database"), "{log}");
    for text in [&said, &log] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    assert!(!said.contains("127.0.0.1"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_database_may_not_import_one() {
    let site = Site::sqlite();
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let mut module = std::fs::read(built.component("reports")).unwrap();
    let (wanted, other) = (b"sql reports", b"bucket a.bc");
    let at = module.windows(wanted.len()).position(|it| it == wanted);
    let at = at.expect("the module says what it wants");
    module[at..at + other.len()].copy_from_slice(other);
    let file = site.write("reports.wasm", module);
    let args = ["push", text(&file), "--name", "reports", "--grant"];
    let refused = site.lovage(&args).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.err.contains("lovage:task/sql"), "{refused:?}");
}
