//! Pages of other origins.

use lovage::api::Settings;
use serde_json::json;

use super::door::{Door, settings};
use super::visitor::{Answer, Visitor};
use crate::support::site::Site;

const PAGE: &str = "https://app.example";
const STRANGER: &str = "https://evil.example";

async fn door(authentication: bool, origins: &[&str]) -> Door {
    let settings = Settings {
        authentication,
        origins: origins.iter().map(|it| it.parse().unwrap()).collect(),
        ..settings()
    };
    Door::on(Site::sqlite(), settings).await
}

/// What a browser asks before it sends a page's request.
async fn preflight(visitor: &Visitor, origin: &str, method: &str) -> Answer {
    let request = visitor.ask("OPTIONS", "/v1/jobs").header("origin", origin);
    let request = request.header("access-control-request-method", method);
    let wanted = "authorization,content-type,idempotency-key";
    Answer::to(request.header("access-control-request-headers", wanted)).await
}

fn allowed(answer: &Answer) -> &str {
    answer.header("access-control-allow-origin")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_named_may_use_the_api() {
    let door = door(true, &[PAGE, "https://two.example"]).await;
    let answer = preflight(&door, PAGE, "DELETE").await;
    assert_eq!((answer.status, allowed(&answer)), (200, PAGE));
    let methods = answer.header("access-control-allow-methods");
    assert_eq!(methods, "GET,POST,PUT,DELETE");
    let headers = answer.header("access-control-allow-headers");
    for name in [
        "authorization",
        "content-type",
        "idempotency-key",
        "last-event-id",
    ] {
        assert!(headers.split(',').any(|it| it == name), "{name}: {headers}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(allowed(&preflight(&door, STRANGER, "POST").await), "");

    let asked = |origin| Answer::to(door.ask("GET", "/v1/queues").header("origin", origin));
    let answer = asked("https://two.example").await;
    assert_eq!(allowed(&answer), "https://two.example");
    assert!(answer.header("vary").contains("origin"));
    assert_eq!(
        answer.header("access-control-expose-headers"),
        "retry-after"
    );
    // It may read that it needs a token: a page's own is all that it has.
    answer.problem(401, "unauthorized");
    assert_eq!(allowed(&asked(STRANGER).await), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_named_by_default() {
    let door = door(true, &[]).await;
    let answer = preflight(&door, PAGE, "POST").await;
    assert_eq!(allowed(&answer), "");
    answer.problem(405, "method-not-allowed");
    let answer = Answer::to(door.ask("GET", "/healthz").header("origin", PAGE)).await;
    assert_eq!((answer.status, allowed(&answer)), (200, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tokens_a_page_must_be_named() {
    let door = door(false, &["*", PAGE]).await;
    let asked = |origin| Answer::to(door.ask("GET", "/v1/queues").header("origin", origin));
    assert_eq!(asked(PAGE).await.ok(), json!({"queues": []}));
    asked(STRANGER).await.problem(403, "forbidden");
    asked("null").await.problem(403, "forbidden");
    assert_eq!(allowed(&preflight(&door, STRANGER, "POST").await), "*");
}
