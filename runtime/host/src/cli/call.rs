//! `lovage call`: enqueue a job, and wait for it if asked to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lovage_queue::client::{self, Client};
use lovage_queue::job::{Job, JobId, NewJob, Payload, State};
use serde_json::{Value, json};

use super::batch::Lines;
use super::exit::Verdict;
use super::output::{fetched, job as job_json};
use super::terms::TermFlags;
use super::{Context, arguments};
use crate::units::Span;
use crate::view::decoded;

const EXAMPLES: &str = "\
Times are RFC 3339 (2027-01-31T09:00:00Z) and by the broker's clock; a span (10m)
counts from the moment the broker takes the job.

Examples:
    lovage call images.thumbnail image@cat.jpg side=200 --wait --save thumbnail=small.jpg
    lovage call mail.send to=ann --eta 10m --expires 1h
    lovage call orders.pay order=17 --key order-17        a repeat is the same job
    lovage call search.reindex --unique --until start     one waits at most
    lovage call images.thumbnail --batch calls.jsonl      all of them or none";

/// Call a task: enqueue a job
///
/// Prints the job's id; with `--wait` its result, once it has ended. What is not
/// said here is as the task's author has it.
#[derive(Debug, Args)]
#[command(after_help = format!("{}\n\n{EXAMPLES}", arguments::HELP))]
pub(super) struct Call {
    /// The task: `module.task`
    #[arg(value_name = "TASK")]
    task: String,
    /// Arguments: see below
    arguments: Vec<String>,
    /// Wait for the end, for so long at most [default: 60s]
    #[arg(long, value_name = "SPAN", num_args = 0..=1, default_missing_value = "60s", require_equals = true)]
    wait: Option<Span>,
    /// Write the result's bytes to a file, or one field of it: `FILE` or `field=FILE`
    #[arg(long, value_name = "FILE", requires = "wait")]
    save: Option<String>,
    /// Many calls, all or none: a file of JSON lines, one object of arguments a
    /// line, at most 10,000; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arguments", "wait"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    terms: TermFlags,
}

impl Call {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut call = client::Call::new(&self.task)?;
        self.terms.set(&mut call)?;
        let client = context.client().await?;
        let task = client.task(&call.task).await?;
        // JSON has no bytes of its own.
        call.encoded = true;
        if let Some(file) = &self.batch {
            let jobs = Lines::of(file).jobs(&client, &call).await?;
            let made = enqueue(&client, jobs).await?;
            let ids = || made.iter().map(|it| it.id.to_string()).collect::<Vec<_>>();
            let json = made.iter().map(Made::json).collect();
            return context.out.print(&json, || ids().join("\n"));
        }
        call.arguments = arguments::read(&self.arguments, &task)?;
        let job = client.prepare(call).await?;
        let made = enqueue(&client, vec![job]).await?[0];
        let Some(Span(at_most)) = self.wait else {
            return context.out.print(&made.json(), || made.id.to_string());
        };
        let spinner = context.out.spinner(&format!("waiting for {}", made.id));
        let job = client.wait(made.id, at_most).await;
        spinner.finish_and_clear();
        let job = fetched(&client, job?).await?;
        self.report(context, &job, at_most)
    }

    fn report(&self, context: &Context, job: &Job, waited: Duration) -> anyhow::Result<()> {
        let result = job.result.as_ref().and_then(Payload::inline);
        if let (Some(save), Some(result)) = (&self.save, result) {
            write(save, result)?;
        }
        context.out.print(&job_json(job), || match result {
            Some(_) if self.save.is_some() => job.call.id.to_string(),
            Some(result) => format!("{:#}", decoded(result)),
            None => job.call.id.to_string(),
        })?;
        verdict(job, waited)
    }
}

/// What a call came to.
#[derive(Clone, Copy)]
struct Made {
    id: JobId,
    /// Or else it was there already, and stands in the place of this one.
    new: bool,
}

impl Made {
    fn json(&self) -> Value {
        json!({"id": self.id, "new": self.new})
    }
}

async fn enqueue(client: &Client, jobs: Vec<NewJob>) -> anyhow::Result<Vec<Made>> {
    let own: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let ids = client.send(jobs).await?;
    let made = |(id, own)| Made { id, new: id == own };
    Ok(ids.into_iter().zip(own).map(made).collect())
}

/// The exit of a command that waited for a job.
pub(super) fn verdict(job: &Job, waited: Duration) -> anyhow::Result<()> {
    if job.state == State::Completed {
        return Ok(());
    }
    if !job.state.is_final() {
        return Err(Verdict::TimeUp {
            state: job.state,
            after: waited,
        }
        .into());
    }
    let failure = job
        .attempts
        .last()
        .and_then(|it| Some((it.ending, it.failure.clone()?)));
    let reason = failure.map_or("it says no reason".into(), |(ending, it)| {
        format!("{ending}: {}", it.message)
    });
    Err(Verdict::Job {
        state: job.state,
        reason,
    }
    .into())
}

/// Writes the bytes of a result, or of one of its fields.
fn write(save: &str, result: &[u8]) -> anyhow::Result<()> {
    let usage = |text: String| anyhow::Error::from(Verdict::Usage(text));
    let value = rmpv::decode::read_value(&mut &result[..])?;
    let (value, path) = match save.split_once('=') {
        None => (Some(&value), save),
        Some((field, path)) => {
            let fields = value.as_map().into_iter().flatten();
            (
                fields
                    .into_iter()
                    .find(|(key, _)| key.as_str() == Some(field))
                    .map(|(_, value)| value),
                path,
            )
        }
    };
    let bytes = match value {
        Some(rmpv::Value::Binary(bytes)) => bytes.clone(),
        Some(rmpv::Value::String(text)) => text.as_bytes().to_vec(),
        Some(_) => {
            return Err(usage(format!(
                "`--save {save}`: that is neither bytes nor a text"
            )));
        }
        None => {
            return Err(usage(format!(
                "`--save {save}`: the result has no such field"
            )));
        }
    };
    let path = PathBuf::from(path);
    std::fs::write(&path, bytes)
        .map_err(|e| usage(format!("cannot write `{}`: {e}", path.display())))
}
