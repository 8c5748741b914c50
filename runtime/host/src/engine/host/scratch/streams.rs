//! Files read and written by streams. They are in memory, so nothing ever waits.

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::nodes::Fault;
use super::{CHUNK, Held, types};

/// Reads a file from an offset on.
pub(super) struct Reader {
    file: Held,
    offset: u64,
}

/// Writes a file from an offset on, or at its end.
pub(super) struct Writer {
    file: Held,
    /// At the end where there is none.
    offset: Option<u64>,
    /// Whether a write has failed.
    failed: bool,
}

impl Reader {
    pub(super) fn new(file: Held, offset: u64) -> Self {
        Reader { file, offset }
    }
}

impl Writer {
    pub(super) fn new(file: Held, offset: Option<u64>) -> Self {
        Writer {
            file,
            offset,
            failed: false,
        }
    }
}

fn failed(fault: Fault) -> StreamError {
    StreamError::LastOperationFailed(types::ErrorCode::from(fault).into())
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let (offset, size) = (self.offset, size.min(CHUNK));
        let read = self.file.with(|tree, node| tree.read(node, offset, size));
        let read = read.map_err(failed)?;
        if read.is_empty() {
            return Err(StreamError::Closed);
        }
        self.offset += read.len() as u64;
        Ok(read.into())
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.check_write()? {
            return Err(StreamError::trap("more was written than was permitted"));
        }
        let offset = self.offset;
        let written = self
            .file
            .with(|tree, node| tree.write(node, offset, &bytes));
        match written {
            Ok(end) => {
                self.offset = offset.map(|_| end);
                Ok(())
            }
            Err(fault) => {
                self.failed = true;
                Err(failed(fault))
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(|_| ())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.failed {
            true => Err(StreamError::Closed),
            false => Ok(CHUNK),
        }
    }
}
