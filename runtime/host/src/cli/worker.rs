//! `lovage worker`: a worker until it is told to stop.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use figment::value::Value;
use lovage_queue::broker::{Owner, Place};
use lovage_queue::client::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::Context;
use super::exit::Verdict;
use crate::config::Isolation;
use crate::engine::Engine;
use crate::telemetry::{Telemetry, listen};
use crate::worker::{self, Phase};

/// Run a worker
///
/// It pulls jobs from the broker and runs each in a fresh sandbox. SIGTERM or
/// Ctrl-C drains it: what runs may finish within the grace period, the rest goes
/// back at once. A second one ends it now; running jobs go back too.
#[derive(Debug, Args)]
pub(super) struct Worker {
    #[command(flatten)]
    pub(super) worker: WorkerFlags,
}

/// What a worker serves; each goes before the configuration.
#[derive(Debug, Args)]
pub(super) struct WorkerFlags {
    /// Queues with weights, as in `high=3,default` [default: default]
    #[arg(long, value_name = "LIST")]
    queues: Option<String>,
    /// How many jobs run at once [default: 10 a core]
    #[arg(long, short, value_name = "N")]
    concurrency: Option<usize>,
    /// How long running jobs may go on once it is told to stop [default: 30s]
    #[arg(long, value_name = "SPAN")]
    grace: Option<String>,
    /// Where attempts run: in the worker, or in child processes, one a tenant [default: none]
    #[arg(long, value_enum, value_name = "WHERE")]
    isolation: Option<Isolation>,
    /// Serve metrics at `/metrics` of this address, as in 127.0.0.1:9464; port 0 is any free one
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
}

impl WorkerFlags {
    pub(super) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags: Vec<(&str, Value)> = Vec::new();
        flags.extend(self.queues.clone().map(|it| ("worker.queues", it.into())));
        flags.extend(self.concurrency.map(|it| ("worker.concurrency", it.into())));
        flags.extend(self.grace.clone().map(|it| ("worker.grace", it.into())));
        let isolation = self.isolation.map(|it| it.as_str().into());
        flags.extend(isolation.map(|it| ("worker.isolation", it)));
        flags.extend(self.metrics.clone().map(|it| ("worker.metrics", it.into())));
        flags
    }
}

impl Worker {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let place = context.place_of_broker("worker")?;
        let engine = Engine::new(context.config.worker_engine())?;
        let phase = follow_signals()?;
        declare_schedules(context, &context.client().await?).await;
        run(context, &place, engine, context.telemetry(), phase).await
    }
}

/// Runs a worker, and serves its metrics for as long, where that is asked for.
pub(super) async fn run(
    context: &Context,
    place: &Place,
    engine: Engine,
    telemetry: Telemetry,
    phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let (ended, stop) = oneshot::channel::<()>();
    if let Some(address) = &context.config.worker.metrics {
        let listener = TcpListener::bind(address).await.map_err(|e| {
            Verdict::Usage(format!(
                "cannot serve metrics at `{address}`: {e}; `--metrics` says where else"
            ))
        })?;
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        let stop = async move { drop(stop.await) };
        tokio::spawn(listen::run(listener, telemetry.metrics.clone(), stop));
    }
    let mut settings = context.config.worker();
    settings.vault = context.config.keyring()?.map(Arc::new);
    settings.sql = context.config.databases()?;
    let ran = worker::run(place, engine, settings, telemetry, phase).await;
    drop(ended);
    Ok(ran?)
}

/// Makes the schedules of the configuration file known, if it has any. A worker whose
/// file cannot have its way works all the same.
pub(super) async fn declare_schedules(context: &Context, client: &Client) {
    let Some(schedules) = context.config.schedules() else {
        return;
    };
    let declared = client.declare_schedules(&Owner::Config, schedules).await;
    if let Err(e) = declared {
        tracing::error!(error = %e, "the schedules of the configuration file are not declared: what was declared before stays");
    }
}

/// What SIGTERM and Ctrl-C ask of a worker.
pub(super) fn follow_signals() -> anyhow::Result<watch::Receiver<Phase>> {
    let (tell, phase) = watch::channel(Phase::Serve);
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    tokio::spawn(async move {
        for next in [Phase::Drain, Phase::Halt] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tell.send_replace(next);
        }
        // The sender must outlive the worker.
        tell.closed().await;
    });
    Ok(phase)
}
