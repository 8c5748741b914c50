//! Tokens: who may do what. A token is random, and only the hash of its secret is kept.

use std::fmt;
use std::str::FromStr;

use lovage_queue::broker::remote::Right;
use lovage_queue::broker::{BrokerError, Ledger, Shelf};
use lovage_queue::clock::Millis;
use lovage_queue::task::{Rate, check_name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::view::moment;
use crate::view::queues::rate_text;

/// How the text of a token begins, so that it is known for what it is where it leaks.
const PREFIX: &str = "lov_";
/// Random bytes of a secret.
const SECRET: usize = 32;

/// What a token allows; each role has the rights of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Enqueues, cancels and requeues jobs and flows.
    Producer,
    /// Pushes and activates modules; pauses, limits and schedules.
    Deployer,
    /// Makes tokens and hooks.
    Admin,
}

impl From<Right> for Role {
    fn from(right: Right) -> Self {
        match right {
            Right::Read => Role::Viewer,
            Right::Produce => Role::Producer,
            Right::Deploy => Role::Deployer,
            Right::Admin => Role::Admin,
        }
    }
}

impl Role {
    const ALL: [(Role, &str); 4] = [
        (Role::Viewer, "viewer"),
        (Role::Producer, "producer"),
        (Role::Deployer, "deployer"),
        (Role::Admin, "admin"),
    ];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Role::ALL.iter().find(|(role, _)| role == self);
        f.pad(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Role::ALL.iter().find(|(_, name)| *name == text);
        role.map(|(role, _)| *role).ok_or_else(|| {
            format!("`{text}` is no role: it is `viewer`, `producer`, `deployer` or `admin`")
        })
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Tells it from others; no secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made.
    pub created: Millis,
    /// From when on it is worth nothing.
    pub expires: Option<Millis>,
    /// How often it may be used, of each server; `None` for as often as one likes.
    pub rate: Option<Rate>,
    /// How large the bodies of its requests may be; `None` for what the server allows.
    pub body: Option<u64>,
    /// The blake3 hash of its secret.
    hash: [u8; 32],
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Tells it from others; no secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made.
    pub created: String,
    /// From when on it is worth nothing.
    pub expires: Option<String>,
    /// How often it may be used, of each server.
    pub rate: Option<String>,
    /// How large the bodies of its requests may be.
    pub body: Option<u64>,
}

impl TokenView {
    /// What is shown of a token.
    pub fn of(it: &Token) -> Self {
        TokenView {
            id: it.id.clone(),
            name: it.name.clone(),
            role: it.role,
            created: moment(it.created),
            expires: it.expires.map(moment),
            rate: it.rate.map(rate_text),
            body: it.body,
        }
    }
}

/// What a token shall be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// From when on it is worth nothing.
    pub expires: Option<Millis>,
    /// How often it may be used.
    pub rate: Option<Rate>,
    /// How large bodies may be.
    pub body: Option<u64>,
}

impl Token {
    /// Makes a token and keeps it; its text, which is never to be had again.
    ///
    /// # Errors
    /// A name that breaks the rules, too many tokens, and the broker's own.
    pub async fn create(
        ledger: &(impl Ledger + ?Sized),
        tenant: &str,
        new: NewToken,
    ) -> Result<(Token, String), BrokerError> {
        check_name(&new.name, "token").map_err(|e| BrokerError::Invalid(e.to_string()))?;
        let secret = hex(&rand::random::<[u8; SECRET]>());
        let token = Token {
            id: hex(&rand::random::<[u8; 8]>()),
            name: new.name,
            role: new.role,
            created: Millis::of_this_host(),
            expires: new.expires,
            rate: new.rate,
            body: new.body,
            hash: *blake3::hash(secret.as_bytes()).as_bytes(),
        };
        let bytes = rmp_serde::to_vec_named(&token).expect("a vector takes all writes");
        ledger
            .put_entry(tenant, Shelf::Tokens, &token.id, &bytes)
            .await?;
        let text = format!("{PREFIX}{tenant}.{}.{secret}", token.id);
        Ok((token, text))
    }

    /// All tokens of a tenant, the oldest first.
    ///
    /// # Errors
    /// The broker's own.
    pub async fn list(
        ledger: &(impl Ledger + ?Sized),
        tenant: &str,
    ) -> Result<Vec<Token>, BrokerError> {
        let entries = ledger.entries(tenant, Shelf::Tokens).await?;
        let mut tokens: Vec<Token> = entries
            .iter()
            .filter_map(|(_, bytes)| rmp_serde::from_slice(bytes).ok())
            .collect();
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(tokens)
    }

    /// Makes a token worth nothing; whether there was one. Servers hear of it within a
    /// second.
    ///
    /// # Errors
    /// The broker's own.
    pub async fn revoke(
        ledger: &(impl Ledger + ?Sized),
        tenant: &str,
        id: &str,
    ) -> Result<bool, BrokerError> {
        ledger.remove_entry(tenant, Shelf::Tokens, id).await
    }

    /// The token of this id, if there is one.
    pub(super) async fn read(
        ledger: &(impl Ledger + ?Sized),
        tenant: &str,
        id: &str,
    ) -> Result<Option<Token>, BrokerError> {
        let bytes = ledger.entry(tenant, Shelf::Tokens, id).await?;
        Ok(bytes.and_then(|bytes| rmp_serde::from_slice(&bytes).ok()))
    }

    /// Whether this secret is its own. It takes as long for every wrong one.
    pub(super) fn is_of(&self, secret: &str) -> bool {
        blake3::Hash::from_bytes(self.hash) == blake3::hash(secret.as_bytes())
    }

    /// Whether it is worth nothing any more.
    pub(super) fn has_expired(&self) -> bool {
        self.expires.is_some_and(|at| at <= Millis::of_this_host())
    }
}

/// A token as somebody sends it: `lov_TENANT.ID.SECRET`.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) tenant: &'a str,
    pub(super) id: &'a str,
    pub(super) secret: &'a str,
}

impl<'a> Sent<'a> {
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('.');
        let (tenant, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        let fits = check_name(tenant, "tenant").is_ok() && id.len() == 16 && is_hex(id);
        (fits && parts.next().is_none()).then_some(Sent { tenant, id, secret })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_an_order() {
        assert!(Role::Viewer < Role::Producer && Role::Deployer < Role::Admin);
        assert_eq!("deployer".parse(), Ok(Role::Deployer));
        assert!("root".parse::<Role>().unwrap_err().contains("`root`"));
    }

    #[test]
    fn a_sent_token_has_three_parts() {
        let id = "0123456789abcdef";
        let text = format!("lov_a-b.{id}.secret");
        let sent = Sent::read(&text).unwrap();
        assert_eq!((sent.tenant, sent.id, sent.secret), ("a-b", id, "secret"));
        for wrong in [
            "",
            "lov_",
            "lov_a",
            &format!("a.{id}.s"),
            &format!("lov_A.{id}.s"),
            &format!("lov_a.{id}.s.t"),
            "lov_a.b/c.s",
        ] {
            assert!(Sent::read(wrong).is_none(), "{wrong}");
        }
    }
}
