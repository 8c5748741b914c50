//! Texts of strangers within quotes and comments of ours, which they never leave.

use std::fmt::Write as _;

/// How wide a line may be.
pub(super) const WIDTH: usize = 100;

/// Whether a character may change how a reader or a parser sees what is around it: line
/// ends of all kinds, and what turns the direction of writing.
fn is_unruly(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// A string literal, which Python and TypeScript read alike.
pub(super) fn literal(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // All of them lie in the first plane.
            _ if is_unruly(c) => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A doc's lines, none of which is wider than this where it can be broken. What is unruly
/// is left out.
pub(super) fn lines(doc: &str, width: usize) -> Vec<String> {
    let plain = |line: &str| -> String {
        let line = line.chars().map(|c| if is_unruly(c) { ' ' } else { c });
        line.collect::<String>().trim_end().to_owned()
    };
    let mut paragraphs: Vec<Vec<String>> = Vec::new();
    for line in doc.trim().lines().map(plain) {
        match paragraphs.last_mut() {
            Some(it) if goes_on(&line) && it.last().is_some_and(|it| goes_on(it)) => it.push(line),
            _ => paragraphs.push(vec![line]),
        }
    }
    let mut lines = Vec::new();
    for paragraph in paragraphs {
        if paragraph.iter().any(|it| it.chars().count() > width) {
            wrap(&paragraph.join(" "), width, &mut lines);
        } else {
            lines.extend(paragraph);
        }
    }
    lines
}

/// Whether a line is one of a paragraph's: in a list, a table or a block of code each line
/// stands by itself.
fn goes_on(line: &str) -> bool {
    line.starts_with(|c: char| c.is_alphabetic() || c == '`' && !line.starts_with("```"))
}

fn wrap(line: &str, width: usize, lines: &mut Vec<String>) {
    let mut current = String::new();
    for (n, word) in line.split(' ').enumerate() {
        // A word that is wider stays whole.
        let over = current.chars().count() + 1 + word.chars().count() > width;
        if over && !current.trim().is_empty() {
            lines.push(std::mem::take(&mut current).trim_end().to_owned());
        } else if n > 0 {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
}

/// The text of a line of a `"""` docstring, which may be its last.
pub(super) fn docstring(line: &str) -> String {
    let text = line.replace('\\', "\\\\");
    match text.contains("\"\"\"") || text.ends_with('"') {
        true => text.replace('"', "\\\""),
        false => text,
    }
}

/// The text of a `/** */` comment.
pub(super) fn comment(line: &str) -> String {
    line.replace("*/", "*\\/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_within_its_quotes() {
        assert_eq!(literal("a\"b\\c\n\r\0"), r#""a\"b\\c\n\u000d\u0000""#);
        assert_eq!(literal("\u{2028}\u{202e}é"), "\"\\u2028\\u202eé\"");
        assert_eq!(docstring(r#"a """ b\ c""#), r#"a \"\"\" b\\ c\""#);
        assert_eq!(docstring("\"\"\"\""), "\\\"\\\"\\\"\\\"");
        assert_eq!(comment("a */ alert() /*"), "a *\\/ alert() /*");
    }

    #[test]
    fn docs_are_broken_between_words() {
        assert_eq!(lines(" one\r\n\n  two \u{202e}\n", 9), ["one", "", "  two"]);
        assert_eq!(lines("aaa bbb ccc", 7), ["aaa bbb", "ccc"]);
        assert_eq!(lines("aaa bbbbbbbbbb c", 5), ["aaa", "bbbbbbbbbb", "c"]);
        assert_eq!(lines("äää öö", 4), ["äää", "öö"]);
        assert_eq!(
            lines("aaa bbb\nccc ddd\n\nee\n- f", 6),
            ["aaa", "bbb", "ccc", "ddd", "", "ee", "- f"]
        );
        assert_eq!(lines("aaa bbb\nc", 5), ["aaa", "bbb c"]);
        assert_eq!(lines("aaa\nb", 5), ["aaa", "b"]);
        assert_eq!(lines("", 4), [] as [&str; 0]);
    }
}
