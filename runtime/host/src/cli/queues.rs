//! `lovage queues`: how many jobs stand where.

use clap::Args;
use serde_json::json;

use super::Context;
use super::output::table;

/// List queues and how many jobs stand where
#[derive(Debug, Args)]
pub(super) struct Queues {}

impl Queues {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let queues = client.broker().counts(client.tenant()).await?;
        context.out.print(&json!(queues), || {
            let rows = queues.iter().map(|it| {
                let numbers = [
                    it.available,
                    it.running,
                    it.scheduled,
                    it.retryable,
                    it.completed,
                    it.discarded,
                    it.cancelled,
                ];
                let [
                    available,
                    running,
                    scheduled,
                    retryable,
                    completed,
                    discarded,
                    cancelled,
                ] = numbers.map(|n| n.to_string());
                [
                    it.queue.clone(),
                    available,
                    running,
                    scheduled,
                    retryable,
                    completed,
                    discarded,
                    cancelled,
                ]
            });
            let head = [
                "queue",
                "available",
                "running",
                "scheduled",
                "retryable",
                "completed",
                "discarded",
                "cancelled",
            ];
            table(head, rows)
        })
    }
}
