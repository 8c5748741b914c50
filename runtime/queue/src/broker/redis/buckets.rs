//! Buckets on Redis: each operation's way into its script.

use redis::{Cmd, Value};

use super::connection::unexpected;
use super::reply::Reply;
use super::scripts::Script;
use super::{RedisBroker, scripts};
use crate::broker::buckets::{
    BucketStatus, Buckets, STEP_BYTES, Swapped, bucket_is_full, check_asked, check_one,
    check_place, check_set, no_number, too_large, too_many_buckets,
};
use crate::broker::{BrokerError, Result};
use crate::bucket::{MAX_BATCH_BYTES, MAX_BUCKETS, MAX_KEYS, MAX_PAGE, check_value};
use crate::tenant::Deletion;

#[async_trait::async_trait]
impl Buckets for RedisBroker {
    async fn get_many(
        &self,
        tenant: &str,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        check_asked(tenant, bucket, keys)?;
        let mut command = self.of_bucket(&scripts::GET_KEYS, tenant, bucket);
        command.arg(MAX_BATCH_BYTES).arg(keys);
        match self.run(&scripts::GET_KEYS, &command).await? {
            Value::Int(bytes) => Err(too_large(bytes.unsigned_abs())),
            Value::Array(values) => values.into_iter().map(value).collect(),
            other => Err(unexpected("get_keys", &format!("no values but {other:?}"))),
        }
    }

    async fn set_many(
        &self,
        tenant: &str,
        bucket: &str,
        pairs: &[(String, Vec<u8>)],
    ) -> Result<()> {
        check_set(tenant, bucket, pairs)?;
        let mut command = self.in_bucket(&scripts::SET_KEYS, tenant, bucket);
        for (key, value) in pairs {
            command.arg(key).arg(value);
        }
        let word = self.bytes_of(&scripts::SET_KEYS, &command).await?;
        refused(bucket, &word.unwrap_or_default())
    }

    async fn delete_many(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<u64> {
        check_asked(tenant, bucket, keys)?;
        let mut command = self.of_bucket(&scripts::UNSET_KEYS, tenant, bucket);
        command.arg(keys);
        let gone = self.number_of(&scripts::UNSET_KEYS, &command).await?;
        Ok(gone.into())
    }

    async fn exist(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<bool>> {
        check_asked(tenant, bucket, keys)?;
        let mut command = self.of_bucket(&scripts::HAVE_KEYS, tenant, bucket);
        command.arg(keys);
        let mut reply = self.list_of(&scripts::HAVE_KEYS, &command).await?;
        let mut there = Vec::with_capacity(keys.len());
        while !reply.is_empty() {
            there.push(reply.int()? == 1);
        }
        Ok(there)
    }

    async fn keys(
        &self,
        tenant: &str,
        bucket: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        check_place(tenant, bucket)?;
        let mut command = self.of_bucket(&scripts::LIST_KEYS, tenant, bucket);
        command.arg(after).arg(limit.min(MAX_PAGE));
        let mut reply = self.list_of(&scripts::LIST_KEYS, &command).await?;
        let mut keys = Vec::new();
        while !reply.is_empty() {
            keys.push(reply.text()?);
        }
        Ok(keys)
    }

    async fn increment(&self, tenant: &str, bucket: &str, key: &str, by: i64) -> Result<i64> {
        check_one(tenant, bucket, key)?;
        let mut command = self.in_bucket(&scripts::INCREMENT, tenant, bucket);
        command.arg(key).arg(by);
        let mut reply = self.once(&scripts::INCREMENT, &command).await?;
        match &*reply.bytes()? {
            b"number" => Err(no_number()),
            word => {
                refused(bucket, word)?;
                reply.int()
            }
        }
    }

    async fn swap(
        &self,
        tenant: &str,
        bucket: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Swapped> {
        check_one(tenant, bucket, key)?;
        check_value(value).map_err(|e| BrokerError::Invalid(e.to_string()))?;
        let mut command = self.in_bucket(&scripts::SWAP_KEY, tenant, bucket);
        command.arg(key).arg(value);
        command.arg(expected.unwrap_or_default());
        command.arg(u8::from(expected.is_some()));
        let mut reply = self.once(&scripts::SWAP_KEY, &command).await?;
        match &*reply.bytes()? {
            b"not" if reply.is_empty() => Ok(Swapped::Not(None)),
            b"not" => Ok(Swapped::Not(Some(reply.bytes()?))),
            word => refused(bucket, word).map(|()| Swapped::Done),
        }
    }

    async fn buckets(&self, tenant: &str) -> Result<Vec<BucketStatus>> {
        let command = self.of_tenant(&scripts::BUCKETS, tenant);
        let mut reply = self.list_of(&scripts::BUCKETS, &command).await?;
        let mut buckets = Vec::new();
        while !reply.is_empty() {
            buckets.push(BucketStatus {
                name: reply.text()?,
                keys: reply.number()?,
                bytes: reply.number()?,
            });
        }
        buckets.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(buckets)
    }

    async fn delete_bucket(&self, tenant: &str, bucket: &str, limit: u32) -> Result<Deletion> {
        check_place(tenant, bucket)?;
        let mut command = self.of_bucket(&scripts::DELETE_BUCKET, tenant, bucket);
        command.arg(limit.clamp(1, MAX_PAGE)).arg(STEP_BYTES);
        match self.bytes_of(&scripts::DELETE_BUCKET, &command).await? {
            Some(word) if word == b"missing" => Ok(Deletion::Missing),
            Some(word) if word == b"done" => Ok(Deletion::Done),
            _ => Ok(Deletion::More),
        }
    }
}

impl RedisBroker {
    fn of_bucket(&self, script: &Script, tenant: &str, bucket: &str) -> Cmd {
        let mut command = self.of_tenant(script, tenant);
        command.arg(bucket);
        command
    }

    /// The same for what adds to a bucket.
    fn in_bucket(&self, script: &Script, tenant: &str, bucket: &str) -> Cmd {
        let mut command = self.of_bucket(script, tenant, bucket);
        command.arg(MAX_KEYS).arg(MAX_BUCKETS);
        command
    }

    /// The answer of what is not safe to repeat.
    async fn once(&self, script: &Script, command: &Cmd) -> Result<Reply> {
        Reply::of(script, self.connection.run_once(script, command).await?)
    }
}

fn value(it: Value) -> Result<Option<Vec<u8>>> {
    match it {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        other => Err(unexpected("get_keys", &format!("no value but {other:?}"))),
    }
}

/// What a script's word refuses.
fn refused(bucket: &str, word: &[u8]) -> Result<()> {
    match word {
        b"ok" => Ok(()),
        b"full" => Err(bucket_is_full(bucket)),
        b"many" => Err(too_many_buckets()),
        other => {
            let said = String::from_utf8_lossy(other);
            Err(unexpected("set_keys", &format!("no word but {said:?}")))
        }
    }
}
