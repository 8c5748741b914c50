//! Durations, sizes, rates, names and words, as they are written in an attribute. Each is refused at its own span.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitStr, Result};

/// At most `count` starts in each `period_ms`.
#[derive(Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) period_ms: u64,
}

/// For how long a job holds off others of its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Until {
    Start,
    Done,
    For(u64),
}

impl Until {
    pub(crate) fn tokens(self) -> TokenStream {
        match self {
            Until::Start => quote!(::lovage::Until::Start),
            Until::Done => quote!(::lovage::Until::Done),
            Until::For(ms) => quote!(::lovage::Until::ForMs(#ms)),
        }
    }
}

/// What becomes of a job that is held off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Conflict {
    #[default]
    Existing,
    Reject,
    Replace,
}

impl Conflict {
    pub(crate) fn tokens(self) -> TokenStream {
        match self {
            Conflict::Existing => quote!(::lovage::Conflict::Existing),
            Conflict::Reject => quote!(::lovage::Conflict::Reject),
            Conflict::Replace => quote!(::lovage::Conflict::Replace),
        }
    }
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

/// `start`, `done` or a duration.
pub(crate) fn until(literal: &LitStr) -> Result<Until> {
    match literal.value().as_str() {
        "start" => Ok(Until::Start),
        "done" => Ok(Until::Done),
        text => scaled(text, &DURATION_UNITS)
            .map(Until::For)
            .ok_or_else(|| {
                let form = "\"start\", \"done\" or a duration, as in \"5m\"";
                wrong(literal, "what a job is unique until", form)
            }),
    }
}

/// `existing`, `reject` or `replace`.
pub(crate) fn conflict(literal: &LitStr) -> Result<Conflict> {
    match literal.value().as_str() {
        "existing" => Ok(Conflict::Existing),
        "reject" => Ok(Conflict::Reject),
        "replace" => Ok(Conflict::Replace),
        _ => {
            let form = "\"existing\", \"reject\" or \"replace\"";
            Err(wrong(literal, "what a conflict ends in", form))
        }
    }
}

/// `100/1m` or `100/s`: so many starts in each period.
pub(crate) fn rate(literal: &LitStr) -> Result<Rate> {
    let text = literal.value();
    let parsed = text.split_once('/').and_then(|(count, period)| {
        let count = whole(count)?.try_into().ok().filter(|count| *count > 0)?;
        Some(Rate {
            count,
            period_ms: match period.bytes().next()? {
                b'0'..=b'9' => scaled(period, &DURATION_UNITS)?,
                _ => scaled(&format!("1{period}"), &DURATION_UNITS)?,
            },
        })
    });
    parsed.ok_or_else(|| {
        wrong(
            literal,
            "a rate",
            "a number, `/` and a duration or a unit, as in \"100/1m\" or \"5/s\"",
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
        let second = Rate {
            count: 5,
            period_ms: 1_000,
        };
        assert_eq!(rate(&text("5/s")).unwrap(), second);
        for wrong in [
            "5/",
            "5/ s",
            "5/sec",
            "100",
            "0/1m",
            "/1m",
            "100/",
            "100/0s",
            "5000000000/1s",
        ] {
            assert!(rate(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_job_is_unique_until_and_what_a_conflict_ends_in() {
        assert_eq!(until(&text("start")).unwrap(), Until::Start);
        assert_eq!(until(&text("done")).unwrap(), Until::Done);
        assert_eq!(until(&text("5m")).unwrap(), Until::For(300_000));
        for wrong in ["", "Done", "end", "0s", "5"] {
            let said = until(&text(wrong)).unwrap_err().to_string();
            assert!(said.contains("write \"start\", \"done\""), "{said}");
        }
        assert_eq!(conflict(&text("existing")).unwrap(), Conflict::Existing);
        assert_eq!(conflict(&text("reject")).unwrap(), Conflict::Reject);
        assert_eq!(conflict(&text("replace")).unwrap(), Conflict::Replace);
        let said = conflict(&text("ignore")).unwrap_err().to_string();
        assert!(said.contains("\"existing\", \"reject\" or"), "{said}");
    }

    #[test]
    fn names() {
        assert!(task_name("send-mail_2").is_ok());
        for wrong in ["", "Thumbnail", "2fast", "a.b", "über"] {
            assert!(task_name(wrong).is_err(), "{wrong}");
        }
    }
}
