//! Opening a file: what it must be, what is set on it, and that it is opened
//! once a process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use super::db::Db;
use super::fault::{Done, explain};
use super::numbers::Numbers;
use super::signals::Hub;
use super::sql::SCHEMA_TEXT;
use super::step::Step;
use super::writer::{Message, PATIENCE, Work, Writer, be_patient, gone};
use super::{Durability, control};
use crate::broker::{BrokerError, Result};
use crate::clock::{Clock, Millis};

/// "LVGE": by this `PRAGMA application_id` a file is known as ours.
const APPLICATION: i32 = 0x4c56_4745;
/// The version of the schema, `PRAGMA user_version`.
const SCHEMA: i32 = 8;
/// How many reads run at once; more only take turns on as many cores.
const READERS: usize = 4;
/// Statements are prepared once; there are fewer than this.
const STATEMENTS: usize = 384;

/// One file, opened once a process: its writer, its readers and its
/// switchboard, shared by all brokers over it.
pub(super) struct Core {
    path: PathBuf,
    /// The file, for errors.
    pub(super) place: String,
    /// Who waits for what.
    pub(super) hub: Arc<Hub>,
    /// Where the jobs lie that were claimed here.
    pub(super) numbers: Numbers,
    writer: Sender<Message>,
    thread: JoinHandle<()>,
    seats: Semaphore,
    readers: Mutex<Vec<Connection>>,
}

static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Core>>>> = LazyLock::new(Mutex::default);

impl Core {
    /// Opens a file, or finds it open. Blocks.
    pub(super) fn shared(path: &Path, durability: Durability) -> Result<Arc<Self>> {
        let place = format!("sqlite:{}", path.display());
        let path = canonical(path, &place)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, core| core.strong_count() > 0);
        let known = open.get(&path).and_then(Weak::upgrade);
        if let Some(core) = known.filter(|core| !core.thread.is_finished()) {
            core.harden(durability);
            return Ok(core);
        }
        let core = Arc::new(Core::apart(path.clone(), place, durability)?);
        open.insert(path, Arc::downgrade(&core));
        Ok(core)
    }

    /// Opens a file whether or not it is open already, as another process
    /// would. Blocks.
    pub(super) fn apart(path: PathBuf, place: String, durability: Durability) -> Result<Self> {
        let explain = |error| explain(&error, &place);
        let mut conn = connect(&path).map_err(explain)?;
        prepare(&mut conn, &place)?;
        conn.pragma_update(None, "synchronous", durability.pragma())
            .map_err(explain)?;
        let hub = Arc::new(Hub::default());
        let writer = Writer::new(conn, place.clone(), hub.clone()).map_err(explain)?;
        let (sender, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("lovage-sqlite".into())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| BrokerError::Unreachable {
                place: place.clone(),
                reason: format!("its writer cannot be started: {error}"),
            })?;
        let (seats, readers) = (Semaphore::new(READERS), Mutex::default());
        Ok(Core {
            path,
            place,
            hub,
            numbers: Numbers::default(),
            writer: sender,
            thread,
            seats,
            readers,
        })
    }

    /// Of all who opened the file, the most careful is heeded.
    fn harden(&self, durability: Durability) {
        if durability == Durability::Power {
            // A writer that is gone is reported by the next command.
            let _ = self.writer.send(Message::Set(durability.pragma()));
        }
    }

    /// Does something in the writer's next transaction.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        clock: &Clock,
        work: impl FnOnce(&mut Step<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let (to, answer) = oneshot::channel();
        let work = Work {
            clock: clock.clone(),
            work: Some(work),
            answer: None,
            to,
        };
        let sent = self.writer.send(Message::Run(Box::new(work)));
        sent.map_err(|_| gone(&self.place))?;
        answer.await.map_err(|_| gone(&self.place))?
    }

    /// Has the writer look out for what other processes do.
    pub(super) fn look(&self) {
        // A writer that is gone is reported by the next command.
        let _ = self.writer.send(Message::Look);
    }

    /// Reads on a connection of the pool, off the executor.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Db<'_>) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let _seat = self.seats.acquire().await.expect("nobody closes it");
        let core = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let conn = core.reader()?;
            let answer = work(&Db::new(&conn)).map_err(|fault| fault.at(&core.place))?;
            // One that failed is not put back: it may lie in a transaction.
            core.readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(conn);
            Ok(answer)
        });
        read.await.unwrap_or_else(|_| Err(gone(&self.place)))
    }

    fn reader(&self) -> Result<Connection> {
        let idle = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some(conn) = idle {
            return Ok(conn);
        }
        let open = || {
            let conn = connect(&self.path)?;
            conn.pragma_update(None, "query_only", true)?;
            Ok(conn)
        };
        open().map_err(|error| explain(&error, &self.place))
    }
}

/// The one path of a file that may not exist yet.
fn canonical(path: &Path, place: &str) -> Result<PathBuf> {
    if let Ok(known) = path.canonicalize() {
        return Ok(known);
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new(".")).canonicalize();
    match (directory, path.file_name()) {
        (Ok(directory), Some(name)) => Ok(directory.join(name)),
        (Err(error), _) => Err(BrokerError::Unsuitable {
            place: place.into(),
            reason: format!("make its directory first ({error})"),
        }),
        (_, None) => Err(BrokerError::Unsuitable {
            place: place.into(),
            reason: "it names no file".into(),
        }),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Each connection is used by one thread at a time; no URI, so that a path
    // means what it says.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    be_patient(&mut conn)?;
    // One plan for a statement, whatever is bound to it: otherwise SQLite, built
    // with STAT4, prepares it anew at nearly every use, which costs more than
    // running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

/// Sees what the file is before anything is changed in it, and makes it ours if
/// it is new.
fn prepare(conn: &mut Connection, place: &str) -> Result<()> {
    let unsuitable = |reason: String| {
        Err(BrokerError::Unsuitable {
            place: place.into(),
            reason,
        })
    };
    let explain = |error| explain(&error, place);
    match identify(conn).map_err(explain)? {
        (APPLICATION, version, _) if version > SCHEMA => {
            return unsuitable(format!(
                "a newer lovage wrote it (schema {version}, this one knows {SCHEMA}): upgrade this one, or name another file"
            ));
        }
        (APPLICATION, 1..=SCHEMA, _) | (0, 0, 0) => {}
        _ => {
            return unsuitable(
                "it is the database of another application: name another file, or one that does not exist yet".into(),
            );
        }
    }
    if conn.is_readonly("main").map_err(explain)? {
        return unsuitable(
            "it is read-only: this user must be allowed to write the file and its directory".into(),
        );
    }
    let mode = write_ahead(conn).map_err(explain)?;
    if mode != "wal" {
        return unsuitable(format!(
            "its file system has no shared memory, so its journal stays `{mode}`: put it on a local disk"
        ));
    }
    make(conn).map_err(|fault| fault.at(place))
}

/// The application, the schema's version, and how much is in it.
fn identify(conn: &Connection) -> rusqlite::Result<(i32, i32, i64)> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get(0));
    let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((pragma("application_id")?, pragma("user_version")?, tables))
}

/// Sets write-ahead logging. SQLite answers "busy" at once where waiting could
/// be a deadlock, as when two processes make the same file: so it waits here.
fn write_ahead(conn: &Connection) -> rusqlite::Result<String> {
    let since = Instant::now();
    loop {
        let mode = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0));
        match mode {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && since.elapsed() < PATIENCE =>
            {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

/// Makes the schema, or brings an earlier one up to date, unless somebody else did
/// meanwhile.
fn make(conn: &mut Connection) -> Done<()> {
    // In pages. Each checkpoint waits for the disk twice, whatever it writes, and what
    // many jobs changed is written once: a quarter as many as by default. Not more,
    // because one block of the log's index holds 4,062.
    conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    // Past this, the log is cut back after a checkpoint.
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // In KiB, as SQLite has it for negative numbers.
    conn.pragma_update(None, "cache_size", -16 * 1024)?;
    let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match identify(&step)? {
        (0, 0, 0) => {
            step.execute_batch(SCHEMA_TEXT)?;
            step.pragma_update(None, "application_id", APPLICATION)?;
        }
        (_, SCHEMA, _) => return Ok(step.commit()?),
        (_, earlier, _) => upgrade(&step, earlier)?,
    }
    step.pragma_update(None, "user_version", SCHEMA)?;
    Ok(step.commit()?)
}

/// Jobs, modules and what runs stay as they are.
fn upgrade(conn: &Connection, earlier: i32) -> Done<()> {
    if earlier == 1 {
        conn.execute_batch(include_str!("sql/upgrade_1.sql"))?;
    }
    if earlier <= 2 {
        conn.execute_batch(include_str!("sql/upgrade_2.sql"))?;
    }
    if earlier <= 3 {
        conn.execute_batch(include_str!("sql/upgrade_3.sql"))?;
    }
    if earlier <= 4 {
        conn.execute_batch(include_str!("sql/upgrade_4.sql"))?;
    }
    if earlier <= 5 {
        conn.execute_batch(include_str!("sql/upgrade_5.sql"))?;
    }
    if earlier <= 6 {
        conn.execute_batch(include_str!("sql/upgrade_6.sql"))?;
    }
    conn.execute_batch(include_str!("sql/upgrade_7.sql"))?;
    if earlier > 1 {
        return Ok(());
    }
    let mut step = Step::new(conn, Millis::of_this_host());
    control::declare_all(&mut step)?;
    // Nobody listens yet.
    step.finish()?;
    Ok(())
}
