//! MessagePack as it lies in memory, looked through before anything is made of it.
//!
//! A value takes up to forty times its bytes once it is decoded, and a nested one takes
//! stack of whoever decodes, checks, shows or drops it. So both are bounded here, where
//! a look costs no memory at all.

use super::ArgumentsError;

/// The most values that may lie in one, names of maps included: as many as are worth
/// some 100 MB once they are decoded and shown to a schema. What is larger goes as bytes,
/// which are one value however long they are.
pub const MAX_VALUES: usize = 1_000_000;
/// How deep they may lie in each other. JSON is read to the same depth.
pub const MAX_NESTING: usize = 128;

/// The bytes of the one value that these begin with, where at most so many values lie in
/// it, not too deep, and its texts are UTF-8: some readers make bytes of others.
///
/// # Errors
/// [`ArgumentsError::Encoding`], [`ArgumentsError::Values`], [`ArgumentsError::Text`] and
/// [`ArgumentsError::Nesting`].
pub fn bounded(bytes: &[u8], most: usize) -> Result<&[u8], ArgumentsError> {
    let broken = || ArgumentsError::Encoding("it breaks off, or is no value".into());
    let (mut at, mut seen) = (0_usize, 0_usize);
    // How many values are left of each list and map that is open, the outermost first.
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        seen += 1;
        let (size, inner) = value(bytes, at).ok_or_else(broken)?;
        let end = at.checked_add(size).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(broken)?;
        if text(&bytes[at..end]).is_some_and(|it| std::str::from_utf8(it).is_err()) {
            return Err(ArgumentsError::Text);
        }
        at = end;
        if seen > most {
            return Err(ArgumentsError::Values(most));
        }
        if inner > 0 {
            if open.len() > MAX_NESTING {
                return Err(ArgumentsError::Nesting);
            }
            open.push(inner);
        }
    }
    Ok(&bytes[..at])
}

/// Whether at most so many values lie in a text of JSON, as far as it is one.
///
/// # Errors
/// [`ArgumentsError::Values`].
pub fn bounded_json(text: &[u8], most: usize) -> Result<(), ArgumentsError> {
    // Each value but the outermost stands behind one of these.
    let (mut seen, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b':' | b'[' | b'{' if !quoted => seen += 1,
            _ => {}
        }
    }
    match seen > most {
        true => Err(ArgumentsError::Values(most)),
        false => Ok(()),
    }
}

/// Whether the integers in a text of JSON have 64 bits, signed or not, as far as it is one. Whoever
/// reads JSON makes a float of a larger one, which is another number.
///
/// # Errors
/// [`ArgumentsError::Integer`].
pub fn exact_json(text: &[u8]) -> Result<(), ArgumentsError> {
    /// The first that 64 bits do not hold has as many digits.
    const LONG: usize = 19;
    let belongs = |it: &u8| it.is_ascii_digit() || b"+-.eE".contains(it);
    let mut rest = text;
    while let Some(at) = rest.iter().position(|it| *it == b'"' || belongs(it)) {
        rest = &rest[at..];
        let length = match rest[0] {
            b'"' => quoted(rest),
            _ => rest.iter().take_while(|it| belongs(it)).count(),
        };
        let (token, others) = rest.split_at(length);
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        if digits.len() >= LONG && digits.iter().all(u8::is_ascii_digit) {
            let token = String::from_utf8_lossy(token);
            let number = token.parse::<i128>();
            let fits = |it: i128| (i64::MIN.into()..=u64::MAX.into()).contains(&it);
            if !number.is_ok_and(fits) {
                let shown: String = token.chars().take(2 * LONG).collect();
                return Err(ArgumentsError::Integer(shown));
            }
        }
        rest = others;
    }
    Ok(())
}

/// How many bytes the quoted text has that these begin with.
fn quoted(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|it| {
        let ends = *it == b'"' && !escaped;
        escaped = *it == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |it| it + 2)
}

/// How many bytes the value at this place has, without the values in it, and how many
/// those are.
pub(crate) fn value(bytes: &[u8], at: usize) -> Option<(usize, u64)> {
    let counted = |width: usize| number(bytes, at + 1, width);
    let long = |width: usize, more: usize| {
        let length = usize::try_from(counted(width)?).ok()?;
        Some((1 + width + more + length, 0))
    };
    match *bytes.get(at)? {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Some((1, 0)),
        it @ 0x80..=0x8f => Some((1, 2 * u64::from(it & 0x0f))),
        it @ 0x90..=0x9f => Some((1, u64::from(it & 0x0f))),
        it @ 0xa0..=0xbf => Some((1 + usize::from(it & 0x1f), 0)),
        // The one that MessagePack never uses.
        0xc1 => None,
        it @ 0xc4..=0xc6 => long(1 << (it - 0xc4), 0),
        it @ 0xc7..=0xc9 => long(1 << (it - 0xc7), 1),
        0xca | 0xce | 0xd2 => Some((5, 0)),
        0xcb | 0xcf | 0xd3 => Some((9, 0)),
        0xcc | 0xd0 => Some((2, 0)),
        0xcd | 0xd1 => Some((3, 0)),
        it @ 0xd4..=0xd8 => Some((2 + (1 << (it - 0xd4)), 0)),
        it @ 0xd9..=0xdb => long(1 << (it - 0xd9), 0),
        0xdc => Some((3, counted(2)?)),
        0xdd => Some((5, counted(4)?)),
        0xde => Some((3, 2 * counted(2)?)),
        0xdf => Some((5, 2 * counted(4)?)),
    }
}

/// The bytes of a text, without what stands before them.
fn text(value: &[u8]) -> Option<&[u8]> {
    let head = match *value.first()? {
        0xa0..=0xbf => 1,
        it @ 0xd9..=0xdb => 1 + (1 << (it - 0xd9)),
        _ => return None,
    };
    value.get(head..)
}

/// A number of so many bytes at this place, the highest first.
pub(crate) fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let digits = bytes.get(at..at + width)?;
    Some(digits.iter().fold(0, |all, it| all << 8 | u64::from(*it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_found_and_what_breaks_off_is_not() {
        assert_eq!(bounded(&[0x92, 1, 0xa1, b'x', 7], 9).unwrap().len(), 4);
        for broken in [
            &[][..],
            &[0x92, 1],
            &[0xc1],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
        ] {
            let refused = bounded(broken, 9);
            assert!(
                matches!(refused, Err(ArgumentsError::Encoding(_))),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_text_is_utf_8() {
        for (head, content) in [
            (&[0xa3][..], &[0xed, 0xa0, 0x80][..]),
            (&[0xd9, 1][..], &[0xff][..]),
            (&[0xda, 0, 2][..], &[b'a', 0xc3][..]),
            (&[0xdb, 0, 0, 0, 1][..], &[0x80][..]),
        ] {
            let broken = [&[0x92, 1], head, content].concat();
            assert_eq!(bounded(&broken, 9), Err(ArgumentsError::Text), "{broken:?}");
        }
        let fine = [&[0xd9, 6][..], "aß€".as_bytes()].concat();
        assert_eq!(bounded(&fine, 9), Ok(&fine[..]));
        // Bytes are any.
        assert!(bounded(&[0xc4, 1, 0xff], 9).is_ok());
    }

    #[test]
    fn values_and_nesting_have_bounds() {
        let list = |count: u32| {
            let mut bytes = vec![0xdd];
            bytes.extend(count.to_be_bytes());
            bytes.resize(5 + count as usize, 0xc0);
            bytes
        };
        let most = MAX_VALUES as u32 - 1;
        assert!(bounded(&list(most), MAX_VALUES).is_ok());
        let refused = bounded(&list(most + 1), MAX_VALUES).map(<[u8]>::len);
        assert_eq!(refused, Err(ArgumentsError::Values(MAX_VALUES)));
        let nested = |depth: usize| {
            let mut bytes = vec![0x91; depth];
            bytes.push(0xc0);
            bytes
        };
        assert!(bounded(&nested(MAX_NESTING), 1_000).is_ok());
        let refused = bounded(&nested(MAX_NESTING + 1), 1_000).map(<[u8]>::len);
        assert_eq!(refused, Err(ArgumentsError::Nesting));
        // Empty ones take no level.
        let mut empty = vec![0x91; MAX_NESTING];
        empty.push(0x90);
        assert!(bounded(&empty, 1_000).is_ok());
    }

    #[test]
    fn values_of_json_are_counted_outside_its_texts() {
        let text = br#"{"a,[{": ["\",:", 1, {"b": []}]}"#;
        assert_eq!(bounded_json(text, 8), Ok(()));
        assert_eq!(bounded_json(text, 7), Err(ArgumentsError::Values(7)));
    }

    #[test]
    fn integers_of_json_have_64_bits() {
        for text in [
            "[-9223372036854775808, 18446744073709551615]",
            r#"{"123456789012345678901": "12345678901234567890123 \" 99999999999999999999"}"#,
            "[1e99, 123456789012345678901.5, 123456789012345678901e0, 0000]",
            r#""99999999999999999999"#,
            "-",
            "",
        ] {
            assert_eq!(exact_json(text.as_bytes()), Ok(()), "{text}");
        }
        for (text, integer) in [
            ("-9223372036854775809", "-9223372036854775809"),
            (r#"{"\\": 18446744073709551616}"#, "18446744073709551616"),
            ("[1,99999999999999999999]", "99999999999999999999"),
        ] {
            let refused = exact_json(text.as_bytes());
            assert_eq!(refused, Err(ArgumentsError::Integer(integer.into())));
        }
        let long = format!("[{}]", "9".repeat(1_000));
        let refused = exact_json(long.as_bytes()).unwrap_err().to_string();
        assert!(refused.len() < 100, "{refused}");
    }
}
