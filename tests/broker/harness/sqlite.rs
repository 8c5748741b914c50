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

    /// The columns that hold a word in any of their rows.
    pub(crate) fn mentions(&self, word: &str) -> Vec<String> {
        let conn = Connection::open(self.path()).unwrap();
        let columns = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table'";
        let mut columns = conn.prepare(columns).unwrap();
        let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let columns: Vec<(String, String)> = columns.unwrap().map(Result::unwrap).collect();
        assert!(columns.len() > 100, "{columns:?}");
        let holds = |it: &&(String, String)| -> bool {
            let (table, column) = it;
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM \"{table}\" WHERE instr(CAST(\"{column}\" AS BLOB), ?1))"
            );
            conn.query_row(&sql, [word.as_bytes()], |row| row.get(0))
                .unwrap()
        };
        let found = columns.iter().filter(holds);
        found
            .map(|(table, column)| format!("{table}.{column}"))
            .collect()
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
