//! The registry: modules by digest, and the releases of their names.
//!
//! # Layout
//! - this file: the contract, and the words of it
//! - [`blob`]: how a module's bytes are compressed and cut up, and verified
//!
//! A store implements [`Registry`] beside [`Broker`](crate::broker::Broker):
//! names, releases and the map of active digests lie in the tenant's partition,
//! because the script that claims a job reads them in the same step.

pub mod blob;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::broker::BrokerError;
use crate::clock::Millis;
use crate::grant::Grants;
use crate::task::TaskInfo;

/// How many releases of a name are kept.
pub const RELEASES_KEPT: usize = 10;

/// A module's identity: the blake3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// Reads its 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Digest)
    }

    /// The first 12 hexadecimal digits: enough for a person.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        blake3::Hash::from_bytes(self.0).to_hex().fmt(f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no digest: it has 64 hexadecimal digits")]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| DigestError(text.into()))?;
        Ok(Digest(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What is known of a module's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The component's size in bytes.
    pub size: u64,
    /// What its `describe` said when it was pushed.
    pub tasks: Vec<TaskInfo>,
    /// What it wants to reach beside the queue.
    #[serde(default, skip_serializing_if = "Grants::is_empty")]
    pub wants: Grants,
}

impl Manifest {
    /// The task of this name.
    pub fn task(&self, name: &str) -> Option<&TaskInfo> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// One entry of a module name's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Counts up from 1 within the name.
    pub number: u32,
    /// What it runs.
    pub digest: Digest,
    /// When it was staged, by the broker's clock.
    pub at: Millis,
    /// Who pushed it.
    pub by: String,
    /// Whether it is the one that jobs get.
    pub active: bool,
}

/// What the live workers say of a digest that is being pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Workers whose lease is valid.
    pub live: u32,
    /// Those of them that have compiled it.
    pub ready: u32,
    /// What those that could not compile it said.
    pub refused: Vec<String>,
}

/// Stores modules and releases. Every call is of one tenant.
///
/// The order of a push is [`put`](Registry::put), [`stage`](Registry::stage),
/// some looks at [`readiness`](Registry::readiness), then
/// [`activate`](Registry::activate). Each is idempotent and leaves nothing that
/// a later one could trip over; a push that stops halfway has changed nothing
/// that runs.
#[async_trait::async_trait]
pub trait Registry: Send + Sync {
    /// Stores a module's bytes and manifest under their digest. The bytes are
    /// visible only once all of them are there.
    async fn put(
        &self,
        tenant: &str,
        module: &[u8],
        manifest: &Manifest,
    ) -> Result<Digest, BrokerError>;

    /// A module's bytes, verified against the digest; `None` if there are none.
    ///
    /// # Errors
    /// [`BrokerError::Corrupt`] where the stored bytes have another digest.
    async fn module(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>, BrokerError>;

    /// What is known of a module.
    async fn manifest(&self, tenant: &str, digest: Digest)
    -> Result<Option<Manifest>, BrokerError>;

    /// Makes a release that is not active yet, and tells the live workers of
    /// its digest. Staging the digest of the name's newest release again
    /// answers with that release.
    async fn stage(
        &self,
        tenant: &str,
        name: &str,
        digest: Digest,
        by: &str,
    ) -> Result<Release, BrokerError>;

    /// Which live workers have compiled a staged digest.
    async fn readiness(&self, tenant: &str, digest: Digest) -> Result<Readiness, BrokerError>;

    /// Makes a release the active one, from the next claim on, and ends its
    /// staging. Old releases beyond [`RELEASES_KEPT`] leave the history, never
    /// the active one.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] where the name has no such release.
    async fn activate(&self, tenant: &str, name: &str, number: u32) -> Result<(), BrokerError>;

    /// A name's releases, newest first.
    async fn releases(&self, tenant: &str, name: &str) -> Result<Vec<Release>, BrokerError>;

    /// All names with their active release, sorted by name; names that have
    /// only staged releases are left out.
    async fn active(&self, tenant: &str) -> Result<Vec<(String, Release)>, BrokerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let digest = Digest::of(b"a module");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.short().len(), 12);
        assert!("abc".parse::<Digest>().is_err());
    }
}
