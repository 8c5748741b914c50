//! Whether all is well, and in numbers.

use serde_json::json;

use super::door::Door;
use crate::support::until;
use crate::telemetry::prometheus::{promtool, sample};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_counts_requests_and_reads_queues() {
    let door = Door::with_app().await;
    let call = json!({"task": "app.go", "args": {"side": 1}});
    door.post("/v1/jobs", call.clone()).await.made();
    door.post("/v1/jobs", call).await.made();
    door.get("/v1/jobs/nope").await;
    door.get("/nowhere/at-all").await;
    let text = door.get("/metrics").await.is(200);
    assert!(
        text.header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let text = text.text();
    let requests = |labels: &str| sample(&text, &format!("lovage_http_requests_total{{{labels}}}"));
    assert_eq!(
        requests(r#"method="POST",route="/v1/jobs",status="201""#),
        Some(2.0),
        "{text}"
    );
    assert_eq!(
        requests(r#"method="GET",route="none",status="404""#),
        Some(1.0),
        "{text}"
    );
    assert!(!text.contains("nowhere"), "no path is a label");
    let waiting = r#"lovage_queue_jobs{queue="default",state="available"}"#;
    assert_eq!(sample(&text, waiting), Some(2.0), "{text}");
    promtool(&["check", "metrics"], &text).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_ready_until_it_is_told_to_stop() {
    let door = Door::open().await;
    assert_eq!(door.get("/healthz").await.ok(), json!({"status": "ok"}));
    assert_eq!(door.get("/readyz").await.ok(), json!({"status": "ready"}));
    // A listener that is still there has a connection on which it may ask.
    door.tell_to_stop();
    until("nobody is taken any more", || async {
        let asked = reqwest::get(format!("{}/readyz", door.base)).await;
        asked.is_err().then_some(())
    })
    .await;
    door.stopped().await;
}
