//! From a URL to a broker.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::redis::RedisBroker;
use super::remote::{Address, RemoteBroker};
use super::sqlite::SqliteBroker;
use super::{Broker, BrokerError, Result};
use crate::clock::Clock;

/// Where a broker is: `redis://host:port/db`, `rediss://…` for TLS, or `sqlite:path`; or
/// a server in front of one, `https://host:port`, whose token is the URL's user or stands
/// in the variable `LOVAGE_TOKEN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Redis server, by its whole URL.
    Redis(String),
    /// A file.
    Sqlite(PathBuf),
    /// A server: for producers and operators.
    Http(Address),
}

/// How many partitions a Redis broker has. A tenant's place depends on it, so
/// it must never change for a broker in use.
const PARTITIONS: u16 = 1;

impl Place {
    /// Connects.
    ///
    /// # Errors
    /// [`BrokerError::Unreachable`], [`BrokerError::Unsuitable`] and
    /// [`BrokerError::Denied`].
    pub async fn connect(&self) -> Result<Arc<dyn Broker>> {
        Ok(match self {
            Place::Redis(url) => {
                Arc::new(RedisBroker::connect(url, PARTITIONS, Clock::Store).await?)
            }
            Place::Sqlite(path) => Arc::new(SqliteBroker::open(path, Clock::Store).await?),
            Place::Http(address) => Arc::new(RemoteBroker::connect(address).await?),
        })
    }
}

impl FromStr for Place {
    type Err = BrokerError;

    fn from_str(url: &str) -> Result<Self> {
        match url.split_once(':') {
            Some(("redis" | "rediss", rest)) if rest.starts_with("//") => {
                Ok(Place::Redis(url.into()))
            }
            Some(("sqlite", path)) if !path.is_empty() => Ok(Place::Sqlite(path.into())),
            Some(("http" | "https", rest)) if rest.starts_with("//") => {
                Ok(Place::Http(Address::parse(url)?))
            }
            _ => Err(BrokerError::Invalid(format!(
                "`{url}` is no broker's URL: write `redis://host:port`, `rediss://host:port`, `sqlite:path` or `https://host:port`"
            ))),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Redis(url) => f.write_str(&super::redis::without_password(url)),
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Place::Http(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_broker_is() {
        assert_eq!(
            "sqlite:a/b.db".parse::<Place>().unwrap(),
            Place::Sqlite("a/b.db".into())
        );
        let secret: Place = "redis://:secret@host:6379/1".parse().unwrap();
        assert_eq!(secret.to_string(), "redis://host:6379/1");
        let secret: Place = "https://lov_x@host".parse().unwrap();
        assert_eq!(secret.to_string(), "https://host");
        for wrong in [
            "",
            "postgres://x",
            "http:x",
            "http://",
            "redis:x",
            "sqlite:",
            "/a/path",
        ] {
            assert!(
                matches!(wrong.parse::<Place>(), Err(BrokerError::Invalid(_))),
                "{wrong}"
            );
        }
    }
}
