//! Buckets over HTTP: what people do with them. What adds up and compares is a task's.

use serde_bytes::ByteBuf;

use super::wire::{OfBucket, OfKeys, PageOfKeys, SetKeys};
use super::{Operation, RemoteBroker, of_workers};
use crate::broker::{BucketStatus, Buckets, Result, Swapped};
use crate::tenant::Deletion;

#[async_trait::async_trait]
impl Buckets for RemoteBroker {
    async fn get_many(
        &self,
        tenant: &str,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let (bucket, keys) = (bucket.into(), keys.into());
        let request = OfKeys { bucket, keys };
        let values: Vec<Option<ByteBuf>> = self.run(tenant, Operation::GetKeys, &request).await?;
        Ok(values
            .into_iter()
            .map(|it| it.map(ByteBuf::into_vec))
            .collect())
    }

    async fn set_many(
        &self,
        tenant: &str,
        bucket: &str,
        pairs: &[(String, Vec<u8>)],
    ) -> Result<()> {
        let pair = |(key, value): &(String, Vec<u8>)| (key.clone(), ByteBuf::from(&value[..]));
        let (bucket, pairs) = (bucket.into(), pairs.iter().map(pair).collect());
        let request = SetKeys { bucket, pairs };
        self.run(tenant, Operation::SetKeys, &request).await
    }

    async fn delete_many(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<u64> {
        let (bucket, keys) = (bucket.into(), keys.into());
        let request = OfKeys { bucket, keys };
        self.run(tenant, Operation::UnsetKeys, &request).await
    }

    async fn exist(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<bool>> {
        let (bucket, keys) = (bucket.into(), keys.into());
        let request = OfKeys { bucket, keys };
        self.run(tenant, Operation::HaveKeys, &request).await
    }

    async fn keys(
        &self,
        tenant: &str,
        bucket: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        let request = PageOfKeys {
            bucket: bucket.into(),
            after: after.into(),
            limit,
        };
        self.run(tenant, Operation::ListKeys, &request).await
    }

    async fn increment(&self, _: &str, _: &str, _: &str, _: i64) -> Result<i64> {
        of_workers()
    }

    async fn swap(&self, _: &str, _: &str, _: &str, _: Option<&[u8]>, _: &[u8]) -> Result<Swapped> {
        of_workers()
    }

    async fn buckets(&self, tenant: &str) -> Result<Vec<BucketStatus>> {
        self.run(tenant, Operation::Buckets, &()).await
    }

    /// All of it: the server goes on until nothing is left.
    async fn delete_bucket(&self, tenant: &str, bucket: &str, _: u32) -> Result<Deletion> {
        let bucket = bucket.into();
        let request = OfBucket { bucket };
        let was_there: bool = self.run(tenant, Operation::DeleteBucket, &request).await?;
        match was_there {
            true => Ok(Deletion::Done),
            false => Ok(Deletion::Missing),
        }
    }
}
