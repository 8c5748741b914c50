//! What a process tells of itself to those who watch over it.
//!
//! # Layout
//! - [`metrics`]: the metrics of a worker, in the text format of Prometheus
//! - [`front`]: those of a server
//! - `labels`: names that come from tenants, held to a number
//! - [`traces`]: for a collector
//! - [`listen`]: the small server of a worker's metrics
//!
//! Nothing here is global: who counts has been given what it counts with.

pub mod front;
mod labels;
pub mod listen;
pub mod metrics;
pub mod traces;

pub use self::front::FrontMetrics;
pub use self::metrics::Metrics;
pub use self::traces::Traces;

/// What all parts of a process tell it through. Cheap to clone.
#[derive(Clone, Default)]
pub struct Telemetry {
    /// The metrics.
    pub metrics: Metrics,
    /// The traces.
    pub traces: Traces,
}
