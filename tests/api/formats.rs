//! Bodies and answers: their forms, and requests that have none of them.

use serde_json::{Value, json};

use super::door::Door;
use super::visitor::Answer;

const MSGPACK: &str = "application/msgpack";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packed_bodies_and_answers_say_the_same() {
    let door = Door::with_app().await;
    let call = json!({"task": "app.go", "args": {"side": 5}, "tags": ["a"], "eta": "1h"});
    let body = rmp_serde::to_vec_named(&call).unwrap();
    for kind in [MSGPACK, "application/x-msgpack"] {
        let made = door
            .send("POST", "/v1/jobs", kind, body.clone())
            .await
            .made();
        let path = format!("/v1/jobs/{}", made["id"].as_str().unwrap());
        let json = door.get(&path).await.ok();
        assert_eq!(json["input"], json!({"side": 5}));
        let packed = Answer::to(door.ask("GET", &path).header("accept", kind))
            .await
            .is(200);
        assert_eq!(packed.header("content-type"), MSGPACK);
        let read: Value = rmp_serde::from_slice(&packed.body).unwrap();
        assert_eq!(read, json);
    }
    // Bytes are bytes there, and no texts.
    let image = rmpv::Value::Binary(vec![0, 255, 7]);
    let call = rmpv::Value::Map(vec![
        ("task".into(), "app.blob".into()),
        (
            "args".into(),
            rmpv::Value::Map(vec![("image".into(), image)]),
        ),
    ]);
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, &call).unwrap();
    let made = door.send("POST", "/v1/jobs", MSGPACK, body).await.made();
    let input = format!("/v1/jobs/{}/input", made["id"].as_str().unwrap());
    assert_eq!(door.get(&input).await.ok(), json!({"image": "AP8H"}));
    for broken in [vec![], vec![0xc1], vec![0x81], b"{}".to_vec()] {
        let answer = door.send("POST", "/v1/jobs", MSGPACK, broken).await;
        answer.problem(400, "bad-request");
    }
    // Problems are JSON, whatever was asked for: RFC 9457 has no other form here.
    let wrong = door.ask("GET", "/v1/queues/nope").header("accept", MSGPACK);
    Answer::to(wrong).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_body_is_refused() {
    let door = Door::with_app().await;
    for path in [
        "/v1/jobs",
        "/v1/jobs/batch",
        "/v1/jobs/cancel",
        "/v1/jobs/requeue",
        "/v1/jobs/delete",
        "/v1/dead/requeue",
        "/v1/dead/delete",
        "/v1/flows",
        "/v1/tokens",
    ] {
        for broken in [
            "",
            "{",
            "{\"task\": ",
            "null null",
            "\u{0}",
            &"[".repeat(100_000),
        ] {
            let answer = door
                .send("POST", path, "application/json", broken.to_owned())
                .await;
            answer.problem(400, "bad-request");
        }
        for kind in [
            "text/plain",
            "application/xml",
            "application/x-www-form-urlencoded",
            "",
        ] {
            let answer = door.send("POST", path, kind, "{}").await;
            answer.problem(415, "unsupported-media-type");
        }
        door.poke(path).await.problem(415, "unsupported-media-type");
    }
    let body = json!({"task": "app.go", "args": {"side": 1}}).to_string();
    let kind = "application/json; charset=utf-8";
    door.send("POST", "/v1/jobs", kind, body).await.made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_a_form_that_was_asked_for() {
    let door = Door::open().await;
    for (accept, status) in [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*;q=0.5", 200),
        ("text/html, application/json;q=0.9", 200),
        ("image/png", 406),
        ("text/html", 406),
        ("application/xml;q=0.9, text/html", 406),
    ] {
        let answer = Answer::to(door.ask("GET", "/v1/queues").header("accept", accept)).await;
        assert_eq!(answer.status, status, "{accept}");
        if status == 406 {
            answer.problem(406, "not-acceptable");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nowhere_or_not_to_be_done_is_a_problem() {
    let door = Door::open().await;
    for path in [
        "/nowhere",
        "/v1",
        "/v1/",
        "/v1/job",
        "/v1/queues/",
        "/v2/jobs",
        "//v1/queues",
        "/v1/jobs/../queues/x/y",
    ] {
        let answer = door.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.problem(404, "not-found");
    }
    for (method, path) in [
        ("PUT", "/v1/jobs"),
        ("DELETE", "/v1/queues"),
        ("PATCH", "/v1/jobs"),
        ("POST", "/v1/whoami"),
        ("GET", "/v1/jobs/batch/x/y"),
        ("POST", "/healthz"),
        ("DELETE", "/openapi.json"),
        ("BREW", "/v1/queues"),
        ("OPTIONS", "/v1/queues"),
    ] {
        let answer = Answer::to(door.ask(method, path)).await;
        let (status, kind) = match path {
            "/v1/jobs/batch/x/y" => (404, "not-found"),
            _ => (405, "method-not-allowed"),
        };
        assert_eq!(answer.status, status, "{method} {path}");
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "{method} {path}");
        }
        answer.problem(status, kind);
    }
    let head = door.ask("HEAD", "/v1/queues").send().await.unwrap();
    assert_eq!(head.status(), 200);
}
