//! What the cases stand on: a broker over a store of the test's own, whose clock
//! moves only when the test says so.

mod redis;
pub(crate) mod signals;
mod sqlite;
mod worker;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lovage_queue::broker::redis::RedisBroker;
use lovage_queue::broker::sqlite::SqliteBroker;
use lovage_queue::broker::{Broker, Filter, QueueCounts};
use lovage_queue::clock::{Clock, Millis, millis};
use lovage_queue::job::{Job, JobId, NewJob, Partition, State};
use lovage_queue::limits::{Limit, Limited, Scope};
use lovage_queue::registry::Digest;
use lovage_queue::task::Rate;

use self::redis::Server;
use self::sqlite::File;
pub(crate) use self::worker::{
    Worker, attempt, cancel, complete, cursor, discard, fail, give_back, next_page,
};

/// The tenant of cases that need no other.
pub(crate) const TENANT: &str = "default";
/// The time at which every case begins.
pub(crate) const BEGIN: Millis = Millis(1_800_000_000_000);
/// How many partitions the Redis broker has: more than one, so that a mistake
/// in choosing between them shows.
const PARTITIONS: u16 = 4;

enum Store {
    Redis(Server),
    Sqlite(File),
}

/// A broker under test. It derefs to the broker.
pub(crate) struct Bench {
    /// For tasks that need it for longer than a borrow.
    pub(crate) broker: Arc<dyn Broker>,
    now: Arc<AtomicU64>,
    store: Store,
}

impl Deref for Bench {
    type Target = dyn Broker;

    fn deref(&self) -> &Self::Target {
        &*self.broker
    }
}

impl Bench {
    /// Over a Redis server of this test's own.
    pub(crate) async fn redis() -> Self {
        Self::redis_of(PARTITIONS).await
    }

    /// The same with so many partitions.
    pub(crate) async fn redis_of(partitions: u16) -> Self {
        let (server, now) = (Server::start(), Arc::new(AtomicU64::new(BEGIN.0)));
        let clock = Clock::Set(now.clone());
        let broker = RedisBroker::connect(&server.url(), partitions, clock)
            .await
            .unwrap();
        Bench {
            broker: Arc::new(broker),
            now,
            store: Store::Redis(server),
        }
    }

    /// Over a file of this test's own.
    pub(crate) async fn sqlite() -> Self {
        let (file, now) = (File::new(), Arc::new(AtomicU64::new(BEGIN.0)));
        let broker = SqliteBroker::open(&file.path(), Clock::Set(now.clone()))
            .await
            .unwrap();
        Bench {
            broker: Arc::new(broker),
            now,
            store: Store::Sqlite(file),
        }
    }

    /// The broker's time.
    pub(crate) fn now(&self) -> Millis {
        Millis(self.now.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: Duration) {
        self.now.fetch_add(millis(span), Ordering::SeqCst);
    }

    /// Where a tenant lives.
    pub(crate) fn partition(&self, tenant: &str) -> Partition {
        Partition::of(tenant, self.partitions())
    }

    /// Where [`TENANT`] lives.
    pub(crate) fn home(&self) -> Partition {
        self.partition(TENANT)
    }

    /// Tenants that live where [`TENANT`] does, itself the first.
    pub(crate) fn neighbours(&self, count: usize) -> Vec<String> {
        let others = (0..)
            .map(|n| format!("tenant-{n}"))
            .filter(|it| self.partition(it) == self.home());
        std::iter::once(TENANT.to_owned())
            .chain(others)
            .take(count)
            .collect()
    }

    /// A job of a tenant with all defaults.
    pub(crate) fn job_of(&self, tenant: &str) -> NewJob {
        NewJob::new(
            JobId::new(self.partition(tenant)),
            "basics",
            "add",
            vec![0x81, 0xa1, b'a', 1],
        )
    }

    /// A job with all defaults.
    pub(crate) fn job(&self) -> NewJob {
        self.job_of(TENANT)
    }

    /// Jobs that are changed from the defaults one by one.
    pub(crate) fn jobs_with(
        &self,
        count: usize,
        change: impl Fn(usize, &mut NewJob),
    ) -> Vec<NewJob> {
        let mut jobs: Vec<_> = (0..count).map(|_| self.job()).collect();
        jobs.iter_mut()
            .enumerate()
            .for_each(|(n, job)| change(n, job));
        jobs
    }

    /// Enqueues jobs; their ids.
    pub(crate) async fn add(&self, jobs: &[NewJob]) -> Vec<JobId> {
        self.enqueue(TENANT, jobs).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    }

    /// Enqueues so many jobs with all defaults; their ids.
    pub(crate) async fn add_plain(&self, count: usize) -> Vec<JobId> {
        self.add(&self.jobs_with(count, |_, _| {})).await
    }

    /// The job as the broker knows it.
    pub(crate) async fn look(&self, id: JobId) -> Job {
        self.jobs(TENANT, &[id]).await.unwrap().remove(0).unwrap()
    }

    /// Jobs of a state in the broker's order, by id.
    pub(crate) async fn ids_in(&self, state: State) -> Vec<JobId> {
        let page = self.list(TENANT, &all(state)).await.unwrap();
        page.jobs.iter().map(|job| job.call.id).collect()
    }

    /// The depths of the default queue.
    pub(crate) async fn depths(&self) -> QueueCounts {
        self.depths_of(TENANT).await
    }

    /// The depths of a tenant's default queue; none where there is no such
    /// queue, or no longer.
    pub(crate) async fn depths_of(&self, tenant: &str) -> QueueCounts {
        let none = QueueCounts {
            queue: "default".into(),
            ..QueueCounts::default()
        };
        let counts = self.counts(tenant).await.unwrap();
        counts
            .into_iter()
            .find(|it| it.queue == "default")
            .unwrap_or(none)
    }

    /// Where these jobs stand.
    pub(crate) async fn states(&self, ids: &[JobId]) -> Vec<State> {
        let jobs = self.jobs(TENANT, ids).await.unwrap();
        jobs.into_iter().map(|job| job.unwrap().state).collect()
    }

    /// Makes available what is due; how many that was.
    pub(crate) async fn promote_all(&self) -> u32 {
        self.promote(self.home(), 1_000).await.unwrap().jobs
    }

    /// What a scope allows from now on.
    pub(crate) async fn allow(&self, scope: &str, limit: Limit) {
        self.limit(TENANT, &scope.parse().unwrap(), &limit)
            .await
            .unwrap();
    }

    /// Pauses a scope.
    pub(crate) async fn hold(&self, scope: &str) {
        let scope = scope.parse().unwrap();
        self.pause(TENANT, &scope, true).await.unwrap();
    }

    /// Lets a paused scope go on.
    pub(crate) async fn resume(&self, scope: &str) {
        let scope = scope.parse().unwrap();
        self.pause(TENANT, &scope, false).await.unwrap();
    }

    /// What is known of a scope's limit.
    pub(crate) async fn limited(&self, scope: &str) -> Option<Limited> {
        let scope: Scope = scope.parse().unwrap();
        let limits = self.limits(TENANT).await.unwrap();
        limits.into_iter().find(|it| it.scope == scope)
    }

    /// How many jobs of a scope count as running.
    pub(crate) async fn running_in(&self, scope: &str) -> u32 {
        self.limited(scope).await.expect("a limit").running
    }

    /// Overwrites a job's record with what is none.
    pub(crate) async fn corrupt(&self, tenant: &str, id: JobId, record: &[u8]) {
        match &self.store {
            Store::Redis(server) => server.corrupt(self.partition(tenant), tenant, id, record),
            Store::Sqlite(file) => file.corrupt(tenant, id, record),
        }
    }

    /// Leaves things on the Redis server as an earlier Lovage would, by a script; `root`
    /// is before all keys of the default tenant's partition.
    pub(crate) fn leave(&self, script: &str) {
        let Store::Redis(server) = &self.store else {
            panic!("there is no Redis");
        };
        let root = format!("local root = 'lovage:{{{}}}:'", self.home().0);
        let script = format!("{root} {script} return redis.status_reply('OK')");
        server.meddle(&[b"EVAL", script.as_bytes(), b"0"]);
    }

    /// Overwrites a chunk of a blob's bytes.
    pub(crate) async fn corrupt_blob(&self, tenant: &str, digest: Digest) {
        match &self.store {
            Store::Redis(server) => server.corrupt_blob(self.partition(tenant), tenant, digest),
            Store::Sqlite(file) => file.corrupt_blob(tenant, digest),
        }
    }

    /// Where in the store a word is found: keys, or tables with their columns.
    pub(crate) async fn mentions(&self, word: &str) -> Vec<String> {
        match &self.store {
            Store::Redis(server) => server.mentions(word),
            Store::Sqlite(file) => file.mentions(word),
        }
    }

    /// Overwrites a chunk of a module's bytes.
    pub(crate) async fn corrupt_module(&self, tenant: &str, digest: Digest) {
        match &self.store {
            Store::Redis(server) => server.corrupt_module(self.partition(tenant), tenant, digest),
            Store::Sqlite(file) => file.corrupt_module(tenant, digest),
        }
    }
}

/// All jobs of a state.
pub(crate) fn all(state: State) -> Filter {
    Filter::of(state, 1_000)
}

/// Seconds.
pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// At most so many at once.
pub(crate) fn at_once(count: u32) -> Limit {
    Limit {
        concurrency: Some(count),
        ..Limit::default()
    }
}

/// At most so many starts in each period.
pub(crate) fn paced(count: u32, period: Duration) -> Limit {
    Limit {
        rate: Some(Rate { count, period }),
        ..Limit::default()
    }
}

/// Lifts all limits.
pub(crate) fn unlimited() -> Limit {
    Limit::default()
}
