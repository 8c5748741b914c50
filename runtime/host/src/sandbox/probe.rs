//! A child that tries what it must not be able to do, and tells how that went.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, kill_process, setrlimit};
use serde::{Deserialize, Serialize};

use super::child::Child;
use super::confine::{self, Bounds};
use super::{Program, wire};

/// Bytes of the answer.
const ANSWER: usize = 64 * 1024;

/// What a child found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// What the kernel lacks.
    pub lacks: Vec<String>,
    /// How many descriptors it has beside the first three, before it is locked in.
    pub descriptors: usize,
    /// The names in its environment.
    pub variables: Vec<String>,
    /// Each thing that it tried, with the system's error; none where it could do it.
    pub tried: Vec<(String, Option<i32>)>,
    /// Whether it could start a thread, which it may.
    pub threads: bool,
}

/// Starts a child that tries, and hears what it says.
///
/// # Errors
/// It cannot be started, or says nothing.
pub fn probe(program: &Program) -> io::Result<Probed> {
    let child = Child::start(program, &["probe".into()])?;
    wire::receive(&mut child.pipe(), ANSWER).map_err(io::Error::other)
}

pub(super) fn serve(mut pipe: UnixStream) -> io::Result<()> {
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    let parent = getppid();
    let lacks = confine::lock_in(Bounds {
        memory: Some(1 << 30),
        cpu: Some(10),
        files: 64,
    })?;
    let probed = Probed {
        lacks,
        // Its own three, the pipe, and the one that reads the folder.
        descriptors: descriptors.saturating_sub(5),
        variables: std::env::vars_os()
            .map(|it| it.0.to_string_lossy().into())
            .collect(),
        tried: attempts(parent)
            .into_iter()
            .map(|(what, done)| {
                let error = done.err().map(|e| e.raw_os_error().unwrap_or(-1));
                (what.to_owned(), error)
            })
            .collect(),
        threads: thread::spawn(|| ()).join().is_ok(),
    };
    wire::send(&mut pipe, &probed).map_err(io::Error::other)
}

fn attempts(parent: Option<Pid>) -> Vec<(&'static str, io::Result<()>)> {
    let more = Rlimit {
        current: Some(1024),
        maximum: Some(1024),
    };
    vec![
        ("read a file", File::open("/etc/passwd").map(drop)),
        (
            "read its own memory map",
            File::open("/proc/self/maps").map(drop),
        ),
        ("write a file", File::create("here").map(drop)),
        ("write to /tmp", File::create("/tmp/lovage-probe").map(drop)),
        ("list a folder", fs::read_dir("/").map(drop)),
        ("ask for a file", fs::metadata("/etc/passwd").map(drop)),
        ("remove a file", fs::remove_file("/tmp/lovage-probe")),
        (
            "connect by TCP",
            TcpStream::connect(("127.0.0.1", 9)).map(drop),
        ),
        (
            "listen by TCP",
            TcpListener::bind(("127.0.0.1", 0)).map(drop),
        ),
        ("send by UDP", UdpSocket::bind(("127.0.0.1", 0)).map(drop)),
        ("make a socket pair", UnixStream::pair().map(drop)),
        (
            "connect to a socket",
            UnixStream::connect("/run/x").map(drop),
        ),
        (
            "execute a program",
            Command::new("/bin/true").spawn().map(drop),
        ),
        (
            "signal its parent",
            parent.map_or(Ok(()), |it| Ok(kill_process(it, Signal::CONT)?)),
        ),
        (
            "raise a limit",
            setrlimit(Resource::Nofile, more).map_err(io::Error::from),
        ),
        ("change its folder", std::env::set_current_dir("/")),
    ]
}
