//! `lovage serve`: the HTTP API and the dashboard.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use figment::value::Value;
use lovage_queue::broker::Place;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Context;
use super::exit::Verdict;
use super::worker::follow_signals;
use crate::api::{self, Api};
use crate::config;
use crate::engine::Engine;
use crate::telemetry::Telemetry;
use crate::worker::Phase;

const AFTER: &str = "\
Examples:
    lovage token create --name me --role admin        first: whoever asks needs a token
    lovage serve                                      on http://localhost:7777
    lovage serve --listen 0.0.0.0:443 --certificate chain.pem --key key.pem

    curl -H 'Authorization: Bearer lov_…' localhost:7777/v1/queues
    LOVAGE_TOKEN=lov_… lovage --broker http://localhost:7777 queues

The API is told of at /docs and, for programs, at /openapi.json. /healthz says that
the process lives, /readyz that the broker answers.";

/// Serve the HTTP API and the dashboard
///
/// It is a client like any other: as many of them as you like may stand before one
/// broker. Everything takes a token; a token is of one tenant. SIGTERM or Ctrl-C lets
/// what runs come to its end within the grace period.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) serve: ServeFlags,
}

/// Where the API is; each goes before the configuration.
#[derive(Debug, Args)]
pub(super) struct ServeFlags {
    /// Where it listens [default: 127.0.0.1:7777]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = FRONT)]
    listen: Option<SocketAddr>,
    /// A certificate chain as a PEM file: connections are encrypted then
    #[arg(long, value_name = "FILE", requires = "key", help_heading = FRONT)]
    certificate: Option<String>,
    /// Its private key as a PEM file
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = FRONT)]
    key: Option<String>,
}

const FRONT: &str = "HTTP API";

impl ServeFlags {
    pub(super) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags: Vec<(&str, Value)> = Vec::new();
        flags.extend(
            self.listen
                .map(|it| ("serve.listen", it.to_string().into())),
        );
        let certificate = self.certificate.clone();
        flags.extend(certificate.map(|it| ("serve.certificate", it.into())));
        flags.extend(self.key.clone().map(|it| ("serve.key", it.into())));
        flags
    }
}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let place = context.place_of_broker("serve")?;
        let engine = context.engine()?;
        let telemetry = context.telemetry();
        start(context, &place, engine, telemetry, follow_signals()?, true)
            .await?
            .await?;
        Ok(())
    }
}

/// Begins to listen, and answers until the phase says otherwise.
pub(super) async fn start(
    context: &Context,
    place: &Place,
    engine: Engine,
    telemetry: Telemetry,
    mut phase: watch::Receiver<Phase>,
    authentication: bool,
) -> anyhow::Result<JoinHandle<()>> {
    let broker = place.connect().await?;
    let wanted = context.config.serve.listen;
    let listener = match TcpListener::bind(wanted.unwrap_or(config::LISTEN)).await {
        // Nobody asked for that port, and who develops two things at once has two of us.
        Err(_) if wanted.is_none() && !authentication => {
            TcpListener::bind((config::LISTEN.ip(), 0)).await
        }
        bound => bound,
    };
    let shown = wanted.unwrap_or(config::LISTEN);
    let listener = listener.map_err(|e| {
        Verdict::Usage(format!(
            "cannot listen on {shown}: {e}; `--listen` says where else"
        ))
    })?;
    let listen = listener.local_addr().context("no address")?;
    let mut settings = context.config.serve(listen, authentication);
    settings.vault = context.config.keyring()?.map(Arc::new);
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        let _ = phase.wait_for(|it| *it > Phase::Serve).await;
        tell.send_replace(true);
        tell.closed().await;
    });
    let authentication = settings.authentication;
    let api = Api::new(settings, broker, engine, telemetry, stop)?;
    tracing::info!(authentication, place = %place, "serving {scheme}://{listen}");
    Ok(tokio::spawn(api::run(listener, api)))
}
