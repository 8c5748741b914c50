//! Servers that are none, are away, or have had enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use lovage_queue::broker::remote::{Address, RemoteBroker};
use lovage_queue::broker::{Broker, BrokerError};

use super::{Served, error, problem, serve};

async fn connect(host: &str) -> Result<RemoteBroker, BrokerError> {
    let url = format!("http://lov_secret@{host}");
    RemoteBroker::connect(&Address::parse(&url).unwrap()).await
}

#[tokio::test]
async fn one_that_is_not_there_is_unreachable() {
    // Nobody listens there: the others' ports are above.
    let host = "127.0.0.1:9";
    let e = error(connect(host).await);
    assert!(matches!(e, BrokerError::Unreachable { .. }), "{e:?}");
    let said = e.to_string();
    assert!(said.contains(host) && !said.contains("secret"), "{said}");
}

#[tokio::test]
async fn one_that_is_no_lovage_server_is_unsuitable() {
    let html = || async { ([(header::CONTENT_TYPE, "text/html")], "<p>hello") };
    let (host, _task) = serve(Router::new().fallback(html)).await;
    let e = error(connect(&host).await);
    assert!(matches!(e, BrokerError::Unsuitable { .. }), "{e:?}");
    let (host, _task) = serve(Router::new()).await;
    let e = error(connect(&host).await);
    assert!(e.to_string().contains("404"), "{e}");
    assert!(matches!(e, BrokerError::Unsuitable { .. }), "{e:?}");
    let there = format!("http://{host}/");
    let moved = move || async { (StatusCode::FOUND, [(header::LOCATION, there)]) };
    let (host, _task) = serve(Router::new().fallback(moved)).await;
    let e = error(connect(&host).await);
    assert!(
        matches!(e, BrokerError::Unsuitable { .. }),
        "nobody follows: {e:?}"
    );
}

/// A server that answers the first requests with this, and what follows as one does.
async fn after(
    refusals: usize,
    status: StatusCode,
) -> (Served, Result<RemoteBroker, BrokerError>, usize) {
    let served = Served::start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, url) = (
        asked.clone(),
        format!("http://{}/v1/broker/about", served.host),
    );
    let first = move || async move {
        if count.fetch_add(1, Ordering::SeqCst) < refusals {
            let wait = [(header::RETRY_AFTER, "0")];
            return (wait, problem(status, "x", "not just now")).into_response();
        }
        let own = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = own
            .post(url)
            .bearer_auth("lov_viewer")
            .body(vec![0xc0])
            .send()
            .await;
        let kind = [(header::CONTENT_TYPE, "application/msgpack")];
        (kind, sent.unwrap().bytes().await.unwrap()).into_response()
    };
    let (host, task) = serve(Router::new().route("/v1/broker/about", post(first))).await;
    let connected = connect(&host).await;
    task.abort();
    (served, connected, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn one_that_has_had_enough_is_asked_again_a_few_times() {
    let (_served, connected, asked) = after(2, StatusCode::TOO_MANY_REQUESTS).await;
    assert_eq!((connected.unwrap().tenant(), asked), (Some("default"), 3));
    let (_served, connected, asked) = after(100, StatusCode::TOO_MANY_REQUESTS).await;
    let e = error(connected);
    assert!(
        matches!(&e, BrokerError::Busy { reason, .. } if reason == "not just now"),
        "{e:?}"
    );
    assert_eq!(asked, 4);
    let (_served, connected, _) = after(1, StatusCode::SERVICE_UNAVAILABLE).await;
    connected.unwrap();
    let (_served, connected, _) = after(100, StatusCode::SERVICE_UNAVAILABLE).await;
    let e = error(connected);
    assert!(matches!(e, BrokerError::Unreachable { .. }), "{e:?}");
    let (_served, connected, asked) = after(1, StatusCode::INTERNAL_SERVER_ERROR).await;
    assert!(matches!(error(connected), BrokerError::Unsuitable { .. }));
    assert_eq!(asked, 1, "that is no outage");
}
