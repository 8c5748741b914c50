//! The words of SMTP that it takes to send one mail (RFC 5321). In clear text, and without a name and password: for a relay
//! of one's own network.

use std::io::{self, BufRead, BufReader, Read, Write};

use crate::message::Message;

/// Why a mail was not sent.
#[derive(Debug)]
pub enum Error {
    Io(io::Error),
    /// The server's reply, which begins with its code.
    Refused(String),
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::Io(e)
    }
}

/// Sends it over a fresh connection.
pub fn send(stream: impl Read + Write, message: &Message) -> Result<(), Error> {
    let mut session = Session(BufReader::new(stream));
    session.reply('2')?;
    session.says("EHLO lovage", '2')?;
    session.says(&format!("MAIL FROM:<{}>", message.from), '2')?;
    for to in &message.to {
        session.says(&format!("RCPT TO:<{to}>"), '2')?;
    }
    session.says("DATA", '3')?;
    session.0.get_mut().write_all(message.data().as_bytes())?;
    session.reply('2')?;
    // It is sent, whatever is said to that.
    let _ = session.says("QUIT", '2');
    Ok(())
}

struct Session<S>(BufReader<S>);

impl<S: Read + Write> Session<S> {
    fn says(&mut self, line: &str, good: char) -> Result<(), Error> {
        self.0
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.reply(good)
    }

    /// Reads a reply, of however many lines, and holds it to the first digit of its code.
    fn reply(&mut self, good: char) -> Result<(), Error> {
        loop {
            let mut line = String::new();
            if self.0.by_ref().take(1024).read_line(&mut line)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if !line.starts_with(good) {
                return Err(Error::Refused(line.trim_end().to_owned()));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A server that has made up its mind.
    struct Server {
        says: Cursor<&'static [u8]>,
        heard: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.says.read(buf)
        }
    }

    impl Write for Server {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.heard.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn to(says: &'static str) -> (Result<(), Error>, String) {
        let mut server = Server {
            says: Cursor::new(says.as_bytes()),
            heard: Vec::new(),
        };
        let message = Message {
            id: "<1@lovage>".into(),
            from: "me@example.com".into(),
            to: vec!["you@example.com".into()],
            subject: "hello".into(),
            text: "text".into(),
        };
        let sent = send(&mut server, &message);
        (sent, String::from_utf8(server.heard).unwrap())
    }

    #[test]
    fn a_mail_is_sent_in_order() {
        let (sent, heard) =
            to("220 hi\r\n250-a\r\n250 b\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n");
        sent.unwrap();
        let lines: Vec<&str> = heard.lines().collect();
        let first = [
            "EHLO lovage",
            "MAIL FROM:<me@example.com>",
            "RCPT TO:<you@example.com>",
            "DATA",
        ];
        assert_eq!(lines[..4], first);
        assert_eq!(lines[lines.len() - 2..], [".", "QUIT"]);
    }

    #[test]
    fn what_is_refused_says_why() {
        let (sent, heard) = to("220 hi\r\n250 a\r\n250 ok\r\n550 nobody here\r\n");
        assert!(matches!(sent, Err(Error::Refused(reply)) if reply == "550 nobody here"));
        assert!(!heard.contains("DATA"));
        assert!(matches!(to("220 hi\r\n").0, Err(Error::Io(_))));
    }
}
