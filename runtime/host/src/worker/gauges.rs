//! How a worker stands, put into its metrics now and then: nobody looks more often, and
//! so nothing is paid for it where jobs run.

use std::sync::Arc;
use std::time::Duration;

use super::session::Session;
use crate::telemetry::metrics::raise;

/// How often.
const EVERY: Duration = Duration::from_millis(250);

/// Until the session ends.
pub(super) async fn run(session: Arc<Session>) {
    loop {
        read(&session);
        tokio::time::sleep(EVERY).await;
    }
}

pub(super) fn read(session: &Session) {
    let worker = session.telemetry.metrics.worker();
    let slots = session.settings.concurrency;
    let used = slots.saturating_sub(session.slots.available_permits());
    let spare = session.settings.spare();
    let used = used + spare.saturating_sub(session.spare.available_permits());
    worker.slots.set(slots as i64);
    worker.slots_used.set(used as i64);
    worker
        .held
        .set((session.load.held() + session.load.spare()) as i64);
    let counts = session.modules.engine().module_counts();
    raise(&worker.cache_hits, counts.hits);
    raise(&worker.cache_misses, counts.misses);
    raise(&worker.compilations, counts.compilations);
    let seconds = counts.compiling.as_secs_f64() - worker.compile_seconds.get();
    worker.compile_seconds.inc_by(seconds.max(0.0));
}
