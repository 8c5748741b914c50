//! The front door: the HTTP API, the dashboard and the metrics, on one port.
//!
//! # Layout
//! - this file: settings, what all requests share, and the routes
//! - `serve`: connections, and their end; `patient`: those of whoever does not read; `tls`:
//!   those that are encrypted
//! - `auth`: who asks; [`token`]: what is kept of them; `cors`: from whose pages
//! - `body`: forms of bodies and answers; `problem`: what could not be done
//! - `docs`: the OpenAPI document, with `document` and `shapes`; `ui`: the dashboard's files
//! - one file a kind of thing: `jobs` with `calls`, `enqueue` and `fates`, `dead`, `modules`, `grants`, `queues`,
//!   `workers`, `schedules`, `flows`, `tokens`, `hooks`, `values`, `audit`, `tenant`, `buckets`
//! - `events` with `feed`: what happens, as it happens; `history`: what has happened
//! - `health`: whether all is well; `metrics`: in numbers; `remote`: what Lovage's own client speaks
//!
//! It is a client like any other: it sees jobs through the broker and runs none.

mod audit;
mod auth;
mod body;
mod buckets;
mod calls;
mod cors;
mod dead;
mod docs;
mod document;
mod enqueue;
mod events;
mod fates;
mod feed;
mod flows;
mod grants;
mod health;
mod history;
mod hooks;
mod jobs;
mod metrics;
mod modules;
mod patient;
mod problem;
mod queues;
mod remote;
mod schedules;
mod serve;
mod shapes;
mod tenant;
mod tls;
pub mod token;
mod tokens;
mod ui;
mod usage;
mod values;
mod workers;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use lovage_queue::broker::Broker;
use lovage_queue::client::Client;
use lovage_queue::task::Rate;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::cors::{Origin, OriginError};
pub use self::serve::run;
pub use self::tls::TlsError;

use self::auth::{Paces, Tokens};
use self::feed::Feeds;
use self::history::Backlogs;
use crate::engine::Engine;
use crate::telemetry::{FrontMetrics, Telemetry};
use crate::vault::Keyring;

/// Tenants whose clients are remembered.
const CLIENTS: usize = 1_000;
/// The longest that one request waits for a job.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// How the front door is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether tokens are needed. Off only on loopback.
    pub authentication: bool,
    /// Whose everything is where they are not.
    pub tenant: String,
    /// How large a request's body may be, unless its token says less.
    pub body: u64,
    /// How often a token may be used where it does not say itself.
    pub rate: Option<Rate>,
    /// Whose pages may use it beside its own.
    pub origins: Vec<Origin>,
    /// A certificate chain and its key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How long requests may go on once it is told to stop.
    pub grace: Duration,
    /// How long clients may take to say what they want.
    pub patience: Patience,
    /// What encrypts secrets, where there is anything.
    pub vault: Option<Arc<Keyring>>,
}

/// What holds clients to their time: whoever sends a byte now and then is not waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a handshake, and for the head of a request.
    pub head: Duration,
    /// For a request's body.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
        }
    }
}

/// What all requests share.
pub struct Api {
    settings: Settings,
    broker: Arc<dyn Broker>,
    engine: Engine,
    clients: Mutex<HashMap<String, Client>>,
    tokens: Tokens,
    paces: Paces,
    feeds: Feeds,
    backlogs: Backlogs,
    acceptor: Option<TlsAcceptor>,
    telemetry: Telemetry,
    front: FrontMetrics,
    /// Held by whoever reads all metrics.
    reading: tokio::sync::Mutex<()>,
    stop: watch::Receiver<bool>,
}

type Shared = Arc<Api>;

impl Api {
    /// A front door to this broker, until `stop` says true. The engine looks at modules
    /// that are pushed, and runs no jobs.
    ///
    /// # Errors
    /// A certificate that cannot be used.
    pub fn new(
        settings: Settings,
        broker: Arc<dyn Broker>,
        engine: Engine,
        telemetry: Telemetry,
        stop: watch::Receiver<bool>,
    ) -> Result<Arc<Self>, TlsError> {
        let acceptor = match &settings.tls {
            Some((chain, key)) => Some(tls::acceptor(chain, key)?),
            None => None,
        };
        Ok(Arc::new(Api {
            acceptor,
            settings,
            feeds: Feeds::new(broker.clone()),
            broker,
            engine,
            clients: Mutex::default(),
            tokens: Tokens::default(),
            paces: Paces::default(),
            backlogs: Backlogs::default(),
            front: FrontMetrics::new(&telemetry.metrics),
            reading: tokio::sync::Mutex::default(),
            telemetry,
            stop,
        }))
    }

    /// A tenant's client, which remembers its modules.
    fn client(&self, tenant: &str) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tenant) {
            return client.clone();
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let mut client = Client::over(self.broker.clone(), tenant);
        if self.telemetry.traces.is_on() {
            client = client.traced(Arc::new(self.telemetry.traces.clone()));
        }
        clients.insert(tenant.to_owned(), client.clone());
        client
    }

    /// Waits until the server is told to stop.
    async fn stopping(&self) {
        let mut stop = self.stop.clone();
        // A sender that is gone has nothing more to say, which is an end too.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

/// All routes of the API, with what the OpenAPI document says of each.
fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(docs::head())
        .routes(routes!(health::whoami))
        .routes(routes!(tenant::show))
        .routes(routes!(modules::list))
        .routes(routes!(modules::show))
        .routes(routes!(modules::push))
        .routes(routes!(modules::activate))
        .routes(routes!(modules::roll_back))
        .routes(routes!(grants::show, grants::put, grants::revoke))
        .routes(routes!(modules::tasks))
        .routes(routes!(modules::task))
        .routes(routes!(jobs::list, enqueue::enqueue))
        .routes(routes!(enqueue::enqueue_all))
        .routes(routes!(fates::cancel_all))
        .routes(routes!(fates::requeue_all))
        .routes(routes!(fates::delete_all))
        .routes(routes!(jobs::show, fates::delete))
        .routes(routes!(jobs::result))
        .routes(routes!(jobs::input))
        .routes(routes!(jobs::log))
        .routes(routes!(jobs::attempts))
        .routes(routes!(fates::cancel))
        .routes(routes!(fates::requeue))
        .routes(routes!(dead::list))
        .routes(routes!(dead::groups))
        .routes(routes!(dead::requeue))
        .routes(routes!(dead::delete))
        .routes(routes!(queues::list))
        .routes(routes!(queues::show))
        .routes(routes!(queues::lanes))
        .routes(routes!(queues::pause))
        .routes(routes!(queues::resume))
        .routes(routes!(queues::purge))
        .routes(routes!(queues::limits))
        .routes(routes!(queues::limit))
        .routes(routes!(queues::pause_scope))
        .routes(routes!(queues::resume_scope))
        .routes(routes!(queues::autoscale))
        .routes(routes!(workers::list))
        .routes(routes!(usage::usage))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::put, schedules::remove))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(schedules::fire))
        .routes(routes!(flows::list, flows::run))
        .routes(routes!(flows::show))
        .routes(routes!(flows::result))
        .routes(routes!(flows::cancel))
        .routes(routes!(flows::retry))
        .routes(routes!(events::listen))
        .routes(routes!(history::show))
        .routes(routes!(remote::answer))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(hooks::list))
        .routes(routes!(hooks::put, hooks::remove))
        .routes(routes!(audit::list))
        .routes(routes!(values::list))
        .routes(routes!(values::put, values::remove))
        .routes(routes!(values::list_secrets))
        .routes(routes!(values::put_secret, values::remove_secret))
        .routes(routes!(buckets::list))
        .routes(routes!(buckets::keys, buckets::delete))
        .routes(routes!(buckets::get, buckets::put, buckets::unset))
}

/// Everything that the port answers to, for whoever has no port.
pub fn router(api: Arc<Api>) -> Router {
    let (routes, document) = routes().split_for_parts();
    let router = routes
        .merge(docs::routes(document))
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(ui::routes())
        .fallback(ui::nowhere)
        .method_not_allowed_fallback(ui::not_so);
    let router = match cors::layer(&api.settings.origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(axum::middleware::map_response(ui::guard))
        .layer(from_fn_with_state(api.clone(), metrics::count))
        .with_state(api)
}
