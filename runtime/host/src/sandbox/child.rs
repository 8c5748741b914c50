//! How a child is started, and what it leaves when it ends.

use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{self, Command, ExitStatus, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};

use super::{COMMAND, Program};

/// The whole environment of a child. Its allocator takes memory as it needs it: what it would
/// set aside at once, a gigabyte, would count against the child's limit.
const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");
/// Bytes that are looked at of what a child wrote to stderr. It writes no more than a pipe
/// holds: then it stands still, and its time runs out.
const STDERR: u64 = 4 * 1024;

/// A child process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    pipe: UnixStream,
}

impl Child {
    /// Starts one.
    pub(super) fn start(program: &Program, args: &[String]) -> io::Result<Self> {
        let (pipe, theirs) = UnixStream::pair()?;
        let folder = Folder::make()?;
        let process = Command::new(&program.0)
            .arg(COMMAND)
            .args(args)
            .env_clear()
            .envs([ALLOCATOR])
            .current_dir(&folder.0)
            // Ctrl-C is for the worker, which lets its attempts end.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Child { process, pipe })
    }

    /// The socket to it.
    pub(super) fn pipe(&self) -> &UnixStream {
        &self.pipe
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it, if it has not ended, and tells how it did and what it said last.
    pub(super) fn end(mut self, kill: bool) -> (Option<ExitStatus>, String) {
        if kill {
            let _ = self.process.kill();
        }
        let status = self.process.wait().ok();
        let mut said = Vec::new();
        if let Some(stderr) = self.process.stderr.take() {
            // Somebody else may hold the other end, and never close it.
            let _ = fcntl_setfl(&stderr, OFlags::NONBLOCK);
            let _ = stderr.take(STDERR).read_to_end(&mut said);
        }
        (status, String::from_utf8_lossy(&said).trim().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a process ended, in words.
pub(super) fn ended(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("was killed by signal {signal}"),
            (_, code) => format!("ended with code {}", code.unwrap_or(-1)),
        },
        None => "ended".into(),
    }
}

/// An empty folder, which is gone with this: whoever works in it then is nowhere.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let name = format!("lovage-{:016x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
