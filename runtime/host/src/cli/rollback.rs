//! `lovage rollback`: make an older release active again.

use clap::Args;
use serde_json::json;

use super::Context;
use super::exit::Verdict;

/// Make an older release active again
///
/// Live at once on every worker, as a push is. Jobs that failed under the newer
/// release are retried under this one.
#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The module's name
    module: String,
    /// The release's number [default: the newest below the active one]
    #[arg(long, value_name = "NUMBER")]
    to: Option<u32>,
}

impl Rollback {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let (broker, tenant) = (client.broker(), client.tenant());
        let releases = broker.releases(tenant, &self.module).await?;
        let active = releases.iter().find(|it| it.active).map(|it| it.number);
        let active = active
            .ok_or_else(|| Verdict::Missing(format!("there is no module `{}`", self.module)))?;
        let older = || {
            releases
                .iter()
                .map(|it| it.number)
                .find(|number| *number < active)
        };
        let to = self.to.or_else(older).ok_or_else(|| {
            Verdict::Missing(format!(
                "`{}` has no release older than {active}",
                self.module
            ))
        })?;
        client.activate(&self.module, to).await?;
        let json = json!({"module": self.module, "active": to, "before": active});
        context.out.print(&json, || {
            format!(
                "release {to} of `{}` is active; it was {active}",
                self.module
            )
        })
    }
}
