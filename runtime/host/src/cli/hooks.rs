//! `lovage hooks`: who is told of the ends of jobs.

use clap::{Args, Subcommand};
use lovage_queue::broker::Shelf;
use lovage_queue::client::Client;
use lovage_queue::hook::Hook;
use lovage_queue::job::State;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::view::hooks::{HookView, new_secret};

const EXAMPLES: &str = "\
Examples:
    lovage hooks set ops https://ops.example/jobs --outcome discarded
    lovage hooks set shop https://shop.example/done --task orders.bill --task mail
    lovage hooks remove shop

A request is a `POST` of JSON, signed as Standard Webhooks have it: docs/observability.md.";

/// Web-hooks: who is told of the ends of jobs
///
/// Each end of a job that a hook wants to hear of makes a job of `lovage.webhook`, in the
/// step that records it: a request that is tried again like any job, and lies on the dead
/// list where nobody takes it. Without a command: `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Hooks {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List hooks
    List,
    Set(Set),
    Remove(Remove),
}

/// Set a hook: make one, or change it
///
/// Prints the secret that signs its requests where that is new, and never again.
#[derive(Debug, Args)]
struct Set {
    /// Its name
    name: String,
    /// Who is told: an `http://` or `https://` address
    url: String,
    /// Only of this task, or of this module; may be said again [default: all]
    #[arg(long = "task", value_name = "MODULE[.TASK]")]
    tasks: Vec<String>,
    /// Only of this end: completed, discarded or cancelled; may be said again
    /// [default: all]
    #[arg(long = "outcome", value_name = "STATE")]
    outcomes: Vec<State>,
    /// How often it is tried in all [default: 8]
    #[arg(long, value_name = "N")]
    attempts: Option<u32>,
    /// Give it a new secret
    #[arg(long)]
    new_secret: bool,
}

/// Remove a hook
///
/// What it was to be told of already, it is told.
#[derive(Debug, Args)]
struct Remove {
    /// Its name
    name: String,
}

impl Hooks {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        match self.command.unwrap_or(Command::List) {
            Command::List => list(context, &client).await,
            Command::Set(it) => it.run(context, &client).await,
            Command::Remove(Remove { name }) => {
                let (broker, tenant) = (client.broker(), client.tenant());
                if !broker.remove_entry(tenant, Shelf::Hooks, &name).await? {
                    return Err(Verdict::Missing(format!("there is no hook `{name}`")).into());
                }
                let json = json!({"name": name, "removed": true});
                context
                    .out
                    .print(&json, || format!("hook `{name}` is gone"))
            }
        }
    }
}

async fn list(context: &Context, client: &Client) -> anyhow::Result<()> {
    let entries = client
        .broker()
        .entries(client.tenant(), Shelf::Hooks)
        .await?;
    let hooks: Vec<Hook> = entries
        .iter()
        .filter_map(|(_, it)| Hook::decode(it))
        .collect();
    let json = hooks.iter().map(|it| json!(HookView::of(it))).collect();
    context.out.print(&json, || {
        let all = |some: Vec<String>| match some.is_empty() {
            true => "all".to_owned(),
            false => some.join(", "),
        };
        let rows = hooks.into_iter().map(|it| {
            let outcomes = it.outcomes.iter().map(State::to_string).collect();
            [it.name, it.url, all(it.tasks), all(outcomes)]
        });
        table(["name", "url", "tasks", "outcomes"], rows)
    })
}

impl Set {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let (broker, tenant) = (client.broker(), client.tenant());
        let known = broker.entry(tenant, Shelf::Hooks, &self.name).await;
        let known = known?.and_then(|it| Hook::decode(&it));
        let kept = known.filter(|_| !self.new_secret).map(|it| it.secret);
        let is_new = kept.is_none();
        let hook = Hook {
            name: self.name,
            url: self.url,
            tasks: self.tasks,
            outcomes: self.outcomes,
            secret: kept.unwrap_or_else(new_secret),
            attempts: self.attempts,
        };
        hook.check().map_err(|e| Verdict::Usage(e.to_string()))?;
        broker
            .put_entry(tenant, Shelf::Hooks, &hook.name, &hook.encode())
            .await?;
        let mut json = json!(HookView::of(&hook));
        if is_new {
            json["secret"] = json!(hook.secret);
        }
        context.out.print(&json, || match is_new {
            true => hook.secret.clone(),
            false => format!("hook `{}` is set; its secret stays", hook.name),
        })
    }
}
