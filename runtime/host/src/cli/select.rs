//! Which jobs a command is about: ids, or what they have in common.

use std::collections::HashSet;

use clap::Args;
use lovage_queue::broker::Filter;
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobId, State};
use lovage_queue::task::check_name;

use super::exit::Verdict;
use crate::units::Span;

/// Jobs a page: each comes with its input, its result and its logs.
const PAGE: u32 = 200;

/// What jobs have in common.
#[derive(Debug, Args)]
pub(super) struct FilterFlags {
    /// Only of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only of this module, or of this task: `module` or `module.task`
    #[arg(long)]
    task: Option<String>,
    /// Only those whose last attempt ended so: `deadline`, `out-of-fuel`, `lost`,
    /// …, or the kind of a task's own failure
    #[arg(long, value_name = "KIND")]
    reason: Option<String>,
    /// Only those that were tagged so
    #[arg(long)]
    tag: Option<String>,
    /// Only those that ended, or that became available, longer ago than this
    #[arg(long, value_name = "SPAN")]
    older: Option<Span>,
}

impl FilterFlags {
    /// The jobs of a state that are meant.
    pub(super) fn of(&self, state: State) -> anyhow::Result<Filter> {
        let mut filter = Filter::of(state, PAGE);
        if let Some(queue) = &self.queue {
            filter.queue = Some(check_name(queue, "queue")?.to_owned());
        }
        if let Some(name) = &self.task {
            let (module, task) = name.split_once('.').unwrap_or((name, ""));
            filter.module = Some(check_name(module, "module")?.to_owned());
            if name.contains('.') {
                filter.task = Some(check_name(task, "task")?.to_owned());
            }
        }
        filter.reason.clone_from(&self.reason);
        filter.tag.clone_from(&self.tag);
        filter.older = self.older.map(|it| it.0);
        Ok(filter)
    }

    /// Whether all jobs are meant.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_none()
            && self.task.is_none()
            && self.reason.is_none()
            && self.tag.is_none()
            && self.older.is_none()
    }
}

/// Jobs by their ids, or all that have something in common.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Their ids
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All that the filters let through
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(super) filter: FilterFlags,
}

/// What a [`Selection`] comes to.
pub(super) enum Chosen {
    /// These.
    Named(Vec<JobId>),
    /// All that one of these lets through.
    All(Vec<Filter>),
}

impl Selection {
    /// Which jobs are meant. `filtered` is whether a further filter was given.
    ///
    /// # Errors
    /// Neither ids nor all, or both: it must be plain what is meant, for much may
    /// hang on it.
    pub(super) fn of(&self, states: &[State], filtered: bool) -> anyhow::Result<Chosen> {
        let usage = |said: &str| Err(Verdict::Usage(said.into()).into());
        match (self.ids.is_empty(), self.all) {
            (true, false) => usage("which jobs? name their ids, or say `--all`"),
            (false, true) => usage("ids and `--all` exclude each other: name jobs, or filter all"),
            (false, false) if filtered || !self.filter.is_empty() => {
                usage("filters go with `--all`: jobs that are named by their ids need none")
            }
            (true, true) => {
                let filters = states.iter().map(|state| self.filter.of(*state));
                Ok(Chosen::All(filters.collect::<anyhow::Result<_>>()?))
            }
            (false, false) => {
                let ids = self.ids.iter().map(|id| id.parse());
                Ok(Chosen::Named(once(ids.collect::<Result<_, _>>()?)))
            }
        }
    }
}

impl Chosen {
    /// Whether they were named one by one.
    pub(super) fn is_named(&self) -> bool {
        matches!(self, Chosen::Named(_))
    }

    /// The jobs' ids, each once; and those whose record cannot be read.
    pub(super) async fn ids(
        self,
        client: &Client,
    ) -> anyhow::Result<(Vec<JobId>, Vec<(JobId, String)>)> {
        let filters = match self {
            Chosen::Named(ids) => return Ok((ids, Vec::new())),
            Chosen::All(filters) => filters,
        };
        let (mut ids, mut corrupt) = (Vec::new(), Vec::new());
        for filter in filters {
            let see = |job: Job| ids.push(job.call.id);
            corrupt.extend(walk(client, filter, usize::MAX, see).await?);
        }
        Ok((once(ids), corrupt))
    }
}

/// The same ids, each once.
fn once(mut ids: Vec<JobId>) -> Vec<JobId> {
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// Shows jobs to `see`, at most so many. Those whose record cannot be read are
/// answered, and why.
///
/// What ends meanwhile stays out: those lists have the newest first, so the first
/// job says, by the broker's clock, when this began.
pub(super) async fn walk(
    client: &Client,
    mut filter: Filter,
    at_most: usize,
    mut see: impl FnMut(Job),
) -> anyhow::Result<Vec<(JobId, String)>> {
    // Entries move while the pages are turned: one may come twice.
    let (mut seen, mut corrupt) = (HashSet::new(), Vec::new());
    while seen.len() < at_most {
        let left = u32::try_from(at_most - seen.len()).unwrap_or(u32::MAX);
        filter.limit = left.min(PAGE);
        let page = client.broker().list(client.tenant(), &filter).await?;
        if filter.state.is_final()
            && let Some(newest) = page.jobs.first()
        {
            let after = Millis(newest.finished.0 + 1);
            filter.before = Some(filter.before.map_or(after, |it| it.min(after)));
        }
        for job in page.jobs {
            if seen.insert(job.call.id) {
                see(job);
            }
        }
        corrupt.extend(page.corrupt);
        let Some(next) = page.next else { break };
        filter.offset = next;
    }
    Ok(corrupt)
}

/// Says which records could not be read: they are on no list.
pub(super) fn warn(corrupt: &[(JobId, String)]) {
    for (id, reason) in corrupt {
        tracing::warn!(job = %id, reason, "the record of a job cannot be read");
    }
}
