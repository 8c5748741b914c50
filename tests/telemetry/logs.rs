//! The log as lines of JSON.

use serde_json::Value;

use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, fail};
use crate::support::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_json_names_the_job_the_task_and_the_attempt() {
    let site = Site::sqlite();
    let bad = Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build();
    site.push("bad", &bad).await;
    let variables = ["LOVAGE_LOG_FORMAT=json", "LOVAGE_LOG=lovage=debug"];
    let mut worker = site.spawn("worker", &variables);
    worker.says("\"working\"").await;
    let id = site.enqueue("bad", 1).await[0];
    site.ends(&[id]).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    let log = worker.log();
    let lines = log
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).expect(it));
    let lines: Vec<Value> = lines.collect();
    let of_job = |it: &&Value| it["job"] == id.to_string().as_str() && it["outcome"] == "discarded";
    let ended = lines.iter().find(of_job).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&ended["task"], &ended["attempt"]),
        (&"bad.go".into(), &1.into())
    );
    assert_eq!(ended["level"], "DEBUG");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_a_log_is_written_is_checked_with_the_rest() {
    let site = Site::sqlite();
    let mut command = site.command(["queues"]);
    command.env("LOVAGE_LOG_FORMAT", "xml");
    let ran = crate::support::site::Ran::of(command, b"").await;
    ran.fails(2, &["xml"]);
}
