//! From the memory that a call left its result in to MessagePack (the Canonical ABI,
//! "Loading").

use super::laid::{Laid, TooMuch};
use super::pack::{Head, put};
use super::shape::{Integer, Shape};
use super::{NOT_FINITE, is_nested};

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unliftable {
    /// It would have more bytes than it may.
    TooLarge(usize),
    /// It is too many values, of too large types.
    TooMuch,
    /// What is there is no value. The engine itself has written it.
    Broken,
}

impl From<TooMuch> for Unliftable {
    fn from(_: TooMuch) -> Self {
        Unliftable::TooMuch
    }
}

type Result<T> = std::result::Result<T, Unliftable>;

/// A result in memory.
pub(super) struct Lift<'a> {
    memory: &'a [u8],
    /// The address of its first byte.
    base: u32,
    most: usize,
}

impl<'a> Lift<'a> {
    /// Of which results of at most so many bytes are made.
    pub(super) fn new(memory: &'a [u8], base: u32, most: usize) -> Self {
        Lift { memory, base, most }
    }

    /// The value at the beginning of it.
    pub(super) fn value(&self, shape: &Shape) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let laid = Laid::of(std::iter::once(shape));
        self.load(shape, 0, &laid, &mut out)?;
        Ok(out)
    }

    /// Of a result, whether it is an error, and what it holds.
    pub(super) fn either(
        &self,
        shape: &Shape,
        [ok, error]: [Option<&Shape>; 2],
    ) -> Result<(bool, Vec<u8>)> {
        let is_error = self.number(0, 1)? == 1;
        let held = if is_error { error } else { ok };
        let mut out = Vec::new();
        let laid = Laid::of(std::iter::once(shape));
        match held {
            Some(held) => self.load(held, laid.payload_at(shape), &laid, &mut out)?,
            None => put(Head::Nil, &mut out),
        }
        Ok((is_error, out))
    }

    fn load(&self, shape: &Shape, at: usize, laid: &Laid, out: &mut Vec<u8>) -> Result<()> {
        laid.spend(1)?;
        if out.len() > self.most {
            return Err(Unliftable::TooLarge(out.len()));
        }
        match shape {
            Shape::Bool => put(Head::Bool(self.number(at, 1)? != 0), out),
            Shape::Integer(integer) => put(Head::Integer(self.integer(*integer, at)?), out),
            Shape::F32 => float(f32::from_bits(self.number(at, 4)? as u32).into(), out),
            Shape::F64 => float(f64::from_bits(self.number(at, 8)?), out),
            Shape::Char => {
                let char = char::from_u32(self.number(at, 4)? as u32);
                let char = char.ok_or(Unliftable::Broken)?;
                put(Head::Text(char.encode_utf8(&mut [0; 4])), out);
            }
            Shape::Text => {
                let text = std::str::from_utf8(self.slice(at, 1)?.1);
                put(Head::Text(text.map_err(|_| Unliftable::Broken)?), out);
            }
            Shape::Bytes => put(Head::Bytes(self.slice(at, 1)?.1), out),
            Shape::List(element) => {
                let size = laid.layout(element).size;
                let (first, bytes) = self.slice(at, size)?;
                let count = bytes.len() / size;
                put(Head::List(count), out);
                for n in 0..count {
                    self.load(element, first + n * size, laid, out)?;
                }
            }
            Shape::Tuple(items) => {
                put(Head::List(items.len()), out);
                self.sequence(items.iter().map(|it| (None, it)), at, laid, out)?;
            }
            Shape::Record(fields) => {
                put(Head::Map(fields.len()), out);
                self.sequence(
                    fields.iter().map(|(name, it)| (Some(&**name), it)),
                    at,
                    laid,
                    out,
                )?;
            }
            Shape::Option(some) => match self.number(at, 1)? {
                0 => put(Head::Nil, out),
                _ => {
                    if is_nested(some) {
                        put(Head::Map(1), out);
                        put(Head::Text("some"), out);
                    }
                    self.load(some, at + laid.payload_at(shape), laid, out)?;
                }
            },
            Shape::Variant(_) | Shape::Enum(_) | Shape::Result(..) => {
                self.choice(shape, at, laid, out)?
            }
            Shape::Flags(names) => {
                laid.spend(names.len())?;
                let bits = self.number(at, laid.layout(shape).size)?;
                let set = names.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
                put(Head::List(set.clone().count()), out);
                set.for_each(|(_, name)| put(Head::Text(name), out));
            }
        }
        Ok(())
    }

    fn sequence<'s>(
        &self,
        items: impl Iterator<Item = (Option<&'s str>, &'s Shape)>,
        mut at: usize,
        laid: &Laid,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        for (name, shape) in items {
            if let Some(name) = name {
                put(Head::Text(name), out);
            }
            let layout = laid.layout(shape);
            at = at.next_multiple_of(layout.align);
            self.load(shape, at, laid, out)?;
            at += layout.size;
        }
        Ok(())
    }

    fn choice(&self, shape: &Shape, at: usize, laid: &Laid, out: &mut Vec<u8>) -> Result<()> {
        let case = self.number(at, shape.tag())? as usize;
        let (name, payload) = shape.case(case).ok_or(Unliftable::Broken)?;
        if payload.is_none() && !matches!(shape, Shape::Result(..)) {
            put(Head::Text(name), out);
            return Ok(());
        }
        put(Head::Map(1), out);
        put(Head::Text(name), out);
        match payload {
            Some(payload) => self.load(payload, at + laid.payload_at(shape), laid, out),
            None => {
                put(Head::Nil, out);
                Ok(())
            }
        }
    }

    fn integer(&self, integer: Integer, at: usize) -> Result<i128> {
        let number = self.number(at, integer.size())?;
        let unused = 64 - 8 * integer.size() as u32;
        Ok(match integer.is_signed() {
            true => ((number << unused) as i64 >> unused).into(),
            false => number.into(),
        })
    }

    /// A list's elements, of so many bytes each, and where they lie.
    fn slice(&self, at: usize, size: usize) -> Result<(usize, &'a [u8])> {
        let [first, count] = [self.number(at, 4)?, self.number(at + 4, 4)?];
        let size = (count as usize)
            .checked_mul(size)
            .ok_or(Unliftable::Broken)?;
        if size == 0 {
            return Ok((0, &[]));
        }
        let first = (first as usize).checked_sub(self.base as usize);
        let first = first.ok_or(Unliftable::Broken)?;
        Ok((first, self.bytes(first, size)?))
    }

    fn number(&self, at: usize, size: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(self.bytes(at, size)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn bytes(&self, at: usize, size: usize) -> Result<&'a [u8]> {
        let end = at.checked_add(size).ok_or(Unliftable::Broken)?;
        self.memory.get(at..end).ok_or(Unliftable::Broken)
    }
}

/// JSON has no number that is not finite: its name says the same in both.
fn float(number: f64, out: &mut Vec<u8>) {
    let name = NOT_FINITE
        .iter()
        .find(|(_, it)| it.total_cmp(&number).is_eq() || (it.is_nan() && number.is_nan()));
    match name {
        Some((name, _)) => put(Head::Text(name), out),
        None => put(Head::Float(number), out),
    }
}
