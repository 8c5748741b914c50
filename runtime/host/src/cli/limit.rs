//! `lovage limit`: set what a scope allows; and how limits are written.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use lovage_queue::client::Client;
use lovage_queue::limits::{Limit as Allowed, Order, Scope};
use lovage_queue::task::Rate;
use serde_json::json;

use super::Context;
use crate::view::queues::{LimitView, rate_text, read_rate};

/// How scopes are written: it stands in the help of all commands that take one.
pub(super) const SCOPES: &str = "\
Scopes, all within the tenant:
    tenant              all of its jobs
    queue:NAME          the jobs of a queue
    lane:QUEUE/KEY      the jobs of one lane
    lanes:QUEUE         each lane of a queue that jobs name by a key, by itself
    task:MODULE.TASK    the jobs of a task
    module:NAME         the jobs of a module; it can be paused, no more";

const EXAMPLES: &str = "\
Examples:
    lovage limit task:mail.send --rate 100/s             however many workers there are
    lovage limit lanes:default --concurrency 1           one job a user: `--lane user-42`
    lovage limit lane:default/user-42 --concurrency 5    but five of this one
    lovage limit tenant --concurrency 50
    lovage limit queue:low --depth 100000 --order strict
    lovage limit task:mail.send --rate none";

/// Limit how often jobs start, how many run at once, or how many may wait
///
/// What is not named stays as it is; where nothing is, the limit is only shown. It
/// holds at once, for jobs that are there already too, and whatever the number of
/// workers. A job belongs to its tenant, its queue, its lane and its task, and
/// starts when each of them allows it; what may not start waits aside and holds up
/// nothing else. A lane's own limit goes before that of all lanes, and a task's
/// before what its module says: `none` of a task leaves it to the module.
#[derive(Debug, Args)]
#[command(after_help = format!("{SCOPES}\n\n{EXAMPLES}"))]
pub(super) struct Limit {
    /// Of what: see below
    #[arg(value_name = "SCOPE")]
    scope: Scope,
    /// How often its jobs may start, as in `100/s` or `5/10m`
    #[arg(long, value_name = "RATE|none", value_parser = rate)]
    rate: Option<Change<Rate>>,
    /// How many of its jobs may run at once
    #[arg(long, value_name = "N|none", value_parser = number)]
    concurrency: Option<Change<u32>>,
    /// Of a queue: how many jobs may wait; past it a call is refused
    #[arg(long, value_name = "N|none", value_parser = number)]
    depth: Option<Change<u32>>,
    /// Of a queue: whether a step of priority is worth ten minutes of waiting, or
    /// the higher priority always goes first
    #[arg(long, value_name = "ORDER", value_parser = order())]
    order: Option<Order>,
}

/// A limit that is set anew, or lifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change<T> {
    To(T),
    Lift,
}

impl<T: Copy> Change<T> {
    /// Changes a limit, where it was named.
    pub(super) fn make(change: Option<Self>, limit: &mut Option<T>) {
        match change {
            Some(Change::To(it)) => *limit = Some(it),
            Some(Change::Lift) => *limit = None,
            None => {}
        }
    }
}

impl Limit {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let mut limit = self.now(&client).await?;
        if self.names_any() {
            limit = client.beside_module(&self.scope, limit).await?;
            Change::make(self.rate, &mut limit.rate);
            Change::make(self.concurrency, &mut limit.concurrency);
            Change::make(self.depth, &mut limit.depth);
            limit.order = self.order.unwrap_or(limit.order);
            let broker = client.broker();
            broker.limit(client.tenant(), &self.scope, &limit).await?;
            limit = self.now(&client).await?;
        }
        let json = json!({"scope": self.scope, "limit": LimitView::of(&limit)});
        context.out.print(&json, || match words(&limit) {
            words if words.is_empty() => format!("`{}` has no limit", self.scope),
            words => format!("`{}` is limited: {words}", self.scope),
        })
    }

    /// What holds just now.
    async fn now(&self, client: &Client) -> anyhow::Result<Allowed> {
        let limits = client.broker().limits(client.tenant()).await?;
        let now = limits.iter().find(|it| it.scope == self.scope);
        Ok(now.map_or_else(Allowed::default, |it| it.limit))
    }

    fn names_any(&self) -> bool {
        self.rate.is_some()
            || self.concurrency.is_some()
            || self.depth.is_some()
            || self.order.is_some()
    }
}

/// A limit in a few words.
pub(super) fn words(limit: &Allowed) -> String {
    let parts = [
        limit.rate.map(rate_text),
        limit.concurrency.map(|it| format!("{it} at once")),
        limit.depth.map(|it| format!("{it} waiting")),
        (limit.order == Order::Strict).then(|| "strict order".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// So many in a unit of time, or in a span: `100/s`, `5/10m`.
pub(super) fn rate(text: &str) -> Result<Change<Rate>, String> {
    match text {
        "none" => Ok(Change::Lift),
        _ => read_rate(text)
            .map(Change::To)
            .map_err(|said| format!("{said}; or `none`")),
    }
}

pub(super) fn number(text: &str) -> Result<Change<u32>, String> {
    match text {
        "none" => Ok(Change::Lift),
        _ => text
            .parse()
            .map(Change::To)
            .map_err(|_| format!("`{text}` is no number: write one, or `none`")),
    }
}

fn order() -> impl clap::builder::TypedValueParser<Value = Order> {
    PossibleValuesParser::new(["aging", "strict"]).map(|word| match &*word {
        "strict" => Order::Strict,
        _ => Order::Aging,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let mut limit = Some(3);
        Change::make(None, &mut limit);
        assert_eq!(limit, Some(3));
        Change::make(Some(Change::To(5)), &mut limit);
        assert_eq!(limit, Some(5));
        Change::make(Some(Change::Lift), &mut limit);
        assert_eq!(limit, None);
    }

    #[test]
    fn a_limit_is_told_in_a_few_words() {
        let limit = Allowed {
            rate: Some(Rate {
                count: 100,
                period: Duration::from_secs(1),
            }),
            depth: Some(7),
            order: Order::Strict,
            ..Allowed::default()
        };
        assert_eq!(words(&limit), "100/s, 7 waiting, strict order");
        assert_eq!(words(&Allowed::default()), "");
    }
}
