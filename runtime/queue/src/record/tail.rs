//! The tail of a record: what became of each attempt.

use std::time::Duration;

use serde_bytes::{ByteBuf, Bytes};

use super::RecordError;
use crate::clock::Millis;
use crate::job::{Attempt, Ending, Payload, WorkerId};
use crate::registry::Digest;
use crate::retry::Retry;
use crate::task::Failure;

/// An entry of the tail.
pub fn encode_attempt(attempt: &Attempt, result: Option<&Payload>) -> Vec<u8> {
    rmp_serde::to_vec(&(result, Keep::from(attempt))).expect("a vector takes all writes")
}

/// All attempts, oldest first, and the newest one's result.
pub(super) fn decode_tail(mut tail: &[u8]) -> Result<(Vec<Attempt>, Option<Payload>), RecordError> {
    let mut attempts = Vec::new();
    let mut result = None;
    while !tail.is_empty() {
        let (newest, kept): (Option<Payload>, Kept) = rmp_serde::from_read(&mut tail)
            .map_err(|e| RecordError::Field("attempts", e.to_string()))?;
        result = newest;
        attempts.push(kept.into());
    }
    Ok((attempts, result))
}

/// An attempt as it lies in a record: positional, and bytes as bytes.
#[derive(serde::Deserialize)]
struct Kept(
    u8,
    u32,
    u64,
    Option<ByteBuf>,
    u32,
    u64,
    u64,
    u64,
    u64,
    Option<KeptFailure>,
    Option<ByteBuf>,
);

/// What the attempt asked for next stands behind the rest, where it asked for anything.
#[derive(serde::Deserialize)]
struct KeptFailure {
    kind: String,
    message: String,
    detail: Option<String>,
    #[serde(default)]
    retry: Retry,
}

/// The same on its way there.
#[derive(serde::Serialize)]
struct Keep<'a>(
    u8,
    u32,
    u64,
    Option<&'a Bytes>,
    u32,
    u64,
    u64,
    u64,
    u64,
    Option<KeepFailure<'a>>,
    Option<&'a Bytes>,
);

#[derive(serde::Serialize)]
struct KeepFailure<'a> {
    kind: &'a str,
    message: &'a str,
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Retry>,
}

impl<'a> From<&'a Failure> for KeepFailure<'a> {
    fn from(it: &'a Failure) -> Self {
        KeepFailure {
            kind: &it.kind,
            message: &it.message,
            detail: it.detail.as_deref(),
            retry: (it.retry != Retry::Policy).then_some(it.retry),
        }
    }
}

impl<'a> From<&'a Attempt> for Keep<'a> {
    fn from(it: &'a Attempt) -> Self {
        Keep(
            it.ending as u8,
            it.delivery,
            it.worker.0,
            it.digest.as_ref().map(|digest| Bytes::new(&digest.0)),
            it.release,
            it.started.0,
            it.took.as_micros() as u64,
            it.fuel,
            it.peak_memory,
            it.failure.as_ref().map(KeepFailure::from),
            (!it.log.is_empty()).then(|| Bytes::new(&it.log)),
        )
    }
}

impl From<Kept> for Attempt {
    fn from(it: Kept) -> Self {
        Attempt {
            // A newer version's ending is still an attempt that did not complete.
            ending: Ending::from_code(it.0).unwrap_or(Ending::Trapped),
            delivery: it.1,
            worker: WorkerId(it.2),
            digest: it.3.and_then(|bytes| Digest::from_slice(&bytes)),
            release: it.4,
            started: Millis(it.5),
            took: Duration::from_micros(it.6),
            fuel: it.7,
            peak_memory: it.8,
            failure: it.9.map(|it| Failure {
                kind: it.kind,
                message: it.message,
                detail: it.detail,
                retry: it.retry,
            }),
            log: it.10.map(ByteBuf::into_vec).unwrap_or_default(),
        }
    }
}
