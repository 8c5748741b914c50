//! A client of HTTP/1.1 that does as little as it can: what is measured is the server,
//! which has the machine's other half.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More than any answer that is waited for.
const ROOM: usize = 64 * 1024;

/// One connection, kept open.
pub(super) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(super) async fn to(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Wire {
            stream,
            read: Vec::with_capacity(ROOM),
        })
    }

    /// Sends a request as it stands.
    pub(super) async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(request).await?)
    }

    /// The status of the answer, once all of it is here.
    pub(super) async fn status(&mut self) -> anyhow::Result<u16> {
        loop {
            if let Some((status, length)) = head(&self.read)?
                && self.read.len() >= length
            {
                self.read.drain(..length);
                return Ok(status);
            }
            self.more().await?;
        }
    }

    /// Reads on until this stands in what has come, and forgets what came before.
    pub(super) async fn until(&mut self, text: &str) -> anyhow::Result<()> {
        loop {
            let found = self
                .read
                .windows(text.len())
                .position(|it| it == text.as_bytes());
            if let Some(at) = found {
                self.read.drain(..at + text.len());
                return Ok(());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => bail!("the server has closed the connection"),
            _ => Ok(()),
        }
    }
}

/// The status of an answer, and its length with its head; `None` while that has not come.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = bytes.windows(END.len()).position(|it| it == END) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end])?;
    let status = text.get(9..12).context("no status line")?.parse()?;
    let mut lines = text.lines();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>())
    });
    let length = length.context("an answer without a length")??;
    Ok(Some((status, end + END.len() + length)))
}

#[cfg(test)]
mod tests {
    use super::head;

    #[test]
    fn an_answer_has_a_status_and_a_length() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc";
        let whole = Some((201, answer.len()));
        assert_eq!(head(answer).unwrap(), whole);
        assert_eq!(head(&answer[..20]).unwrap(), None);
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
