//! From a URL to a broker.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::redis::RedisBroker;
use super::sqlite::SqliteBroker;
use super::{Broker, BrokerError, Result};
use crate::clock::Clock;

/// Where a broker is: `redis://host:port/db`, `rediss://…` for TLS, or
/// `sqlite:path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Redis server, by its whole URL.
    Redis(String),
    /// A file.
    Sqlite(PathBuf),
}

/// How many partitions a Redis broker has. A tenant's place depends on it, so
/// it must never change for a broker in use.
const PARTITIONS: u16 = 1;

impl Place {
    /// Connects.
    ///
    /// # Errors
    /// [`BrokerError::Unreachable`] and [`BrokerError::Unsuitable`].
    pub async fn connect(&self) -> Result<Arc<dyn Broker>> {
        Ok(match self {
            Place::Redis(url) => {
                Arc::new(RedisBroker::connect(url, PARTITIONS, Clock::Store).await?)
            }
            Place::Sqlite(path) => Arc::new(SqliteBroker::open(path, Clock::Store).await?),
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
            _ => Err(BrokerError::Invalid(format!(
                "`{url}` is no broker's URL: write `redis://host:port`, `rediss://host:port` or `sqlite:path`"
            ))),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Redis(url) => f.write_str(&super::redis::without_password(url)),
            Place::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
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
        for wrong in ["", "postgres://x", "redis:x", "sqlite:", "/a/path"] {
            assert!(
                matches!(wrong.parse::<Place>(), Err(BrokerError::Invalid(_))),
                "{wrong}"
            );
        }
    }
}
