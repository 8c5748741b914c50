//! What a worker of a test hears.

use std::time::Duration;

use lovage_queue::broker::{Signal, Signals};
use lovage_queue::job::WorkerId;
use tokio::time::timeout;

use super::{Bench, secs};

/// Longer than anything here takes, shorter than a patience.
pub(crate) const SOON: Duration = secs(10);

/// Signals of a worker that is connected.
pub(crate) async fn listen(b: &Bench, worker: WorkerId) -> Signals {
    let mut signals = b.signals(worker).await.unwrap();
    let first = timeout(SOON, signals.recv()).await;
    let listens = matches!(first, Ok(Some(Signal::Listening)));
    assert!(listens, "{first:?}");
    signals
}

/// Waits for a signal; what else was heard before it.
pub(crate) async fn hears(signals: &mut Signals, wanted: Signal) -> Vec<Signal> {
    let mut before = Vec::new();
    loop {
        match timeout(SOON, signals.recv()).await {
            Ok(Some(signal)) if signal == wanted => return before,
            Ok(Some(other)) => before.push(other),
            other => panic!("{wanted:?} was not signalled: {other:?}"),
        }
    }
}

/// What has been heard by now.
pub(crate) fn heard(signals: &mut Signals) -> Vec<Signal> {
    std::iter::from_fn(|| signals.try_recv().ok()).collect()
}
