//! A worker's metrics, as whoever scrapes it gets them.

use super::prometheus::{promtool, sample};
use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, answering, fail};
use crate::support::process::Process;
use crate::support::site::call;
use crate::support::{site_test, until};

/// Where a worker that was started with `--metrics 127.0.0.1:0` serves them.
async fn address(worker: &mut Process) -> String {
    worker.says("serving metrics").await;
    let log = worker.log();
    let address = log.split_once("address=").expect("an address").1;
    let end = address.find(char::is_whitespace).unwrap_or(address.len());
    address[..end].to_owned()
}

async fn scrape(address: &str) -> String {
    let answer = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    answer.text().await.unwrap()
}

site_test!(a_worker_counts_what_became_of_its_jobs, |site| async move {
    site.push("app", &answering(7)).await;
    let failing = Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build();
    site.push("bad", &failing).await;
    let mut worker = site.worker(&["--metrics", "127.0.0.1:0"]).await;
    let address = address(&mut worker).await;
    let mut ids = site.enqueue("app", 40).await;
    ids.extend(site.enqueue_all(vec![call("bad"), call("bad")]).await);
    site.ends(&ids).await;
    let done = r#"lovage_jobs_total{outcome="completed",queue="default",task="app.go"}"#;
    let dead = r#"lovage_jobs_total{outcome="discarded",queue="default",task="bad.go"}"#;
    // A job has ended before its worker hears that this is on the record.
    let text = until(
        "all are counted and a module was found in memory",
        || async {
            let text = scrape(&address).await;
            let is = |name: &str, value: f64| sample(&text, name) == Some(value);
            let found = sample(&text, "lovage_module_cache_hits_total")? > 0.0;
            // What else is counted of a job is so a moment later, and its slot is free then.
            let waits = sample(&text, r#"lovage_job_wait_seconds_count{queue="default"}"#)?;
            let settled = sample(&text, "lovage_settled_jobs_total")?;
            let rests = waits >= 42.0 && settled >= 42.0 && is("lovage_slots_used", 0.0);
            (is(done, 40.0) && is(dead, 2.0) && found && rests).then_some(text.clone())
        },
    )
    .await;
    for (name, value) in [
        (
            r#"lovage_attempt_duration_seconds_count{task="app.go"}"#,
            40.0,
        ),
        (r#"lovage_attempt_fuel_units_count{task="app.go"}"#, 40.0),
        (r#"lovage_job_wait_seconds_count{queue="default"}"#, 42.0),
        ("lovage_claimed_jobs_total", 42.0),
        ("lovage_settled_jobs_total", 42.0),
        ("lovage_stale_settlements_total", 0.0),
        ("lovage_slots_used", 0.0),
    ] {
        // Where the machine is slow, jobs may go back while their module is compiled.
        let found = sample(&text, name).unwrap_or_else(|| panic!("`{name}` in\n{text}"));
        let more = name.contains("claimed") || name.contains("settled");
        assert!(
            found == value || more && found > value,
            "`{name}`: {found}\n{text}"
        );
    }
    assert!(sample(&text, r#"lovage_attempt_fuel_units_sum{task="app.go"}"#) > Some(0.0));
    promtool(&["check", "metrics"], &text).await.ok();
    let health = reqwest::get(format!("http://{address}/healthz"))
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    worker.signal("TERM");
    assert!(worker.ended().await.success());
});
