//! Values both ways. Parameters go as text, so that one fits whatever type the statement has
//! in its place; rows come in Postgres' own form.

use std::error::Error;
use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use jiff::{Span, civil};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::sql::value::SqlValue;

type Failed = Box<dyn Error + Sync + Send>;

/// A value in the place of a placeholder.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) &'a SqlValue);

impl Parameter<'_> {
    /// Whether it may stand where this type is wanted: a text fits anywhere, and what it
    /// says is for the database to judge.
    pub(super) fn fits(&self, ty: &Type) -> bool {
        !matches!(self.0, SqlValue::Blob(_)) || *ty == Type::BYTEA
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failed> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Boolean(it) => write!(out, "{it}")?,
            SqlValue::Integer(it) => write!(out, "{it}")?,
            SqlValue::Real(it) if it.is_infinite() && *it > 0.0 => out.put_slice(b"Infinity"),
            SqlValue::Real(it) if it.is_infinite() => out.put_slice(b"-Infinity"),
            SqlValue::Real(it) => write!(out, "{it}")?,
            SqlValue::Text(it) => out.put_slice(it.as_bytes()),
            SqlValue::Blob(it) => out.put_slice(it),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0 {
            SqlValue::Blob(_) => Format::Binary,
            _ => Format::Text,
        }
    }

    to_sql_checked!();
}

/// What a row has in a column.
pub(super) struct Cell(pub(super) SqlValue);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failed> {
        read(base(ty), raw).map(Cell)
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failed> {
        Ok(Cell(SqlValue::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What a domain is one of.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(inner) => base(inner),
        _ => ty,
    }
}

/// Whether a text of this type's is sent as it is written.
fn is_text(ty: &Type) -> bool {
    let plain = matches!(
        *ty,
        Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::CHAR
            | Type::UNKNOWN
            | Type::XML
            | Type::JSON
    );
    plain || matches!(ty.kind(), Kind::Enum(_)) || ty.name() == "citext"
}

/// Whether a column of this type can be read.
pub(super) fn is_known(ty: &Type) -> bool {
    let ty = base(ty);
    is_text(ty)
        || matches!(
            *ty,
            Type::BOOL
                | Type::INT2
                | Type::INT4
                | Type::INT8
                | Type::OID
                | Type::FLOAT4
                | Type::FLOAT8
                | Type::NUMERIC
                | Type::JSONB
                | Type::UUID
                | Type::BYTEA
                | Type::DATE
                | Type::TIME
                | Type::TIMESTAMP
                | Type::TIMESTAMPTZ
                | Type::VOID
        )
}

fn read(ty: &Type, raw: &[u8]) -> Result<SqlValue, Failed> {
    Ok(match *ty {
        _ if is_text(ty) => SqlValue::Text(String::from_utf8_lossy(raw).into_owned()),
        Type::BOOL => SqlValue::Boolean(bool::from_sql(ty, raw)?),
        Type::INT2 => SqlValue::Integer(i16::from_sql(ty, raw)?.into()),
        Type::INT4 => SqlValue::Integer(i32::from_sql(ty, raw)?.into()),
        Type::INT8 => SqlValue::Integer(i64::from_sql(ty, raw)?),
        Type::OID => SqlValue::Integer(u32::from_sql(ty, raw)?.into()),
        Type::FLOAT4 => SqlValue::Real(f32::from_sql(ty, raw)?.into()),
        Type::FLOAT8 => SqlValue::Real(f64::from_sql(ty, raw)?),
        Type::NUMERIC => SqlValue::Text(numeric(raw).ok_or("a number that cannot be read")?),
        Type::JSONB => {
            let text = raw.strip_prefix(&[1]).ok_or("JSON in an unknown form")?;
            SqlValue::Text(String::from_utf8_lossy(text).into_owned())
        }
        Type::UUID => SqlValue::Text(uuid(raw)),
        Type::BYTEA => SqlValue::Blob(raw.to_vec()),
        Type::DATE => SqlValue::Text(date(four(raw)?)?),
        Type::TIME => SqlValue::Text(time(eight(raw)?)),
        Type::TIMESTAMP => SqlValue::Text(timestamp(eight(raw)?, "")?),
        Type::TIMESTAMPTZ => SqlValue::Text(timestamp(eight(raw)?, "+00")?),
        Type::VOID => SqlValue::Null,
        _ => return Err("a type that cannot be read".into()),
    })
}

fn four(raw: &[u8]) -> Result<i32, Failed> {
    Ok(i32::from_be_bytes(raw.try_into()?))
}

fn eight(raw: &[u8]) -> Result<i64, Failed> {
    Ok(i64::from_be_bytes(raw.try_into()?))
}

fn uuid(raw: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in raw.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Days and microseconds are counted from here.
const EPOCH: civil::Date = civil::date(2000, 1, 1);
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Before this year, and after the year 9999, dates are not written by four digits.
const FIRST_YEAR: i16 = 1;

const FAR: &str = "a date before the year 1 or after the year 9999: cast it to text";

fn date(days: i32) -> Result<String, Failed> {
    match days {
        i32::MAX => Ok("infinity".into()),
        i32::MIN => Ok("-infinity".into()),
        _ => Ok(day(days.into())?.to_string()),
    }
}

fn day(days: i64) -> Result<civil::Date, Failed> {
    let span = Span::new().try_days(days).map_err(|_| FAR)?;
    let date = EPOCH.checked_add(span).map_err(|_| FAR)?;
    match date.year() >= FIRST_YEAR {
        true => Ok(date),
        false => Err(FAR.into()),
    }
}

fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
    let mut text = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if fraction > 0 {
        let fraction = format!(".{fraction:06}");
        text += fraction.trim_end_matches('0');
    }
    text
}

fn timestamp(micros: i64, zone: &str) -> Result<String, Failed> {
    match micros {
        i64::MAX => return Ok("infinity".into()),
        i64::MIN => return Ok("-infinity".into()),
        _ => {}
    }
    let date = day(micros.div_euclid(DAY))?;
    Ok(format!("{date} {}{zone}", time(micros.rem_euclid(DAY))))
}

/// The words of a number's sign.
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;

/// A number of any size: groups of four decimal digits, of which the first counts as many
/// times 10,000 to the power of `weight`, and how many digits are written after the point.
fn numeric(raw: &[u8]) -> Option<String> {
    let mut words = raw
        .chunks(2)
        .map(|it| it.try_into().map(u16::from_be_bytes));
    let mut word = || words.next()?.ok();
    let (count, weight, sign, scale) = (word()?, word()? as i16, word()?, word()?);
    let groups = (0..count).map(|_| word()).collect::<Option<Vec<u16>>>()?;
    let mut text = match sign {
        POSITIVE => String::new(),
        NEGATIVE => "-".into(),
        0xd000 => return Some("Infinity".into()),
        0xf000 => return Some("-Infinity".into()),
        _ => return Some("NaN".into()),
    };
    let weight = i32::from(weight);
    let group = |power: i32| {
        let at = usize::try_from(weight - power).ok();
        at.and_then(|at| groups.get(at)).copied().unwrap_or(0)
    };
    let _ = write!(text, "{}", if weight < 0 { 0 } else { group(weight) });
    for power in (0..weight).rev() {
        let _ = write!(text, "{:04}", group(power));
    }
    if scale > 0 {
        let point = text.len() + 1;
        text.push('.');
        for power in 1..=i32::from(scale.div_ceil(4)) {
            let _ = write!(text, "{:04}", group(-power));
        }
        text.truncate(point + usize::from(scale));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> String {
        let head = [groups.len() as u16, weight as u16, sign, scale];
        let words = head.iter().chain(groups);
        let raw: Vec<u8> = words.flat_map(|it| it.to_be_bytes()).collect();
        numeric(&raw).unwrap()
    }

    #[test]
    fn a_number_of_any_size_is_written_out() {
        assert_eq!(number(0, POSITIVE, 0, &[]), "0");
        assert_eq!(number(0, POSITIVE, 2, &[]), "0.00");
        assert_eq!(number(1, NEGATIVE, 0, &[12, 34]), "-120034");
        assert_eq!(number(1, POSITIVE, 0, &[1]), "10000");
        assert_eq!(number(-1, POSITIVE, 2, &[500]), "0.05");
        assert_eq!(number(-2, POSITIVE, 8, &[1]), "0.00000001");
        assert_eq!(number(0, POSITIVE, 5, &[3, 1415, 9000]), "3.14159");
        assert_eq!(number(0, 0xc000, 0, &[]), "NaN");
        assert_eq!(numeric(&[0, 1, 0, 0, 0, 0, 0, 0]), None, "cut off");
    }

    #[test]
    fn times_are_written_as_postgres_writes_them() {
        assert_eq!(date(0).unwrap(), "2000-01-01");
        assert_eq!(date(-1).unwrap(), "1999-12-31");
        assert_eq!(date(i32::MAX).unwrap(), "infinity");
        assert!(date(i32::MAX - 1).is_err() && date(-800_000).is_err());
        assert_eq!(time(0), "00:00:00");
        assert_eq!(time(DAY), "24:00:00");
        assert_eq!(time(3_723_000_450), "01:02:03.00045");
        assert_eq!(timestamp(-1, "").unwrap(), "1999-12-31 23:59:59.999999");
        assert_eq!(timestamp(0, "+00").unwrap(), "2000-01-01 00:00:00+00");
        assert_eq!(timestamp(i64::MIN, "").unwrap(), "-infinity");
        assert!(timestamp(i64::MAX - 1, "").is_err());
    }
}
