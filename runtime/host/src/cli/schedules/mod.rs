//! `lovage schedules`: jobs that nobody calls.
//!
//! - this file: the commands but one; `add`: to make a schedule; `show`: what is
//!   printed of them

mod add;
mod show;

use clap::{Args, Subcommand};
use lovage_queue::broker::FireOutcome;
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::view::moment;
use crate::view::schedules::{OutcomeView, ScheduleView, fires};

const AFTER: &str = "\
Without a command: `list`.

Schedules are also declared by a module's tasks (live with its release), and in
`lovage.toml`, as `[schedules.NAME]`, by the workers that read it.";

/// Schedules: jobs at set times
///
/// They live in the broker and any worker fires them: as long as one is there, each
/// time fires once, and not more often however many are.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Schedules {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(Box<add::Add>),
    /// List schedules, and when each fires next
    List,
    /// Show a schedule, its last fires and their jobs
    Show(Named),
    /// Pause a schedule: it makes no jobs until it is resumed
    Pause(Named),
    /// Let a schedule go on; what fell into the pause is not made up for
    Resume(Named),
    /// Fire a schedule now, also a paused one; its times stay as they are
    Run(Named),
    /// Forget a schedule and its history; its jobs stay
    Remove(Named),
    Next(Next),
}

#[derive(Debug, Args)]
struct Named {
    /// The schedule
    #[arg(value_name = "NAME")]
    name: String,
}

/// Show the next times, of all schedules or of some
///
/// Times are of the jobs' fires; a jitter comes on top. Paused schedules have none.
#[derive(Debug, Args)]
struct Next {
    /// How many times
    #[arg(default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Of these schedules only
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Schedules {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let out = &context.out;
        match self.command.unwrap_or(Command::List) {
            Command::Add(it) => it.run(context, &client).await,
            Command::List => {
                let all = client.schedules().await?;
                out.print(
                    &all.iter().map(|it| json!(ScheduleView::of(it))).collect(),
                    || show::list(&all),
                )
            }
            Command::Show(Named { name }) => {
                let (planned, fires) = client.schedule(&name).await?;
                out.print(&show::whole(&planned, &fires), || {
                    show::text(&planned, &fires)
                })
            }
            Command::Pause(Named { name }) => {
                client.pause_schedule(&name).await?;
                out.print(&json!({"name": name, "paused": true}), || {
                    format!("`{name}` is paused: it makes no jobs until it is resumed")
                })
            }
            Command::Resume(Named { name }) => {
                let next = client.resume_schedule(&name).await?;
                let json = json!({"name": name, "paused": false, "next": next.map(moment)});
                out.print(&json, || format!("`{name}` goes on: {}", show::next(next)))
            }
            Command::Run(Named { name }) => {
                let outcome = client.run_schedule(&name).await?;
                out.print(&json!(OutcomeView::of(&outcome)), || show::word(&outcome))?;
                match outcome {
                    FireOutcome::Refused(reason) => Err(Verdict::Refused(reason).into()),
                    _ => Ok(()),
                }
            }
            Command::Remove(Named { name }) => {
                client.remove_schedule(&name).await?;
                out.print(&json!({"name": name, "removed": true}), || {
                    format!("`{name}` is gone; its jobs stay")
                })
            }
            Command::Next(it) => it.run(context, &client).await,
        }
    }
}

impl Next {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let schedules = if self.names.is_empty() {
            client.schedules().await?
        } else {
            let mut some = Vec::new();
            for name in &self.names {
                some.push(client.schedule(name).await?.0);
            }
            some
        };
        let mut times: Vec<(Millis, &str)> = Vec::new();
        for it in schedules.iter().filter(|it| !it.paused) {
            times.extend(fires(it, self.count.into()).map(|at| (at, &*it.schedule.name)));
        }
        times.sort_unstable();
        times.truncate(self.count.into());
        let json = times
            .iter()
            .map(|(at, name)| json!({"at": moment(*at), "name": name}));
        context.out.print(&json.collect(), || {
            let rows = times
                .iter()
                .map(|(at, name)| [moment(*at), (*name).to_owned()]);
            table(["time", "schedule"], rows)
        })
    }
}
