//! What is sent over a connection and received: a chunk at a time either way, and the next
//! one is asked for once the guest has taken the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_bytes::ByteBuf;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::spawn;

use super::{Line, Question};
use crate::net::tcp::CHUNK;
use crate::net::{TcpAnswer, TcpCall, TcpFailure};

/// How long a socket that is dropped waits for what was written.
const LINGER: Duration = Duration::from_secs(10);

/// What both directions of a connection know of it.
#[derive(Clone)]
pub(super) struct Way {
    line: Line,
    number: u32,
    /// Whether the guest has shut the direction: to receive, to send.
    shut: Arc<[AtomicBool; 2]>,
    /// What is on its way to the peer. The socket's, not the stream's: a guest may drop that
    /// one as soon as it has written.
    sending: Arc<tokio::sync::Mutex<Option<Question>>>,
}

impl Way {
    pub(super) fn new(line: Line, number: u32) -> Self {
        Way {
            line,
            number,
            shut: Arc::default(),
            sending: Arc::default(),
        }
    }

    /// Nothing more is received, or sent.
    pub(super) fn shut(&self, direction: usize) {
        if self.shut[direction].swap(true, Ordering::Relaxed) || direction != SEND {
            return;
        }
        let (line, number) = (self.line.clone(), self.number);
        // Nobody else has it: who waits for it has been left by now, or this would not be called.
        if let Ok(mut sending) = self.sending.try_lock() {
            let before = sending.take();
            *sending = Some(Question::Asked(spawn(async move {
                if let Some(mut before) = before {
                    before.ready().await;
                }
                line.ask(TcpCall::Finish(number)).await
            })));
        }
    }

    /// Ends the connection, once what was written is with the system, or that takes too long.
    pub(super) async fn close(self) {
        let _ = tokio::time::timeout(LINGER, self.sent()).await;
        let _ = self.line.ask(TcpCall::Close(self.number)).await;
    }

    /// Waits until nothing is on its way. Where it is left, that goes on.
    async fn sent(&self) {
        if let Some(sending) = &mut *self.sending.lock().await {
            sending.ready().await;
        }
    }

    fn is_shut(&self, direction: usize) -> bool {
        self.shut[direction].load(Ordering::Relaxed)
    }
}

pub(super) const RECEIVE: usize = 0;
pub(super) const SEND: usize = 1;

/// What is received.
pub(super) struct Input {
    way: Way,
    asked: Option<Question>,
    /// What has come and was not taken.
    came: Bytes,
    over: bool,
}

impl Input {
    pub(super) fn new(way: Way) -> Self {
        Input {
            way,
            asked: None,
            came: Bytes::new(),
            over: false,
        }
    }

    fn ask(&mut self) -> &mut Question {
        let way = &self.way;
        let receive = TcpCall::Receive(way.number, CHUNK);
        self.asked.get_or_insert_with(|| way.line.begin(receive))
    }
}

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        if self.came.is_empty() && !self.over && !self.way.is_shut(RECEIVE) {
            self.ask().ready().await;
        }
    }
}

#[async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.over || self.way.is_shut(RECEIVE) {
            return Err(StreamError::Closed);
        }
        if self.came.is_empty() && size > 0 {
            match self.ask().answer() {
                None => return Ok(Bytes::new()),
                Some(Ok(TcpAnswer::Received(bytes))) if !bytes.is_empty() => {
                    self.came = Bytes::copy_from_slice(bytes);
                    self.asked = None;
                }
                // Its end, or what has come instead of it.
                Some(Err(failure)) if !matches!(failure, TcpFailure::Closed) => {
                    let failure = failure.clone();
                    self.over = true;
                    return Err(StreamError::LastOperationFailed(failure.into()));
                }
                Some(_) => {
                    self.over = true;
                    return Err(StreamError::Closed);
                }
            }
        }
        let taken = self.came.len().min(size);
        Ok(self.came.split_to(taken))
    }
}

/// What is sent.
pub(super) struct Output {
    way: Way,
    over: bool,
}

impl Output {
    pub(super) fn new(way: Way) -> Self {
        Output { way, over: false }
    }

    /// Whether something is on its way still; an error where it did not get there.
    fn busy(&mut self) -> StreamResult<bool> {
        if self.over || self.way.is_shut(SEND) {
            return Err(StreamError::Closed);
        }
        let Ok(mut sending) = self.way.sending.try_lock() else {
            return Ok(true);
        };
        let Some(question) = &mut *sending else {
            return Ok(false);
        };
        match question.answer() {
            None => Ok(true),
            Some(Ok(_)) => {
                *sending = None;
                Ok(false)
            }
            Some(Err(failure)) => {
                let failure = failure.clone();
                self.over = true;
                Err(StreamError::LastOperationFailed(failure.into()))
            }
        }
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.way.sent().await;
    }
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.busy()? || bytes.len() > CHUNK {
            return Err(StreamError::trap("more was written than was permitted"));
        }
        if !bytes.is_empty() {
            let way = &self.way;
            let send = TcpCall::Send(way.number, ByteBuf::from(Vec::from(bytes)));
            if let Ok(mut sending) = way.sending.try_lock() {
                *sending = Some(way.line.begin(send));
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // What is written is on its way at once.
        self.busy().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.busy()? {
            true => Ok(0),
            false => Ok(CHUNK),
        }
    }
}
