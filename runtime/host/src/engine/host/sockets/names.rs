//! `wasi:sockets/ip-name-lookup`.

use std::net::IpAddr;

use async_trait::async_trait;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::bindings::wasi::sockets::ip_name_lookup::{Host, HostResolveAddressStream};
use super::{Question, State, code};
use crate::net::tcp::NAME;
use crate::net::{TcpAnswer, TcpCall};

/// The addresses of a name.
#[allow(unreachable_pub, reason = "the bindings hand it on")]
pub struct Found {
    question: Question,
    told: usize,
}

#[async_trait]
impl Pollable for Found {
    async fn ready(&mut self) {
        self.question.ready().await;
    }
}

impl Host for State {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        name: String,
    ) -> Result<Result<Resource<Found>, ErrorCode>> {
        if name.is_empty() || name.len() > NAME {
            return Ok(Err(ErrorCode::InvalidArgument));
        }
        let question = match name.parse::<IpAddr>() {
            // It leads to itself; whether one may connect to it is asked then.
            Ok(address) => Question::Answered(Ok(TcpAnswer::Addresses(vec![address]))),
            Err(_) => self.line().begin(TcpCall::LookUp(name)),
        };
        let found = self.table().push(Found { question, told: 0 })?;
        Ok(Ok(found))
    }
}

impl HostResolveAddressStream for State {
    fn resolve_next_address(
        &mut self,
        this: Resource<Found>,
    ) -> Result<Result<Option<IpAddress>, ErrorCode>> {
        let found = self.table().get_mut(&this)?;
        Ok(match found.question.answer() {
            None => Err(ErrorCode::WouldBlock),
            Some(Err(failure)) => Err(code(failure)),
            Some(Ok(TcpAnswer::Addresses(addresses))) => {
                let next = addresses.get(found.told).copied();
                found.told += 1;
                Ok(next.map(IpAddress::from))
            }
            Some(Ok(_)) => Err(ErrorCode::Unknown),
        })
    }

    fn subscribe(&mut self, this: Resource<Found>) -> Result<Resource<DynPollable>> {
        subscribe(self.table(), this)
    }

    fn drop(&mut self, this: Resource<Found>) -> Result<()> {
        self.table().delete(this)?;
        Ok(())
    }
}
