//! Statements that are refused: those that end a transaction, or leave something in a
//! session that its next user would find. Whose a transaction is, the host must know, or a
//! commit would be nobody's.

/// Why a statement is refused, if it is.
pub(super) fn refused(statement: &str) -> Option<String> {
    if statement.contains('\0') {
        return Some("a statement has a zero byte in it".into());
    }
    let mut words = Words(statement);
    let first = words.next()?;
    let why = match first.as_str() {
        "begin" | "start" | "commit" | "end" | "abort" => {
            "transactions begin and end by their own calls"
        }
        // Back to a savepoint is not the end.
        "rollback" if words.take(2).any(|it| it == "to") => return None,
        "rollback" => "transactions begin and end by their own calls",
        "copy" => "rows come by `select` and go by `insert`",
        "prepare" | "execute" | "deallocate" | "discard" => {
            "a session has no next statement that would know of it"
        }
        _ => return None,
    };
    Some(format!("`{first}` is no statement for a task: {why}"))
}

/// The words that a statement begins with, in lower case, without what Postgres skips. It
/// ends where something else comes than a word.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// Passes by white space, comments and empty statements.
    fn skip(&mut self) {
        loop {
            let rest = self
                .0
                .trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c', ';']);
            self.0 = match rest {
                _ if rest.starts_with("--") => match rest.find(['\n', '\r']) {
                    Some(end) => &rest[end..],
                    None => "",
                },
                _ if rest.starts_with("/*") => past_comment(rest),
                _ => rest,
            };
            if self.0.len() == rest.len() {
                return;
            }
        }
    }
}

/// What comes after the comment that a text begins with. They nest.
fn past_comment(text: &str) -> &str {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        at += match rest {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        if depth == 0 {
            return &text[at..];
        }
    }
    ""
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.skip();
        let end = self.0.find(|c: char| !c.is_ascii_alphabetic() && c != '_');
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        (!word.is_empty()).then(|| word.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_transaction_is_refused_however_it_is_written() {
        for statement in [
            "COMMIT",
            " \n\tcommit;",
            ";;Commit",
            "/* a /* nested */ one */ commit",
            "-- a line\ncommit",
            "-- a line\rcommit",
            "/**/--\n/*;*/;end",
            "begin",
            "start transaction",
            "abort",
            "rollback",
            "rollback work",
            "rollback; savepoint a",
            "rollback and chain",
            "copy t to stdout",
            "prepare transaction 'a'",
            "deallocate all",
            "discard all",
            "select '\0'",
        ] {
            assert!(refused(statement).is_some(), "{statement}");
        }
    }

    #[test]
    fn other_statements_are_let_be() {
        for statement in [
            "",
            "select 1",
            "(select 1)",
            "commits",
            "savepoint a",
            "release a",
            "rollback to a",
            "ROLLBACK /* b */ WORK TO SAVEPOINT a",
            "/* commit",
            "-- commit",
            "with commit as (select 1) select * from commit",
            "insert into t values ('commit')",
            "\u{a0}commit",
        ] {
            assert_eq!(refused(statement), None, "{statement}");
        }
    }
}
