//! A receiver of web-hooks that keeps what it got, and answers as it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;

/// A request, as it came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
    pub(super) body: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON text")
    }
}

#[derive(Clone, Default)]
struct Kept {
    got: Arc<Mutex<Vec<Got>>>,
    /// Answers before it says yes, the next one last.
    answers: Arc<Mutex<Vec<u16>>>,
}

/// Takes requests for as long as the test runs.
pub(super) struct Receiver {
    pub(super) url: String,
    kept: Kept,
}

impl Receiver {
    /// One that first answers so.
    pub(super) async fn start(answers: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let kept = Kept::default();
        *kept.answers.lock().unwrap() = answers.iter().rev().copied().collect();
        let routes = Router::new()
            .route("/hook", post(take))
            .with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Receiver { url, kept }
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.kept.got.lock().unwrap().clone()
    }
}

async fn take(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    kept.got.lock().unwrap().push(Got {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let answer = kept.answers.lock().unwrap().pop().unwrap_or(204);
    StatusCode::from_u16(answer).unwrap()
}
