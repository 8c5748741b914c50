//! The one integration test binary, by area.

mod broker;
mod chaos;
mod cli;
mod engine;
mod examples;
mod fixtures;
mod layers;
mod schema;
mod support;
mod telemetry;
mod worker;
