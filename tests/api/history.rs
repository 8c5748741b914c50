//! What has happened.

use serde_json::{Value, json};

use super::door::Door;
use super::failing;
use crate::support::until;

fn sum(series: &Value, name: &str) -> f64 {
    let points = series["points"].as_array().expect("points");
    points
        .iter()
        .map(|it| it[name].as_f64().expect("a number"))
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_of_jobs_are_counted_by_the_minute() {
    let door = Door::with_app().await;
    door.push("bad", failing()).await;
    let empty = door.get("/v1/history").await.ok();
    assert_eq!(json!([empty["step"], empty["series"]]), json!([60, []]));
    let worker = door.site.worker(&[]).await;
    for side in 1..=3 {
        let call = json!({"task": "app.go", "args": {"side": side}});
        door.post("/v1/jobs?wait=30s", call).await.ok();
    }
    let bad = json!({"task": "bad.go", "queue": "q"});
    let id = door.post("/v1/jobs", bad).await.made()["id"].clone();
    let other = door.site.worker(&["--queues", "q"]).await;
    let path = format!("/v1/jobs/{}?wait=30s", id.as_str().unwrap());
    assert_eq!(door.get(&path).await.ok()["state"], "discarded");
    let all = until("all of them are told", || async {
        let all = door.get("/v1/history").await.ok();
        let series = all["series"].get(0)?;
        let told = sum(series, "completed") + sum(series, "discarded");
        (told >= 4.0).then_some(all)
    })
    .await;
    let series = &all["series"][0];
    assert_eq!(
        (sum(series, "completed"), sum(series, "discarded")),
        (3.0, 1.0)
    );
    assert!(
        sum(series, "fuel") > 0.0 && sum(series, "seconds") > 0.0,
        "{all:#}"
    );
    assert_eq!(series.get("task"), None);
    let by = door.get("/v1/history?by=task&step=5m").await.ok();
    assert_eq!(by["step"], 300);
    let tasks: Vec<_> = by["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["task"].as_str())
        .collect();
    assert_eq!(tasks, [Some("app.go"), Some("bad.go")]);
    let by = door.get("/v1/history?by=queue").await.ok();
    assert_eq!(sum(&by["series"][1], "discarded"), 1.0, "{by:#}");
    drop((worker, other));

    // It outlives the server.
    let door = door.again().await;
    let again = door.get("/v1/history").await.ok();
    assert_eq!(again["series"], all["series"]);
    let before = door
        .get("/v1/history?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z&step=1h")
        .await;
    assert_eq!(before.ok()["series"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_time_is_refused() {
    let door = Door::open().await;
    for wrong in [
        "from=yesterday",
        "to=now",
        "step=30s",
        "step=90s",
        "step=x",
        "by=module",
        "form=2026-01-01T00:00:00Z",
        "step=8d",
        "step=9999d",
    ] {
        let path = format!("/v1/history?{wrong}");
        door.get(&path).await.problem(400, "bad-request");
    }
    for bounded in [
        "from=2020-01-01T00:00:00Z&step=1h",
        "from=2020-01-01T00:00:00Z",
    ] {
        door.get(&format!("/v1/history?{bounded}")).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_told_by_day_and_by_task() {
    let door = Door::with_app().await;
    assert_eq!(door.get("/v1/usage").await.ok(), json!({"usage": []}));
    let _worker = door.site.worker(&[]).await;
    for side in 1..=3 {
        let call = json!({"task": "app.go", "args": {"side": side}});
        door.post("/v1/jobs?wait=30s", call).await.ok();
    }
    let used = until("all of them are told", || async {
        let used = door.get("/v1/usage?by=task&days=2").await.ok();
        (used["usage"][0]["attempts"] == 3).then_some(used)
    })
    .await;
    let of = &used["usage"][0];
    assert_eq!(of["task"], "app.go");
    let seconds = |name: &str| of[name].as_f64().unwrap();
    assert!(seconds("cpu") > 0.0 && seconds("seconds") > 0.0, "{of:#}");
    assert!(of["fuel"].as_u64() > Some(0), "{of:#}");
    let day = door.get("/v1/usage").await.ok()["usage"][0].clone();
    assert_eq!(day["attempts"], 3);
    assert_eq!(day["day"].as_str().map(str::len), Some(10), "{day:#}");
    for wrong in ["days=0", "days=401", "by=week"] {
        let path = format!("/v1/usage?{wrong}");
        door.get(&path).await.is(400);
    }
    let said = door.site.lovage(&["usage", "--task"]).await.ok();
    assert!(said.out.contains("app.go"), "{said:?}");
}
