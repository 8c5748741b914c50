//! The contract of buckets: keys with values, which tasks keep from one job to the next.
//!
//! A bucket is a tenant's, and two tenants may have buckets of one name. It is there with
//! its first key, and gone with its last one. A key is a text of 1 to [`MAX_KEY`] bytes, a
//! value up to [`MAX_VALUE`] bytes of anything. A step takes up to [`MAX_BATCH_KEYS`] keys
//! and [`MAX_BATCH_BYTES`] bytes, a bucket up to [`MAX_KEYS`] keys, a tenant up to
//! [`MAX_BUCKETS`] buckets: what is more is refused as [`BrokerError::Invalid`], and so is
//! what is no name, no key or no value.
//!
//! Each operation is one step: of many keys all are changed or none, and what is read was
//! there at one moment. Whoever reads after a write was answered reads it.
//!
//! # What a quota counts
//! The bytes of keys and values count as stored ones (see [`Tenants`](super::Tenants)): what
//! would make them more than the tenant may have is refused, and changes nothing. What makes
//! them no more, such as a shorter value in the place of a longer one, is done however much
//! there is. A suspended tenant's running jobs go on to use its buckets; of one that is being
//! deleted nothing changes.

use serde::{Deserialize, Serialize};

use super::{BrokerError, Result};
use crate::bucket::{BucketError, MAX_KEYS, check_bucket, check_key, check_keys, check_pairs};
#[cfg(doc)]
use crate::bucket::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_BUCKETS, MAX_KEY, MAX_PAGE, MAX_VALUE};
use crate::task::check_name;
use crate::tenant::Deletion;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketStatus {
    /// Its name.
    pub name: String,
    /// How many keys it has.
    pub keys: u64,
    /// Bytes of its keys and values.
    pub bytes: u64,
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The key has the new value.
    Done,
    /// It did not have the value that was expected but this one, and has it still.
    Not(Option<Vec<u8>>),
}

/// Bytes of values that one step of a bucket's deletion takes away, at most by one value
/// more: to free memory takes time too.
pub(crate) const STEP_BYTES: usize = 16 * 1024 * 1024;

/// Buckets.
#[async_trait::async_trait]
pub trait Buckets: Send + Sync {
    /// The values of keys, in the order asked for.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for values that have more than [`MAX_BATCH_BYTES`] together:
    /// ask for fewer.
    async fn get_many(
        &self,
        tenant: &str,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>>;

    /// Sets keys, all or none. Of a key that is named twice the last value counts.
    ///
    /// # Errors
    /// [`BrokerError::Quota`].
    async fn set_many(&self, tenant: &str, bucket: &str, pairs: &[(String, Vec<u8>)])
    -> Result<()>;

    /// Deletes keys; how many of them were there.
    async fn delete_many(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<u64>;

    /// Whether there are these keys, in the order asked for.
    async fn exist(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<bool>>;

    /// Keys in the order of their bytes: those behind `after`, at most `limit` and
    /// [`MAX_PAGE`]. The last of a page is the cursor of the next one: so whoever goes on
    /// until a page is empty sees each key that was there all the time, once, and of the
    /// others some.
    async fn keys(
        &self,
        tenant: &str,
        bucket: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>>;

    /// Adds to the number that a key's value is, and answers with the sum; a key that is not
    /// there counts as zero. The value is the number in decimal digits, with a `-` before a
    /// negative one, and nothing else.
    ///
    /// It is not safe to repeat, and sent once: where its answer is lost
    /// ([`BrokerError::Unreachable`]), nobody knows whether it was done.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for a value that is no such number of 64 bits, and for a sum
    /// that is none; [`BrokerError::Quota`].
    async fn increment(&self, tenant: &str, bucket: &str, key: &str, by: i64) -> Result<i64>;

    /// Sets a key if its value is the one that is expected: `None` where there should be no
    /// such key. It is sent once, as an [increment](Buckets::increment) is.
    ///
    /// # Errors
    /// [`BrokerError::Quota`].
    async fn swap(
        &self,
        tenant: &str,
        bucket: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Swapped>;

    /// The tenant's buckets, by name.
    async fn buckets(&self, tenant: &str) -> Result<Vec<BucketStatus>>;

    /// Deletes a bucket, at most `limit` of its keys in a step: it is to be asked until
    /// nothing is left. What is set meanwhile is deleted as well, or stays.
    async fn delete_bucket(&self, tenant: &str, bucket: &str, limit: u32) -> Result<Deletion>;
}

fn invalid(e: BucketError) -> BrokerError {
    BrokerError::Invalid(e.to_string())
}

/// What is refused before the store is touched, whatever is asked of a bucket.
pub(crate) fn check_place(tenant: &str, bucket: &str) -> Result<()> {
    check_name(tenant, "tenant").map_err(|e| BrokerError::Invalid(e.to_string()))?;
    check_bucket(bucket).map_err(invalid)
}

/// The same of keys.
pub(crate) fn check_asked(tenant: &str, bucket: &str, keys: &[String]) -> Result<()> {
    check_place(tenant, bucket)?;
    check_keys(keys).map_err(invalid)
}

/// The same of keys with values.
pub(crate) fn check_set(tenant: &str, bucket: &str, pairs: &[(String, Vec<u8>)]) -> Result<()> {
    check_place(tenant, bucket)?;
    let pairs = pairs.iter().map(|(key, value)| (&**key, &**value));
    check_pairs(pairs).map_err(invalid)
}

/// The same of one key.
pub(crate) fn check_one(tenant: &str, bucket: &str, key: &str) -> Result<()> {
    check_place(tenant, bucket)?;
    check_key(key).map_err(invalid)
}

/// Values that are too much for one answer.
pub(crate) fn too_large(bytes: u64) -> BrokerError {
    invalid(BucketError::Large(bytes))
}

pub(crate) fn bucket_is_full(bucket: &str) -> BrokerError {
    BrokerError::Invalid(format!(
        "a bucket has at most {MAX_KEYS} keys, and `{bucket}` would have more"
    ))
}

pub(crate) fn too_many_buckets() -> BrokerError {
    let most = crate::bucket::MAX_BUCKETS;
    BrokerError::Invalid(format!("a tenant has at most {most} buckets"))
}

/// Why nothing can be added to a value.
pub(crate) fn no_number() -> BrokerError {
    BrokerError::Invalid(
        "the value is no whole number of 64 bits in decimal digits, or would not be one any more"
            .into(),
    )
}
