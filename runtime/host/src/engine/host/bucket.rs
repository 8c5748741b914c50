//! What is asked of a bucket, and what is answered.

use lovage_queue::bucket::{BucketError, check_bucket, check_key, check_keys, check_pairs};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Something to be done with a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BucketRequest {
    /// Its name.
    pub bucket: String,
    /// What.
    pub does: BucketCall,
}

/// What is to be done with a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketCall {
    /// Values of keys; answered with [`BucketReply::Values`].
    Get(Vec<String>),
    /// Keys to be set; answered with [`BucketReply::Done`].
    Set(Vec<(String, ByteBuf)>),
    /// Keys to be deleted; answered with [`BucketReply::Done`].
    Delete(Vec<String>),
    /// Whether there is a key; answered with [`BucketReply::Is`].
    Exists(String),
    /// Keys behind one, or the first; answered with [`BucketReply::Keys`].
    Keys(Option<String>),
    /// A number to be added; answered with [`BucketReply::Number`].
    Increment(String, i64),
    /// A key to be set if its value is what it was; answered with [`BucketReply::Swapped`].
    Swap {
        /// Which key.
        key: String,
        /// What it was.
        expected: Was,
        /// What it shall be.
        value: ByteBuf,
    },
}

/// What a value was, in short: so a handle holds no value.
pub type Was = Option<[u8; 32]>;

/// A value in short.
pub fn was(value: Option<&[u8]>) -> Was {
    value.map(|it| *blake3::hash(it).as_bytes())
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketReply {
    /// It is done.
    Done,
    /// Values in the order asked for.
    Values(Vec<Option<ByteBuf>>),
    /// Whether it is so.
    Is(bool),
    /// A page of keys, and whether there may be more behind it.
    Keys(Vec<String>, bool),
    /// The sum.
    Number(i64),
    /// It was swapped; or it was not, and is this instead.
    Swapped(Result<(), Was>),
}

impl BucketRequest {
    /// Whether it is one that a bucket could have.
    pub(crate) fn check(&self) -> Result<(), BucketError> {
        check_bucket(&self.bucket)?;
        match &self.does {
            BucketCall::Get(keys) | BucketCall::Delete(keys) => check_keys(keys),
            BucketCall::Set(pairs) => {
                check_pairs(pairs.iter().map(|(key, value)| (&**key, &***value)))
            }
            BucketCall::Exists(key) | BucketCall::Increment(key, _) => check_key(key),
            BucketCall::Keys(None) => Ok(()),
            BucketCall::Keys(Some(key)) => check_key(key),
            BucketCall::Swap { key, value, .. } => check_pairs([(&**key, &***value)].into_iter()),
        }
    }

    /// Bytes of what an author may make long.
    pub(super) fn size(&self) -> usize {
        let of = |keys: &[String]| keys.iter().map(String::len).sum();
        match &self.does {
            BucketCall::Get(keys) | BucketCall::Delete(keys) => of(keys),
            BucketCall::Set(pairs) => pairs.iter().map(|(key, it)| key.len() + it.len()).sum(),
            BucketCall::Exists(key) | BucketCall::Increment(key, _) => key.len(),
            BucketCall::Keys(after) => after.as_ref().map_or(0, String::len),
            BucketCall::Swap { key, value, .. } => key.len() + value.len(),
        }
    }
}

impl BucketReply {
    pub(super) fn size(&self) -> usize {
        match self {
            BucketReply::Values(all) => all.iter().flatten().map(|it| it.len()).sum(),
            BucketReply::Keys(keys, _) => keys.iter().map(String::len).sum(),
            _ => 0,
        }
    }
}
