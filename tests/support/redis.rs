//! A Redis server of a test's own, spoken to by hand where a test must meddle.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use lovage_queue::job::{JobId, Partition};
use tempfile::TempDir;

use super::process::Process;

/// How long the server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a loopback port.
pub(crate) struct Server {
    process: Option<Process>,
    port: u16,
    dir: TempDir,
    keeps: &'static str,
}

impl Server {
    /// One that keeps nothing.
    pub(crate) fn start() -> Self {
        Self::keeping("no")
    }

    /// One that has on disk whatever it has acknowledged.
    pub(crate) fn durable() -> Self {
        Self::keeping("yes")
    }

    fn keeping(keeps: &'static str) -> Self {
        match Command::new("redis-server").arg("--version").output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("these tests need a Redis server: apt-get install redis-server")
            }
            version => assert!(version.unwrap().status.success(), "redis-server --version"),
        }
        // A port that is free now may be taken a moment later by another test:
        // then the server that answers is not ours.
        (0..10)
            .find_map(|_| {
                let mut server = Server {
                    process: None,
                    port: free_port(),
                    dir: tempfile::tempdir().unwrap(),
                    keeps,
                };
                server.try_start().then_some(server)
            })
            .expect("no Redis server could be started")
    }

    fn try_start(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", self.keeps])
            .args(["--appendfsync", "always"])
            .arg("--dir")
            .arg(self.dir.path());
        let log = self.dir.path().join("redis.log");
        let process = self.process.insert(Process::start(&command, &log));
        let since = Instant::now();
        let dir = self.dir.path().to_string_lossy();
        while since.elapsed() < PATIENCE {
            match call(self.port, &[b"CONFIG", b"GET", b"dir"]) {
                Some(answer) if answer.starts_with(b"-LOADING") => {}
                Some(answer) => return String::from_utf8_lossy(&answer).contains(&*dir),
                None if !process.is_alive() => return false,
                None => {}
            }
            // Nothing tells when a server listens but that it does.
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        self.process.as_ref().expect("it runs").signal(name);
    }

    /// Starts it again where it was, with what it had.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        let since = Instant::now();
        while !self.try_start() {
            assert!(since.elapsed() < PATIENCE, "Redis does not come back");
        }
    }

    /// Does something that a broker would not. It must succeed.
    pub(crate) fn meddle(&self, command: &[&[u8]]) {
        let answer = call(self.port, command).unwrap();
        let said = String::from_utf8_lossy(&answer);
        assert!(said.starts_with("+OK"), "{said}");
    }

    /// What cuts the connections of all who listen for signals.
    pub(crate) fn listeners_killer(&self) -> impl Fn() + use<> {
        let port = self.port;
        move || {
            let killed = call(port, &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]).unwrap();
            assert!(killed.starts_with(b":") && !killed.starts_with(b":0"));
        }
    }

    /// Overwrites a job's record.
    pub(crate) fn corrupt(&self, partition: Partition, tenant: &str, id: JobId, record: &[u8]) {
        self.meddle(&[b"SET", &key(partition, tenant, "j", &id.0), record, b"XX"]);
    }
}

/// A key as the brokers' scripts spell it.
pub(crate) fn key(partition: Partition, tenant: &str, kind: &str, id: &[u8]) -> Vec<u8> {
    let start = format!("lovage:{{{}}}:{tenant}:{kind}:", partition.0);
    [start.as_bytes(), id].concat()
}

/// A port that nobody listens on, below those that the system gives to clients:
/// so nobody's client takes it while the server is away.
pub(crate) fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..1000)
        .map(|_| rand::random_range(10_000..32_000))
        .find(free)
        .expect("a free port")
}

/// What a server answers to a command: the first bytes of it. It must be there.
pub(crate) fn ask(port: u16, command: &[&[u8]]) -> String {
    let answer = call(port, command).expect("the server answers");
    let said = String::from_utf8_lossy(&answer).into_owned();
    assert!(!said.starts_with('-'), "{said}");
    said
}

/// The first bytes of a command's answer.
fn call(port: u16, command: &[&[u8]]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend(format!("${}\r\n", part.len()).bytes());
        bytes.extend_from_slice(part);
        bytes.extend(b"\r\n");
    }
    stream.write_all(&bytes).ok()?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).ok()?;
    answer.truncate(length);
    Some(answer)
}
