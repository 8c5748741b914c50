//! What a guest writes to stdout and stderr: one log, in the order of arrival,
//! of which the first bytes are kept.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::engine::outcome::cut;

/// Bytes a guest may write in one go; it sees no other sign of a limit.
const PERMIT: usize = 64 * 1024;

/// An attempt's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// What was kept, as it was written.
    pub bytes: Vec<u8>,
    /// Whether there was more than that.
    pub truncated: bool,
}

impl Log {
    /// Appends what still fits. The rest is dropped, and the guest is told that
    /// all is well: a task must not fail because it talks too much.
    fn append(&mut self, most: usize, bytes: &[u8]) {
        let room = most.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.truncated |= bytes.len() > room;
    }

    /// The message of the last Rust panic in it, so that a trap can say more
    /// than `unreachable`. A nicety: nothing depends on it.
    pub(crate) fn panic(&self) -> Option<String> {
        const MARK: &str = "panicked at ";
        let text = String::from_utf8_lossy(&self.bytes);
        let rest = &text[text.rfind(MARK)? + MARK.len()..];
        let mut lines = rest.lines();
        let place = lines.next()?.trim_end_matches(':');
        let message = lines.next().filter(|line| !line.starts_with("note: "))?;
        Some(format!(
            "panicked: {} ({})",
            cut(message, 2048),
            cut(place, 256)
        ))
    }
}

/// A log that may be looked at while it is written.
#[derive(Clone, Debug, Default)]
pub struct Tap(Arc<Mutex<Log>>);

impl Tap {
    /// All that was written so far, if that is more than so many bytes.
    pub fn more_than(&self, known: usize) -> Option<Vec<u8>> {
        let log = self.lock();
        (log.bytes.len() > known).then(|| log.bytes.clone())
    }

    /// Adds what somebody else's guest wrote, as far as it fits.
    pub(crate) fn append(&self, most: usize, bytes: &[u8]) {
        self.lock().append(most, bytes);
    }

    /// What was written so far; nothing is left.
    pub(crate) fn take(&self) -> Log {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writing end, shared by the streams of a guest.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    log: Tap,
    most: usize,
}

impl Sink {
    pub(crate) fn new(log: Tap, most: usize) -> Self {
        Sink { log, most }
    }

    pub(super) fn append(&self, bytes: &[u8]) {
        self.log.lock().append(self.most, bytes);
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Sink {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_kept_and_the_rest_is_owned_up_to() {
        let tap = Tap::default();
        let sink = Sink::new(tap.clone(), 5);
        sink.append(b"abc");
        assert_eq!(tap.more_than(0).as_deref(), Some(&b"abc"[..]));
        assert_eq!(tap.more_than(3), None, "that is known");
        sink.append(b"de");
        assert!(!tap.lock().truncated, "it fits exactly");
        sink.append(b"f");
        let log = tap.take();
        assert_eq!((&log.bytes[..], log.truncated), (&b"abcde"[..], true));
        assert_eq!(tap.take(), Log::default());
    }

    #[test]
    fn a_panic_is_found_in_the_log() {
        let log = |text: &str| Log {
            bytes: text.into(),
            truncated: false,
        };
        let text = "hello\n\nthread 'main' (1) panicked at src/lib.rs:7:9:\nno such image\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(
            log(text).panic().as_deref(),
            Some("panicked: no such image (src/lib.rs:7:9)")
        );
        assert_eq!(log("nothing").panic(), None);
        assert_eq!(log("panicked at x").panic(), None, "cut off");
    }
}
