//! `wasi:http`, with a guest that a toolchain made: a host that judges and sends as a
//! worker's does, and what the guest is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lovage::engine::{
    Access, CallError, Cancel, End, Host, Invocation, Limits, Module, Outcome, Reply, Request,
};
use lovage::net::{Bounds, Gate, HttpAnswer, HttpFailure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{ENGINE, PATIENCE};
use crate::net::{Told, gate, grants};
use crate::support::until;
use crate::support::wasm::Examples;
use crate::support::web::Web;

static MODULE: OnceCell<Module> = OnceCell::const_new();

async fn module() -> &'static Module {
    let compile = || async {
        let built = tokio::task::spawn_blocking(|| {
            let component = Examples::build().component("web");
            ENGINE.compile(&std::fs::read(component).unwrap()).unwrap()
        });
        built.await.unwrap()
    };
    MODULE.get_or_init(compile).await
}

/// The host of an attempt that may ask this server.
struct Worker(Gate);

#[async_trait]
impl Host for Worker {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        match request {
            Request::Access(Access::Http(request)) => Ok(Reply::Http(self.0.http(request).await)),
            _ => Err(CallError::Denied("nothing else".into())),
        }
    }
}

/// A run of a task: what it is given, and what it may.
struct Run {
    granted: Vec<String>,
    limits: Limits,
    cancel: Cancel,
    /// What the host goes by, where that is not what the engine does.
    judged: Option<Vec<String>>,
}

impl Run {
    fn granted(granted: &[&str]) -> Self {
        Run {
            granted: granted.iter().map(|it| (*it).to_owned()).collect(),
            limits: Limits::default(),
            cancel: Cancel::default(),
            judged: None,
        }
    }

    /// May ask this server, by the name `web.test`.
    fn open(web: &Web) -> Self {
        Run::granted(&[&format!("http private web.test:{}", web.port())])
    }

    async fn call(self, task: &str, input: Value) -> Outcome {
        let granted = |it: &[String]| it.iter().map(String::clone).collect::<Vec<_>>();
        let judged = granted(self.judged.as_ref().unwrap_or(&self.granted));
        let judged: Vec<&str> = judged.iter().map(String::as_str).collect();
        let engines: Vec<&str> = self.granted.iter().map(String::as_str).collect();
        let names = Told::of(&[("web.test", &["127.0.0.1"]), ("evil.test", &["127.0.0.1"])]);
        let gate = gate(names, &judged, self.limits.http.clone());
        let module = module().await;
        let input = rmp_serde::to_vec_named(&input).unwrap();
        let invocation = Invocation {
            limits: self.limits,
            cancel: self.cancel,
            grants: grants(&engines),
            ..Invocation::local(module.digest(), task, input)
        };
        let run = ENGINE.run(module, invocation, Arc::new(Worker(gate)));
        tokio::time::timeout(PATIENCE, run).await.expect("it ends")
    }
}

fn result(outcome: &Outcome) -> Value {
    match &outcome.end {
        End::Completed(result) => {
            let value: rmpv::Value = rmp_serde::from_slice(result).unwrap();
            serde_json::to_value(value).unwrap()
        }
        other => panic!("{other:?}\n{}", log(outcome)),
    }
}

fn log(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.log.bytes).into_owned()
}

/// How `fetch` failed, in a word.
fn kind(outcome: &Outcome) -> &str {
    match &outcome.end {
        End::Failed(failure) => &failure.kind,
        other => panic!("{other:?}\n{}", log(outcome)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_request_is_sent_and_its_answer_read() {
    let web = Web::start().await;
    let input = json!({
        "url": web.url("web.test", "/thing?a=b"), "method": "POST",
        "headers": {"x-mine": "7"}, "body": rmpv_bytes(),
    });
    let outcome = Run::open(&web).call("fetch", input).await;
    let answer = result(&outcome);
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(answer["headers"], json!({"x-said": "yes"}));
    let sent = web.requests().pop().unwrap();
    assert!(sent.starts_with("POST /thing?a=b HTTP/1.1\r\n"), "{sent}");
    assert!(
        sent.contains("x-mine: 7\r\n") && sent.ends_with("\r\n\r\nabc"),
        "{sent}"
    );
    let large = web.url("web.test", "/sized?3000000");
    let outcome = Run::open(&web).call("fetch", json!({ "url": large })).await;
    assert_eq!(
        result(&outcome)["body"].as_array().unwrap().len(),
        3_000_000
    );
}

/// What MessagePack has for bytes, and JSON lacks.
fn rmpv_bytes() -> Value {
    json!([97, 98, 99])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_granted_is_denied_and_the_log_says_what() {
    let web = Web::start().await;
    let url = web.url("web.test", "/");
    let port = web.port();
    let outcome = Run::granted(&[]).call("fetch", json!({ "url": url })).await;
    assert_eq!(kind(&outcome), "denied");
    let said = format!("lovage: the module was not granted `http GET web.test:{port}`\n");
    assert_eq!(log(&outcome), said);
    for (granted, url, expected) in [
        ("http private GET web.test", &url[..], "denied"),
        (
            &format!("http private POST web.test:{port}"),
            &url,
            "denied",
        ),
        (&format!("http private *.web.test:{port}"), &url, "denied"),
        (&format!("http web.test:{port}"), &url, "prohibited"),
        (
            &format!("http private web.test:{port}"),
            &web.url("me@web.test", "/"),
            "invalid",
        ),
        (
            &format!("http no.test:{port}"),
            &web.url("no.test", "/"),
            "unknown",
        ),
        ("http private web.test:1", "http://web.test:1/", "connect"),
        (
            &format!("http private web.test:{port}"),
            &format!("https://web.test:{port}/"),
            "tls",
        ),
        (
            &format!("http private web.test:{port}"),
            &web.url("web.test", "/nonsense"),
            "broken",
        ),
    ] {
        let outcome = Run::granted(&[granted])
            .call("fetch", json!({ "url": url }))
            .await;
        assert_eq!(
            kind(&outcome),
            expected,
            "{granted}: {url}: {}",
            log(&outcome)
        );
        assert!(log(&outcome).starts_with("lovage: "), "{}", log(&outcome));
    }
    // An engine that a module has taken over may say what it likes.
    let mut taken = Run::open(&web);
    taken.judged = Some(Vec::new());
    let outcome = taken.call("fetch", json!({ "url": url })).await;
    assert_eq!(kind(&outcome), "denied");
    let sent = web.requests();
    assert!(
        sent.len() == 1 && sent[0].starts_with("GET /nonsense"),
        "{sent:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_where_nothing_was_granted_ends_there() {
    let web = Web::start().await;
    for (to, expected) in [
        (
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "denied",
        ),
        (web.url("127.0.0.1", "/"), "denied"),
        (web.url("evil.test", "/"), "prohibited"),
    ] {
        let mut run = Run::open(&web);
        run.granted.push(format!("http evil.test:{}", web.port()));
        let url = web.url("web.test", &format!("/redirect?{to}"));
        let outcome = run.call("follow", json!({ "url": url })).await;
        assert_eq!(kind(&outcome), expected, "{to}: {}", log(&outcome));
    }
    let url = web.url(
        "web.test",
        &format!("/redirect?{}", web.url("web.test", "/")),
    );
    let outcome = Run::open(&web).call("follow", json!({ "url": url })).await;
    assert_eq!(result(&outcome)["status"], 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_held_to_its_bounds() {
    let web = Web::start().await;
    let within = |time| {
        let mut run = Run::open(&web);
        run.limits.http = Bounds {
            requests: 6,
            body: 50_000,
            time,
            ..Bounds::default()
        };
        run
    };
    let run = || within(PATIENCE);
    // Four at a time, and the others have their turn.
    let flood = json!({ "url": web.url("web.test", "/"), "times": 8 });
    let ends = result(&run().call("flood", flood).await);
    let ends: Vec<&str> = ends
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        ends,
        [
            "200", "200", "200", "200", "200", "200", "too-many", "too-many"
        ]
    );
    // What is not read lies with the host: four of the largest bodies at most.
    let hoard = json!({ "url": web.url("web.test", "/sized?45000"), "times": 6 });
    let ends = result(&run().call("hoard", hoard).await);
    assert_eq!(ends, json!([4, ["answer-too-large", "answer-too-large"]]));
    for (path, expected) in [
        ("/sized?50001", "answer-too-large"),
        ("/endless", "answer-too-large"),
        ("/headers?70000", "answer-too-large"),
        ("/silent", "timeout"),
        ("/dripping", "timeout"),
    ] {
        let url = web.url("web.test", path);
        let run = match expected {
            "timeout" => within(Duration::from_millis(500)),
            _ => run(),
        };
        let outcome = run.call("fetch", json!({ "url": url })).await;
        assert_eq!(kind(&outcome), expected, "{path}: {}", log(&outcome));
    }
    let body = vec![1; 50_001];
    let input = json!({ "url": web.url("web.test", "/"), "method": "POST", "body": body });
    let outcome = run().call("fetch", input).await;
    assert_eq!(kind(&outcome), "request-too-large", "{}", log(&outcome));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_is_stopped_leaves_its_request() {
    let web = Web::start().await;
    let url = web.url("web.test", "/silent");
    let run = Run::open(&web);
    let cancel = run.cancel.clone();
    let running = tokio::spawn(run.call("fetch", json!({ "url": url })));
    until("the request is there", || async { web.requests().pop() }).await;
    let began = Instant::now();
    cancel.stop();
    assert_eq!(running.await.unwrap().end, End::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(20));
    let left = || async { (web.left() == 1).then_some(()) };
    until("its connection is closed", left).await;
    let mut late = Run::open(&web);
    late.limits.deadline = Duration::from_millis(300);
    let outcome = late.call("fetch", json!({ "url": url })).await;
    assert_eq!(outcome.end.ending(), lovage_queue::job::Ending::Deadline);
}

/// Says what no host of ours would.
struct Liar(Result<HttpAnswer, HttpFailure>);

#[async_trait]
impl Host for Liar {
    async fn call(&self, _: Request) -> Result<Reply, CallError> {
        Ok(Reply::Http(self.0.clone()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_harms_nobody() {
    let answer = HttpAnswer {
        status: 7,
        headers: vec![("a b".into(), serde_bytes::ByteBuf::from(b"\n"))],
        body: b"hello".to_vec(),
    };
    let module = module().await;
    let input = json!({ "url": "https://web.test/" });
    let invocation = Invocation {
        grants: grants(&["http web.test"]),
        ..Invocation::local(
            module.digest(),
            "fetch",
            rmp_serde::to_vec_named(&input).unwrap(),
        )
    };
    let outcome = ENGINE
        .run(module, invocation, Arc::new(Liar(Ok(answer))))
        .await;
    let answer = result(&outcome);
    assert_eq!(
        (&answer["status"], &answer["headers"]),
        (&json!(502), &json!({}))
    );
}
