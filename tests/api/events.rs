//! What happens, as it happens.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lovage_queue::event::{Event, JobsEvent, JobsKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::door::{Door, settings};
use super::visitor::{Answer, Visitor};
use super::{NOBODY, failing};
use crate::support::PATIENCE;
use crate::support::guests::{answering, beginning};
use crate::support::site::Site;

/// An event, as a browser would have it.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    name: String,
    id: String,
    data: Value,
}

/// Somebody who listens.
struct Ear {
    bytes: BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

impl Ear {
    async fn to(visitor: &Visitor, query: &str, last: Option<&str>) -> Self {
        let mut request = visitor.ask("GET", &format!("/v1/events{query}"));
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Ear {
            bytes: answer.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// The next block of lines; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let bytes = tokio::time::timeout(PATIENCE, self.bytes.next());
            let bytes = bytes.await.expect("something is heard")?;
            self.text += std::str::from_utf8(&bytes.ok()?).unwrap();
        }
    }

    /// The next event.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let mut lines = block.lines().filter_map(|it| it.strip_prefix(name));
                lines.next().unwrap_or_default().trim_start().to_owned()
            };
            // A comment is no event, and neither is an id alone.
            if !field("data:").is_empty() {
                return Some(Heard {
                    name: field("event:"),
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:")).expect("JSON"),
                });
            }
        }
    }

    async fn hear(&mut self) -> Heard {
        self.next().await.expect("an event")
    }

    /// The scopes of the next events, which are of limits.
    async fn scopes(&mut self, count: usize) -> (Vec<String>, String) {
        let (mut scopes, mut last) = (Vec::new(), String::new());
        while scopes.len() < count {
            let heard = self.hear().await;
            assert_eq!(heard.name, "limit", "{heard:?}");
            scopes.push(heard.data["scope"].as_str().unwrap().to_owned());
            last = heard.id;
        }
        (scopes, last)
    }
}

/// Something to hear of: with this number.
async fn make_noise(door: &Door, numbers: std::ops::Range<u32>) {
    for n in numbers {
        door.poke(&format!("/v1/queues/q{n}/pause")).await.ok();
    }
}

fn noises(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| format!("queue:q{n}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_is_told() {
    let door = Door::with_app().await;
    let mut ear = Ear::to(&door, "", None).await;
    door.send(
        "POST",
        "/v1/modules/app/releases",
        "application/wasm",
        answering(7),
    )
    .await
    .made();
    let heard = ear.hear().await;
    assert_eq!(heard.name, "release");
    assert_eq!(
        json!([heard.data["module"], heard.data["release"]]),
        json!(["app", 2])
    );
    assert!(!heard.id.is_empty());
    door.poke("/v1/modules/app/rollback").await.ok();
    let heard = ear.hear().await;
    assert_eq!(
        json!([heard.data["release"], heard.data["before"]]),
        json!([1, 2])
    );
    door.poke("/v1/queues/q/pause").await.ok();
    let heard = ear.hear().await;
    assert_eq!(heard.name, "limit");
    assert_eq!(
        json!([heard.data["scope"], heard.data["paused"]]),
        json!(["queue:q", true])
    );
    let body = json!({"task": "app.go", "when": {"every": "1h"}, "input": {"side": 1}});
    door.put("/v1/schedules/hourly", body).await.ok();
    let heard = ear.hear().await;
    assert_eq!(heard.name, "schedule");
    assert_eq!(heard.data["name"], "hourly");
    let flow = json!({"group": [{"task": "app.go", "args": {"side": 1}}]});
    let flow = door.post("/v1/flows", flow).await.made();
    let heard = ear.hear().await;
    assert_eq!(heard.name, "flow");
    assert_eq!(
        json!([heard.data["id"], heard.data["state"]]),
        json!([flow["id"], "running"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_of_jobs_are_told_to_whom_they_concern() {
    let door = Door::with_app().await;
    door.push("bad", failing()).await;
    let _worker = door.site.worker(&[]).await;
    let mut of_task = Ear::to(&door, "?task=bad.go", None).await;
    let mut of_queue = Ear::to(&door, "?queue=other", None).await;
    let mut of_all = Ear::to(&door, "", None).await;
    let good = door
        .post(
            "/v1/jobs?wait=30s",
            json!({"task": "app.go", "args": {"side": 1}}),
        )
        .await
        .ok();
    door.poke("/v1/queues/other/pause").await.ok();
    let bad = door
        .post("/v1/jobs?wait=30s", json!({"task": "bad.go"}))
        .await
        .ok();
    // Others may be told of together, or one after the other.
    loop {
        let heard = of_task.hear().await;
        assert_eq!(
            (&*heard.name, &heard.data["task"]),
            ("jobs", &json!("bad.go"))
        );
        assert_eq!(heard.data["ids"], json!([bad["id"]]));
        if heard.data["kind"] == "discarded" {
            assert_eq!(
                json!([heard.data["count"], heard.data["queue"]]),
                json!([1, "default"])
            );
            break;
        }
    }
    let mut seen = Vec::new();
    while !seen.contains(&json!(["discarded", bad["id"]])) {
        let heard = of_all.hear().await;
        if heard.name == "jobs" {
            seen.push(json!([heard.data["kind"], heard.data["ids"][0]]));
        }
    }
    assert!(seen.contains(&json!(["completed", good["id"]])), "{seen:?}");
    // The queue's listener has heard of nothing: what it hears next is its own.
    let worker = door.site.worker(&["--queues", "other"]).await;
    door.poke("/v1/queues/other/resume").await.ok();
    let call = json!({"task": "app.go", "args": {"side": 2}, "queue": "other"});
    let id = door.post("/v1/jobs", call).await.made()["id"].clone();
    let heard = of_queue.hear().await;
    assert_eq!(
        json!([heard.data["queue"], heard.data["ids"]]),
        json!(["other", [id]])
    );
    drop(worker);
}

async fn resumed(site: Site) {
    let door = Door::on(site, settings()).await;
    // Who is cut off before anything has happened has an id to go on from.
    let mut ear = Ear::to(&door, "", None).await;
    let block = ear.block().await.unwrap();
    let begin = block.strip_prefix("id: ").unwrap().to_owned();
    drop(ear);
    make_noise(&door, 0..5).await;
    let mut ear = Ear::to(&door, "", Some(&begin)).await;
    let (heard, last) = ear.scopes(5).await;
    assert_eq!(heard, noises(0..5));
    drop(ear);
    make_noise(&door, 5..8).await;
    let mut ear = Ear::to(&door, "", Some(&last)).await;
    let (heard, third) = ear.scopes(3).await;
    assert_eq!(heard, noises(5..8));
    make_noise(&door, 8..10).await;
    let (heard, _) = ear.scopes(2).await;
    assert_eq!(heard, noises(8..10));
    drop(ear);

    // Across a restart, and by a parameter.
    let door = door.again().await;
    make_noise(&door, 10..12).await;
    let mut ear = Ear::to(&door, &format!("?after={third}"), None).await;
    assert_eq!(ear.scopes(4).await.0, noises(8..12));
    make_noise(&door, 12..14).await;
    assert_eq!(ear.scopes(2).await.0, noises(12..14));
    // The first cursor is as good as ever, beside others who are further.
    let mut other = Ear::to(&door, "", Some(&last)).await;
    assert_eq!(other.scopes(9).await.0, noises(5..14));
    make_noise(&door, 14..15).await;
    assert_eq!(other.scopes(1).await.0, noises(14..15));
    assert_eq!(ear.scopes(1).await.0, noises(14..15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice_sqlite() {
    resumed(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice_redis() {
    resumed(Site::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_while_much_happens_misses_nothing() {
    let door = Door::open().await;
    let mut ear = Ear::to(&door, "", None).await;
    let (mut heard, count) = (Vec::new(), 60);
    let listen = async {
        while heard.len() < count as usize {
            let (some, last) = ear.scopes(7.min(count as usize - heard.len())).await;
            heard.extend(some);
            ear = Ear::to(&door, "", Some(&last)).await;
        }
    };
    tokio::join!(make_noise(&door, 0..count), listen);
    assert_eq!(heard, noises(0..count));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_nobodys_begins_with_a_gap() {
    let door = Door::open().await;
    for cursor in ["nonsense", "0", "99999999999999-0", "-1", "1-2-3"] {
        let mut ear = Ear::to(&door, "", Some(cursor)).await;
        make_noise(&door, 0..1).await;
        let mut names = Vec::new();
        loop {
            let heard = ear.hear().await;
            names.push(heard.name.clone());
            if heard.name == "limit" {
                break;
            }
        }
        assert!(
            names.iter().all(|it| it == "gap" || it == "limit"),
            "{cursor}: {names:?}"
        );
    }
    let path = format!("/v1/events?job={NOBODY}");
    door.get(&path).await.problem(404, "not-found");
    door.get("/v1/events?quoue=x")
        .await
        .problem(400, "bad-request");
    door.get("/v1/events?job=17")
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_followed_to_its_end() {
    let door = Door::open().await;
    door.push("long", beginning(6_000)).await;
    let _worker = door.site.worker(&[]).await;
    let id = door
        .post("/v1/jobs", json!({"task": "long.go"}))
        .await
        .made()["id"]
        .clone();
    let id = id.as_str().unwrap();
    let mut ear = Ear::to(&door, &format!("?job={id}"), None).await;
    let mut states = Vec::new();
    while states.last() != Some(&json!("completed")) {
        let heard = ear.hear().await;
        match &*heard.name {
            "progress" => {
                assert_eq!(heard.data["id"], id);
                states.push(heard.data["state"].clone());
            }
            "jobs" => assert_eq!(heard.data["ids"], json!([id])),
            other => panic!("`{other}` is not of this job"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_listen_holds_nobody_up() {
    let door = Door::open().await;
    let address = door.base.strip_prefix("http://").unwrap();
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /v1/events HTTP/1.1\r\nhost: {address}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        socket.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        deaf.push(socket);
    }
    let mut ear = Ear::to(&door, "", None).await;
    // More than any buffer between takes.
    let client = door.site.client().await;
    let ids: Vec<_> = (0..20).map(|_| NOBODY.parse().unwrap()).collect();
    let event = |n: u32| {
        let task = format!("app.go{n}");
        Event::Jobs(JobsEvent::new(JobsKind::Started, "q", &task, 20, &ids)).encode()
    };
    for page in 0..5 {
        let some: Vec<_> = (page * 1_000..(page + 1) * 1_000).map(event).collect();
        client.broker().tell("default", &[], &some).await.unwrap();
        for n in page * 1_000..(page + 1) * 1_000 {
            let heard = ear.hear().await;
            assert_eq!(heard.data["task"], format!("app.go{n}"));
        }
    }
    Answer::to(door.ask("GET", "/healthz")).await.ok();
    let site = door.stopped().await;
    drop((deaf, site));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_ends_with_the_server() {
    let door = Door::open().await;
    let mut ear = Ear::to(&door, "", None).await;
    door.tell_to_stop();
    assert_eq!(ear.next().await, None);
    door.stopped().await;
}
