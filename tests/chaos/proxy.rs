//! A network of a test's own between clients and a Redis server. What it can do:
//! 1. cut all connections,
//! 2. stall them in one direction or both: what is on its way is delivered when
//!    the stall is over, also where the client has hung up meanwhile,
//! 3. swallow answers: a request reaches the server and is carried out, and the
//!    connection ends before the client hears of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::commands::{Command, Commands};
use crate::support::redis::ask;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// What is wrong with the network. Connections count up from 1.
#[derive(Clone, Copy, Default)]
struct Trouble {
    /// Connections below this number are cut.
    cut: u64,
    /// Those below these numbers are stalled, to the server and to the client.
    stalled: [u64; 2],
}

/// Listens on a port of its own for as long as it is there.
pub(super) struct Proxy {
    port: u16,
    line: Arc<Line>,
    trouble: Arc<watch::Sender<Trouble>>,
    listening: tokio::task::JoinHandle<()>,
}

/// What all of a proxy's connections share.
struct Line {
    server: u16,
    /// The number of the next connection.
    next: AtomicU64,
    thief: Option<Arc<Thief>>,
}

impl Proxy {
    pub(super) async fn start(server: u16, thief: Option<Arc<Thief>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line {
            server,
            next: AtomicU64::new(1),
            thief,
        });
        let trouble = Arc::new(watch::Sender::default());
        let listening = tokio::spawn(listen(listener, line.clone(), trouble.clone()));
        Proxy {
            port,
            line,
            trouble,
            listening,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, with whatever is on its way.
    pub(super) fn cut(&self) {
        let next = self.line.next.load(Ordering::SeqCst);
        self.trouble.send_modify(|it| it.cut = next);
    }

    /// Delivers nothing on these ways until [`flow`](Proxy::flow): on all
    /// connections, or on none that is made later.
    pub(super) fn stall(&self, ways: &[Way], new_ones_too: bool) {
        let next = self.line.next.load(Ordering::SeqCst);
        let below = if new_ones_too { u64::MAX } else { next };
        self.trouble.send_modify(|it| {
            ways.iter()
                .for_each(|way| it.stalled[*way as usize] = below)
        });
    }

    /// Delivers all that was held up.
    pub(super) fn flow(&self) {
        self.trouble.send_modify(|it| it.stalled = [0, 0]);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, line: Arc<Line>, trouble: Arc<watch::Sender<Trouble>>) {
    while let Ok((client, _)) = listener.accept().await {
        let connection = Connection {
            number: line.next.fetch_add(1, Ordering::SeqCst),
            line: line.clone(),
            trouble: trouble.subscribe(),
            robbed: AtomicBool::new(false),
        };
        tokio::spawn(async move { connection.run(client).await });
    }
}

/// One client's way to the server and back.
struct Connection {
    number: u64,
    line: Arc<Line>,
    trouble: watch::Receiver<Trouble>,
    /// Its client hears no more.
    robbed: AtomicBool,
}

impl Connection {
    async fn run(self, client: TcpStream) {
        // A server that is away is one that nobody answers for.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.line.server)).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut trouble = self.trouble.clone();
        let both = async {
            tokio::join!(
                self.carry(from_client, to_server, Way::ToServer),
                self.carry(from_server, to_client, Way::ToClient)
            )
        };
        tokio::select! {
            _ = both => {}
            _ = trouble.wait_for(|it| it.cut > self.number) => {}
        }
    }

    /// Carries bytes until one end is gone. An error is such an end.
    async fn carry(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        way: Way,
    ) -> std::io::Result<()> {
        let mut commands = Commands::default();
        let thief = self.line.thief.as_deref().filter(|_| way == Way::ToServer);
        loop {
            let (bytes, ended) = self.take(&mut from, way).await;
            match thief {
                Some(thief) => {
                    commands.feed(&bytes);
                    if self.watched(&mut commands, &mut to, thief).await? {
                        // The server carries out what it has, and then sees the end.
                        return to.shutdown().await;
                    }
                }
                None if self.robbed.load(Ordering::SeqCst) => {}
                None => to.write_all(&bytes).await?,
            }
            if ended {
                return to.shutdown().await;
            }
        }
    }

    /// The next bytes that this way delivers, and whether they are the last.
    /// While it is stalled they gather, as they do in buffers along the way.
    async fn take(&self, from: &mut OwnedReadHalf, way: Way) -> (Vec<u8>, bool) {
        let (mut taken, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
        let mut trouble = self.trouble.clone();
        let free = |it: &Trouble| it.stalled[way as usize] <= self.number;
        let mut ended = false;
        loop {
            tokio::select! {
                length = from.read(&mut buffer), if !ended => {
                    let length = length.unwrap_or(0);
                    taken.extend_from_slice(&buffer[..length]);
                    ended = length == 0;
                }
                _ = trouble.wait_for(free), if ended || !taken.is_empty() => {
                    return (taken, ended);
                }
            }
        }
    }

    /// Passes commands on; true when one was the last.
    async fn watched(
        &self,
        commands: &mut Commands,
        to: &mut OwnedWriteHalf,
        thief: &Thief,
    ) -> std::io::Result<bool> {
        while let Some(command) = commands.next() {
            let steal = thief.wants(&command, self.line.server);
            if steal {
                self.robbed.store(true, Ordering::SeqCst);
            }
            to.write_all(&command.bytes).await?;
            if steal {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Scripts whose answers are stolen, and their texts: each ends in its file.
const SCRIPTS: [(&str, &str); 3] = [
    (
        "claim",
        include_str!("../../runtime/queue/src/broker/redis/scripts/claim.lua"),
    ),
    (
        "settle",
        include_str!("../../runtime/queue/src/broker/redis/scripts/settle.lua"),
    ),
    (
        "enqueue",
        include_str!("../../runtime/queue/src/broker/redis/scripts/enqueue.lua"),
    ),
];
/// One in so many answers is stolen.
const ODDS: u32 = 12;

/// Chooses which answers never arrive.
pub(super) struct Thief {
    state: Mutex<Loot>,
}

struct Loot {
    random: StdRng,
    /// Which script a digest is, learned as clients load it.
    known: HashMap<Vec<u8>, usize>,
    /// Answers stolen of each script.
    stolen: [usize; SCRIPTS.len()],
    /// At most so many of each.
    most: usize,
}

impl Thief {
    pub(super) fn new(random: StdRng) -> Arc<Self> {
        let state = Mutex::new(Loot {
            random,
            known: HashMap::new(),
            stolen: [0; SCRIPTS.len()],
            most: 0,
        });
        Arc::new(Thief { state })
    }

    /// Allows it so many more of each script.
    pub(super) fn allow(&self, more: usize) {
        self.state().most += more;
    }

    /// How many answers it has stolen of each script.
    pub(super) fn stolen(&self) -> [(&'static str, usize); SCRIPTS.len()] {
        let stolen = self.state().stolen;
        std::array::from_fn(|at| (SCRIPTS[at].0, stolen[at]))
    }

    /// Whether it has all that it may.
    pub(super) fn is_content(&self) -> bool {
        let state = self.state();
        state.stolen.iter().all(|it| *it >= state.most)
    }

    fn wants(&self, command: &Command, server: u16) -> bool {
        let mut state = self.state();
        if command.word(0) == b"SCRIPT" {
            let text = command.word(2);
            // The file is the last part of the function that a script ends with.
            let body = text.strip_suffix(b"\nend)()").unwrap_or(text);
            let script = SCRIPTS
                .iter()
                .position(|(_, file)| body.ends_with(file.as_bytes()));
            if let Some(script) = script {
                // The server itself says what it calls that text.
                let digest = ask(server, &[b"SCRIPT", b"LOAD", text]);
                let digest = digest.lines().nth(1).expect("a digest").as_bytes();
                state.known.insert(digest.to_vec(), script);
            }
            return false;
        }
        let Some(script) = state.known.get(command.word(1)).copied() else {
            return false;
        };
        let steal = state.stolen[script] < state.most && state.random.random_ratio(1, ODDS);
        state.stolen[script] += usize::from(steal);
        steal
    }

    fn state(&self) -> MutexGuard<'_, Loot> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
