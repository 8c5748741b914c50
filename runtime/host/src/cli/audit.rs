//! `lovage audit`: who did what.

use clap::Args;
use lovage_queue::broker::{MAX_ACTS, Recorded};
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use serde_json::json;

use super::Context;
use super::output::table;
use crate::units::Span;
use crate::view::audit::ActView;

const EXAMPLES: &str = "\
Examples:
    lovage audit                             the last 100 acts
    lovage audit --since 7d -n 10000         those of a week
    lovage audit --all --json > audit.json   all that is kept";

/// The audit log: who pushed, activated, cancelled, limited, made tokens
///
/// The newest first. An act is on the log before it is done, and there is no way to take
/// one back; the last 100,000 of a tenant are kept. At the broker itself the name is that
/// of the environment (USER), through a server it is the token's.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Audit {
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N")]
    limit: usize,
    /// As many as there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Only of the last so long, as in `7d`
    #[arg(long, value_name = "SPAN")]
    since: Option<Span>,
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let acts = self.read(&client).await?;
        let acts: Vec<ActView> = acts.into_iter().map(ActView::of).collect();
        context.out.print(&json!(acts), || {
            let rows = acts.iter().map(|it| {
                let detail = match &it.failed {
                    Some(why) => format!("{} failed: {why}", it.detail),
                    None => it.detail.clone(),
                };
                let [at, by, action] = [&it.at, &it.by, &it.action].map(String::clone);
                [at, by, action, it.subject.clone(), detail]
            });
            table(["at", "by", "action", "subject", "detail"], rows)
        })
    }

    async fn read(&self, client: &Client) -> anyhow::Result<Vec<Recorded>> {
        let (broker, tenant) = (client.broker(), client.tenant());
        let now = broker.time(tenant).await?;
        let span = self.since.map(|it| it.0.as_millis() as u64);
        let since = Millis(span.map_or(0, |span| now.0.saturating_sub(span)));
        let wanted = if self.all { usize::MAX } else { self.limit };
        let mut acts: Vec<Recorded> = Vec::new();
        while acts.len() < wanted {
            let before = acts.last().map(|it| it.cursor.clone());
            let limit = MAX_ACTS.min(wanted - acts.len());
            let page = broker.acts(tenant, before.as_deref(), limit as u32).await?;
            let before = acts.len();
            acts.extend(page.into_iter().take_while(|it| it.at >= since));
            if acts.len() - before < limit {
                break;
            }
        }
        Ok(acts)
    }
}
