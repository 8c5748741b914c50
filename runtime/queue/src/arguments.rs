//! The arguments of a call: values by name, MessagePack on the wire.

mod look;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use serde::Serialize;

pub use self::look::{MAX_NESTING, MAX_VALUES, bounded, bounded_json, exact_json};
pub(crate) use self::look::{number as number_at, value as value_at};

/// Why arguments could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Something else than one map of names.
    #[error("the arguments must be one object, by name, and not {0}")]
    NoObject(&'static str),
    /// Bytes that are no MessagePack.
    #[error("the arguments are no MessagePack: {0}")]
    Encoding(String),
    /// A value that MessagePack has no form for.
    #[error("argument `{0}` cannot be encoded: {1}")]
    Value(String, String),
    /// Too many values.
    #[error("more than {0} values lie in it; send what is that large as bytes")]
    Values(usize),
    /// An integer that nobody could be sent as it is written.
    #[error("the integer {0} has more than 64 bits: send it as a text")]
    Integer(String),
    /// A text that is none.
    #[error("a text in it is no UTF-8: send it as bytes")]
    Text,
    /// Values that lie too deep.
    #[error("its values lie more than {MAX_NESTING} deep in each other")]
    Nesting,
}

/// Reads one value of MessagePack that nobody vouches for: within its bounds, and with
/// nothing behind it.
///
/// # Errors
/// [`ArgumentsError::Encoding`], [`ArgumentsError::Values`] and
/// [`ArgumentsError::Nesting`].
pub fn read_value(bytes: &[u8]) -> Result<Value, ArgumentsError> {
    let mut value = bounded(bytes, MAX_VALUES)?;
    match bytes.len() - value.len() {
        0 => rmpv::decode::read_value(&mut value)
            .map_err(|e| ArgumentsError::Encoding(e.to_string())),
        more => Err(ArgumentsError::Encoding(format!(
            "{more} bytes follow its end"
        ))),
    }
}

/// The arguments of one call. Setting a name twice keeps the last value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments(Vec<(Value, Value)>);

impl Arguments {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a JSON object apart.
    ///
    /// # Errors
    /// [`ArgumentsError::NoObject`] for anything else.
    pub fn from_json(json: serde_json::Value) -> Result<Self, ArgumentsError> {
        let serde_json::Value::Object(map) = json else {
            return Err(ArgumentsError::NoObject(match json {
                serde_json::Value::Null => "null",
                serde_json::Value::Bool(_) => "a boolean",
                serde_json::Value::Number(_) => "a number",
                serde_json::Value::String(_) => "a string",
                _ => "an array",
            }));
        };
        let mut arguments = Self::new();
        for (name, value) in map {
            arguments.set(&name, &value)?;
        }
        Ok(arguments)
    }

    /// Reads a job's input.
    ///
    /// # Errors
    /// As [`read_value`], and [`ArgumentsError::NoObject`].
    pub fn decode(input: &[u8]) -> Result<Self, ArgumentsError> {
        read_value(input).and_then(Arguments::from_value)
    }

    /// Whether they are few enough, lie in each other no deeper than they may, and have texts
    /// that are some.
    ///
    /// # Errors
    /// [`ArgumentsError::Values`], [`ArgumentsError::Nesting`] and [`ArgumentsError::Text`].
    pub(crate) fn check_bounds(&self) -> Result<(), ArgumentsError> {
        let mut left = MAX_VALUES;
        let entries = self.0.iter();
        let mut within = entries.map(|(_, it)| within(it, MAX_NESTING - 1, &mut left));
        within.find(Result::is_err).unwrap_or(Ok(()))
    }

    /// Takes a map of MessagePack apart.
    ///
    /// # Errors
    /// [`ArgumentsError::NoObject`] for anything else.
    pub fn from_value(value: Value) -> Result<Self, ArgumentsError> {
        match value {
            Value::Map(entries) => Ok(Arguments(entries)),
            _ => Err(ArgumentsError::NoObject("one value")),
        }
    }

    /// Sets an argument to any value that serde can write.
    ///
    /// # Errors
    /// [`ArgumentsError::Value`] where it cannot.
    pub fn set(
        &mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<&mut Self, ArgumentsError> {
        let value = rmpv::ext::to_value(value)
            .map_err(|e| ArgumentsError::Value(name.to_owned(), e.to_string()))?;
        Ok(self.put(name, value))
    }

    /// Sets an argument to a value as it stands on the wire.
    pub fn set_value(&mut self, name: &str, value: Value) -> &mut Self {
        self.put(name, value)
    }

    /// Sets all of these, in place of those of the same names.
    pub fn merge(&mut self, others: Arguments) -> &mut Self {
        for (name, value) in others.0 {
            self.0.retain(|(other, _)| *other != name);
            self.0.push((name, value));
        }
        self
    }

    /// Whether there is an argument of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other.as_str() == Some(name))
    }

    /// Sets an argument to bytes.
    pub fn set_bytes(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.put(name, Value::Binary(bytes))
    }

    /// The arguments, to be changed where they stand.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&Value, &mut Value)> {
        self.0.iter_mut().map(|(name, value)| (&*name, value))
    }

    fn put(&mut self, name: &str, value: Value) -> &mut Self {
        let name = Value::from(name);
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value));
        self
    }

    /// The arguments as a job's input.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &Value::Map(self.0))
            .expect("a vector takes all writes");
        bytes
    }

    /// The same bytes for the same arguments, in whatever order they were set:
    /// what they are compared by.
    pub fn canonical(&self) -> Vec<u8> {
        let mut entries = self.0.clone();
        sort(&mut entries);
        Arguments(entries).encode()
    }

    /// The arguments as a JSON Schema sees them.
    pub fn to_json(&self) -> serde_json::Value {
        object(&self.0)
    }
}

/// Counts the values in one, and its own.
fn within(value: &Value, deeper: usize, left: &mut usize) -> Result<(), ArgumentsError> {
    *left = left
        .checked_sub(1)
        .ok_or(ArgumentsError::Values(MAX_VALUES))?;
    let inner = |left: &mut usize, it: &Value| match deeper {
        0 => Err(ArgumentsError::Nesting),
        _ => within(it, deeper - 1, left),
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(|it| inner(left, it)),
        Value::Map(entries) => entries
            .iter()
            .try_for_each(|(name, it)| inner(left, name).and_then(|()| inner(left, it))),
        Value::String(text) if text.as_str().is_none() => Err(ArgumentsError::Text),
        _ => Ok(()),
    }
}

/// Puts maps into the order of their keys, the inner ones too.
fn sort(entries: &mut [(Value, Value)]) {
    fn inside(value: &mut Value) {
        match value {
            Value::Map(entries) => sort(entries),
            Value::Array(items) => items.iter_mut().for_each(inside),
            _ => {}
        }
    }
    entries.iter_mut().for_each(|(_, value)| inside(value));
    // By what they look like, since not all kinds of keys have an order.
    entries.sort_by_cached_key(|(key, _)| key.to_string());
}

/// MessagePack as JSON. Binary, for which JSON has no form of its own, is Base64 in the standard
/// alphabet, as JSON Schema has it (`contentEncoding`); what is no number in JSON, the text `NaN`,
/// `Infinity` or `-Infinity`.
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Nil => Json::Null,
        Value::Boolean(is) => Json::Bool(*is),
        Value::Integer(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => n.into(),
            (_, Some(n)) => n.into(),
            _ => Json::Null,
        },
        Value::F32(n) => float((*n).into()),
        Value::F64(n) => float(*n),
        Value::String(text) => Json::String(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        Value::Binary(it) | Value::Ext(_, it) => Json::String(STANDARD.encode(it)),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => object(entries),
    }
}

fn float(n: f64) -> serde_json::Value {
    use serde_json::{Number, Value as Json};
    match Number::from_f64(n) {
        Some(number) => Json::Number(number),
        None if n.is_nan() => "NaN".into(),
        None if n > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

fn object(entries: &[(Value, Value)]) -> serde_json::Value {
    let name = |key: &Value| match key {
        Value::String(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        other => other.to_string(),
    };
    let members = entries.iter().map(|(key, it)| (name(key), to_json(it)));
    serde_json::Value::Object(members.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_one_map_by_name() {
        let mut arguments =
            Arguments::from_json(serde_json::json!({"b": 1, "a": [true, null]})).unwrap();
        arguments.set("b", &2).unwrap().set_bytes("c", vec![0xff]);
        assert_eq!(
            arguments.to_json(),
            serde_json::json!({"a": [true, null], "b": 2, "c": "/w=="})
        );
        let read: std::collections::BTreeMap<String, rmpv::Value> =
            rmp_serde::from_slice(&arguments.encode()).unwrap();
        assert_eq!(read["c"], Value::Binary(vec![0xff]));
        assert_eq!(read["b"], Value::from(2));
    }

    #[test]
    fn what_json_has_no_number_for_is_a_text() {
        let value = Value::Array(vec![
            f64::NAN.into(),
            f64::INFINITY.into(),
            f32::NEG_INFINITY.into(),
            1.5.into(),
        ]);
        let names = serde_json::json!(["NaN", "Infinity", "-Infinity", 1.5]);
        assert_eq!(to_json(&value), names);
    }

    #[test]
    fn a_text_is_utf_8() {
        let broken = rmpv::decode::read_value(&mut &[0xa3, 0xed, 0xa0, 0x80][..]).unwrap();
        for value in [broken.clone(), Value::Map(vec![(broken, 1.into())])] {
            let mut arguments = Arguments::new();
            assert_eq!(arguments.check_bounds(), Ok(()));
            arguments.set_value("a", Value::Array(vec![value]));
            assert_eq!(arguments.check_bounds(), Err(ArgumentsError::Text));
        }
    }

    #[test]
    fn the_canonical_form_knows_no_order() {
        let of = |json| Arguments::from_json(json).unwrap();
        let mut one = of(serde_json::json!({"a": [{"x": 1, "y": 2}]}));
        one.set("b", &1).unwrap();
        let mut other = Arguments::new();
        other.set("b", &1).unwrap();
        let inner = Value::Map(vec![("y".into(), 2.into()), ("x".into(), 1.into())]);
        other.set("a", &[inner]).unwrap();
        assert_ne!(one.clone().encode(), other.clone().encode());
        assert_eq!(one.canonical(), other.canonical());
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        let refused = Arguments::from_json(serde_json::json!([1]));
        assert_eq!(refused, Err(ArgumentsError::NoObject("an array")));
    }
}
