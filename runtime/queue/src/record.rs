//! How a job is kept: one string value, the same bytes on every broker.
//!
//! ```text
//! offset  size
//!      0     1  version of the format: 1 or 2
//!      1     1  priority
//!      2     1  crash limit
//!      3     1  state                      ┐
//!      4     4  delivery                   │ what a claim
//!      8     8  worker, 0 for nobody       │ overwrites
//!     16     6  started                    ┘
//!     22     2  failed attempts
//!     24     2  crashes
//!     26     6  available
//!     32     6  finished
//!     38     8  fuel over all attempts
//!     46     6  enqueued
//!     52     1  flags
//!     53     3  length of the call in bytes
//!     56        the call: route, then body
//!               the tail: attempts, appended by settlements
//! ```
//!
//! Numbers are little-endian, times milliseconds since the Unix epoch. The
//! **route** is what scripts read: module, queue, lane and pin, each a length
//! byte and that many bytes; a pin is empty, a release's 4 bytes or a digest's
//! 32. Version 2 has a fifth field, the terms (`job/terms.rs`): what only some
//! jobs have, and what an older Lovage would not know to keep. So jobs without
//! are written as version 1, and both versions lie side by side. The **body** is
//! MessagePack: `[task, options or nil, input]`; scripts read the task alone. An
//! input is bytes, or `[digest, size]` of a blob. Each entry of the **tail** is a
//! MessagePack array `[result or nil, attempt]`, a result being as an input.
//!
//! A record of a newer version than one knows is left alone: whoever knows it
//! takes it.
//!
//! `broker/redis/scripts/prelude.lua` is this file's twin.

mod tail;

use serde_bytes::{ByteBuf, Bytes};

use self::tail::decode_tail;
pub use self::tail::encode_attempt;

use crate::clock::Millis;
use crate::job::{Job, JobId, JobOptions, NewJob, Payload, Pin, State, Terms, When, WorkerId};
use crate::registry::Digest;

/// The newest version of the format that is known.
pub const VERSION: u8 = 2;
/// The version without terms.
const PLAIN: u8 = 1;
/// No version will be as high: what has none at all is not taken for a newer one.
const HIGHEST: u8 = 32;
/// The length of the fixed header.
pub const HEADER: usize = 56;
/// The largest call a record can hold: its length has 3 bytes.
pub const MAX_CALL: usize = (1 << 24) - 1;
/// Flag: a waiter wants to hear of the end.
pub const WAITED: u8 = 1;
/// Flag: the job has a note (progress, checkpoint or log) beside its record.
pub const NOTED: u8 = 2;
/// Flags: the running job is counted for the concurrency of its tenant, queue,
/// lane, task.
pub const COUNTED: [u8; 4] = [4, 8, 16, 32];
/// Flag: the running job was asked to stop; of a cancelled one: it was cancelled with
/// its flow, and comes back with it.
pub const CANCELLING: u8 = 64;
/// Flag: the job refers to blobs.
pub const BLOBS: u8 = 128;

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer Lovage, or not a record at all.
    #[error("its format version is {0}; this lovage reads 1 to {VERSION}")]
    Version(u8),
    /// Cut off.
    #[error("it ends after {0} bytes, inside its {1}")]
    Short(usize, &'static str),
    /// A value that the format has not.
    #[error("its {0} cannot be read: {1}")]
    Field(&'static str, String),
}

/// Whether a later Lovage wrote this record, and will read it. What begins with
/// no version at all is corrupt.
pub fn is_newer(record: &[u8]) -> bool {
    record.len() >= HEADER && (VERSION + 1..HIGHEST).contains(&record[0])
}

/// The fixed part of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1, or 2 where the job has terms.
    pub version: u8,
    /// 0 to 9.
    pub priority: u8,
    /// Crashes that discard the job.
    pub crash_limit: u8,
    /// Where the job stands.
    pub state: State,
    /// Claims so far.
    pub delivery: u32,
    /// Who has it; zero for nobody.
    pub worker: u64,
    /// When its last run began.
    pub started: Millis,
    /// Failed runs so far.
    pub attempt: u16,
    /// Dead workers so far.
    pub crash: u16,
    /// When it became or becomes available.
    pub available: Millis,
    /// When it ended.
    pub finished: Millis,
    /// Fuel over all attempts.
    pub fuel: u64,
    /// When it was enqueued.
    pub enqueued: Millis,
    /// [`WAITED`], [`NOTED`], [`COUNTED`], [`CANCELLING`], [`BLOBS`].
    pub flags: u8,
    /// Length of the call.
    pub call: u32,
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&[
            self.version,
            self.priority,
            self.crash_limit,
            self.state as u8,
        ]);
        put(&self.delivery.to_le_bytes());
        put(&self.worker.to_le_bytes());
        put(&self.started.0.to_le_bytes()[..6]);
        put(&self.attempt.to_le_bytes());
        put(&self.crash.to_le_bytes());
        put(&self.available.0.to_le_bytes()[..6]);
        put(&self.finished.0.to_le_bytes()[..6]);
        put(&self.fuel.to_le_bytes());
        put(&self.enqueued.0.to_le_bytes()[..6]);
        put(&[self.flags]);
        put(&self.call.to_le_bytes()[..3]);
        bytes
    }

    /// Reads the header of a record.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        match record.first() {
            Some(&(PLAIN..=VERSION)) => {}
            Some(&other) => return Err(RecordError::Version(other)),
            None => return Err(RecordError::Short(0, "header")),
        }
        let bytes: &[u8; HEADER] = record
            .first_chunk()
            .ok_or(RecordError::Short(record.len(), "header"))?;
        let number = |at: usize, size: usize| {
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(&bytes[at..at + size]);
            u64::from_le_bytes(wide)
        };
        let state = State::from_code(bytes[3])
            .ok_or_else(|| RecordError::Field("state", format!("code {}", bytes[3])))?;
        Ok(Header {
            version: bytes[0],
            priority: bytes[1],
            crash_limit: bytes[2],
            state,
            delivery: number(4, 4) as u32,
            worker: number(8, 8),
            started: Millis(number(16, 6)),
            attempt: number(22, 2) as u16,
            crash: number(24, 2) as u16,
            available: Millis(number(26, 6)),
            finished: Millis(number(32, 6)),
            fuel: number(38, 8),
            enqueued: Millis(number(46, 6)),
            flags: bytes[52],
            call: number(53, 3) as u32,
        })
    }
}

/// What scripts read of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The module's name.
    pub module: &'a str,
    /// The queue.
    pub queue: &'a str,
    /// The lane, empty for the tenant's own.
    pub lane: &'a str,
    /// The pin's bytes.
    pub pin: &'a [u8],
    /// The terms' bytes; empty in version 1.
    pub terms: &'a [u8],
}

impl<'a> Route<'a> {
    /// The route of a whole record, and where the body begins.
    pub fn decode(record: &'a [u8]) -> Result<(Self, usize), RecordError> {
        let mut at = HEADER;
        let mut field = |name: &'static str| {
            let short = || RecordError::Short(record.len(), name);
            let length = usize::from(*record.get(at).ok_or_else(short)?);
            let bytes = record.get(at + 1..at + 1 + length).ok_or_else(short)?;
            at += 1 + length;
            Ok(bytes)
        };
        let (module, queue, lane, pin) = (
            field("module")?,
            field("queue")?,
            field("lane")?,
            field("pin")?,
        );
        let terms = match record[0] {
            PLAIN => &[][..],
            _ => field("terms")?,
        };
        Ok((
            Route {
                module: text("module", module)?,
                queue: text("queue", queue)?,
                lane: text("lane", lane)?,
                pin,
                terms,
            },
            at,
        ))
    }

    /// The terms; those of version 1 are empty.
    pub(crate) fn terms(&self) -> Result<Terms, RecordError> {
        match self.terms {
            [] => Ok(Terms::default()),
            bytes => {
                rmp_serde::from_slice(bytes).map_err(|e| RecordError::Field("terms", e.to_string()))
            }
        }
    }

    /// What the pin's bytes say.
    pub(crate) fn pin(&self) -> Result<Pin, RecordError> {
        match self.pin.len() {
            0 => Ok(Pin::Active),
            4 => Ok(Pin::Release(u32::from_le_bytes(
                self.pin.try_into().expect("4 bytes"),
            ))),
            32 => Ok(Pin::Digest(Digest(self.pin.try_into().expect("32 bytes")))),
            other => Err(RecordError::Field("pin", format!("{other} bytes"))),
        }
    }
}

fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, RecordError> {
    std::str::from_utf8(bytes).map_err(|e| RecordError::Field(field, e.to_string()))
}

/// The call of a new job: its version, and its bytes, which are route and body.
///
/// # Errors
/// A name longer than 255 bytes, or a call of more than [`MAX_CALL`] bytes.
pub fn encode_call(job: &NewJob) -> Result<(u8, Vec<u8>), RecordError> {
    let terms = Terms::of(job)
        .map(|terms| rmp_serde::to_vec_named(&terms).expect("a vector takes all writes"));
    let pin: &[u8] = match &job.pin {
        Pin::Active => &[],
        Pin::Release(number) => &number.to_le_bytes(),
        Pin::Digest(digest) => &digest.0,
    };
    let mut call = Vec::with_capacity(64 + job.input.inline().map_or(0, <[u8]>::len));
    let route = [
        ("module", job.module.as_bytes()),
        ("queue", job.queue.as_bytes()),
        ("lane", job.lane.as_bytes()),
        ("pin", pin),
    ];
    let terms_field = terms.as_deref().map(|terms| ("terms", terms));
    for (name, field) in route.into_iter().chain(terms_field) {
        let length = u8::try_from(field.len())
            .map_err(|_| RecordError::Field(name, format!("{} bytes", field.len())))?;
        call.push(length);
        call.extend_from_slice(field);
    }
    let options = (job.options != JobOptions::default()).then_some(Named(&job.options));
    let body = (&job.task, options, &job.input);
    rmp_serde::encode::write(&mut call, &body).expect("a vector takes all writes");
    if call.len() > MAX_CALL {
        return Err(RecordError::Field("call", format!("{} bytes", call.len())));
    }
    let version = if terms.is_some() { VERSION } else { PLAIN };
    Ok((version, call))
}

/// The record of a new job from its flags on, and its version: all of it that does
/// not depend on the broker's clock.
///
/// # Errors
/// As [`encode_call`].
pub fn encode_new(job: &NewJob) -> Result<(u8, Vec<u8>), RecordError> {
    let (version, call) = encode_call(job)?;
    let length = (call.len() as u32).to_le_bytes();
    Ok((version, [&[first_flags(job)], &length[..3], &call].concat()))
}

fn first_flags(job: &NewJob) -> u8 {
    if job.input.blob().is_some() { BLOBS } else { 0 }
}

/// Options are a map on the wire, so that a later version may add one.
struct Named<'a>(&'a JobOptions);

impl serde::Serialize for Named<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = rmp_serde::to_vec_named(self.0).map_err(serde::ser::Error::custom)?;
        Bytes::new(&named).serialize(serializer)
    }
}

/// The record of a job that is enqueued now.
pub fn encode(job: &NewJob, version: u8, call: &[u8], now: Millis) -> Vec<u8> {
    let available = job.eta.from(now).max(now);
    let header = Header {
        version,
        priority: job.priority,
        crash_limit: job.crash_limit,
        state: if available == now {
            State::Available
        } else {
            State::Scheduled
        },
        delivery: 0,
        worker: 0,
        started: Millis(0),
        attempt: 0,
        crash: 0,
        available,
        finished: Millis(0),
        fuel: 0,
        enqueued: now,
        flags: first_flags(job),
        call: call.len() as u32,
    };
    [&header.encode()[..], call].concat()
}

/// The record of a job without its expiry.
pub(crate) fn without_expiry(record: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut header = Header::decode(record)?;
    let (route, body) = Route::decode(record)?;
    if route.terms.is_empty() {
        return Ok(record.to_vec());
    }
    let terms = route.terms()?.without_expiry();
    let terms = if terms == Terms::default() {
        Vec::new()
    } else {
        rmp_serde::to_vec_named(&terms).expect("a vector takes all writes")
    };
    // The field is its length byte and the bytes.
    let field = body - route.terms.len() - 1;
    header.call = header.call - route.terms.len() as u32 + terms.len() as u32;
    let (head, length) = (header.encode(), [terms.len() as u8]);
    let parts = [
        &head[..],
        &record[HEADER..field],
        &length,
        &terms,
        &record[body..],
    ];
    Ok(parts.concat())
}

/// Reads a whole record.
pub fn decode(tenant: &str, id: JobId, record: &[u8]) -> Result<Job, RecordError> {
    let header = Header::decode(record)?;
    let call_end = HEADER + header.call as usize;
    if record.len() < call_end {
        return Err(RecordError::Short(record.len(), "call"));
    }
    let (route, body_at) = Route::decode(&record[..call_end])?;
    type Body = (String, Option<ByteBuf>, Payload);
    let (task, options, input): Body = rmp_serde::from_slice(&record[body_at..call_end])
        .map_err(|e| RecordError::Field("body", e.to_string()))?;
    let options = match options {
        Some(named) => rmp_serde::from_slice(&named)
            .map_err(|e| RecordError::Field("options", e.to_string()))?,
        None => JobOptions::default(),
    };
    let terms = route.terms()?;
    let (attempts, result) = decode_tail(&record[call_end..])?;
    Ok(Job {
        tenant: tenant.into(),
        state: header.state,
        delivery: header.delivery,
        attempt: header.attempt.into(),
        crash: header.crash.into(),
        worker: (header.worker != 0).then_some(WorkerId(header.worker)),
        enqueued: header.enqueued,
        available: header.available,
        started: header.started,
        finished: header.finished,
        fuel: header.fuel,
        attempts,
        result: result.filter(|_| header.state == State::Completed),
        cancelling: header.state == State::Running && header.flags & CANCELLING != 0,
        with_flow: header.state == State::Cancelled && header.flags & CANCELLING != 0,
        progress: None,
        log: None,
        upstream: Vec::new(),
        call: NewJob {
            id,
            pin: route.pin()?,
            module: route.module.into(),
            task,
            input,
            queue: route.queue.into(),
            lane: route.lane.into(),
            priority: header.priority,
            crash_limit: header.crash_limit,
            eta: When::At(header.available),
            expiry: terms.expiry(header.enqueued).map(When::At),
            key: terms.key(),
            unique: terms.unique(),
            result_ttl: terms.result_ttl(),
            seat: terms.seat(),
            counted: terms.source().is_some(),
            options,
        },
    })
}

#[cfg(test)]
mod tests;
