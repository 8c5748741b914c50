//! `lovage releases`: modules, or the history of one.

use clap::Args;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::view::modules::{ActiveView, ReleaseView};
use crate::view::moment;

/// List modules, or the releases of one
#[derive(Debug, Args)]
pub(super) struct Releases {
    /// A module's name; without one, every module's active release
    module: Option<String>,
}

impl Releases {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let (broker, tenant) = (client.broker(), client.tenant());
        let Some(name) = self.module else {
            let active = broker.active(tenant).await?;
            let json = active.iter().map(|it| json!(ActiveView::of(it)));
            return context.out.print(&json.collect(), || {
                let rows = active.iter().map(|(name, it)| {
                    [
                        name.clone(),
                        it.number.to_string(),
                        it.digest.short(),
                        moment(it.at),
                        it.by.clone(),
                    ]
                });
                table(["module", "release", "digest", "pushed", "by"], rows)
            });
        };
        let releases = broker.releases(tenant, &name).await?;
        if releases.is_empty() {
            return Err(Verdict::Missing(format!("there is no module `{name}`")).into());
        }
        let json = releases.iter().map(|it| json!(ReleaseView::of(it)));
        context.out.print(&json.collect(), || {
            let rows = releases.iter().map(|it| {
                let active = if it.active { "active" } else { "" }.to_owned();
                [
                    it.number.to_string(),
                    active,
                    it.digest.short(),
                    moment(it.at),
                    it.by.clone(),
                ]
            });
            table(["release", "", "digest", "pushed", "by"], rows)
        })
    }
}
