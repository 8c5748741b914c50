//! What is sent to be read: nested without end, a value a byte, broken off, of the wrong
//! kind. It is refused by whoever reads it first, and what nobody reads harms nobody.

use std::time::{Duration, Instant};

use lovage_queue::arguments::MAX_VALUES;
use lovage_queue::client::ClientError;
use lovage_queue::job::State;
use serde_json::json;

use super::Stage;
use crate::api::door::Door;
use crate::fixtures::Guest;
use crate::support::site::{Site, call};
use crate::support::{guests, site_test};

const JSON: &str = "application/json";
const MSGPACK: &str = "application/msgpack";

/// `{"task": "app.go", "args": …}` in MessagePack.
fn packed(args: &[u8]) -> Vec<u8> {
    [b"\x82\xa4task\xa6app.go\xa4args", args].concat()
}

/// So many lists in each other.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0x91; depth];
    bytes.push(0xc0);
    bytes
}

/// A list of so many bytes, each of them a value.
fn values(count: usize) -> Vec<u8> {
    let mut bytes = vec![0xdd];
    bytes.extend((count as u32).to_be_bytes());
    bytes.resize(5 + count, 0xc0);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_would_cost_their_reader_dear_are_refused() {
    let settings = lovage::api::Settings {
        body: 24 << 20,
        ..crate::api::door::settings()
    };
    let door = Door::on(Site::sqlite(), settings).await;
    door.push("app", guests::answering(7)).await;
    let map = |inner: Vec<u8>| packed(&[&[0x81, 0xa1, b'x'][..], &inner].concat());
    let text = |inner: String| format!("{{\"task\": \"app.go\", \"args\": {{\"x\": {inner}}}}}");
    let lists = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let maps = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    let cases = [
        ("deep lists", JSON, text(lists(1_000_000)).into_bytes()),
        ("deep maps", JSON, text(maps(1_000_000)).into_bytes()),
        ("open lists", JSON, "[".repeat(20_000_000).into_bytes()),
        (
            "a value a byte",
            JSON,
            text(format!("[{}0]", "0,".repeat(4_000_000))).into_bytes(),
        ),
        ("deep and packed", MSGPACK, map(nested(1_000_000))),
        ("a packed value a byte", MSGPACK, map(values(10_000_000))),
        (
            "more than there is",
            MSGPACK,
            map(vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        ),
        (
            "a text longer than it is",
            MSGPACK,
            map(vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'x']),
        ),
        ("one more behind it", MSGPACK, map(vec![1, 2])),
        ("never used", MSGPACK, map(vec![0xc1])),
        ("no UTF-8", JSON, b"{\"task\": \"\xff\"}".to_vec()),
        ("a broken escape", JSON, b"{\"task\": \"\\ud800\"}".to_vec()),
        (
            "a name twice",
            JSON,
            b"{\"task\": \"app.go\", \"task\": \"app.go\"}".to_vec(),
        ),
    ];
    for (name, kind, body) in cases {
        let since = Instant::now();
        let answer = door.send("POST", "/v1/jobs", kind, body).await;
        assert!([400, 422].contains(&answer.status), "{name}: {answer:?}");
        assert!(answer.body.len() < 10_000, "{name}: {}", answer.body.len());
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{name}: {:?}",
            since.elapsed()
        );
    }
    // It is still there, and so is what is large and sound.
    let much = values(MAX_VALUES - 10);
    door.send("POST", "/v1/jobs", MSGPACK, map(much))
        .await
        .made();
    let body = json!({"task": "app.go", "args": {"x": "y".repeat(1 << 20)}});
    door.post("/v1/jobs", body).await.made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_no_sense_are_answered_and_cost_nothing() {
    let door = Door::with_app().await;
    for (method, path, kind) in [
        ("POST", "/v1/jobs/batch", JSON),
        ("PUT", "/v1/limits/queue:default", JSON),
        ("PUT", "/v1/schedules/x", JSON),
        ("POST", "/v1/flows", JSON),
        ("POST", "/v1/broker/enqueue", "application/octet-stream"),
        ("POST", "/v1/broker/wait", MSGPACK),
        ("POST", "/v1/broker/nonsense", MSGPACK),
        ("POST", "/v1/modules/x/releases", "application/wasm"),
        ("POST", "/v1/modules/x/releases", "application/octet-stream"),
    ] {
        for body in [
            &b""[..],
            b"null",
            b"[]",
            b"\x91\x91\x91",
            b"\xdf\xff\xff\xff\xff",
            &[0; 4096],
        ] {
            let answer = door.send(method, path, kind, body.to_vec()).await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path}: {answer:?}"
            );
        }
    }
    door.get("/v1/whoami").await.ok();
}

site_test!(
    a_result_that_nobody_can_read_is_shown_as_bytes,
    |site| async move {
        let mut stage = Stage::set(site).await;
        // A hundred thousand lists in each other, and a million values.
        let bomb = |length: u32, byte: u8| {
            Guest::new(&format!(
                "(memory.fill (i32.const 65536) (i32.const {byte}) (i32.const {length}))
            (call $respond (i32.const 65536) (i32.const {length}))"
            ))
            .pages(40)
            .build()
        };
        for (name, module) in [
            ("deep", bomb(100_000, 0x91)),
            ("broken", bomb(2_000_000, 0xdd)),
            ("behind", bomb(2_000_000, 0xc0)),
        ] {
            stage.push(name, &module).await.ok();
            let job = stage.job(call(name)).await;
            assert_eq!(job.state, State::Completed, "{name}: {job:#?}");
            let id = job.call.id.to_string();
            let shown = stage.lovage(&["job", &id, "--json"]).await.ok();
            assert!(!shown.out.is_empty());
            stage.lives(name).await;
        }
        stage.over_and_well().await;
    }
);

/// The client itself is no weaker than the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_have_the_same_bounds_wherever_they_are_made() {
    let site = Site::sqlite();
    site.push("app", &guests::answering(7)).await;
    let client = site.client().await;
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    for (value, says) in [
        (deep, "128 deep"),
        (json!(vec![0; MAX_VALUES]), "1000000 values"),
    ] {
        let call = call("app").arg("x", &value).unwrap();
        let refused = client.enqueue(call).await.unwrap_err();
        assert!(matches!(refused, ClientError::Arguments(_)), "{refused:?}");
        assert!(refused.to_string().contains(says), "{refused}");
    }
}
