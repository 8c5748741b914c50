//! A place of a test's own: a broker, a cache and a folder to work in, and the
//! `lovage` binary in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use lovage_queue::about::WorkerAbout;
use lovage_queue::broker::{Filter, QueueCounts};
use lovage_queue::client::{Call, Client};
use lovage_queue::job::{Job, JobId, State};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

use super::process::Process;
use super::redis::Server;
use super::wasm::Examples;
use super::{PATIENCE, until};

pub(crate) struct Site {
    dir: TempDir,
    url: String,
    redis: Option<Server>,
    client: OnceCell<Client>,
    started: AtomicUsize,
    /// Whether its workers' attempts have processes of their own.
    apart: bool,
}

impl Site {
    /// With a Redis server.
    pub(crate) fn redis() -> Self {
        Self::on(Server::start())
    }

    /// With this Redis server.
    pub(crate) fn on(server: Server) -> Self {
        Self::over(server.url(), Some(server))
    }

    /// With a file.
    pub(crate) fn sqlite() -> Self {
        let mut site = Self::over(String::new(), None);
        site.url = format!("sqlite:{}", site.database().display());
        site
    }

    /// With the broker at a URL, which need not be there.
    pub(crate) fn at(url: &str) -> Self {
        Self::over(url.to_owned(), None)
    }

    fn over(url: String, redis: Option<Server>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Site {
            dir,
            url,
            redis,
            client: OnceCell::new(),
            started: AtomicUsize::new(0),
            apart: false,
        }
    }

    /// The same where attempts have processes of their own.
    pub(crate) fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// The folder that commands run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// The file of the SQLite broker.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("lovage.db")
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        self.redis.as_mut().expect("this broker is no Redis")
    }

    /// Writes a file into the folder that commands run in.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The binary with arguments, in this place and with nothing else of the
    /// outside's configuration.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lovage"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOVAGE_") && name != "LOVAGE_WASM_RUSTC" {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(self.work())
            .env("LOVAGE_BROKER", &self.url)
            .env("LOVAGE_CACHE", self.dir.path().join("cache"))
            // Those who are told of a test's jobs are on this machine.
            .env("LOVAGE_HOOKS__PRIVATE", "true");
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn lovage(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args), b"").await
    }

    /// Makes a module active by the command line.
    pub(crate) async fn push(&self, name: &str, component: &[u8]) {
        let file = self.write(&format!("{name}.wasm"), component);
        let file = file.to_str().unwrap();
        self.lovage(&["push", file, "--name", name]).await.ok();
    }

    /// Pushes one of the examples, under its own name.
    pub(crate) async fn push_example(&self, name: &str) {
        let examples = tokio::task::spawn_blocking(Examples::build).await.unwrap();
        let component = std::fs::read(examples.component(name)).unwrap();
        self.push(name, &component).await;
    }

    /// Starts a worker and waits until it works. Arguments of the form
    /// `NAME=value` are variables.
    pub(crate) async fn worker(&self, args: &[&str]) -> Process {
        let mut worker = self.spawn("worker", args);
        worker.says(" working ").await;
        worker
    }

    /// The same, and the broker knows it: so a push waits until it has compiled.
    pub(crate) async fn live_worker(&self, args: &[&str]) -> Process {
        let worker = self.worker(args).await;
        let client = self.client().await;
        until("the broker knows the worker", || async {
            let workers = client.broker().workers(client.tenant()).await.unwrap();
            let mut pids = workers.iter().map(|it| WorkerAbout::decode(&it.about).pid);
            pids.any(|pid| pid == worker.pid()).then_some(())
        })
        .await;
        worker
    }

    /// Starts a command that runs beside the test.
    pub(crate) fn spawn(&self, name: &str, args: &[&str]) -> Process {
        let (variables, args): (Vec<&str>, Vec<&str>) =
            args.iter().partition(|arg| is_variable(arg));
        let mut command = self.command([name].iter().chain(&args));
        // What is due, staged or dead shows with a heartbeat at the latest; the
        // lease is long enough for a busy machine.
        command.env("LOVAGE_WORKER__HEARTBEAT", "200ms");
        if self.apart {
            command.env("LOVAGE_WORKER__ISOLATION", "process");
        }
        for variable in variables {
            let (key, value) = variable.split_once('=').unwrap();
            command.env(key, value);
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.path().join(format!("{name}-{number}.log"));
        Process::start(&command, &log)
    }

    /// The Rust client.
    pub(crate) async fn client(&self) -> &Client {
        let connect = || async { Client::connect(&self.url).await.unwrap() };
        self.client.get_or_init(connect).await
    }

    /// Enqueues a call of `module.go` so many times.
    pub(crate) async fn enqueue(&self, module: &str, count: usize) -> Vec<JobId> {
        self.enqueue_all((0..count).map(|_| call(module)).collect())
            .await
    }

    pub(crate) async fn enqueue_all(&self, calls: Vec<Call>) -> Vec<JobId> {
        self.client().await.enqueue_all(calls).await.unwrap()
    }

    /// A job as it stands.
    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.client().await.job(id).await.unwrap()
    }

    /// Jobs once all of them have ended.
    pub(crate) async fn ends(&self, ids: &[JobId]) -> Vec<Job> {
        let client = self.client().await;
        let broker = client.broker();
        let jobs = broker.wait(client.tenant(), ids, PATIENCE).await.unwrap();
        let jobs: Vec<Job> = jobs.into_iter().map(|job| job.expect("a job")).collect();
        for job in &jobs {
            assert!(job.state.is_final(), "it does not end: {job:#?}");
        }
        jobs
    }

    /// How many jobs of the default queue stand where.
    pub(crate) async fn counts(&self) -> QueueCounts {
        let client = self.client().await;
        let counts = client.broker().counts(client.tenant()).await.unwrap();
        let default = counts.into_iter().find(|it| it.queue == "default");
        default.unwrap_or_default()
    }

    /// Waits until so many jobs run.
    pub(crate) async fn running(&self, count: u64) {
        until(&format!("{count} jobs run"), || async {
            (self.counts().await.running == count).then_some(())
        })
        .await;
    }

    /// Waits until each of these jobs has said that it begins.
    pub(crate) async fn begun(&self, ids: &[JobId]) {
        let client = self.client().await;
        for id in ids {
            until("each job has begun", || async {
                let saved = client.broker().checkpoint(client.tenant(), *id).await;
                saved.unwrap()
            })
            .await;
        }
    }

    /// All jobs of a state.
    pub(crate) async fn list(&self, state: State) -> Vec<Job> {
        let client = self.client().await;
        let filter = Filter::of(state, 10_000);
        let page = client.broker().list(client.tenant(), &filter).await;
        page.unwrap().jobs
    }
}

/// Whether an argument is a variable: its name is in capitals.
fn is_variable(arg: &str) -> bool {
    let capital = |c: char| c.is_ascii_uppercase() || c == '_';
    arg.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(capital))
}

/// A call of `module.go` without arguments.
pub(crate) fn call(module: &str) -> Call {
    Call::new(&format!("{module}.go")).unwrap()
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a command to its end with this on its stdin.
    pub(crate) async fn of(mut command: Command, stdin: &[u8]) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A command that does not read it has closed it by now.
        let _ = pipe.write_all(stdin).await;
        drop(pipe);
        let done = tokio::time::timeout(PATIENCE * 5, child.wait_with_output());
        let done = done.await.expect("a command ends").unwrap();
        Ran {
            code: done.status.code(),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            err: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// It must have done its work.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// It must have failed with this code and one error that says all of this.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let errors = self.err.lines().filter(|it| it.starts_with("error: "));
        assert_eq!(errors.count(), 1, "one error: {self:#?}");
        for text in said {
            assert!(self.err.contains(text), "`{text}` is missing: {self:#?}");
        }
        assert!(!self.err.contains("panicked at src"), "{self:#?}");
        self
    }

    /// The one JSON value that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}

/// The path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is a text")
}
