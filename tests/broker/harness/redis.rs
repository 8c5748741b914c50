//! A Redis server of a test's own, spoken to by hand where a test must meddle.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lovage_queue::job::{JobId, Partition};
use lovage_queue::registry::Digest;
use tempfile::TempDir;

/// A shell holds the server, and ends it when its own stdin ends: so the server
/// goes with this process, however that ends.
const HOLD: &str = r#"redis-server "$@" & read _; kill $!; wait"#;

/// How long the server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a loopback port, without persistence.
pub(crate) struct Server {
    shell: Child,
    port: u16,
    dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        match Command::new("redis-server").arg("--version").output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("these tests need a Redis server: apt-get install redis-server")
            }
            version => assert!(version.unwrap().status.success(), "redis-server --version"),
        }
        // A port that is free now may be taken a moment later by another test:
        // then the server that answers is not ours.
        (0..10)
            .find_map(|_| Self::try_start())
            .expect("no Redis server could be started")
    }

    fn try_start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let shell = Command::new("sh")
            .args([
                "-c",
                HOLD,
                "sh",
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
            ])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { shell, port, dir };
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(answer) = server.try_call(&[b"CONFIG", b"GET", b"dir"]) {
                let dir = server.dir.path().to_string_lossy();
                return String::from_utf8_lossy(&answer)
                    .contains(&*dir)
                    .then_some(server);
            }
            // Nothing tells when a server listens but that it does.
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The first bytes of a command's answer.
    fn try_call(&self, command: &[&[u8]]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
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

    fn change(&self, command: &[&[u8]]) {
        let answer = self.try_call(command).unwrap();
        assert!(
            answer.starts_with(b"+OK"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }

    fn key(partition: Partition, tenant: &str, kind: &str, id: &[u8]) -> Vec<u8> {
        [
            format!("lovage:{{{}}}:{tenant}:{kind}:", partition.0).as_bytes(),
            id,
        ]
        .concat()
    }

    pub(crate) fn corrupt(&self, partition: Partition, tenant: &str, id: JobId, record: &[u8]) {
        self.change(&[
            b"SET",
            &Self::key(partition, tenant, "j", &id.0),
            record,
            b"XX",
        ]);
    }

    pub(crate) fn corrupt_module(&self, partition: Partition, tenant: &str, digest: Digest) {
        self.change(&[
            b"LSET",
            &Self::key(partition, tenant, "b", &digest.0),
            b"0",
            b"\0",
        ]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
