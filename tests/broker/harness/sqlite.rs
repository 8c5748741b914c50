//! A file of a test's own.

use std::path::PathBuf;

use lovage_queue::job::JobId;
use lovage_queue::registry::Digest;
use rusqlite::{Connection, params};
use tempfile::TempDir;

/// A directory that goes with the test, and a file in it.
pub(crate) struct File(TempDir);

impl File {
    pub(crate) fn new() -> Self {
        File(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("lovage.db")
    }

    fn change(&self, sql: &str, params: impl rusqlite::Params) {
        let changed = Connection::open(self.path())
            .unwrap()
            .execute(sql, params)
            .unwrap();
        assert!(changed > 0, "nothing to corrupt");
    }

    pub(crate) fn corrupt(&self, tenant: &str, id: JobId, record: &[u8]) {
        self.change(
            "UPDATE job SET record = ?3 WHERE tenant = ?1 AND id = ?2",
            params![tenant, id.0, record],
        );
    }

    pub(crate) fn corrupt_blob(&self, tenant: &str, digest: Digest) {
        self.change(
            "UPDATE chunk SET bytes = x'00' WHERE no = 0 AND upload = \
             (SELECT upload FROM blob WHERE tenant = ?1 AND digest = ?2)",
            params![tenant, digest.0],
        );
    }

    pub(crate) fn corrupt_module(&self, tenant: &str, digest: Digest) {
        self.change(
            "UPDATE chunk SET bytes = x'00' WHERE no = 0 AND upload = \
             (SELECT upload FROM module WHERE tenant = ?1 AND digest = ?2)",
            params![tenant, digest.0],
        );
    }
}
