//! When a job may begin, and beside which others it may not be.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{JobId, Payload, Seat, WithoutNode};
use crate::clock::{Millis, millis};

/// A moment by the broker's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// So long after the broker takes the job.
    In(Duration),
    /// Then, whatever the caller's own clock says.
    At(Millis),
}

impl When {
    /// The moment, where it is `now` by the broker's clock.
    pub fn from(self, now: Millis) -> Millis {
        match self {
            When::Now => now,
            When::In(span) => now.after(span),
            When::At(at) => at,
        }
    }
}

/// A name for a call, as stores keep it: 16 bytes of a blake3 hash, so that what
/// callers use as a key has no limit and is shown to nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// An idempotency key.
    pub fn idempotency(text: &str) -> Self {
        Key::derived("lovage 2026-11 idempotency key", &[text.as_bytes()])
    }

    /// What a caller says that a job is unique by.
    pub fn unique(text: &str) -> Self {
        Key::derived("lovage 2026-11 unique key", &[text.as_bytes()])
    }

    /// What makes a job unique where nobody says by what: task and arguments.
    pub fn of_call(module: &str, task: &str, input: &[u8]) -> Self {
        let parts = [module.as_bytes(), b".", task.as_bytes(), b"\0", input];
        Key::derived("lovage 2026-11 unique call", &parts)
    }

    fn derived(purpose: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        for part in parts {
            hasher.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Key(key)
    }

    /// 32 hexadecimal digits: how stores spell it.
    pub(crate) fn hex(&self) -> String {
        self.to_string()
    }

    fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (i, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Key(key))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let no_key = || serde::de::Error::custom("a key has 32 hexadecimal digits");
        Key::from_hex(&text).ok_or_else(no_key)
    }
}

/// For how long a job holds its unique key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Until a worker begins with it.
    Start,
    /// Until it has ended, however.
    Done,
    /// For so long after it was enqueued.
    For(Duration),
}

/// What becomes of a job whose unique key another one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// Nothing new is made; the caller gets the other's id.
    #[default]
    Existing,
    /// It is refused, and all of its batch.
    Reject,
    /// It takes the other's place, which is cancelled.
    Replace,
}

/// That there shall be no two of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// Of which kind.
    pub key: Key,
    /// For how long.
    pub until: Until,
    /// What becomes of a second one.
    pub conflict: Conflict,
}

/// What brokers must know of a job beside its route: the last field of a record
/// of version 2, in MessagePack with these short names, because scripts read it
/// too. Spans count from the header's `enqueued`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Terms {
    /// Must have begun by then.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// Must have begun within so many milliseconds.
    #[serde(rename = "x", skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    /// The idempotency key.
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The unique key.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    unique: Option<String>,
    /// `s` until start, `d` until done, `t` for the span `f`.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    until: Option<char>,
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    unique_for: Option<u64>,
    /// `e` existing, `r` reject, `p` replace.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    conflict: Option<char>,
    /// How long the record of the completed job is kept.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    result_ttl: Option<u64>,
    /// The digest of an input that lies in a blob, in hexadecimal.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    /// The flow that it is a node of, as people write it: scripts read no bytes here.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    flow: Option<String>,
    /// The joint that it is of.
    #[serde(rename = "j", skip_serializing_if = "Option::is_none")]
    joins: Option<u32>,
    /// The joint that its failure frees.
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    alarms: Option<u32>,
    /// What becomes of the flow without it: [`WithoutNode::letter`].
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    without: Option<char>,
    /// The nodes whose results it takes, where these are few: a claim brings them along.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    takes: Option<Vec<u32>>,
    /// How long it waits from when it is free.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
    /// The source that counts it, as people write it.
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl Terms {
    /// The terms of a job; `None` where it has none.
    pub(crate) fn of(job: &super::NewJob) -> Option<Self> {
        let mut terms = Terms {
            key: job.key.map(|key| key.hex()),
            result_ttl: job.result_ttl.map(millis),
            input: job.input.blob().map(|digest| digest.to_string()),
            ..Terms::default()
        };
        if let Some(parent) = job.options.parent.filter(|_| job.counted) {
            terms.source = Some(parent.to_string());
        }
        if let Some(seat) = job.seat {
            terms.flow = Some(seat.flow.to_string());
            (terms.joins, terms.alarms) = (seat.joins, seat.alarms);
            terms.without = Some(seat.without.letter());
            terms.takes = super::few_nodes(&job.options.binds);
            if let When::In(span) = job.eta {
                terms.delay = Some(millis(span));
            }
        }
        match job.expiry {
            None => {}
            Some(When::Now) => terms.expires_in = Some(0),
            Some(When::In(span)) => terms.expires_in = Some(millis(span)),
            Some(When::At(at)) => terms.expires_at = Some(at.0),
        }
        if let Some(unique) = job.unique {
            terms.unique = Some(unique.key.hex());
            (terms.until, terms.unique_for) = match unique.until {
                Until::Start => (Some('s'), None),
                Until::Done => (Some('d'), None),
                Until::For(span) => (Some('t'), Some(millis(span))),
            };
            terms.conflict = Some(match unique.conflict {
                Conflict::Existing => 'e',
                Conflict::Reject => 'r',
                Conflict::Replace => 'p',
            });
        }
        (terms != Terms::default()).then_some(terms)
    }

    /// Until when a job that was enqueued then must have begun.
    pub(crate) fn expiry(&self, enqueued: Millis) -> Option<Millis> {
        let relative = self
            .expires_in
            .map(|span| enqueued.after(Duration::from_millis(span)));
        self.expires_at.map(Millis).or(relative)
    }

    /// The same for a job that has all the time.
    pub(crate) fn without_expiry(self) -> Self {
        Terms {
            expires_at: None,
            expires_in: None,
            ..self
        }
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.key.as_deref().and_then(Key::from_hex)
    }

    pub(crate) fn unique(&self) -> Option<Unique> {
        Some(Unique {
            key: Key::from_hex(self.unique.as_deref()?)?,
            until: match self.until? {
                's' => Until::Start,
                'd' => Until::Done,
                _ => Until::For(Duration::from_millis(self.unique_for.unwrap_or(0))),
            },
            conflict: match self.conflict {
                Some('r') => Conflict::Reject,
                Some('p') => Conflict::Replace,
                _ => Conflict::Existing,
            },
        })
    }

    pub(crate) fn seat(&self) -> Option<Seat> {
        Some(Seat {
            flow: self.flow.as_ref()?.parse().ok()?,
            joins: self.joins,
            alarms: self.alarms,
            without: WithoutNode::from_letter(self.without.unwrap_or_default()),
        })
    }

    /// The source that counts the job until it has ended.
    pub(crate) fn source(&self) -> Option<JobId> {
        self.source.as_ref()?.parse().ok()
    }

    /// Whose results a node takes, where these are few.
    pub(crate) fn takes(&self) -> &[u32] {
        self.takes.as_deref().unwrap_or_default()
    }

    /// How long a node waits from when it is free.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.unwrap_or(0))
    }

    pub(crate) fn result_ttl(&self) -> Option<Duration> {
        self.result_ttl.map(Duration::from_millis)
    }
}

impl Payload {
    /// A claim check where there are more bytes than a record should hold.
    pub fn is_large(&self) -> bool {
        self.inline()
            .is_some_and(|bytes| bytes.len() > super::CLAIM_CHECK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, NewJob, Partition};

    #[test]
    fn terms_read_back_and_none_take_no_room() {
        let mut job = NewJob::new(JobId::new(Partition(0)), "m", "t", vec![]);
        assert_eq!(Terms::of(&job), None);
        job.expiry = Some(When::In(Duration::from_secs(5)));
        job.key = Some(Key::idempotency("order 17"));
        job.unique = Some(Unique {
            key: Key::of_call("m", "t", b"x"),
            until: Until::For(Duration::from_secs(60)),
            conflict: Conflict::Replace,
        });
        job.result_ttl = Some(Duration::from_secs(1));
        job.input = Payload::Blob {
            digest: crate::registry::Digest::of(b"large"),
            size: 70_000,
        };
        job.seat = Some(Seat {
            flow: JobId::new(Partition(3)),
            joins: Some(u32::MAX),
            alarms: Some(1),
            without: WithoutNode::Waits,
        });
        let bytes = rmp_serde::to_vec_named(&Terms::of(&job).unwrap()).unwrap();
        assert!(
            bytes.len() <= 255,
            "{}: its length has one byte",
            bytes.len()
        );
        let terms: Terms = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(terms.expiry(Millis(1_000)), Some(Millis(6_000)));
        assert_eq!((terms.key(), terms.unique()), (job.key, job.unique));
        assert_eq!(terms.result_ttl(), job.result_ttl);
        assert_eq!(terms.seat(), job.seat);
        assert_eq!(terms.input, job.input.blob().map(|it| it.to_string()));
    }

    #[test]
    fn keys_of_different_kinds_never_meet() {
        assert_ne!(Key::idempotency("a"), Key::unique("a"));
        assert_eq!(Key::unique("a"), Key::unique("a"));
        assert_eq!(
            Key::from_hex(&Key::unique("a").hex()),
            Some(Key::unique("a"))
        );
        assert_eq!(Key::from_hex("zz"), None);
    }
}
