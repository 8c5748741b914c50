//! What all parts of a worker share for as long as it has one identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lovage_queue::broker::{Broker, Signal};
use lovage_queue::client::Client;
use lovage_queue::grant::Grants;
use lovage_queue::job::{JobId, Settlement, WorkerId};
use lovage_queue::registry::Digest;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::batch::Batches;
use super::grants::Granting;
use super::guests::Threads;
use super::hands::Hands;
use super::hooks::Hooks;
use super::lease::Pulse;
use super::load::Load;
use super::modules::Modules;
use super::series::{AllSeries, Series};
use super::{Phase, Settings};
use crate::engine::Engine;
use crate::net::{Connections, Dialer, Gate};
use crate::sandbox::pool::Sandboxes;
use crate::sql::Databases;
use crate::telemetry::Telemetry;
use crate::telemetry::traces::Span;

/// What a cancelled job has to tidy up before it is stopped.
pub(super) const TIDY_UP: Duration = Duration::from_millis(50);
/// Tenants whose clients are remembered.
const CLIENTS: usize = 1000;

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Asked,
    /// The broker declared the worker dead.
    Dead,
}

/// A settlement on its way, with what is counted once it is recorded.
pub(super) struct Settling {
    pub(super) settlement: Settlement,
    pub(super) series: Option<Arc<Series>>,
    /// How long the job had been available when it was started.
    pub(super) waited: Duration,
    /// The span of the attempt, which ends with it, and since when it is on its way.
    pub(super) span: Option<(Box<Span>, SystemTime)>,
}

/// A worker under one identity.
pub struct Session {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) worker: WorkerId,
    pub(super) settings: Settings,
    /// What its heartbeats tell of it.
    pub(super) about: Vec<u8>,
    pub(super) telemetry: Telemetry,
    pub(super) series: Arc<AllSeries>,
    pub(super) modules: Modules,
    /// Where attempts run, if not in the engine.
    pub(super) sandboxes: Option<Arc<Sandboxes>>,
    pub(super) load: Load,
    /// One permit a running job.
    pub(super) slots: Semaphore,
    /// The same for those that came while all of these were taken.
    pub(super) spare: Semaphore,
    /// Told when there may be work.
    pub(super) work: Notify,
    /// Told when the delayed set has a new head.
    pub(super) due: Notify,
    pub(super) pulse: Pulse,
    pub(super) staged: Mutex<Option<mpsc::UnboundedReceiver<(String, Digest)>>>,
    pub(super) hands: Hands,
    /// Those of them that wait for others of their kind.
    pub(super) batches: Batches,
    pub(super) hooks: Hooks,
    pub(super) granting: Granting,
    /// Makes the connections that tasks ask for.
    dialer: Arc<Dialer>,
    /// Databases that tasks may be granted.
    pub(super) databases: Arc<Databases>,
    /// The worker's own threads: guests have others, and the heartbeat too.
    pub(super) threads: Handle,
    /// The guests'.
    pub(super) guests: Arc<Threads>,
    clients: Mutex<HashMap<String, Client>>,
    settlements: Mutex<Option<mpsc::UnboundedSender<Settling>>>,
    pub(super) unsettled: Mutex<Option<mpsc::UnboundedReceiver<Settling>>>,
    dead: watch::Sender<bool>,
}

impl Session {
    pub(super) fn new(
        broker: Arc<dyn Broker>,
        (engine, sandboxes): (Engine, Option<Arc<Sandboxes>>),
        settings: Settings,
        telemetry: Telemetry,
        series: Arc<AllSeries>,
        (dialer, databases): (Arc<Dialer>, Arc<Databases>),
        guests: Arc<Threads>,
    ) -> Arc<Self> {
        let (settlements, unsettled) = mpsc::unbounded_channel();
        let (pulse, staged) = Pulse::new();
        Arc::new(Session {
            modules: Modules::new(engine, broker.clone()),
            sandboxes,
            broker,
            worker: WorkerId::random(),
            load: Load::default(),
            slots: Semaphore::new(settings.concurrency),
            spare: Semaphore::new(settings.spare()),
            about: settings.about().encode(),
            hooks: Hooks::new(&dialer, settings.private_hooks),
            dialer,
            databases,
            settings,
            telemetry,
            series,
            work: Notify::new(),
            due: Notify::new(),
            pulse,
            staged: Mutex::new(Some(staged)),
            hands: Hands::default(),
            batches: Batches::default(),
            granting: Granting::default(),
            threads: Handle::current(),
            guests,
            clients: Mutex::default(),
            settlements: Mutex::new(Some(settlements)),
            unsettled: Mutex::new(Some(unsettled)),
            dead: watch::Sender::new(false),
        })
    }

    /// A client of a job's tenant, for the jobs that it enqueues.
    pub(super) fn client(&self, tenant: &str) -> Client {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tenant) {
            return client.clone();
        }
        // What a client remembers can be had again; what grows is bounded.
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let client = Client::over(self.broker.clone(), tenant);
        clients.insert(tenant.to_owned(), client.clone());
        client
    }

    /// An attempt's way to other hosts.
    pub(super) fn gate(&self, grants: Arc<Grants>) -> Gate {
        let bounds = self.settings.limits.http.clone();
        Gate::new(self.dialer.clone(), self.threads.clone(), grants, bounds)
    }

    /// An attempt's connections to other hosts.
    pub(super) fn connections(&self, grants: Arc<Grants>) -> Connections {
        let bounds = self.settings.limits.tcp.clone();
        Connections::new(self.dialer.clone(), self.threads.clone(), grants, bounds)
    }

    /// Sends a settlement on its way.
    pub(super) fn settle(&self, settlement: Settling) {
        let settlements = self
            .settlements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // After the end of the session it would be stale anyway.
        if let Some(settlements) = &*settlements {
            let _ = settlements.send(settlement);
        }
    }

    pub(super) fn close_settlements(&self) {
        self.settlements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// A user wants this job of a tenant to stop. It may tidy up for a moment, whatever it
    /// waits for; then it is stopped.
    pub(super) fn cancel(&self, tenant: &str, id: JobId) {
        if let Some(cancel) = self.hands.ask(tenant, id) {
            self.batches.remove(tenant, id);
            self.threads.spawn(async move {
                tokio::time::sleep(TIDY_UP).await;
                cancel.stop();
            });
        }
    }

    /// Ends all attempts at their next yield, and those that begin later.
    pub(super) fn stop_running(&self) {
        self.slots.close();
        self.spare.close();
        self.batches.close();
        self.hands.stop_all();
    }

    pub(super) fn declare_dead(&self) {
        self.dead.send_replace(true);
    }

    /// Waits for something while the worker counts as alive.
    pub(super) async fn ticking<T>(&self, something: impl Future<Output = T>) -> T {
        let mut something = std::pin::pin!(something);
        loop {
            self.pulse.tick();
            let tick = self.settings.heartbeat;
            if let Ok(done) = tokio::time::timeout(tick, &mut something).await {
                return done;
            }
        }
    }

    pub(super) async fn died(&self) {
        let _ = self.dead.subscribe().wait_for(|is| *is).await;
    }

    /// Lets running jobs finish within the grace and gives the others back at
    /// once: closed slots turn away whoever waits for one.
    pub(super) async fn drain(&self, phase: &mut watch::Receiver<Phase>) {
        self.slots.close();
        self.spare.close();
        self.batches.close();
        tracing::info!(held = self.load.held(), "draining");
        tokio::select! {
            () = self.emptied() => return,
            () = tokio::time::sleep(self.settings.grace) => {}
            _ = phase.wait_for(|it| *it == Phase::Halt) => {}
            () = self.died() => {}
        }
        tracing::warn!(
            running = self.load.held(),
            "the grace is over: running jobs are given back"
        );
        self.stop_running();
        self.emptied().await;
    }

    async fn emptied(&self) {
        // The claim loop, which also listens for changes, is over by now.
        while self.load.is_any() {
            self.load.fell().await;
        }
    }
}

/// Turns what the broker signals into wake-ups.
pub(super) async fn follow_signals(session: Arc<Session>) {
    let mut signals = loop {
        match session.broker.signals(session.worker).await {
            Ok(signals) => break signals,
            Err(e) => {
                tracing::warn!(error = %e, "could not listen for signals; will try again");
                tokio::time::sleep(session.settings.heartbeat).await;
            }
        }
    };
    while let Some(signal) = signals.recv().await {
        if let Signal::Cancel(tenant, id) = &signal {
            session.cancel(tenant, *id);
        }
        if matches!(signal, Signal::Work | Signal::Listening) {
            session.work.notify_one();
        }
        if matches!(signal, Signal::Due | Signal::Listening) {
            session.due.notify_one();
        }
        // Its answer also tells of cancels that were lost with the connection.
        if matches!(signal, Signal::Staged | Signal::Listening) {
            session.pulse.beat_now();
        }
    }
}
