//! Connections to a Postgres server.

mod stream;
mod types;
mod words;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{TryFutureExt, TryStreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::tls::TlsStream;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Connection, Error, NoTls, SimpleQueryMessage};

use self::stream::{Handshake, Measure, Measured};
use self::types::{Cell, Parameter, is_known};
use super::AWAY;
use super::pool::{Pool, Slot};
use super::settings::{Server, Settings, Tls};
use super::value::{
    Bounds, Gathered, SqlFailure, SqlRows, SqlValue, Statement, cut, too_long, too_many_bytes,
};

/// How long a connection may take to come about, be tried, be tidied up or be given up.
const HANDLING: Duration = Duration::from_secs(10);
/// How long after the server should have stopped a statement it is stopped from here.
const GRACE: Duration = Duration::from_secs(1);
/// A connection that was idle for longer is tried before it is used.
const FRESH: Duration = Duration::from_secs(1);
/// Bytes that a message may have beside the values of a row.
const OVERHEAD: usize = 64 * 1024;

/// What `DISCARD ALL` does, but for the prepared statements: the driver has some of its own,
/// and a session in which a task made others is not used again.
const TIDY_UP: &str = "ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; \
    UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; \
    DISCARD SEQUENCES; \
    SELECT 'left' FROM pg_catalog.pg_prepared_statements WHERE from_sql";

/// A server, as one user, and the connections to it.
pub(super) struct Postgres {
    name: String,
    host: String,
    port: u16,
    config: Config,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    bounds: Bounds,
    read_only: bool,
    pool: Pool<Link>,
    threads: Handle,
}

/// One connection.
struct Link {
    client: Client,
    /// Ends with it.
    ends: JoinHandle<()>,
    /// Whether a message was too long for us: it ended the connection.
    passed: Arc<AtomicBool>,
}

/// A connection in use, with its slot. When it is dropped it is tidied up for the next one;
/// where a statement is under way, that is cancelled and the connection closed.
pub(super) struct Lease {
    database: Arc<Postgres>,
    held: Option<(Link, Slot<Link>)>,
    /// A statement is under way, or the connection is of no more use.
    busy: bool,
}

/// What became of a statement.
enum Failed {
    /// It is refused, and the connection is as good as ever.
    Clean(SqlFailure),
    /// The connection is of no more use.
    Broken(SqlFailure),
}

impl Postgres {
    pub(super) fn new(name: &str, server: &Server, it: &Settings, threads: Handle) -> Arc<Self> {
        let mut config = Config::new();
        config.user(&server.user).dbname(&server.database);
        config.application_name("lovage");
        if let Some(password) = &it.password {
            config.password(&password.0);
        }
        let ms = it.bounds.time.as_millis().max(1);
        config.options(format!("-c statement_timeout={ms}"));
        config.ssl_mode(match server.tls {
            Tls::Disable => SslMode::Disable,
            Tls::Require | Tls::VerifyFull => SslMode::Require,
        });
        let verified = server.tls == Tls::VerifyFull;
        let tls = (server.tls != Tls::Disable).then(|| {
            let config = stream::config(verified, &it.trusted).ok()?;
            let name = ServerName::try_from(server.host.clone()).ok()?;
            Some((Arc::new(config), name))
        });
        Arc::new(Postgres {
            name: name.to_owned(),
            host: server.host.clone(),
            port: server.port,
            config,
            tls: tls.flatten(),
            bounds: it.bounds.clone(),
            read_only: it.read_only,
            pool: Pool::new(it.pool, it.idle, threads.clone()),
            threads,
        })
    }

    /// Waits in line for a connection.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, SqlFailure> {
        let Some(slot) = self.pool.slot(self.bounds.time).await else {
            let text = format!("all connections of `{}` are taken", self.name);
            return Err(SqlFailure::Unavailable(text));
        };
        while let Some((link, idle)) = slot.idle() {
            if link.works(idle).await {
                return Ok(self.leased(link, slot));
            }
        }
        let link = match tokio::time::timeout(HANDLING, self.connect()).await {
            Ok(Ok(link)) => link,
            Ok(Err(e)) => return Err(self.away(&chain(&e))),
            Err(_) => return Err(self.away("there was no connection in time")),
        };
        Ok(self.leased(link, slot))
    }

    /// How long a transaction may lie idle.
    pub(super) fn idle(&self) -> Duration {
        self.bounds.time
    }

    fn leased(self: &Arc<Self>, link: Link, slot: Slot<Link>) -> Lease {
        Lease {
            database: self.clone(),
            held: Some((link, slot)),
            busy: false,
        }
    }

    /// The operator is told why, and the task is not: the reason may name hosts and users.
    fn away(&self, why: &str) -> SqlFailure {
        tracing::warn!(connection = self.name, why, "cannot reach a database");
        SqlFailure::Unavailable(AWAY.into())
    }

    async fn connect(&self) -> Result<Link, ConnectError> {
        let measure = Measure {
            most: self.bounds.bytes.saturating_add(OVERHEAD),
            passed: Arc::default(),
        };
        let stream = self.dial().await?;
        match self.handshake(measure.clone()) {
            Some(handshake) => {
                let connected = self.config.connect_raw(stream, handshake).await?;
                Ok(Link::over(connected, measure))
            }
            None => {
                let stream = Measured::new(stream, measure.clone());
                let connected = self.config.connect_raw(stream, NoTls).await?;
                Ok(Link::over(connected, measure))
            }
        }
    }

    async fn dial(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn handshake(&self, measure: Measure) -> Option<Handshake> {
        let (config, name) = self.tls.clone()?;
        Some(Handshake {
            config,
            name,
            measure,
        })
    }

    /// Has the server stop what it does for a connection, and closes that.
    async fn give_up(&self, link: Link) {
        let (cancel, measure) = (link.client.cancel_token(), Measure::none());
        let cancelled = async {
            let stream = self.dial().await?;
            match self.handshake(measure) {
                Some(handshake) => cancel.cancel_query_raw(stream, handshake).await,
                None => cancel.cancel_query_raw(stream, NoTls).await,
            }?;
            Ok::<_, ConnectError>(())
        };
        if !link.client.is_closed() || link.has_passed() {
            match tokio::time::timeout(HANDLING, cancelled).await {
                Ok(Ok(())) => {}
                _ => tracing::warn!(connection = self.name, "could not cancel a statement"),
            }
        }
        drop(link.client);
        let _ = tokio::time::timeout(HANDLING, link.ends).await;
    }

    fn failed(&self, e: &Error, since: Instant, link: &Link) -> Failed {
        let Some(said) = e.as_db_error() else {
            if link.has_passed() {
                return Failed::Broken(too_many_bytes(&self.bounds));
            }
            let why = chain(e);
            tracing::warn!(
                connection = self.name,
                why,
                "a connection to a database broke"
            );
            let text = "the connection broke: what was asked may have been carried out";
            return Failed::Broken(SqlFailure::Unavailable(text.into()));
        };
        match said.code().code() {
            // Somebody else may have cancelled it.
            "57014" if since.elapsed() >= self.bounds.time => Failed::Clean(too_long(&self.bounds)),
            _ if is_end(said) => {
                let text = "the database ended the connection";
                Failed::Broken(SqlFailure::Unavailable(text.into()))
            }
            // A task has dropped the driver's own prepared statements.
            "26000" => Failed::Broken(database(said)),
            _ => Failed::Clean(database(said)),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("{0}")]
    Dial(#[from] std::io::Error),
    #[error(transparent)]
    Server(#[from] Error),
}

fn chain(e: &dyn std::error::Error) -> String {
    let mut texts = vec![e.to_string()];
    let mut cause = e.source();
    while let Some(e) = cause {
        texts.push(e.to_string());
        cause = e.source();
    }
    texts.join(": ")
}

/// Whether the server has closed the connection with this.
fn is_end(said: &DbError) -> bool {
    let severity = said.parsed_severity();
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
}

fn database(said: &DbError) -> SqlFailure {
    let code = said.code().code();
    // Conflicts of transactions, a server that is full, a lock that was not waited for, and
    // what was cancelled or prepared by somebody else.
    let retry = ["40", "53", "55P03", "57014", "26000"];
    SqlFailure::Database {
        code: code.to_owned(),
        message: cut(said.message()),
        retry: retry.iter().any(|it| code.starts_with(it)),
    }
}

impl Measure {
    /// Of what answers nothing.
    fn none() -> Self {
        Measure {
            most: OVERHEAD,
            passed: Arc::default(),
        }
    }
}

impl Link {
    fn over<S, T>((client, connection): (Client, Connection<S, T>), measure: Measure) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: TlsStream + Unpin + Send + 'static,
    {
        // Who asks next is told how it ended.
        let ends = tokio::spawn(async move { drop(connection.await) });
        Link {
            client,
            ends,
            passed: measure.passed,
        }
    }

    fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Acquire)
    }

    /// Whether it still leads anywhere.
    async fn works(&self, idle: Duration) -> bool {
        if self.client.is_closed() || idle < FRESH {
            return !self.client.is_closed();
        }
        let tried = tokio::time::timeout(HANDLING, self.client.check_connection()).await;
        matches!(tried, Ok(Ok(())))
    }

    /// Leaves nothing of its session; whether that can be said.
    async fn tidy_up(&self) -> bool {
        let tidied = self.client.simple_query(TIDY_UP);
        match tokio::time::timeout(HANDLING, tidied).await {
            Ok(Ok(said)) => {
                let left = |it: &SimpleQueryMessage| matches!(it, SimpleQueryMessage::Row(row) if row.get(0) == Some("left"));
                !said.iter().any(left)
            }
            _ => false,
        }
    }

    async fn query(&self, statement: &Statement, by: &Postgres) -> Result<SqlRows, Failed> {
        let since = Instant::now();
        let failed = |e: Error| by.failed(&e, since, self);
        let invalid = |text: String| Failed::Clean(SqlFailure::Invalid(text));
        let prepared = self.client.prepare(&statement.text).await;
        let prepared = prepared.map_err(failed)?;
        let parameters: Vec<Parameter<'_>> = statement.parameters.iter().map(Parameter).collect();
        let (wanted, given) = (prepared.params().len(), parameters.len());
        if wanted != given {
            let text = format!("the statement has {wanted} placeholders, and {given} parameters");
            return Err(invalid(text));
        }
        let typed = parameters.iter().zip(prepared.params());
        if let Some((at, (_, ty))) = (1..).zip(typed).find(|(_, (it, ty))| !it.fits(ty)) {
            let text = format!("parameter {at} is a blob, and has to be of the type `{ty}`");
            return Err(invalid(text));
        }
        if let Some(column) = prepared.columns().iter().find(|it| !is_known(it.type_())) {
            let (name, ty) = (cut(column.name()), column.type_());
            let text = format!("column `{name}` is of the type `{ty}`: cast it to text");
            return Err(invalid(text));
        }
        let parameters = parameters.iter().map(|it| it as &(dyn ToSql + Sync));
        let found = self.client.query_raw(&prepared, parameters).await;
        let mut found = std::pin::pin!(found.map_err(failed)?);
        let mut gathered = Gathered::new(&by.bounds);
        while let Some(row) = found.try_next().await.map_err(failed)? {
            let cells = (0..row.len()).map(|at| row.try_get::<_, Cell>(at).map(|it| it.0));
            let cells: Vec<SqlValue> = cells.collect::<Result<_, _>>().map_err(|e| {
                let why = e.source().map(ToString::to_string).unwrap_or_default();
                Failed::Broken(SqlFailure::Invalid(format!("a row cannot be read: {why}")))
            })?;
            // The server has more of them under way.
            gathered.push(cells).map_err(Failed::Broken)?;
        }
        Ok(SqlRows {
            columns: prepared
                .columns()
                .iter()
                .map(|it| it.name().into())
                .collect(),
            rows: gathered.rows(),
            affected: found.rows_affected().unwrap_or(0),
        })
    }
}

impl Lease {
    /// Whether the connection is of no more use.
    pub(super) fn is_lost(&self) -> bool {
        self.busy
    }

    /// A statement by itself.
    pub(super) async fn query_alone(
        mut self,
        statement: &Statement,
    ) -> Result<SqlRows, SqlFailure> {
        if !self.database.read_only {
            return self.query(statement).await;
        }
        self.begin().await?;
        let rows = self.query(statement).await?;
        self.end(true).await?;
        Ok(rows)
    }

    pub(super) async fn query(&mut self, statement: &Statement) -> Result<SqlRows, SqlFailure> {
        if let Some(why) = words::refused(&statement.text) {
            return Err(SqlFailure::Invalid(why));
        }
        let (by, link) = self.take_up()?;
        let queried = link.query(statement, &by);
        let done = tokio::time::timeout(by.bounds.time + GRACE, queried).await;
        self.settle(done)
    }

    /// Begins a transaction. One that changes nothing is begun with a snapshot: after that
    /// no statement makes it one that does.
    pub(super) async fn begin(&mut self) -> Result<(), SqlFailure> {
        let begin = match self.database.read_only {
            true => "BEGIN READ ONLY; SELECT 1",
            false => "BEGIN",
        };
        self.said(begin).await
    }

    /// Ends it.
    pub(super) async fn end(&mut self, commit: bool) -> Result<(), SqlFailure> {
        match commit {
            // Of one that has failed, `COMMIT` is a rollback, and says nothing of it.
            true => self.said("SELECT 1; COMMIT").await,
            false => self.said("ROLLBACK").await,
        }
    }

    async fn said(&mut self, words: &str) -> Result<(), SqlFailure> {
        let (by, link) = self.take_up()?;
        let since = Instant::now();
        let said = link.client.batch_execute(words);
        let said = said.map_err(|e| by.failed(&e, since, link));
        let done = tokio::time::timeout(by.bounds.time + GRACE, said).await;
        self.settle(done)
    }

    /// The connection, which counts as lost until what is done with it is settled.
    fn take_up(&mut self) -> Result<(Arc<Postgres>, &Link), SqlFailure> {
        match &self.held {
            Some((link, _)) if !self.busy => {
                self.busy = true;
                Ok((self.database.clone(), link))
            }
            _ => Err(SqlFailure::Unavailable(AWAY.into())),
        }
    }

    fn settle<T>(&mut self, done: Result<Result<T, Failed>, Elapsed>) -> Result<T, SqlFailure> {
        let done = done.map_err(|_| too_long(&self.database.bounds))?;
        self.busy = matches!(done, Err(Failed::Broken(_)));
        done.map_err(|(Failed::Clean(it) | Failed::Broken(it))| it)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((link, slot)) = self.held.take() else {
            return;
        };
        let (database, busy) = (self.database.clone(), self.busy);
        // The slot goes last: so there are never more connections than there may be.
        let threads = database.threads.clone();
        threads.spawn(async move {
            if !busy && link.tidy_up().await {
                slot.bring_back(link);
            } else {
                database.give_up(link).await;
                drop(slot);
            }
        });
    }
}
