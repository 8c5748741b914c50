//! `lovage limits`: what is limited or paused.

use clap::Args;
use lovage_queue::limits::{Limited, Order, Scope};
use serde_json::json;

use super::Context;
use super::output::table;
use crate::view::queues::{LimitedView, rate_text, whose};

/// List what is limited or paused
///
/// A limit is the operator's word (`lovage limit`), or a module's own of one of
/// its tasks. Running jobs are counted where their number is limited.
#[derive(Debug, Args)]
pub(super) struct Limits {}

impl Limits {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let limits = client.broker().limits(client.tenant()).await?;
        let json = limits.iter().map(|it| json!(LimitedView::of(it))).collect();
        context.out.print(&json, || {
            let number = |it: Option<u32>| it.map_or("-".into(), |it| it.to_string());
            let rows = limits.iter().map(|it| {
                let limit = &it.limit;
                [
                    it.scope.to_string(),
                    limit.rate.map_or("-".into(), rate_text),
                    number(limit.concurrency),
                    number(limit.concurrency.map(|_| it.running)),
                    number(limit.depth),
                    order(it).to_owned(),
                    if it.paused { "paused" } else { "-" }.to_owned(),
                    whose(it).to_owned(),
                ]
            });
            let head = [
                "scope",
                "rate",
                "concurrency",
                "running",
                "depth",
                "order",
                "paused",
                "by",
            ];
            table(head, rows)
        })
    }
}

fn order(it: &Limited) -> &'static str {
    match (&it.scope, it.limit.order) {
        (Scope::Queue(_), Order::Aging) => "aging",
        (Scope::Queue(_), Order::Strict) => "strict",
        _ => "-",
    }
}
