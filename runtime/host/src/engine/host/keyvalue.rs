//! `wasi:keyvalue`: keys with values that stay, in the tenant's buckets.
//!
//! A handle is a name, and holds no value: what a compare-and-swap goes by is the hash of
//! what was read.

use serde_bytes::ByteBuf;
use wasmtime::component::Resource;

use super::bucket::{self, BucketCall, BucketReply, BucketRequest, Was};
use super::{Access, CallError, Reply, Request, State, mismatch};
use crate::engine::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::engine::outcome::cut;
use store::Error;

/// A bucket that a guest has opened.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings export it")]
pub struct Bucket {
    name: String,
}

/// A value as it was once.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the generated bindings export it")]
pub struct Cas {
    bucket: String,
    key: String,
    was: Was,
}

/// Offers it to all modules.
pub(super) fn link(linker: &mut wasmtime::component::Linker<State>) -> wasmtime::Result<()> {
    use wasmtime::component::HasSelf;
    store::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    atomics::add_to_linker::<_, HasSelf<State>>(linker, State::import)?;
    batch::add_to_linker::<_, HasSelf<State>>(linker, State::import)
}

/// The interfaces it consists of, without their version.
pub(super) const INTERFACES: &[&str] = &[
    "wasi:keyvalue/store",
    "wasi:keyvalue/atomics",
    "wasi:keyvalue/batch",
];

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Denied(_) => Error::AccessDenied,
            other => Error::Other(other.to_string()),
        }
    }
}

impl State {
    /// A handle of the guest's; too many of them are refused, and not fatal.
    fn keep<T: Send + 'static>(&mut self, it: T) -> Result<Resource<T>, Error> {
        let table = &mut self.machine.made(self.limits.log).1;
        table.push(it).map_err(|_| {
            let text = "an attempt has too many handles: drop some";
            CallError::Limit(text.into()).into()
        })
    }

    /// A bucket's name. What is no handle is the guest's own doing, and traps.
    fn named(&mut self, it: &Resource<Bucket>) -> wasmtime::Result<String> {
        let table = &mut self.machine.made(self.limits.log).1;
        Ok(table.get(it)?.name.clone())
    }

    fn dropped<T: 'static>(&mut self, it: Resource<T>) -> wasmtime::Result<()> {
        let table = &mut self.machine.made(self.limits.log).1;
        table.delete(it)?;
        Ok(())
    }

    async fn bucket(&mut self, bucket: String, does: BucketCall) -> Result<BucketReply, CallError> {
        let request = BucketRequest { bucket, does };
        request
            .check()
            .map_err(|e| CallError::Limit(e.to_string()))?;
        match self.ask(Request::Access(Access::Bucket(request))).await? {
            Reply::Bucket(reply) => Ok(reply),
            _ => Err(mismatch()),
        }
    }

    async fn value(&mut self, bucket: String, key: String) -> Result<Option<Vec<u8>>, CallError> {
        match self.bucket(bucket, BucketCall::Get(vec![key])).await? {
            BucketReply::Values(values) => match <[_; 1]>::try_from(values) {
                Ok([value]) => Ok(value.map(ByteBuf::into_vec)),
                Err(_) => Err(mismatch()),
            },
            _ => Err(mismatch()),
        }
    }

    async fn done(&mut self, bucket: String, does: BucketCall) -> Result<(), Error> {
        match self.bucket(bucket, does).await? {
            BucketReply::Done => Ok(()),
            _ => Err(mismatch().into()),
        }
    }
}

impl store::Host for State {
    async fn open(
        &mut self,
        identifier: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        if !self.grants.bucket(&identifier) {
            let line = cut(&identifier, 200);
            let said = format!("lovage: the module was not granted `bucket {line}`\n");
            // What a task is told has no room for the reason.
            self.machine.sink(self.limits.log).append(said.as_bytes());
            return Ok(Err(Error::AccessDenied));
        }
        Ok(self.keep(Bucket { name: identifier }))
    }
}

impl store::HostBucket for State {
    async fn get(
        &mut self,
        it: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let name = self.named(&it)?;
        Ok(self.value(name, key).await.map_err(Error::from))
    }

    async fn set(
        &mut self,
        it: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let name = self.named(&it)?;
        let call = BucketCall::Set(vec![(key, ByteBuf::from(value))]);
        Ok(self.done(name, call).await)
    }

    async fn delete(
        &mut self,
        it: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let name = self.named(&it)?;
        Ok(self.done(name, BucketCall::Delete(vec![key])).await)
    }

    async fn exists(
        &mut self,
        it: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let name = self.named(&it)?;
        let answer = self.bucket(name, BucketCall::Exists(key)).await;
        Ok(match answer {
            Ok(BucketReply::Is(is)) => Ok(is),
            Ok(_) => Err(mismatch().into()),
            Err(e) => Err(e.into()),
        })
    }

    async fn list_keys(
        &mut self,
        it: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, Error>> {
        let name = self.named(&it)?;
        let answer = self.bucket(name, BucketCall::Keys(cursor)).await;
        Ok(match answer {
            Ok(BucketReply::Keys(keys, more)) => {
                let cursor = keys.last().filter(|_| more).cloned();
                Ok(store::KeyResponse { keys, cursor })
            }
            Ok(_) => Err(mismatch().into()),
            Err(e) => Err(e.into()),
        })
    }

    async fn drop(&mut self, it: Resource<Bucket>) -> wasmtime::Result<()> {
        self.dropped(it)
    }
}

impl atomics::Host for State {
    async fn increment(
        &mut self,
        it: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        let name = self.named(&it)?;
        let answer = self.bucket(name, BucketCall::Increment(key, delta)).await;
        Ok(match answer {
            Ok(BucketReply::Number(sum)) => Ok(sum),
            Ok(_) => Err(mismatch().into()),
            Err(e) => Err(e.into()),
        })
    }

    async fn swap(
        &mut self,
        it: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        use atomics::CasError::{CasFailed, StoreError};
        // The call takes the handle.
        let cas = self.machine.made(self.limits.log).1.delete(it)?;
        let call = BucketCall::Swap {
            key: cas.key.clone(),
            expected: cas.was,
            value: ByteBuf::from(value),
        };
        let answer = self.bucket(cas.bucket.clone(), call).await;
        Ok(match answer {
            Ok(BucketReply::Swapped(Ok(()))) => Ok(()),
            Ok(BucketReply::Swapped(Err(was))) => match self.keep(Cas { was, ..cas }) {
                Ok(cas) => Err(CasFailed(cas)),
                Err(e) => Err(StoreError(e)),
            },
            Ok(_) => Err(StoreError(mismatch().into())),
            Err(e) => Err(StoreError(e.into())),
        })
    }
}

impl atomics::HostCas for State {
    async fn new(
        &mut self,
        it: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        let bucket = self.named(&it)?;
        let value = match self.value(bucket.clone(), key.clone()).await {
            Ok(value) => value,
            Err(e) => return Ok(Err(e.into())),
        };
        let was = bucket::was(value.as_deref());
        Ok(self.keep(Cas { bucket, key, was }))
    }

    async fn current(
        &mut self,
        it: Resource<Cas>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let table = &mut self.machine.made(self.limits.log).1;
        let cas = table.get(&it)?;
        let (bucket, key) = (cas.bucket.clone(), cas.key.clone());
        let value = match self.value(bucket, key).await {
            Ok(value) => value,
            Err(e) => return Ok(Err(e.into())),
        };
        let table = &mut self.machine.made(self.limits.log).1;
        table.get_mut(&it)?.was = bucket::was(value.as_deref());
        Ok(Ok(value))
    }

    async fn drop(&mut self, it: Resource<Cas>) -> wasmtime::Result<()> {
        self.dropped(it)
    }
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        it: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let name = self.named(&it)?;
        let answer = self.bucket(name, BucketCall::Get(keys.clone())).await;
        Ok(match answer {
            Ok(BucketReply::Values(values)) if values.len() == keys.len() => {
                let values = values.into_iter().map(|it| it.map(ByteBuf::into_vec));
                Ok(keys.into_iter().zip(values).collect())
            }
            Ok(_) => Err(mismatch().into()),
            Err(e) => Err(e.into()),
        })
    }

    async fn set_many(
        &mut self,
        it: Resource<Bucket>,
        pairs: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let name = self.named(&it)?;
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(key, value)| (key, ByteBuf::from(value)));
        Ok(self.done(name, BucketCall::Set(pairs.collect())).await)
    }

    async fn delete_many(
        &mut self,
        it: Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let name = self.named(&it)?;
        Ok(self.done(name, BucketCall::Delete(keys)).await)
    }
}
