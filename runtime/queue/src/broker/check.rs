//! What both implementations refuse before they touch the store, and how they
//! read a settlement.

use super::{BrokerError, Declared, MAX_BATCH, Result};
use crate::job::{Action, Ending, MAX_PRIORITY, NewJob, Partition, Settlement};
use crate::limits::Scope;
use crate::schedule::check_schedule_name;
use crate::task::{NameError, check_lane, check_name};

/// What both implementations refuse before they touch the store.
pub(crate) fn check_jobs(tenant: &str, jobs: &[NewJob], partitions: u16) -> Result<()> {
    let invalid = |e: NameError| BrokerError::Invalid(e.to_string());
    check_name(tenant, "tenant").map_err(invalid)?;
    let partition = Partition::of(tenant, partitions);
    if jobs.len() > MAX_BATCH {
        let said = format!(
            "a batch has at most {MAX_BATCH} jobs, this one {}",
            jobs.len()
        );
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
    for it in settlements.iter().filter(|it| !it.children.is_empty()) {
        check_jobs(&it.tenant, &it.children, partitions)?;
    }

    let broken =
        |it: &&Settlement| matches!(it.action, Action::Complete(_)) && it.attempt.is_none();
    match settlements.iter().find(broken) {
        Some(it) => Err(BrokerError::Invalid(format!(
            "job {} completed without an attempt",
            it.id
        ))),
        None => Ok(()),
    }
}

/// Whether a settlement adds to the job's failed attempts.
pub(crate) fn counts_as_failed(it: &Settlement) -> bool {
    match it.action {
        Action::Retry(_) => true,
        Action::Discard => it
            .attempt
            .as_ref()
            .is_some_and(|a| a.ending != Ending::Completed),
        Action::Complete(_) | Action::Cancel | Action::GiveBack(_) => false,
    }
}
