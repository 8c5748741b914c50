//! What the cases do to a Redis server behind the broker's back.

use lovage_queue::job::Partition;
use lovage_queue::registry::Digest;

pub(crate) use crate::support::redis::Server;
use crate::support::redis::{ask, key};

impl Server {
    /// Overwrites the first chunk of a module's bytes.
    pub(crate) fn corrupt_module(&self, partition: Partition, tenant: &str, digest: Digest) {
        self.corrupt_chunk(&key(partition, tenant, "b", &digest.0));
    }

    /// Overwrites the first chunk of a blob's bytes.
    pub(crate) fn corrupt_blob(&self, partition: Partition, tenant: &str, digest: Digest) {
        self.corrupt_chunk(&key(partition, tenant, "x", &digest.0));
    }

    /// The keys whose names or values hold a word.
    pub(crate) fn mentions(&self, word: &str) -> Vec<String> {
        // Its values are looked at as they would be written, and not packed.
        self.meddle(&[b"CONFIG", b"SET", b"rdbcompression", b"no"]);
        const LOOK: &[u8] = b"local found = {}
            for _, key in ipairs(redis.call('KEYS', '*')) do
              local whole = key .. (redis.call('DUMP', key) or '')
              if string.find(whole, ARGV[1], 1, true) then found[#found + 1] = key end
            end
            return table.concat(found, ' ', 1, math.min(20, #found))";
        let said = ask(self.port(), &[b"EVAL", LOOK, b"0", word.as_bytes()]);
        let (_, found) = said
            .split_once("\r\n")
            .expect("a length, and what was found");
        found.split_whitespace().map(str::to_owned).collect()
    }

    fn corrupt_chunk(&self, key: &[u8]) {
        self.meddle(&[b"LSET", key, b"0", b"\0"]);
    }
}
