//! What the cases do to a Redis server behind the broker's back.

use lovage_queue::job::Partition;
use lovage_queue::registry::Digest;

pub(crate) use crate::support::redis::Server;
use crate::support::redis::key;

impl Server {
    /// Overwrites the first chunk of a module's bytes.
    pub(crate) fn corrupt_module(&self, partition: Partition, tenant: &str, digest: Digest) {
        self.corrupt_chunk(&key(partition, tenant, "b", &digest.0));
    }

    /// Overwrites the first chunk of a blob's bytes.
    pub(crate) fn corrupt_blob(&self, partition: Partition, tenant: &str, digest: Digest) {
        self.corrupt_chunk(&key(partition, tenant, "x", &digest.0));
    }

    fn corrupt_chunk(&self, key: &[u8]) {
        self.meddle(&[b"LSET", key, b"0", b"\0"]);
    }
}
