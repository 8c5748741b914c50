//! Jobs: to look at them, and to change their course.

use serde_json::{Value, json};

use super::door::Door;
use super::visitor::{Answer, keys};
use super::{NOBODY, failing};

async fn made(door: &Door, body: Value) -> String {
    let made = door.post("/v1/jobs", body).await.made();
    made["id"].as_str().unwrap().to_owned()
}

fn call(side: u32) -> Value {
    json!({"task": "app.go", "args": {"side": side}})
}

fn ids(page: &Value) -> Vec<String> {
    let jobs = page["jobs"].as_array().expect("jobs").iter();
    jobs.map(|it| it["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_shown_as_the_command_line_shows_it() {
    let door = Door::with_app().await;
    let _worker = door.site.worker(&[]).await;
    let job = door.post("/v1/jobs?wait=30s", call(7)).await.ok();
    let id = job["id"].as_str().unwrap();
    let ran = door.site.lovage(&["job", id, "--json"]).await.ok();
    let shown = door.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(shown, ran.json());
    assert_eq!(shown, job);
    assert_eq!(shown["attempts"][0]["ending"], "completed");
    let attempts = door.get(&format!("/v1/jobs/{id}/attempts")).await.ok();
    assert_eq!(attempts["attempts"], shown["attempts"]);
    let log = door.get(&format!("/v1/jobs/{id}/log")).await.is(200);
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    door.get(&format!("/v1/jobs/{id}/log?attempt=1"))
        .await
        .is(200);
    for (attempt, status, kind) in [(0, 404, "not-found"), (2, 404, "not-found")] {
        let path = format!("/v1/jobs/{id}/log?attempt={attempt}");
        door.get(&path).await.problem(status, kind);
    }
    door.get(&format!("/v1/jobs/{id}/log?attempt=x"))
        .await
        .problem(400, "bad-request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_comes_in_the_form_that_is_asked_for() {
    let door = Door::with_app().await;
    let id = made(&door, call(3)).await;
    let path = format!("/v1/jobs/{id}/result");
    door.get(&path).await.problem(409, "not-finished");
    let worker = door.site.worker(&[]).await;
    let result = door.get(&format!("{path}?wait=30s")).await.ok();
    assert_eq!(result, json!({"side": 3}));
    let packed = Answer::to(
        door.ask("GET", &path)
            .header("accept", "application/msgpack"),
    )
    .await;
    assert_eq!(packed.header("content-type"), "application/msgpack");
    let read: Value = rmp_serde::from_slice(&packed.is(200).body).unwrap();
    assert_eq!(read, result);
    let raw = door
        .ask("GET", &path)
        .header("accept", "application/octet-stream");
    Answer::to(raw).await.problem(406, "not-acceptable");
    let text = door.ask("GET", &path).header("accept", "image/png");
    Answer::to(text).await.problem(406, "not-acceptable");
    drop(worker);

    door.push("bad", failing()).await;
    let _worker = door.site.worker(&[]).await;
    let bad = door
        .post("/v1/jobs?wait=30s", json!({"task": "bad.go"}))
        .await
        .ok();
    assert_eq!(bad["state"], "discarded");
    let path = format!("/v1/jobs/{}/result", bad["id"].as_str().unwrap());
    let problem = door.get(&path).await.problem(422, "job-failed");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("kind: not yet"),
        "{problem}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_is_to_be_had_by_itself() {
    let door = Door::with_app().await;
    let _worker = door.site.worker(&[]).await;
    let args = json!({"side": 1, "name": "x".repeat(100_000)});
    let body = json!({"task": "app.go", "args": args});
    let job = door.post("/v1/jobs?wait=30s", body).await.ok();
    assert_eq!(
        (&job["input"], &job["result"]),
        (&Value::Null, &Value::Null)
    );
    for blob in ["input_blob", "result_blob"] {
        assert!(job[blob]["size"].as_u64() > Some(100_000), "{job}");
        assert_eq!(job[blob]["digest"].as_str().unwrap().len(), 64);
    }
    let id = job["id"].as_str().unwrap();
    for path in ["input", "result"] {
        assert_eq!(door.get(&format!("/v1/jobs/{id}/{path}")).await.ok(), args);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_filtered_and_paged() {
    let door = Door::with_app().await;
    door.push("bad", failing()).await;
    let mut all = Vec::new();
    for side in 1..=5 {
        all.push(made(&door, call(side)).await);
    }
    let tagged = json!({"task": "app.go", "args": {"side": 6}, "queue": "q", "tags": ["x", "y"]});
    let tagged = made(&door, tagged).await;
    let bad = made(&door, json!({"task": "bad.go"})).await;
    let later = json!({"task": "app.go", "args": {"side": 8}, "eta": "1h"});
    let later = made(&door, later).await;
    let list = |query: &'static str| {
        let door = &door;
        async move { door.get(&format!("/v1/jobs?{query}")).await.ok() }
    };
    let page = list("").await;
    assert_eq!(keys(&page), ["complete", "jobs", "next"]);
    assert_eq!(page["complete"], true);
    assert_eq!((ids(&page).len(), &page["next"]), (8, &Value::Null));
    assert_eq!(ids(&list("state=scheduled").await), [&*later]);
    assert_eq!(ids(&list("state=available&queue=q").await), [&*tagged]);
    assert_eq!(ids(&list("tag=y").await), [&*tagged]);
    assert_eq!(ids(&list("task=bad").await), [&*bad]);
    assert_eq!(ids(&list("task=bad.go&state=available").await), [&*bad]);
    assert_eq!(ids(&list("task=bad.nope").await), [""; 0]);
    assert_eq!(ids(&list("state=completed").await), [""; 0]);

    let _worker = door.site.worker(&["--queues", "default,q"]).await;
    for id in all.iter().chain([&tagged, &bad]) {
        door.get(&format!("/v1/jobs/{id}?wait=30s")).await.ok();
    }
    assert_eq!(ids(&list("state=discarded&reason=kind").await), [&*bad]);
    assert_eq!(ids(&list("state=discarded&reason=deadline").await), [""; 0]);
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let from = cursor.map_or(String::new(), |it| format!("&cursor={it}"));
        let page = door
            .get(&format!("/v1/jobs?state=completed&limit=2{from}"))
            .await
            .ok();
        assert!(ids(&page).len() <= 2);
        found.extend(ids(&page));
        // What ends meanwhile stays out, and pushes nothing out.
        door.post("/v1/jobs?wait=30s", call(99)).await.ok();
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    found.sort();
    found.dedup();
    all.push(tagged);
    all.sort();
    assert_eq!(found, all);
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "state=happy",
        "task=A.b",
        "queue=A",
        "cursor=0-0",
        "state=completed&cursor=x",
        "state=completed&stat=x",
        "state=completed&state=available",
    ] {
        let path = format!("/v1/jobs?{wrong}");
        door.get(&path).await.senseless();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fate_of_one_and_of_many() {
    let door = Door::with_app().await;
    let (a, b, c) = (
        made(&door, call(1)).await,
        made(&door, call(2)).await,
        made(&door, call(3)).await,
    );
    let fate = door.poke(&format!("/v1/jobs/{a}/requeue")).await.ok();
    assert_eq!(
        fate,
        json!({"id": a, "became": "kept", "state": "available"})
    );
    door.delete(&format!("/v1/jobs/{a}"))
        .await
        .problem(409, "conflict");
    let fate = door.poke(&format!("/v1/jobs/{a}/cancel")).await.ok();
    assert_eq!(fate, json!({"id": a, "became": "cancelled"}));
    let fate = door.poke(&format!("/v1/jobs/{a}/cancel")).await.ok();
    assert_eq!(
        fate,
        json!({"id": a, "became": "ended", "state": "cancelled"})
    );
    let fate = door.poke(&format!("/v1/jobs/{a}/requeue")).await.ok();
    assert_eq!(fate, json!({"id": a, "became": "requeued"}));
    assert_eq!(
        door.get(&format!("/v1/jobs/{a}")).await.ok()["state"],
        "available"
    );

    let some = json!({"ids": [a, NOBODY, b]});
    let fates = door.post("/v1/jobs/cancel", some.clone()).await.ok();
    assert_eq!(
        fates["jobs"],
        json!([{"id": a, "became": "cancelled"}, {"id": NOBODY, "became": "missing"},
            {"id": b, "became": "cancelled"}])
    );
    let fates = door
        .post("/v1/jobs/requeue", json!({"ids": [b, c]}))
        .await
        .ok();
    assert_eq!(
        fates["jobs"],
        json!([{"id": b, "became": "requeued"}, {"id": c, "became": "kept", "state": "available"}])
    );
    let fates = door
        .post("/v1/jobs/delete", json!({"ids": [a, c]}))
        .await
        .ok();
    assert_eq!(
        fates["jobs"],
        json!([{"id": a, "became": "deleted"}, {"id": c, "became": "kept"}])
    );
    door.get(&format!("/v1/jobs/{a}"))
        .await
        .problem(404, "not-found");
    door.poke(&format!("/v1/jobs/{b}/cancel")).await.ok();
    let gone = door.delete(&format!("/v1/jobs/{b}")).await.is(204);
    assert!(gone.body.is_empty());
    door.delete(&format!("/v1/jobs/{b}"))
        .await
        .problem(404, "not-found");

    for path in ["cancel", "requeue", "delete"] {
        let path = format!("/v1/jobs/{path}");
        assert_eq!(
            door.post(&path, json!({"ids": []})).await.ok(),
            json!({"jobs": []})
        );
        for wrong in [
            json!({}),
            json!({"ids": "x"}),
            json!({"ids": [], "more": 1}),
            json!({"ids": vec![NOBODY; 1001]}),
        ] {
            door.post(&path, wrong).await.problem(400, "bad-request");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_job_is_not_there() {
    let door = Door::open().await;
    for path in ["", "/result", "/input", "/log", "/attempts"] {
        let path = format!("/v1/jobs/{NOBODY}{path}");
        door.get(&path).await.problem(404, "not-found");
    }
    for path in ["cancel", "requeue"] {
        let path = format!("/v1/jobs/{NOBODY}/{path}");
        door.poke(&path).await.problem(404, "not-found");
    }
    door.delete(&format!("/v1/jobs/{NOBODY}"))
        .await
        .problem(404, "not-found");
    // What is no id at all is a client's error too, whichever.
    for wrong in ["17", "batch", "%00", "..%2f..", &"x".repeat(3000)] {
        let answer = door.get(&format!("/v1/jobs/{wrong}")).await;
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let answer = door.get(&format!("/v1/jobs/{NOBODY}?wait=soon")).await;
    answer.problem(400, "bad-request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_runs_is_asked_to_stop() {
    let door = Door::open().await;
    door.push("long", crate::support::guests::beginning(60_000))
        .await;
    let _worker = door.site.worker(&[]).await;
    let id = made(&door, json!({"task": "long.go"})).await;
    door.site.begun(&[id.parse().unwrap()]).await;
    let fate = door.poke(&format!("/v1/jobs/{id}/cancel")).await.ok();
    assert_eq!(fate, json!({"id": id, "became": "asked"}));
    let job = door.get(&format!("/v1/jobs/{id}?wait=30s")).await.ok();
    assert_eq!(job["state"], "cancelled");
    let path = format!("/v1/jobs/{id}/result");
    door.get(&path).await.problem(422, "job-failed");
}
