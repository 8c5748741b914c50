//! What one attempt asks for, and the transactions that it has open. Whatever asks may have
//! been taken over by a module: so all is held to its bounds here, whoever has done so before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::grant::{Grant, Grants};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::postgres::Lease;
use super::sqlite::{Held, Sqlite};
use super::value::{SqlAnswer, SqlFailure, SqlRequest, SqlRows, Statement, TRANSACTIONS};
use super::{Databases, Kind};

/// Statements of an attempt that are under way at a time. The others wait.
const AT_ONCE: usize = 4;

/// One attempt's way to databases. Dropped, it rolls back what is open.
pub struct Desk(Arc<Inner>);

struct Inner {
    databases: Arc<Databases>,
    tenant: String,
    grants: Arc<Grants>,
    turns: Semaphore,
    /// One permit an open transaction.
    places: Arc<Semaphore>,
    open: Mutex<HashMap<u32, Arc<Open>>>,
    numbers: AtomicU32,
}

/// An open transaction.
struct Open {
    /// None once it is over.
    transaction: tokio::sync::Mutex<Option<Transaction>>,
    /// When it was last asked for anything.
    used: Mutex<Instant>,
    /// How long it may lie idle.
    idle: Duration,
    _place: OwnedSemaphorePermit,
}

enum Transaction {
    Postgres(Lease),
    Sqlite(Arc<Sqlite>, Held),
}

impl Desk {
    pub(super) fn new(databases: Arc<Databases>, tenant: &str, grants: Arc<Grants>) -> Self {
        Desk(Arc::new(Inner {
            databases,
            tenant: tenant.to_owned(),
            grants,
            turns: Semaphore::new(AT_ONCE),
            places: Arc::new(Semaphore::new(TRANSACTIONS)),
            open: Mutex::default(),
            numbers: AtomicU32::new(0),
        }))
    }

    /// Does what is asked for. Where nobody waits for it any more, it is given up.
    ///
    /// # Errors
    /// See [`SqlFailure`].
    pub async fn answer(&self, request: SqlRequest) -> Result<SqlAnswer, SqlFailure> {
        request.check()?;
        let inner = self.0.clone();
        // It aborts what is under way when it is dropped.
        let mut asked = JoinSet::new();
        asked.spawn_on(
            async move { inner.answer(request).await },
            &self.0.databases.threads,
        );
        match asked.join_next().await {
            Some(Ok(answered)) => answered,
            // The worker ends.
            _ => Err(SqlFailure::Unavailable("the host is at its end".into())),
        }
    }
}

impl Inner {
    async fn answer(self: &Arc<Self>, request: SqlRequest) -> Result<SqlAnswer, SqlFailure> {
        // What goes on with a transaction was granted when that was begun.
        if let Some(name) = request.connection()
            && !self.grants.0.contains(&Grant::Sql(name.to_owned()))
        {
            let text = format!("the module was not granted `sql {name}`");
            return Err(SqlFailure::Denied(text));
        }
        let _turn = self.turns.acquire().await;
        match request {
            SqlRequest::Query {
                connection,
                statement,
            } => {
                let rows = match self.databases.find(&connection, &self.tenant)? {
                    Kind::Postgres(it) => it.lease().await?.query_alone(&statement).await,
                    Kind::Sqlite(it) => it.query_alone(statement).await,
                };
                rows.map(SqlAnswer::Rows)
            }
            SqlRequest::Begin { connection } => self.begin(&connection).await,
            SqlRequest::Within {
                transaction,
                statement,
            } => {
                let rows = self.within(transaction, statement).await;
                rows.map(SqlAnswer::Rows)
            }
            SqlRequest::End {
                transaction,
                commit,
            } => {
                let ended = self.end(transaction, commit).await;
                ended.map(|()| SqlAnswer::Done)
            }
        }
    }

    async fn begin(self: &Arc<Self>, connection: &str) -> Result<SqlAnswer, SqlFailure> {
        let kind = self.databases.find(connection, &self.tenant)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            let text = format!("an attempt has at most {TRANSACTIONS} transactions open");
            SqlFailure::Limit(text)
        })?;
        let (transaction, idle) = match kind {
            Kind::Postgres(it) => {
                let mut lease = it.lease().await?;
                lease.begin().await?;
                (Transaction::Postgres(lease), it.idle())
            }
            Kind::Sqlite(it) => {
                let held = it.begin().await?;
                let idle = it.idle();
                (Transaction::Sqlite(it, held), idle)
            }
        };
        let open = Arc::new(Open {
            transaction: tokio::sync::Mutex::new(Some(transaction)),
            used: Mutex::new(Instant::now()),
            idle,
            _place: place,
        });
        tokio::spawn(watch(Arc::downgrade(&open)));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, open);
        Ok(SqlAnswer::Begun(number))
    }

    async fn within(&self, number: u32, statement: Statement) -> Result<SqlRows, SqlFailure> {
        let open = self.lock().get(&number).cloned().ok_or_else(over)?;
        let mut place = open.transaction.lock().await;
        // Out of its place meanwhile: what is given up midway is rolled back.
        let transaction = place.take().ok_or_else(over)?;
        let (left, rows) = match transaction {
            Transaction::Postgres(mut lease) => {
                let rows = lease.query(&statement).await;
                let left = (!lease.is_lost()).then_some(Transaction::Postgres(lease));
                (left, rows)
            }
            Transaction::Sqlite(it, held) => match it.query(held, statement).await {
                Ok((held, rows)) => (Some(Transaction::Sqlite(it, held)), rows),
                Err(failure) => (None, Err(failure)),
            },
        };
        *place = left;
        open.touch();
        rows
    }

    async fn end(&self, number: u32, commit: bool) -> Result<(), SqlFailure> {
        let open = self.lock().remove(&number).ok_or_else(over)?;
        let transaction = open.transaction.lock().await.take().ok_or_else(over)?;
        match transaction {
            Transaction::Postgres(mut lease) => lease.end(commit).await,
            Transaction::Sqlite(it, held) => it.end(held, commit).await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over() -> SqlFailure {
    SqlFailure::Invalid("this transaction is over".into())
}

impl Open {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// How long it may still lie idle.
    fn left(&self) -> Duration {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.idle.saturating_sub(used.elapsed())
    }
}

/// Rolls a transaction back that lies idle for too long: others wait for its connection, and
/// for its locks.
async fn watch(open: std::sync::Weak<Open>) {
    loop {
        let Some(it) = open.upgrade() else { return };
        let mut left = it.left();
        if left.is_zero() {
            match it.transaction.try_lock() {
                Ok(mut transaction) => return drop(transaction.take()),
                // A statement is under way, which has a bound of its own.
                Err(_) => left = it.idle,
            }
        }
        drop(it);
        tokio::time::sleep(left).await;
    }
}
