//! Requests of the HTTP API, by its router and without a network, over a broker in a file.
//! Whatever is sent is answered, and by no `500`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use lovage::api::{Api, Settings};
use lovage::deploy::{self, Push};
use lovage::engine::{self, Engine};
use lovage::telemetry::Telemetry;
use lovage_queue::client::Client;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

use super::Target;
use super::modules::echo;

/// Where requests with a body go, and what the bodies are. The first byte of an input
/// says which; what follows is the body.
const PLACES: &[(&str, &str, &str)] = &[
    ("POST", "/v1/jobs", JSON),
    ("POST", "/v1/jobs", MSGPACK),
    ("POST", "/v1/jobs/batch", JSON),
    ("POST", "/v1/jobs/batch", MSGPACK),
    ("POST", "/v1/jobs/cancel", JSON),
    ("POST", "/v1/jobs/requeue", JSON),
    ("POST", "/v1/jobs/delete", MSGPACK),
    ("POST", "/v1/dead/requeue", JSON),
    ("POST", "/v1/flows", JSON),
    ("POST", "/v1/flows", MSGPACK),
    ("PUT", "/v1/schedules/fuzz", JSON),
    ("PUT", "/v1/schedules/fuzz", MSGPACK),
    ("PUT", "/v1/limits/queue:default", JSON),
    ("PUT", "/v1/hooks/fuzz", JSON),
    ("POST", "/v1/tokens", JSON),
    ("POST", "/v1/modules/fuzz/releases", "application/wasm"),
    ("POST", "/v1/broker/enqueue", MSGPACK),
    ("POST", "/v1/broker/jobs", MSGPACK),
    ("POST", "/v1/broker/list", MSGPACK),
    ("POST", "/v1/broker/fire", MSGPACK),
    ("POST", "/v1/broker/add-nodes", MSGPACK),
    ("POST", "/v1/broker/begin-flow", MSGPACK),
];
const JSON: &str = "application/json";
const MSGPACK: &str = "application/msgpack";
/// Jobs that are made before they are all thrown away: what is fuzzed is no store.
const KEPT: u64 = 2_000;

pub(crate) struct Bodies {
    runtime: Runtime,
    router: Router,
    runs: u64,
    taken: u64,
    _stop: watch::Sender<bool>,
    _folder: TempDir,
}

impl Bodies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().join("fuzz.db").display());
        let (stop, stopped) = watch::channel(false);
        let router = runtime.block_on(async {
            let client = Client::connect(&url).await?;
            let engine = Engine::new(engine::Settings {
                instances: 4,
                ..engine::Settings::default()
            })?;
            let push = Push {
                name: "app",
                bytes: echo()?,
                by: "fuzz",
                patience: Duration::ZERO,
                approver: None,
            };
            deploy::push(&engine, &client, push, |_| {}).await?;
            let settings = Settings {
                vault: None,
                listen: "127.0.0.1:0".parse()?,
                authentication: false,
                origins: Vec::new(),
                tenant: "default".into(),
                body: 1 << 20,
                rate: None,
                tls: None,
                grace: Duration::ZERO,
                patience: lovage::api::Patience::default(),
            };
            let broker = Arc::clone(client.broker());
            let api = Api::new(settings, broker, engine, Telemetry::default(), stopped)?;
            anyhow::Ok(lovage::api::router(api))
        })?;
        Ok(Bodies {
            runtime,
            router,
            runs: 0,
            taken: 0,
            _stop: stop,
            _folder: folder,
        })
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> StatusCode {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .expect("a request");
        let answer = self.router.clone().oneshot(request);
        let answer = self.runtime.block_on(async {
            let answer = answer.await.expect("an answer");
            let (parts, body) = answer.into_parts();
            // All of it, since it is made while it is read.
            let _ = axum::body::to_bytes(body, 64 << 20).await;
            parts
        });
        answer.status
    }
}

impl Target for Bodies {
    fn run(&mut self, input: &[u8]) {
        let Some((first, body)) = input.split_first() else {
            return;
        };
        let (method, path, kind) = PLACES[usize::from(*first) % PLACES.len()];
        let status = self.ask(method, path, kind, body.to_vec());
        assert!(
            status != StatusCode::INTERNAL_SERVER_ERROR,
            "{method} {path} was answered {status}"
        );
        self.runs += 1;
        self.taken += u64::from(status.is_success());
        if self.runs.is_multiple_of(KEPT) {
            self.ask("POST", "/v1/queues/default/purge", JSON, Vec::new());
        }
    }

    fn told(&self) -> String {
        format!("{} of {} requests were taken", self.taken, self.runs)
    }
}
