//! `lovage queues`: how many jobs stand where.

use clap::Args;
use lovage_queue::broker::QueueCounts;
use lovage_queue::limits::{Limit, Scope};
use serde_json::json;

use super::Context;
use super::limit::words;
use super::output::table;
use crate::view::queues::{self as view, held};

/// List queues: how many jobs stand where, and what holds them
///
/// Says of each queue whether it is paused, and its limits, where there is
/// something to say; `lovage limits` says more.
#[derive(Debug, Args)]
pub(super) struct Queues {}

/// What stands above the numbers.
const HEAD: [&str; 9] = [
    "queue",
    "pending",
    "available",
    "running",
    "scheduled",
    "retryable",
    "completed",
    "discarded",
    "cancelled",
];

impl Queues {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let counts = client.broker().counts(client.tenant()).await?;
        let limits = client.broker().limits(client.tenant()).await?;
        let queues = view::queues(counts, &limits);
        let of = |queue: &QueueCounts| held(&Scope::Queue(queue.queue.clone()), &limits);
        let json = queues.iter().map(|(_, view)| json!(view));
        context.out.print(&json.collect(), || {
            let held: Vec<String> = queues.iter().map(|(it, _)| said(of(it))).collect();
            let numbers = queues.iter().map(|(it, _)| row(it));
            let mut text = if held.iter().all(String::is_empty) {
                table(HEAD, numbers)
            } else {
                let [a, b, c, d, e, f, g, h, i] = HEAD;
                let rows = numbers
                    .zip(held)
                    .map(|([a, b, c, d, e, f, g, h, i], held)| [a, b, c, d, e, f, g, h, i, held]);
                table([a, b, c, d, e, f, g, h, i, "limits"], rows)
            };
            if limits
                .iter()
                .any(|it| it.scope == Scope::Tenant && it.paused)
            {
                text += "\nthe tenant is paused: nothing starts until `lovage resume tenant`";
            }
            text
        })
    }
}

fn row(it: &QueueCounts) -> [String; 9] {
    let numbers = [
        it.pending,
        it.available,
        it.running,
        it.scheduled,
        it.retryable,
        it.completed,
        it.discarded,
        it.cancelled,
    ];
    let [a, b, c, d, e, f, g, h] = numbers.map(|n| n.to_string());
    [it.queue.clone(), a, b, c, d, e, f, g, h]
}

/// What holds a queue, in a few words.
fn said((paused, limit): (bool, Limit)) -> String {
    let parts = [
        if paused {
            "paused".into()
        } else {
            String::new()
        },
        words(&limit),
    ];
    parts
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
