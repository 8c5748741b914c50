//! How long, how large and how many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lovage::net::{Bounds, Gate, HttpFailure, HttpRequest, Part};
use serde_bytes::ByteBuf;

use super::{Told, gate, get, name};
use crate::support::until;
use crate::support::web::Web;

/// A way to this server, and to nobody else.
fn open(web: &Web, bounds: Bounds) -> Gate {
    let names = Told::of(&[("web.test", &["127.0.0.1"])]);
    let granted = format!("http private web.test:{}", web.port());
    gate(names, &[&granted], bounds)
}

fn url(web: &Web, path: &str) -> String {
    web.url("web.test", path)
}

#[tokio::test]
async fn bodies_and_headers_end_at_their_bounds() {
    let web = Web::start().await;
    let bounds = Bounds {
        body: 100_000,
        headers: 8_000,
        ..Bounds::default()
    };
    let gate = open(&web, bounds);
    for (path, expected) in [
        ("/sized?100000", Ok(100_000)),
        ("/sized?100001", Err(Part::AnswerBody)),
        ("/endless", Err(Part::AnswerBody)),
        ("/headers?7000", Ok(5)),
        ("/headers?8000", Err(Part::AnswerHeaders)),
    ] {
        match (gate.http(get(&url(&web, path))).await, expected) {
            (Ok(answer), Ok(length)) => assert_eq!(answer.body.len(), length, "{path}"),
            (Err(HttpFailure::TooLarge(part, _)), Err(expected)) => {
                assert_eq!(part, expected, "{path}");
            }
            (answered, _) => panic!("{path}: {answered:?}"),
        }
    }
    let sent = web.requests().len();
    let mut large = get(&url(&web, "/"));
    large.body = vec![b'x'; 100_001];
    let failed = gate.http(large).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the body of a request takes more than 100000 bytes"
    );
    let mut long = get(&url(&web, "/"));
    long.headers = vec![("x-long".into(), ByteBuf::from(vec![b'x'; 8_000]))];
    let failed = gate.http(long).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the headers of a request take more than 8000 bytes"
    );
    let failed = gate.http(get(&url(&web, &"/x".repeat(4_000)))).await;
    assert_eq!(name(&failed), "too large");
    assert_eq!(web.requests().len(), sent, "those were never sent");
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_given_up() {
    let web = Web::start().await;
    let bounds = Bounds {
        time: Duration::from_millis(400),
        ..Bounds::default()
    };
    let gate = open(&web, bounds);
    for path in ["/silent", "/dripping"] {
        let began = Instant::now();
        let failed = gate.http(get(&url(&web, path))).await.unwrap_err();
        assert_eq!(
            failed,
            HttpFailure::Timeout(Duration::from_millis(400)),
            "{path}"
        );
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    // The task may be in more of a hurry, and not in less.
    for (wanted, waited) in [(50, 50), (60_000, 400)] {
        let request = HttpRequest {
            patience: Some(Duration::from_millis(wanted)),
            ..get(&url(&web, "/silent"))
        };
        let failed = gate.http(request).await.unwrap_err();
        assert_eq!(failed, HttpFailure::Timeout(Duration::from_millis(waited)));
    }
    let patient = open(&web, Bounds::default());
    let failed = patient.http(get(&url(&web, "/nonsense"))).await;
    assert_eq!(name(&failed), "broken");
}

#[tokio::test]
async fn an_attempt_makes_so_many_requests() {
    let web = Web::start().await;
    let bounds = Bounds {
        requests: 2,
        ..Bounds::default()
    };
    let gate = open(&web, bounds);
    assert!(gate.http(get(&url(&web, "/"))).await.is_ok());
    // One that is refused counts as well: else to try would cost nothing.
    assert_eq!(name(&gate.http(get("http://other.test/")).await), "denied");
    let failed = gate.http(get(&url(&web, "/"))).await.unwrap_err();
    assert_eq!(failed.to_string(), "an attempt may make 2 requests");
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_given_up() {
    let web = Web::start().await;
    let gate = Arc::new(open(&web, Bounds::default()));
    let asked = url(&web, "/silent");
    let waiting = tokio::spawn(async move { gate.http(get(&asked)).await });
    until("the request is there", || async { web.requests().pop() }).await;
    waiting.abort();
    until("its connection is closed", || async {
        (web.left() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_about_the_connection_is_ours_to_say() {
    let web = Web::start().await;
    let gate = open(&web, Bounds::default());
    let header = |name: &str, value: &str| (name.to_owned(), ByteBuf::from(value.as_bytes()));
    let request = HttpRequest {
        method: "POST".into(),
        url: url(&web, "/hops"),
        headers: vec![
            header("host", "metadata.internal"),
            header("connection", "x-secret"),
            header("transfer-encoding", "chunked"),
            header("content-length", "1"),
            header("proxy-authorization", "Basic abc"),
            header("authorization", "Bearer mine"),
        ],
        body: b"body\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n".to_vec(),
        patience: None,
    };
    let length = request.body.len();
    let answer = gate.http(request).await.unwrap();
    let sent = web.requests().pop().unwrap();
    let head = sent.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
    for line in [
        format!("host: web.test:{}", web.port()),
        format!("content-length: {length}"),
        "authorization: bearer mine".to_owned(),
        concat!("user-agent: lovage/", env!("CARGO_PKG_VERSION")).to_owned(),
    ] {
        let lines = head.lines().filter(|it| **it == line);
        assert_eq!(lines.count(), 1, "`{line}` in:\n{head}");
    }
    for name in [
        "transfer-encoding",
        "proxy-authorization",
        "x-secret",
        "metadata",
    ] {
        assert!(!head.contains(name), "`{name}` in:\n{head}");
    }
    assert_eq!(web.requests().len(), 1);
    let names: Vec<&str> = answer.headers.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["x-said"]);
}
