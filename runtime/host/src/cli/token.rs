//! `lovage token`: who may use the HTTP API.

use clap::{Args, Subcommand};
use lovage_queue::clock::Millis;
use lovage_queue::task::Rate;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::api::token::{NewToken, Role, Token as Record, TokenView};
use crate::units::{Size, Span};
use crate::view::queues::read_rate;

const ROLES: &str = "\
Roles, each with what those before it may:
    viewer      look at everything but tokens, hooks, values, secrets and buckets
    producer    enqueue, cancel and requeue jobs and flows
    deployer    push and activate modules; pause, limit and schedule
    admin       make tokens and hooks; grant; set values and secrets; use buckets

Examples:
    lovage token create --name ci --role deployer --expires 90d
    lovage token create --name shop --role producer --rate 1000/s --tenant shop
    lovage token revoke 0123456789abcdef";

/// Tokens: who may use the HTTP API
///
/// A token is random and of one tenant. Only a hash of its secret is kept: it is
/// printed when it is made, and never again.
#[derive(Debug, Args)]
#[command(after_help = ROLES, arg_required_else_help = true)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    /// List tokens, the oldest first
    List,
    Revoke(Revoke),
}

/// Make a token, and print it
#[derive(Debug, Args)]
#[command(after_help = ROLES)]
struct Create {
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it allows: viewer, producer, deployer or admin
    #[arg(long)]
    role: Role,
    /// How long it is valid [default: until it is revoked]
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// How often it may be used, of each server: `1000/s`
    #[arg(long, value_parser = read_rate)]
    rate: Option<Rate>,
    /// How large the bodies of its requests may be
    #[arg(long, value_name = "SIZE")]
    body: Option<Size>,
}

/// Revoke a token
///
/// All servers refuse it from a second later on.
#[derive(Debug, Args)]
struct Revoke {
    /// Its id, as `list` shows it
    #[arg(value_name = "ID")]
    id: String,
}

impl Token {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let (broker, tenant) = (&**client.broker(), client.tenant());
        match self.command {
            Command::Create(it) => {
                let new = NewToken {
                    name: it.name,
                    role: it.role,
                    expires: it.expires.map(|it| Millis::of_this_host().after(it.0)),
                    rate: it.rate,
                    body: it.body.map(|it| it.0),
                };
                let (token, text) = Record::create(broker, tenant, new).await?;
                let mut json = json!(TokenView::of(&token));
                json["token"] = json!(text);
                context.out.print(&json, || text)
            }
            Command::List => {
                let tokens = Record::list(broker, tenant).await?;
                let views: Vec<_> = tokens.iter().map(TokenView::of).collect();
                context.out.print(&json!(views), || {
                    let dash = || "-".to_owned();
                    let rows = views.into_iter().map(|it| {
                        [
                            it.id,
                            it.name,
                            it.role.to_string(),
                            it.created,
                            it.expires.unwrap_or_else(dash),
                            it.rate.unwrap_or_else(dash),
                        ]
                    });
                    table(["id", "name", "role", "created", "expires", "rate"], rows)
                })
            }
            Command::Revoke(Revoke { id }) => {
                if !Record::revoke(broker, tenant, &id).await? {
                    return Err(Verdict::Missing(format!("there is no token `{id}`")).into());
                }
                let json = json!({"id": id, "revoked": true});
                context
                    .out
                    .print(&json, || format!("token {id} is worth nothing any more"))
            }
        }
    }
}
