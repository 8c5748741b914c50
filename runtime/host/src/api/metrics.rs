//! The server's metrics, for Prometheus.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use lovage_queue::broker::QueueCounts;

use super::Shared;
use super::auth::{Caller, Look};
use super::body::typed;
use super::problem::Reply;
use super::queues::measured;
use crate::telemetry::front::QueueReading;
use crate::telemetry::listen::TEXT;

/// The metrics of the process, and of the tenant's queues.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(api): State<Shared>, caller: Caller<Look>) -> Reply {
    let queues = measured(&api, &caller.client).await?;
    let states: Vec<_> = queues.iter().map(|(counts, _)| states(counts)).collect();
    let span = |it: Option<f64>| it.and_then(|it| Duration::try_from_secs_f64(it).ok());
    let readings = queues
        .iter()
        .zip(&states)
        .map(|((counts, it), jobs)| QueueReading {
            queue: &counts.queue,
            jobs,
            latency: span(it.latency),
            backlog: span(it.backlog),
        });
    let readings: Vec<_> = readings.collect();
    // Readings are of one tenant: nobody else's may come between them and the text.
    let _alone = api.reading.lock().await;
    api.front.queues(&readings);
    api.front
        .listeners
        .set(i64::try_from(api.feeds.listeners()).unwrap_or(i64::MAX));
    let mut text = api.telemetry.metrics.text();
    if caller.client.tenant() != api.settings.tenant {
        text = of_queues(&text);
    }
    Ok(typed(StatusCode::OK, TEXT, text.into_bytes()))
}

/// What was read for the one who asks. The rest is of the process, whoever's requests and
/// jobs it is about: that is for its operator.
fn of_queues(text: &str) -> String {
    let is_of_queues = |line: &&str| {
        let comment = ["# HELP ", "# TYPE "];
        let name = comment.iter().find_map(|it| line.strip_prefix(it));
        name.unwrap_or(line).starts_with("lovage_queue_")
    };
    let lines = text.lines().filter(is_of_queues);
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn states(it: &QueueCounts) -> [(&'static str, u64); 8] {
    [
        ("pending", it.pending),
        ("scheduled", it.scheduled),
        ("available", it.available),
        ("running", it.running),
        ("retryable", it.retryable),
        ("completed", it.completed),
        ("discarded", it.discarded),
        ("cancelled", it.cancelled),
    ]
}

/// Counts each request by its route, which are a bounded number, and not by its path.
pub(super) async fn count(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    // Whoever makes up methods makes up no series.
    let method = match method.as_str() {
        known @ ("GET" | "POST" | "PUT" | "DELETE" | "HEAD") => known,
        _ => "other",
    };
    let status = response.status().as_u16();
    api.front.request(route, method, status, since.elapsed());
    response
}
