//! `lovage workers`: who works, and at what.

use clap::Args;
use serde_json::json;

use super::Context;
use super::output::table;
use crate::view::workers::workers;

/// List workers: those that are alive, and what each of them runs
#[derive(Debug, Args)]
pub(super) struct Workers {}

impl Workers {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let workers = workers(&client).await?;
        context.out.print(&json!(workers), || {
            let rows = workers.iter().map(|it| {
                let queue = |(name, weight): (&String, &u32)| match weight {
                    1 => name.clone(),
                    weight => format!("{name}={weight}"),
                };
                let queues: Vec<_> = it.queues.iter().map(queue).collect();
                let tasks: Vec<_> = it.running.iter().map(|job| &*job.task).collect();
                let started = it.started.clone();
                [
                    it.worker.clone(),
                    it.host.clone(),
                    it.pid.to_string(),
                    queues.join(","),
                    format!("{}/{}", it.held, it.concurrency),
                    started.unwrap_or_else(|| "-".into()),
                    shortened(&tasks),
                ]
            });
            let head = ["worker", "host", "pid", "queues", "jobs", "started", "runs"];
            table(head, rows)
        })
    }
}

/// The first few tasks: `--json` has all of them.
fn shortened(tasks: &[&str]) -> String {
    const SHOWN: usize = 3;
    let first = tasks
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match tasks.len() {
        0 => "-".into(),
        n if n > SHOWN => format!("{first}, …"),
        _ => first,
    }
}
