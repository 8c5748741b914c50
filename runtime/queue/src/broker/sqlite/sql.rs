//! The statements: a file an operation, cut at its `-- name:` lines while this
//! crate is compiled, so that a name that is not there is a compile error.

/// What a new file is made of.
pub(super) const SCHEMA_TEXT: &str = concat!(
    include_str!("sql/schema.sql"),
    "\n",
    include_str!("sql/schema_beside.sql")
);

/// The statement of this name in `sql/<file>.sql`.
macro_rules! sql {
    ($file:literal, $name:literal) => {{
        const STATEMENT: &str = $crate::broker::sqlite::sql::statement(
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/broker/sqlite/sql/",
                $file,
                ".sql"
            )),
            $name,
        );
        STATEMENT
    }};
}
pub(super) use sql;

const MARK: &str = "-- name: ";

/// What stands behind the line `-- name: <name>`, up to its semicolon: with as
/// much as a comment behind it, SQLite would not know the statement again among
/// those that it has prepared.
pub(super) const fn statement(file: &'static str, name: &str) -> &'static str {
    let bytes = file.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if has(bytes, at, MARK) && has(bytes, at + MARK.len(), name) {
            let start = at + MARK.len() + name.len();
            if start < bytes.len() && bytes[start] == b'\n' {
                let mut end = start;
                while bytes[end] != b';' {
                    end += 1;
                }
                return file.split_at(end + 1).0.split_at(start + 1).1;
            }
        }
        at += 1;
    }
    panic!("the file has no statement of this name")
}

const fn has(bytes: &[u8], at: usize, word: &str) -> bool {
    let word = word.as_bytes();
    if at + word.len() > bytes.len() {
        return false;
    }
    let mut n = 0;
    while n < word.len() {
        if bytes[at + n] != word[n] {
            return false;
        }
        n += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[&str] = &[
        include_str!("sql/blobs.sql"),
        include_str!("sql/buckets.sql"),
        include_str!("sql/claim.sql"),
        include_str!("sql/control.sql"),
        include_str!("sql/enqueue.sql"),
        include_str!("sql/fair.sql"),
        include_str!("sql/flows.sql"),
        include_str!("sql/lease.sql"),
        include_str!("sql/ledger.sql"),
        include_str!("sql/limits.sql"),
        include_str!("sql/moves.sql"),
        include_str!("sql/promote.sql"),
        include_str!("sql/prune.sql"),
        include_str!("sql/read.sql"),
        include_str!("sql/registry.sql"),
        include_str!("sql/schedules.sql"),
        include_str!("sql/settle.sql"),
        include_str!("sql/tenants.sql"),
        include_str!("sql/terms.sql"),
    ];

    fn database() -> rusqlite::Connection {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        conn.execute_batch(SCHEMA_TEXT).unwrap();
        conn
    }

    fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().flat_map(|file| {
            let names = file.lines().filter_map(|line| line.strip_prefix(MARK));
            names.map(|name| (name, statement(file, name)))
        })
    }

    #[test]
    fn every_statement_fits_the_schema() {
        let conn = database();
        for (name, text) in statements() {
            if let Err(error) = conn.prepare(text) {
                panic!("{name}: {error}\n{text}");
            }
        }
    }

    /// Rings hold those who wait, too; only their own index leaves these out.
    #[test]
    fn no_statement_walks_past_those_who_wait() {
        for (name, text) in statements() {
            let walks = text.matches("waits IS NULL").count();
            let named = ["tenant_turn", "lane_turn"].map(|it| text.matches(it).count());
            assert_eq!(walks, named[0] + named[1], "{name}: {text}");
        }
    }

    /// What may be walked or sorted: what no backlog makes longer, such as all that
    /// runs, and the first row of an index.
    const WALKED: &[&str] = &[
        "again",
        "all_active",
        "any_concern",
        "any_note",
        "drop_delayed",
        "drop_inflight",
        "drop_ring",
        "finished",
        "first_due",
        "holding",
        "last_claimed",
        "next_work",
        "running",
        "stagings",
        "tallies",
        "tombstones",
        "unsaid",
        "uploads",
        "words",
    ];

    #[test]
    fn no_statement_walks_a_whole_table_or_sorts() {
        let conn = database();
        let mut found = Vec::new();
        for (name, text) in statements().filter(|(name, _)| !WALKED.contains(name)) {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
            let params = vec![rusqlite::types::Null; plan.parameter_count()];
            let rows = plan
                .query_map(rusqlite::params_from_iter(params), |row| {
                    row.get::<_, String>(3)
                })
                .unwrap();
            for row in rows.map(Result::unwrap) {
                // A subquery's rows were found by a search of their own.
                let walks = row.starts_with("SCAN")
                    && !row.contains("CONSTANT ROW")
                    && !row.contains("subquery");
                if walks || row.contains("TEMP B-TREE") {
                    found.push(format!("{name}: {row}"));
                }
            }
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}
