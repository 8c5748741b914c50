//! What both implementations refuse before they touch the store, and how they
//! read a settlement.

use std::time::Duration;

use super::{
    BrokerError, Declared, FlowNode, Heartbeat, MAX_ABOUT, MAX_BATCH, MAX_NEEDS, MAX_NODES_ADDED,
    MAX_WORKER_ABOUT, NewFlow, Result,
};
use crate::job::{
    Action, Ending, JobId, MAX_NODES, MAX_OPEN, MAX_PRIORITY, NewJob, Partition, Settlement, When,
    page_of,
};
use crate::limits::Scope;
use crate::schedule::check_schedule_name;
use crate::task::{NameError, check_lane, check_name};

/// What both implementations refuse before they touch the store.
pub(crate) fn check_jobs(tenant: &str, jobs: &[NewJob], partitions: u16) -> Result<()> {
    if let Some(job) = jobs.iter().find(|job| job.counted) {
        let said = format!("job {} is of a source's page: settle the source", job.id);
        return Err(BrokerError::Invalid(said));
    }
    check_children(tenant, jobs, partitions)
}

fn check_children(tenant: &str, jobs: &[NewJob], partitions: u16) -> Result<()> {
    if let Some(job) = jobs.iter().find(|job| job.seat.is_some()) {
        let said = format!("job {} has a seat in a flow: add it as a node", job.id);
        return Err(BrokerError::Invalid(said));
    }
    check_calls(tenant, jobs.iter(), jobs.len(), partitions)
}

fn check_calls<'a>(
    tenant: &str,
    jobs: impl Iterator<Item = &'a NewJob>,
    count: usize,
    partitions: u16,
) -> Result<()> {
    let invalid = |e: NameError| BrokerError::Invalid(e.to_string());
    check_name(tenant, "tenant").map_err(invalid)?;
    let partition = Partition::of(tenant, partitions);
    if count > MAX_BATCH {
        let said = format!("a batch has at most {MAX_BATCH} jobs, this one {count}");
        return Err(BrokerError::Invalid(said));
    }
    for job in jobs {
        check_name(&job.module, "module").map_err(invalid)?;
        check_name(&job.task, "task").map_err(invalid)?;
        check_name(&job.queue, "queue").map_err(invalid)?;
        check_lane(&job.lane).map_err(invalid)?;
        if job.priority > MAX_PRIORITY {
            let said = format!(
                "priority {} is not one of 0 to {MAX_PRIORITY}",
                job.priority
            );
            return Err(BrokerError::Invalid(said));
        }
        if job.id.partition() != partition {
            let said = format!(
                "job {} is not of the partition of tenant `{tenant}`",
                job.id
            );
            return Err(BrokerError::Invalid(said));
        }
    }
    Ok(())
}

/// What can be seen of a flow before it has nodes.
pub(crate) fn check_flow(tenant: &str, flow: &NewFlow, partitions: u16) -> Result<()> {
    let invalid = |said: String| Err(BrokerError::Invalid(said));
    check_name(tenant, "tenant").map_err(|e| BrokerError::Invalid(e.to_string()))?;
    if flow.id.partition() != Partition::of(tenant, partitions) {
        return invalid(format!(
            "flow {} is not of the partition of tenant `{tenant}`",
            flow.id
        ));
    }
    let most = MAX_NODES as u32;
    if flow.nodes == 0 || flow.nodes > most {
        return invalid(format!(
            "a flow has 1 to {most} nodes, this one {}",
            flow.nodes
        ));
    }
    if flow.about.len() > MAX_ABOUT {
        return invalid(format!(
            "{} bytes about a flow are too many: at most {MAX_ABOUT}",
            flow.about.len()
        ));
    }
    Ok(())
}

/// What is refused of nodes before the store is touched.
pub(crate) fn check_nodes(
    tenant: &str,
    flow: JobId,
    nodes: &[FlowNode],
    partitions: u16,
) -> Result<()> {
    let jobs = nodes.iter().map(|it| &it.job);
    check_calls(tenant, jobs, nodes.len(), partitions)?;
    if nodes.len() > MAX_NODES_ADDED {
        let said = format!(
            "at most {MAX_NODES_ADDED} nodes are added in a call, and not {}",
            nodes.len()
        );
        return Err(BrokerError::Invalid(said));
    }
    for FlowNode { job, needs } in nodes {
        let wrong = if job.seat.is_none_or(|seat| seat.flow != flow) {
            "has no seat in it"
        } else if job.key.is_some() || job.unique.is_some() || job.result_ttl.is_some() {
            "has a key, is unique, or says how long it is kept"
        } else if matches!(job.eta, When::At(_)) || matches!(job.expiry, Some(When::At(_))) {
            "has a fixed time"
        } else if needs.len() > MAX_NEEDS {
            "needs too many joints: let another node gather them"
        } else if !needs.is_sorted_by(|a, b| a < b) {
            "needs a joint twice, or out of order"
        } else {
            continue;
        };
        let said = format!("node {} of flow {flow} {wrong}", job.id);
        return Err(BrokerError::Invalid(said));
    }
    Ok(())
}

/// A store keeps a schedule by its name, whatever else it says.
pub(crate) fn check_declared(tenant: &str, schedules: &[Declared]) -> Result<()> {
    let invalid = |said: String| BrokerError::Invalid(said);
    check_name(tenant, "tenant").map_err(|e| invalid(e.to_string()))?;
    for it in schedules {
        check_schedule_name(&it.schedule.name).map_err(|e| invalid(e.to_string()))?;
    }
    let mut names: Vec<&str> = schedules.iter().map(|it| &*it.schedule.name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(invalid(format!("two schedules are named `{}`", pair[0]))),
        None => Ok(()),
    }
}

/// It is kept with the lease, and written with each sign of life.
pub(crate) fn check_beat(beat: &Heartbeat) -> Result<()> {
    match beat.about.len() {
        0..=MAX_WORKER_ABOUT => Ok(()),
        bytes => Err(BrokerError::Invalid(format!(
            "a worker tells at most {MAX_WORKER_ABOUT} bytes of itself, and not {bytes}"
        ))),
    }
}

/// Each lane by itself has no pause: that of its queue is the same.
pub(crate) fn check_pause(scope: &Scope) -> Result<()> {
    match scope {
        Scope::Lanes(queue) => Err(BrokerError::Invalid(format!(
            "`{scope}` cannot be paused: pause `queue:{queue}`, or one lane"
        ))),
        _ => Ok(()),
    }
}

/// A completed job without its attempt would be a result from nowhere.
pub(crate) fn check_settlements(settlements: &[Settlement], partitions: u16) -> Result<()> {
    for it in settlements {
        if !it.children.is_empty() {
            check_children(&it.tenant, &it.children, partitions)?;
        }
        let wrong = match it.action {
            Action::Complete(_) if it.attempt.is_none() => "completed without an attempt",
            Action::NextPage { open, .. } if !is_page(it, open) => {
                "has a page that is larger than half of what may be open, or of jobs that it does not count"
            }
            Action::NextPage { .. } if !it.flows.is_empty() => "has flows on its page",
            Action::NextPage { .. } => continue,
            _ if it.children.iter().any(|job| job.counted) => "counts jobs of no page",
            _ => continue,
        };
        return Err(BrokerError::Invalid(format!("job {} {wrong}", it.id)));
    }
    Ok(())
}

fn is_page(it: &Settlement, open: u32) -> bool {
    let is_counted = |job: &NewJob| job.counted && job.options.parent == Some(it.id);
    (2..=MAX_OPEN).contains(&open)
        && it.children.len() <= page_of(open) as usize
        && it.children.iter().all(is_counted)
}

/// Whether a settlement adds to the job's failed attempts.
pub(crate) fn counts_as_failed(it: &Settlement) -> bool {
    match it.action {
        Action::Retry(_) => true,
        Action::Discard => it
            .attempt
            .as_ref()
            .is_some_and(|a| a.ending != Ending::Completed),
        Action::Complete(_) | Action::Cancel | Action::GiveBack(_) | Action::NextPage { .. } => {
            false
        }
    }
}

/// Whether a settlement's attempt is kept on the record: there may be a million runs that
/// each made a page.
pub(crate) fn is_kept(action: &Action) -> bool {
    !matches!(action, Action::NextPage { .. })
}

/// How long a source waits for the jobs of its pages to end. Their ends make it go on;
/// this is for one whose jobs nobody can read any more.
pub(crate) const PAGE_WAITS: Duration = Duration::from_secs(365 * 24 * 3600);
