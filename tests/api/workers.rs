//! Workers.

use serde_json::json;

use super::door::Door;
use crate::support::guests::beginning;
use crate::support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_shown_with_what_it_runs() {
    let door = Door::open().await;
    door.push("long", beginning(60_000)).await;
    assert_eq!(door.get("/v1/workers").await.ok(), json!({"workers": []}));
    let mut worker = door.site.worker(&["--concurrency", "3"]).await;
    let id = door
        .post("/v1/jobs", json!({"task": "long.go"}))
        .await
        .made()["id"]
        .clone();
    let id = id.as_str().unwrap();
    door.site.begun(&[id.parse().unwrap()]).await;
    let shown = until("it is shown with its job", || async {
        let all = door.get("/v1/workers").await.ok();
        let it = all["workers"].get(0)?.clone();
        (it["held"] == 1).then_some(it)
    })
    .await;
    assert_eq!(
        json!([
            shown["pid"],
            shown["concurrency"],
            shown["version"],
            shown["others"]
        ]),
        json!([worker.pid(), 3, env!("CARGO_PKG_VERSION"), 0]),
        "{shown:#}"
    );
    assert_eq!(shown["queues"], json!({"default": 1}));
    let running = &shown["running"][0];
    assert_eq!(
        json!([running["id"], running["task"], running["queue"]]),
        json!([id, "long.go", "default"])
    );
    let job = door.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(shown["worker"], job["worker"]);
    for time in [&shown["started"], &shown["expires"], &running["started"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{shown:#}");
    }
    door.poke(&format!("/v1/jobs/{id}/cancel")).await.ok();
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    until("it is gone", || async {
        let all = door.get("/v1/workers").await.ok();
        (all == json!({"workers": []})).then_some(())
    })
    .await;
}
