//! `lovage jobs`: jobs by state.

use clap::Args;
use lovage_queue::job::State;

use super::Context;
use super::output::{JOB_COLUMNS, job as job_json, job_row, table};
use super::select::{self, FilterFlags};

/// The order in which states are listed: what moves first.
const ORDER: [State; 7] = [
    State::Running,
    State::Available,
    State::Retryable,
    State::Scheduled,
    State::Discarded,
    State::Cancelled,
    State::Completed,
];

/// List jobs
///
/// Running ones first, then what waits, then what has ended, the newest first.
#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// Only of this state: scheduled, available, running, retryable, completed,
    /// discarded or cancelled
    #[arg(long)]
    state: Option<State>,
    #[command(flatten)]
    filter: FilterFlags,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    limit: u32,
}

impl Jobs {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let wanted = |state: &State| self.state.is_none_or(|wanted| wanted == *state);
        let filters = ORDER
            .into_iter()
            .filter(wanted)
            .map(|state| self.filter.of(state));
        let filters = filters.collect::<anyhow::Result<Vec<_>>>()?;
        let client = context.client().await?;
        let mut jobs = Vec::new();
        for filter in filters {
            let left = self.limit as usize - jobs.len();
            let corrupt = select::walk(&client, filter, left, |job| jobs.push(job)).await?;
            select::warn(&corrupt);
        }
        let json = jobs.iter().map(job_json).collect();
        context.out.print(&json, || {
            table(
                JOB_COLUMNS,
                jobs.iter().map(|job| job_row(&context.out, job)),
            )
        })
    }
}
