//! `lovage flow`: calls that wait for others.
//!
//! - this file: the commands; `run`: from a file to a flow; `show`: what is printed of them

mod run;
mod show;

use std::time::Duration;

use clap::{Args, Subcommand};
use lovage_queue::broker::{FlowState, FlowStatus};
use lovage_queue::client::Client;
use lovage_queue::job::JobId;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use crate::units::Span;
use crate::view::decoded;
use crate::view::flows::{FlowTreeView, FlowView};

/// Flows: calls that wait for others
///
/// Chains, groups, chords, maps and graphs of calls, as a file of JSON says it; results
/// are handed on. Whatever becomes free becomes available in the step that ends what it
/// waited for.
#[derive(Debug, Args)]
pub(super) struct Flow {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    /// Draw a flow: its steps, and where each of them stands
    ///
    /// Groups of more than 12 members are counted by state instead. With `--json` each
    /// step has its path: what `lovage flow result --node` takes.
    Show(Named),
    List(List),
    Wait(Wait),
    /// Cancel what has not ended of a flow; what runs is asked to stop
    Cancel(Named),
    /// Let a flow that failed or was cancelled go on
    ///
    /// What failed runs again, what was cancelled with it comes back, and what has
    /// completed stays as it is.
    Retry(Named),
    Result(ResultOf),
}

#[derive(Debug, Args)]
struct Named {
    /// The flow
    #[arg(value_name = "ID")]
    id: String,
}

/// List flows, the newest first
#[derive(Debug, Args)]
struct List {
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    limit: u32,
}

/// Wait for the end of a flow; the exit code says how it ended
#[derive(Debug, Args)]
struct Wait {
    /// The flow
    #[arg(value_name = "ID")]
    id: String,
    /// For so long at most
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    timeout: Span,
}

/// Print the result of a flow, or of a step of it
///
/// One value of a call, a list of a group's; what failed is there by its default, where
/// it has one. Of a step it need not have ended but for that.
#[derive(Debug, Args)]
struct ResultOf {
    /// The flow
    #[arg(value_name = "ID")]
    id: String,
    /// The step's path, such as `chain[1].group[3]` or `graph[fetch]`
    #[arg(long, value_name = "PATH")]
    node: Option<String>,
}

impl Flow {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let out = &context.out;
        match self.command {
            Command::Run(it) => it.run(context).await,
            Command::Show(Named { id }) => {
                let tree = context.client().await?.flow_tree(id.parse()?).await?;
                out.print(&json!(FlowTreeView::of(&tree)), || show::drawn(out, &tree))
            }
            Command::List(List { limit }) => {
                let flows = context.client().await?.flows(0, limit).await?;
                let json = flows.iter().map(|it| json!(FlowView::of(it))).collect();
                out.print(&json, || show::list(out, &flows))
            }
            Command::Wait(Wait { id, timeout }) => {
                let id = id.parse()?;
                let client = context.client().await?;
                let status = wait(context, &client, id, timeout.0).await?;
                out.print(&json!(FlowView::of(&status)), || show::line(out, &status))?;
                verdict(&client, &status, timeout.0).await
            }
            Command::Cancel(Named { id }) => cancel(context, id.parse()?).await,
            Command::Retry(Named { id }) => retry(context, id.parse()?).await,
            Command::Result(ResultOf { id, node }) => {
                let client = context.client().await?;
                let result = client.flow_result(id.parse()?, node.as_deref()).await?;
                let result = decoded(&result);
                out.print(&result, || format!("{result:#}"))
            }
        }
    }
}

async fn wait(
    context: &Context,
    client: &Client,
    id: JobId,
    at_most: Duration,
) -> anyhow::Result<FlowStatus> {
    let spinner = context.out.spinner(&format!("waiting for {id}"));
    let status = client.wait_flow(id, at_most).await;
    spinner.finish_and_clear();
    Ok(status?)
}

async fn cancel(context: &Context, id: JobId) -> anyhow::Result<()> {
    let client = context.client().await?;
    if client.cancel_flow(id).await? {
        let json = json!({"id": id, "became": "cancelled"});
        return context.out.print(&json, || {
            format!("{id} is cancelled; what runs of it was asked to stop")
        });
    }
    let state = client.flow(id).await?.state;
    let json = json!({"id": id, "became": "ended", "state": state});
    context
        .out
        .print(&json, || format!("{id} had ended: {}", state.as_str()))
}

async fn retry(context: &Context, id: JobId) -> anyhow::Result<()> {
    let client = context.client().await?;
    if client.retry_flow(id).await? {
        let json = json!({"id": id, "became": "retried"});
        return context.out.print(&json, || format!("{id} goes on"));
    }
    let state = client.flow(id).await?.state.as_str();
    let said = format!("flow {id} is {state}: only a failed or cancelled one is retried");
    Err(Verdict::Refused(said).into())
}

/// The exit of a command that waited for a flow.
async fn verdict(client: &Client, status: &FlowStatus, waited: Duration) -> anyhow::Result<()> {
    let state = status.state;
    let reason = match state {
        FlowState::Completed => return Ok(()),
        FlowState::Cancelled => "somebody cancelled it".into(),
        FlowState::Failed => why(client, status.id).await?,
        FlowState::Building | FlowState::Running => {
            let after = waited;
            return Err(Verdict::FlowTimeUp { state, after }.into());
        }
    };
    Err(Verdict::Flow { state, reason }.into())
}

/// The first failure of a flow.
async fn why(client: &Client, id: JobId) -> anyhow::Result<String> {
    let failures = client.flow_failures(id).await?;
    let Some((path, first)) = failures.first() else {
        return Ok("it says no reason".into());
    };
    let more = match failures.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let (task, job, message) = (&first.task, first.id, &first.message);
    Ok(format!(
        "{path}: `{task}`, job {job}: {}: {message}{more}",
        first.kind
    ))
}
