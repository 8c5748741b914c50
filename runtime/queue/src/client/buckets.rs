//! A bucket as people use it, and the server's side of what they do with it over HTTP.

use serde::Serialize;
use serde_bytes::ByteBuf;

use super::Client;
use crate::broker::remote::Operation;
use crate::broker::remote::wire::{OfBucket, OfKeys, PageOfKeys, SetKeys, pack, request};
use crate::broker::{BrokerError, Result};
use crate::bucket::MAX_PAGE;
use crate::tenant::Deletion;

impl Client {
    /// Deletes a bucket with all its keys; whether there was one.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<bool> {
        let mut was_there = false;
        loop {
            let step = self.broker.delete_bucket(&self.tenant, bucket, MAX_PAGE);
            match step.await? {
                Deletion::More => was_there = true,
                Deletion::Done => return Ok(true),
                Deletion::Missing => return Ok(was_there),
            }
        }
    }
}

/// Answers one request about buckets.
pub(super) async fn answer(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::GetKeys => {
            let OfKeys { bucket, keys } = request(body)?;
            let values = broker.get_many(tenant, &bucket, &keys).await?;
            let values = values.into_iter().map(|it| it.map(ByteBuf::from));
            done(values.collect::<Vec<_>>())
        }
        Operation::SetKeys => {
            let SetKeys { bucket, pairs } = request(body)?;
            let pairs = pairs.into_iter().map(|(key, it)| (key, it.into_vec()));
            let pairs: Vec<_> = pairs.collect();
            done(broker.set_many(tenant, &bucket, &pairs).await?)
        }
        Operation::UnsetKeys => {
            let OfKeys { bucket, keys } = request(body)?;
            done(broker.delete_many(tenant, &bucket, &keys).await?)
        }
        Operation::HaveKeys => {
            let OfKeys { bucket, keys } = request(body)?;
            done(broker.exist(tenant, &bucket, &keys).await?)
        }
        Operation::ListKeys => {
            let PageOfKeys {
                bucket,
                after,
                limit,
            } = request(body)?;
            done(broker.keys(tenant, &bucket, &after, limit).await?)
        }
        Operation::DeleteBucket => {
            let OfBucket { bucket } = request(body)?;
            done(client.delete_bucket(&bucket).await?)
        }
        Operation::Buckets => done(broker.buckets(tenant).await?),
        other => Err(BrokerError::Invalid(format!("`{other}` is of no bucket"))),
    }
}

fn done<T: Serialize>(it: T) -> Result<Vec<u8>> {
    Ok(pack(&it))
}
