//! The heartbeat. It has a thread, a runtime and a connection of its own, so
//! that neither guests nor a backlog of broker calls can hold it up. Its duties:
//! 1. renew the lease, whatever number of jobs the worker holds,
//! 2. stop renewing when the claim loop has not ticked for half a lease: a worker
//!    that hangs must not keep its jobs,
//! 3. hear of staged modules, and tell the broker which are compiled,
//! 4. wake the claim loop, and stop cancelled jobs, where a signal was lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::broker::{Broker, BrokerError, Heartbeat, Place};
use lovage_queue::job::Partition;
use lovage_queue::registry::Digest;
use tokio::sync::{Notify, mpsc};

use super::session::Session;

/// A word on a staged module: whose, which, and why it cannot be compiled.
type Word = (String, Digest, Option<String>);

/// What the heartbeat and the rest of the worker tell each other.
pub(super) struct Pulse {
    started: Instant,
    ticked: AtomicU64,
    now: Notify,
    compiled: Mutex<Vec<Word>>,
    staged: mpsc::UnboundedSender<(String, Digest)>,
}

impl Pulse {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(String, Digest)>) {
        let (staged, to_compile) = mpsc::unbounded_channel();
        let pulse = Pulse {
            started: Instant::now(),
            ticked: AtomicU64::new(0),
            now: Notify::new(),
            compiled: Mutex::default(),
            staged,
        };
        (pulse, to_compile)
    }

    /// The claim loop is alive.
    pub(super) fn tick(&self) {
        self.ticked
            .store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn hangs(&self, patience: Duration) -> bool {
        let ticked = Duration::from_millis(self.ticked.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(ticked) > patience
    }

    /// The next heartbeat need not wait for its time.
    pub(super) fn beat_now(&self) {
        self.now.notify_one();
    }

    /// A staged module is compiled, or cannot be.
    pub(super) fn compiled(&self, tenant: String, digest: Digest, refusal: Option<String>) {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.push((tenant, digest, refusal));
        drop(compiled);
        self.beat_now();
    }
}

/// A heartbeat that runs.
pub(super) struct Lease {
    stop: Arc<AtomicBool>,
    session: Arc<Session>,
}

impl Lease {
    /// Ends it; the lease then runs out or was given up.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.session.pulse.beat_now();
    }
}

/// Starts the heartbeat of a session.
pub(super) fn start(session: &Arc<Session>, place: &Place) -> std::io::Result<Lease> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let lease = Lease {
        stop: stop.clone(),
        session: session.clone(),
    };
    let (session, place) = (session.clone(), place.clone());
    std::thread::Builder::new()
        .name("heartbeat".into())
        .spawn(move || runtime.block_on(beat(&session, &place, &stop)))?;
    Ok(lease)
}

async fn beat(session: &Session, place: &Place, stop: &AtomicBool) {
    let mut broker: Option<Arc<dyn Broker>> = None;
    let patience = session.settings.lease / 3;
    while !stop.load(Ordering::Relaxed) {
        if broker.is_none() {
            match place.connect().await {
                Ok(connected) => broker = Some(connected),
                Err(e) => no_heartbeat(session, &e),
            }
        }
        if let Some(connected) = &broker {
            if session.pulse.hangs(session.settings.lease / 2) {
                tracing::error!("the claim loop hangs: the lease is not renewed");
            } else if tokio::time::timeout(patience, renew(session, &**connected))
                .await
                .is_err()
            {
                // A connection that is gone without a word would cost the lease.
                session.telemetry.metrics.worker().heartbeats_failed.inc();
                tracing::warn!("a heartbeat was not answered; connecting anew");
                broker = None;
            }
        }
        let _ =
            tokio::time::timeout(session.settings.heartbeat, session.pulse.now.notified()).await;
    }
}

async fn renew(session: &Session, broker: &dyn Broker) {
    for partition in (0..broker.partitions()).map(Partition) {
        let compiled = || {
            session
                .pulse
                .compiled
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let words = compiled().clone();
        let beat = Heartbeat {
            partition,
            worker: session.worker,
            lease: session.settings.lease,
            queues: session
                .settings
                .queues
                .iter()
                .map(|(queue, _)| queue.clone())
                .collect(),
            compiled: words.clone(),
            about: session.about.clone(),
        };
        match broker.extend(&beat).await {
            Ok(pulse) => {
                compiled().retain(|word| !words.contains(word));
                if pulse.work {
                    session.work.notify_one();
                }
                for (tenant, id) in pulse.cancelled {
                    session.cancel(&tenant, id);
                }
                for staged in pulse.staged {
                    let _ = session.pulse.staged.send(staged);
                }
            }
            Err(BrokerError::Dead(_)) => return session.declare_dead(),
            Err(e) => no_heartbeat(session, &e),
        }
    }
}

fn no_heartbeat(session: &Session, e: &BrokerError) {
    session.telemetry.metrics.worker().heartbeats_failed.inc();
    tracing::warn!(error = %e, "no heartbeat");
}
