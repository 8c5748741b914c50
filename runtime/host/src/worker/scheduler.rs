//! Fires the schedules whose time has come. Any worker does; who was told of a
//! schedule is alone with it for a moment, and of two that fire the same time the
//! broker takes one.

use lovage_queue::broker::{DueSchedule, FireOutcome};
use lovage_queue::clock::Millis;
use lovage_queue::job::Partition;

use super::session::Session;

/// Schedules a step.
const STEP: u32 = 100;

/// Fires all that is due in a partition; whether the broker let us.
pub(super) async fn fire(session: &Session, partition: Partition) -> bool {
    loop {
        let due = match session.broker.due(partition, STEP).await {
            Ok(due) => due,
            Err(e) => {
                tracing::warn!(error = %e, "could not look for schedules; will try again");
                return false;
            }
        };
        for (tenant, name, reason) in &due.unreadable {
            tracing::error!(tenant, schedule = name, reason, "a schedule cannot be read");
        }
        // All at once: they are ours for a second, and each waits for the broker.
        let fires = due.schedules.iter().map(|it| one(session, it, due.now));
        futures_util::future::join_all(fires).await;
        if due.schedules.len() + due.unreadable.len() < STEP as usize {
            return true;
        }
    }
}

async fn one(session: &Session, due: &DueSchedule, now: Millis) {
    let name = &due.planned.schedule.name;
    match session.client(&due.tenant).fire_due(due, now).await {
        Ok(outcomes) => outcomes.iter().flatten().for_each(|it| tell(name, it)),
        // It is told again in a moment.
        Err(e) => tracing::warn!(schedule = name, error = %e, "could not fire a schedule"),
    }
}

fn tell(name: &str, outcome: &FireOutcome) {
    match outcome {
        FireOutcome::Job(id) => tracing::debug!(schedule = name, job = %id, "fired"),
        FireOutcome::Skipped => tracing::info!(schedule = name, "skipped: its last job still runs"),
        FireOutcome::Held => tracing::debug!(schedule = name, "holds a fire"),
        FireOutcome::Refused(reason) => {
            tracing::warn!(schedule = name, reason, "a schedule made no job");
        }
    }
}
