//! Reading what a client sends to Redis: arrays of strings, one after the other.

use std::ops::Range;

/// A client's bytes on their way, cut into commands.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
}

/// One command, as it was sent.
pub(super) struct Command {
    pub(super) bytes: Vec<u8>,
    words: Vec<Range<usize>>,
}

impl Commands {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next command that is there in full.
    pub(super) fn next(&mut self) -> Option<Command> {
        let (mut at, count) = number(&self.bytes, 0, b'*')?;
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            let (from, length) = number(&self.bytes, at, b'$')?;
            words.push(from..from + length);
            at = from + length + 2;
            if at > self.bytes.len() {
                return None;
            }
        }
        let rest = self.bytes.split_off(at);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        Some(Command { bytes, words })
    }
}

impl Command {
    /// One of its words; empty where it has not so many.
    pub(super) fn word(&self, at: usize) -> &[u8] {
        let range = self.words.get(at).cloned().unwrap_or_default();
        &self.bytes[range]
    }
}

/// A line of a mark and a number, and where the next one begins.
fn number(bytes: &[u8], at: usize, mark: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|it| it == b"\r\n")?;
    assert_eq!(line[0], mark, "a client speaks in arrays of strings");
    let digits = std::str::from_utf8(&line[1..end]).unwrap();
    Some((at + end + 2, digits.parse().unwrap()))
}

#[test]
fn commands_are_cut_where_they_end() {
    let mut commands = Commands::default();
    commands.feed(b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n*1\r\n$4\r\nPI");
    let get = commands.next().unwrap();
    assert_eq!(
        (get.word(0), get.word(1), get.word(2)),
        (&b"GET"[..], &b"x"[..], &b""[..])
    );
    assert!(commands.next().is_none());
    commands.feed(b"NG\r\n");
    assert_eq!(commands.next().unwrap().bytes, b"*1\r\n$4\r\nPING\r\n");
}
