//! What travels: MessagePack with names, so that fields may be added.
//!
//! An answer is what the operation answers; an error is a [`BrokerError`] as it is, so
//! that both sides say the same of it.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::broker::{BrokerError, Declared, Fire, FlowNode, Result, Shelf};
use crate::clock::Millis;
use crate::job::{Job, JobId, NewJob};
use crate::registry::Digest;

/// How bodies and answers are packed.
pub const CONTENT_TYPE: &str = "application/msgpack";
/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 64 * 1024 * 1024;
/// The most jobs that are read in one request, whole as they are.
pub const MAX_READ: usize = 1_000;
/// The longest that one request waits.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// Who a server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// How many partitions its broker has.
    pub partitions: u16,
    /// Whose everything is that the token shows.
    pub tenant: String,
    /// Its Lovage's version.
    pub version: String,
}

/// Packs a request or an answer.
pub(crate) fn pack<T: Serialize + ?Sized>(it: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(it).expect("a vector takes all writes")
}

/// Reads a request.
pub(crate) fn request<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let invalid = |e: rmp_serde::decode::Error| {
        BrokerError::Invalid(format!("the body is no request of this operation: {e}"))
    };
    rmp_serde::from_slice(body).map_err(invalid)
}

/// An error as the body of an answer whose status says that there is one.
pub fn pack_error(e: &BrokerError) -> Vec<u8> {
    pack(e)
}

/// Jobs to be made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Jobs<'a> {
    pub(crate) jobs: Cow<'a, [NewJob]>,
}

/// Jobs by id.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ids<'a> {
    pub(crate) ids: Cow<'a, [JobId]>,
}

/// Jobs whose end is waited for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wait<'a> {
    pub(crate) ids: Cow<'a, [JobId]>,
    pub(crate) at_most: Duration,
}

/// What they are after that.
#[derive(Serialize, Deserialize)]
pub(crate) struct Waited {
    pub(crate) jobs: Vec<Option<Job>>,
    /// Whether there is nothing left to wait for.
    pub(crate) over: bool,
}

/// Bytes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bytes {
    pub(crate) bytes: ByteBuf,
}

/// A blob or a module.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfDigest {
    pub(crate) digest: Digest,
}

/// A scope and what it allows.
#[derive(Serialize, Deserialize)]
pub(crate) struct Limit<'a> {
    pub(crate) scope: Cow<'a, crate::limits::Scope>,
    pub(crate) limit: crate::limits::Limit,
}

/// A scope, and whether it is paused.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pause<'a> {
    pub(crate) scope: Cow<'a, crate::limits::Scope>,
    pub(crate) paused: bool,
}

/// Nodes of a flow.
#[derive(Serialize, Deserialize)]
pub(crate) struct Nodes<'a> {
    pub(crate) flow: JobId,
    pub(crate) first: u32,
    pub(crate) nodes: Cow<'a, [FlowNode]>,
}

/// A flow.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfFlow {
    pub(crate) flow: JobId,
}

/// Some nodes of a flow.
#[derive(Serialize, Deserialize)]
pub(crate) struct Places {
    pub(crate) flow: JobId,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// Some flows.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub(crate) offset: u64,
    pub(crate) limit: u32,
}

/// Some of what lies in an order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Behind<'a> {
    pub(crate) after: Option<Cow<'a, str>>,
    pub(crate) limit: u32,
}

/// A schedule or a module by name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Named<'a> {
    pub(crate) name: Cow<'a, str>,
}

/// A schedule, and whether it is paused.
#[derive(Serialize, Deserialize)]
pub(crate) struct PauseSchedule<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) paused: bool,
    pub(crate) due: Option<Millis>,
}

/// Schedules to be kept in the name of a person.
#[derive(Serialize, Deserialize)]
pub(crate) struct Declare<'a> {
    pub(crate) schedules: Cow<'a, [Declared]>,
}

/// A fire by hand.
#[derive(Serialize, Deserialize)]
pub(crate) struct FireNow<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) fires: Cow<'a, [Fire]>,
}

/// A release.
#[derive(Serialize, Deserialize)]
pub(crate) struct Activate<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) number: u32,
}

/// Minutes of history.
#[derive(Serialize, Deserialize)]
pub(crate) struct Minutes {
    pub(crate) from: Millis,
    pub(crate) minutes: u32,
}

/// Acts of the audit log.
#[derive(Serialize, Deserialize)]
pub(crate) struct Acts<'a> {
    pub(crate) before: Option<Cow<'a, str>>,
    pub(crate) limit: u32,
}

/// Days of usage.
#[derive(Serialize, Deserialize)]
pub(crate) struct Days {
    pub(crate) from: Millis,
    pub(crate) days: u32,
}

/// Events.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) events: Vec<(String, ByteBuf)>,
    pub(crate) cursor: String,
    pub(crate) missed: bool,
}

/// An entry to be kept.
#[derive(Serialize, Deserialize)]
pub(crate) struct PutEntry<'a> {
    pub(crate) shelf: Shelf,
    pub(crate) name: Cow<'a, str>,
    pub(crate) bytes: ByteBuf,
}

/// An entry of a shelf.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfShelf<'a> {
    pub(crate) shelf: Shelf,
    pub(crate) name: Cow<'a, str>,
}

/// Lanes of a queue.
#[derive(Serialize, Deserialize)]
pub(crate) struct Lanes<'a> {
    pub(crate) queue: Cow<'a, str>,
    pub(crate) limit: u32,
}

/// A bucket.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfBucket<'a> {
    pub(crate) bucket: Cow<'a, str>,
}

/// Keys of a bucket.
#[derive(Serialize, Deserialize)]
pub(crate) struct OfKeys<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) keys: Cow<'a, [String]>,
}

/// Keys of a bucket and what they shall be.
#[derive(Serialize, Deserialize)]
pub(crate) struct SetKeys<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) pairs: Vec<(String, ByteBuf)>,
}

/// Keys behind one.
#[derive(Serialize, Deserialize)]
pub(crate) struct PageOfKeys<'a> {
    pub(crate) bucket: Cow<'a, str>,
    pub(crate) after: Cow<'a, str>,
    pub(crate) limit: u32,
}

#[cfg(test)]
mod tests;
