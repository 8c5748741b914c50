//! `lovage pause` and `lovage resume`: let no more jobs start, and let them again.

use clap::Args;
use lovage_queue::limits::Scope;
use serde_json::json;

use super::Context;
use super::limit::SCOPES;

/// Pause a scope: none of its jobs starts
///
/// Those that run are not touched, and calls are still taken: they wait. It holds
/// at once on every worker, and until `lovage resume`.
#[derive(Debug, Args)]
#[command(after_help = format!("{SCOPES}\n\nExamples:\n    lovage pause queue:low\n    lovage pause module:images"))]
pub(super) struct Pause {
    /// Of what: see below
    #[arg(value_name = "SCOPE")]
    scope: Scope,
}

/// Resume a scope that was paused
///
/// Its jobs go on at once, in their order. One that is also paused by another
/// scope, as by its queue or its tenant, waits for that.
#[derive(Debug, Args)]
#[command(after_help = SCOPES)]
pub(super) struct Resume {
    /// Of what: see below
    #[arg(value_name = "SCOPE")]
    scope: Scope,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        set(context, &self.scope, true).await
    }
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        set(context, &self.scope, false).await
    }
}

async fn set(context: &Context, scope: &Scope, paused: bool) -> anyhow::Result<()> {
    let client = context.client().await?;
    client
        .broker()
        .pause(client.tenant(), scope, paused)
        .await?;
    let json = json!({"scope": scope, "paused": paused});
    context.out.print(&json, || match paused {
        true => format!("`{scope}` is paused: its jobs wait; those that run are not touched"),
        false => format!("`{scope}` goes on"),
    })
}
