//! MessagePack put together from pieces of it: values are copied as they are and never
//! decoded, so what is put together costs its bytes and no more.

use crate::arguments::{number_at as number, value_at as value};

/// The beginning of an array of so many values.
pub(super) fn array(out: &mut Vec<u8>, length: u32) {
    match length {
        0..=15 => out.push(0x90 | length as u8),
        16..=0xffff => {
            out.push(0xdc);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdd);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// The beginning of a map of so many entries.
pub(super) fn map(out: &mut Vec<u8>, length: u32) {
    match length {
        0..=15 => out.push(0x80 | length as u8),
        16..=0xffff => {
            out.push(0xde);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdf);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// A text.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        length @ 0..=31 => out.push(0xa0 | length as u8),
        length @ 32..=0xff => out.extend_from_slice(&[0xd9, length as u8]),
        length @ 0x100..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xdb);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

/// How many entries a map has, and where they begin; nothing for another value.
pub(super) fn map_begins(bytes: &[u8]) -> Option<(u32, usize)> {
    match *bytes.first()? {
        it @ 0x80..=0x8f => Some((u32::from(it & 0x0f), 1)),
        0xde => Some((number(bytes, 1, 2)? as u32, 3)),
        0xdf => Some((number(bytes, 1, 4)? as u32, 5)),
        _ => None,
    }
}

/// A map with more entries, each a name and a value as it stands on the wire; nothing
/// where it is no map.
pub(super) fn extend(input: &[u8], entries: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let (length, begins) = map_begins(input)?;
    let size: usize = entries.iter().map(|it| it.0.len() + it.1.len() + 5).sum();
    let mut out = Vec::with_capacity(input.len() + size + 4);
    map(&mut out, length.checked_add(entries.len() as u32)?);
    out.extend_from_slice(&input[begins..]);
    for (name, value) in entries {
        text(&mut out, name);
        out.extend_from_slice(value);
    }
    Some(out)
}

/// Whether these bytes are one value and nothing else. A module may return any bytes as
/// its result: spliced as they are, they could move the results behind them.
pub(super) fn is_one_value(bytes: &[u8]) -> bool {
    let (mut at, mut left) = (0, 1_u64);
    while left > 0 {
        let Some((size, inner)) = value(bytes, at) else {
            return false;
        };
        // What is left needs a byte each, at least.
        left = left - 1 + inner;
        at += size;
        if at > bytes.len() || left > (bytes.len() - at) as u64 {
            return false;
        }
    }
    at == bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rmpv::Value;

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, value).unwrap();
        bytes
    }

    fn read(mut bytes: &[u8]) -> Value {
        let value = rmpv::decode::read_value(&mut bytes).unwrap();
        assert!(bytes.is_empty());
        value
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f32>().prop_map(Value::F32),
            any::<f64>().prop_map(Value::F64),
            ".{0,40}".prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..400).prop_map(Value::Binary),
            (any::<i8>(), prop::collection::vec(any::<u8>(), 0..300))
                .prop_map(|(kind, it)| Value::Ext(kind, it)),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
                prop::collection::vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_one_and_no_part_or_pair_of_it_is(value in values()) {
            let mut bytes = packed(&value);
            prop_assert!(is_one_value(&bytes));
            prop_assert!(!is_one_value(&bytes[..bytes.len() - 1]));
            bytes.push(0xc0);
            prop_assert!(!is_one_value(&bytes));
        }

        #[test]
        fn what_a_module_may_return_is_judged_as_a_reader_would(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut rest = &bytes[..];
            // The reader takes the reserved byte for nil.
            if !bytes.contains(&0xc1) {
                let whole = rmpv::decode::read_value(&mut rest).is_ok() && rest.is_empty();
                prop_assert_eq!(is_one_value(&bytes), whole);
            }
        }
    }

    #[test]
    fn lists_of_all_lengths_read_back() {
        for length in [0, 1, 15, 16, 0xffff, 0x10000] {
            let mut bytes = Vec::new();
            array(&mut bytes, length);
            bytes.extend(std::iter::repeat_n(7, length as usize));
            assert_eq!(read(&bytes), vec![Value::from(7); length as usize].into());
        }
        for length in [0, 31, 32, 0xff, 0x100, 0xffff, 0x10000] {
            let it = "ä".repeat(length / 2) + &"x".repeat(length % 2);
            let mut bytes = Vec::new();
            text(&mut bytes, &it);
            assert_eq!(read(&bytes), Value::from(it));
        }
    }

    #[test]
    fn a_map_of_any_size_takes_more_entries() {
        for length in [0, 1, 14, 15, 16, 0xfffe, 0xffff, 0x10000] {
            let entry = |n: usize| (Value::from(format!("k{n}")), Value::from(n));
            let mut entries: Vec<_> = (0..length).map(entry).collect();
            let bytes = packed(&Value::Map(entries.clone()));
            let list = packed(&Value::from(vec![Value::Nil, 3.into()]));
            let more = extend(&bytes, &[("a", list.clone()), ("b", vec![0xc3])]).unwrap();
            entries.push(("a".into(), read(&list)));
            entries.push(("b".into(), true.into()));
            assert_eq!(read(&more), Value::Map(entries));
        }
        for other in [&[0x93_u8][..], &[], &[0xde, 0], &[0xc0]] {
            assert_eq!(extend(other, &[]), None);
        }
    }

    #[test]
    fn lengths_that_lie_are_refused_at_once() {
        for wrong in [
            &[0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0][..],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0xc6, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xdb, 0, 0],
            &[0xc1],
            &[],
        ] {
            assert!(!is_one_value(wrong), "{wrong:x?}");
        }
    }
}
