//! Durations, sizes, rates and names, as they are written in an attribute. Each is refused at its own span.

use syn::{LitStr, Result};

/// At most `count` starts in each `period_ms`.
#[derive(Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) period_ms: u64,
}

const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZE_UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// `250ms`, `30s`, `5m`, `1h` or `2d`, in milliseconds.
pub(crate) fn duration(literal: &LitStr) -> Result<u64> {
    scaled(&literal.value(), &DURATION_UNITS).ok_or_else(|| {
        wrong(
            literal,
            "a duration",
            "a whole number and `ms`, `s`, `m`, `h` or `d`, as in \"30s\"",
        )
    })
}

/// `64KiB`, `64MiB` or `1GiB`, in bytes.
pub(crate) fn size(literal: &LitStr) -> Result<u64> {
    scaled(&literal.value(), &SIZE_UNITS).ok_or_else(|| {
        wrong(
            literal,
            "a size",
            "a whole number and `KiB`, `MiB` or `GiB`, as in \"64MiB\"",
        )
    })
}

/// `100/1m`: so many starts in each period.
pub(crate) fn rate(literal: &LitStr) -> Result<Rate> {
    let text = literal.value();
    let parsed = text.split_once('/').and_then(|(count, period)| {
        let count = whole(count)?.try_into().ok().filter(|count| *count > 0)?;
        Some(Rate {
            count,
            period_ms: scaled(period, &DURATION_UNITS)?,
        })
    });
    parsed.ok_or_else(|| {
        wrong(
            literal,
            "a rate",
            "a number, `/` and a duration, as in \"100/1m\"",
        )
    })
}

/// A task's name: lower-case letters, digits, `_` and `-`, a letter first.
pub(crate) fn task_name(name: &str) -> std::result::Result<(), String> {
    let follows = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
    };
    let starts = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase());
    if starts && name.bytes().all(follows) {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is no task name: it takes lower-case letters, digits, `_` and `-`, and a letter first"
        ))
    }
}

/// A positive whole number and one of `units`, multiplied.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    whole(number)?
        .checked_mul(*factor)
        .filter(|value| *value > 0)
}

/// Digits alone: the standard parser would also take a sign.
fn whole(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn wrong(literal: &LitStr, what: &str, form: &str) -> syn::Error {
    syn::Error::new(
        literal.span(),
        format!("`{}` is not {what}: write {form}", literal.value()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn text(value: &str) -> LitStr {
        LitStr::new(value, Span::call_site())
    }

    #[test]
    fn durations() {
        for (written, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
        ] {
            assert_eq!(duration(&text(written)).unwrap(), ms, "{written}");
        }
        for wrong in [
            "",
            "30",
            "s",
            "0s",
            "-1s",
            "+1s",
            "1.5s",
            "30 s",
            "30S",
            "99999999999999999999s",
            "999999999999999999h",
        ] {
            assert!(duration(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size(&text("64KiB")).unwrap(), 65_536);
        assert_eq!(size(&text("1GiB")).unwrap(), 1 << 30);
        let error = size(&text("64MB")).unwrap_err().to_string();
        assert_eq!(
            error,
            "`64MB` is not a size: write a whole number and `KiB`, `MiB` or `GiB`, as in \"64MiB\""
        );
    }

    #[test]
    fn rates() {
        assert_eq!(
            rate(&text("100/1m")).unwrap(),
            Rate {
                count: 100,
                period_ms: 60_000
            }
        );
        for wrong in ["100", "0/1m", "/1m", "100/", "100/0s", "5000000000/1s"] {
            assert!(rate(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names() {
        assert!(task_name("send-mail_2").is_ok());
        for wrong in ["", "Thumbnail", "2fast", "a.b", "über"] {
            assert!(task_name(wrong).is_err(), "{wrong}");
        }
    }
}
