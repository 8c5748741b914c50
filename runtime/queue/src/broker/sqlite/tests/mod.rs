//! What is promised of a file and of several processes at it. What is promised
//! of every broker stands in `tests/broker`.
//!
//! - `file`: what a file must be, and what lies in it
//! - `upgrade`: files of earlier schemas
//! - `processes`: several writers at one file
//! - `limits`: what limits cost, and that nothing waits for ever
//! - `flows`: jobs that wait for others; `leaving`: how long flows are kept;
//!   `rig`: what these two share
//! - `ledger`: how long what is kept for those who look on stays
//! - `buckets`: bounds that no test comes to key by key

mod buckets;
mod file;
mod flows;
mod leaving;
mod ledger;
mod limits;
mod processes;
mod rig;
mod upgrade;

use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::broker::Signal;
use crate::job::{Action, Attempt, Ending, State, When};

const SOON: Duration = Duration::from_secs(5);
/// How long a test waits for what comes: on a busy host that may be seconds.
const PATIENCE: Duration = Duration::from_secs(30);
const TENANT: &str = "default";

fn place() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lovage.db");
    (dir, path)
}

/// A broker with a writer of its own, as another process has.
async fn another(path: &Path, clock: &Clock) -> SqliteBroker {
    let path = path.canonicalize().unwrap();
    let open = move || Core::apart(path, "sqlite:another".into(), Durability::Process);
    let core = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    SqliteBroker {
        core: Arc::new(core),
        clock: clock.clone(),
    }
}

fn job() -> NewJob {
    NewJob::new(JobId::new(Partition(0)), "basics", "add", vec![0x80])
}

fn claim(worker: WorkerId, number: u64) -> Claim {
    Claim {
        partition: Partition(0),
        worker,
        number,
        queues: vec![("default".into(), 10)],
        max: 10,
        lease: Duration::from_secs(10),
        crowded: Vec::new(),
    }
}

fn done(claimed: &Claimed, worker: WorkerId) -> Settlement {
    Settlement {
        tenant: claimed.tenant.clone(),
        id: claimed.id,
        delivery: claimed.delivery,
        queue: claimed.queue.clone(),
        action: Action::Complete(vec![1].into()),
        attempt: Some(Attempt {
            ending: Ending::Completed,
            delivery: claimed.delivery,
            worker,
            digest: None,
            release: 0,
            started: claimed.started,
            took: Duration::ZERO,
            fuel: 1,
            peak_memory: 0,
            failure: None,
            log: Vec::new(),
        }),
        children: Vec::new(),
        flows: Vec::new(),
        spent: crate::job::Spent::default(),
    }
}

/// A clock that a test moves by hand.
fn clock() -> (Clock, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    (Clock::Set(now.clone()), now)
}

fn ids(claimed: &[Claimed]) -> Vec<JobId> {
    claimed.iter().map(|it| it.id).collect()
}
