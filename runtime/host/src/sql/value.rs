//! A statement, what it brings back and why it does not, as messages; and what a statement
//! may be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a statement's text.
pub const STATEMENT: usize = 256 * 1024;
/// Parameters of a statement.
pub const PARAMETERS: usize = 10_000;
/// Bytes of them together, by [`SqlValue::size`].
pub const PARAMETER_BYTES: usize = 8 << 20;
/// Transactions that an attempt may have open.
pub const TRANSACTIONS: usize = 4;
/// What a value takes beside its text or blob.
const VALUE: usize = 16;

/// A parameter, or what a row has in a column.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl SqlValue {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        VALUE
            + match self {
                SqlValue::Text(text) => text.len(),
                SqlValue::Blob(bytes) => bytes.len(),
                _ => 0,
            }
    }
}

// Drivers log parameters in their own way; what a task stores is nobody's to read there.
impl fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SqlValue::Null => "null",
            SqlValue::Boolean(_) => "(boolean)",
            SqlValue::Integer(_) => "(integer)",
            SqlValue::Real(_) => "(real)",
            SqlValue::Text(_) => "(text)",
            SqlValue::Blob(_) => "(blob)",
        })
    }
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// What stands for its placeholders.
    pub parameters: Vec<SqlValue>,
}

/// What an attempt asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlRequest {
    /// A statement by itself; answered with [`SqlAnswer::Rows`].
    Query {
        /// The connection's name.
        connection: String,
        /// The statement.
        statement: Statement,
    },
    /// A transaction; answered with [`SqlAnswer::Begun`].
    Begin {
        /// The connection's name.
        connection: String,
    },
    /// A statement in a transaction; answered with [`SqlAnswer::Rows`].
    Within {
        /// The transaction's number.
        transaction: u32,
        /// The statement.
        statement: Statement,
    },
    /// The end of a transaction; answered with [`SqlAnswer::Done`].
    End {
        /// The transaction's number.
        transaction: u32,
        /// Whether what it did shall count.
        commit: bool,
    },
}

impl SqlRequest {
    /// The connection that it names; what goes on with a transaction names none.
    pub fn connection(&self) -> Option<&str> {
        match self {
            SqlRequest::Query { connection, .. } | SqlRequest::Begin { connection } => {
                Some(connection)
            }
            SqlRequest::Within { .. } | SqlRequest::End { .. } => None,
        }
    }

    fn statement(&self) -> Option<&Statement> {
        match self {
            SqlRequest::Query { statement, .. } | SqlRequest::Within { statement, .. } => {
                Some(statement)
            }
            SqlRequest::Begin { .. } | SqlRequest::End { .. } => None,
        }
    }

    /// Bytes of what an author may make long.
    pub fn size(&self) -> usize {
        let connection = self.connection().map_or(0, str::len);
        let statement = self.statement().map_or(0, |it| {
            it.text.len() + it.parameters.iter().map(SqlValue::size).sum::<usize>()
        });
        connection + statement
    }

    /// Whether it is within its bounds. An engine looks before it asks, and whoever answers
    /// looks again.
    ///
    /// # Errors
    /// [`SqlFailure::Limit`]
    pub fn check(&self) -> Result<(), SqlFailure> {
        let Some(statement) = self.statement() else {
            return Ok(());
        };
        let (text, parameters) = (&statement.text, &statement.parameters);
        let bytes: usize = parameters.iter().map(SqlValue::size).sum();
        let problem = match () {
            () if text.len() > STATEMENT => "a statement takes at most 256 KiB".to_owned(),
            () if parameters.len() > PARAMETERS => {
                format!("a statement has at most {PARAMETERS} parameters")
            }
            () if bytes > PARAMETER_BYTES => {
                "the parameters of a statement take at most 8 MiB together".to_owned()
            }
            () => return Ok(()),
        };
        Err(SqlFailure::Limit(problem))
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlAnswer {
    /// What a statement brought back.
    Rows(SqlRows),
    /// A transaction's number.
    Begun(u32),
    /// It is done.
    Done,
}

/// What a statement brought back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SqlRows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Rows with a value for each of them.
    pub rows: Vec<Vec<SqlValue>>,
    /// How many rows it changed; of one that only reads, how many it found.
    pub affected: u64,
}

impl SqlRows {
    /// Bytes that they take.
    pub fn size(&self) -> usize {
        let columns: usize = self.columns.iter().map(|it| VALUE + it.len()).sum();
        let rows = self.rows.iter().flatten().map(SqlValue::size);
        columns + rows.sum::<usize>()
    }
}

/// Why it was not done. The texts reach the task, and name no host, no user and no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqlFailure {
    /// The module was not granted the connection, or its tenant may not have it.
    #[error("denied: {0}")]
    Denied(String),
    /// There is no connection of this name.
    #[error("unknown connection: {0}")]
    Unknown(String),
    /// It makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The database did not do it.
    #[error("the database says {code}: {message}")]
    Database {
        /// Its SQLSTATE, or SQLite's extended code.
        code: String,
        /// What it says.
        message: String,
        /// Whether the same may succeed when it is tried again.
        retry: bool,
    },
    /// It is too large, too much, or took too long.
    #[error("past a limit: {0}")]
    Limit(String),
    /// Not just now.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// What a statement may take and bring back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long a statement may take.
    pub time: std::time::Duration,
    /// Rows that it may bring back.
    pub rows: usize,
    /// Bytes of them.
    pub bytes: usize,
}

/// Rows in the making, held to their bounds.
pub(super) struct Gathered<'a> {
    bounds: &'a Bounds,
    rows: Vec<Vec<SqlValue>>,
    bytes: usize,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(bounds: &'a Bounds) -> Self {
        Gathered {
            bounds,
            rows: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, row: Vec<SqlValue>) -> Result<(), SqlFailure> {
        self.bytes += row.iter().map(SqlValue::size).sum::<usize>();
        if self.rows.len() >= self.bounds.rows {
            let most = self.bounds.rows;
            let text = format!("a statement brings back at most {most} rows; `limit` takes fewer");
            return Err(SqlFailure::Limit(text));
        }
        if self.bytes > self.bounds.bytes {
            return Err(too_many_bytes(self.bounds));
        }
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn rows(self) -> Vec<Vec<SqlValue>> {
        self.rows
    }
}

pub(super) fn too_many_bytes(bounds: &Bounds) -> SqlFailure {
    let most = bounds.bytes;
    SqlFailure::Limit(format!(
        "what a statement brings back takes at most {most} bytes"
    ))
}

pub(super) fn too_long(bounds: &Bounds) -> SqlFailure {
    let most = bounds.time;
    SqlFailure::Limit(format!("a statement takes at most {most:?}"))
}

/// Bytes of what a database says that are passed on.
const MESSAGE: usize = 4096;

/// The beginning of what a database says.
pub(super) fn cut(message: &str) -> String {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: String, parameters: Vec<SqlValue>) -> SqlRequest {
        SqlRequest::Query {
            connection: "main".into(),
            statement: Statement { text, parameters },
        }
    }

    #[test]
    fn messages_cross_a_pipe_and_show_no_values() {
        let values = vec![
            SqlValue::Null,
            SqlValue::Boolean(true),
            SqlValue::Integer(i64::MIN),
            SqlValue::Real(0.5),
            SqlValue::Text("hunter2".into()),
            SqlValue::Blob(vec![0xff, 0]),
        ];
        let request = query("select $1".into(), values.clone());
        let bytes = rmp_serde::to_vec_named(&request).unwrap();
        assert_eq!(
            rmp_serde::from_slice::<SqlRequest>(&bytes).unwrap(),
            request
        );
        assert!(!format!("{request:?}").contains("hunter2"));
        let rows = SqlRows {
            columns: vec!["a".into(); 6],
            rows: vec![values],
            affected: 1,
        };
        assert_eq!(rows.size(), 6 * 17 + 6 * 16 + 7 + 2);
        let answer = SqlAnswer::Rows(rows);
        let bytes = rmp_serde::to_vec_named(&answer).unwrap();
        assert_eq!(rmp_serde::from_slice::<SqlAnswer>(&bytes).unwrap(), answer);
    }

    #[test]
    fn a_statement_has_its_bounds() {
        let fits = |it: SqlRequest| it.check().is_ok();
        assert!(fits(query("x".repeat(STATEMENT), Vec::new())));
        assert!(!fits(query("x".repeat(STATEMENT + 1), Vec::new())));
        assert!(fits(query(String::new(), vec![SqlValue::Null; PARAMETERS])));
        assert!(!fits(query(
            String::new(),
            vec![SqlValue::Null; PARAMETERS + 1]
        )));
        let blob = |size: usize| vec![SqlValue::Blob(vec![0; size])];
        assert!(fits(query(String::new(), blob(PARAMETER_BYTES - VALUE))));
        assert!(!fits(query(String::new(), blob(PARAMETER_BYTES))));
    }

    #[test]
    fn a_result_is_held_to_its_bounds() {
        let bounds = Bounds {
            time: std::time::Duration::from_secs(1),
            rows: 2,
            bytes: 100,
        };
        let mut gathered = Gathered::new(&bounds);
        let row = || vec![SqlValue::Null];
        assert!(gathered.push(row()).is_ok() && gathered.push(row()).is_ok());
        assert!(
            matches!(gathered.push(row()), Err(SqlFailure::Limit(it)) if it.contains("2 rows"))
        );
        let mut gathered = Gathered::new(&bounds);
        let large = vec![SqlValue::Text("x".repeat(90))];
        assert!(matches!(gathered.push(large), Err(SqlFailure::Limit(it)) if it.contains("bytes")));
        assert_eq!(cut(&"ä".repeat(4096)).len(), 4096);
    }
}
