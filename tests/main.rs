//! The one integration test binary, by area.

mod api;
mod broker;
mod chaos;
mod cli;
mod dashboard;
mod engine;
mod examples;
mod fixtures;
mod hostile;
mod languages;
mod layers;
mod net;
mod remote;
mod sandbox;
mod schema;
mod sql;
mod supply;
mod support;
mod telemetry;
mod worker;
