//! `lovage jobs`: jobs by state.

use clap::Args;
use lovage_queue::broker::Filter;
use lovage_queue::job::{Job, JobId, State};
use lovage_queue::task::check_name;
use serde_json::json;

use super::Context;
use super::output::{JOB_COLUMNS, job as job_json, job_row, table};

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
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only of this module, or of this task: `module` or `module.task`
    #[arg(long)]
    task: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_name = "N")]
    limit: u32,
}

impl Jobs {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let (module, task) = match self
            .task
            .as_deref()
            .map(|it| it.split_once('.').unwrap_or((it, "")))
        {
            Some((module, task)) => (
                Some(check_name(module, "module")?.to_owned()),
                task.to_owned(),
            ),
            None => (None, String::new()),
        };
        let mut filter = Filter {
            state: State::Running,
            queue: self.queue,
            module,
            task: (!task.is_empty()).then_some(task),
            limit: self.limit,
            offset: 0,
        };
        let client = context.client().await?;
        let (mut jobs, mut corrupt): (Vec<Job>, Vec<(JobId, String)>) = Default::default();
        for state in ORDER
            .into_iter()
            .filter(|it| self.state.is_none_or(|wanted| wanted == *it))
        {
            filter.state = state;
            filter.offset = 0;
            while jobs.len() < self.limit as usize {
                filter.limit = self.limit - jobs.len() as u32;
                let page = client.broker().list(client.tenant(), &filter).await?;
                jobs.extend(page.jobs);
                corrupt.extend(page.corrupt);
                let Some(next) = page.next else { break };
                filter.offset = next;
            }
        }
        for (id, reason) in &corrupt {
            tracing::warn!(job = %id, reason, "the record of a job cannot be read");
        }
        let json = json!(jobs.iter().map(job_json).collect::<Vec<_>>());
        context.out.print(&json, || {
            table(
                JOB_COLUMNS,
                jobs.iter().map(|job| job_row(&context.out, job)),
            )
        })
    }
}
