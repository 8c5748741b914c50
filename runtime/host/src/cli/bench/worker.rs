//! The worker that is measured: in this process, or in one of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Context;
use super::rig::Rig;
use crate::telemetry::Telemetry;
use crate::worker::{self, Phase, Settings, WorkerError};

/// How long a worker that is told to stop may take.
const GOODBYE: Duration = Duration::from_secs(20);

/// A worker in this process.
pub(super) struct Worker {
    tell: watch::Sender<Phase>,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Worker {
    /// One that serves these queues, as it is configured.
    pub(super) fn start(rig: &Rig<'_>, queues: &[&str]) -> anyhow::Result<Self> {
        Self::with(rig, queues, |_| ())
    }

    /// The same with changed settings.
    pub(super) fn with(
        rig: &Rig<'_>,
        queues: &[&str],
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let mut settings = rig.settings();
        settings.queues = queues.iter().map(|it| ((*it).to_owned(), 1)).collect();
        change(&mut settings);
        let (tell, phase) = watch::channel(Phase::Serve);
        let (place, engine) = (rig.context.place()?, rig.engine.clone());
        let ended = tokio::spawn(async move {
            worker::run(&place, engine, settings, Telemetry::default(), phase).await
        });
        Ok(Worker { tell, ended })
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.is_finished()
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.tell.send_replace(Phase::Drain);
        self.ended.await??;
        Ok(())
    }
}

/// A worker in a process of its own, with the same configuration.
pub(super) struct Apart(Child);

impl Apart {
    /// A worker of these queues.
    pub(super) fn start(context: &Context, queues: &[&str]) -> anyhow::Result<Self> {
        Self::run(context, &["worker", "--queues", &queues.join(",")])
    }

    /// A command that runs until it is told to stop.
    pub(super) fn run(context: &Context, args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args);
        command.args(["--broker", &context.config.broker]);
        if let Some(file) = &context.file {
            command.arg("--config").arg(file);
        }
        let child = command
            .env("LOVAGE_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a process of its own")?;
        Ok(Apart(child))
    }

    /// Bytes of its memory that are not swapped out; `None` where the system has no
    /// `/proc`.
    pub(super) fn resident(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.0.id()?);
        resident(&std::fs::read_to_string(path).ok()?)
    }

    /// Processor time that it has used; `None` where the system has no `/proc`.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let path = format!("/proc/{}/stat", self.0.id()?);
        used(&std::fs::read_to_string(path).ok()?)
    }

    /// Asks it to stop as an operator would, so that it gives its lease up; the next
    /// worker then has no dead one to bury.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.0.id() {
            // By the shell's own `kill`: the system call takes unsafe code.
            let kill = format!("kill -TERM {id}");
            Command::new("sh").args(["-c", &kill]).status().await?;
        }
        if tokio::time::timeout(GOODBYE, self.0.wait()).await.is_err() {
            self.0.kill().await?;
        }
        Ok(())
    }
}

/// What a process's status says of its resident memory.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// What a process's `stat` says of its processor time, its own and the kernel's.
fn used(stat: &str) -> Option<Duration> {
    /// Linux tells programs of a hundred ticks a second, whatever its own are.
    const TICK: Duration = Duration::from_millis(10);
    // The second field is a name in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).take(2);
    let both = [ticks.next()?, ticks.next()?].map(|it| it.parse::<u32>().ok());
    Some(TICK * (both[0]? + both[1]?))
}

#[cfg(test)]
mod tests {
    use super::{Duration, resident, used};

    #[test]
    fn processor_time_is_read_from_a_stat() {
        let stat = "42 (a) name) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20 0";
        assert_eq!(used(stat), Some(Duration::from_millis(1500)));
        assert_eq!(used("42 (lovage) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_from_a_status() {
        let status = "Name:\tlovage\nVmHWM:\t   99 kB\nVmRSS:\t   20480 kB\n";
        assert_eq!(resident(status), Some(20480 * 1024));
        assert_eq!(resident("Name:\tlovage\n"), None);
    }
}
