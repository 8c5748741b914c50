//! A Postgres server of a test's own, which speaks TLS by papers of its own.

use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use super::process::Process;
use super::redis::free_port;
use super::site::text;
use super::{PATIENCE, until};

/// Where Debian has them: they are not in its path.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Whoever it is, the server does not run as root.
const NOBODY: u32 = 65534;
/// What opens it. It must be seen nowhere.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";

/// A server on a loopback port, with a certificate of `localhost`.
pub(crate) struct Postgres {
    process: Option<Process>,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path());
        let mut server = Postgres {
            process: None,
            port: free_port(),
            dir,
        };
        let (data, password) = (server.data(), server.at("password"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(&password, PASSWORD).unwrap();
        for path in [&data, &password, &server.dir.path().to_owned()] {
            give_away(path);
        }
        let made = server
            .program("initdb")
            .args(["--no-sync", "--username=app", "--auth=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C", "--pwfile", text(&password)])
            .args(["-D", text(&data)])
            .output();
        let made = match made {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                panic!("these tests need Postgres: apt-get install postgresql")
            }
            made => made.unwrap(),
        };
        assert!(made.status.success(), "{made:?}");
        papers(server.dir.path());
        // A port that is free now may be taken a moment later by another test.
        for _ in 0..10 {
            if server.try_start().await {
                return server;
            }
            server.port = free_port();
        }
        panic!("no Postgres server could be started: {}", server.log());
    }

    /// What it said last.
    fn log(&self) -> String {
        std::fs::read_to_string(self.at("postgres.log")).unwrap_or_default()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.at("data")
    }

    /// The authority that its certificate is of.
    pub(crate) fn ca(&self) -> PathBuf {
        self.at("ca.pem")
    }

    /// A program of Postgres', as somebody who is not root.
    fn program(&self, name: &str) -> Command {
        let path = Path::new(PROGRAMS).join(name);
        if !rustix::process::getuid().is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        let id = NOBODY.to_string();
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .arg(path)
            .current_dir(self.dir.path());
        command
    }

    /// Starts it where it was, with what it had.
    pub(crate) async fn go_on(&mut self) {
        assert!(self.try_start().await, "{}", self.log());
    }

    /// Starts it, and tells whether it is the one that answers.
    async fn try_start(&mut self) -> bool {
        let mut command = self.program("postgres");
        command.args(["-D", text(&self.data()), "-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=16MB",
            "dynamic_shared_memory_type=mmap",
            "ssl=on",
            &format!("ssl_cert_file={}", text(&self.at("chain.pem"))),
            &format!("ssl_key_file={}", text(&self.at("key.pem"))),
        ] {
            command.args(["-c", setting]);
        }
        let log = self.at("postgres.log");
        let (config, data) = (self.config(), self.data());
        let process = self.process.insert(Process::start(&command, &log));
        let since = Instant::now();
        while since.elapsed() < PATIENCE && process.is_alive() {
            if let Ok((client, connection)) = config.connect(NoTls).await {
                tokio::spawn(connection);
                let asked = client.query_one("show data_directory", &[]).await;
                return asked.is_ok_and(|it| it.get::<_, String>(0) == text(&data));
            }
            // Nothing tells when a server listens but that it does.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("app");
        config.password(PASSWORD).dbname("postgres");
        config.application_name("test");
        config
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.signal("QUIT");
        let since = Instant::now();
        // Nobody tells when it has left its memory but that it is gone.
        while process.is_alive() && since.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a configuration says of it; `host` is `localhost` or its address.
    pub(crate) fn url(&self, host: &str, sslmode: &str) -> String {
        let port = self.port;
        format!("postgres://app@{host}:{port}/postgres?sslmode={sslmode}")
    }

    /// A connection beside those of tasks, once there is one.
    pub(crate) async fn client(&self) -> Client {
        let config = self.config();
        let connected = until("Postgres takes connections", || async {
            config.connect(NoTls).await.ok()
        });
        let (client, connection) = connected.await;
        tokio::spawn(connection);
        client
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn give_away(path: &Path) {
    if rustix::process::getuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Runs `openssl`, which is part of the base system.
fn openssl(args: &[&str]) {
    let done = Command::new("openssl").args(args).output();
    let done = done.expect("this test needs `openssl`: apt-get install openssl");
    assert!(done.status.success(), "{args:?}: {done:?}");
}

/// An authority, a certificate of `localhost` that it has signed, and that one's key.
fn papers(folder: &Path) {
    let at = |name: &str| text(&folder.join(name)).to_owned();
    let (ca, ca_key, chain, key) = (at("ca.pem"), at("ca.key"), at("chain.pem"), at("key.pem"));
    let new = ["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"];
    let curve = ["-pkeyopt", "ec_paramgen_curve:P-256"];
    let own = [
        "-subj",
        "/CN=test authority",
        "-keyout",
        &ca_key,
        "-out",
        &ca,
    ];
    openssl(&[&new[..], &curve, &own].concat());
    let signed = ["-subj", "/CN=localhost", "-keyout", &key, "-out", &chain];
    let by = ["-CA", &ca, "-CAkey", &ca_key];
    let of = ["-addext", "subjectAltName=DNS:localhost"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    openssl(&[&new[..], &curve, &signed, &by, &of, &leaf].concat());
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    give_away(Path::new(&key));
}
