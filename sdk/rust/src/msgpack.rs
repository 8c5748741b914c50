//! As much MessagePack as a map of arguments needs: taken apart without decoding its values, and put together.

/// Reads from the front of a slice. Every read is checked: the bytes are what some caller sent.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// The bytes end before the value does, or no value begins so.
#[derive(Debug)]
pub(crate) struct Malformed;

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The number of entries of the map that begins here, or nothing when it is no map.
    pub(crate) fn map(&mut self) -> Result<Option<u64>> {
        Ok(match self.byte()? {
            marker @ 0x80..=0x8f => Some(u64::from(marker & 0x0f)),
            0xde => Some(self.length(2)?),
            0xdf => Some(self.length(4)?),
            _ => None,
        })
    }

    /// The string that begins here, or nothing when it is no string.
    pub(crate) fn string(&mut self) -> Result<Option<&'a str>> {
        let length = match self.byte()? {
            marker @ 0xa0..=0xbf => u64::from(marker & 0x1f),
            0xd9 => self.length(1)?,
            0xda => self.length(2)?,
            0xdb => self.length(4)?,
            _ => return Ok(None),
        };
        Ok(std::str::from_utf8(self.bytes(length)?).ok())
    }

    /// The bytes of the value that begins here, whatever it holds. A loop and no recursion: nesting that would exhaust
    /// the stack is the decoder's to refuse.
    pub(crate) fn value(&mut self) -> Result<&'a [u8]> {
        let start = self.rest;
        let mut open: u64 = 1;
        while open > 0 {
            // Each value inside takes a byte at least, so that a count past them ends here and never overflows.
            open = open - 1 + self.shallow()?;
            if open > self.rest.len() as u64 {
                return Err(Malformed);
            }
        }
        Ok(&start[..start.len() - self.rest.len()])
    }

    /// Skips one marker and its own bytes, and answers how many values stand inside it.
    fn shallow(&mut self) -> Result<u64> {
        let skip = match self.byte()? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            marker @ 0x80..=0x8f => return Ok(2 * u64::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => return Ok(u64::from(marker & 0x0f)),
            marker @ 0xa0..=0xbf => u64::from(marker & 0x1f),
            0xc1 => return Err(Malformed),
            marker @ 0xc4..=0xc6 => self.length(1 << (marker - 0xc4))?,
            // An extension has its type's byte besides.
            marker @ 0xc7..=0xc9 => self.length(1 << (marker - 0xc7))? + 1,
            0xca => 4,
            0xcb => 8,
            marker @ 0xcc..=0xcf => 1 << (marker - 0xcc),
            marker @ 0xd0..=0xd3 => 1 << (marker - 0xd0),
            marker @ 0xd4..=0xd8 => (1 << (marker - 0xd4)) + 1,
            marker @ 0xd9..=0xdb => self.length(1 << (marker - 0xd9))?,
            marker @ 0xdc..=0xdd => return self.length(2 << (marker - 0xdc)),
            marker @ 0xde..=0xdf => return Ok(2 * self.length(2 << (marker - 0xde))?),
        };
        self.bytes(skip)?;
        Ok(0)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }

    /// A big-endian length of `width` bytes.
    fn length(&mut self, width: u64) -> Result<u64> {
        Ok(self
            .bytes(width)?
            .iter()
            .fold(0, |length, byte| length << 8 | u64::from(*byte)))
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// A map of values that are encoded already.
pub(crate) fn map<'a>(entries: impl ExactSizeIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    match entries.len() {
        length @ 0..=15 => out.push(0x80 | length as u8),
        length => {
            out.push(0xdf);
            out.extend((length as u32).to_be_bytes());
        }
    }
    for (key, value) in entries {
        match key.len() {
            length @ 0..=31 => out.push(0xa0 | length as u8),
            length => {
                out.push(0xdb);
                out.extend((length as u32).to_be_bytes());
            }
        }
        out.extend(key.as_bytes());
        out.extend(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_is_skipped_whole() {
        let long = "x".repeat(70_000);
        let values = [
            json!(null),
            json!(true),
            json!(5),
            json!(-5),
            json!(200),
            json!(-200),
            json!(70_000),
            json!(-70_000),
            json!(5_000_000_000_u64),
            json!(-5_000_000_000_i64),
            json!(1.5),
            json!("short"),
            json!(&long[..40]),
            json!(&long[..300]),
            json!(long),
            json!([1, [2, "three"]]),
            json!({"a": {"b": [1.5]}}),
            json!(vec![1; 300]),
            json!(vec![1; 70_000]),
        ];
        for value in values {
            let encoded = rmp_serde::to_vec_named(&value).unwrap();
            let mut followed = encoded.clone();
            followed.push(0x2a);
            let mut reader = Reader::new(&followed);
            assert_eq!(reader.value().unwrap(), encoded);
            assert_eq!(reader.rest, [0x2a]);
            for end in 0..encoded.len().min(50) {
                assert!(Reader::new(&encoded[..end]).value().is_err());
            }
        }
    }

    #[test]
    fn binary_extensions_and_floats_are_skipped_whole() {
        let values: [&[u8]; 6] = [
            &[0xc4, 2, 1, 2],
            &[0xc5, 0, 1, 1],
            &[0xc7, 1, 9, 1],
            &[0xd4, 9, 1],
            &[
                0xd8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
            ],
            &[0xca, 0, 0, 0, 0],
        ];
        for value in values {
            let mut reader = Reader::new(value);
            assert_eq!(reader.value().unwrap(), value);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        for bytes in [
            &[0xdf, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdd, 0xff, 0xff, 0xff, 0xff, 0],
            &[0xc6, 0xff, 0xff, 0xff, 0xff],
            &[0xc1],
        ] {
            assert!(Reader::new(bytes).value().is_err());
        }
        // Deeper than any stack.
        let deep = vec![0x91; 1_000_000];
        assert!(Reader::new(&deep).value().is_err());
    }

    #[test]
    fn a_map_is_read_back() {
        let key = "k".repeat(40);
        let entries = [("a", &[0x01][..]), (key.as_str(), &[0xa1, b'x'])];
        let bytes = map(entries.into_iter());
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.map().unwrap(), Some(2));
        for (key, value) in entries {
            assert_eq!(reader.string().unwrap(), Some(key));
            assert_eq!(reader.value().unwrap(), value);
        }
        assert!(reader.is_empty());
    }
}
