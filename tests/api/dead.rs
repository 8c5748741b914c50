//! The dead list.

use serde_json::json;

use super::door::Door;
use super::failing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_jobs_are_listed_grouped_requeued_and_deleted() {
    let door = Door::open().await;
    door.push("bad", failing()).await;
    door.push("worse", failing()).await;
    let worker = door.site.worker(&["--queues", "bad,worse"]).await;
    let call = |module: &str| json!({"task": format!("{module}.go"), "queue": module});
    for module in ["bad", "bad", "bad", "worse"] {
        let job = door.post("/v1/jobs?wait=30s", call(module)).await.ok();
        assert_eq!(job["state"], "discarded", "{job:#}");
    }
    let count = |query: &'static str| {
        let door = &door;
        async move {
            let page = door.get(&format!("/v1/dead?{query}")).await.ok();
            page["jobs"].as_array().unwrap().len()
        }
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("task=bad").await, 3);
    assert_eq!(count("queue=worse").await, 1);
    assert_eq!(count("reason=kind&task=worse.go").await, 1);
    assert_eq!(count("reason=deadline").await, 0);
    let page = door.get("/v1/dead?limit=3").await.ok();
    let next = page["next"].as_str().unwrap();
    let page = door
        .get(&format!("/v1/dead?limit=3&cursor={next}"))
        .await
        .ok();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1);

    let groups = door.get("/v1/dead/groups").await.ok();
    assert_eq!(groups["complete"], true);
    let groups = groups["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    let first = &groups[0];
    assert_eq!(
        json!([
            first["task"],
            first["reason"],
            first["jobs"],
            first["message"]
        ]),
        json!(["bad.go", "kind", 3, "not yet"])
    );
    assert!(first["last"].as_str().unwrap().ends_with('Z'));
    let some = door.get("/v1/dead/groups?task=worse").await.ok();
    assert_eq!(some["groups"].as_array().unwrap().len(), 1);
    drop(worker);

    // Nobody's slip of the pen takes all of them.
    for wrong in [
        json!({"taks": "bad"}),
        json!({"task": "A"}),
        json!({"task": 5}),
        json!([]),
        json!("all"),
    ] {
        for path in ["/v1/dead/delete", "/v1/dead/requeue"] {
            door.post(path, wrong.clone())
                .await
                .problem(400, "bad-request");
        }
    }
    for path in [
        "/v1/dead?taks=bad",
        "/v1/dead/groups?taks=bad",
        "/v1/dead?limit=0",
        "/v1/dead?cursor=x",
    ] {
        door.get(path).await.problem(400, "bad-request");
    }
    assert_eq!(count("").await, 4);

    let done = door
        .post(
            "/v1/dead/requeue",
            json!({"task": "bad.go", "reason": "kind"}),
        )
        .await;
    assert_eq!(done.ok(), json!({"jobs": 3, "more": false}));
    assert_eq!(door.get("/v1/queues/bad").await.ok()["available"], 3);
    // A slip must not take all of them.
    for (wrong, status, kind) in [
        (json!({}), 422, "invalid"),
        (json!({"taks": "bad.go"}), 400, "bad-request"),
        (json!({"all": true, "task": "bad.go"}), 422, "invalid"),
    ] {
        door.post("/v1/dead/delete", wrong)
            .await
            .problem(status, kind);
    }
    assert_eq!(count("").await, 1);
    let done = door
        .post("/v1/dead/delete", json!({"all": true}))
        .await
        .ok();
    assert_eq!(done, json!({"jobs": 1, "more": false}));
    assert_eq!(count("").await, 0);
    let done = door
        .post("/v1/dead/requeue", json!({"all": true}))
        .await
        .ok();
    assert_eq!(done, json!({"jobs": 0, "more": false}));
}
