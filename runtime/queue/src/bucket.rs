//! What a bucket holds: names, keys and values, and how large each may be. Pure: whoever
//! asks for something and whoever answers go by the same bounds.

use crate::grant;

/// Bytes of a key, at most; it has at least one.
pub const MAX_KEY: usize = 1024;
/// Bytes of a value, at most.
pub const MAX_VALUE: usize = 1024 * 1024;
/// Keys that are asked for or changed in one step, at most.
pub const MAX_BATCH_KEYS: usize = 1_000;
/// Bytes of the keys and values of one step, at most, whichever way they go.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Keys of a bucket, at most.
pub const MAX_KEYS: u64 = 1_000_000;
/// Buckets of a tenant, at most.
pub const MAX_BUCKETS: usize = 1_000;
/// Keys in one page of a bucket's, at most.
pub const MAX_PAGE: u32 = 1_000;

/// What no bucket holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// It cannot be a bucket's name.
    #[error("this is no name of a bucket: {0}")]
    Name(String),
    /// It cannot be a key.
    #[error("a key has 1 to {MAX_KEY} bytes, and not {0}")]
    Key(usize),
    /// It is too long for a value.
    #[error("a value has at most {MAX_VALUE} bytes, and not {0}")]
    Value(usize),
    /// It is more than one step takes.
    #[error("at most {MAX_BATCH_KEYS} keys are taken in a step, and not {0}")]
    Many(usize),
    /// It is longer than what one step takes.
    #[error("keys and values of a step have at most {MAX_BATCH_BYTES} bytes, and not {0}")]
    Large(u64),
}

/// Whether it is a bucket's name: as a grant names it.
///
/// # Errors
/// [`BucketError::Name`].
pub fn check_bucket(name: &str) -> Result<(), BucketError> {
    grant::check_key(name).map(drop).map_err(BucketError::Name)
}

/// Whether it is a key.
///
/// # Errors
/// [`BucketError::Key`].
pub fn check_key(key: &str) -> Result<(), BucketError> {
    match (1..=MAX_KEY).contains(&key.len()) {
        true => Ok(()),
        false => Err(BucketError::Key(key.len())),
    }
}

/// Whether it may be a value.
///
/// # Errors
/// [`BucketError::Value`].
pub fn check_value(value: &[u8]) -> Result<(), BucketError> {
    match value.len() <= MAX_VALUE {
        true => Ok(()),
        false => Err(BucketError::Value(value.len())),
    }
}

/// Whether these keys may be asked for in one step.
///
/// # Errors
/// One that is no key, or too many.
pub fn check_keys(keys: &[String]) -> Result<(), BucketError> {
    if keys.len() > MAX_BATCH_KEYS {
        return Err(BucketError::Many(keys.len()));
    }
    keys.iter().try_for_each(|key| check_key(key))
}

/// Whether these may be set in one step.
///
/// # Errors
/// One that is no key or no value, or too much.
pub fn check_pairs<'a>(
    pairs: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), BucketError> {
    if pairs.len() > MAX_BATCH_KEYS {
        return Err(BucketError::Many(pairs.len()));
    }
    let mut bytes = 0;
    for (key, value) in pairs {
        check_key(key)?;
        check_value(value)?;
        bytes += key.len() + value.len();
    }
    match bytes <= MAX_BATCH_BYTES {
        true => Ok(()),
        false => Err(BucketError::Large(bytes as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_at_its_edge() {
        assert!(check_key(&"k".repeat(MAX_KEY)).is_ok());
        assert_eq!(
            check_key(&"k".repeat(MAX_KEY + 1)),
            Err(BucketError::Key(1025))
        );
        assert_eq!(check_key(""), Err(BucketError::Key(0)));
        assert!(check_value(&vec![0; MAX_VALUE]).is_ok());
        assert!(check_value(&vec![0; MAX_VALUE + 1]).is_err());
        let keys = vec!["k".to_owned(); MAX_BATCH_KEYS + 1];
        assert!(check_keys(&keys[1..]).is_ok());
        assert_eq!(check_keys(&keys), Err(BucketError::Many(1001)));
        let value = vec![0; MAX_VALUE];
        let full = vec![("k", &value[..]); 15];
        assert!(check_pairs(full.into_iter()).is_ok());
        let over = vec![("k", &value[..]); 16];
        assert!(matches!(
            check_pairs(over.into_iter()),
            Err(BucketError::Large(_))
        ));
        assert!(check_bucket("rates.of-users_1").is_ok());
        for wrong in ["", "../other", "a b", "a:b"] {
            assert!(check_bucket(wrong).is_err(), "{wrong}");
        }
    }
}
