//! The children that run a worker's attempts: one a tenant, so that nothing which one
//! tenant's module does to a process reaches another's.
//!
//! **A child that ends takes its attempts with it.** Where it ran one alone, that is this
//! one's doing: a failed attempt like others, so that a module which kills its process each
//! time is discarded in the end. Where it ran several, nobody knows whose doing it was: all
//! of them go back, no attempt is counted, and each runs in a child of its own from then on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lovage_queue::job::{Ending, JobId};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use super::Program;
use super::runner::{Begun, Fault, Runner};
use crate::engine::{BatchCall, BatchOutcome, Cancel, End, Host, Invocation, Module, Outcome};

/// How children are made, and what they may use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose processes they are.
    pub program: Program,
    /// How many there may be.
    pub most: usize,
    /// Bytes of memory that one may hold.
    pub memory: u64,
    /// How long one is kept that runs nothing.
    pub idle: Duration,
    /// Attempts that one may run at once.
    pub instances: u32,
    /// Its threads for guests.
    pub threads: usize,
}

impl Settings {
    pub(super) fn args(&self) -> Vec<String> {
        [
            "run",
            &self.instances.to_string(),
            &self.threads.to_string(),
        ]
        .map(Into::into)
        .into()
    }
}

/// When to look again for room, or for a process that could not be started.
const LATER: Duration = Duration::from_millis(250);
/// Jobs that are remembered to have been in a child that ended.
const SUSPECTS: usize = 10_000;

/// Whose a child is: a tenant's, or a single job's.
type Key = (String, Option<JobId>);
type Place = Arc<OnceCell<Arc<Runner>>>;

/// The children of a worker. They end with it.
#[derive(Debug)]
pub struct Sandboxes {
    settings: Settings,
    /// Where their sockets live: guests' threads have none.
    runtime: Handle,
    children: Mutex<HashMap<Key, Place>>,
    suspects: Mutex<HashSet<(String, JobId)>>,
}

impl Sandboxes {
    /// None so far. In a runtime that has sockets.
    pub fn new(settings: Settings) -> Self {
        Sandboxes {
            settings,
            runtime: Handle::current(),
            children: Mutex::default(),
            suspects: Mutex::default(),
        }
    }

    /// Starts a child and lets it go: whether that can be done, and what the kernel lacks for
    /// it, is better known before there is a job.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn rehearse(&self) -> std::io::Result<()> {
        let starting = self.runtime.spawn(Runner::start(self.settings.clone()));
        starting.await.map_err(std::io::Error::other)??.leave();
        Ok(())
    }

    /// Runs one attempt, as an engine does.
    ///
    /// # Errors
    /// It did not run, or not to an end that is its own: when it may try again.
    pub async fn run(
        &self,
        module: &Module,
        invocation: Invocation,
        host: Arc<dyn Host>,
    ) -> Result<Outcome, Duration> {
        let jobs = [invocation.context.id];
        let ran = self.attempt(module, &invocation, None, &jobs, host).await;
        ran.map(|it| it.0)
    }

    /// Runs one attempt at each of some jobs, as an engine does.
    ///
    /// # Errors
    /// As those of [`run`](Self::run).
    pub async fn run_batch(
        &self,
        module: &Module,
        invocation: Invocation,
        calls: Vec<BatchCall>,
        host: Arc<dyn Host>,
    ) -> Result<BatchOutcome, Duration> {
        let jobs: Vec<JobId> = calls.iter().map(|it| it.id).collect();
        let ran = self
            .attempt(module, &invocation, Some(calls), &jobs, host)
            .await;
        let (run, mut ends) = ran?;
        // It has none where the run as a whole did not come to its end.
        ends.resize(jobs.len(), run.end.clone());
        Ok(BatchOutcome { run, ends })
    }

    /// The process ids of the children that are there.
    pub fn pids(&self) -> Vec<u32> {
        let children = lock(&self.children);
        children
            .values()
            .filter_map(|it| Some(it.get()?.pid))
            .collect()
    }

    async fn attempt(
        &self,
        module: &Module,
        invocation: &Invocation,
        batch: Option<Vec<BatchCall>>,
        jobs: &[JobId],
        host: Arc<dyn Host>,
    ) -> Result<(Outcome, Vec<End>), Duration> {
        let tenant = &invocation.context.tenant;
        let suspect = self.suspect(tenant, jobs);
        let key = (tenant.clone(), suspect);
        let runner = tokio::select! {
            biased;
            () = invocation.cancel.stopped() => return Ok(unrun(End::Cancelled)),
            runner = self.runner(&key) => runner?,
        };
        let Some(begun) = runner.begin(module, invocation, batch, host) else {
            return Err(Duration::ZERO);
        };
        let ended = follow(begun, &invocation.cancel).await;
        if suspect.is_some() {
            runner.leave();
            lock(&self.children).remove(&key);
        }
        match ended {
            Ok(end) => {
                if suspect.is_some() {
                    self.clear(tenant, jobs);
                }
                Ok(end)
            }
            Err(_) if invocation.cancel.is_stopped() => Ok(unrun(End::Cancelled)),
            Err(fault) => {
                self.remember(tenant, jobs);
                match fault.alone || suspect.is_some() {
                    true => Ok(blamed(&fault)),
                    false => Err(Duration::ZERO),
                }
            }
        }
    }

    /// The child for a key, which is started where there is none.
    async fn runner(&self, key: &Key) -> Result<Arc<Runner>, Duration> {
        let place = self.place(key).ok_or(LATER)?;
        let started = place.get_or_try_init(|| async {
            let starting = self.runtime.spawn(Runner::start(self.settings.clone()));
            let runner = starting.await.map_err(std::io::Error::other)?;
            runner.inspect(|it| {
                tracing::info!(
                    tenant = key.0,
                    pid = it.pid,
                    "started a process for attempts"
                )
            })
        });
        started.await.cloned().map_err(|e| {
            tracing::error!(error = %e, "cannot start a process for attempts");
            lock(&self.children).remove(key);
            LATER
        })
    }

    /// Its place. Where there are too many, who was idle for longest leaves; where none is,
    /// there is no room.
    fn place(&self, key: &Key) -> Option<Place> {
        let mut children = lock(&self.children);
        children.retain(|_, it| it.get().is_none_or(|it| it.is_open()));
        if let Some(place) = children.get(key) {
            return Some(place.clone());
        }
        if children.len() >= self.settings.most {
            let idle = children
                .iter()
                .filter_map(|(key, it)| Some((it.get()?.idle()?, key)));
            let oldest = idle.min_by_key(|it| it.0).map(|it| it.1.clone())?;
            if let Some(runner) = children.remove(&oldest).and_then(|it| it.get().cloned()) {
                runner.leave();
            }
        }
        let place = Place::default();
        children.insert(key.clone(), place.clone());
        Some(place)
    }

    /// The first of some jobs that was in a child which ended.
    fn suspect(&self, tenant: &str, jobs: &[JobId]) -> Option<JobId> {
        let suspects = lock(&self.suspects);
        if suspects.is_empty() {
            return None;
        }
        let is = |job: &&JobId| suspects.contains(&(tenant.to_owned(), **job));
        jobs.iter().find(is).copied()
    }

    fn remember(&self, tenant: &str, jobs: &[JobId]) {
        let mut suspects = lock(&self.suspects);
        if suspects.len() + jobs.len() > SUSPECTS {
            suspects.clear();
        }
        suspects.extend(jobs.iter().map(|it| (tenant.to_owned(), *it)));
    }

    fn clear(&self, tenant: &str, jobs: &[JobId]) {
        let mut suspects = lock(&self.suspects);
        for job in jobs {
            suspects.remove(&(tenant.to_owned(), *job));
        }
    }
}

impl Drop for Sandboxes {
    fn drop(&mut self) {
        for place in lock(&self.children).values() {
            if let Some(runner) = place.get() {
                runner.leave();
            }
        }
    }
}

/// Waits for the end of an attempt, and tells it of its cancel meanwhile.
async fn follow(mut begun: Begun<'_>, cancel: &Cancel) -> Result<(Outcome, Vec<End>), Fault> {
    let lost = |_| Err(Fault::default());
    tokio::select! {
        biased;
        ended = &mut begun.end => return ended.unwrap_or_else(lost),
        () = cancel.asked() => begun.cancel(false),
    }
    tokio::select! {
        biased;
        ended = &mut begun.end => return ended.unwrap_or_else(lost),
        () = cancel.stopped() => begun.cancel(true),
    }
    // Its end is near; where it is not, the watch sees to it.
    let ended = (&mut begun.end).await;
    ended.unwrap_or_else(lost)
}

fn unrun(end: End) -> (Outcome, Vec<End>) {
    (Outcome::unrun(end), Vec::new())
}

/// The end of an attempt that ended its process.
fn blamed(fault: &Fault) -> (Outcome, Vec<End>) {
    let text = format!("the process that ran it {}", fault.why);
    let mut outcome = Outcome::unrun(End::trapped(Ending::HostError, text));
    outcome.wall = fault.took;
    (outcome, Vec::new())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
