//! `lovage grants`: what modules may reach beside the queue.

use clap::{Args, Subcommand};
use lovage_queue::broker::Place;
use lovage_queue::client::{Client, ClientError};
use lovage_queue::grant::{Grant, Grants};
use lovage_queue::granted::Approver;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::view::grants::{GrantsView, lines};
use crate::view::moment;

const EXAMPLES: &str = "\
Examples:
    lovage grants list images
    lovage grants approve images --release 12
    lovage grants revoke images 'http GET api.example.com'

What there is to grant, and how it is written: docs/grants.md.";

/// Grants: what modules may reach beside the queue
///
/// A module says what it wants; a release that wants more than its module was granted is
/// stored, and becomes active once somebody approves. Without a command: `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GrantsCommand {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Approve(Approve),
    Revoke(Revoke),
}

/// List what modules were granted
///
/// Of one module, with what its newest release wants and was not granted.
#[derive(Debug, Default, Args)]
struct List {
    /// Only of this module
    module: Option<String>,
}

/// Approve what a release wants, and make it active
///
/// Grants its module all that it wants. Over HTTP it takes the role `admin`, and what
/// leads to private addresses is approved at the broker itself.
#[derive(Debug, Args)]
struct Approve {
    /// The module's name
    module: String,
    /// Which release [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    release: Option<u32>,
}

/// Take grants back
///
/// Releases stay what they are: attempts that begin a moment later go without, and what
/// they call of it answers that it is denied.
#[derive(Debug, Args)]
struct Revoke {
    /// The module's name
    module: String,
    /// The grant, as `lovage grants list` shows it [default: all of them]
    grant: Option<Grant>,
}

impl GrantsCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        match self.command.unwrap_or(Command::List(List::default())) {
            Command::List(List { module: None }) => list(context, &client).await,
            Command::List(List {
                module: Some(module),
            }) => show(context, &client, &module).await,
            Command::Approve(it) => it.run(context, &client).await,
            Command::Revoke(it) => it.run(context, &client).await,
        }
    }
}

async fn list(context: &Context, client: &Client) -> anyhow::Result<()> {
    let all = client.all_granted().await?;
    let json = all.iter();
    let json = json.map(|(module, it)| {
        let view = GrantsView::of(module, it, None);
        json!({"module": module, "granted": view.granted})
    });
    context.out.print(&json.collect(), || {
        let rows = all.iter().flat_map(|(module, granted)| {
            granted.iter().map(|(grant, approval)| {
                let (at, by) = (moment(approval.at), approval.by.clone());
                [module.clone(), grant.to_string(), at, by]
            })
        });
        table(["module", "grant", "approved", "by"], rows)
    })
}

async fn show(context: &Context, client: &Client, module: &str) -> anyhow::Result<()> {
    let granted = client.granted(module).await?;
    let wanted = match client.wanted(module, None).await {
        Ok(wanted) => Some(wanted),
        Err(ClientError::UnknownModule(_)) if !granted.is_empty() => None,
        Err(e) => return Err(e.into()),
    };
    let view = GrantsView::of(module, &granted, wanted.as_ref());
    context.out.print(&json!(view), || {
        let had = view
            .granted
            .iter()
            .map(|it| [it.grant.clone(), it.at.clone(), it.by.clone()]);
        let awaits = view.awaits.iter().map(|it| {
            let release = view.release.unwrap_or(0);
            let awaits = format!("awaited by release {release}");
            [it.clone(), awaits, String::new()]
        });
        table(["grant", "approved", "by"], had.chain(awaits))
    })
}

impl Approve {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let module = &self.module;
        let (release, wants) = client.wanted(module, self.release).await?;
        let lacks = client.lacking(module, release.digest).await?;
        client
            .approve(module, &wants, approver(context)?, &super::user())
            .await?;
        let number = release.number;
        client.activate(module, number).await?;
        let newly = lines(&lacks);
        let json = json!({"module": module, "active": number, "approved": newly});
        context.out.print(&json, || {
            let mut said: Vec<String> = newly.iter().map(|it| format!("granted `{it}`")).collect();
            said.push(format!("release {number} of `{module}` is active"));
            said.join("\n")
        })
    }
}

impl Revoke {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let Revoke { module, grant } = self;
        if !client.revoke(&module, grant.as_ref()).await? {
            let said = match grant {
                Some(grant) => format!("`{module}` was not granted `{grant}`"),
                None => format!("`{module}` was granted nothing"),
            };
            return Err(Verdict::Missing(said).into());
        }
        let left: Grants = client.granted(&module).await?.grants();
        let json = json!({"module": module, "granted": lines(&left.0)});
        context.out.print(&json, || match &grant {
            Some(grant) => format!("`{module}` may no longer reach `{grant}`"),
            None => format!("`{module}` may reach nothing beside the queue"),
        })
    }
}

/// Who somebody is who approves from here.
pub(super) fn approver(context: &Context) -> anyhow::Result<Approver> {
    Ok(match context.place()? {
        Place::Http(_) => Approver::Admin,
        _ => Approver::Operator,
    })
}
