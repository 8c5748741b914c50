//! The same over HTTP as at the broker: the client and the binary speak to a server
//! that is nothing but [`answer`] over an SQLite broker.
//!
//! # Layout
//! - here: the server, and who may ask it
//! - `asking`: what producers and operators do
//! - `refusing`: what the server does not take, whoever sent it
//! - `failing`: servers that are none, are away, or have had enough
//! - `commands`: the binary

mod asking;
mod commands;
mod failing;
mod refusing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use lovage::deploy;
use lovage::engine::{Engine, Settings};
use lovage_queue::broker::remote::{Operation, Right, wire};
use lovage_queue::broker::sqlite::SqliteBroker;
use lovage_queue::broker::{Broker, BrokerError};
use lovage_queue::client::{Client, answer};
use lovage_queue::clock::Clock;
use lovage_queue::registry::Manifest;
use lovage_queue::task::{TaskInfo, TaskOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Tokens, their tenants, and what they allow.
const TOKENS: [(&str, &str, Right); 4] = [
    ("lov_deployer", "default", Right::Deploy),
    ("lov_producer", "default", Right::Produce),
    ("lov_viewer", "default", Right::Read),
    ("lov_other", "other", Right::Deploy),
];

/// A server over a file, until it is dropped.
struct Served {
    dir: TempDir,
    /// The broker itself.
    broker: Arc<dyn Broker>,
    host: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let broker = SqliteBroker::open(&dir.path().join("lovage.db"), Clock::Store).await;
        let broker: Arc<dyn Broker> = Arc::new(broker.unwrap());
        let app = Router::new()
            .route("/v1/broker/{operation}", post(operate))
            .route("/v1/modules/{module}/releases", post(push))
            .layer(DefaultBodyLimit::max(wire::MAX_BODY))
            .with_state(broker.clone());
        let (host, task) = serve(app).await;
        Served {
            dir,
            broker,
            host,
            task,
        }
    }

    /// Its URL with a token.
    fn url(&self, token: &str) -> String {
        format!("http://{token}@{}", self.host)
    }

    /// The file below it.
    fn database(&self) -> PathBuf {
        self.dir.path().join("lovage.db")
    }

    /// A client over HTTP.
    async fn client(&self, token: &str) -> Client {
        Client::connect(&self.url(token)).await.unwrap()
    }

    /// The client of a worker beside it.
    fn beside(&self) -> Client {
        Client::over(self.broker.clone(), "default")
    }

    /// Makes a module active whose task `go` takes a `side`, at least 1, and a `name`.
    async fn with_app(self) -> Self {
        let task = TaskInfo {
            name: "go".into(),
            doc: String::new(),
            input_schema: json!({"type": "object", "required": ["side"],
                "additionalProperties": false, "properties": {
                    "side": {"type": "integer", "minimum": 1}, "name": {"type": "string"}}}),
            output_schema: json!({"type": "integer"}),
            options: TaskOptions::default(),
            schedules: Vec::new(),
        };
        let manifest = Manifest {
            size: 3,
            tasks: vec![task],
            wants: Default::default(),
        };
        let (broker, tenant) = (&self.broker, "default");
        let digest = broker.put(tenant, b"app", &manifest).await.unwrap();
        let release = broker.stage(tenant, "app", digest, "ann").await.unwrap();
        let active = broker.activate(tenant, "app", release.number).await;
        active.unwrap();
        self
    }
}

/// Serves on a port of its own.
async fn serve(app: Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (host, task)
}

fn problem(status: StatusCode, kind: &str, detail: &str) -> Response {
    let body = json!({"type": format!("urn:lovage:problem:{kind}"), "status": status.as_u16(),
        "title": kind, "detail": detail});
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}

/// Who asks, if they may.
fn who(headers: &HeaderMap, needs: Right) -> Result<&'static str, Box<Response>> {
    let bearer = headers.get(header::AUTHORIZATION);
    let token = bearer.and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
    let known = TOKENS.iter().find(|it| Some(it.0) == token);
    match known {
        None => Err(Box::new(problem(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "no such token",
        ))),
        Some((_, _, right)) if *right < needs => {
            let said = "the token does not allow it";
            Err(Box::new(problem(StatusCode::FORBIDDEN, "forbidden", said)))
        }
        Some((_, tenant, _)) => Ok(tenant),
    }
}

async fn operate(
    State(broker): State<Arc<dyn Broker>>,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(operation) = operation.parse::<Operation>() else {
        return problem(StatusCode::NOT_FOUND, "not-found", "no such operation");
    };
    let tenant = match who(&headers, operation.right()) {
        Ok(tenant) => tenant,
        Err(refused) => return *refused,
    };
    let packed = [(header::CONTENT_TYPE, wire::CONTENT_TYPE)];
    match answer(&Client::over(broker, tenant), operation, &body).await {
        Ok(body) => (packed, body).into_response(),
        Err(e) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            packed,
            wire::pack_error(&e),
        )
            .into_response(),
    }
}

async fn push(
    State(broker): State<Arc<dyn Broker>>,
    Path(module): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let tenant = match who(&headers, Right::Deploy) {
        Ok(tenant) => tenant,
        Err(refused) => return *refused,
    };
    let engine = Engine::new(Settings {
        instances: 2,
        ..Settings::default()
    });
    let push = deploy::Push {
        name: &module,
        bytes: body.to_vec(),
        by: "a token",
        patience: Duration::ZERO,
        approver: None,
    };
    let client = Client::over(broker, tenant);
    match deploy::push(&engine.unwrap(), &client, push, |_| ()).await {
        Ok(it) => {
            let mut release = json!(it.release);
            // As people read it.
            release["at"] = Value::from("2027-01-31T09:00:00Z");
            let body = json!({"module": module, "release": release, "manifest": it.manifest,
                "workers": it.readiness});
            (StatusCode::CREATED, axum::Json(body)).into_response()
        }
        Err(e) => problem(StatusCode::UNPROCESSABLE_ENTITY, "refused", &e.to_string()),
    }
}

/// The error of what must have failed.
#[track_caller]
fn error<T>(done: Result<T, BrokerError>) -> BrokerError {
    match done {
        Ok(_) => panic!("it must fail"),
        Err(e) => e,
    }
}
