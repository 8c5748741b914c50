//! `lovage call`: enqueue a job, and wait for it if asked to.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lovage_queue::client;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobOptions, Pin, State};
use serde_json::json;

use super::exit::Verdict;
use super::limits::LimitFlags;
use super::output::{decoded, job as job_json};
use super::{Context, arguments};
use crate::units::Span;

/// Call a task: enqueue a job
///
/// Prints the job's id; with `--wait` its result, once it has ended.
#[derive(Debug, Args)]
#[command(after_help = arguments::HELP)]
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
    /// The queue [default: the task's]
    #[arg(long)]
    queue: Option<String>,
    /// A lane of the queue, with an order of its own
    #[arg(long, value_name = "KEY")]
    lane: Option<String>,
    /// 0 to 9, 9 first [default: the task's, or 5]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Not before: a time as RFC 3339, or a span from now as in `10m`
    #[arg(long, value_name = "TIME")]
    eta: Option<String>,
    /// How often to try again after a failure [default: the task's, or 4]
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    #[command(flatten)]
    limits: LimitFlags,
    /// Run this release, whichever is active
    #[arg(long, value_name = "NUMBER")]
    release: Option<u32>,
}

impl Call {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut call = client::Call::new(&self.task)?;
        call.delay = self
            .eta
            .as_deref()
            .map(delay)
            .transpose()?
            .unwrap_or_default();
        call.queue.clone_from(&self.queue);
        call.lane = self.lane.clone().unwrap_or_default();
        call.priority = self.priority;
        call.pin = self.release.map_or(Pin::Active, Pin::Release);
        call.options = JobOptions {
            max_attempts: self.retries.map(|it| it.saturating_add(1)),
            timeout: self.limits.timeout.map(|it| it.0),
            fuel: self.limits.fuel,
            memory: self.limits.memory.map(|it| it.0),
            ..JobOptions::default()
        };
        let queue = context.client().await?;
        let task = queue.task(&call.task).await?;
        call.arguments = arguments::read(&self.arguments, &task)?;
        let id = queue.enqueue(call).await?;
        let Some(Span(at_most)) = self.wait else {
            return context.out.print(&json!({"id": id}), || id.to_string());
        };
        let spinner = context.out.spinner(&format!("waiting for {id}"));
        let job = queue.wait(id, at_most).await;
        spinner.finish_and_clear();
        self.report(context, &job?, at_most)
    }

    fn report(&self, context: &Context, job: &Job, waited: Duration) -> anyhow::Result<()> {
        let result = job.result.as_deref();
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

/// The exit of a command that waited for a job.
fn verdict(job: &Job, waited: Duration) -> anyhow::Result<()> {
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

/// How long from now until then.
fn delay(eta: &str) -> anyhow::Result<Duration> {
    if let Ok(Span(span)) = eta.parse() {
        return Ok(span);
    }
    let at: jiff::Timestamp = eta.parse().map_err(|e| {
        Verdict::Usage(format!(
            "`{eta}` is neither a time (2027-01-31T09:00:00Z) nor a span (10m): {e}"
        ))
    })?;
    let at = u64::try_from(at.as_millisecond()).unwrap_or(0);
    Ok(Millis(at).since(Millis::of_this_host()))
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
