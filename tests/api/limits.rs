//! Limits of scopes.

use serde_json::{Value, json};

use super::door::Door;
use super::visitor::pointers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_are_limited_and_paused() {
    let door = Door::with_app().await;
    let limit = json!({"rate": "5/10m", "concurrency": 3, "depth": 100, "order": "strict"});
    let set = door.put("/v1/limits/queue:q", limit).await.ok();
    assert_eq!(
        set,
        json!({"scope": "queue:q", "rate": "5/10m", "concurrency": 3, "depth": 100,
            "order": "strict", "paused": false, "by": "operator", "running": 0})
    );
    // A lane's key may have any characters: its scope is one part of the path.
    for (scope, text) in [
        ("tenant", "tenant"),
        ("task:app.go", "task:app.go"),
        ("lanes:q", "lanes:q"),
        ("lane:q%2Fuser%3A42", "lane:q/user:42"),
    ] {
        let path = format!("/v1/limits/{scope}");
        let set = door.put(&path, json!({"concurrency": 2})).await.ok();
        assert_eq!(set["scope"], text);
    }
    let all = door.get("/v1/limits").await.ok();
    assert_eq!(all["limits"].as_array().unwrap().len(), 5, "{all:#}");
    let ran = door.site.lovage(&["limits", "--json"]).await.ok();
    assert_eq!(ran.json(), all["limits"]);

    let paused = door.poke("/v1/limits/module:app/pause").await.ok();
    assert_eq!(paused, json!({"scope": "module:app", "paused": true}));
    door.poke("/v1/limits/lane:q%2Fuser%3A42/pause").await.ok();
    let all = door.get("/v1/limits").await.ok();
    let held: Vec<_> = all["limits"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["paused"] == true)
        .map(|it| it["scope"].as_str().unwrap())
        .collect();
    assert_eq!(held, ["lane:q/user:42", "module:app"]);
    door.poke("/v1/limits/module:app/resume").await.ok();
    door.poke("/v1/limits/lane:q%2Fuser%3A42/resume").await.ok();

    // What is not said is no limit any more.
    let set = door
        .put("/v1/limits/queue:q", json!({"rate": null}))
        .await
        .ok();
    assert_eq!(
        json!([set["rate"], set["concurrency"]]),
        json!([null, null])
    );
    let all = door.get("/v1/limits").await.ok();
    let left = all["limits"].as_array().unwrap();
    assert!(left.iter().all(|it| it["scope"] != "queue:q"), "{all:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_limit_is_refused() {
    let door = Door::with_app().await;
    let problem = door
        .put("/v1/limits/queue:q", json!({"rate": "fast"}))
        .await;
    assert_eq!(pointers(&problem.problem(400, "bad-request")), ["/rate"]);
    for wrong in [
        json!({"concurrency": -1}),
        json!({"concurrency": "many"}),
        json!({"order": "odd"}),
        json!({"rats": "5/s"}),
        json!([]),
        Value::Null,
    ] {
        let answer = door.put("/v1/limits/queue:q", wrong).await;
        answer.problem(400, "bad-request");
    }
    let none = json!({"concurrency": 0});
    let answer = door.put("/v1/limits/queue:q", none).await;
    answer.problem(422, "invalid");
    for scope in ["nope", "queue:", "queue:A", "task:app", "lane:q", "%00"] {
        let path = format!("/v1/limits/{scope}");
        door.put(&path, json!({})).await.problem(404, "not-found");
        door.poke(&format!("{path}/pause"))
            .await
            .problem(404, "not-found");
        door.poke(&format!("{path}/resume"))
            .await
            .problem(404, "not-found");
    }
    let depth = json!({"depth": 5});
    door.put("/v1/limits/tenant", depth).await.senseless();
    door.poke("/v1/limits/lanes:q/pause").await.senseless();
    assert_eq!(door.get("/v1/limits").await.ok(), json!({"limits": []}));
}
