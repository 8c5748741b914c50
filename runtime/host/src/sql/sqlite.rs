//! Files of SQLite's. A statement has a connection of its own, which is opened for it and
//! closed: that takes a tenth of a millisecond, and nothing of a session can be left.
//!
//! SQLite runs in this process, so all of it is on threads that may block, and what a
//! statement may do is judged by SQLite's own authorizer as it is prepared.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};
use tokio::runtime::Handle;

use super::AWAY;
use super::pool::{Pool, Slot};
use super::settings::Settings;
use super::value::{
    Bounds, Gathered, SqlFailure, SqlRows, SqlValue, Statement, cut, too_long, too_many_bytes,
};

/// Instructions of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;
/// How long a statement waits for a lock that another process has.
const LOCK: Duration = Duration::from_secs(5);
/// What a pragma may be: it tells of the schema, or holds for one connection.
const PRAGMAS: &[&str] = &[
    "application_id",
    "data_version",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "index_info",
    "index_list",
    "index_xinfo",
    "page_count",
    "page_size",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// A file, and how many connections to it there are.
pub(super) struct Sqlite {
    name: String,
    path: PathBuf,
    bounds: Bounds,
    read_only: bool,
    pool: Pool<()>,
    threads: Handle,
}

/// What a connection's hooks see.
struct Watch {
    /// It is we who speak, and not a task.
    ours: AtomicBool,
    /// Nobody waits for it any more.
    left: AtomicBool,
    until: Mutex<Instant>,
    /// What the statement wanted that it may not.
    refused: Mutex<Option<String>>,
}

/// An open transaction. Dropped, it is rolled back.
pub(super) struct Held {
    /// First, so that it is closed before its slot goes.
    connection: Option<Connection>,
    slot: Option<Slot<()>>,
    watch: Arc<Watch>,
    threads: Handle,
}

/// Tells the thread that works when nobody waits for it any more.
struct Waits(Option<Arc<Watch>>);

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.left.store(true, Ordering::Release);
        }
    }
}

impl Sqlite {
    pub(super) fn new(name: &str, path: &Path, it: &Settings, threads: Handle) -> Arc<Self> {
        Arc::new(Sqlite {
            name: name.to_owned(),
            path: path.to_owned(),
            bounds: it.bounds.clone(),
            read_only: it.read_only,
            pool: Pool::new(it.pool, it.idle, threads.clone()),
            threads,
        })
    }

    /// How long a transaction may lie idle.
    pub(super) fn idle(&self) -> Duration {
        self.bounds.time
    }

    /// A statement by itself.
    pub(super) async fn query_alone(
        self: &Arc<Self>,
        statement: Statement,
    ) -> Result<SqlRows, SqlFailure> {
        let (_, rows) = self
            .work(None, move |it, connection, watch| {
                it.found(connection, watch, &statement)
            })
            .await?;
        Ok(rows)
    }

    /// Begins a transaction: at once as one that may write, since one that turns into that
    /// later cannot wait for its turn.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Held, SqlFailure> {
        let begin = match self.read_only {
            true => "BEGIN",
            false => "BEGIN IMMEDIATE",
        };
        let (held, ()) = self
            .work(None, move |it, connection, watch| {
                it.said(connection, watch, begin)
            })
            .await?;
        Ok(held)
    }

    /// A statement in a transaction, which is gone where the future is dropped.
    pub(super) async fn query(
        self: &Arc<Self>,
        held: Held,
        statement: Statement,
    ) -> Result<(Held, Result<SqlRows, SqlFailure>), SqlFailure> {
        self.work(Some(held), move |it, connection, watch| {
            let rows = it.found(connection, watch, &statement);
            // A transaction that SQLite has ended by itself is over.
            match connection.is_autocommit() {
                true => rows.map(Ok),
                false => Ok(rows),
            }
        })
        .await
    }

    /// Ends a transaction.
    pub(super) async fn end(self: &Arc<Self>, held: Held, commit: bool) -> Result<(), SqlFailure> {
        let end = if commit { "COMMIT" } else { "ROLLBACK" };
        let ended = self.work(Some(held), move |it, connection, watch| {
            it.said(connection, watch, end)
        });
        ended.await.map(drop)
    }

    /// Does something on a thread that may block, with a connection that there is, or a new
    /// one. Where that fails, the connection is gone.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        held: Option<Held>,
        what: impl FnOnce(&Self, &mut Connection, &Watch) -> Result<T, SqlFailure> + Send + 'static,
    ) -> Result<(Held, T), SqlFailure> {
        let mut held = match held {
            Some(held) => held,
            None => self.slot().await?,
        };
        let mut waits = Waits(Some(held.watch.clone()));
        let it = self.clone();
        let working = self.threads.spawn_blocking(move || {
            *lock(&held.watch.until) = Instant::now() + it.bounds.time;
            let connection = match &mut held.connection {
                Some(connection) => connection,
                none => none.insert(it.open(&held.watch)?),
            };
            let done = what(&it, connection, &held.watch)?;
            Ok((held, done))
        });
        let done = working.await;
        waits.0 = None;
        done.unwrap_or_else(|_| Err(SqlFailure::Unavailable(AWAY.into())))
    }

    async fn slot(&self) -> Result<Held, SqlFailure> {
        let slot = self.pool.slot(self.bounds.time).await;
        let slot = slot.ok_or_else(|| {
            SqlFailure::Unavailable(format!("all connections of `{}` are taken", self.name))
        })?;
        Ok(Held {
            connection: None,
            slot: Some(slot),
            watch: Arc::new(Watch {
                ours: AtomicBool::new(true),
                left: AtomicBool::new(false),
                until: Mutex::new(Instant::now()),
                refused: Mutex::default(),
            }),
            threads: self.threads.clone(),
        })
    }

    fn open(&self, watch: &Arc<Watch>) -> Result<Connection, SqlFailure> {
        self.opened(watch).map_err(|e| {
            let (connection, why) = (&self.name, e.to_string());
            tracing::warn!(connection, why, "cannot open a database");
            SqlFailure::Unavailable(AWAY.into())
        })
    }

    /// A file that is not there is not made: it may lie on a disk that is not there either.
    fn opened(&self, watch: &Arc<Watch>) -> rusqlite::Result<Connection> {
        let flags = match self.read_only {
            true => OpenFlags::SQLITE_OPEN_READ_ONLY,
            false => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(LOCK.min(self.bounds.time))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
        let longest = i32::try_from(self.bounds.bytes).unwrap_or(i32::MAX);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest.max(1 << 20))?;
        let it = watch.clone();
        connection.progress_handler(
            STEPS,
            Some(move || it.left.load(Ordering::Acquire) || Instant::now() >= *lock(&it.until)),
        )?;
        let it = watch.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            match refused(&asked.action) {
                Some(what) if !it.ours.load(Ordering::Acquire) => {
                    *lock(&it.refused) = Some(what);
                    Authorization::Deny
                }
                _ => Authorization::Allow,
            }
        }))?;
        Ok(connection)
    }

    fn said(&self, connection: &Connection, watch: &Watch, words: &str) -> Result<(), SqlFailure> {
        watch.ours.store(true, Ordering::Release);
        let done = connection.execute_batch(words);
        done.map_err(|e| self.failure(&e, watch))
    }

    fn found(
        &self,
        connection: &Connection,
        watch: &Watch,
        statement: &Statement,
    ) -> Result<SqlRows, SqlFailure> {
        watch.ours.store(false, Ordering::Release);
        let failure = |e: rusqlite::Error| self.failure(&e, watch);
        let before = connection.total_changes();
        let mut prepared = connection.prepare(&statement.text).map_err(failure)?;
        let (wanted, given) = (prepared.parameter_count(), statement.parameters.len());
        if wanted != given {
            let text = format!("the statement has {wanted} placeholders, and {given} parameters");
            return Err(SqlFailure::Invalid(text));
        }
        let names = (1..=wanted).map(|at| (at, prepared.parameter_name(at)));
        if names.into_iter().any(is_elsewhere) && asks(&statement.text) {
            let text = "placeholders are `?1` or `$1`, and not both in one statement";
            return Err(SqlFailure::Invalid(text.into()));
        }
        for at in 1..=wanted {
            let value = meant(prepared.parameter_name(at), at)
                .and_then(|it| statement.parameters.get(it.checked_sub(1)?));
            let Some(value) = value else {
                let name = prepared.parameter_name(at).unwrap_or("?");
                let text =
                    format!("`{name}` is the placeholder of no parameter: write `?1` or `$1`");
                return Err(SqlFailure::Invalid(text));
            };
            let bound = prepared.raw_bind_parameter(at, value);
            bound.map_err(failure)?;
        }
        let columns: Vec<String> = prepared.column_names().map(cut).collect();
        let reads = prepared.readonly();
        let mut gathered = Gathered::new(&self.bounds);
        let mut found = prepared.raw_query();
        while let Some(row) = found.next().map_err(failure)? {
            let cells = (0..columns.len()).map(|at| row.get_ref(at).map(read));
            gathered.push(cells.collect::<Result<_, _>>().map_err(failure)?)?;
        }
        let rows = gathered.rows();
        let affected = match reads {
            true => rows.len() as u64,
            false => connection.total_changes().saturating_sub(before),
        };
        Ok(SqlRows {
            columns,
            rows,
            affected,
        })
    }

    fn failure(&self, e: &rusqlite::Error, watch: &Watch) -> SqlFailure {
        if let Some(what) = lock(&watch.refused).take() {
            let text = format!("{what} is not for a task");
            return SqlFailure::Invalid(text);
        }
        let (code, message) = match e {
            rusqlite::Error::SqliteFailure(code, message) => (code, message.clone()),
            rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg.clone())),
            // A parameter, or a text with two statements.
            e => return SqlFailure::Invalid(cut(&e.to_string())),
        };
        match code.code {
            ErrorCode::OperationInterrupted => too_long(&self.bounds),
            ErrorCode::TooBig => too_many_bytes(&self.bounds),
            ErrorCode::CannotOpen | ErrorCode::SystemIoFailure => {
                let (connection, why) = (&self.name, e.to_string());
                tracing::warn!(connection, why, "a database failed");
                SqlFailure::Unavailable(AWAY.into())
            }
            kind => SqlFailure::Database {
                code: code.extended_code.to_string(),
                message: cut(&message.unwrap_or_else(|| code.to_string())),
                retry: matches!(
                    kind,
                    ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SchemaChanged
                ),
            },
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // To roll back is to write.
        if let Some(connection) = self.connection.take() {
            let slot = self.slot.take();
            self.threads.spawn_blocking(move || {
                drop(connection);
                drop(slot);
            });
        }
    }
}

/// What is refused of a statement, if anything is.
fn refused(action: &AuthAction<'_>) -> Option<String> {
    Some(match action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => "another file".into(),
        AuthAction::Transaction { .. } => {
            "the beginning or the end of a transaction, which have calls of their own,".into()
        }
        AuthAction::Pragma { pragma_name, .. }
            if !PRAGMAS.contains(&pragma_name.to_ascii_lowercase().as_str()) =>
        {
            format!("the pragma `{}`", cut(pragma_name))
        }
        AuthAction::Function { function_name }
            if function_name.eq_ignore_ascii_case("load_extension") =>
        {
            "an extension".into()
        }
        AuthAction::Unknown { .. } => "this".into(),
        _ => return None,
    })
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Boolean(it) => ToSqlOutput::Owned(Value::Integer((*it).into())),
            SqlValue::Integer(it) => ToSqlOutput::Owned(Value::Integer(*it)),
            SqlValue::Real(it) => ToSqlOutput::Owned(Value::Real(*it)),
            SqlValue::Text(it) => ToSqlOutput::Borrowed(ValueRef::Text(it.as_bytes())),
            SqlValue::Blob(it) => ToSqlOutput::Borrowed(ValueRef::Blob(it)),
        })
    }
}

fn read(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(it) => SqlValue::Integer(it),
        ValueRef::Real(it) => SqlValue::Real(it),
        ValueRef::Text(it) => SqlValue::Text(String::from_utf8_lossy(it).into_owned()),
        ValueRef::Blob(it) => SqlValue::Blob(it.to_vec()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which parameter a placeholder means. To SQLite `$2` is a name, which has the number of the place
/// where it first stands; to authors it is the second parameter, as in Postgres.
fn meant(name: Option<&str>, at: usize) -> Option<usize> {
    match name {
        None => Some(at),
        Some(name) => name.strip_prefix(['$', '?'])?.parse().ok(),
    }
}

/// Whether a placeholder means another parameter than its place, which is what `?` goes by.
fn is_elsewhere((at, name): (usize, Option<&str>)) -> bool {
    meant(name, at) != Some(at)
}

/// Whether a statement has a placeholder that begins with `?`: one outside of quotes and comments.
fn asks(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(['?', '\'', '"', '`', '[', '-', '/']) {
        let (begin, end) = match &rest.as_bytes()[at..] {
            [b'?', ..] => return true,
            [b'\'', ..] => (1, "'"),
            [b'"', ..] => (1, "\""),
            [b'`', ..] => (1, "`"),
            [b'[', ..] => (1, "]"),
            [b'-', b'-', ..] => (2, "\n"),
            [b'/', b'*', ..] => (2, "*/"),
            _ => (1, ""),
        };
        rest = &rest[at + begin..];
        rest = rest.split_once(end).map_or("", |(_, rest)| rest);
    }
    false
}
