//! A mail as it is sent (RFC 5322).

use std::fmt::Write;

/// A plain text.
pub struct Message {
    pub id: String,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
}

/// Characters of a subject that go into one encoded word: at most four bytes each, three letters a byte, and 75 letters in
/// all (RFC 2047).
const WORD: usize = 5;

impl Message {
    /// Whether it can be sent.
    pub fn check(&self) -> Result<(), String> {
        if self.to.is_empty() {
            return Err("a mail goes to somebody: `to` is empty".into());
        }
        let lines = self.to.iter().chain([&self.from, &self.subject]);
        for line in lines {
            // What has an end of line in it would say more than its header.
            if line.chars().any(char::is_control) {
                return Err(format!(
                    "`{}` has a control character in it",
                    line.escape_debug()
                ));
            }
        }
        let odd =
            |it: &&String| !it.contains('@') || !it.is_ascii() || it.contains(['<', '>', ' ']);
        match self.to.iter().chain([&self.from]).find(odd) {
            Some(odd) => Err(format!("`{odd}` is no address: write `name@example.com`")),
            None => Ok(()),
        }
    }

    /// Its bytes behind `DATA`, the last dot included (RFC 5321, 4.5.2).
    pub fn data(&self) -> String {
        let mut data = String::new();
        let _ = write!(
            data,
            "From: {}\r\nTo: {}\r\nSubject: {}\r\nMessage-ID: {}\r\n",
            self.from,
            self.to.join(",\r\n "),
            encoded(&self.subject),
            self.id
        );
        data.push_str("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
        data.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
        for line in self.text.lines() {
            if line.starts_with('.') {
                data.push('.');
            }
            data.push_str(line);
            data.push_str("\r\n");
        }
        data.push_str(".\r\n");
        data
    }
}

/// A header's words, as encoded words where they are not plain letters.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let words = letters.chunks(WORD).map(|some| {
        let some = String::from_iter(some);
        let bytes = some.bytes().map(|byte| format!("={byte:02X}"));
        format!("=?utf-8?Q?{}?=", bytes.collect::<String>())
    });
    words.collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, text: &str) -> Message {
        Message {
            id: "<1@lovage>".into(),
            from: "me@example.com".into(),
            to: vec!["you@example.com".into(), "them@example.com".into()],
            subject: subject.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_line_of_the_text_never_ends_it() {
        let data = message("hello", "one\n.\n..two").data();
        assert!(
            data.ends_with("\r\n\r\none\r\n..\r\n...two\r\n.\r\n"),
            "{data}"
        );
        assert!(
            data.contains("To: you@example.com,\r\n them@example.com\r\n"),
            "{data}"
        );
    }

    #[test]
    fn a_subject_may_have_any_letters() {
        let data = message("grüße", "").data();
        assert!(
            data.contains("Subject: =?utf-8?Q?=67=72=C3=BC=C3=9F=65?=\r\n"),
            "{data}"
        );
        let long = message(&"ß".repeat(200), "").data();
        assert!(long.lines().all(|it| it.len() <= 78), "{long}");
    }

    #[test]
    fn no_header_says_more_than_it_should() {
        assert!(message("hello", "").check().is_ok());
        assert!(
            message("hello\r\nBcc: all@example.com", "")
                .check()
                .is_err()
        );
        let mut stranger = message("hello", "");
        stranger
            .to
            .push("you@example.com> RCPT TO:<all@example.com".into());
        assert!(stranger.check().is_err());
        stranger.to.clear();
        assert!(stranger.check().is_err());
    }
}
