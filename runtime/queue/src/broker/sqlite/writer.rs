//! The writer: the one thread that owns the write connection.
//!
//! 1. It takes commands from a channel, as many as lie there, and runs them in
//!    one transaction: a commit costs more than most commands do.
//! 2. Each command with neighbours is a savepoint, so that one that fails takes
//!    nothing of theirs with it.
//! 3. It answers, and wakes whoever waits for what was done, after the commit.
//! 4. While other processes write to the file too, it rests between batches:
//!    otherwise they would find it locked nearly always.
//! 5. While somebody in this process waits for something, it looks every few
//!    milliseconds whether another process wrote. It does so itself, because
//!    `PRAGMA data_version` on the connection that writes changes for others'
//!    commits alone; a reader's would change with our own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::db::{Db, id_at};
use super::fault::{Done, Fault};
use super::lease;
use super::signals::Hub;
use super::sql::sql;
use super::step::{Asked, Effects, Step, first_due};
use crate::broker::{BrokerError, Result};
use crate::clock::{Clock, Millis};

/// How long a lock of another process is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often a lock is tried; the stock handler's growing sleeps starve
/// whoever came second.
const RETRY: Duration = Duration::from_micros(200);
/// The pause between batches while others write too: longer than [`RETRY`].
const REST: Duration = Duration::from_micros(300);
/// How long others count as writing too after they did.
const COMPANY: Duration = Duration::from_secs(1);
/// How many commands share a transaction.
const BATCH: usize = 256;
/// How often the file is looked at: soon after something happened…
const SOON: Duration = Duration::from_millis(2);
/// …and once nothing has for a while.
const LATE: Duration = Duration::from_millis(10);

/// What lies in the channel.
pub(super) enum Message {
    /// Something to do.
    Run(Box<dyn Command>),
    /// Somebody has begun to wait.
    Look,
    /// A `PRAGMA synchronous` to be set, which SQLite ignores in transactions.
    Set(&'static str),
}

/// Something to do in the writer's transaction.
pub(super) trait Command: Send {
    /// Does it, and keeps the answer. `Err` says that it is to be undone.
    fn run(&mut self, conn: &Connection, place: &str) -> std::result::Result<Effects, BrokerError>;

    /// Gives the answer, now that it is known whether the batch was committed.
    fn answer(self: Box<Self>, committed: &Result<()>);
}

/// A command that answers with a `T`.
pub(super) struct Work<T, F> {
    pub(super) clock: Clock,
    pub(super) work: Option<F>,
    pub(super) answer: Option<Result<T>>,
    pub(super) to: oneshot::Sender<Result<T>>,
}

impl<T, F> Command for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut Step<'_>) -> Done<T> + Send,
{
    fn run(&mut self, conn: &Connection, place: &str) -> std::result::Result<Effects, BrokerError> {
        let Some(work) = self.work.take() else {
            return Ok(Effects::default());
        };
        let mut step = Step::new(conn, now(&self.clock));
        let done = work(&mut step).and_then(|answer| Ok((answer, step.finish()?)));
        match done {
            Ok((answer, effects)) => {
                self.answer = Some(Ok(answer));
                Ok(effects)
            }
            Err(fault) => {
                let error = fault.at(place);
                self.answer = Some(Err(error.clone()));
                Err(error)
            }
        }
    }

    fn answer(self: Box<Self>, committed: &Result<()>) {
        let answer = match (self.answer, committed) {
            (Some(Ok(answer)), Ok(())) => Ok(answer),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => return,
        };
        // The caller may have given up: what it asked for is done all the same.
        let _ = self.to.send(answer);
    }
}

/// The time, where the store is in this process.
pub(super) fn now(clock: &Clock) -> Millis {
    clock.fixed().unwrap_or_else(Millis::of_this_host)
}

/// Lets a connection wait for others' locks.
pub(super) fn be_patient(conn: &mut Connection) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    conn.busy_handler(Some(move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        std::thread::sleep(RETRY);
        since.elapsed() < PATIENCE
    }))
}

/// The thread's state.
pub(super) struct Writer {
    conn: Connection,
    place: String,
    hub: Arc<Hub>,
    /// The file's version when it was last looked at.
    version: i64,
    /// When another process last wrote.
    company: Option<Instant>,
    /// What workers know.
    known: Known,
}

/// How much of a file the workers of this process know.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The first due time.
    due: Option<Millis>,
    /// The last stamps of stagings, and of jobs that were asked to stop.
    staged: i64,
    asked: i64,
}

impl Writer {
    /// Takes over the write connection.
    pub(super) fn new(conn: Connection, place: String, hub: Arc<Hub>) -> rusqlite::Result<Self> {
        let mut writer = Writer {
            conn,
            place,
            hub,
            version: 0,
            company: None,
            known: Known::default(),
        };
        writer.version = writer.data_version()?;
        writer.remember()?;
        Ok(writer)
    }

    /// Runs until the last sender is dropped.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        let mut pace = SOON;
        loop {
            let first = if self.hub.is_waited_on() {
                match inbox.recv_timeout(pace) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match inbox.recv() {
                    Ok(message) => Some(message),
                    Err(_) => return,
                }
            };
            let mut batch = Vec::new();
            let more = std::iter::from_fn(|| inbox.try_recv().ok());
            for message in first.into_iter().chain(more) {
                match message {
                    Message::Run(command) => batch.push(command),
                    Message::Look => {}
                    Message::Set(synchronous) => self.set(synchronous),
                }
                if batch.len() == BATCH {
                    break;
                }
            }
            let worked = !batch.is_empty();
            let found = if worked {
                self.commit(batch)
            } else {
                self.glance()
            };
            pace = if found {
                SOON
            } else {
                (pace * 3 / 2).min(LATE)
            };
            if worked && self.company.is_some_and(|since| since.elapsed() < COMPANY) {
                std::thread::sleep(REST);
            }
        }
    }

    fn set(&self, synchronous: &str) {
        if let Err(error) = self.conn.pragma_update(None, "synchronous", synchronous) {
            tracing::warn!(place = self.place, %error, "cannot set `synchronous`");
        }
    }

    /// Runs a batch, tells of it and answers it; always something new.
    fn commit(&mut self, mut batch: Vec<Box<dyn Command>>) -> bool {
        let mut effects = Vec::with_capacity(batch.len());
        let known = self.known;
        let committed = self.transact(&mut batch, &mut effects);
        if committed.is_ok() {
            for effects in effects {
                self.hub.tell(effects);
            }
        } else {
            self.known = known;
        }
        for command in batch {
            command.answer(&committed);
        }
        true
    }

    fn transact(
        &mut self,
        batch: &mut [Box<dyn Command>],
        effects: &mut Vec<Effects>,
    ) -> Result<()> {
        let outcome = self.try_transact(batch, effects);
        if outcome.is_err() && !self.conn.is_autocommit() {
            // If this fails too, the next BEGIN says so.
            let _ = self.run_sql("ROLLBACK");
        }
        outcome.map_err(|fault| fault.at(&self.place))
    }

    fn try_transact(
        &mut self,
        batch: &mut [Box<dyn Command>],
        effects: &mut Vec<Effects>,
    ) -> Done<()> {
        self.run_sql("BEGIN IMMEDIATE")?;
        // From here on nobody else writes: what others did is told apart from
        // what this batch does, of which our workers hear by its effects.
        self.look()?;
        // One alone is undone with its transaction.
        let neighbours = batch.len() > 1;
        for command in batch {
            if neighbours {
                self.run_sql("SAVEPOINT command")?;
            }
            match command.run(&self.conn, &self.place) {
                Ok(done) => effects.push(done),
                // A full disk and the like undo the whole transaction.
                Err(error) if self.conn.is_autocommit() => return Err(Fault::Broker(error)),
                Err(_) if neighbours => self.run_sql("ROLLBACK TO command")?,
                Err(error) => return Err(Fault::Broker(error)),
            }
            if neighbours {
                self.run_sql("RELEASE command")?;
            }
        }
        if effects.iter().any(Effects::is_to_be_remembered) {
            self.remember()?;
        }
        self.run_sql("COMMIT")?;
        Ok(())
    }

    fn run_sql(&self, sql: &'static str) -> rusqlite::Result<()> {
        Db::new(&self.conn).run(sql, []).map(|_| ())
    }

    /// A look between batches; one that fails is made again soon.
    fn glance(&mut self) -> bool {
        self.look().unwrap_or_else(|error| {
            tracing::warn!(place = self.place, %error, "cannot look at the file");
            false
        })
    }

    fn data_version(&self) -> rusqlite::Result<i64> {
        Ok(Db::new(&self.conn)
            .one("PRAGMA data_version", [], |row| row.get(0))?
            .unwrap_or(0))
    }

    /// Notes what workers of this process know of the file.
    fn remember(&mut self) -> rusqlite::Result<()> {
        self.known = Known {
            due: first_due(&Db::new(&self.conn))?,
            staged: self.last(sql!("read", "last_stamp"))?,
            asked: self.last(sql!("lease", "last_asked"))?,
        };
        Ok(())
    }

    fn last(&self, sql: &'static str) -> rusqlite::Result<i64> {
        let stamp = Db::new(&self.conn).one(sql, [], |row| row.get(0))?;
        Ok(stamp.unwrap_or(0))
    }

    /// What others asked to stop since the last look, and who runs it; and the
    /// last stamp of that.
    fn asked_since(&self, mut stamp: i64) -> rusqlite::Result<(Vec<Asked>, i64)> {
        let since = [stamp];
        let asked = Db::new(&self.conn).all(sql!("lease", "asked_since"), since, |row| {
            stamp = row.get(3)?;
            let worker = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((worker, row.get(1)?, id_at(row, 2)?))
        })?;
        Ok((asked, stamp))
    }

    /// Looks whether another process wrote, and tells whoever it may concern.
    fn look(&mut self) -> rusqlite::Result<bool> {
        let version = self.data_version()?;
        if version == self.version {
            return Ok(false);
        }
        self.version = version;
        self.company = Some(Instant::now());
        let mut available = Vec::new();
        for queue in self.hub.wanted() {
            if lease::has_work(&Db::new(&self.conn), &queue)? {
                available.push(queue);
            }
        }
        let before = self.known;
        let (asked, stamp) = self.asked_since(before.asked)?;
        self.remember()?;
        // Between batches others may write between these two.
        self.known.asked = stamp;
        let due = self
            .known
            .due
            .is_some_and(|now| before.due.is_none_or(|before| now < before));
        self.hub.tell(Effects {
            available,
            due,
            staged: self.known.staged > before.staged,
            asked,
            ..Effects::default()
        });
        self.hub.recheck();
        Ok(true)
    }
}

/// A writer that is gone, for whatever reason.
pub(super) fn gone(place: &str) -> BrokerError {
    BrokerError::Unreachable {
        place: place.into(),
        reason: "its writer has stopped".into(),
    }
}
