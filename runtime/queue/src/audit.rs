//! What people did, and who: an act a line of a tenant's audit log. Pure.

use serde::{Deserialize, Serialize};

/// The longest text of an act, in bytes; what is longer is cut.
pub const MAX_ACT_TEXT: usize = 512;

/// What somebody did, or set out to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Who: `token NAME (ID)` through the HTTP API, `user NAME` at the broker itself, where
    /// the name is what the environment says.
    pub by: String,
    /// What: a noun and a verb, as in `module.activate`.
    pub action: String,
    /// Of what: a name, an id, a scope.
    pub subject: String,
    /// What more there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why it did not come to be; of an act that was begun and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Act {
    /// An act, each text cut to [`MAX_ACT_TEXT`].
    pub fn new(by: &str, action: &str, subject: impl AsRef<str>, detail: impl AsRef<str>) -> Self {
        Act {
            by: cut(by),
            action: cut(action),
            subject: cut(subject.as_ref()),
            detail: cut(detail.as_ref()),
            failed: None,
        }
    }

    /// The same act, which did not come to be.
    pub fn failed(self, why: &str) -> Self {
        Act {
            failed: Some(cut(why)),
            ..self
        }
    }

    /// Its bytes: a MessagePack map, so that later fields are no trouble.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("a vector takes all writes")
    }

    /// From its bytes; `None` for what is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

/// Control characters would let one act look like two.
fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = text.chars().take(MAX_ACT_TEXT).map(plain).collect();
    text.truncate(text.floor_char_boundary(MAX_ACT_TEXT));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_one_short_line_and_reads_back() {
        let long = "ü".repeat(MAX_ACT_TEXT);
        let act = Act::new("user ann", "queue.pause", "a\nb", &long).failed("no\r such");
        assert_eq!(
            (act.subject.as_str(), act.detail.len()),
            ("a b", MAX_ACT_TEXT)
        );
        assert_eq!(act.failed.as_deref(), Some("no  such"));
        assert_eq!(Act::decode(&act.encode()), Some(act));
        assert_eq!(Act::decode(b"\xc1"), None);
    }
}
