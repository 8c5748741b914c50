//! Queues and lanes.

use serde_json::{Value, json};

use super::door::Door;
use super::visitor::keys;

async fn enqueue(door: &Door, queue: &str, lane: &str, eta: Option<&str>) {
    let call =
        json!({"task": "app.go", "args": {"side": 1}, "queue": queue, "lane": lane, "eta": eta});
    door.post("/v1/jobs", call).await.made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_counted_paused_and_purged() {
    let door = Door::with_app().await;
    assert_eq!(door.get("/v1/queues").await.ok(), json!({"queues": []}));
    door.get("/v1/queues/q").await.problem(404, "not-found");
    for lane in ["", "ann", "ann", "bob"] {
        enqueue(&door, "q", lane, None).await;
    }
    enqueue(&door, "q", "", Some("1h")).await;
    enqueue(&door, "p", "", None).await;
    let queue = door.get("/v1/queues/q").await.ok();
    let mut members = keys(&queue);
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "available",
            "backlog",
            "cancelled",
            "completed",
            "discarded",
            "latency",
            "limit",
            "oldest",
            "paused",
            "pending",
            "queue",
            "retryable",
            "running",
            "scheduled"
        ]
    );
    assert_eq!(
        json!([queue["available"], queue["scheduled"], queue["paused"]]),
        json!([4, 1, false])
    );
    assert_eq!(queue["backlog"], Value::Null, "none has run");
    assert!(queue["latency"].as_f64() >= Some(0.0));
    assert!(queue["oldest"].as_str().unwrap().ends_with('Z'));
    let all = door.get("/v1/queues").await.ok();
    let names: Vec<_> = all["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["queue"].as_str())
        .collect();
    assert_eq!(names, [Some("p"), Some("q")]);

    let lanes = door.get("/v1/queues/q/lanes").await.ok();
    let lanes = lanes["lanes"].as_array().unwrap();
    let counts: Vec<_> = lanes
        .iter()
        .map(|it| {
            (
                it["lane"].as_str().unwrap(),
                it["available"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [("", 1), ("ann", 2), ("bob", 1)]);
    let two = door.get("/v1/queues/q/lanes?limit=2").await.ok();
    assert_eq!(two["lanes"].as_array().unwrap().len(), 2);
    for wrong in ["limit=0", "limit=1001", "limit=x", "most=3"] {
        let path = format!("/v1/queues/q/lanes?{wrong}");
        door.get(&path).await.problem(400, "bad-request");
    }

    let paused = door.poke("/v1/queues/q/pause").await.ok();
    assert_eq!(paused, json!({"scope": "queue:q", "paused": true}));
    let worker = door.site.worker(&["--queues", "q,p"]).await;
    let job = json!({"task": "app.go", "args": {"side": 1}, "queue": "p"});
    let job = door.post("/v1/jobs?wait=30s", job).await.ok();
    assert_eq!(job["state"], "completed", "the other goes on");
    let queue = door.get("/v1/queues/q").await.ok();
    assert_eq!(
        json!([queue["available"], queue["paused"]]),
        json!([4, true])
    );
    drop(worker);
    let resumed = door.poke("/v1/queues/q/resume").await.ok();
    assert_eq!(resumed, json!({"scope": "queue:q", "paused": false}));
    let purged = door.poke("/v1/queues/q/purge").await.ok();
    assert_eq!(purged, json!({"cancelled": 5}));
    let queue = door.get("/v1/queues/q").await.ok();
    assert_eq!(
        json!([queue["available"], queue["scheduled"], queue["cancelled"]]),
        json!([0, 0, 5])
    );
    assert_eq!(
        door.poke("/v1/queues/q/purge").await.ok(),
        json!({"cancelled": 0})
    );
    for path in ["pause", "resume", "purge"] {
        let path = format!("/v1/queues/Q/{path}");
        door.poke(&path).await.problem(404, "not-found");
    }
    door.get("/v1/queues/Q").await.problem(404, "not-found");
    door.get("/v1/queues/Q/lanes")
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_queue_is_purged_whole() {
    let door = Door::with_app().await;
    let call = json!({"task": "app.go", "args": {"side": 1}});
    for _ in 0..3 {
        let jobs = json!({"jobs": vec![call.clone(); 800]});
        door.post("/v1/jobs/batch", jobs).await.made();
    }
    let purged = door.poke("/v1/queues/default/purge").await.ok();
    assert_eq!(purged, json!({"cancelled": 2400}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_told_in_seconds_of_work() {
    let door = Door::with_app().await;
    enqueue(&door, "q", "", None).await;
    let demand = door.get("/v1/autoscale").await.ok();
    assert_eq!(
        demand,
        json!({"queues": [{"queue": "q", "waiting": 1, "seconds_a_job": null, "backlog": null}]})
    );
}
