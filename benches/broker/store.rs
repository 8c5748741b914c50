//! A broker of the benchmark's own, and what brings it into a state.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lovage_queue::broker::{Broker, Claim, Claimed, Place};
use lovage_queue::job::{
    Action, Attempt, Checkpoint, Ending, JobId, NewJob, Partition, Settlement, WorkerId,
};
use lovage_queue::registry::Digest;
use lovage_queue::task::{DEFAULT_TENANT, Failure};
use tokio::runtime::{Builder, Runtime};

use super::{BATCH, BLOB, registry};
use crate::support::redis::Server;

pub(super) const TENANT: &str = DEFAULT_TENANT;
/// The module that jobs call.
pub(super) const MODULE: &str = "basics";
/// The queue of jobs that come and go.
pub(super) const QUEUE: &str = "busy";
/// The queue of jobs that stay.
const STANDING: &str = "standing";
pub(super) const HOME: Partition = Partition(0);
/// Longer than any case.
pub(super) const LEASE: Duration = Duration::from_secs(3600);

/// A broker with some jobs that stay where they are.
pub(super) struct Store {
    pub(super) name: &'static str,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) runtime: Runtime,
    /// Jobs that wait and are never claimed.
    pub(super) standing: Vec<JobId>,
    /// Jobs that failed and are kept.
    pub(super) ended: Vec<JobId>,
    /// A job that runs and has a checkpoint.
    pub(super) running: JobId,
    pub(super) blob: Digest,
    /// What [`MODULE`]'s active release runs.
    pub(super) module: Digest,
    /// What must outlive the broker.
    _home: Box<dyn Any>,
}

impl Store {
    pub(super) fn redis() -> Self {
        let server = Server::start();
        let place = Place::Redis(server.url());
        Self::over("redis", &place, server)
    }

    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::Sqlite(folder.path().join("lovage.db"));
        Self::over("sqlite", &place, folder)
    }

    fn over(name: &'static str, place: &Place, home: impl Any) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("threads");
        let broker = runtime.block_on(place.connect());
        let broker = broker.expect("it is there, and ours alone");
        let mut store = Store {
            name,
            broker,
            runtime,
            standing: Vec::new(),
            ended: Vec::new(),
            running: JobId::new(HOME),
            blob: Digest::of(b""),
            module: Digest::of(b""),
            _home: Box::new(home),
        };
        let furnished = store.runtime.handle().clone();
        furnished.block_on(store.furnish());
        store
    }

    async fn furnish(&mut self) {
        self.module = self.push().await;
        let standing = |count| (0..count).map(|_| self.job_in(STANDING)).collect();
        self.standing = self.add(standing(BATCH)).await;
        self.ended = self.fill(BATCH).await;
        let worker = Worker::default();
        let claimed = worker.claim(self, BATCH).await;
        worker.settle(self, discarded(&claimed)).await;
        self.running = self.fill(1).await[0];
        let claimed = worker.claim(self, 1).await;
        let checkpoint = Checkpoint {
            digest: Digest::of(b"a module"),
            state: vec![7; 1024],
        };
        let note = lovage_queue::broker::Note {
            checkpoint: Some(checkpoint),
            ..super::jobs::note_of(&claimed[0])
        };
        self.broker.note(worker.id, &[note]).await.expect("a note");
        let blob = self.broker.put_blob(TENANT, &vec![7; BLOB]).await;
        self.blob = blob.expect("room for a blob");
    }

    /// Makes a module active, which claims then find.
    async fn push(&self) -> Digest {
        let (broker, bytes) = (&self.broker, noise(64 * 1024));
        let digest = broker.put(TENANT, &bytes, &registry::manifest()).await;
        let digest = digest.expect("room for a module");
        let staged = broker.stage(TENANT, MODULE, digest, "a bench").await;
        let number = staged.expect("the module is there").number;
        let active = broker.activate(TENANT, MODULE, number).await;
        active.expect("the release is there");
        digest
    }

    pub(super) fn job(&self) -> NewJob {
        self.job_in(QUEUE)
    }

    fn job_in(&self, queue: &str) -> NewJob {
        NewJob {
            queue: queue.into(),
            ..NewJob::new(JobId::new(HOME), MODULE, "add", vec![0x81, 0xa1, b'a', 1])
        }
    }

    pub(super) async fn add(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        let added = self.broker.enqueue(TENANT, &jobs).await;
        added.expect("the broker takes them");
        jobs.iter().map(|job| job.id).collect()
    }

    /// Enqueues so many jobs.
    pub(super) async fn fill(&self, count: usize) -> Vec<JobId> {
        self.add((0..count).map(|_| self.job()).collect()).await
    }

    /// Runs what waits, and what of it was cancelled leaves its lane.
    pub(super) async fn complete_all(&self) -> Vec<JobId> {
        let worker = Worker::default();
        let mut done = Vec::new();
        loop {
            let claimed = worker.claim(self, 1000).await;
            if claimed.is_empty() {
                break;
            }
            worker.settle(self, completed(&claimed)).await;
            done.extend(claimed.iter().map(|it| it.id));
        }
        worker.retire(self).await;
        done
    }

    /// Runs what waits, and forgets it.
    pub(super) async fn clear(&self) {
        let done = self.complete_all().await;
        self.forget(&done).await;
    }

    pub(super) async fn forget(&self, ids: &[JobId]) {
        for some in ids.chunks(1000) {
            let gone = self.broker.delete(TENANT, some).await;
            assert!(gone.expect("they have ended").iter().all(|it| *it));
        }
    }
}

/// A worker that counts its claims.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    number: Cell<u64>,
}

impl Default for Worker {
    fn default() -> Self {
        Worker {
            id: WorkerId::random(),
            number: Cell::new(0),
        }
    }
}

impl Worker {
    /// Its next claim.
    pub(super) fn wish(&self, max: usize, lease: Duration) -> Claim {
        self.number.set(self.number.get() + 1);
        Claim {
            partition: HOME,
            worker: self.id,
            number: self.number.get(),
            queues: vec![(QUEUE.into(), max as u32)],
            max: max as u32,
            lease,
            crowded: Vec::new(),
        }
    }

    pub(super) async fn claim(&self, store: &Store, max: usize) -> Vec<Claimed> {
        let claimed = store.broker.claim(&self.wish(max, LEASE)).await;
        claimed.expect("it is alive")
    }

    pub(super) async fn settle(&self, store: &Store, settlements: Vec<Settlement>) {
        let settled = store.broker.settle(self.id, &settlements).await;
        settled.expect("they are sound");
    }

    pub(super) async fn retire(&self, store: &Store) {
        let retired = store.broker.retire(HOME, self.id).await;
        retired.expect("it is alive");
    }
}

/// Settlements as a worker tells of jobs that completed.
pub(super) fn completed(claimed: &[Claimed]) -> Vec<Settlement> {
    let result = || Action::Complete(vec![0xc0].into());
    let one = |it| settlement(it, result(), Ending::Completed);
    claimed.iter().map(one).collect()
}

/// The same of jobs that failed for good.
pub(super) fn discarded(claimed: &[Claimed]) -> Vec<Settlement> {
    let one = |it| settlement(it, Action::Discard, Ending::Failed);
    claimed.iter().map(one).collect()
}

pub(super) fn settlement(it: &Claimed, action: Action, ending: Ending) -> Settlement {
    let failed = ending != Ending::Completed;
    Settlement {
        tenant: it.tenant.clone(),
        id: it.id,
        delivery: it.delivery,
        queue: it.queue.clone(),
        action,
        attempt: Some(Attempt {
            ending,
            delivery: it.delivery,
            worker: WorkerId(1),
            digest: Some(Digest::of(b"a module")),
            release: 3,
            started: it.started,
            took: Duration::from_micros(10),
            fuel: 100,
            peak_memory: 128 * 1024,
            failure: failed.then(|| Failure::new("io", "it broke")),
            log: Vec::new(),
        }),
        children: Vec::new(),
        flows: Vec::new(),
        spent: lovage_queue::job::Spent {
            cpu: Duration::from_micros(5),
            charged: it.charged,
        },
    }
}

/// How long something takes.
pub(super) async fn timed<T>(something: impl Future<Output = T>) -> (Duration, T) {
    let since = Instant::now();
    let done = something.await;
    (since.elapsed(), done)
}

/// Bytes that were never there before, and do not shrink.
pub(super) fn noise(size: usize) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let mut state = NUMBER.fetch_add(1, Ordering::Relaxed) << 32;
    let step = |_| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).to_le_bytes()
    };
    (0..size / 8).flat_map(step).collect()
}
