//! The tail of a record: what became of each attempt.

use std::time::Duration;

use serde_bytes::{ByteBuf, Bytes};

use super::RecordError;
use crate::clock::Millis;
use crate::job::{Attempt, Ending, Payload, WorkerId};
use crate::registry::Digest;
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
    Option<(String, String, Option<String>)>,
    Option<ByteBuf>,
);

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
    Option<(&'a str, &'a str, Option<&'a str>)>,
    Option<&'a Bytes>,
);

impl<'a> From<&'a Attempt> for Keep<'a> {
    fn from(it: &'a Attempt) -> Self {
        let failure = it.failure.as_ref();
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
            failure.map(|f| (&f.kind[..], &f.message[..], f.detail.as_deref())),
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
            failure: it.9.map(|(kind, message, detail)| Failure {
                detail,
                ..Failure::new(kind, message)
            }),
            log: it.10.map(ByteBuf::into_vec).unwrap_or_default(),
        }
    }
}
