//! What the command line and the HTTP API show: the same things in the same words.
//!
//! # Layout
//! - this file: moments, and MessagePack as JSON
//! - `jobs`, `queues`, `modules`, `schedules`, `flows`, `workers`, `hooks`, `grants`,
//!   `audit`, `usage`, `tenants`, `buckets`: one kind of thing each
//!
//! Names and shapes are part of the interface: what programs read may gain fields, and
//! loses none.

pub mod audit;
pub mod buckets;
pub mod flows;
pub mod grants;
pub mod hooks;
pub mod jobs;
pub mod modules;
pub mod queues;
pub mod schedules;
pub mod tenants;
pub mod usage;
pub mod workers;

use base64::Engine as _;
use lovage_queue::arguments::{read_value, to_json};
use lovage_queue::clock::Millis;
use serde_json::Value;

/// A moment as RFC 3339 in UTC.
pub fn moment(at: Millis) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| at.to_string(), |it| it.to_string())
}

/// A moment that may never have been.
pub fn known(at: Millis) -> Option<String> {
    at.known().map(moment)
}

/// MessagePack as JSON, bytes as Base64.
pub fn decoded(packed: &[u8]) -> Value {
    match read_value(packed) {
        Ok(value) => to_json(&value),
        Err(_) => Value::String(base64(packed)),
    }
}

/// Bytes as Base64, in the standard alphabet.
pub fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
