//! `wasi:sockets/tcp` and `tcp-create-socket`: a socket connects; it neither binds nor
//! listens.

use std::net::SocketAddr;

use async_trait::async_trait;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Network,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Pollable, subscribe};

use super::bindings::wasi::sockets::tcp::{Host, HostTcpSocket, ShutdownType};
use super::bindings::wasi::sockets::tcp_create_socket;
use super::streams::{Input, Output, RECEIVE, SEND, Way};
use super::{Line, Question, State, code};
use crate::net::{TcpAnswer, TcpCall};

/// What a call answers: an error of the guest's own, or what ends it.
type Answer<T> = Result<Result<T, ErrorCode>>;

/// A socket.
#[allow(unreachable_pub, reason = "the bindings hand it on")]
pub struct Socket {
    family: IpAddressFamily,
    stage: Stage,
    line: Line,
    kept: Kept,
}

enum Stage {
    New,
    Connecting(SocketAddr, Question),
    Connected {
        local: SocketAddr,
        remote: SocketAddr,
        way: Way,
    },
    Failed,
}

/// What a guest may set. It has no effect: an attempt ends before any of it would show.
struct Kept {
    alive: bool,
    idle: u64,
    interval: u64,
    count: u32,
    hops: u8,
    receive: u64,
    send: u64,
}

impl Default for Kept {
    fn default() -> Self {
        // As Linux has them.
        Kept {
            alive: false,
            idle: 7_200_000_000_000,
            interval: 75_000_000_000,
            count: 9,
            hops: 64,
            receive: 65_536,
            send: 65_536,
        }
    }
}

#[async_trait]
impl Pollable for Socket {
    async fn ready(&mut self) {
        if let Stage::Connecting(_, question) = &mut self.stage {
            question.ready().await;
        }
    }
}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> Answer<Resource<Socket>> {
        let socket = Socket {
            family,
            stage: Stage::New,
            line: self.line(),
            kept: Kept::default(),
        };
        Ok(Ok(self.table().push(socket)?))
    }
}

impl State {
    fn socket(&mut self, this: &Resource<Socket>) -> Result<&mut Socket> {
        Ok(self.table().get_mut(this)?)
    }

    /// Sets what is kept, unless it is zero.
    fn set<T: Default + PartialEq>(
        &mut self,
        this: &Resource<Socket>,
        value: T,
        place: impl FnOnce(&mut Kept) -> &mut T,
    ) -> Answer<()> {
        let kept = &mut self.socket(this)?.kept;
        if value == T::default() {
            return Ok(Err(ErrorCode::InvalidArgument));
        }
        *place(kept) = value;
        Ok(Ok(()))
    }
}

impl Host for State {}

impl HostTcpSocket for State {
    fn start_bind(
        &mut self,
        _this: Resource<Socket>,
        _network: Resource<Network>,
        _local: IpSocketAddress,
    ) -> Answer<()> {
        Ok(Err(ErrorCode::AccessDenied))
    }

    fn finish_bind(&mut self, _this: Resource<Socket>) -> Answer<()> {
        Ok(Err(ErrorCode::NotInProgress))
    }

    fn start_connect(
        &mut self,
        this: Resource<Socket>,
        _network: Resource<Network>,
        remote: IpSocketAddress,
    ) -> Answer<()> {
        let socket = self.socket(&this)?;
        let remote = SocketAddr::from(remote);
        let is_of = match socket.family {
            IpAddressFamily::Ipv4 => remote.is_ipv4(),
            IpAddressFamily::Ipv6 => remote.is_ipv6(),
        };
        let address = remote.ip();
        let mapped = address.to_canonical() != address;
        if !is_of || mapped || address.is_unspecified() || remote.port() == 0 {
            return Ok(Err(ErrorCode::InvalidArgument));
        }
        if !matches!(socket.stage, Stage::New) {
            return Ok(Err(match socket.stage {
                Stage::Connecting(..) => ErrorCode::ConcurrencyConflict,
                _ => ErrorCode::InvalidState,
            }));
        }
        let question = socket.line.begin(TcpCall::Connect(remote));
        socket.stage = Stage::Connecting(remote, question);
        Ok(Ok(()))
    }

    fn finish_connect(
        &mut self,
        this: Resource<Socket>,
    ) -> Answer<(Resource<DynInputStream>, Resource<DynOutputStream>)> {
        let socket = self.socket(&this)?;
        let Stage::Connecting(remote, question) = &mut socket.stage else {
            return Ok(Err(ErrorCode::NotInProgress));
        };
        let remote = *remote;
        let (number, local) = match question.answer() {
            None => return Ok(Err(ErrorCode::WouldBlock)),
            Some(Ok(TcpAnswer::Connected(number, local))) => (*number, *local),
            Some(other) => {
                let code = other.as_ref().err().map_or(ErrorCode::Unknown, code);
                socket.stage = Stage::Failed;
                return Ok(Err(code));
            }
        };
        let way = Way::new(socket.line.clone(), number);
        socket.stage = Stage::Connected {
            local,
            remote,
            way: way.clone(),
        };
        let input: DynInputStream = Box::new(Input::new(way.clone()));
        let output: DynOutputStream = Box::new(Output::new(way));
        let table = self.table();
        let input = table.push_child(input, &this)?;
        let output = table.push_child(output, &this)?;
        Ok(Ok((input, output)))
    }

    fn start_listen(&mut self, _this: Resource<Socket>) -> Answer<()> {
        Ok(Err(ErrorCode::AccessDenied))
    }

    fn finish_listen(&mut self, _this: Resource<Socket>) -> Answer<()> {
        Ok(Err(ErrorCode::NotInProgress))
    }

    fn accept(
        &mut self,
        _this: Resource<Socket>,
    ) -> Answer<(
        Resource<Socket>,
        Resource<DynInputStream>,
        Resource<DynOutputStream>,
    )> {
        Ok(Err(ErrorCode::InvalidState))
    }

    fn local_address(&mut self, this: Resource<Socket>) -> Answer<IpSocketAddress> {
        Ok(match &self.socket(&this)?.stage {
            Stage::Connected { local, .. } => Ok((*local).into()),
            _ => Err(ErrorCode::InvalidState),
        })
    }

    fn remote_address(&mut self, this: Resource<Socket>) -> Answer<IpSocketAddress> {
        Ok(match &self.socket(&this)?.stage {
            Stage::Connected { remote, .. } => Ok((*remote).into()),
            _ => Err(ErrorCode::InvalidState),
        })
    }

    fn is_listening(&mut self, _this: Resource<Socket>) -> Result<bool> {
        Ok(false)
    }

    fn address_family(&mut self, this: Resource<Socket>) -> Result<IpAddressFamily> {
        Ok(self.socket(&this)?.family)
    }

    fn set_listen_backlog_size(&mut self, _this: Resource<Socket>, _value: u64) -> Answer<()> {
        Ok(Err(ErrorCode::NotSupported))
    }

    fn keep_alive_enabled(&mut self, this: Resource<Socket>) -> Answer<bool> {
        Ok(Ok(self.socket(&this)?.kept.alive))
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<Socket>, value: bool) -> Answer<()> {
        self.socket(&this)?.kept.alive = value;
        Ok(Ok(()))
    }

    fn keep_alive_idle_time(&mut self, this: Resource<Socket>) -> Answer<u64> {
        Ok(Ok(self.socket(&this)?.kept.idle))
    }

    fn set_keep_alive_idle_time(&mut self, this: Resource<Socket>, value: u64) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.idle)
    }

    fn keep_alive_interval(&mut self, this: Resource<Socket>) -> Answer<u64> {
        Ok(Ok(self.socket(&this)?.kept.interval))
    }

    fn set_keep_alive_interval(&mut self, this: Resource<Socket>, value: u64) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.interval)
    }

    fn keep_alive_count(&mut self, this: Resource<Socket>) -> Answer<u32> {
        Ok(Ok(self.socket(&this)?.kept.count))
    }

    fn set_keep_alive_count(&mut self, this: Resource<Socket>, value: u32) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.count)
    }

    fn hop_limit(&mut self, this: Resource<Socket>) -> Answer<u8> {
        Ok(Ok(self.socket(&this)?.kept.hops))
    }

    fn set_hop_limit(&mut self, this: Resource<Socket>, value: u8) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.hops)
    }

    fn receive_buffer_size(&mut self, this: Resource<Socket>) -> Answer<u64> {
        Ok(Ok(self.socket(&this)?.kept.receive))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<Socket>, value: u64) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.receive)
    }

    fn send_buffer_size(&mut self, this: Resource<Socket>) -> Answer<u64> {
        Ok(Ok(self.socket(&this)?.kept.send))
    }

    fn set_send_buffer_size(&mut self, this: Resource<Socket>, value: u64) -> Answer<()> {
        self.set(&this, value, |kept| &mut kept.send)
    }

    fn subscribe(&mut self, this: Resource<Socket>) -> Result<Resource<DynPollable>> {
        subscribe(self.table(), this)
    }

    fn shutdown(&mut self, this: Resource<Socket>, which: ShutdownType) -> Answer<()> {
        let socket = self.socket(&this)?;
        let Stage::Connected { way, .. } = &socket.stage else {
            return Ok(Err(ErrorCode::InvalidState));
        };
        let (receive, send) = match which {
            ShutdownType::Receive => (true, false),
            ShutdownType::Send => (false, true),
            ShutdownType::Both => (true, true),
        };
        if receive {
            way.shut(RECEIVE);
        }
        if send {
            way.shut(SEND);
        }
        Ok(Ok(()))
    }

    async fn drop(&mut self, this: Resource<Socket>) -> Result<()> {
        let socket = self.table().delete(this)?;
        if let Stage::Connected { way, .. } = socket.stage {
            way.close().await;
        }
        Ok(())
    }
}
