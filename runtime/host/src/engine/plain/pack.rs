//! MessagePack, as far as values of WIT need it: read and written without a tree of values
//! in between.

/// The input is no MessagePack, or ends too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a value begins with; those of lists and maps follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Head<'a> {
    Nil,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(usize),
    Map(usize),
}

impl Head<'_> {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Head::Nil => "null",
            Head::Bool(_) => "a boolean",
            Head::Integer(_) => "an integer",
            Head::Float(_) => "a number",
            Head::Text(_) => "a text",
            Head::Bytes(_) => "bytes",
            Head::List(_) => "a list",
            Head::Map(_) => "an object",
        }
    }
}

pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value's beginning, which stays there.
    pub(super) fn peek(&self) -> Result<Head<'a>, Malformed> {
        Reader(self.0).head()
    }

    pub(super) fn head(&mut self) -> Result<Head<'a>, Malformed> {
        let marker = self.take(1)?[0];
        Ok(match marker {
            0x00..=0x7f => Head::Integer(marker.into()),
            0x80..=0x8f => Head::Map((marker & 0x0f).into()),
            0x90..=0x9f => Head::List((marker & 0x0f).into()),
            0xa0..=0xbf => self.text((marker & 0x1f).into())?,
            0xc0 => Head::Nil,
            0xc2 | 0xc3 => Head::Bool(marker == 0xc3),
            0xc4..=0xc6 => {
                let size = self.number(1 << (marker - 0xc4))? as usize;
                Head::Bytes(self.take(size)?)
            }
            0xca => Head::Float(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Head::Float(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => Head::Integer(self.number(1 << (marker - 0xcc))?.into()),
            0xd0..=0xd3 => {
                let size = 1 << (marker - 0xd0);
                let unused = 64 - 8 * size as u32;
                let number = (self.number(size)? << unused) as i64 >> unused;
                Head::Integer(number.into())
            }
            0xd9..=0xdb => {
                let size = self.number(1 << (marker - 0xd9))? as usize;
                self.text(size)?
            }
            0xdc | 0xdd => Head::List(self.number(2 << (marker - 0xdc))? as usize),
            0xde | 0xdf => Head::Map(self.number(2 << (marker - 0xde))? as usize),
            // Extensions, and what was never given a meaning.
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(Malformed),
            0xe0..=0xff => Head::Integer((marker as i8).into()),
        })
    }

    fn text(&mut self, size: usize) -> Result<Head<'a>, Malformed> {
        let text = std::str::from_utf8(self.take(size)?);
        Ok(Head::Text(text.map_err(|_| Malformed)?))
    }

    fn number(&mut self, size: usize) -> Result<u64, Malformed> {
        let bytes = self.take(size)?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self.0.split_at_checked(size).ok_or(Malformed)?;
        self.0 = left;
        Ok(taken)
    }
}

/// Writes a value's beginning, in the shortest form.
pub(super) fn put(head: Head<'_>, out: &mut Vec<u8>) {
    match head {
        Head::Nil => out.push(0xc0),
        Head::Bool(it) => out.push(0xc2 + u8::from(it)),
        Head::Integer(it @ 0..=0x7f) => out.push(it as u8),
        Head::Integer(it @ -0x20..=-1) => out.push(it as i8 as u8),
        Head::Integer(it) if it > 0 => sized(0xcc, it as u64, &[1, 2, 4, 8], out),
        Head::Integer(it) => negative(it as i64, out),
        Head::Float(it) => {
            out.push(0xcb);
            out.extend(it.to_be_bytes());
        }
        Head::Text(it) => {
            match it.len() {
                size @ 0..=0x1f => out.push(0xa0 | size as u8),
                size => sized(0xd9, size as u64, &[1, 2, 4], out),
            }
            out.extend(it.as_bytes());
        }
        Head::Bytes(it) => {
            sized(0xc4, it.len() as u64, &[1, 2, 4], out);
            out.extend(it);
        }
        Head::List(count @ 0..=0xf) => out.push(0x90 | count as u8),
        Head::List(count) => sized(0xdc, count as u64, &[2, 4], out),
        Head::Map(count @ 0..=0xf) => out.push(0x80 | count as u8),
        Head::Map(count) => sized(0xde, count as u64, &[2, 4], out),
    }
}

/// The first of some markers whose number has room, each of so many bytes.
fn sized(first: u8, number: u64, sizes: &[usize], out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let fits = |size: &usize| bytes[..8 - size].iter().all(|it| *it == 0);
    let at = sizes.iter().position(fits).unwrap_or(sizes.len() - 1);
    out.push(first + at as u8);
    out.extend(&bytes[8 - sizes[at]..]);
}

fn negative(number: i64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (marker, size) = match number {
        -0x80.. => (0xd0, 1),
        -0x8000.. => (0xd1, 2),
        -0x8000_0000.. => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(marker);
    out.extend(&bytes[8 - size..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_library_writes_and_reads_back() {
        let long = "ü".repeat(40_000);
        let integers = [
            0,
            1,
            127,
            128,
            255,
            256,
            65_535,
            65_536,
            1 << 32,
            -1,
            -32,
            -33,
            -128,
            -129,
            -32_768,
            -32_769,
            i64::MIN.into(),
            i64::MAX.into(),
            u64::MAX.into(),
        ];
        let mut heads: Vec<Head<'_>> = integers.map(Head::Integer).into();
        heads.extend([
            Head::Nil,
            Head::Bool(true),
            Head::Bool(false),
            Head::Float(0.1),
        ]);
        heads.extend(["", "a", &long[..32], &long[..256], &long].map(Head::Text));
        heads.extend([0, 255, 256, 70_000].map(|size| Head::Bytes(&long.as_bytes()[..size])));
        for head in heads {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            put(head, &mut ours);
            let value = match head {
                Head::Nil => rmpv::ValueRef::Nil,
                Head::Bool(it) => rmpv::ValueRef::Boolean(it),
                Head::Integer(it) => match u64::try_from(it) {
                    Ok(it) => it.into(),
                    Err(_) => (it as i64).into(),
                },
                Head::Float(it) => it.into(),
                Head::Text(it) => it.into(),
                Head::Bytes(it) => it.into(),
                Head::List(_) | Head::Map(_) => unreachable!("not among them"),
            };
            rmpv::encode::write_value_ref(&mut theirs, &value).unwrap();
            assert_eq!(ours, theirs, "{}", head.what());
            let mut reader = Reader(&ours);
            assert_eq!(reader.peek(), reader.head());
            assert_eq!(Reader(&ours).head(), Ok(head));
            assert!(reader.is_at_end());
            assert_eq!(Reader(&ours[..ours.len() - 1]).head().ok(), None);
        }
    }

    #[test]
    fn lists_and_maps_say_how_many_follow() {
        for count in [0, 15, 16, 65_535, 65_536] {
            for head in [Head::List(count), Head::Map(count)] {
                let mut bytes = Vec::new();
                put(head, &mut bytes);
                assert_eq!(Reader(&bytes).head(), Ok(head));
            }
        }
        assert_eq!(
            Reader(&[0xca, 0x3f, 0x80, 0, 0]).head(),
            Ok(Head::Float(1.0))
        );
        for wrong in [&[0xc1_u8][..], &[0xd4, 1, 2], &[0xa1, 0xff], &[]] {
            assert_eq!(Reader(wrong).head(), Err(Malformed), "{wrong:?}");
        }
    }
}
