//! `lovage run`: a task of a component, here and now.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lovage_queue::client;
use lovage_queue::grant::{Grant, Grants};
use lovage_queue::registry::Digest;
use serde_json::json;

use super::budget::BudgetFlags;
use super::exit::Verdict;
use super::push::{at_file, read_component, seconds};
use super::{Context, arguments};
use crate::deploy;
use crate::engine::{End, Invocation, Limits, NoHost, Outcome};
use crate::units::{Size, short};
use crate::view::decoded;
use crate::view::jobs::FailureView;

/// Run a task of a component here and now, with no broker
///
/// It runs in the real sandbox under the real limits and prints what it cost. Of what its
/// module wants it has a scratch folder alone.
#[derive(Debug, Args)]
#[command(after_help = arguments::HELP)]
pub(super) struct Run {
    /// The component
    file: PathBuf,
    /// The task's name
    task: String,
    /// Arguments: see below
    arguments: Vec<String>,
    #[command(flatten)]
    budget: BudgetFlags,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let bytes = read_component(&self.file)?;
        let engine = context.engine()?;
        let digest = Digest::of(&bytes);
        let manifest = deploy::inspect(&engine, bytes.clone())
            .await
            .map_err(|e| at_file(&self.file, e))?;
        let task = manifest.task(&self.task).ok_or_else(|| {
            let known: Vec<_> = manifest
                .tasks
                .iter()
                .map(|it| format!("`{}`", it.name))
                .collect();
            Verdict::Missing(format!(
                "there is no task `{}`; the module has {}",
                self.task,
                known.join(", ")
            ))
        })?;
        let mut arguments = arguments::read(&self.arguments, task)?;
        client::decode(manifest.clone(), &self.task, &mut arguments)?;
        let host = context.config.limits();
        let (budget, options) = (&self.budget, &task.options);
        let soft = budget.soft_timeout.map(|it| it.0);
        let limits = Limits {
            deadline: budget
                .timeout
                .map(|it| it.0)
                .or(options.timeout)
                .unwrap_or(host.deadline),
            soft_deadline: soft.or(options.soft_timeout).or(host.soft_deadline),
            fuel: budget.fuel.or(options.fuel).unwrap_or(host.fuel),
            memory: budget
                .memory
                .map(|it| it.0)
                .or(options.memory)
                .unwrap_or(host.memory),
            ..host
        };
        let module = engine.compile_aside(bytes).await?;
        // Of what it wants, this alone needs nobody else.
        let is_scratch = |it: &&Grant| matches!(it, Grant::Scratch(_));
        let wants = manifest.wants.0.iter().filter(is_scratch);
        let invocation = Invocation {
            limits,
            grants: Arc::new(Grants(wants.cloned().collect())),
            ..Invocation::local(digest, &self.task, arguments.encode())
        };
        let outcome = engine
            .run(&module, invocation, Arc::new(NoHost::default()))
            .await;
        report(context, &outcome)
    }
}

fn report(context: &Context, outcome: &Outcome) -> anyhow::Result<()> {
    let result = match &outcome.end {
        End::Completed(result) => Some(decoded(result)),
        _ => None,
    };
    let log = String::from_utf8_lossy(&outcome.log.bytes);
    let failure = outcome.end.failure();
    let json = json!({
        "outcome": outcome.end.ending(), "result": result, "failure": failure.map(FailureView::of),
        "fuel": outcome.fuel, "peak_memory": outcome.peak_memory,
        "seconds": outcome.wall.as_secs_f64(), "log": log, "log_truncated": outcome.log.truncated,
    });
    context.out.print(&json, || {
        let cost = format!(
            "{} · {} fuel · {} memory · {}",
            outcome.end.ending(),
            short(outcome.fuel),
            Size(outcome.peak_memory),
            seconds(outcome.wall)
        );
        let log = match (log.trim_end(), outcome.log.truncated) {
            ("", _) => String::new(),
            (log, false) => format!("{log}\n"),
            (log, true) => format!("{log}\n… the log is longer than what is kept of it\n"),
        };
        let result = result
            .as_ref()
            .map(|it| format!("{it:#}\n"))
            .unwrap_or_default();
        let detail = failure.and_then(|it| it.detail.as_deref());
        let detail = detail.map_or(String::new(), |it| format!("{}\n", it.trim_end()));
        format!("{log}{result}{detail}{cost}")
    })?;
    match failure {
        Some(failure) => Err(Verdict::Task(format!(
            "ended as {}: {}",
            outcome.end.ending(),
            failure.message
        ))
        .into()),
        None => Ok(()),
    }
}
