//! What a compiler's process does: one module, one answer.

use std::io;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::mpsc;
use std::thread;

use lovage_queue::registry::Digest;
use lovage_queue::registry::blob::MAX_MODULE;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::confine::{self, Bounds};
use super::wire;
use crate::engine::{Engine, Module, Refusal, Said, Settings};

/// Bytes of an artifact in one message.
const PART: usize = 1024 * 1024;

/// What is asked, as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Asked<'a> {
    /// Of an artifact: it is not compiled again.
    pub(super) digest: Option<[u8; 32]>,
    pub(super) bytes: &'a Bytes,
    pub(super) describe: bool,
    pub(super) parallel: bool,
}

/// The same, as it comes.
#[derive(Debug, Deserialize)]
struct Heard {
    digest: Option<[u8; 32]>,
    bytes: ByteBuf,
    describe: bool,
    parallel: bool,
}

/// What it answers: that it is there, then parts of the artifact, then the end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// It is locked in, but for what the kernel lacks.
    Ready(Vec<String>),
    /// The next bytes of the artifact.
    Part(ByteBuf),
    /// That was all of it; and what the module says of itself, if that was asked for.
    Done(Said),
    /// The verdict.
    Refused(Refusal),
}

/// Compiles what comes over the pipe.
pub(super) fn serve(mut pipe: UnixStream, bounds: Bounds) -> io::Result<()> {
    let lacks = confine::lock_in(bounds)?;
    let heard = listen(pipe.try_clone()?)?;
    let failed = io::Error::other::<wire::WireError>;
    wire::send(&mut pipe, &Answer::Ready(lacks)).map_err(failed)?;
    let Ok(asked) = heard.recv() else {
        return Ok(());
    };
    let end = match work(asked) {
        Ok((artifact, said)) => {
            for part in artifact.chunks(PART) {
                let part = Answer::Part(ByteBuf::from(part));
                wire::send(&mut pipe, &part).map_err(failed)?;
            }
            Answer::Done(said)
        }
        Err(refusal) => Answer::Refused(refusal),
    };
    wire::send(&mut pipe, &end).map_err(failed)
}

/// Reads the one question; then waits for the end of whoever asked, to end as well,
/// whatever the compiler is doing.
fn listen(mut pipe: UnixStream) -> io::Result<mpsc::Receiver<Heard>> {
    let (tell, heard) = mpsc::channel();
    thread::Builder::new()
        .name("parent".into())
        .spawn(move || {
            while let Ok(asked) = wire::receive(&mut pipe, 2 * MAX_MODULE) {
                if tell.send(asked).is_err() {
                    return;
                }
            }
            process::exit(0);
        })?;
    Ok(heard)
}

fn work(asked: Heard) -> Result<(Vec<u8>, Said), Refusal> {
    let broken = |what: String| Refusal::Exhausts(format!("could not begin: {what}"));
    let engine = Engine::new(Settings {
        instances: 1,
        parallel_compile: asked.parallel,
        ..Settings::default()
    });
    let engine = engine.map_err(|e| broken(e.to_string()))?;
    let (artifact, module): (Vec<u8>, Module) = match asked.digest {
        Some(digest) => (Vec::new(), engine.adopt(Digest(digest), &asked.bytes)?),
        None => engine.translate(&asked.bytes)?,
    };
    if !asked.describe {
        return Ok((artifact, Said::default()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|e| broken(e.to_string()))?;
    Ok((artifact, runtime.block_on(engine.ask(&module))?))
}
