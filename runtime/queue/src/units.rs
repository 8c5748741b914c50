//! Spans and sizes as people write them: `250ms`, `30s`, `5m`, `1h`, `30d`;
//! `64KiB`, `128MiB`, `1GiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is no span or size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No span.
    #[error("`{0}` is no span of time: write a number and `ms`, `s`, `m`, `h` or `d`, as in `30s`")]
    Span(String),
    /// A span that outlasts whoever asks for it, and what stores can count.
    #[error(
        "`{0}` is too long a span of time: a number of `d` has at most 5 digits, of `h` 7, of `m` 9, of `s` 10, of `ms` 13"
    )]
    Long(String),
    /// No size.
    #[error(
        "`{0}` is no size: write a number of bytes, or one with `KiB`, `MiB` or `GiB`, as in `64MiB`"
    )]
    Size(String),
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

/// The units of a span in milliseconds, the largest first, and how many digits a number of
/// them has at most: 99,999 days can be said in each.
const UNITS: [(&str, u64, usize); 5] = [
    ("d", 86_400_000, 5),
    ("h", 3_600_000, 7),
    ("m", 60_000, 9),
    ("s", 1000, 10),
    ("ms", 1, 13),
];

/// The same as a regular expression.
pub const SPAN_PATTERN: &str = "([0-9]{1,5}d|[0-9]{1,7}h|[0-9]{1,9}m|[0-9]{1,10}s|[0-9]{1,13}ms)";

/// The digits of a number, and its unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Span(text.into());
        let (digits, unit) = split(text);
        let known = UNITS.iter().find(|(name, ..)| *name == unit);
        let (_, millis, most) = known.ok_or_else(wrong)?;
        if digits.len() > *most {
            return Err(UnitError::Long(text.into()));
        }
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        Ok(Span(Duration::from_millis(number * millis)))
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError::Size(text.into());
        let (digits, unit) = split(text);
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let bytes = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        number.checked_mul(bytes).map(Size).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            it if it < Duration::from_millis(1) => format!("{}µs", it.as_micros()),
            it if it < Duration::from_secs(1) => format!("{:.1}ms", it.as_secs_f64() * 1e3),
            it if it < Duration::from_secs(120) => format!("{:.1}s", it.as_secs_f64()),
            it if it < Duration::from_secs(7200) => format!("{:.0}m", it.as_secs_f64() / 60.0),
            it if it < Duration::from_secs(172_800) => format!("{:.0}h", it.as_secs_f64() / 3600.0),
            it => format!("{:.0}d", it.as_secs_f64() / 86400.0),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let text = match self.0 {
            n if n < 1 << 10 => format!("{n}B"),
            n if n < 1 << 20 => format!("{:.1}KiB", bytes / 1024.0),
            n if n < 1 << 30 => format!("{:.1}MiB", bytes / 1_048_576.0),
            _ => format!("{:.1}GiB", bytes / 1_073_741_824.0),
        };
        f.pad(&text)
    }
}

/// A span as it is written, to the millisecond: what [`Span`] reads back as the
/// same.
pub fn exact(span: Duration) -> String {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (unit, size, _) = UNITS
        .into_iter()
        .find(|(_, size, _)| millis >= *size && millis % size == 0)
        .unwrap_or(("s", 1000, 0));
    format!("{}{unit}", millis / size)
}

/// A large number, short: `1.2M`.
pub fn short(number: u64) -> String {
    match number {
        n if n < 10_000 => n.to_string(),
        n if n < 10_000_000 => format!("{:.1}k", n as f64 / 1e3),
        n if n < 10_000_000_000 => format!("{:.1}M", n as f64 / 1e6),
        n => format!("{:.1}G", n as f64 / 1e9),
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0.as_millis()))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Size(bytes)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_as_they_are_written() {
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("30d".parse(), Ok(Span(Duration::from_secs(30 * 86_400))));
        assert_eq!("64 MiB".parse(), Ok(Size(64 << 20)));
        assert_eq!("17".parse(), Ok(Size(17)));
        for wrong in ["", "s", "3", "3 weeks", "-1s", "99999999999999999999s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert!("3MB".parse::<Size>().is_err(), "is it 10⁶ or 2²⁰?");
    }

    #[test]
    fn a_span_has_as_many_digits_as_its_unit_may() {
        for (unit, _, most) in UNITS {
            let longest = format!("{}{unit}", "9".repeat(most));
            assert!(longest.parse::<Span>().is_ok(), "{longest}");
            let longer = format!("0{longest}");
            let refused = Err(UnitError::Long(longer.clone()));
            assert_eq!(longer.parse::<Span>(), refused);
            let pattern = format!("[0-9]{{1,{most}}}{unit}");
            assert!(SPAN_PATTERN.contains(&pattern), "{pattern}");
        }
    }

    #[test]
    fn spans_are_written_to_the_millisecond() {
        for text in ["0s", "250ms", "90s", "2m", "36h", "7d"] {
            assert_eq!(exact(text.parse::<Span>().unwrap().0), text);
        }
    }

    #[test]
    fn numbers_are_shown_short() {
        assert_eq!(Span(Duration::from_micros(7)).to_string(), "7µs");
        assert_eq!(Span(Duration::from_millis(1500)).to_string(), "1.5s");
        assert_eq!(Size(1_572_864).to_string(), "1.5MiB");
        assert_eq!(short(123_456), "123.5k");
    }
}
