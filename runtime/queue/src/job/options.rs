//! What a call says of how its job is run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Bind, JobId};
use crate::retry::Backoff;

/// What a call sets beside its arguments; what it leaves out is the task's
/// default at the time of the claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobOptions {
    /// Runs in all, the first included.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The wait between them.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How long after it was enqueued a job may still be tried again.
    #[serde(rename = "g", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Whether an attempt that ran out of fuel or memory, or whose result was
    /// too large, is tried again like any other.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub retry_exhausted: Option<bool>,
    /// Wall-clock time of an attempt.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Wall-clock time after which the task hears that it should stop.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub soft_timeout: Option<Duration>,
    /// Units of fuel an attempt may burn.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Bytes of linear memory an attempt may hold.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// What the task sees beside its arguments.
    #[serde(rename = "h", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The job that enqueued this one.
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    pub parent: Option<JobId>,
    /// The first job of its line, which nobody enqueued.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub root: Option<JobId>,
    /// How many jobs there are between it and nobody: 0 for a root.
    #[serde(rename = "d", skip_serializing_if = "is_zero")]
    pub depth: u32,
    /// Arguments that are results of other nodes of its flow: whoever runs it puts
    /// them together.
    #[serde(rename = "i", skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
    /// What counts as its result where it does not complete, in MessagePack.
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    pub default: Option<ByteBuf>,
}

impl JobOptions {
    /// The option that is zero, so that no attempt could run.
    pub fn zero(&self) -> Option<&'static str> {
        let zeros = [
            ("max_attempts", self.max_attempts == Some(0)),
            ("timeout", self.timeout == Some(Duration::ZERO)),
            ("fuel", self.fuel == Some(0)),
            ("memory", self.memory == Some(0)),
        ];
        let zero = zeros.iter().find(|(_, is_zero)| *is_zero);
        zero.map(|(name, _)| *name)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.zero().map_or(Ok(()), |name| {
            Err(format!("its `{name}` is 0, so that it could never run"))
        })
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
