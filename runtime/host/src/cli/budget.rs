//! What an attempt may use, as flags.

use std::fmt::Display;
use std::str::FromStr;

use clap::Args;

use crate::units::{Size, Span};

/// Each goes before the task's own.
#[derive(Debug, Args)]
pub(super) struct BudgetFlags {
    /// Wall-clock limit of an attempt, as in `30s`
    #[arg(long, value_name = "SPAN", value_parser = more_than_none::<Span>)]
    pub(super) timeout: Option<Span>,
    /// Tell the task to stop after so much of an attempt's time, as in `25s`
    #[arg(long, value_name = "SPAN")]
    pub(super) soft_timeout: Option<Span>,
    /// Fuel limit of an attempt
    #[arg(long, value_name = "UNITS", value_parser = more_than_none::<u64>)]
    pub(super) fuel: Option<u64>,
    /// Memory limit of an attempt, as in `64MiB`
    #[arg(long, value_name = "SIZE", value_parser = more_than_none::<Size>)]
    pub(super) memory: Option<Size>,
}

fn more_than_none<T>(text: &str) -> Result<T, String>
where
    T: FromStr<Err: Display> + Default + PartialEq,
{
    match text.parse::<T>() {
        Ok(none) if none == T::default() => Err("no attempt could run with that".into()),
        Ok(some) => Ok(some),
        Err(error) => Err(error.to_string()),
    }
}
