//! Settlements on their way to the broker. While one batch is on its way the
//! next one gathers: under load batches are large, and a single settlement
//! waits for nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Settled};
use lovage_queue::job::Settlement;

use super::session::Session;

/// Settlements in one call.
const BATCH: usize = 500;
/// The wait before a batch is tried again that the broker did not take.
const AGAIN: Duration = Duration::from_millis(200);

/// Settles until the session is closed and nothing is left.
pub(super) async fn run(session: Arc<Session>) {
    let unsettled = session
        .unsettled
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut unsettled) = unsettled else {
        return;
    };
    let mut batch = Vec::with_capacity(BATCH);
    while unsettled.recv_many(&mut batch, BATCH).await > 0 {
        let mut partitions: BTreeMap<_, Vec<Settlement>> = BTreeMap::new();
        for settlement in batch.drain(..) {
            partitions
                .entry(settlement.id.partition())
                .or_default()
                .push(settlement);
        }
        for settlements in partitions.into_values() {
            settle(&session, &settlements).await;
        }
    }
}

/// Tries until it is recorded: it is worse to lose a result than to wait. A
/// worker whose broker stays away is declared dead in the end, and whatever it
/// says later is stale.
async fn settle(session: &Session, settlements: &[Settlement]) {
    loop {
        match session.broker.settle(session.worker, settlements).await {
            Ok(answers) => return report(settlements, &answers),
            Err(e @ BrokerError::Invalid(_)) => {
                tracing::error!(error = %e, "the broker refused settlements for good");
                return;
            }
            Err(e) => {
                tracing::warn!(error = %e, jobs = settlements.len(), "could not settle; will try again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn report(settlements: &[Settlement], answers: &[Settled]) {
    for (settlement, answer) in settlements.iter().zip(answers) {
        if *answer != Settled::Recorded {
            let (job, delivery) = (settlement.id, settlement.delivery);
            tracing::warn!(%job, delivery, ?answer, "a settlement was not recorded: the job is somebody else's");
        }
    }
}
