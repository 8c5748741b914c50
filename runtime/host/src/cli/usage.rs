//! `lovage usage`: what tasks used.

use clap::Args;
use serde_json::json;

use super::Context;
use super::output::table;
use crate::view::usage::{UsageBy, UsageView, usage};

const AFTER: &str = "\
A day is one of UTC, and is kept for 400 days. What an attempt used counts when it has
ended, whatever came of it.

    lovage usage                    the last 7 days, by day
    lovage usage --days 30 --task   the last 30, by task
    lovage usage --tenant acme      another tenant's";

/// Show what attempts used: CPU time, memory and fuel, by day or task
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Usage {
    /// Of how many days, this one included: at most 400
    #[arg(long, value_name = "N", default_value_t = 7)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    /// By task, all days together
    #[arg(long)]
    task: bool,
}

impl Usage {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let by = match self.task {
            true => UsageBy::Task,
            false => UsageBy::Day,
        };
        let used = usage(&client, self.days, by).await?;
        context.out.print(&json!(used), || {
            let first = if self.task { "task" } else { "day" };
            let head = [first, "attempts", "cpu s", "memory MiB s", "fuel", "ran s"];
            table(head, used.iter().map(row))
        })
    }
}

fn row(it: &UsageView) -> [String; 6] {
    let name = it.day.as_deref().or(it.task.as_deref()).unwrap_or_default();
    [
        if name.is_empty() { "(others)" } else { name }.to_owned(),
        it.attempts.to_string(),
        format!("{:.3}", it.cpu),
        format!("{:.3}", it.memory_time),
        it.fuel.to_string(),
        format!("{:.3}", it.seconds),
    ]
}
