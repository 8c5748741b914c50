//! Connections to other hosts, by `wasi:sockets`, in the place of wasmtime's own: the engine
//! opens none. It asks its host for each, and hands on what it is told.
//!
//! # Layout
//! - this file: what is asked of the host, and the question that is under way
//! - `names`: `ip-name-lookup`
//! - `tcp`: `tcp` and `tcp-create-socket`
//! - `streams`: what is sent and received
//! - `bindings`: the interfaces as Rust types
//!
//! Datagrams are wasmtime's, which denies them: no grant is of them.

mod bindings;
mod names;
mod streams;
mod tcp;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::log::Sink;
use super::{Access, CallError, Host, Reply, Request, State};
use crate::net::{TcpAnswer, TcpCall, TcpFailure};

/// Offers it to all modules, where wasmtime's has been offered before.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::wasi::sockets::{ip_name_lookup, tcp, tcp_create_socket};
    linker.allow_shadowing(true);
    ip_name_lookup::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    tcp::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    tcp_create_socket::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl State {
    /// Its way to its host.
    fn line(&self) -> Line {
        Line {
            host: self.host.clone(),
            log: self.machine.sink(self.limits.log),
        }
    }
}

type Answered = Result<TcpAnswer, TcpFailure>;

/// The way to the host.
#[derive(Clone)]
struct Line {
    host: Arc<dyn Host>,
    log: Sink,
}

impl Line {
    async fn ask(self, call: TcpCall) -> Answered {
        let answered = match self.host.call(Request::Access(Access::Tcp(call))).await {
            Ok(Reply::Tcp(answered)) => answered,
            Err(CallError::Denied(text)) => Err(TcpFailure::Denied(text)),
            _ => Err(TcpFailure::Closed),
        };
        if let Err(failure) = &answered
            && !matches!(failure, TcpFailure::Closed | TcpFailure::Reset)
        {
            // A code has no room for the reason.
            self.log.append(format!("lovage: {failure}\n").as_bytes());
        }
        answered
    }

    /// Asks aside.
    fn begin(&self, call: TcpCall) -> Question {
        Question::Asked(spawn(self.clone().ask(call)))
    }
}

/// What the host was asked, until its answer was taken.
enum Question {
    Asked(AbortOnDropJoinHandle<Answered>),
    Answered(Answered),
}

impl Question {
    /// Waits for the answer, and keeps it.
    async fn ready(&mut self) {
        if let Question::Asked(asked) = self {
            let answered = asked.await;
            *self = Question::Answered(answered);
        }
    }

    /// The answer, where it is there.
    fn answer(&mut self) -> Option<&Answered> {
        if let Question::Asked(asked) = self
            && asked.is_finished()
        {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let asked = std::pin::Pin::new(asked);
            if let std::task::Poll::Ready(answered) = asked.poll(&mut context) {
                *self = Question::Answered(answered);
            }
        }
        match self {
            Question::Answered(answered) => Some(answered),
            Question::Asked(_) => None,
        }
    }
}

/// The same in the words of `wasi:sockets`.
fn code(failure: &TcpFailure) -> ErrorCode {
    match failure {
        TcpFailure::Denied(_) | TcpFailure::Prohibited(_) => ErrorCode::AccessDenied,
        TcpFailure::Unknown(_) => ErrorCode::NameUnresolvable,
        TcpFailure::Limit(_) => ErrorCode::NewSocketLimit,
        TcpFailure::Refused(_) => ErrorCode::ConnectionRefused,
        TcpFailure::Timeout(_) => ErrorCode::Timeout,
        TcpFailure::Unreachable(_) => ErrorCode::RemoteUnreachable,
        TcpFailure::Reset => ErrorCode::ConnectionReset,
        TcpFailure::Closed => ErrorCode::InvalidState,
    }
}
