//! What a worker counts of the jobs of one task in one queue of one tenant.
//!
//! Whose a job is, is looked up when it is claimed, and jobs that come one after the
//! other are mostly of one task: so to count costs a comparison of names a job, and
//! additions a batch.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lovage_queue::broker::Claimed;
use lovage_queue::job::{Action, Settlement};

use super::tally::{Line, Untold};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Became, TaskMetrics};

/// Series in memory. Past it those go that have nothing to tell.
const MOST: usize = 10_000;

/// All that a worker counts, whatever its identity.
pub(super) struct AllSeries {
    metrics: Metrics,
    pub(super) line: Line,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By the hash of their names: so none has to be made for a look.
    series: HashMap<u64, Vec<Arc<Series>>>,
    count: usize,
}

/// Of one task in one queue of one tenant.
pub(super) struct Series {
    pub(super) tenant: String,
    pub(super) queue: String,
    /// `module.task`.
    pub(super) name: String,
    /// Where the one ends and the other begins.
    dot: usize,
    metrics: TaskMetrics,
    untold: Mutex<Untold>,
}

/// A settlement that the broker has recorded, or was to.
pub(super) struct Counted<'a> {
    pub(super) settlement: &'a Settlement,
    pub(super) waited: Duration,
}

impl AllSeries {
    pub(super) fn new(metrics: Metrics) -> Self {
        AllSeries {
            metrics,
            line: Line::default(),
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// The series of each of these jobs, which were started just now; none of one that
    /// cannot be read.
    pub(super) fn started(&self, claimed: &[Claimed]) -> Vec<Option<Arc<Series>>> {
        let mut last: Option<Arc<Series>> = None;
        let series = claimed.iter().map(|it| {
            let call = &it.job.as_ref().ok()?.call;
            let names = [&*it.tenant, &*it.queue, &*call.module, &*call.task];
            if !last.as_ref().is_some_and(|last| last.is(names)) {
                last = Some(self.find(names));
            }
            last.clone()
        });
        let series: Vec<_> = series.collect();
        let mut ids = claimed.iter().map(|it| it.id);
        for alike in series.chunk_by(same) {
            let these = ids.by_ref().take(alike.len());
            match &alike[0] {
                Some(series) => self.note(series, |untold| these.for_each(|id| untold.started(id))),
                None => these.for_each(drop),
            }
        }
        series
    }

    /// Counts settlements that are on the record.
    pub(super) fn settled<'a>(
        &self,
        series: &Arc<Series>,
        counted: impl Iterator<Item = Counted<'a>>,
    ) {
        self.note(series, |untold| series.count(counted, untold));
    }

    /// The broker did not take what was counted.
    pub(super) fn failed(&self) {
        self.metrics.worker().tellings_failed.inc();
    }

    /// Keeps what could not be told, to be told later.
    pub(super) fn put_back(&self, series: Arc<Series>, before: Untold) {
        self.note(&series, |untold| untold.put_back(before));
    }

    /// Whoever has something to tell is in line, once.
    fn note(&self, series: &Arc<Series>, note: impl FnOnce(&mut Untold)) {
        let mut untold = series.untold();
        let was_empty = untold.is_empty();
        note(&mut untold);
        if was_empty && !untold.is_empty() {
            self.line.join(series.clone());
        }
    }

    fn find(&self, names: [&str; 4]) -> Arc<Series> {
        let hash = self.hasher.hash_one(names);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = known.series.get(&hash).into_iter().flatten();
        if let Some(found) = alike.into_iter().find(|it| it.is(names)) {
            return found.clone();
        }
        if known.count >= MOST {
            *known = Known::default();
        }
        let [tenant, queue, module, task] = names;
        let name = format!("{module}.{task}");
        let series = Arc::new(Series {
            metrics: self.metrics.task(&name, queue),
            untold: Mutex::default(),
            tenant: tenant.to_owned(),
            queue: queue.to_owned(),
            dot: module.len(),
            name,
        });
        known.series.entry(hash).or_default().push(series.clone());
        known.count += 1;
        series
    }
}

impl Series {
    fn is(&self, names: [&str; 4]) -> bool {
        let [tenant, queue, module, task] = names;
        self.dot == module.len()
            && self.name.starts_with(module)
            && self.name[self.dot + 1..] == *task
            && self.queue == queue
            && self.tenant == tenant
    }

    /// What has not been told, which now counts as told.
    pub(super) fn take(&self) -> Untold {
        std::mem::take(&mut *self.untold())
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count<'a>(&self, counted: impl Iterator<Item = Counted<'a>>, untold: &mut Untold) {
        let (duration, fuel) = (self.metrics.duration.local(), self.metrics.fuel.local());
        let wait = self.metrics.wait.local();
        for it in counted {
            untold.settled(&it);
            self.metrics.count(became(&it.settlement.action), 1);
            if let Some(attempt) = &it.settlement.attempt {
                duration.observe(attempt.took.as_secs_f64());
                fuel.observe(attempt.fuel as f64);
                wait.observe(it.waited.as_secs_f64());
            }
        }
        duration.flush();
        fuel.flush();
        wait.flush();
    }
}

/// Whether both are the same series, or none.
pub(super) fn same(a: &Option<Arc<Series>>, b: &Option<Arc<Series>>) -> bool {
    a.as_ref().map(Arc::as_ptr) == b.as_ref().map(Arc::as_ptr)
}

/// The word for what a settlement does.
pub(super) fn became(action: &Action) -> Became {
    match action {
        Action::Complete(_) => Became::Completed,
        Action::Retry(_) => Became::Retried,
        Action::Discard => Became::Discarded,
        Action::Cancel => Became::Cancelled,
        Action::GiveBack(_) => Became::GivenBack,
        Action::NextPage { .. } => Became::Paged,
    }
}
