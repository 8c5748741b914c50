//! From the MessagePack map that a caller sent to a task's typed arguments. What does not fit is a [`Failure`] that
//! names the argument and is never retried: the same input would fail again.

use crate::Failure;
use crate::msgpack::{Malformed, Reader};
use serde::Deserialize;
use serde::de::{self, Visitor};

/// The arguments of one call, still encoded.
#[derive(Debug)]
pub struct Arguments<'a> {
    task: &'static str,
    values: Vec<(&'static str, &'a [u8])>,
}

impl<'a> Arguments<'a> {
    /// Takes `input` apart. Each of its keys must be among `names`.
    pub fn read(
        task: &'static str,
        names: &[&'static str],
        input: &'a [u8],
    ) -> Result<Self, Failure> {
        let malformed =
            |Malformed| argument_failure(format!("the input of `{task}` is no MessagePack"));
        let mut reader = Reader::new(input);
        let count = reader.map().map_err(malformed)?;
        let count = count.ok_or_else(|| {
            argument_failure(format!("the input of `{task}` is no map of arguments"))
        })?;
        let mut values = Vec::with_capacity(names.len());
        for _ in 0..count {
            let key = reader.string().map_err(malformed)?;
            let key = key.ok_or_else(|| {
                argument_failure(format!("the input of `{task}` has a key that is no string"))
            })?;
            let name = names.iter().find(|name| **name == key);
            let name = *name.ok_or_else(|| argument_failure(unknown(task, key, names)))?;
            if values.iter().any(|(taken, _)| *taken == name) {
                return Err(argument_failure(format!(
                    "argument `{name}` of `{task}` is given twice"
                )));
            }
            values.push((name, reader.value().map_err(malformed)?));
        }
        if !reader.is_empty() {
            return Err(argument_failure(format!(
                "the input of `{task}` goes on after its arguments"
            )));
        }
        Ok(Self { task, values })
    }

    /// Decodes one argument. One that is not there is an `Option`'s `None`, and for all other types a failure.
    pub fn take<T: Deserialize<'a>>(&mut self, name: &'static str) -> Result<T, Failure> {
        let task = self.task;
        let Some((_, value)) = self.values.iter().find(|(given, _)| *given == name) else {
            return missing().ok_or_else(|| {
                argument_failure(format!("argument `{name}` of `{task}` is missing"))
            });
        };
        rmp_serde::from_slice(value).map_err(|error| {
            let reason = explain::<T>(value).unwrap_or_else(|| error.to_string());
            argument_failure(format!("argument `{name}` of `{task}`: {reason}"))
        })
    }
}

/// Decodes all arguments of one call as fields of a struct.
pub(crate) fn whole<'a, T: Deserialize<'a>>(task: &str, input: &'a [u8]) -> Result<T, Failure> {
    // A struct could be read from an array, too.
    if !matches!(Reader::new(input).map(), Ok(Some(_))) {
        return Err(argument_failure(format!(
            "the input of `{task}` is no map of arguments"
        )));
    }
    rmp_serde::from_slice(input).map_err(|error| {
        let reason = explain::<T>(input).unwrap_or_else(|| error.to_string());
        argument_failure(format!("the arguments of `{task}`: {reason}"))
    })
}

/// What is wrong with `value`, in serde's words. The MessagePack decoder says no more than `wrong msgpack marker`; a
/// value that is decoded already also knows what was expected.
fn explain<'a, T: Deserialize<'a>>(value: &[u8]) -> Option<String> {
    let value: serde_json::Value = rmp_serde::from_slice(value).ok()?;
    T::deserialize(value).err().map(|error| error.to_string())
}

fn unknown(task: &str, key: &str, names: &[&str]) -> String {
    match names {
        [] => format!("`{task}` has no argument `{key}`: it has none"),
        names => format!(
            "`{task}` has no argument `{key}`: its arguments are `{}`",
            names.join("`, `")
        ),
    }
}

fn argument_failure(message: String) -> Failure {
    Failure::new(message).kind("argument").never_retry()
}

/// The value that a `T` has when its argument is left out, if it may be. Asked of the type itself, by offering it
/// nothing: so the input's schema and the decoding can never disagree.
pub(crate) fn missing<'a, T: Deserialize<'a>>() -> Option<T> {
    T::deserialize(Missing).ok()
}

/// Holds nothing: only an `Option` can be read from it.
struct Missing;

impl<'de> de::Deserializer<'de> for Missing {
    type Error = de::value::Error;

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("missing"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn encoded(value: Value) -> Vec<u8> {
        rmp_serde::to_vec_named(&value).unwrap()
    }

    fn read(input: &[u8]) -> Result<Arguments<'_>, Failure> {
        Arguments::read("thumbnail", &["image", "max_side"], input)
    }

    fn refused(input: &[u8]) -> String {
        let failure = read(input)
            .and_then(|mut arguments| arguments.take::<u32>("max_side"))
            .unwrap_err();
        assert_eq!(failure.kind, "argument");
        assert_eq!(failure.retry, crate::Retry::Never);
        failure.message
    }

    #[test]
    fn by_name_in_any_order() {
        let input = encoded(json!({"max_side": 64, "image": "abc"}));
        let mut arguments = read(&input).unwrap();
        assert_eq!(arguments.take::<&str>("image").unwrap(), "abc");
        assert_eq!(arguments.take::<u32>("max_side").unwrap(), 64);
    }

    #[test]
    fn an_option_may_be_missing_or_nil() {
        let input = encoded(json!({"image": null}));
        let mut arguments = read(&input).unwrap();
        assert_eq!(arguments.take::<Option<u32>>("image").unwrap(), None);
        assert_eq!(arguments.take::<Option<u32>>("max_side").unwrap(), None);
        assert_eq!(
            arguments.take::<Option<Option<u32>>>("max_side").unwrap(),
            None
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let message = refused(&encoded(json!({"max_side": "x"})));
        assert_eq!(
            message,
            "argument `max_side` of `thumbnail`: invalid type: string \"x\", expected u32"
        );
        let message = refused(&encoded(json!({"max_side": -1})));
        assert!(
            message.starts_with("argument `max_side` of `thumbnail`: invalid value: integer `-1`"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_argument_is_named() {
        assert_eq!(
            refused(&encoded(json!({"image": "abc"}))),
            "argument `max_side` of `thumbnail` is missing"
        );
        // A value may be nil, but an argument that may not be left out is not made up.
        assert!(missing::<Value>().is_none() && missing::<()>().is_none());
    }

    #[test]
    fn an_unknown_argument_is_answered_with_the_list() {
        let message = refused(&encoded(json!({"maxside": 1})));
        assert_eq!(
            message,
            "`thumbnail` has no argument `maxside`: its arguments are `image`, `max_side`"
        );
        let failure = Arguments::read("tidy", &[], &encoded(json!({"a": 1}))).unwrap_err();
        assert_eq!(failure.message, "`tidy` has no argument `a`: it has none");
    }

    #[test]
    fn a_broken_input_is_refused() {
        assert_eq!(refused(&[]), "the input of `thumbnail` is no MessagePack");
        assert_eq!(
            refused(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
            "the input of `thumbnail` is no MessagePack"
        );
        assert_eq!(
            refused(&encoded(json!([1, 2]))),
            "the input of `thumbnail` is no map of arguments"
        );
        assert_eq!(
            refused(&[0x81, 0x01, 0x01]),
            "the input of `thumbnail` has a key that is no string"
        );
        assert_eq!(
            refused(&[0x80, 0x00]),
            "the input of `thumbnail` goes on after its arguments"
        );
        let mut twice = vec![0x82];
        twice.extend(b"\xa8max_side\x01\xa8max_side\x02");
        assert_eq!(
            refused(&twice),
            "argument `max_side` of `thumbnail` is given twice"
        );
    }
}
