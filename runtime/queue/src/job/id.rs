//! Identities: of partitions, jobs and workers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part of the broker that one script may touch: all of a tenant lives in
/// one. A number below [`Partition::LIMIT`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Partition(pub u16);

impl Partition {
    /// There are fewer partitions than this: the number has 12 bits of an id.
    pub const LIMIT: u16 = 1 << 12;

    /// The partition of a tenant where there are `count` of them.
    pub fn of(tenant: &str, count: u16) -> Self {
        let hash = blake3::hash(tenant.as_bytes());
        let number = u32::from_le_bytes(
            *hash
                .as_bytes()
                .first_chunk()
                .expect("a digest has 32 bytes"),
        );
        Partition((number % u32::from(count.clamp(1, Self::LIMIT))) as u16)
    }
}

/// A job's identity: a UUIDv7 (RFC 9562) whose 12 bits `rand_a` hold the
/// number of its partition, so that whoever has an id knows where it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub [u8; 16]);

impl JobId {
    /// A new id in a partition.
    pub fn new(partition: Partition) -> Self {
        JobId(*uuid::Uuid::now_v7().as_bytes()).within(partition)
    }

    /// The id of a job that another one enqueued: it derives from the parent
    /// and the child's key or ordinal, so a retried parent makes no second one.
    pub fn child(parent: JobId, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("lovage 2026-11 child job id");
        hasher.update(&parent.0).update(key.as_bytes());
        let mut bytes = parent.0;
        // The time stays the parent's, so the family sorts together.
        bytes[8..].copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        bytes[8] = bytes[8] & 0x3f | 0x80;
        JobId(bytes)
    }

    /// The id of a flow with an idempotency key: it derives from its tenant and that, so
    /// what is sent again is there already. It says nothing of a time.
    pub fn keyed(partition: Partition, tenant: &str, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("lovage 2026-11 flow id of a key");
        // No tenant's name has a zero.
        hasher.update(tenant.as_bytes()).update(b"\0");
        hasher.update(key.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        bytes[8] = bytes[8] & 0x3f | 0x80;
        JobId(bytes).within(partition)
    }

    /// Where the job lives.
    pub fn partition(self) -> Partition {
        Partition(u16::from_be_bytes([self.0[6] & 0x0f, self.0[7]]))
    }

    fn within(mut self, partition: Partition) -> Self {
        let [high, low] = (partition.0 % Partition::LIMIT).to_be_bytes();
        self.0[6] = 0x70 | high;
        self.0[7] = low;
        self
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no job's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no job id: it is a UUID of version 7")]
pub struct IdError(String);

impl FromStr for JobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match uuid::Uuid::parse_str(text) {
            Ok(id) if id.get_version_num() == 7 => Ok(JobId(*id.as_bytes())),
            _ => Err(IdError(text.into())),
        }
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// One worker process' identity in a broker. A worker that was declared dead
/// takes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String")]
#[serde(try_from = "String")]
pub struct WorkerId(pub u64);

impl WorkerId {
    /// A new one; never zero, which stands for "nobody" in records.
    pub fn random() -> Self {
        WorkerId(rand::random_range(1..=u64::MAX))
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<WorkerId> for String {
    fn from(worker: WorkerId) -> String {
        worker.to_string()
    }
}

impl TryFrom<String> for WorkerId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(WorkerId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_7_that_carries_its_partition() {
        let id = JobId::new(Partition(0xabc));
        assert_eq!(id.partition(), Partition(0xabc));
        assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
        assert!(
            "c56a4180-65aa-42ec-a945-5fd21dec0538"
                .parse::<JobId>()
                .is_err(),
            "a version 4"
        );
        assert!("17".parse::<JobId>().is_err());
    }

    #[test]
    fn a_childs_id_depends_on_its_parent_and_key_alone() {
        let parent = JobId::new(Partition(7));
        let child = JobId::child(parent, "a");
        assert_eq!(child, JobId::child(parent, "a"));
        assert_ne!(child, JobId::child(parent, "b"));
        assert_eq!(child.partition(), parent.partition());
        assert_eq!(
            child.to_string().parse::<JobId>(),
            Ok(child),
            "still a UUIDv7"
        );
    }

    #[test]
    fn a_keyed_flows_id_depends_on_tenant_and_key_alone() {
        let of = |tenant, key| JobId::keyed(Partition(7), tenant, key);
        let id = of("acme", "nightly");
        assert_eq!(id, of("acme", "nightly"));
        assert_ne!(id, of("acme", "weekly"));
        assert_ne!(id, of("other", "nightly"));
        assert_eq!(id.partition(), Partition(7));
        assert_eq!(id.to_string().parse::<JobId>(), Ok(id), "a UUIDv7 as any");
    }

    #[test]
    fn tenants_spread_over_partitions() {
        let used: std::collections::BTreeSet<_> = (0..200)
            .map(|n| Partition::of(&format!("tenant-{n}"), 8))
            .collect();
        assert_eq!(used.len(), 8);
        assert_eq!(Partition::of("anyone", 1), Partition(0));
    }
}
