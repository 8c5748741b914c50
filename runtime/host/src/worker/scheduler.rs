//! Fires the schedules whose time has come. Any worker does; who was told of a
//! schedule is alone with it for a moment, and of two that fire the same time the
//! broker takes one.

use lovage_queue::broker::FireOutcome;
use lovage_queue::job::Partition;

use super::session::Session;

/// Schedules a step.
const STEP: u32 = 100;

/// Fires all that is due in a partition.
pub(super) async fn fire(session: &Session, partition: Partition) {
    loop {
        let due = match session.broker.due(partition, STEP).await {
            Ok(due) => due,
            Err(e) => {
                tracing::debug!(error = %e, "could not look for schedules");
                return;
            }
        };
        for (tenant, name, reason) in &due.unreadable {
            tracing::error!(tenant, schedule = name, reason, "a schedule cannot be read");
        }
        for it in &due.schedules {
            let name = &it.planned.schedule.name;
            match session.client(&it.tenant).fire_due(it, due.now).await {
                Ok(outcomes) => outcomes.iter().flatten().for_each(|it| tell(name, it)),
                // It is told again in a moment.
                Err(e) => tracing::warn!(schedule = name, error = %e, "could not fire a schedule"),
            }
        }
        if due.schedules.len() + due.unreadable.len() < STEP as usize {
            return;
        }
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
