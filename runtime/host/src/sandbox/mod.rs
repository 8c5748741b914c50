//! Child processes: what must not happen in ours, since what it works on is not trusted.
//!
//! # Layout
//! - this file: what both sides know of each other
//! - `child`: how one is started, and what it leaves when it ends
//! - `confine`: how it locks itself in
//! - `wire`: messages
//! - [`compiler`]: a module compiled apart; `compiling`: the same from within
//! - [`pool`]: attempts in children, one a tenant; `runner`: one of these, `watch`: whether it
//!   goes too far; `asking`: what its attempts may ask; `running`: the same from within;
//!   `messages`: what is said
//! - [`probe`]: tries what is forbidden, for whoever wants to see it fail
//!
//! # How a child is held
//! It is this very program, started by another name of a command, with next to no environment, in an
//! empty folder that is gone by then, and with one socket as its stdin. Before it reads a byte
//! it closes every other descriptor, takes on limits, and gives up the file system, the
//! network, and nearly all system calls. Whatever takes it over has the messages that it may
//! send, and its own memory. What it says is checked as an enemy's; and it ends with the
//! socket, so that none is left behind.

mod asking;
mod child;
pub mod compiler;
mod compiling;
mod confine;
mod messages;
pub mod pool;
pub mod probe;
mod runner;
mod running;
mod watch;
mod wire;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Once;

use self::confine::Bounds;

/// The command that makes a process a child. It is in no help: nobody types it.
const COMMAND: &str = "sandbox";

/// The program whose processes children are.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Default for Program {
    /// This one, also where its file has been replaced meanwhile.
    fn default() -> Self {
        Program("/proc/self/exe".into())
    }
}

impl Program {
    /// Another file, of the same version: for whoever is not the program itself.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Program(path.into())
    }
}

/// The kernel lacks something that holds children: told once.
fn tell(lacks: &[String]) {
    static TOLD: Once = Once::new();
    if !lacks.is_empty() {
        TOLD.call_once(|| {
            let lacks = lacks.join("; ");
            tracing::warn!(lacks, "this kernel cannot hold child processes as it should: what takes one over is held by the rest alone");
        });
    }
}

/// Serves as a child, if this process was started as one.
pub fn serve() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()? != COMMAND {
        return None;
    }
    confine::close_inherited();
    let args: Vec<OsString> = args.collect();
    let args: Vec<&str> = args.iter().filter_map(|it| it.to_str()).collect();
    let served = pipe().and_then(|pipe| match args[..] {
        ["compile", memory, seconds] => {
            let bounds = Bounds {
                memory: Some(number(memory)?),
                cpu: Some(number(seconds)?),
                files: 64,
            };
            compiling::serve(pipe, bounds)
        }
        ["run", instances, threads] => {
            let bounds = Bounds {
                memory: None,
                cpu: None,
                files: 16 * 1024,
            };
            let instances = instances.parse().map_err(io::Error::other)?;
            running::serve(pipe, bounds, instances, number(threads)? as usize)
        }
        ["probe"] => probe::serve(pipe),
        _ => Err(io::Error::other(
            "a child process is started by lovage itself",
        )),
    });
    Some(match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "error: {e}");
            ExitCode::from(2)
        }
    })
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(io::Error::other)
}

/// The socket to the parent.
fn pipe() -> io::Result<UnixStream> {
    let stdin = io::stdin();
    let pipe = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    // Fails where it is no socket: then this was not started by us.
    pipe.peer_addr()?;
    Ok(pipe)
}
