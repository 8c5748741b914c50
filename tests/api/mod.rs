//! The front door, asked by a client of its own over HTTP: each endpoint used rightly and
//! wrongly, and what becomes of requests when something goes away.
//!
//! # Layout
//! - `door`: a server of a test's own, and `visitor`: who asks it
//! - one file a kind of thing, as in `api/` itself
//! - `formats`: bodies and answers; `docs`: the OpenAPI document against the server
//! - `outages`: what dies or dawdles; `tls`; `remote`: the command line over HTTP

mod audit;
mod auth;
mod buckets;
mod cors;
mod dead;
mod docs;
pub(crate) mod door;
mod enqueue;
mod events;
mod flows;
mod formats;
mod grants;
mod health;
mod history;
mod jobs;
mod limits;
mod modules;
mod options;
mod outages;
mod queues;
mod remote;
mod schedules;
mod tenant;
mod tls;
mod tokens;
mod values;
pub(crate) mod visitor;
mod workers;

use crate::fixtures::{ECHO, Guest};
use crate::support::guests::{FAILURE, fail};

/// An id that no job has.
const NOBODY: &str = "01a1fba9-c2fc-7000-b730-5028e85eff5c";

/// Takes a side and a name, and answers with what it was given; so does `app.blob`, with
/// an image.
fn app() -> Vec<u8> {
    let go = r#"{"type":"object","required":["side"],"additionalProperties":false,"properties":{"side":{"type":"integer","minimum":1},"name":{"type":"string"}}}"#;
    let blob = r#"{"type":"object","required":["image"],"properties":{"image":{"type":"string","contentEncoding":"base64"}}}"#;
    Guest::new(ECHO)
        .tasks(&[("go", go), ("blob", blob)])
        .build()
}

/// Fails for good, with the kind `kind`.
fn failing() -> Vec<u8> {
    Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build()
}
