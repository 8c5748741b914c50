//! The metrics of a server: its requests, and the queues of the broker that it fronts.

use std::time::Duration;

use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};

use super::labels::Labels;
use super::metrics::{MAX_NAMES, Metrics};

const DURATIONS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// They are registered with those of the process: one text has all of them.
pub struct FrontMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    queues: Labels,
    jobs: IntGaugeVec,
    latency: GaugeVec,
    backlog: GaugeVec,
    /// Who listens to events now.
    pub listeners: IntGauge,
}

/// How a queue stands.
pub struct QueueReading<'a> {
    /// Its name.
    pub queue: &'a str,
    /// States, each with the number of its jobs.
    pub jobs: &'a [(&'a str, u64)],
    /// Since when its oldest available job waits.
    pub latency: Option<Duration>,
    /// How much work waits, by what such jobs took lately.
    pub backlog: Option<Duration>,
}

impl FrontMetrics {
    /// Registers them. To be done once a process.
    pub fn new(metrics: &Metrics) -> Self {
        let make = metrics.maker();
        FrontMetrics {
            requests: make.counters(
                "lovage_http_requests_total",
                "Requests that were answered.",
                &["route", "method", "status"],
            ),
            durations: make.histograms(
                "lovage_http_request_duration_seconds",
                "How long requests took.",
                "route",
                &DURATIONS,
            ),
            queues: Labels::new(MAX_NAMES),
            jobs: make.gauges(
                "lovage_queue_jobs",
                "Jobs in a queue, by state.",
                &["queue", "state"],
            ),
            latency: make.amounts(
                "lovage_queue_latency_seconds",
                "How long the oldest available job of a queue waits.",
                "queue",
            ),
            backlog: make.amounts(
                "lovage_queue_backlog_seconds",
                "How much work waits in a queue, by what its jobs took lately.",
                "queue",
            ),
            listeners: make.gauge("lovage_events_listeners", "Who listens to events now."),
        }
    }

    /// A request was answered. The route is that of the table and not the path, of which
    /// there are without end.
    pub fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let status = status.to_string();
        let counter = self.requests.with_label_values(&[route, method, &status]);
        counter.inc();
        let duration = self.durations.with_label_values(&[route]);
        duration.observe(took.as_secs_f64());
    }

    /// All queues as they stand now; what was said of them before is forgotten. Those
    /// with names too many are added up, and the longest of their waits counts.
    pub fn queues(&self, readings: &[QueueReading<'_>]) {
        self.jobs.reset();
        self.latency.reset();
        self.backlog.reset();
        for it in readings {
            let queue = self.queues.of(it.queue);
            for (state, jobs) in it.jobs {
                let gauge = self.jobs.with_label_values(&[queue, *state]);
                gauge.add(i64::try_from(*jobs).unwrap_or(i64::MAX));
            }
            let latency = self.latency.with_label_values(&[queue]);
            latency.set(latency.get().max(seconds(it.latency)));
            let backlog = self.backlog.with_label_values(&[queue]);
            backlog.add(seconds(it.backlog));
        }
    }
}

fn seconds(span: Option<Duration>) -> f64 {
    span.unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_as_they_stand_now() {
        let metrics = Metrics::new();
        let front = FrontMetrics::new(&metrics);
        let reading = |queue, available, latency| QueueReading {
            queue,
            jobs: &[("running", 1)][available..],
            latency,
            backlog: None,
        };
        front.queues(&[reading("a", 0, Some(Duration::from_millis(1500)))]);
        assert!(
            metrics
                .text()
                .contains(r#"lovage_queue_latency_seconds{queue="a"} 1.5"#)
        );
        front.queues(&[reading("b", 0, None)]);
        let text = metrics.text();
        assert!(!text.contains(r#"queue="a""#), "{text}");
        assert!(text.contains(r#"lovage_queue_jobs{queue="b",state="running"} 1"#));
        front.request("/v1/jobs", "POST", 201, Duration::from_millis(2));
        let counted =
            r#"lovage_http_requests_total{method="POST",route="/v1/jobs",status="201"} 1"#;
        assert!(metrics.text().contains(counted));
    }
}
