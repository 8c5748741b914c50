//! The jobs in a worker's hands, from claim to settlement, and how they are told
//! to stop.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::broker::{Claimed, Note};
use lovage_queue::job::JobId;
use tokio::sync::watch;

use crate::engine::{Cancel, Tap};

/// Cancels that are remembered for a claim under way: more in such a short time
/// arrive with the next heartbeat.
const EARLY: usize = 10_000;

/// All of them.
#[derive(Default)]
pub(super) struct Hands {
    held: Mutex<HeldJobs>,
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct HeldJobs {
    jobs: HashMap<JobId, Held>,
    /// Those whose ids are those of other tenants' jobs, which were here first. An id is
    /// made so that it is nobody else's; but a client may say one that it has not made.
    twins: Vec<(JobId, Held)>,
    /// While a claim is under way, the cancels of jobs that its answer may bring.
    early: Option<HashSet<(String, JobId)>>,
}

/// What a worker has on a job that it holds: what stops it, and its log.
#[derive(Clone, Default)]
pub(super) struct Grip {
    pub(super) cancel: Cancel,
    pub(super) log: Tap,
}

struct Held {
    tenant: Arc<str>,
    delivery: u32,
    since: Instant,
    grip: Grip,
    /// Whether a user asked for it to stop.
    asked: bool,
    /// Bytes of the log that the broker knows.
    told: usize,
}

impl HeldJobs {
    fn put(&mut self, id: JobId, job: Held) {
        match self.jobs.entry(id) {
            Entry::Vacant(place) => drop(place.insert(job)),
            Entry::Occupied(mut place) if place.get().tenant == job.tenant => {
                place.insert(job);
            }
            Entry::Occupied(_) => {
                // An earlier delivery gives its place up, as it does there.
                self.twins
                    .retain(|it| it.0 != id || it.1.tenant != job.tenant);
                self.twins.push((id, job));
            }
        }
    }

    fn get(&mut self, tenant: &str, id: JobId) -> Option<&mut Held> {
        let first = self.jobs.get_mut(&id).filter(|it| *it.tenant == *tenant);
        first.or_else(|| {
            let twin = |it: &&mut (JobId, Held)| it.0 == id && *it.1.tenant == *tenant;
            self.twins.iter_mut().find(twin).map(|it| &mut it.1)
        })
    }

    fn remove(&mut self, tenant: &str, id: JobId, delivery: u32) -> Option<Held> {
        let is_it = |it: &Held| *it.tenant == *tenant && it.delivery == delivery;
        match self.jobs.entry(id) {
            Entry::Occupied(job) if is_it(job.get()) => Some(job.remove()),
            _ => {
                let twin = |it: &(JobId, Held)| it.0 == id && is_it(&it.1);
                let at = self.twins.iter().position(twin)?;
                Some(self.twins.swap_remove(at).1)
            }
        }
    }

    fn all(&mut self) -> impl Iterator<Item = (JobId, &mut Held)> {
        let twins = self.twins.iter_mut().map(|it| (it.0, &mut it.1));
        self.jobs.iter_mut().map(|it| (*it.0, it.1)).chain(twins)
    }
}

impl Hands {
    /// A claim is under way: whatever is cancelled from now on may be in its
    /// answer.
    pub(super) fn reach(&self) {
        self.lock().early.get_or_insert_default();
    }

    /// Takes what a claim brought: a grip on each job, and which of them were
    /// cancelled on their way.
    pub(super) fn take(&self, claimed: &[Claimed]) -> (Vec<Grip>, Vec<(String, JobId)>) {
        let mut held = self.lock();
        let early = held.early.take().unwrap_or_default();
        let (since, stopped) = (Instant::now(), *self.stopped.borrow());
        let mut tenant: Arc<str> = "".into();
        let grips = claimed.iter().map(|it| {
            let grip = Grip::default();
            if stopped {
                grip.cancel.stop();
            }
            if *tenant != *it.tenant {
                tenant = it.tenant.as_str().into();
            }
            let job = Held {
                tenant: tenant.clone(),
                delivery: it.delivery,
                since,
                grip: grip.clone(),
                asked: false,
                told: 0,
            };
            held.put(it.id, job);
            grip
        });
        let grips = grips.collect();
        if early.is_empty() {
            return (grips, Vec::new());
        }
        let claimed = claimed.iter().map(|it| (it.tenant.clone(), it.id));
        (grips, claimed.filter(|it| early.contains(it)).collect())
    }

    /// How many jobs each tenant has here.
    pub(super) fn by_tenant(&self) -> HashMap<Arc<str>, usize> {
        let (mut held, mut counts) = (self.lock(), HashMap::new());
        for (_, job) in held.all() {
            *counts.entry(job.tenant.clone()).or_default() += 1;
        }
        counts
    }

    /// A job is done with; whether a user had asked for it to stop. Whoever asks
    /// later finds it gone, and the broker sees to the rest.
    pub(super) fn let_go(&self, tenant: &str, id: JobId, delivery: u32) -> bool {
        // Given back and claimed anew, it may be here already again.
        let job = self.lock().remove(tenant, id, delivery);
        job.is_some_and(|it| it.asked)
    }

    /// A user wants this job of a tenant to stop: from now on it hears so. What stops it, if
    /// that is news.
    pub(super) fn ask(&self, tenant: &str, id: JobId) -> Option<Cancel> {
        let mut held = self.lock();
        let Some(job) = held.get(tenant, id) else {
            let early = held.early.as_mut().filter(|early| early.len() < EARLY);
            early?.insert((tenant.to_owned(), id));
            return None;
        };
        job.grip.cancel.cancel();
        (!std::mem::replace(&mut job.asked, true)).then(|| job.grip.cancel.clone())
    }

    /// Ends all attempts at their next yield, and those that begin later.
    pub(super) fn stop_all(&self) {
        let mut held = self.lock();
        self.stopped.send_replace(true);
        held.all().for_each(|(_, it)| it.grip.cancel.stop());
    }

    /// Returns once everything was stopped.
    pub(super) async fn stopped(&self) {
        let _ = self.stopped.subscribe().wait_for(|is| *is).await;
    }

    /// The logs that have grown of jobs that were held for so long.
    pub(super) fn grown(&self, at_least: Duration) -> Vec<Note> {
        let mut held = self.lock();
        let long = held.all().filter(|(_, it)| it.since.elapsed() >= at_least);
        let notes = long.filter_map(|(id, it)| {
            let log = it.grip.log.more_than(it.told)?;
            it.told = log.len();
            Some(Note {
                tenant: it.tenant.to_string(),
                id,
                delivery: it.delivery,
                progress: None,
                checkpoint: None,
                log: Some(log),
            })
        });
        notes.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HeldJobs> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_queue::clock::Millis;
    use lovage_queue::job::Partition;

    const TENANT: &str = "default";

    fn claimed(id: JobId, delivery: u32) -> Claimed {
        Claimed {
            tenant: TENANT.into(),
            id,
            queue: "default".into(),
            delivery,
            started: Millis(1),
            charged: Duration::ZERO,
            target: None,
            job: Err(String::new()),
        }
    }

    fn id() -> JobId {
        JobId::new(Partition(0))
    }

    #[test]
    fn a_cancel_is_news_once_and_remembered_to_the_end() {
        let (hands, job) = (Hands::default(), id());
        let (grips, _) = hands.take(&[claimed(job, 1)]);
        assert!(hands.ask(TENANT, job).is_some());
        assert!(grips[0].cancel.is_cancelled() && !grips[0].cancel.is_stopped());
        assert!(hands.ask(TENANT, job).is_none());
        assert!(hands.let_go(TENANT, job, 1));
        assert!(hands.ask(TENANT, job).is_none(), "it is gone");
    }

    #[test]
    fn a_cancel_that_overtakes_its_claim_is_kept_for_it_and_for_no_other() {
        let (hands, job) = (Hands::default(), id());
        assert!(hands.ask(TENANT, job).is_none());
        hands.reach();
        assert_eq!(hands.take(&[claimed(job, 1)]).1, [], "that was before");
        hands.let_go(TENANT, job, 1);
        hands.reach();
        assert!(hands.ask(TENANT, job).is_none());
        assert_eq!(hands.take(&[claimed(job, 2)]).1, [(TENANT.into(), job)]);
        hands.let_go(TENANT, job, 2);
        hands.reach();
        assert_eq!(hands.take(&[claimed(job, 3)]).1, []);
    }

    #[test]
    fn an_older_delivery_lets_go_of_itself_alone() {
        let (hands, job) = (Hands::default(), id());
        hands.take(&[claimed(job, 1)]);
        hands.take(&[claimed(job, 2)]);
        hands.ask(TENANT, job);
        assert!(!hands.let_go(TENANT, job, 1));
        assert!(hands.let_go(TENANT, job, 2));
    }

    #[test]
    fn one_id_in_two_tenants_is_two_jobs() {
        let (hands, job) = (Hands::default(), id());
        let of = |tenant: &str, delivery| Claimed {
            tenant: tenant.into(),
            ..claimed(job, delivery)
        };
        hands.reach();
        assert!(hands.ask("b", job).is_none(), "it is on its way");
        let (grips, early) = hands.take(&[of("a", 1), of("b", 1), of("c", 1)]);
        assert_eq!(early, [("b".to_owned(), job)]);
        assert!(hands.ask("b", job).is_some());
        let asked = grips.iter().map(|it| it.cancel.is_cancelled());
        assert_eq!(asked.collect::<Vec<_>>(), [false, true, false]);

        hands.take(&[of("b", 2)]);
        assert!(!hands.let_go("b", job, 1), "given back and claimed anew");
        assert!(!hands.let_go("a", job, 1));
        assert!(hands.ask("a", job).is_none(), "it is gone");
        assert!(hands.ask("c", job).is_some());
        assert!(hands.let_go("c", job, 1));
        assert!(hands.ask("b", job).is_some());
        assert!(hands.let_go("b", job, 2));
        hands.stop_all();
        assert!(!grips[0].cancel.is_stopped(), "none is held");
    }

    #[test]
    fn what_comes_after_the_stop_is_stopped() {
        let hands = Hands::default();
        let before = hands.take(&[claimed(id(), 1)]).0;
        hands.stop_all();
        let after = hands.take(&[claimed(id(), 1)]).0;
        assert!(before[0].cancel.is_stopped() && after[0].cancel.is_stopped());
    }
}
