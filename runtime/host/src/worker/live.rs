//! The logs of running jobs, told to the broker while they grow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lovage_queue::broker::Note;

use super::session::Session;
use super::settle::portions;

/// How often, and how long a job runs before anybody would look.
const EVERY: Duration = Duration::from_secs(1);
/// Bytes in one call, or a single log with more.
const BYTES: usize = 4 * 1024 * 1024;

/// Tells until the session ends. What cannot be told is told with the end of its
/// attempt.
pub(super) async fn run(session: Arc<Session>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let mut partitions: BTreeMap<_, Vec<Note>> = BTreeMap::new();
        for note in session.hands.grown(EVERY) {
            let partition = note.id.partition();
            partitions.entry(partition).or_default().push(note);
        }
        for notes in partitions.values() {
            for some in portions(notes, BYTES, size) {
                if let Err(e) = session.broker.note(session.worker, some).await {
                    tracing::debug!(error = %e, "could not tell of logs");
                }
            }
        }
    }
}

fn size(note: &Note) -> usize {
    note.log.as_ref().map_or(0, Vec::len)
}
