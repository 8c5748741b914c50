//! Buckets, as they are shown.

use lovage_queue::broker::BucketStatus;
use serde::Serialize;
use utoipa::ToSchema;

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bucket)]
pub struct BucketView {
    /// Its name.
    pub bucket: String,
    /// How many keys it has.
    pub keys: u64,
    /// Bytes of its keys and values.
    pub bytes: u64,
}

impl BucketView {
    /// What is shown of one.
    pub fn of(it: BucketStatus) -> Self {
        BucketView {
            bucket: it.name,
            keys: it.keys,
            bytes: it.bytes,
        }
    }
}
