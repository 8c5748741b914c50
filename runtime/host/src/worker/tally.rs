//! What has been counted and not yet told to the broker, and telling it: history for
//! those who look back, events for those who look on. Never a word a job, but one a
//! task, queue and quarter of a second.
//!
//! What the broker does not take is added to what comes next, so an outage costs the
//! moment at which it is told and nothing else. It is bounded by the number of series.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lovage_queue::broker::{Broker, BrokerError, Tally};
use lovage_queue::event::{Event, JobsEvent, JobsKind, MAX_IDS};
use lovage_queue::job::{Action, JobId};
use tokio::sync::oneshot;

use super::series::{AllSeries, Counted, Series};

/// How often there is a word.
const EVERY: Duration = Duration::from_millis(250);
/// Series in a word: each has a tally and at most one event a kind.
const WORD: usize = 150;
/// How long a worker that ends tries to tell its last.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// What may happen to a job in a worker's hands, in the order in which it is told.
const KINDS: [JobsKind; 5] = [
    JobsKind::Started,
    JobsKind::Retried,
    JobsKind::Completed,
    JobsKind::Discarded,
    JobsKind::Cancelled,
];

/// What of a series has not been told.
#[derive(Default)]
pub(super) struct Untold {
    tally: Tally,
    /// Whether there is anything in the tally.
    tallied: bool,
    /// By [`KINDS`].
    news: [News; KINDS.len()],
}

#[derive(Default)]
struct News {
    count: u64,
    ids: Vec<JobId>,
}

impl News {
    fn add(&mut self, id: JobId) {
        self.count += 1;
        if self.ids.len() < MAX_IDS {
            self.ids.push(id);
        }
    }
}

impl Untold {
    pub(super) fn is_empty(&self) -> bool {
        !self.tallied && self.news.iter().all(|it| it.count == 0)
    }

    /// A worker has this job.
    pub(super) fn started(&mut self, id: JobId) {
        self.news[0].add(id);
    }

    /// A settlement is on the record.
    pub(super) fn settled(&mut self, it: &Counted<'_>) {
        let tally = &mut self.tally;
        let (kind, count) = match &it.settlement.action {
            Action::Retry(_) => (1, &mut tally.retried),
            Action::Complete(_) => (2, &mut tally.completed),
            Action::Discard => (3, &mut tally.discarded),
            Action::Cancel => (4, &mut tally.cancelled),
            // It has not ended, and was not tried in vain: what it used counts.
            Action::NextPage { .. } => return self.ran(it),
            Action::GiveBack(_) => return,
        };
        *count += 1;
        self.news[kind].add(it.settlement.id);
        self.ran(it);
    }

    fn ran(&mut self, it: &Counted<'_>) {
        self.tallied = true;
        if let Some(attempt) = &it.settlement.attempt {
            let tally = &mut self.tally;
            tally.ran += attempt.took;
            tally.waited += it.waited;
            tally.waited_most = tally.waited_most.max(it.waited);
            tally.fuel = tally.fuel.saturating_add(attempt.fuel);
            tally.attempts += 1;
            tally.cpu += it.settlement.spent.cpu;
            let held = memory_time(attempt.peak_memory, attempt.took);
            tally.memory_time = tally.memory_time.saturating_add(held);
        }
    }

    /// Puts what was taken and not told before what has come since.
    pub(super) fn put_back(&mut self, before: Untold) {
        let (tally, more) = (&mut self.tally, before.tally);
        tally.completed += more.completed;
        tally.retried += more.retried;
        tally.discarded += more.discarded;
        tally.cancelled += more.cancelled;
        tally.ran += more.ran;
        tally.waited += more.waited;
        tally.waited_most = tally.waited_most.max(more.waited_most);
        tally.fuel = tally.fuel.saturating_add(more.fuel);
        tally.attempts += more.attempts;
        tally.cpu += more.cpu;
        tally.memory_time = tally.memory_time.saturating_add(more.memory_time);
        self.tallied |= before.tallied;
        for (now, mut before) in self.news.iter_mut().zip(before.news) {
            before.count += now.count;
            before.ids.append(&mut now.ids);
            before.ids.truncate(MAX_IDS);
            *now = before;
        }
    }

    fn tally(&self, queue: &str, task: &str) -> Option<Tally> {
        self.tallied.then(|| Tally {
            queue: queue.to_owned(),
            task: task.to_owned(),
            ..self.tally.clone()
        })
    }

    fn events(&self, queue: &str, task: &str) -> impl Iterator<Item = Vec<u8>> {
        let news = KINDS.iter().zip(&self.news);
        news.filter(|(_, it)| it.count > 0).map(move |(kind, it)| {
            Event::Jobs(JobsEvent::new(*kind, queue, task, it.count, &it.ids)).encode()
        })
    }
}

/// Memory times time, in KiB times milliseconds. Most runs are shorter than one.
fn memory_time(bytes: u64, span: Duration) -> u64 {
    let product = u128::from(bytes).saturating_mul(span.as_micros()) / (1024 * 1000);
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// The series that have something to tell.
#[derive(Default)]
pub(super) struct Line(Mutex<Vec<Arc<Series>>>);

impl Line {
    pub(super) fn join(&self, series: Arc<Series>) {
        self.lock().push(series);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Series>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells until the worker ends, and then its last.
pub(super) async fn run(
    broker: Arc<dyn Broker>,
    all: Arc<AllSeries>,
    mut stop: oneshot::Receiver<()>,
) {
    loop {
        let stopped = tokio::time::timeout(EVERY, &mut stop).await.is_ok();
        tell(&*broker, &all).await;
        if stopped {
            return;
        }
    }
}

/// Tells all that there is, a tenant after the other.
async fn tell(broker: &dyn Broker, all: &AllSeries) {
    let mut tenants: BTreeMap<String, Vec<(Arc<Series>, Untold)>> = BTreeMap::new();
    for series in take(&mut *all.line.lock()) {
        let untold = series.take();
        let words = tenants.entry(series.tenant.clone()).or_default();
        words.push((series, untold));
    }
    for (tenant, mut words) in tenants {
        while !words.is_empty() {
            let word = words.split_off(words.len().saturating_sub(WORD));
            say(broker, all, &tenant, word).await;
        }
    }
}

async fn say(broker: &dyn Broker, all: &AllSeries, tenant: &str, word: Vec<(Arc<Series>, Untold)>) {
    let (mut tallies, mut events) = (Vec::new(), Vec::new());
    for (series, untold) in &word {
        let (queue, task) = (series.queue.as_str(), series.name.as_str());
        tallies.extend(untold.tally(queue, task));
        events.extend(untold.events(queue, task));
    }
    let e = match broker.tell(tenant, &tallies, &events).await {
        Ok(()) => return,
        Err(e) => e,
    };
    all.failed();
    if let BrokerError::Invalid(why) = &e {
        // It never will.
        tracing::error!(tenant, why, "the broker takes no word of what was counted");
        return;
    }
    tracing::debug!(tenant, error = %e, "could not tell what was counted; will try again");
    for (series, untold) in word {
        all.put_back(series, untold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_queue::job::{Partition, Payload, Settlement};

    fn settlement(action: Action) -> Settlement {
        Settlement {
            tenant: "default".into(),
            id: JobId::new(Partition(0)),
            delivery: 1,
            queue: "default".into(),
            action,
            attempt: None,
            children: Vec::new(),
            flows: Vec::new(),
            spent: lovage_queue::job::Spent::default(),
        }
    }

    fn settle(untold: &mut Untold, action: Action) {
        let settlement = settlement(action);
        let waited = Duration::ZERO;
        untold.settled(&Counted {
            settlement: &settlement,
            waited,
        });
    }

    #[test]
    fn what_was_not_told_is_told_with_what_came_since() {
        let mut untold = Untold::default();
        for _ in 0..30 {
            settle(&mut untold, Action::Complete(Payload::Inline(Vec::new())));
        }
        let before = take(&mut untold);
        assert!(untold.is_empty());
        settle(&mut untold, Action::Discard);
        settle(&mut untold, Action::Complete(Payload::Inline(Vec::new())));
        let first = before.news[2].ids[0];
        untold.put_back(before);
        let tally = untold.tally("q", "m.t").unwrap();
        assert_eq!((tally.completed, tally.discarded), (31, 1));
        let events: Vec<_> = untold.events("q", "m.t").collect();
        let Some(Event::Jobs(event)) = Event::decode(&events[0]) else {
            panic!("{events:?}");
        };
        assert_eq!((event.kind, event.count), (JobsKind::Completed, 31));
        assert_eq!(event.ids.len(), MAX_IDS);
        assert_eq!(event.ids[0], first.to_string());
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn memory_counts_by_how_long_it_was_held() {
        assert_eq!(memory_time(1 << 20, Duration::from_millis(3)), 3 * 1024);
        assert_eq!(memory_time(2 << 20, Duration::from_micros(500)), 1024);
        assert_eq!(memory_time(u64::MAX, Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_job_that_went_back_is_nobodys_news() {
        let mut untold = Untold::default();
        settle(&mut untold, Action::GiveBack(Duration::ZERO));
        assert!(untold.is_empty());
    }
}
