//! The small server of a worker's metrics: `/metrics` and `/healthz`, and nothing else.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Metrics;

/// The text format, in the words of Prometheus.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until `stop` is over. Whoever is being answered then is not waited for.
pub async fn run(listener: TcpListener, metrics: Metrics, stop: impl Future<Output = ()>) {
    let text = async move || ([(CONTENT_TYPE, TEXT)], metrics.text()).into_response();
    let routes = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(async || "ok\n"));
    tokio::select! {
        served = axum::serve(listener, routes) => {
            if let Err(e) = served {
                tracing::error!(error = %e, "metrics are served no longer");
            }
        }
        () = stop => {}
    }
}
