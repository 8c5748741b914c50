//! Lovage's jobs, brokers, registry and client: what producers and workers
//! share. It does not know how a module is run.
//!
//! # Layout
//! - [`job`]: a job and its life; [`task`]: names, options, failures;
//!   [`retry`]: when a failed job runs again; [`limits`]: what may start;
//!   [`tenant`]: what a tenant may take of it;
//!   [`schedule`]: when a schedule fires; [`flow`]: what waits for what;
//!   [`event`]: what happened; [`audit`]: who did it; [`hook`]: who is told of it; [`grant`]: what a
//!   module may reach; [`bucket`]: what it keeps there; [`granted`]: who approved of it; [`about`]: what a worker says of itself;
//!   [`clock`]: whose time counts; [`units`]: spans and sizes as people write them.
//!   All pure.
//! - [`record`]: the bytes of a job, the same on every broker
//! - [`broker`]: the contract, and its two implementations
//! - [`client`]: what a producer uses, and [`arguments`] of its calls
//! - [`registry`]: modules and releases, kept in the broker's store

pub mod about;
pub mod arguments;
pub mod audit;
pub mod broker;
pub mod bucket;
pub mod client;
pub mod clock;
pub mod event;
pub mod flow;
pub mod grant;
pub mod granted;
pub mod hook;
pub mod job;
pub mod limits;
pub mod record;
pub mod registry;
pub mod retry;
pub mod schedule;
pub mod task;
pub mod tenant;
pub mod units;
