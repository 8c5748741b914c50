//! Settlements on their way to the broker. While one batch is on its way the
//! next one gathers; and while jobs end fast, for a moment more: under load batches
//! are large, and a single settlement waits for nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use lovage_queue::broker::{BrokerError, Settled};
use lovage_queue::job::{Action, Settlement};

use super::series::{Counted, Series, same};
use super::session::Session;
use crate::telemetry::traces::Span;

/// Settlements in one call: no step of Redis should take 10 ms, and to end a node of a flow,
/// and free another, may take it 20 µs.
const BATCH: usize = 300;
/// How long settlements gather while more jobs are held than have slots: those are
/// short, so more of them end at any moment.
const GATHER: Duration = Duration::from_millis(1);
/// Bytes of results and logs in one call, or a single settlement with more: what
/// a broker does not take at one go would be sent for ever.
const BYTES: usize = 8 * 1024 * 1024;
/// A child's share of that, whatever its input: no step of the broker makes more than a
/// thousand.
const CHILD: usize = BYTES / 1000;
/// The wait before a batch is tried again that the broker did not take.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// What is told of a settlement beside itself.
struct Of {
    series: Option<Arc<Series>>,
    waited: Duration,
    span: Option<(Box<Span>, SystemTime)>,
}

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
        if batch.len() < BATCH && session.load.held() > session.settings.concurrency {
            tokio::time::sleep(GATHER).await;
            while batch.len() < BATCH
                && let Ok(one) = unsettled.try_recv()
            {
                batch.push(one);
            }
        }
        let mut partitions: BTreeMap<_, (Vec<Settlement>, Vec<Of>)> = BTreeMap::new();
        for it in batch.drain(..) {
            let partition = it.settlement.id.partition();
            let (settlements, of) = partitions.entry(partition).or_default();
            settlements.push(it.settlement);
            of.push(Of {
                series: it.series,
                waited: it.waited,
                span: it.span,
            });
        }
        for (settlements, of) in partitions.values() {
            let mut of = of.as_slice();
            for some in portions(settlements, BYTES, size) {
                let (these, rest) = of.split_at(some.len());
                of = rest;
                if let Some(answers) = settle(&session, some).await {
                    report(&session, some, these, &answers);
                }
            }
        }
    }
}

/// Cuts a batch up so that no portion is too large for one call.
pub(super) fn portions<T>(
    batch: &[T],
    most: usize,
    size: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut bytes = batch.first().map_or(0, &size);
    batch.chunk_by(move |_, next| {
        bytes += size(next);
        let together = bytes <= most;
        if !together {
            bytes = size(next);
        }
        together
    })
}

fn size(settlement: &Settlement) -> usize {
    let result = match &settlement.action {
        Action::Complete(result) => result.inline().map_or(0, <[u8]>::len),
        Action::NextPage { cursor, .. } => cursor.state.len(),
        _ => 0,
    };
    let log = settlement.attempt.as_ref().map_or(0, |it| it.log.len());
    let children = settlement.children.iter();
    let children = children.map(|it| CHILD + it.input.inline().map_or(0, <[u8]>::len));
    result + log + children.sum::<usize>()
}

/// Tries until it is recorded: it is worse to lose a result than to wait. A
/// worker whose broker stays away is declared dead in the end, and whatever it
/// says later is stale.
async fn settle(session: &Session, settlements: &[Settlement]) -> Option<Vec<Settled>> {
    loop {
        match session.broker.settle(session.worker, settlements).await {
            Ok(answers) => return Some(answers),
            Err(e @ BrokerError::Invalid(_)) => {
                tracing::error!(error = %e, "the broker refused settlements for good");
                return None;
            }
            Err(e) => {
                tracing::warn!(error = %e, jobs = settlements.len(), "could not settle; will try again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn report(session: &Session, settlements: &[Settlement], of: &[Of], answers: &[Settled]) {
    let worker = session.telemetry.metrics.worker();
    worker.settlements.inc();
    worker.settled.inc_by(settlements.len() as u64);
    let stale = answers.iter().filter(|it| **it != Settled::Recorded);
    worker.stale.inc_by(stale.count() as u64);
    for (span, since) in of.iter().filter_map(|it| it.span.as_ref()) {
        span.within("settle", *since);
    }
    let mut all = settlements.iter().zip(answers).zip(of);
    for alike in of.chunk_by(|a, b| same(&a.series, &b.series)) {
        let these = all.by_ref().take(alike.len());
        let recorded = these.filter(|((_, answer), _)| **answer == Settled::Recorded);
        let counted = recorded.map(|((settlement, _), of)| Counted {
            settlement,
            waited: of.waited,
        });
        match &alike[0].series {
            Some(series) => session.series.settled(series, counted),
            None => counted.for_each(drop),
        }
    }
    for ((settlement, answer), of) in settlements.iter().zip(answers).zip(of) {
        if *answer != Settled::Recorded {
            let task = of.series.as_ref().map_or("", |it| &it.name);
            let (job, delivery) = (settlement.id, settlement.delivery);
            tracing::warn!(%job, task, delivery, ?answer, "a settlement was not recorded: the job is somebody else's");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_queue::job::{JobId, Partition};

    fn of(bytes: usize) -> Settlement {
        Settlement {
            tenant: "default".into(),
            id: JobId::new(Partition(0)),
            delivery: 1,
            queue: "default".into(),
            action: Action::Complete(vec![0; bytes].into()),
            attempt: None,
            children: Vec::new(),
            flows: Vec::new(),
            spent: lovage_queue::job::Spent::default(),
        }
    }

    #[test]
    fn large_results_travel_in_portions_and_small_ones_together() {
        let some: Vec<_> = [1, 1, BYTES - 1, 1, 2 * BYTES, 1].map(of).into();
        let portions: Vec<usize> = portions(&some, BYTES, size).map(<[_]>::len).collect();
        assert_eq!(portions, [2, 2, 1, 1]);
        assert_eq!(portions.iter().sum::<usize>(), some.len());
    }
}
