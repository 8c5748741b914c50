//! What the documentation says of metrics: names that exist, and rules that Prometheus
//! takes.

use std::collections::BTreeSet;

use lovage::telemetry::front::QueueReading;
use lovage::telemetry::{FrontMetrics, Metrics};

use super::prometheus::promtool;
use crate::support::wasm::root;

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// All names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|it| it.starts_with("lovage_")).collect()
}

/// A text of all metrics, each with a sample.
fn exposition() -> String {
    let metrics = Metrics::new();
    let front = FrontMetrics::new(&metrics);
    metrics.task("m.t", "q");
    front.request("/", "GET", 200, std::time::Duration::ZERO);
    front.queues(&[QueueReading {
        queue: "q",
        jobs: &[("available", 1)],
        latency: None,
        backlog: None,
    }]);
    metrics.text()
}

#[test]
fn dashboard_and_alerts_name_metrics_that_exist() {
    let text = exposition();
    let there = names(&text);
    for file in ["grafana-dashboard.json", "alerts.yml"] {
        let text = read(file);
        let named = names(&text);
        assert!(named.len() > 5, "{file}");
        for name in named {
            assert!(there.contains(name), "{file}: there is no `{name}`");
        }
    }
    serde_json::from_str::<serde_json::Value>(&read("grafana-dashboard.json")).unwrap();
}

#[test]
fn each_metric_is_documented_and_each_that_is_documented_exists() {
    let text = exposition();
    let helped = text.lines().filter_map(|it| it.strip_prefix("# HELP "));
    let there: BTreeSet<&str> = helped.filter_map(|it| it.split(' ').next()).collect();
    let page = read("observability.md");
    assert_eq!(names(&page), there);
}

#[tokio::test]
async fn prometheus_takes_the_alerts_and_the_metrics() {
    promtool(&["check", "rules"], &read("alerts.yml"))
        .await
        .ok();
    promtool(&["check", "metrics"], &exposition()).await.ok();
}
