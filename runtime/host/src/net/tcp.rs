//! Connections by TCP: what an attempt asks for as messages, and who holds what it has open.
//!
//! A name is looked up here, where each address is judged; what a task connects to is an
//! address, and only one that a granted name led to, or that was granted itself. So a
//! second lookup by whomever, with another answer, leads nowhere.

use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lovage_queue::grant::Grants;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::dial::{CONNECT, Dialer};
use super::names::Unreachable;

/// Bytes that are sent or received at a time.
pub const CHUNK: usize = 64 * 1024;
/// The longest name of a host, in bytes (RFC 1035).
pub const NAME: usize = 253;
/// Addresses that are told of one name.
const ADDRESSES: usize = 16;
/// Names that an attempt may look up, and connections that it may begin, one after the
/// other.
pub const BEGUN: u32 = 1_000;

/// What an attempt's connections are held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpBounds {
    /// How many it may have open at a time.
    pub connections: u32,
    /// Bytes that it may send and receive over all of them.
    pub bytes: u64,
}

impl Default for TcpBounds {
    fn default() -> Self {
        TcpBounds {
            connections: 16,
            bytes: 256 << 20,
        }
    }
}

/// What an attempt asks for. A connection has a number, which the answer to
/// [`Connect`](TcpCall::Connect) gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpCall {
    /// The addresses of a name; answered with [`TcpAnswer::Addresses`].
    LookUp(String),
    /// A connection; answered with [`TcpAnswer::Connected`].
    Connect(SocketAddr),
    /// At most [`CHUNK`] bytes; answered with [`TcpAnswer::Done`] once they are with the
    /// system.
    Send(u32, ByteBuf),
    /// At most so many bytes, and no more than [`CHUNK`]; answered with
    /// [`TcpAnswer::Received`].
    Receive(u32, usize),
    /// Nothing more is sent; answered with [`TcpAnswer::Done`].
    Finish(u32),
    /// The end of it; answered with [`TcpAnswer::Done`].
    Close(u32),
}

impl TcpCall {
    /// Whether it is as small as any that an engine sends.
    pub fn fits(&self) -> bool {
        match self {
            TcpCall::LookUp(name) => name.len() <= NAME,
            TcpCall::Send(_, bytes) => bytes.len() <= CHUNK,
            TcpCall::Receive(_, most) => *most <= CHUNK,
            TcpCall::Connect(_) | TcpCall::Finish(_) | TcpCall::Close(_) => true,
        }
    }
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpAnswer {
    /// Those that a connection may lead to, at least one.
    Addresses(Vec<IpAddr>),
    /// The connection's number, and its address here.
    Connected(u32, SocketAddr),
    /// What came; nothing where nothing more comes.
    Received(ByteBuf),
    /// It is done.
    Done,
}

/// Why it was not done. The texts reach the task's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpFailure {
    /// The module was not granted this.
    #[error("{0}")]
    Denied(String),
    /// Where it leads is not allowed.
    #[error("{0}")]
    Prohibited(String),
    /// The name is not known.
    #[error("{0}")]
    Unknown(String),
    /// More than the attempt may have.
    #[error("an attempt may {0}")]
    Limit(String),
    /// Nobody takes the connection.
    #[error("no connection to {0}: it is refused")]
    Refused(SocketAddr),
    /// Nobody answers.
    #[error("no connection to {0} within {CONNECT:?}")]
    Timeout(SocketAddr),
    /// The way there is broken.
    #[error("no connection to {0}: it cannot be reached")]
    Unreachable(SocketAddr),
    /// The other end broke it off.
    #[error("the connection was reset")]
    Reset,
    /// There is no such connection, or it was closed.
    #[error("there is no such connection")]
    Closed,
}

/// One that is open. Either direction has its own lock, so that one may wait while the
/// other goes on.
struct Connection {
    read: tokio::sync::Mutex<OwnedReadHalf>,
    write: tokio::sync::Mutex<OwnedWriteHalf>,
}

/// The connections of one attempt. Whatever asks may have been taken over by a module: so
/// all is judged here, whoever has judged it before. They are closed when it is dropped.
pub struct Connections {
    dialer: Arc<Dialer>,
    /// Where sockets are: the threads of guests know none.
    threads: Handle,
    grants: Arc<Grants>,
    bounds: TcpBounds,
    /// The granted names that led to an address.
    names: Mutex<HashMap<IpAddr, BTreeSet<String>>>,
    open: Mutex<HashMap<u32, Arc<Connection>>>,
    /// Those that are open, and those that are on their way there.
    taken: AtomicU32,
    begun: AtomicU32,
    moved: AtomicU64,
}

impl Connections {
    /// Those of an attempt; none yet.
    pub fn new(
        dialer: Arc<Dialer>,
        threads: Handle,
        grants: Arc<Grants>,
        bounds: TcpBounds,
    ) -> Self {
        Connections {
            dialer,
            threads,
            grants,
            bounds,
            names: Mutex::default(),
            open: Mutex::default(),
            taken: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            moved: AtomicU64::new(0),
        }
    }

    /// Does what is asked for.
    ///
    /// # Errors
    /// See [`TcpFailure`].
    pub async fn call(&self, call: TcpCall) -> Result<TcpAnswer, TcpFailure> {
        match call {
            TcpCall::LookUp(name) => self.look_up(&name).await,
            TcpCall::Connect(to) => self.connect(to).await,
            TcpCall::Send(number, bytes) => self.send(number, &bytes).await,
            TcpCall::Receive(number, most) => self.receive(number, most).await,
            TcpCall::Finish(number) => {
                let connection = self.of(number)?;
                let ended = connection.write.lock().await.shutdown().await;
                ended.map(|()| TcpAnswer::Done).map_err(broken)
            }
            TcpCall::Close(number) => {
                if self.open().remove(&number).is_some() {
                    self.taken.fetch_sub(1, Ordering::Relaxed);
                }
                Ok(TcpAnswer::Done)
            }
        }
    }

    async fn look_up(&self, name: &str) -> Result<TcpAnswer, TcpFailure> {
        let Some(to) = self.grants.tcp_host(name) else {
            return Err(ungranted(&format!("{name}:PORT")));
        };
        self.begin()?;
        let judge = self.dialer.judge(to.private);
        let name = name.to_owned();
        let found = self.elsewhere(async move {
            let found = judge.addresses(&name).await;
            found.map(|it| (name, it)).map_err(|e| match e {
                Unreachable::Prohibited(e) => TcpFailure::Prohibited(e.to_string()),
                Unreachable::Unknown(e) => TcpFailure::Unknown(e.to_string()),
            })
        });
        let (name, mut found) = found.await?;
        found.truncate(ADDRESSES);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for address in &found {
            let names = names.entry(address.to_canonical()).or_default();
            names.insert(name.clone());
        }
        Ok(TcpAnswer::Addresses(found))
    }

    async fn connect(&self, to: SocketAddr) -> Result<TcpAnswer, TcpFailure> {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let private = self.judged(to)?;
        let judge = self.dialer.judge(private);
        let allowed = judge.check(to.ip());
        allowed.map_err(|e| TcpFailure::Prohibited(e.to_string()))?;
        let number = self.begin()?;
        let most = self.bounds.connections;
        let place = Place::take(&self.taken, most)?;
        let stream = self.elsewhere(async move {
            match tokio::time::timeout(CONNECT, TcpStream::connect(to)).await {
                Ok(connected) => connected.map_err(|e| unconnected(&e, to)),
                Err(_) => Err(TcpFailure::Timeout(to)),
            }
        });
        let stream = stream.await?;
        // Whoever writes little by little knows what it wants.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().map_err(broken)?;
        let (read, write) = stream.into_split();
        let connection = Arc::new(Connection {
            read: tokio::sync::Mutex::new(read),
            write: tokio::sync::Mutex::new(write),
        });
        self.open().insert(number, connection);
        place.keep();
        Ok(TcpAnswer::Connected(number, local))
    }

    /// Whether a connection may lead there, and if so, to a private address.
    fn judged(&self, to: SocketAddr) -> Result<bool, TcpFailure> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let names = names.get(&to.ip()).cloned().unwrap_or_default();
        let literal = to.ip().to_string();
        let hosts = names.iter().chain([&literal]);
        let granted = hosts.filter_map(|host| self.grants.tcp(host, to.port()));
        let private = granted.map(|it| it.private).reduce(|a, b| a || b);
        private.ok_or_else(|| {
            let host = names.first().unwrap_or(&literal);
            match host.contains(':') {
                true => ungranted(&format!("[{host}]:{}", to.port())),
                false => ungranted(&format!("{host}:{}", to.port())),
            }
        })
    }

    async fn send(&self, number: u32, bytes: &[u8]) -> Result<TcpAnswer, TcpFailure> {
        let connection = self.of(number)?;
        self.moves(bytes.len())?;
        let sent = connection.write.lock().await.write_all(bytes).await;
        sent.map(|()| TcpAnswer::Done).map_err(broken)
    }

    async fn receive(&self, number: u32, most: usize) -> Result<TcpAnswer, TcpFailure> {
        let connection = self.of(number)?;
        let mut bytes = vec![0; most.min(CHUNK)];
        let received = connection.read.lock().await.read(&mut bytes).await;
        let received = received.map_err(broken)?;
        self.moves(received)?;
        bytes.truncate(received);
        bytes.shrink_to_fit();
        Ok(TcpAnswer::Received(ByteBuf::from(bytes)))
    }

    /// Does something on the threads that know sockets, and gives it up when nobody waits
    /// for it any more.
    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, TcpFailure>> + Send + 'static,
    ) -> Result<T, TcpFailure> {
        let mut working = JoinSet::new();
        working.spawn_on(work, &self.threads);
        match working.join_next().await {
            Some(Ok(done)) => done,
            // The worker ends.
            _ => Err(TcpFailure::Closed),
        }
    }

    fn of(&self, number: u32) -> Result<Arc<Connection>, TcpFailure> {
        let connection = self.open().get(&number).cloned();
        connection.ok_or(TcpFailure::Closed)
    }

    /// Counts what is begun; its number.
    fn begin(&self) -> Result<u32, TcpFailure> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        match number < BEGUN {
            true => Ok(number),
            false => {
                // Far from where it would begin anew.
                self.begun.store(BEGUN, Ordering::Relaxed);
                let text = format!("look up and connect {BEGUN} times in all");
                Err(TcpFailure::Limit(text))
            }
        }
    }

    fn moves(&self, bytes: usize) -> Result<(), TcpFailure> {
        let most = self.bounds.bytes;
        let before = self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        match before.saturating_add(bytes as u64) > most {
            true => Err(TcpFailure::Limit(format!(
                "send and receive {most} bytes over all its connections"
            ))),
            false => Ok(()),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u32, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one connection, given back where none comes of it.
struct Place<'a>(Option<&'a AtomicU32>);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicU32, most: u32) -> Result<Self, TcpFailure> {
        let place = Place(Some(taken));
        match taken.fetch_add(1, Ordering::Relaxed) < most {
            true => Ok(place),
            false => Err(TcpFailure::Limit(format!(
                "have {most} connections at a time"
            ))),
        }
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.0 {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn ungranted(what: &str) -> TcpFailure {
    let what: String = what.chars().take(300).collect();
    TcpFailure::Denied(format!("the module was not granted `tcp {what}`"))
}

fn unconnected(e: &std::io::Error, to: SocketAddr) -> TcpFailure {
    match e.kind() {
        ErrorKind::ConnectionRefused => TcpFailure::Refused(to),
        ErrorKind::TimedOut => TcpFailure::Timeout(to),
        _ => TcpFailure::Unreachable(to),
    }
}

fn broken(_: std::io::Error) -> TcpFailure {
    // Of whatever kind: there is nothing that a task could do about it but connect again.
    TcpFailure::Reset
}
