//! A file's bytes, of which those that nobody wrote take no memory.

use std::collections::BTreeMap;

use super::nodes::Fault;

/// Bytes of a piece. Those of a file that are next to each other lie together so far.
const PIECE: usize = 16 * 1024;
/// By how much a piece grows that is no longer small.
const STEP: usize = 512;

/// A file's bytes. What lies between pieces, and behind a piece's end, is zeros; no piece
/// reaches beyond the size.
#[derive(Debug, Default)]
pub(super) struct Content {
    size: u64,
    /// The first piece, which is all of most files: a map of one would be larger than they.
    first: Vec<u8>,
    /// The others by number.
    rest: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from an offset on: fewer than asked for only at the end.
    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let left = self.size.saturating_sub(offset);
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        let mut read = vec![0; length];
        let mut done = 0;
        while done < length {
            let (number, within) = place(offset + done as u64);
            let some = (PIECE - within).min(length - done);
            let piece = match number {
                0 => Some(&self.first),
                _ => self.rest.get(&number),
            };
            let piece = piece.map_or(&[][..], Vec::as_slice);
            let there = piece.len().saturating_sub(within).min(some);
            read[done..done + there].copy_from_slice(&piece[piece.len().min(within)..][..there]);
            done += some;
        }
        read
    }

    /// Writes all of it, or nothing. The end must be a number.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let before = self.size;
        let mut done = 0;
        while done < bytes.len() {
            let (number, within) = place(offset + done as u64);
            let some = (PIECE - within).min(bytes.len() - done);
            let piece = match number {
                0 => &mut self.first,
                _ => self.rest.entry(number).or_default(),
            };
            if let Err(fault) = reach(piece, within + some) {
                self.cut(before);
                return Err(fault);
            }
            piece[within..within + some].copy_from_slice(&bytes[done..done + some]);
            done += some;
        }
        if !bytes.is_empty() {
            self.size = self.size.max(offset + bytes.len() as u64);
        }
        Ok(())
    }

    /// Makes it shorter, or longer by zeros.
    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.cut(size);
        }
        self.size = size;
    }

    /// Takes away what lies behind this.
    fn cut(&mut self, size: u64) {
        let (number, within) = place(size);
        drop(self.rest.split_off(&(number + u64::from(within > 0))));
        let last = match number {
            0 => Some(&mut self.first),
            _ => self.rest.get_mut(&number),
        };
        if let Some(piece) = last {
            piece.truncate(within);
            piece.shrink_to(room(within));
        }
    }

    /// Bytes of memory that the pieces take.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let pieces = self.rest.values().chain([&self.first]);
        pieces.map(Vec::capacity).sum()
    }
}

/// Which piece a byte is in, and where in it.
fn place(offset: u64) -> (u64, usize) {
    let piece = PIECE as u64;
    (offset / piece, (offset % piece) as usize)
}

/// Bytes that a piece of this length may take: not much more, so that what is counted is
/// about what is there, and not none, so that few short writes move it.
fn room(length: usize) -> usize {
    match length < STEP {
        true => length.next_power_of_two(),
        false => length.next_multiple_of(STEP),
    }
}

/// Makes a piece at least so long.
fn reach(piece: &mut Vec<u8>, length: usize) -> Result<(), Fault> {
    if piece.len() >= length {
        return Ok(());
    }
    if piece.capacity() < length {
        // A process of attempts has a bound on its memory: to reach it is no reason to end.
        let more = room(length) - piece.len();
        let reserved = piece.try_reserve_exact(more);
        reserved.map_err(|_| Fault::InsufficientMemory)?;
    }
    piece.resize(length, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_nobody_wrote_takes_no_memory_and_reads_as_zeros() {
        let mut content = Content::default();
        content.resize(1 << 40);
        assert_eq!(content.memory(), 0);
        content.write((1 << 40) - 3, b"end").unwrap();
        assert!(content.memory() <= PIECE, "{}", content.memory());
        assert_eq!(content.read((1 << 40) - 5, 100), b"\0\0end");
        assert_eq!(content.read(1 << 20, 4), [0; 4]);
        content.resize(2);
        content.resize(8);
        assert_eq!((content.memory(), content.read(0, 9)), (0, vec![0; 8]));
    }

    #[test]
    fn memory_is_about_what_was_written() {
        for length in [1, 100, 511, 513, PIECE, 100_000] {
            let mut content = Content::default();
            for byte in 0..length {
                content.write(byte as u64, b"x").unwrap();
            }
            let memory = content.memory();
            assert!(memory >= length, "{length}");
            assert!(memory <= 2 * length && memory < length + STEP, "{length}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_vector_would_be(
            steps in prop::collection::vec((0u8..3, 0u64..70_000, 0usize..40_000), 1..30)
        ) {
            let (mut content, mut model) = (Content::default(), Vec::new());
            for (number, (kind, offset, length)) in steps.into_iter().enumerate() {
                let at = offset as usize;
                match kind {
                    0 => {
                        let bytes = vec![number as u8 + 1; length];
                        content.write(offset, &bytes).unwrap();
                        if length > 0 {
                            model.resize(model.len().max(at + length), 0);
                            model[at..at + length].copy_from_slice(&bytes);
                        }
                    }
                    1 => {
                        content.resize(offset);
                        model.resize(at, 0);
                    }
                    _ => {
                        let from = at.min(model.len());
                        let to = model.len().min(at + length).max(from);
                        prop_assert_eq!(content.read(offset, length), &model[from..to]);
                    }
                }
                prop_assert_eq!(content.size(), model.len() as u64);
            }
            prop_assert_eq!(content.read(0, usize::MAX), model);
        }
    }
}
