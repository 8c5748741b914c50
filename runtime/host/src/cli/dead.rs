//! `lovage dead`: the jobs that were given up, and what can be done with them.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use lovage_queue::client::{Client, ClientError};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobId, State};
use serde_json::json;

use super::Context;
use super::fate::{self, Fate};
use super::job::show;
use super::output::{job as job_json, shortened, table};
use super::select::{self, FilterFlags, Selection};
use crate::view::moment;

/// Jobs a request.
const BATCH: usize = 1000;

const EXAMPLES: &str = "\
Examples:
    lovage dead list --group                              what fails, and why
    lovage dead show 01a1fb9d-48d5-7000-96f5-e653747a8050
    lovage dead requeue --all --task images.thumbnail     after the fix was pushed
    lovage dead requeue --all --reason deadline
    lovage dead delete --all --older 7d";

/// The dead list: jobs that were given up
///
/// A job is discarded when its attempts are used up, when a failure is fatal, when
/// a trap would only repeat itself, or when too many workers died with it. It is
/// kept with its input, every attempt and their logs, until the retention of
/// discarded jobs is over (30 days).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Dead {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Requeue(Requeue),
    Delete(Delete),
}

/// List dead jobs, the newest first
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: FilterFlags,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    limit: u32,
    /// How many there are of each task and reason, of all that the filters let
    /// through
    #[arg(long, conflicts_with = "limit")]
    group: bool,
}

/// Show a job with all its attempts and their logs
#[derive(Debug, Args)]
struct Show {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
}

/// Make dead or cancelled jobs available again
///
/// They go to the end of their lanes, with their attempts and crashes counted
/// from zero; what became of the earlier ones stays on the record. They run the
/// release that is active then. `--all` takes those that were dead when it began;
/// cancelled jobs are requeued by their ids.
#[derive(Debug, Args)]
struct Requeue {
    #[command(flatten)]
    selection: Selection,
}

/// Delete dead jobs for good
///
/// `--all` takes those that were dead when it began; without a filter also those
/// whose record cannot be read. By its id any job is deleted that has ended.
#[derive(Debug, Args)]
struct Delete {
    #[command(flatten)]
    selection: Selection,
}

impl Dead {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.command {
            Command::List(it) if it.group => it.grouped(context).await,
            Command::List(it) => it.run(context).await,
            Command::Show(it) => show(context, &it.id).await,
            Command::Requeue(it) => it.run(context).await,
            Command::Delete(it) => it.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let filter = self.filter.of(State::Discarded)?;
        let client = context.client().await?;
        let mut jobs = Vec::new();
        let at_most = self.limit as usize;
        let corrupt = select::walk(&client, filter, at_most, |job| jobs.push(job)).await?;
        select::warn(&corrupt);
        let json = jobs.iter().map(job_json).collect();
        context.out.print(&json, || {
            let head = ["id", "task", "reason", "attempts", "died", "message"];
            table(head, jobs.iter().map(row))
        })
    }

    async fn grouped(self, context: &Context) -> anyhow::Result<()> {
        let filter = self.filter.of(State::Discarded)?;
        let client = context.client().await?;
        let mut groups = BTreeMap::<(String, String), (u64, Millis)>::new();
        let count = |job: Job| {
            let group = groups.entry((task(&job), reason(&job))).or_default();
            *group = (group.0 + 1, group.1.max(job.finished));
        };
        let corrupt = select::walk(&client, filter, usize::MAX, count).await?;
        select::warn(&corrupt);
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, (jobs, _))| std::cmp::Reverse(*jobs));
        let json = groups.iter().map(|((task, reason), (jobs, last))| {
            json!({"task": task, "reason": reason, "jobs": jobs, "last": moment(*last)})
        });
        context.out.print(&json.collect(), || {
            let rows = groups.iter().map(|((task, reason), (jobs, last))| {
                [
                    jobs.to_string(),
                    task.clone(),
                    reason.clone(),
                    moment(*last),
                ]
            });
            table(["jobs", "task", "reason", "last"], rows)
        })
    }
}

fn task(job: &Job) -> String {
    format!("{}.{}", job.call.module, job.call.task)
}

/// The word by which `--reason` finds a job and those like it.
fn reason(job: &Job) -> String {
    let last = job.attempts.last();
    last.map_or("unknown".into(), |it| match &it.failure {
        Some(failure) => failure.kind.clone(),
        None => it.ending.to_string(),
    })
}

fn row(job: &Job) -> [String; 6] {
    let failure = job.attempts.last().and_then(|it| it.failure.as_ref());
    let message = failure.map_or("", |it| &it.message);
    [
        job.call.id.to_string(),
        task(job),
        reason(job),
        job.attempts.len().to_string(),
        moment(job.finished),
        shortened(message.lines().next().unwrap_or_default(), 60),
    ]
}

impl Requeue {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let chosen = self.selection.of(&[State::Discarded], false)?;
        let (client, named) = (context.client().await?, chosen.is_named());
        let (ids, corrupt) = chosen.ids(&client).await?;
        select::warn(&corrupt);
        let mut fates = Vec::with_capacity(ids.len());
        for some in ids.chunks(BATCH) {
            let became = client.requeue(some).await?.into_iter().map(Fate::from);
            fates.extend(some.iter().copied().zip(became));
        }
        fate::report(context, &fates, named)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let chosen = self.selection.of(&[State::Discarded], false)?;
        let (client, named) = (context.client().await?, chosen.is_named());
        let (mut ids, corrupt) = chosen.ids(&client).await?;
        // Nobody can say whether a filter would let them through.
        if self.selection.filter.is_empty() {
            ids.extend(corrupt.into_iter().map(|(id, _)| id));
        } else {
            select::warn(&corrupt);
        }
        let mut fates = Vec::with_capacity(ids.len());
        for some in ids.chunks(BATCH) {
            let deleted = client.delete(some).await?;
            for (id, deleted) in some.iter().zip(deleted) {
                let fate = match deleted {
                    true => Fate::Deleted,
                    false => why_not(&client, *id).await?,
                };
                fates.push((*id, fate));
            }
        }
        fate::report(context, &fates, named)
    }
}

/// Why a job could not be deleted.
async fn why_not(client: &Client, id: JobId) -> anyhow::Result<Fate> {
    match client.job(id).await {
        Ok(job) => Ok(Fate::Kept(job.state)),
        Err(ClientError::UnknownJob(_)) => Ok(Fate::Missing),
        Err(e) => Err(e.into()),
    }
}
