//! What a process tells of itself to those who watch over it.
//!
//! # Layout
//! - [`metrics`]: the metrics of a worker, in the text format of Prometheus
//! - [`front`]: those of a server
//! - `labels`: names that come from tenants, held to a number
//! - [`listen`]: the small server of a worker's metrics
//!
//! Nothing here is global: who counts has been given what it counts with.

pub mod front;
mod labels;
pub mod listen;
pub mod metrics;

pub use self::front::FrontMetrics;
pub use self::metrics::Metrics;

/// What all parts of a process tell it through. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// The metrics.
    pub metrics: Metrics,
}
