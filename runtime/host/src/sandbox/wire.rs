//! How a process and its children talk: a length in four bytes, then a message in
//! MessagePack with its fields by name.
//!
//! Whoever reads says how long a message may be. What the other side says is never
//! relied on: it is read as an enemy's.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other side is gone.
    #[error("it is gone")]
    Closed,
    /// It says nothing, for as long as was waited.
    #[error("it says nothing")]
    Silent,
    /// It is no message, or a longer one than may be.
    #[error("it talks nonsense: {0}")]
    Nonsense(String),
    /// The system's own error.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                WireError::Closed
            }
            // Which of the two it is depends on the system.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => WireError::Silent,
            _ => WireError::Io(error),
        }
    }
}

/// Appends a message as it goes over the wire.
pub(super) fn put(message: &impl Serialize, to: &mut Vec<u8>) {
    let at = to.len();
    to.extend([0; 4]);
    rmp_serde::encode::write_named(to, message).expect("memory takes what is written to it");
    let length = u32::try_from(to.len() - at - 4).expect("no message has 4 GiB");
    to[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Sends one message.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize) -> Result<(), WireError> {
    let mut bytes = Vec::new();
    put(message, &mut bytes);
    Ok(to.write_all(&bytes)?)
}

/// The length of the message that begins with these bytes.
pub(super) fn length(head: [u8; 4], most: usize) -> Result<usize, WireError> {
    let length = u32::from_le_bytes(head) as usize;
    if length > most {
        let text = format!("a message of {length} bytes, more than {most}");
        return Err(WireError::Nonsense(text));
    }
    Ok(length)
}

/// A message of its bytes.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    rmp_serde::from_slice(bytes).map_err(|e| WireError::Nonsense(e.to_string()))
}

/// Receives one message of at most so many bytes.
pub(super) fn receive<T: DeserializeOwned>(
    from: &mut impl Read,
    most: usize,
) -> Result<T, WireError> {
    let mut bytes = Vec::new();
    fill(from, most, &mut bytes)?;
    parse(&bytes)
}

/// The bytes of the next message, in the place of others.
pub(super) fn fill(
    from: &mut impl Read,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), WireError> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = length(head, most)?;
    // It grows as the bytes come: a length alone costs nothing.
    bytes.clear();
    from.take(length as u64).read_to_end(bytes)?;
    match bytes.len() < length {
        true => Err(WireError::Closed),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cross_and_nonsense_is_told() {
        let mut bytes = Vec::new();
        put(&("a", 1), &mut bytes);
        put(&("b", 2), &mut bytes);
        let mut from = &bytes[..];
        assert_eq!(
            receive::<(String, u32)>(&mut from, 100).unwrap(),
            ("a".into(), 1)
        );
        assert_eq!(
            receive::<(String, u32)>(&mut from, 100).unwrap(),
            ("b".into(), 2)
        );
        let closed = receive::<(String, u32)>(&mut from, 100);
        assert!(matches!(closed, Err(WireError::Closed)));
        let nonsense = |bytes: &[u8]| receive::<(String, u32)>(&mut &bytes[..], 100);
        assert!(matches!(
            nonsense(b"\xff\xff\xff\xff"),
            Err(WireError::Nonsense(_))
        ));
        assert!(matches!(
            nonsense(b"\x01\0\0\0\xc1"),
            Err(WireError::Nonsense(_))
        ));
        assert!(matches!(
            nonsense(b"\x09\0\0\0\xc1"),
            Err(WireError::Closed)
        ));
    }
}
