//! What a worker counts of the jobs of one task in one queue of one tenant.
//!
//! Whose a job is, is looked up when it is claimed, and jobs that come one after the
//! other are mostly of one task: so to count costs a comparison of names a job, and
//! additions a batch.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lovage_queue::broker::Claimed;
use lovage_queue::job::{Action, Settlement};

use crate::telemetry::Metrics;
use crate::telemetry::metrics::{Became, TaskMetrics};

/// Series in memory. Past it those go that have nothing to tell.
const MOST: usize = 10_000;

/// All that a worker counts, whatever its identity.
pub(super) struct AllSeries {
    metrics: Metrics,
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
    tenant: String,
    queue: String,
    module: String,
    task: String,
    metrics: TaskMetrics,
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
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// The series of each of these jobs; none of one that cannot be read.
    pub(super) fn of(&self, claimed: &[Claimed]) -> Vec<Option<Arc<Series>>> {
        let mut last: Option<Arc<Series>> = None;
        let series = claimed.iter().map(|it| {
            let call = &it.job.as_ref().ok()?.call;
            let names = [&*it.tenant, &*it.queue, &*call.module, &*call.task];
            if !last.as_ref().is_some_and(|last| last.is(names)) {
                last = Some(self.find(names));
            }
            last.clone()
        });
        series.collect()
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
        let series = Arc::new(Series {
            metrics: self.metrics.task(&format!("{module}.{task}"), queue),
            tenant: tenant.to_owned(),
            queue: queue.to_owned(),
            module: module.to_owned(),
            task: task.to_owned(),
        });
        known.series.entry(hash).or_default().push(series.clone());
        known.count += 1;
        series
    }
}

impl Series {
    fn is(&self, names: [&str; 4]) -> bool {
        let [tenant, queue, module, task] = names;
        self.task == task && self.module == module && self.queue == queue && self.tenant == tenant
    }

    /// Counts settlements that are on the record.
    pub(super) fn settled<'a>(&self, counted: impl Iterator<Item = Counted<'a>>) {
        let (duration, fuel) = (self.metrics.duration.local(), self.metrics.fuel.local());
        let wait = self.metrics.wait.local();
        for it in counted {
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

fn became(action: &Action) -> Became {
    match action {
        Action::Complete(_) => Became::Completed,
        Action::Retry(_) => Became::Retried,
        Action::Discard => Became::Discarded,
        Action::Cancel => Became::Cancelled,
        Action::GiveBack(_) => Became::GivenBack,
        Action::NextPage { .. } => Became::Paged,
    }
}
