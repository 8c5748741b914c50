//! Who in this process waits for what: workers for jobs, callers for the end of
//! a job. One switchboard a file, however often it is opened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::step::Effects;
use crate::broker::{Signal, Signals};
use crate::job::{JobId, WorkerId};

/// The switchboard.
#[derive(Default)]
pub(super) struct Hub(Mutex<Ears>);

#[derive(Default)]
struct Ears {
    workers: HashMap<u64, Listener>,
    /// By the id alone: whoever is woken for another tenant's job looks, and waits on.
    waits: HashMap<JobId, Vec<Arc<Notify>>>,
}

struct Listener {
    to: UnboundedSender<Signal>,
    /// The queues in which its last claim found nothing.
    idle: Vec<String>,
    /// The same where it passed over some tenants: what there is may be theirs, so nobody
    /// looks again for it before somebody joins.
    spare: Vec<String>,
}

impl Hub {
    fn ears(&self) -> MutexGuard<'_, Ears> {
        // Nothing under this lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's signals, in place of any earlier ones of this identity.
    pub(super) fn listen(&self, worker: WorkerId) -> Signals {
        let (to, signals) = unbounded_channel();
        // A claim that found nothing before was told to nobody.
        let _ = to.send(Signal::Listening);
        self.ears().workers.insert(
            worker.0,
            Listener {
                to,
                idle: Vec::new(),
                spare: Vec::new(),
            },
        );
        signals
    }

    /// Whether anybody would hear of what another process does.
    pub(super) fn is_waited_on(&self) -> bool {
        let mut ears = self.ears();
        ears.workers.retain(|_, listener| !listener.to.is_closed());
        !ears.workers.is_empty() || !ears.waits.is_empty()
    }

    /// Tells what a committed step did.
    pub(super) fn tell(&self, effects: Effects) {
        let mut ears = self.ears();
        if let Some((worker, queues, crowded)) = effects.idle
            && let Some(listener) = ears.workers.get_mut(&worker)
        {
            match crowded {
                true => listener.spare = queues,
                false => listener.idle = queues,
            }
        }
        for queue in &effects.available {
            ears.work(queue);
        }
        for (told, signal) in [(effects.due, Signal::Due), (effects.staged, Signal::Staged)] {
            if told {
                ears.all(&signal);
            }
        }
        for (worker, tenant, id) in effects.asked {
            if let Some(listener) = ears.workers.get(&worker) {
                let _ = listener.to.send(Signal::Cancel(tenant, id));
            }
        }
        for id in &effects.ended {
            for waiter in ears.waits.get(id).into_iter().flatten() {
                waiter.notify_one();
            }
        }
    }

    /// The queues in which somebody would like to find something.
    pub(super) fn wanted(&self) -> Vec<String> {
        let ears = self.ears();
        let mut queues: Vec<String> = ears
            .workers
            .values()
            .flat_map(|it| it.idle.clone())
            .collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// Whoever waits for a job looks again.
    pub(super) fn recheck(&self) {
        for waiter in self.ears().waits.values().flatten() {
            waiter.notify_one();
        }
    }

    /// Registers for the end of these jobs, until the ticket is dropped.
    pub(super) fn await_end(self: &Arc<Self>, ids: &[JobId]) -> Ticket {
        let ticket = Ticket {
            hub: self.clone(),
            ids: ids.to_vec(),
            woken: Arc::default(),
        };
        let mut ears = self.ears();
        for id in ids {
            ears.waits
                .entry(*id)
                .or_default()
                .push(ticket.woken.clone());
        }
        drop(ears);
        ticket
    }
}

impl Ears {
    fn all(&self, signal: &Signal) {
        for listener in self.workers.values() {
            // One that has gone is removed by the next look at who is there.
            let _ = listener.to.send(signal.clone());
        }
    }

    /// Every idle worker of the queue hears of it once: which of them is still
    /// there, only it can say.
    fn work(&mut self, queue: &str) {
        for listener in self.workers.values_mut() {
            let mut known = listener.idle.iter().chain(&listener.spare);
            if known.any(|known| known == queue) {
                listener.idle.clear();
                listener.spare.clear();
                let _ = listener.to.send(Signal::Work);
            }
        }
    }
}

/// A place in the switchboard.
pub(super) struct Ticket {
    hub: Arc<Hub>,
    ids: Vec<JobId>,
    woken: Arc<Notify>,
}

impl Ticket {
    /// Until one of the jobs may have ended since the last call.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut ears = self.hub.ears();
        for id in &self.ids {
            if let Some(waiters) = ears.waits.get_mut(id) {
                waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.woken));
                if waiters.is_empty() {
                    ears.waits.remove(id);
                }
            }
        }
    }
}
