//! A worker: pulls jobs from a broker, runs them in the engine, and records
//! what became of them. The only room that knows both.
//!
//! # Layout
//! - this file: settings, and a worker's life from start to drain
//! - [`session`]: what all parts of a worker share under one identity
//! - `claim`: the claim loop; `load`: how many jobs it may hold
//! - `guests`: the threads that attempts run on
//! - `hands`: the jobs that it holds, and how they are told to stop
//! - `attempt`: one job from claim to settlement; `delivery`: how that ends;
//!   `resolve`: what it may use; `host`: what it may call
//! - `batch`: many jobs of one task in one run; `collect`: how they come together
//! - `modules`: from a digest to something that runs; `grants`: what that may
//!   reach; `reach`: what of it lies in the broker
//! - `settle`: settlements on their way to the broker; `live`: logs before them
//! - `hooks`: who is told of a job's end
//! - `series`: what is counted of jobs; `tally`: how the broker hears of it; `gauges`: how
//!   the worker stands
//! - `trace`: an attempt as a part of a trace
//! - `lease`: the heartbeat, on a thread that no guest can starve
//! - `janitor`: promote, reclaim, prune
//!
//! Guests run on threads of their own: the loops that talk to the broker share
//! the processor with them by the operating system's fairness, not by theirs.

mod attempt;
mod batch;
mod buckets;
mod claim;
mod collect;
mod delivery;
mod gauges;
mod grants;
mod guests;
mod hands;
mod hooks;
mod host;
mod janitor;
mod lease;
mod live;
mod load;
mod modules;
mod reach;
mod resolve;
mod scheduler;
mod series;
pub mod session;
mod settle;
mod tally;
mod trace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lovage_queue::about::WorkerAbout;
use lovage_queue::broker::{BrokerError, Place, Retention};
use lovage_queue::clock::Millis;
use lovage_queue::job::Partition;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use self::guests::Guests;
use self::series::AllSeries;
use self::session::{Ended, Session};
use crate::engine::{Ceilings, Engine, Limits};
use crate::net::Dialer;
use crate::net::dial::{CaError, read_certificates};
use crate::net::names::SystemNames;
use crate::sandbox::pool::{self, Sandboxes};
use crate::sql::{self, Databases};
use crate::telemetry::Telemetry;
use crate::vault::Keyring;

/// How long a worker that stops waits for a broker that is away.
const GOODBYE: Duration = Duration::from_secs(5);

/// What a worker serves, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The queues and their weights.
    pub queues: Vec<(String, u32)>,
    /// How many jobs run at once, beside the [spare](Settings::spare) ones.
    pub concurrency: usize,
    /// Threads for guests.
    pub threads: usize,
    /// How often the worker gives a sign of life.
    pub heartbeat: Duration,
    /// How long it counts as alive without one.
    pub lease: Duration,
    /// How long running jobs may go on once the worker is asked to stop.
    pub grace: Duration,
    /// What an attempt may use where neither the call nor the task says.
    pub limits: Limits,
    /// The most that a call or a task may say.
    pub ceilings: Ceilings,
    /// How long finished jobs are kept.
    pub retention: Retention,
    /// Has attempts run in processes of their own, and how those are made.
    pub sandboxes: Option<pool::Settings>,
    /// A PEM file with certificates that tasks' requests and web-hooks trust beside the
    /// system's.
    pub ca: Option<PathBuf>,
    /// Whether web-hooks may go to addresses that are not public.
    pub private_hooks: bool,
    /// Has an echo stand in for the engine: each job is done at once, with its own
    /// input for a result. For benchmarks alone, which tell the engine's share so.
    pub echo: bool,
    /// What opens secrets, where there is anything.
    pub vault: Option<Arc<Keyring>>,
    /// Databases by name, which modules may be granted.
    pub sql: BTreeMap<String, sql::Settings>,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Settings {
            queues: vec![(lovage_queue::task::DEFAULT_QUEUE.into(), 1)],
            concurrency: cores * 10,
            threads: cores,
            heartbeat: Duration::from_secs(1),
            lease: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            limits: Limits::default(),
            ceilings: Ceilings::default(),
            retention: Retention::default(),
            sandboxes: None,
            ca: None,
            private_hooks: false,
            echo: false,
            vault: None,
            sql: BTreeMap::new(),
        }
    }
}

/// How many jobs more may run while so many slots are all taken, of tenants alone that have
/// less than their share of them: so one tenant's long jobs hold up nobody else's.
pub fn spare(concurrency: usize) -> usize {
    (concurrency / 4).max(2)
}

impl Settings {
    /// Its [spare] slots.
    pub fn spare(&self) -> usize {
        spare(self.concurrency)
    }

    /// What a worker's heartbeats tell of it.
    fn about(&self) -> WorkerAbout {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.or_else(|_| std::env::var("HOSTNAME"));
        WorkerAbout {
            host: host.unwrap_or_default().trim().to_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            concurrency: self.concurrency as u64,
            queues: self.queues.clone(),
            started: Millis::of_this_host(),
        }
    }
}

/// What a worker is asked to do. It only ever goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Work.
    Serve,
    /// Claim nothing more, finish what runs within the grace, then end.
    Drain,
    /// Give everything back and end.
    Halt,
}

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The broker refused what no waiting will mend.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The operating system gave no thread.
    #[error("the worker could not start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// There can be no processes for attempts.
    #[error("cannot start a process for attempts: {0}")]
    Sandbox(std::io::Error),
    /// Further certificates were named that cannot be used.
    #[error(transparent)]
    Certificates(#[from] CaError),
}

/// Runs a worker until `phase` says otherwise. An outage of the broker does not
/// end it; the first connection must succeed, though, so that a wrong URL is an
/// error and not a silence.
///
/// # Errors
/// See [`WorkerError`].
pub async fn run(
    place: &Place,
    engine: Engine,
    settings: Settings,
    telemetry: Telemetry,
    mut phase: watch::Receiver<Phase>,
) -> Result<(), WorkerError> {
    let trusted = settings.ca.as_deref().map(read_certificates).transpose()?;
    let dialer = Dialer::over(Arc::new(SystemNames), trusted.unwrap_or_default());
    let dialer = Arc::new(dialer);
    // Of the worker, and not of a session: its pools outlive an identity.
    let databases = Databases::new(&settings.sql, Handle::current());
    let broker = place.connect().await?;
    let guests = Guests::start(settings.threads)?;
    let sandboxes = settings.sandboxes.clone();
    let sandboxes = sandboxes.map(|it| Arc::new(Sandboxes::new(it)));
    if let Some(apart) = &sandboxes {
        apart.rehearse().await.map_err(WorkerError::Sandbox)?;
    }
    let series = Arc::new(AllSeries::new(telemetry.metrics.clone()));
    let (stop, stopped) = oneshot::channel();
    let teller = tokio::spawn(tally::run(broker.clone(), series.clone(), stopped));
    loop {
        let session = Session::new(
            broker.clone(),
            (engine.clone(), sandboxes.clone()),
            settings.clone(),
            telemetry.clone(),
            series.clone(),
            (dialer.clone(), databases.clone()),
            guests.threads().clone(),
        );
        tracing::info!(worker = %session.worker, place = %place, "working");
        match serve(&session, place, &mut phase).await? {
            Ended::Asked => break,
            Ended::Dead => {
                tracing::warn!(worker = %session.worker, "was declared dead: goes on under a new identity");
                session.stop_running();
            }
        }
    }
    drop(stop);
    if tokio::time::timeout(tally::LAST, teller).await.is_err() {
        tracing::warn!("the broker is away: the last of what was counted is not told");
    }
    Ok(())
}

/// One identity's life: serve until asked to stop or declared dead, then drain.
async fn serve(
    session: &Arc<Session>,
    place: &Place,
    phase: &mut watch::Receiver<Phase>,
) -> Result<Ended, WorkerError> {
    let lease = lease::start(session, place)?;
    let settler = tokio::spawn(settle::run(session.clone()));
    let helpers = [
        tokio::spawn(session::follow_signals(session.clone())),
        tokio::spawn(janitor::run(session.clone())),
        tokio::spawn(live::run(session.clone())),
        tokio::spawn(gauges::run(session.clone())),
        tokio::spawn(modules::compile_staged(session.clone())),
    ];
    let ended = claim::run(session, phase).await;
    if ended == Ended::Asked {
        // The lease must hold for as long as anything runs.
        session.ticking(finish(session, settler, phase)).await;
    } else {
        settler.abort();
    }
    helpers.iter().for_each(JoinHandle::abort);
    gauges::read(session);
    lease.stop();
    Ok(ended)
}

/// Drains, and sees to it that what ran to its end is on the record before the
/// lease goes. Where the broker is away, that is tried for a while only: the
/// lease runs out, and the jobs come back.
async fn finish(
    session: &Session,
    mut settler: JoinHandle<()>,
    phase: &mut watch::Receiver<Phase>,
) {
    session.drain(phase).await;
    session.close_settlements();
    let halted = async {
        let _ = phase.wait_for(|it| *it == Phase::Halt).await;
        tokio::time::sleep(GOODBYE / 5).await;
    };
    tokio::select! {
        _ = &mut settler => {}
        () = tokio::time::sleep(GOODBYE) => {}
        () = halted => {}
    }
    if !settler.is_finished() {
        tracing::error!(
            "the broker is away: what has just ended is not on the record and will run again"
        );
        settler.abort();
        return;
    }
    for partition in (0..session.broker.partitions()).map(Partition) {
        let retired = session.broker.retire(partition, session.worker);
        match tokio::time::timeout(GOODBYE, retired).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "could not end the lease; it runs out by itself")
            }
            Err(_) => tracing::warn!("could not end the lease; it runs out by itself"),
        }
    }
}
