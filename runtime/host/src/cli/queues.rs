//! `lovage queues`: how many jobs stand where.

use clap::Args;
use lovage_queue::broker::QueueCounts;
use lovage_queue::limits::{Limit, Limited, Scope};
use serde_json::json;

use super::Context;
use super::limit::{limit_json, words};
use super::output::{moment, table};

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
        let mut queues = client.broker().counts(client.tenant()).await?;
        let limits = client.broker().limits(client.tenant()).await?;
        // One that holds nothing yet may be limited or paused beforehand.
        for it in &limits {
            if let Scope::Queue(name) = &it.scope
                && !queues.iter().any(|it| it.queue == *name)
            {
                queues.push(QueueCounts {
                    queue: name.clone(),
                    ..QueueCounts::default()
                });
            }
        }
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        let of = |queue: &QueueCounts| {
            let is =
                |it: &&Limited| matches!(&it.scope, Scope::Queue(name) if *name == queue.queue);
            let limited = limits.iter().find(is);
            limited.map_or((false, Limit::default()), |it| (it.paused, it.limit))
        };
        let json = queues.iter().map(|queue| {
            let (paused, limit) = of(queue);
            let mut json = json!(queue);
            json["oldest"] = json!(queue.oldest.map(moment));
            json["paused"] = json!(paused);
            json["limit"] = limit_json(&limit);
            json
        });
        context.out.print(&json.collect(), || {
            let held = queues
                .iter()
                .map(of)
                .map(|(paused, limit)| held(paused, &limit));
            let held: Vec<String> = held.collect();
            let numbers = queues.iter().map(row);
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
fn held(paused: bool, limit: &Limit) -> String {
    let parts = [
        if paused {
            "paused".into()
        } else {
            String::new()
        },
        words(limit),
    ];
    parts
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
