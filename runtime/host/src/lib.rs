//! Lovage's worker host: the engine that runs task modules, and what is built
//! around it.
//!
//! # Layout
//! - [`engine`]: component and invocation in, outcome out; knows no queue
//! - [`worker`]: from a claim to a settlement; the only room that knows engine
//!   and broker
//! - [`deploy`]: from bytes to an active release
//! - [`sandbox`]: child processes, for what must not happen in this one
//! - [`config`]: all settings, defaults on top; [`units`]: spans and sizes;
//!   [`timetable`]: schedules as people write them
//! - `cores`: how threads share the processor
//! - [`api`]: the HTTP API and the dashboard
//! - [`view`]: what commands and the HTTP API show
//! - [`stubs`]: typed stubs of modules' tasks, for callers in other languages
//! - [`net`]: what leaves this host for others: judged by address and by grant
//! - [`sql`]: databases that the operator has named
//! - [`telemetry`]: metrics and traces; [`webhook`]: requests to those who are told
//! - [`vault`]: secrets, encrypted with the operator's key
//! - [`cli`]: the commands, one a file

pub mod api;
pub mod cli;
pub mod config;
mod cores;
pub mod deploy;
pub mod engine;
pub mod net;
pub mod sandbox;
pub mod sql;
pub mod stubs;
pub mod telemetry;
pub mod timetable;
pub mod units;
pub mod vault;
pub mod view;
pub mod webhook;
pub mod worker;
