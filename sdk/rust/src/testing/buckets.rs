//! Buckets in memory, with the bounds of real ones.

use super::CONTEXT;
use crate::CallError;
use std::collections::BTreeMap;

/// The bounds that a host holds keys and values to.
const MAX_KEY: usize = 1024;
const MAX_VALUE: usize = 1024 * 1024;
const MAX_KEYS: usize = 1_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Keys of a page: few, so that tests come to the second.
const PAGE: usize = 10;

#[derive(Debug)]
pub(crate) struct Bucket(String);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, CallError> {
        Ok(Bucket(name.into()))
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        CONTEXT.with_borrow_mut(|context| {
            let bucket = context.record.buckets.entry(self.0.clone());
            work(bucket.or_default())
        })
    }

    pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, CallError> {
        check(keys)?;
        let found: Vec<_> =
            self.with(|bucket| keys.iter().map(|key| bucket.get(key).cloned()).collect());
        let bytes = found.iter().flatten().map(Vec::len).sum();
        fits("the values of a call", bytes, MAX_BYTES)?;
        Ok(found)
    }

    pub(crate) fn set_many(&self, pairs: Vec<(String, Vec<u8>)>) -> Result<(), CallError> {
        fits("a call", pairs.len(), MAX_KEYS)?;
        for (key, value) in &pairs {
            check_key(key)?;
            fits("a value", value.len(), MAX_VALUE)?;
        }
        let bytes = pairs.iter().map(|(key, value)| key.len() + value.len());
        fits("the values of a call", bytes.sum(), MAX_BYTES)?;
        self.with(|bucket| bucket.extend(pairs));
        Ok(())
    }

    pub(crate) fn delete_many(&self, keys: &[String]) -> Result<(), CallError> {
        check(keys)?;
        self.with(|bucket| bucket.retain(|key, _| !keys.contains(key)));
        Ok(())
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, CallError> {
        check_key(key)?;
        Ok(self.with(|bucket| bucket.contains_key(key)))
    }

    pub(crate) fn page(
        &self,
        cursor: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), CallError> {
        let keys: Vec<String> = self.with(|bucket| {
            let behind = |key: &&String| cursor.as_ref().is_none_or(|cursor| *key > cursor);
            bucket.keys().filter(behind).take(PAGE).cloned().collect()
        });
        let next = keys.last().filter(|_| keys.len() == PAGE).cloned();
        Ok((keys, next))
    }

    pub(crate) fn increment(&self, key: &str, by: i64) -> Result<i64, CallError> {
        check_key(key)?;
        self.with(|bucket| {
            let number = match bucket.get(key) {
                None => Some(0),
                Some(value) => number(value),
            };
            let sum = number.and_then(|number| number.checked_add(by));
            let sum = sum.ok_or_else(|| CallError::Invalid("the value is no number".into()))?;
            bucket.insert(key.into(), sum.to_string().into_bytes());
            Ok(sum)
        })
    }

    pub(crate) fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, CallError> {
        check_key(key)?;
        fits("a value", value.len(), MAX_VALUE)?;
        Ok(self.with(|bucket| {
            let is = bucket.get(key).map(Vec::as_slice) == expected;
            if is {
                bucket.insert(key.into(), value.to_vec());
            }
            is
        }))
    }
}

fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn check(keys: &[String]) -> Result<(), CallError> {
    fits("a call", keys.len(), MAX_KEYS)?;
    keys.iter().try_for_each(|key| check_key(key))
}

fn check_key(key: &str) -> Result<(), CallError> {
    match key.is_empty() {
        true => Err(CallError::Limit("a key has at least one byte".into())),
        false => fits("a key", key.len(), MAX_KEY),
    }
}

fn fits(what: &str, size: usize, most: usize) -> Result<(), CallError> {
    match size <= most {
        true => Ok(()),
        false => Err(CallError::Limit(format!(
            "{what} takes at most {most}, not {size}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use crate::bucket::Bucket;
    use crate::testing::Context;
    use crate::{CallError, Failure};

    #[test]
    fn a_bucket_in_memory_is_as_one_on_a_broker() {
        let pairs = (0..25).map(|n| (format!("k{n:02}"), format!("{n}")));
        let (done, record) = Context::new()
            .bucket("b", pairs)
            .run(|| -> Result<(), Failure> {
                let bucket = Bucket::open("b")?;
                let keys: Vec<String> = bucket.keys().collect::<Result<_, _>>()?;
                assert_eq!((keys.len(), &*keys[24]), (25, "k24"));
                assert_eq!(bucket.get("k03")?.as_deref(), Some(&b"3"[..]));
                assert_eq!(bucket.increment("k03", -5)?, -2);
                assert!(!bucket.swap("k04", None, "x")?);
                assert!(bucket.swap("k04", Some(b"4"), "x")?);
                bucket.set_many(&[("a", b"1"), ("a", b"2")])?;
                bucket.delete_many(&["k05", "nothing"])?;
                assert!(bucket.exists("a")? && !bucket.exists("k05")?);
                let some = bucket.get_many(&["k04", "k05"])?;
                assert_eq!(some, [Some(b"x".to_vec()), None]);
                for wrong in ["x", "007", "-0"] {
                    bucket.set("no number", wrong)?;
                    let refused = bucket.increment("no number", 1);
                    assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
                }
                let long = bucket.set(&"k".repeat(1025), "");
                assert!(matches!(long, Err(CallError::Limit(_))), "{long:?}");
                Ok(())
            });
        done.unwrap();
        assert_eq!(record.bucket("b")["a"], b"2");
        assert!(record.bucket("other").is_empty());
    }
}
