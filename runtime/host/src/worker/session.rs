//! What all parts of a worker share for as long as it has one identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lovage_queue::broker::{Broker, Signal};
use lovage_queue::client::Client;
use lovage_queue::job::{JobId, Settlement, WorkerId};
use lovage_queue::registry::Digest;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::lease::Pulse;
use super::load::Load;
use super::modules::Modules;
use super::{Phase, Settings};
use crate::engine::{Cancel, Engine};

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked for it.
    Asked,
    /// The broker declared the worker dead.
    Dead,
}

/// A worker under one identity.
pub struct Session {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) worker: WorkerId,
    pub(super) settings: Settings,
    pub(super) modules: Modules,
    pub(super) load: Load,
    /// One permit a running job.
    pub(super) slots: Semaphore,
    /// Told when there may be work.
    pub(super) work: Notify,
    /// Told when the delayed set has a new head.
    pub(super) due: Notify,
    pub(super) pulse: Pulse,
    pub(super) staged: Mutex<Option<mpsc::UnboundedReceiver<(String, Digest)>>>,
    running: Mutex<HashMap<JobId, Cancel>>,
    settlements: Mutex<Option<mpsc::UnboundedSender<Settlement>>>,
    pub(super) unsettled: Mutex<Option<mpsc::UnboundedReceiver<Settlement>>>,
    dead: watch::Sender<bool>,
}

impl Session {
    pub(super) fn new(broker: Arc<dyn Broker>, engine: Engine, settings: Settings) -> Arc<Self> {
        let (settlements, unsettled) = mpsc::unbounded_channel();
        let (pulse, staged) = Pulse::new();
        Arc::new(Session {
            modules: Modules::new(engine, broker.clone()),
            broker,
            worker: WorkerId::random(),
            load: Load::default(),
            slots: Semaphore::new(settings.concurrency),
            settings,
            work: Notify::new(),
            due: Notify::new(),
            pulse,
            staged: Mutex::new(Some(staged)),
            running: Mutex::default(),
            settlements: Mutex::new(Some(settlements)),
            unsettled: Mutex::new(Some(unsettled)),
            dead: watch::Sender::new(false),
        })
    }

    /// A client of a job's tenant, for the jobs that it enqueues.
    pub(super) fn client(&self, tenant: &str) -> Client {
        Client::over(self.broker.clone(), tenant)
    }

    /// Sends a settlement on its way.
    pub(super) fn settle(&self, settlement: Settlement) {
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

    /// Makes a running job known, so that it can be stopped.
    pub(super) fn running(&self, id: JobId, cancel: Cancel) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, cancel);
    }

    pub(super) fn no_longer_running(&self, id: JobId) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    /// Ends all running jobs at their next yield.
    pub(super) fn stop_running(&self) {
        self.slots.close();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().for_each(Cancel::stop);
    }

    pub(super) fn declare_dead(&self) {
        self.dead.send_replace(true);
    }

    pub(super) async fn died(&self) {
        let _ = self.dead.subscribe().wait_for(|is| *is).await;
    }

    /// Lets running jobs finish within the grace and gives the others back at
    /// once: closed slots turn away whoever waits for one.
    pub(super) async fn drain(&self, phase: &mut watch::Receiver<Phase>) {
        self.slots.close();
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
        while self.load.held() > 0 {
            self.load.changed().await;
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
        if matches!(signal, Signal::Work | Signal::Reconnected) {
            session.work.notify_one();
        }
        if matches!(signal, Signal::Due | Signal::Reconnected) {
            session.due.notify_one();
        }
        if matches!(signal, Signal::Staged | Signal::Reconnected) {
            session.pulse.beat_now();
        }
    }
}
