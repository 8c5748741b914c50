//! Binary arguments and results.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Binary data: a picture, a document, whatever is no text.
///
/// It is one binary value in MessagePack, where a `Vec<u8>` would be a list of numbers. JSON has no binary values:
/// there, and in the schema, it is a string in base64. Reading takes all three forms.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(
    /// The data.
    pub Vec<u8>,
);

impl Deref for Bytes {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for Bytes {
    fn from(data: T) -> Self {
        Self(data.into())
    }
}

/// The length alone: the data of a picture is no help in a log.
impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bytes({} bytes)", self.0.len())
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "contentEncoding": "base64"})
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.serialize_str(&encode(&self.0)),
            false => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A format without binary values, asked for bytes, would hand out those of the text.
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(AnyForm),
            false => deserializer.deserialize_byte_buf(AnyForm),
        }
    }
}

struct AnyForm;

impl<'de> Visitor<'de> for AnyForm {
    type Value = Bytes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("binary data")
    }

    fn visit_bytes<E: de::Error>(self, data: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(data.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, data: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(data))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        // As the schema says: text that is no base64 is refused rather than taken for the data itself.
        decode(text)
            .map(Bytes)
            .ok_or_else(|| E::custom("a string where binary data is expected must be base64"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
        let mut data = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            data.push(byte);
        }
        Ok(Bytes(data))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with the standard alphabet and padding.
fn encode(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63].into()),
                false => text.push('='),
            }
        }
    }
    text
}

/// Takes the standard and the URL alphabet, with padding or without.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text)
        .as_bytes();
    if text.len() != digits.len() && text.len() % 4 != 0 {
        return None;
    }
    let mut data = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits: u32 = 0;
        for digit in chunk {
            bits = bits << 6 | value(*digit)?;
        }
        // A digit alone holds no whole byte.
        let bytes = match chunk.len() {
            1 => return None,
            length => length - 1,
        };
        let bits = bits << (6 * (4 - chunk.len()));
        data.extend(&bits.to_be_bytes()[1..=bytes]);
    }
    Some(data)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(messagepack: &[u8]) -> Result<Bytes, String> {
        rmp_serde::from_slice(messagepack).map_err(|error| error.to_string())
    }

    #[test]
    fn binary_in_messagepack() {
        let bytes = Bytes::from(vec![0, 255]);
        let encoded = rmp_serde::to_vec_named(&bytes).unwrap();
        assert_eq!(encoded, [0xc4, 2, 0, 255]);
        assert_eq!(read(&encoded), Ok(bytes));
    }

    #[test]
    fn base64_in_json() {
        for (data, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            let json = serde_json::to_string(&Bytes::from(data)).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(
                serde_json::from_str::<Bytes>(&json).unwrap(),
                Bytes::from(data)
            );
            assert_eq!(decode(text.trim_end_matches('=')).unwrap(), data.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(decode("-_8").unwrap(), decode("+/8=").unwrap());
    }

    #[test]
    fn other_forms() {
        assert_eq!(read(b"\xa4Zm9v"), Ok(Bytes::from("foo")));
        assert_eq!(read(&[0x92, 1, 2]), Ok(Bytes::from(vec![1, 2])));
        for wrong in ["not base64", "A", "Zm9v=", "Z=g="] {
            let error = read(&rmp_serde::to_vec(wrong).unwrap()).unwrap_err();
            assert!(error.contains("must be base64"), "{wrong}: {error}");
        }
        assert_eq!(
            read(&[0x05]).unwrap_err(),
            "invalid type: integer `5`, expected binary data"
        );
    }
}
