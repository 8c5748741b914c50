//! Bytes that travel with a job, or beside it.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::registry::Digest;

/// An input or a result of more bytes than this lies in the tenant's blob store,
/// and its record holds the digest (the claim check of Hohpe and Woolf,
/// "Enterprise Integration Patterns").
pub const CLAIM_CHECK: usize = 64 * 1024;

/// An input or a result, in MessagePack.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// The bytes.
    Inline(Vec<u8>),
    /// Where they are, and how many.
    Blob {
        /// The blob's digest.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
}

impl Payload {
    /// How many bytes there are, wherever they lie.
    pub fn size(&self) -> u64 {
        match self {
            Payload::Inline(bytes) => bytes.len() as u64,
            Payload::Blob { size, .. } => *size,
        }
    }

    /// The bytes, if they are here.
    pub fn inline(&self) -> Option<&[u8]> {
        match self {
            Payload::Inline(bytes) => Some(bytes),
            Payload::Blob { .. } => None,
        }
    }

    /// The blob that is referred to, if there is one.
    pub fn blob(&self) -> Option<Digest> {
        match self {
            Payload::Inline(_) => None,
            Payload::Blob { digest, .. } => Some(*digest),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::Inline(Vec::new())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::Inline(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Inline(bytes) if bytes.len() <= 64 => write!(f, "{bytes:?}"),
            Payload::Inline(bytes) => write!(f, "{} bytes", bytes.len()),
            Payload::Blob { digest, size } => write!(f, "{size} bytes in blob {digest:?}"),
        }
    }
}

// At rest: the bytes as bytes; a reference as `[digest, size]`.
impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Payload::Inline(bytes) => serializer.serialize_bytes(bytes),
            Payload::Blob { digest, size } => {
                (serde_bytes::Bytes::new(&digest.0), size).serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes, or the digest and size of a blob")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Payload, E> {
                Ok(Payload::Inline(bytes.to_vec()))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Payload, E> {
                Ok(Payload::Inline(bytes))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Payload, A::Error> {
                use serde::de::Error;
                let digest: serde_bytes::ByteBuf = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let size = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(1, &self))?;
                let digest = Digest::from_slice(&digest)
                    .ok_or_else(|| A::Error::invalid_length(digest.len(), &"32 bytes"))?;
                Ok(Payload::Blob { digest, size })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_read_back_from_messagepack() {
        for payload in [
            Payload::default(),
            vec![1, 2, 3].into(),
            Payload::Blob {
                digest: Digest::of(b"large"),
                size: 1 << 33,
            },
        ] {
            let bytes = rmp_serde::to_vec(&payload).unwrap();
            assert_eq!(rmp_serde::from_slice::<Payload>(&bytes).unwrap(), payload);
        }
        assert!(
            rmp_serde::from_slice::<Payload>(&[0xa1, b'x']).is_err(),
            "a text"
        );
    }
}
