//! Calls of tasks: what is taken, and what is not.

use serde_json::{Value, json};

use super::door::{Door, settings};
use super::visitor::{Answer, pointers};
use crate::support::site::Site;

pub(super) fn call(side: u32) -> Value {
    json!({"task": "app.go", "args": {"side": side}})
}

pub(super) async fn count(door: &Door) -> usize {
    let jobs = door.get("/v1/jobs?limit=200").await.ok();
    jobs["jobs"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_all_of_its_terms() {
    let door = Door::with_app().await;
    let body = json!({"task": "app.go", "args": {"side": 3, "name": "ann"}, "queue": "slow",
        "lane": "user-42", "priority": 9, "eta": "1h", "expires": "2h", "key": "k-1",
        "unique": {"until": "done", "conflict": "existing"}, "retries": 4,
        "backoff": {"base": "1s", "factor": 2}, "timeout": "20s",
        "soft_timeout": "10s", "max_age": "1d", "retry_exhausted": true, "fuel": 1000,
        "memory": 65536, "result_ttl": "1h", "release": 1, "tags": ["a", "b"],
        "headers": {"trace": "t-1"}});
    let answer = door.post("/v1/jobs", body).await.made();
    assert_eq!(super::visitor::keys(&answer), ["id"]);
    let id = answer["id"].as_str().unwrap();
    let job = door.get(&format!("/v1/jobs/{id}")).await.ok();
    for (place, value) in [
        ("/id", json!(id)),
        ("/tenant", json!("default")),
        ("/task", json!("app.go")),
        ("/queue", json!("slow")),
        ("/lane", json!("user-42")),
        ("/priority", json!(9)),
        ("/state", json!("scheduled")),
        ("/input", json!({"side": 3, "name": "ann"})),
        ("/result_ttl", json!("1h")),
        ("/unique/until", json!("done")),
        ("/options/max_attempts", json!(5)),
        (
            "/options/backoff",
            json!({"base": "1s", "factor": 2.0, "max": "1h"}),
        ),
        ("/options/timeout", json!("20s")),
        ("/options/soft_timeout", json!("10s")),
        ("/options/max_age", json!("1d")),
        ("/options/retry_exhausted", json!(true)),
        ("/options/fuel", json!(1000)),
        ("/options/memory", json!(65536)),
        ("/options/headers/tags", json!("a,b")),
        ("/options/headers/trace", json!("t-1")),
        ("/result", Value::Null),
    ] {
        assert_eq!(job.pointer(place), Some(&value), "{place} of {job:#}");
    }
    assert!(job["expiry"].as_str().unwrap() > job["available"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_call_is_said_with_its_place() {
    let door = Door::with_app().await;
    let bad: [(Value, u16, &str, &[&str]); 26] = [
        (
            json!({"task": "app.go", "backoff": {"factor": 0.5}}),
            400,
            "bad-request",
            &["/backoff/factor"],
        ),
        (
            json!({"task": "app.go", "backoff": {"base": "2h", "max": "1h"}}),
            400,
            "bad-request",
            &["/backoff/max"],
        ),
        (json!({"task": "nope.go"}), 404, "not-found", &[]),
        (json!({"task": "app.nope"}), 404, "not-found", &[]),
        (
            json!({"task": "app.go", "args": {"side": 1}, "release": 7}),
            404,
            "not-found",
            &[],
        ),
        (json!({"task": "app"}), 400, "bad-request", &["/task"]),
        (json!({"task": "App.go"}), 400, "bad-request", &["/task"]),
        (json!({"args": {}}), 400, "bad-request", &[]),
        (
            json!({"task": "app.go", "argz": {}}),
            400,
            "bad-request",
            &[],
        ),
        (json!([]), 400, "bad-request", &[]),
        (json!({"task": 5}), 400, "bad-request", &[]),
        (
            json!({"task": "app.go"}),
            422,
            "invalid-arguments",
            &["/args"],
        ),
        (
            json!({"task": "app.go", "args": {"side": "wide"}}),
            422,
            "invalid-arguments",
            &["/args/side"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 0, "name": 5}}),
            422,
            "invalid-arguments",
            &["/args/name", "/args/side"],
        ),
        (
            json!({"task": "app.go", "args": [1]}),
            422,
            "invalid-arguments",
            &["/args"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "queue": "A"}),
            400,
            "bad-request",
            &["/queue"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "lane": "x".repeat(200)}),
            400,
            "bad-request",
            &["/lane"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "priority": 10}),
            400,
            "bad-request",
            &["/priority"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "priority": 300}),
            400,
            "bad-request",
            &[],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "eta": "soon"}),
            400,
            "bad-request",
            &["/eta"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "expires": "never"}),
            400,
            "bad-request",
            &["/expires"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "key": ""}),
            400,
            "bad-request",
            &["/key"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "tags": ["a,b"]}),
            400,
            "bad-request",
            &["/tags"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "timeout": "fast"}),
            400,
            "bad-request",
            &[],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "unique": {"until": "x"}}),
            400,
            "bad-request",
            &["/unique/until"],
        ),
        (
            json!({"task": "app.go", "args": {"side": 1}, "headers": {"a": "x".repeat(9000)}}),
            400,
            "bad-request",
            &["/headers"],
        ),
    ];
    for (body, status, kind, places) in &bad {
        let problem = door.post("/v1/jobs", body.clone()).await;
        let problem = problem.problem(*status, kind);
        if !places.is_empty() {
            let mut found = pointers(&problem);
            found.sort_unstable();
            assert_eq!(&found, places, "{problem:#}");
        }
        // The same as the fourth of five: all or none.
        let jobs = [call(1), call(2), call(3), body.clone(), call(5)];
        let problem = door.post("/v1/jobs/batch", json!({"jobs": jobs})).await;
        let problem = problem.problem(*status, kind);
        if !places.is_empty() {
            let mut found = pointers(&problem);
            found.sort_unstable();
            let places: Vec<_> = places.iter().map(|it| format!("/jobs/3{it}")).collect();
            assert_eq!(found, places, "{problem:#}");
        }
    }
    assert_eq!(count(&door).await, 0, "none of them is a job");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_enqueued_in_its_order() {
    let door = Door::with_app().await;
    let jobs: Vec<_> = (1..=5).map(call).collect();
    let made = door
        .post("/v1/jobs/batch", json!({"jobs": jobs}))
        .await
        .made();
    let ids = made["ids"].as_array().unwrap();
    assert_eq!(ids.len(), 5);
    for (n, id) in ids.iter().enumerate() {
        let id = id.as_str().unwrap();
        let input = door.get(&format!("/v1/jobs/{id}/input")).await.ok();
        assert_eq!(input, json!({"side": n + 1}));
    }
    for jobs in [
        json!([]),
        json!(vec![call(1); 1001]),
        json!({}),
        json!(null),
    ] {
        let problem = door.post("/v1/jobs/batch", json!({"jobs": jobs})).await;
        problem.problem(400, "bad-request");
    }
    assert_eq!(count(&door).await, 5);
    let full = door.post("/v1/jobs/batch", json!({"jobs": vec![call(1); 1000]}));
    assert_eq!(full.await.made()["ids"].as_array().unwrap().len(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_the_same_job() {
    let door = Door::with_app().await;
    let keyed = |path: &'static str, key: &'static str, body: Value| {
        let request = door.ask("POST", path).header("idempotency-key", key);
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(body.to_string()))
    };
    let first = keyed("/v1/jobs", "order-17", call(1)).await.made();
    let again = keyed("/v1/jobs", "order-17", call(1)).await.made();
    assert_eq!(first, again);
    let other = keyed("/v1/jobs", "order-18", call(1)).await.made();
    assert_ne!(first, other);
    let body = json!({"task": "app.go", "args": {"side": 1}, "key": "order-17"});
    let inside = door.post("/v1/jobs", body).await.made();
    assert_eq!(first, inside, "the header says what the body may say");
    assert_eq!(count(&door).await, 2);

    let jobs = json!({"jobs": [call(1), call(2)]});
    let first = keyed("/v1/jobs/batch", "b-1", jobs.clone()).await.made();
    let again = keyed("/v1/jobs/batch", "b-1", jobs).await.made();
    assert_eq!(first, again);
    assert_ne!(first["ids"][0], first["ids"][1]);
    assert_eq!(count(&door).await, 4);
    let own = json!({"jobs": [{"task": "app.go", "args": {"side": 1}, "key": "order-18"}]});
    let own = keyed("/v1/jobs/batch", "b-2", own).await.made();
    assert_eq!(
        own["ids"][0], other["id"],
        "a call's own key goes before that of all"
    );
    assert_eq!(count(&door).await, 4);
    let long = Box::leak("k".repeat(256).into_boxed_str());
    for key in ["", long] {
        keyed("/v1/jobs", key, call(1))
            .await
            .problem(400, "bad-request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_with_the_same_key_are_one_job() {
    let door = Door::with_app().await;
    let one = || async {
        let request = door.ask("POST", "/v1/jobs").header("idempotency-key", "k");
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(call(1).to_string())).await.made()["id"].clone()
    };
    let ids = futures_util::future::join_all((0..20).map(|_| one())).await;
    assert!(ids.iter().all(|it| *it == ids[0]), "{ids:?}");
    assert_eq!(count(&door).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_and_a_full_queue_are_refused() {
    let door = Door::with_app().await;
    let reject = json!({"task": "app.go", "args": {"side": 1}, "unique": {"conflict": "reject"}});
    let first = door.post("/v1/jobs", reject.clone()).await.made();
    let problem = door.post("/v1/jobs", reject.clone()).await;
    let problem = problem.problem(409, "duplicate");
    let id = first["id"].as_str().unwrap();
    assert!(
        problem["detail"].as_str().unwrap().contains(id),
        "{problem}"
    );
    assert_eq!(problem["job"], id);
    let batch = json!({"jobs": [call(2), reject]});
    door.post("/v1/jobs/batch", batch)
        .await
        .problem(409, "duplicate");
    assert_eq!(count(&door).await, 1);
    let unknown = door.post("/v1/jobs", json!({"task": "no.pe"})).await;
    assert_eq!(unknown.problem(404, "not-found").get("job"), None);

    let limit = json!({"depth": 2});
    door.put("/v1/limits/queue:small", limit).await.ok();
    let call = json!({"task": "app.go", "args": {"side": 1}, "queue": "small"});
    let three = json!({"jobs": [call, call, call]});
    door.post("/v1/jobs/batch", three)
        .await
        .later(429, "queue-full");
    let two = json!({"jobs": [call, call]});
    door.post("/v1/jobs/batch", two).await.made();
    door.post("/v1/jobs", call).await.later(429, "queue-full");
    assert_eq!(count(&door).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_an_argument_of_their_own() {
    let door = Door::with_app().await;
    let bytes = [0_u8, 159, 146, 150, 255];
    let kind = "application/octet-stream";
    let made = door.send(
        "POST",
        "/v1/jobs?task=app.blob&queue=q&lane=l&priority=7",
        kind,
        bytes.to_vec(),
    );
    let id = made.await.made()["id"].as_str().unwrap().to_owned();
    let job = door.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!(
        (&job["queue"], &job["lane"], &job["priority"], &job["input"]),
        (
            &json!("q"),
            &json!("l"),
            &json!(7),
            &json!({"image": "AJ+Slv8="})
        )
    );
    // In JSON they are Base64, and the same to the task.
    let json = json!({"task": "app.blob", "args": {"image": "AJ+Slv8="}});
    let same = door.post("/v1/jobs", json).await.made()["id"].clone();
    let mut inputs = Vec::new();
    for id in [&id, same.as_str().unwrap()] {
        let request = door.ask("GET", &format!("/v1/jobs/{id}/input"));
        let request = request.header("accept", "application/msgpack");
        inputs.push(Answer::to(request).await.is(200).body);
    }
    assert_eq!(inputs[0], inputs[1]);

    door.send("POST", "/v1/jobs", kind, vec![1])
        .await
        .problem(422, "invalid");
    let wrong = door
        .send("POST", "/v1/jobs?task=app.go", kind, vec![1])
        .await;
    wrong.problem(422, "invalid");
    let wrong = door
        .send("POST", "/v1/jobs?task=no.pe", kind, vec![1])
        .await;
    wrong.problem(404, "not-found");
    let json = json!({"task": "app.blob", "args": {"image": "not Base64!"}});
    let problem = door
        .post("/v1/jobs", json)
        .await
        .problem(422, "invalid-arguments");
    assert_eq!(pointers(&problem), ["/args/image"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_arrive_as_something_else_is_refused() {
    let door = Door::with_app().await;
    for integer in ["-9223372036854775809", "18446744073709551616"] {
        let body = format!(r#"{{"task": "app.go", "args": {{"side": {integer}}}}}"#);
        let answer = door
            .send("POST", "/v1/jobs", "application/json", body)
            .await;
        let problem = answer.problem(422, "invalid");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(integer) && detail.contains("64 bits"),
            "{detail}"
        );
    }
    // Half of a pair of surrogates, as some encoders write it.
    let mut packed = rmp_serde::to_vec_named(&json!({
        "task": "app.go", "args": {"side": 1, "name": "abc"},
    }))
    .unwrap();
    let at = packed.windows(3).position(|it| it == b"abc").unwrap();
    packed[at..at + 3].copy_from_slice(&[0xed, 0xa0, 0x80]);
    let answer = door
        .send("POST", "/v1/jobs", "application/msgpack", packed)
        .await;
    let problem = answer.problem(400, "bad-request");
    assert!(
        problem["detail"].as_str().unwrap().contains("no UTF-8"),
        "{problem}"
    );
    assert_eq!(count(&door).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_is_refused() {
    let settings = lovage::api::Settings {
        body: 10_000,
        ..settings()
    };
    let door = Door::on(Site::sqlite(), settings).await;
    door.push("app", super::app()).await;
    let fits = json!({"task": "app.go", "args": {"side": 1, "name": "x".repeat(9_000)}});
    door.post("/v1/jobs", fits).await.made();
    let large = json!({"task": "app.go", "args": {"side": 1, "name": "x".repeat(10_000)}});
    for path in ["/v1/jobs", "/v1/jobs/batch"] {
        door.post(path, large.clone())
            .await
            .problem(413, "too-large");
    }
    // Nothing says how long it is before it comes.
    let chunks = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_000]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let answer = door
        .send("POST", "/v1/jobs", "application/json", body)
        .await;
    answer.problem(413, "too-large");
    assert_eq!(count(&door).await, 1);
    // And all is well on that connection, or on another.
    door.post("/v1/jobs", call(1)).await.made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_gets_the_job() {
    let door = Door::with_app().await;
    let job = door.post("/v1/jobs?wait=50ms", call(1)).await.ok();
    assert_eq!(job["state"], "available", "nobody works");
    let _worker = door.site.worker(&[]).await;
    let job = door.post("/v1/jobs?wait=30s", call(4)).await.ok();
    assert_eq!(
        (&job["state"], &job["result"]),
        (&json!("completed"), &json!({"side": 4}))
    );
    for wait in ["soon", "-1s", "5", ""] {
        let path = format!("/v1/jobs?wait={wait}");
        door.post(&path, call(1)).await.problem(400, "bad-request");
    }
    // Longer than anybody is waited for is no mistake.
    door.post("/v1/jobs?wait=1h", call(5)).await.ok();
}
