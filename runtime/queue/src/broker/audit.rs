//! The contract of the audit log: what people did to what is a tenant's. There is no
//! operation that changes or takes back what it says; the oldest leave when there are too
//! many.

use serde::{Deserialize, Serialize};

use super::{BrokerError, Result};
use crate::audit::Act;
use crate::clock::Millis;
use crate::task::check_name;

/// How many acts of a tenant are kept, at least; hardly more are.
pub const ACTS_KEPT: usize = 100_000;
/// How many acts are recorded in a step, and how many a look answers with, at most.
pub const MAX_ACTS: usize = 1_000;

/// An act on the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its place: a text of this broker's. A look before it goes on there.
    pub cursor: String,
    /// When, by the broker's clock.
    pub at: Millis,
    /// What.
    pub act: Act,
}

/// The audit log.
#[async_trait::async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends acts in their order, at most [`MAX_ACTS`]. It is not safe to repeat: what
    /// was recorded twice is there twice.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for too many.
    async fn record(&self, tenant: &str, acts: &[Act]) -> Result<()>;

    /// Acts before a cursor, or the last ones: the newest first, at most `limit` and at
    /// most [`MAX_ACTS`]. One that cannot be read is said to be so, in its place.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for what is no cursor.
    async fn acts(&self, tenant: &str, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>>;
}

pub(crate) fn check_acts(tenant: &str, acts: &[Act]) -> Result<()> {
    check_name(tenant, "tenant").map_err(|e| BrokerError::Invalid(e.to_string()))?;
    match acts.len() <= MAX_ACTS {
        true => Ok(()),
        false => Err(BrokerError::Invalid(format!(
            "at most {MAX_ACTS} acts are recorded in a step, and not {}",
            acts.len()
        ))),
    }
}

/// An act as it lies there. A gap would look like a deed that was hidden.
pub(crate) fn read_act(cursor: String, at: Millis, bytes: &[u8]) -> Recorded {
    let unread = || Act::new("unknown", "unreadable", "", "a record that cannot be read");
    Recorded {
        act: Act::decode(bytes).unwrap_or_else(unread),
        cursor,
        at,
    }
}
