//! A module's way to a server: its bytes in one request. The server checks it, asks it
//! for its tasks and stores it as `lovage push` does with a broker.

use std::time::Duration;

use serde_json::Value;

use super::RemoteBroker;
use crate::broker::BrokerError;
use crate::clock::Millis;
use crate::grant::Grant;
use crate::registry::{Manifest, Readiness, Release};

/// How long a server may take to compile a module and to wait for its workers, beside
/// the upload.
const PATIENCE: Duration = Duration::from_secs(300);

/// A push that went through.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The active release.
    pub release: Release,
    /// What the module says of itself.
    pub manifest: Manifest,
    /// How many live workers had compiled it when it became active.
    pub workers: Readiness,
    /// What it newly wants: unless there is none, it is not active.
    pub awaits: Vec<Grant>,
}

/// A module that did not become a release.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PushError {
    /// The server, its engine or one of its workers does not take it.
    #[error("{0}")]
    Refused(String),
    /// What else went wrong.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl RemoteBroker {
    /// Makes a component the active release of a name; with `now`, without waiting for
    /// the live workers; with `grant`, approving of all that it wants.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(
        &self,
        module: &str,
        bytes: Vec<u8>,
        now: bool,
        grant: bool,
    ) -> Result<Pushed, PushError> {
        // It becomes part of a path.
        let invalid = |e: crate::task::NameError| BrokerError::Invalid(e.to_string());
        crate::task::check_name(module, "module").map_err(invalid)?;
        let path = format!("/v1/modules/{module}/releases?now={now}&grant={grant}");
        let connection = &self.connection;
        let request = connection.request(
            &path,
            "application/wasm",
            "application/json",
            bytes,
            PATIENCE,
        )?;
        // Whoever sends hundreds of megabytes says so twice only if they want it.
        let answer = connection.send(request, false).await?;
        let read = |answer: &[u8]| {
            let mut answer: Answer = serde_json::from_slice(answer)?;
            let at = answer.release.get_mut("at");
            at.into_iter().for_each(as_millis);
            Ok(Pushed {
                release: serde_json::from_value(answer.release)?,
                manifest: answer.manifest,
                workers: answer.workers,
                awaits: answer.awaits,
            })
        };
        read(&answer).map_err(|e: serde_json::Error| {
            let said =
                format!("its answer to the push cannot be read, it may be of another version: {e}");
            connection.unsuitable(said).into()
        })
    }
}

/// What a server says of a push.
#[derive(serde::Deserialize)]
struct Answer {
    release: Value,
    manifest: Manifest,
    workers: Readiness,
    #[serde(default)]
    awaits: Vec<Grant>,
}

/// A time as people read it, in milliseconds since the Unix epoch.
fn as_millis(at: &mut Value) {
    let time = at
        .as_str()
        .and_then(|it| it.parse::<jiff::Timestamp>().ok());
    if let Some(time) = time {
        let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
        *at = Millis(millis).0.into();
    }
}
