//! What processes tell of themselves: metrics, traces, web-hooks.

mod metrics;
mod prometheus;
