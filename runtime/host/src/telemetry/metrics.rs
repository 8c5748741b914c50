//! The metrics of a worker. Their names, units and meanings are in
//! `docs/observability.md`; they are a promise, as the API is.
//!
//! Who counts jobs asks once for the counters of a task ([`Metrics::task`]) and keeps
//! them: from then on to count is an addition.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Counter, Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::labels::{Labels, OTHER};

/// Distinct tasks, and distinct queues, that a process tells apart.
pub const MAX_NAMES: usize = 200;
/// Distinct pairs of both: what is beyond is of the queue `other`.
const MAX_PAIRS: usize = 1_000;

const DURATIONS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0,
    1800.0,
];
const WAITS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0,
];
const FUEL: [f64; 9] = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/// The metrics of one process. Cheap to clone; all clones are the same ones.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    tasks: Labels,
    queues: Labels,
    pairs: Labels,
    jobs: IntCounterVec,
    durations: HistogramVec,
    fuel: HistogramVec,
    waits: HistogramVec,
    worker: WorkerMetrics,
}

/// Those of a worker that are of no task.
pub struct WorkerMetrics {
    /// Answered claims.
    pub claims: IntCounter,
    /// The jobs that they brought.
    pub claimed: IntCounter,
    /// Calls that recorded settlements.
    pub settlements: IntCounter,
    /// The settlements in them.
    pub settled: IntCounter,
    /// Those that were not recorded: the job was somebody else's by then.
    pub stale: IntCounter,
    /// Workers that this one declared dead.
    pub dead_workers: IntCounter,
    /// Jobs that it took back from them.
    pub reclaimed: IntCounter,
    /// Jobs among these that were discarded, having crashed too often.
    pub lost: IntCounter,
    /// Jobs that became available when they were due.
    pub promoted: IntCounter,
    /// Heartbeats that were not answered.
    pub heartbeats_failed: IntCounter,
    /// Tallies and events that the broker did not take at once.
    pub tellings_failed: IntCounter,
    /// Looks for a module that found it in memory.
    pub cache_hits: IntCounter,
    /// Looks that did not.
    pub cache_misses: IntCounter,
    /// Modules that had to be compiled.
    pub compilations: IntCounter,
    /// How long that took.
    pub compile_seconds: Counter,
    /// Jobs that may run at once.
    pub slots: IntGauge,
    /// Those of them that run.
    pub slots_used: IntGauge,
    /// Jobs in the worker's hands.
    pub held: IntGauge,
}

/// Those of one task in one queue: see [`Metrics::task`].
pub struct TaskMetrics {
    /// By [`Became`].
    became: [IntCounter; Became::ALL.len()],
    /// Seconds that attempts took.
    pub duration: Histogram,
    /// Fuel that they burnt.
    pub fuel: Histogram,
    /// Seconds between the moment that a job became available and its start.
    pub wait: Histogram,
}

/// What became of a job in a worker's hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// Done.
    Completed,
    /// Failed, and will be tried again.
    Retried,
    /// Given up.
    Discarded,
    /// Stopped.
    Cancelled,
    /// Has made a page of jobs, and goes on.
    Paged,
    /// Has not run, and went back.
    GivenBack,
}

impl Became {
    const ALL: [(Became, &'static str); 6] = [
        (Became::Completed, "completed"),
        (Became::Retried, "retried"),
        (Became::Discarded, "discarded"),
        (Became::Cancelled, "cancelled"),
        (Became::Paged, "paged"),
        (Became::GivenBack, "given_back"),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Became::ALL[self as usize].1
    }
}

impl TaskMetrics {
    /// Counts what became of so many jobs.
    pub fn count(&self, became: Became, jobs: u64) {
        self.became[became as usize].inc_by(jobs);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Self {
        let make = Maker(Registry::new());
        let version = make.gauges(
            "lovage_build_info",
            "What runs here; always 1.",
            &["version"],
        );
        version
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let jobs = "Jobs that left this worker's hands, by what became of them.";
        Metrics(Arc::new(Inner {
            tasks: Labels::new(MAX_NAMES),
            queues: Labels::new(MAX_NAMES),
            pairs: Labels::new(MAX_PAIRS),
            jobs: make.counters("lovage_jobs_total", jobs, &["task", "queue", "outcome"]),
            durations: make.histograms(
                "lovage_attempt_duration_seconds",
                "How long attempts took.",
                "task",
                &DURATIONS,
            ),
            fuel: make.histograms(
                "lovage_attempt_fuel_units",
                "Fuel that attempts burnt.",
                "task",
                &FUEL,
            ),
            waits: make.histograms(
                "lovage_job_wait_seconds",
                "How long jobs had been available when they were started.",
                "queue",
                &WAITS,
            ),
            worker: WorkerMetrics::new(&make),
            registry: make.0,
        }))
    }

    /// Those that are of no task.
    pub fn worker(&self) -> &WorkerMetrics {
        &self.0.worker
    }

    /// The counters of a task in a queue. To be asked for once and kept.
    pub fn task(&self, task: &str, queue: &str) -> TaskMetrics {
        let (task, queue) = (self.0.tasks.of(task), self.0.queues.of(queue));
        let pair = format!("{task} {queue}");
        let queue = if self.0.pairs.of(&pair) == OTHER {
            OTHER
        } else {
            queue
        };
        let became = |it: (Became, &str)| self.0.jobs.with_label_values(&[task, queue, it.1]);
        TaskMetrics {
            became: Became::ALL.map(became),
            duration: self.0.durations.with_label_values(&[task]),
            fuel: self.0.fuel.with_label_values(&[task]),
            wait: self.0.waits.with_label_values(&[queue]),
        }
    }

    /// All of them in the text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // It fails only where the writer does, and a vector does not.
        let _ = TextEncoder::new().encode(&self.0.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    pub(super) fn maker(&self) -> Maker {
        Maker(self.0.registry.clone())
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl WorkerMetrics {
    fn new(make: &Maker) -> Self {
        let counter = |name, help| make.counter(name, help);
        WorkerMetrics {
            claims: counter("lovage_claims_total", "Answered claims."),
            claimed: counter("lovage_claimed_jobs_total", "Jobs that claims brought."),
            settlements: counter(
                "lovage_settlements_total",
                "Calls that recorded settlements.",
            ),
            settled: counter("lovage_settled_jobs_total", "Settlements in these calls."),
            stale: counter(
                "lovage_stale_settlements_total",
                "Settlements that were not recorded: the job was somebody else's by then.",
            ),
            dead_workers: counter(
                "lovage_dead_workers_total",
                "Workers that this one declared dead.",
            ),
            reclaimed: counter(
                "lovage_reclaimed_jobs_total",
                "Jobs that this worker took back from dead ones.",
            ),
            lost: counter(
                "lovage_lost_jobs_total",
                "Jobs discarded because too many workers died with them.",
            ),
            promoted: counter(
                "lovage_promoted_jobs_total",
                "Jobs that became available when they were due.",
            ),
            heartbeats_failed: counter(
                "lovage_heartbeat_failures_total",
                "Heartbeats that the broker did not answer.",
            ),
            tellings_failed: counter(
                "lovage_telling_failures_total",
                "Tallies and events that the broker did not take at once.",
            ),
            cache_hits: counter(
                "lovage_module_cache_hits_total",
                "Looks for a module that found it in memory.",
            ),
            cache_misses: counter(
                "lovage_module_cache_misses_total",
                "Looks for a module that did not find it in memory.",
            ),
            compilations: counter(
                "lovage_module_compilations_total",
                "Modules that had to be compiled.",
            ),
            compile_seconds: make.seconds(
                "lovage_module_compile_seconds_total",
                "How long compiling took.",
            ),
            slots: make.gauge("lovage_slots", "Jobs that may run at once."),
            slots_used: make.gauge("lovage_slots_used", "Jobs that run."),
            held: make.gauge("lovage_held_jobs", "Jobs in this worker's hands."),
        }
    }
}

/// Brings a counter up to a value that is counted elsewhere.
pub fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

/// Makes metrics and registers them. All names stand in this room, each once.
pub(super) struct Maker(Registry);

const SOUND: &str = "a metric has a sound name of its own";

impl Maker {
    fn add<T: Collector + Clone + 'static>(&self, metric: prometheus::Result<T>) -> T {
        let metric = metric.expect(SOUND);
        self.0.register(Box::new(metric.clone())).expect(SOUND);
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    fn seconds(&self, name: &str, help: &str) -> Counter {
        self.add(Counter::new(name, help))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn amounts(&self, name: &str, help: &str, label: &str) -> GaugeVec {
        self.add(GaugeVec::new(Opts::new(name, help), &[label]))
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(opts, &[label]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_counted_under_its_name_queue_and_outcome() {
        let metrics = Metrics::new();
        let task = metrics.task("images.thumbnail", "high");
        task.count(Became::Completed, 3);
        task.count(Became::GivenBack, 1);
        task.wait.observe(0.02);
        let text = metrics.text();
        for line in [
            r#"lovage_jobs_total{outcome="completed",queue="high",task="images.thumbnail"} 3"#,
            r#"lovage_jobs_total{outcome="given_back",queue="high",task="images.thumbnail"} 1"#,
            r#"lovage_job_wait_seconds_bucket{queue="high",le="0.05"} 1"#,
            r#"lovage_job_wait_seconds_bucket{queue="high",le="0.01"} 0"#,
            &format!(
                r#"lovage_build_info{{version="{}"}} 1"#,
                env!("CARGO_PKG_VERSION")
            ),
        ] {
            assert!(text.lines().any(|it| it == line), "`{line}` in\n{text}");
        }
    }

    #[test]
    fn a_tenant_with_ten_thousand_tasks_makes_a_bounded_number_of_series() {
        let metrics = Metrics::new();
        for n in 0..10_000 {
            let task = metrics.task(&format!("m{n}.go"), &format!("q{}", n % 1_000));
            task.count(Became::Completed, 1);
        }
        let text = metrics.text();
        let of = |start: &str| text.lines().filter(|it| it.starts_with(start)).count();
        let outcomes = Became::ALL.len();
        assert!(of("lovage_jobs_total{") <= (MAX_PAIRS + MAX_NAMES + 1) * outcomes);
        assert_eq!(of("lovage_attempt_fuel_units_count{"), MAX_NAMES + 1);
        assert!(of("lovage_job_wait_seconds_count{") <= MAX_NAMES + 1);
    }

    #[test]
    fn what_is_counted_elsewhere_only_rises() {
        let counter = IntCounter::new("a", "b").unwrap();
        raise(&counter, 5);
        raise(&counter, 3);
        raise(&counter, 7);
        assert_eq!(counter.get(), 7);
    }
}
