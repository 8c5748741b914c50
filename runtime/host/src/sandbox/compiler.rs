//! A module compiled apart: one process a module, with its own memory and time.
//!
//! The process may be taken over by the module that it compiles. So its answer is bounded,
//! and read as an enemy's; and what ends it is a verdict on the module.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use serde_bytes::Bytes;

use super::child::{Child, ended};
use super::compiling::{Answer, Asked};
use super::wire::{self, WireError};
use super::{Program, tell};
use crate::engine::outcome::bytes;
use crate::engine::{Compiled, Compiler, EngineError, Refusal, Source, Work};

/// Bytes of one answer. The tasks' schemas are the longest.
const ANSWER: usize = 16 * 1024 * 1024;
/// How a process aborts, which is what it does where it gets no more memory.
const SIGABRT: i32 = libc::SIGABRT;
/// What a process gets that has used up its processor time.
const SIGXCPU: i32 = libc::SIGXCPU;
/// The system's own way of making room, when memory is short everywhere.
const SIGKILL: i32 = libc::SIGKILL;

/// Compiles each module in a process of its own.
#[derive(Clone, Debug)]
pub struct Apart {
    /// Whose processes these are.
    pub program: Program,
    /// Bytes that one may write to.
    pub memory: u64,
    /// How much processor time it may take; and four times as long by the clock.
    pub timeout: Duration,
}

impl Default for Apart {
    fn default() -> Self {
        Apart {
            program: Program::default(),
            memory: 2 << 30,
            timeout: Duration::from_secs(60),
        }
    }
}

/// How much longer than it computes a compilation may last: a machine has other work too.
const PATIENCE: u32 = 4;

/// Why there is no answer.
enum Mute {
    /// There never was a compiler.
    NoChild(String),
    /// What became of it.
    Wire(WireError),
}

impl Compiler for Apart {
    fn compile(&self, work: Work<'_>) -> Result<Result<Compiled, Refusal>, EngineError> {
        let seconds = self.timeout.as_secs().max(1).to_string();
        let args = ["compile".to_owned(), self.memory.to_string(), seconds];
        let child = Child::start(&self.program, &args)
            .map_err(|e| EngineError::Compiler(format!("it cannot be started: {e}")))?;
        let mute = match self.ask(&child, work) {
            Ok(verdict) => return Ok(verdict),
            Err(mute) => mute,
        };
        // Gone by itself, or else it has to be.
        let gone = matches!(&mute, Mute::Wire(WireError::Closed));
        let (status, said) = child.end(!gone);
        match mute {
            Mute::NoChild(why) => Err(EngineError::Compiler(format!("{why}; {said}"))),
            Mute::Wire(why) => {
                let signal = status.and_then(|it| it.signal());
                tracing::warn!(%why, status = ended(status), said, "a module ended its compiler");
                Ok(Err(self.verdict(&why, signal, ended(status))))
            }
        }
    }
}

impl Apart {
    /// Hands the work over, and hears what comes of it. An error of the first message is the
    /// process' own fault; any later one is the module's.
    fn ask(&self, child: &Child, work: Work<'_>) -> Result<Result<Compiled, Refusal>, Mute> {
        let mut pipe = Timed {
            pipe: child.pipe(),
            until: Instant::now() + self.timeout * PATIENCE,
        };
        match wire::receive(&mut pipe, ANSWER) {
            Ok(Answer::Ready(lacks)) => tell(&lacks),
            Ok(_) => return Err(Mute::NoChild("it does not say that it is ready".into())),
            Err(e) => return Err(Mute::NoChild(e.to_string())),
        }
        let (digest, bytes) = match work.source {
            Source::Module(bytes) => (None, bytes),
            Source::Artifact { digest, artifact } => (Some(digest.0), artifact),
        };
        let asked = Asked {
            digest,
            bytes: Bytes::new(bytes),
            describe: work.describe,
            parallel: work.parallel,
        };
        wire::send(&mut pipe, &asked).map_err(Mute::Wire)?;
        self.hear(&mut pipe).map_err(Mute::Wire)
    }

    fn hear(&self, pipe: &mut Timed<'_>) -> Result<Result<Compiled, Refusal>, WireError> {
        let mut artifact = Vec::new();
        loop {
            match wire::receive(pipe, ANSWER)? {
                Answer::Part(part) => {
                    if (artifact.len() + part.len()) as u64 > self.memory {
                        let text = "an artifact larger than its memory";
                        return Err(WireError::Nonsense(text.into()));
                    }
                    artifact.extend_from_slice(&part);
                }
                Answer::Done(said) => return Ok(Ok(Compiled { artifact, said })),
                Answer::Refused(refusal) => return Ok(Err(refusal.bounded())),
                Answer::Ready(_) => {
                    return Err(WireError::Nonsense("it is ready again".into()));
                }
            }
        }
    }

    /// What the end of its compiler says of a module.
    fn verdict(&self, why: &WireError, signal: Option<i32>, ended: String) -> Refusal {
        let (memory, time) = (bytes(self.memory), self.timeout);
        Refusal::Exhausts(match (why, signal) {
            (_, Some(SIGXCPU)) => format!("took more than {time:?} of processor time"),
            (WireError::Silent, _) => format!("took more than {:?}", time * PATIENCE),
            (WireError::Nonsense(_), _) => "took over the compiler's process".into(),
            (_, Some(SIGABRT | SIGKILL)) => format!("took more than {memory} of memory"),
            _ => format!("ended the compiler: its process {ended}"),
        })
    }
}

/// A socket whose every read and write is over by a moment.
struct Timed<'a> {
    pipe: &'a UnixStream,
    until: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.pipe.set_read_timeout(Some(self.left()?))?;
        let mut pipe = self.pipe;
        pipe.read(to)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.set_write_timeout(Some(self.left()?))?;
        let mut pipe = self.pipe;
        pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
