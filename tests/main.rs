//! The one integration test binary, by area.

mod api;
mod broker;
mod chaos;
mod cli;
mod dashboard;
mod engine;
mod examples;
mod fixtures;
mod layers;
mod net;
mod remote;
mod schema;
mod support;
mod telemetry;
mod worker;
