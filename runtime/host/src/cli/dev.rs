//! `lovage dev`: everything in one process, with an embedded broker.

use std::path::PathBuf;

use clap::Args;
use lovage_queue::client::Client;

use super::serve::ServeFlags;
use super::worker::{self, WorkerFlags, declare_schedules, follow_signals};
use super::{Context, push, serve};
use crate::engine::Engine;

/// Run a worker with an embedded broker and the dashboard, for development
///
/// The broker is a file, so every other command in the same folder finds it:
/// push, call and look from another terminal while this runs. The dashboard and
/// the HTTP API are on http://localhost:7777, or on another port where that one
/// is taken; on loopback they need no token.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Components to push first: `images.wasm`, or `name=path`
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    #[command(flatten)]
    pub(super) worker: WorkerFlags,
    #[command(flatten)]
    pub(super) serve: ServeFlags,
}

impl Dev {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let place = context.place_of_broker("dev")?;
        // Held to the end: the file and its writer are shared with the worker.
        let client = Client::over(place.connect().await?, &context.config.tenant);
        let client = client.audited(&format!("user {}", super::user()));
        let engine = Engine::new(context.config.worker_engine())?;
        for module in &self.modules {
            let (name, path) = match module.split_once('=') {
                Some((name, path)) => (Some(name.to_owned()), path),
                None => (None, module.as_str()),
            };
            // Who names a file here trusts it with this machine.
            let how = push::How {
                now: true,
                grant: true,
            };
            push::push_file(context, &client, &engine, &PathBuf::from(path), name, how).await?;
        }
        declare_schedules(context, &client).await;
        if context.uses_default_broker() {
            tracing::info!(
                "push, call and look from another terminal in this folder; Ctrl-C ends this"
            );
        }
        let phase = follow_signals()?;
        let telemetry = context.telemetry();
        let front = serve::start(
            context,
            &place,
            engine.clone(),
            telemetry.clone(),
            phase.clone(),
            false,
        )
        .await?;
        worker::run(context, &place, engine, telemetry, phase).await?;
        front.await?;
        Ok(())
    }
}
