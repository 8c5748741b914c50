//! From a name to addresses, each of them judged.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::reach;

/// Looks names up. There is a second one in tests, whose names say what they like.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a name.
    async fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's own.
#[derive(Debug)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|it| it.ip()).collect())
    }
}

/// A name has addresses, and none that the connection may lead to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", prohibited(.host, *.private))]
pub struct Prohibited {
    /// The name, or the address itself.
    pub host: String,
    /// Whether private ones were allowed.
    pub private: bool,
}

fn prohibited(host: &str, private: bool) -> String {
    match private {
        false => format!("`{host}` leads to no public address, and private ones are not allowed"),
        true => format!("`{host}` leads to no address that is ever allowed"),
    }
}

/// There is no such name, or nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` cannot be looked up: {source}")]
pub struct Unknown {
    name: String,
    source: std::io::Error,
}

/// Judges what a name leads to, as a client's resolver.
#[derive(Clone)]
pub struct Judge {
    /// Who looks names up.
    pub names: Arc<dyn Names>,
    /// Whether addresses may be private.
    pub private: bool,
}

impl Judge {
    /// Whether a connection may lead to this address.
    pub fn check(&self, address: IpAddr) -> Result<(), Prohibited> {
        match reach(address).within(self.private) {
            true => Ok(()),
            false => Err(self.prohibited(&address.to_string())),
        }
    }

    /// Those of a name's addresses that a connection may lead to; there is at least one.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unreachable> {
        let found = self.names.look_up(name).await;
        let mut found = found.map_err(|source| Unknown {
            name: name.to_owned(),
            source,
        })?;
        found.retain(|it| reach(*it).within(self.private));
        match found.is_empty() {
            true => Err(self.prohibited(name).into()),
            false => Ok(found),
        }
    }

    fn prohibited(&self, host: &str) -> Prohibited {
        Prohibited {
            host: host.to_owned(),
            private: self.private,
        }
    }
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// Where it leads is not allowed.
    #[error(transparent)]
    Prohibited(#[from] Prohibited),
    /// It leads to nothing.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let judge = self.clone();
        Box::pin(async move {
            // Boxed as what they are, so that whoever waits for the connection can tell.
            let found = judge.addresses(name.as_str()).await.map_err(|e| match e {
                Unreachable::Prohibited(e) => Box::<dyn Error + Send + Sync>::from(e),
                Unreachable::Unknown(e) => e.into(),
            })?;
            // The port is the URL's.
            let found = found.into_iter().map(|it| SocketAddr::new(it, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}
