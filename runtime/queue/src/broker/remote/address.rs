//! Where a server is, and what opens it.

use std::fmt;
use std::path::PathBuf;

use crate::broker::{BrokerError, Result};

/// The variable that a token is read from where nobody gives one.
const VARIABLE: &str = "LOVAGE_TOKEN";

/// A server's URL, with a token and further roots of trust. Neither `Debug` nor
/// `Display` shows the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: reqwest::Url,
    token: Option<String>,
    ca: Option<PathBuf>,
}

impl Address {
    /// Reads `http://…` or `https://…`, with the token as its user where it has one.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for a URL that is none, or that has a query.
    pub fn parse(url: &str) -> Result<Self> {
        // It may hold a token: no error shows it.
        let invalid = |said: &str| {
            BrokerError::Invalid(format!(
                "the URL of the server {said}: write `https://host:port`, with the token in LOVAGE_TOKEN"
            ))
        };
        let mut base: reqwest::Url = url.parse().map_err(|_| invalid("cannot be read"))?;
        if !base.has_host() || !matches!(base.scheme(), "http" | "https") {
            return Err(invalid("has no host"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(invalid("has a `?` or a `#`"));
        }
        let user = (base.username(), base.password().unwrap_or_default());
        let token = match user {
            ("", "") => None,
            ("", token) | (token, "") => Some(token.to_owned()),
            _ => {
                return Err(invalid(
                    "has a user and a password, and a token is one word",
                ));
            }
        };
        let cleared = base.set_username("").and(base.set_password(None));
        cleared.map_err(|()| invalid("cannot have a token"))?;
        let ca = None;
        Ok(Address { base, token, ca })
    }

    /// The same with this token, unless it has one already.
    pub fn or_token(mut self, token: Option<&str>) -> Self {
        self.token = self.token.or(token.map(str::to_owned));
        self
    }

    /// The same, which also trusts the certificates of this PEM file.
    pub fn trusting(mut self, ca: Option<PathBuf>) -> Self {
        self.ca = ca;
        self
    }

    /// The token: its own, or that of the environment.
    pub(super) fn token(&self) -> Option<String> {
        let token = self.token.clone();
        let token = token.or_else(|| std::env::var(VARIABLE).ok());
        token.filter(|it| !it.is_empty())
    }

    pub(super) fn ca(&self) -> Option<&PathBuf> {
        self.ca.as_ref()
    }

    /// The URL of a path below it.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Whether it is on this machine, where no proxy leads.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let number = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || number.is_ok_and(|it| it.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_the_url_and_shown_by_nobody() {
        for url in ["http://lov_x@host:7777", "http://:lov_x@host:7777/"] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.token().as_deref(), Some("lov_x"));
            let shown = format!("{address} {address:?} {}", address.at("/v1/broker/about"));
            assert!(!shown.contains("lov_x"), "{shown}");
            assert_eq!(address.at("/v1"), "http://host:7777/v1");
            let other = address.or_token(Some("lov_y"));
            assert_eq!(other.token().as_deref(), Some("lov_x"));
        }
        let below = Address::parse("https://host/queue/").unwrap();
        assert_eq!(below.at("/v1"), "https://host/queue/v1");
        assert!(!below.is_loopback());
        for url in ["http://localhost:1", "http://127.0.0.1", "http://[::1]:7"] {
            assert!(Address::parse(url).unwrap().is_loopback(), "{url}");
        }
        for wrong in ["http://", "http://u:lov_x@host", "http://lov_x@host?q"] {
            let e = Address::parse(wrong).unwrap_err();
            assert!(matches!(e, BrokerError::Invalid(_)), "{wrong}");
            assert!(!e.to_string().contains("lov_x"), "{e}");
        }
    }
}
