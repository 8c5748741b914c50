//! Schedules.

use serde_json::{Value, json};

use super::door::Door;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_set_shown_paused_fired_and_removed() {
    let door = Door::with_app().await;
    let body = json!({"task": "app.go", "when": {"every": "1h"}, "input": {"side": 4},
        "queue": "q", "overlap": "skip", "catch_up": "last", "jitter": "5s"});
    let set = door.put("/v1/schedules/hourly", body).await.ok();
    assert_eq!(
        json!([set["name"], set["paused"]]),
        json!(["hourly", false])
    );
    assert!(set["next"].as_str().unwrap().ends_with('Z'));
    let shown = door.get("/v1/schedules/hourly").await.ok();
    for (place, value) in [
        ("/name", json!("hourly")),
        ("/task", json!("app.go")),
        ("/when", json!("every 1h")),
        ("/owner", json!("operator")),
        ("/paused", json!(false)),
        ("/input", json!({"side": 4})),
        ("/queue", json!("q")),
        ("/jitter", json!("5s")),
        ("/catch_up", json!("last")),
        ("/overlap", json!("skip")),
        ("/fires", json!([])),
        ("/next", set["next"].clone()),
    ] {
        assert_eq!(shown.pointer(place), Some(&value), "{place} of {shown:#}");
    }
    assert_eq!(shown["upcoming"].as_array().unwrap().len(), 5);

    let paused = door.poke("/v1/schedules/hourly/pause").await.ok();
    assert_eq!(
        paused,
        json!({"name": "hourly", "paused": true, "next": null})
    );
    let listed = door.get("/v1/schedules").await.ok();
    assert_eq!(json!([listed["schedules"][0]["paused"]]), json!([true]));
    let resumed = door.poke("/v1/schedules/hourly/resume").await.ok();
    assert_eq!(resumed["paused"], false);
    let fired = door.poke("/v1/schedules/hourly/fire").await.ok();
    assert_eq!(fired["outcome"], "job");
    let job = door
        .get(&format!("/v1/jobs/{}", fired["job"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(
        json!([job["queue"], job["input"]]),
        json!(["q", {"side": 4}])
    );
    let again = door.poke("/v1/schedules/hourly/fire").await.ok();
    assert_eq!(again["outcome"], "skipped", "the first one waits");
    let shown = door.get("/v1/schedules/hourly").await.ok();
    let fires: Vec<_> = shown["fires"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!([it["outcome"], it["by_hand"]]))
        .collect();
    assert_eq!(fires, [json!(["skipped", true]), json!(["job", true])]);
    assert_eq!(shown["last_job"], fired["job"]);

    door.delete("/v1/schedules/hourly").await.is(204);
    door.delete("/v1/schedules/hourly")
        .await
        .problem(404, "not-found");
    assert_eq!(
        door.get("/v1/schedules").await.ok(),
        json!({"schedules": []})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_schedule_is_refused() {
    let door = Door::with_app().await;
    let input = json!({"side": 1});
    let wrong: [(Value, u16, &str); 10] = [
        (json!({}), 400, ""),
        (json!({"task": "app.go"}), 400, ""),
        (
            json!({"task": "app.go", "when": {"every": "often"}, "input": input}),
            400,
            "",
        ),
        (
            json!({"task": "app.go", "when": {"cron": "hello"}, "input": input}),
            400,
            "",
        ),
        (
            json!({"task": "app.go", "when": {"every": "1h", "cron": "@daily"}, "input": input}),
            400,
            "",
        ),
        (
            json!({"task": "app.go", "when": {"every": "1h"}, "inptu": input}),
            400,
            "",
        ),
        (json!({"task": "app", "when": {"every": "1h"}}), 400, ""),
        (
            json!({"task": "no.pe", "when": {"every": "1h"}}),
            404,
            "not-found",
        ),
        (
            json!({"task": "app.go", "when": {"every": "1h"}}),
            422,
            "invalid-arguments",
        ),
        (
            json!({"task": "app.go", "when": {"every": "1h"}, "input": {"side": "x"}}),
            422,
            "invalid-arguments",
        ),
    ];
    for (body, status, kind) in wrong {
        let answer = door.put("/v1/schedules/hourly", body).await;
        match kind {
            "" => answer.senseless(),
            kind => drop(answer.problem(status, kind)),
        }
    }
    let body = json!({"task": "app.go", "when": {"every": "1h"}, "input": input});
    door.put("/v1/schedules/A%20b", body).await.senseless();
    assert_eq!(
        door.get("/v1/schedules").await.ok(),
        json!({"schedules": []})
    );
    door.get("/v1/schedules/nope")
        .await
        .problem(404, "not-found");
    for path in ["pause", "resume", "fire"] {
        let path = format!("/v1/schedules/nope/{path}");
        door.poke(&path).await.problem(404, "not-found");
    }
}
