//! What an attempt may use, as flags.

use clap::Args;

use crate::units::{Size, Span};

/// Each goes before the task's own.
#[derive(Debug, Args)]
pub(super) struct BudgetFlags {
    /// Wall-clock limit of an attempt, as in `30s`
    #[arg(long, value_name = "SPAN")]
    pub(super) timeout: Option<Span>,
    /// Tell the task to stop after so much of an attempt's time, as in `25s`
    #[arg(long, value_name = "SPAN")]
    pub(super) soft_timeout: Option<Span>,
    /// Fuel limit of an attempt
    #[arg(long, value_name = "UNITS")]
    pub(super) fuel: Option<u64>,
    /// Memory limit of an attempt, as in `64MiB`
    #[arg(long, value_name = "SIZE")]
    pub(super) memory: Option<Size>,
}
