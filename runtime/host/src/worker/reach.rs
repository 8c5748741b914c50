//! What a job's module may reach beside the queue: values, secrets and buckets of its tenant,
//! other hosts, and databases.
//!
//! The engine has looked at the grants; they are looked at again here, since what runs a
//! module may have been taken over by it.

use std::sync::{Arc, OnceLock};

use lovage_queue::broker::Shelf;
use lovage_queue::grant::{Grant, Grants};

use super::buckets;
use super::host::unavailable;
use super::session::Session;
use crate::engine::{Access, CallError, Hidden, Reply};
use crate::net::{Connections, Gate};
use crate::sql::Desk;

/// What an attempt may reach. There is one for every attempt, and most ask for nothing: so
/// all else is made when they do.
pub(super) struct Reach {
    grants: Arc<Grants>,
    /// The way to other hosts.
    gate: OnceLock<Gate>,
    /// What is open there by TCP.
    connections: OnceLock<Connections>,
    /// The way to databases.
    desk: OnceLock<Desk>,
}

impl Reach {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Reach {
            grants,
            gate: OnceLock::new(),
            connections: OnceLock::new(),
            desk: OnceLock::new(),
        }
    }

    pub(super) async fn answer(
        &self,
        session: &Arc<Session>,
        tenant: &str,
        access: Access,
    ) -> Result<Reply, CallError> {
        let values = Values {
            session,
            tenant,
            grants: &self.grants,
        };
        match access {
            Access::Value(key) => values.one(&key).await.map(Reply::Value),
            Access::Values => values.all().await.map(Reply::Values),
            Access::Http(request) => {
                let gate = self.gate.get_or_init(|| session.gate(self.grants.clone()));
                Ok(Reply::Http(gate.http(request).await))
            }
            Access::Tcp(call) => {
                let make = || session.connections(self.grants.clone());
                let connections = self.connections.get_or_init(make);
                Ok(Reply::Tcp(connections.call(call).await))
            }
            Access::Bucket(request) => {
                let done = buckets::answer(&*session.broker, tenant, &self.grants, request);
                done.await.map(Reply::Bucket)
            }
            Access::Sql(request) => {
                let make = || session.databases.desk(tenant, self.grants.clone());
                let desk = self.desk.get_or_init(make);
                Ok(Reply::Sql(desk.answer(request).await))
            }
        }
    }
}

/// One tenant's values, as far as a module was granted them.
struct Values<'a> {
    session: &'a Session,
    tenant: &'a str,
    grants: &'a Grants,
}

impl Values<'_> {
    /// A value by its name. A secret goes before what has its name and is none.
    async fn one(&self, key: &str) -> Result<Option<Hidden>, CallError> {
        let has = |grant: Grant| self.grants.0.contains(&grant);
        let (secret, config) = (
            has(Grant::Secret(key.to_owned())),
            has(Grant::Config(key.to_owned())),
        );
        if !(secret || config) {
            let text = format!("the module was not granted the value `{key}`");
            return Err(CallError::Denied(text));
        }
        if secret && let Some(value) = self.secret(key).await? {
            return Ok(Some(value));
        }
        match config {
            true => self.config(key).await,
            false => Ok(None),
        }
    }

    /// All values that it was granted and that are there, by name.
    async fn all(&self) -> Result<Vec<(String, Hidden)>, CallError> {
        let mut values: Vec<(String, Hidden)> = Vec::new();
        for grant in &self.grants.0 {
            let (Grant::Config(key) | Grant::Secret(key)) = grant else {
                continue;
            };
            if values.iter().all(|(known, _)| known != key)
                && let Some(value) = self.one(key).await?
            {
                values.push((key.clone(), value));
            }
        }
        Ok(values)
    }

    async fn entry(&self, shelf: Shelf, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let entry = self.session.broker.entry(self.tenant, shelf, key).await;
        entry.map_err(|e| unavailable(&e))
    }

    async fn config(&self, key: &str) -> Result<Option<Hidden>, CallError> {
        let bytes = self.entry(Shelf::Config, key).await?;
        let text = bytes.map(|it| String::from_utf8_lossy(&it).into_owned());
        Ok(text.map(Hidden))
    }

    async fn secret(&self, key: &str) -> Result<Option<Hidden>, CallError> {
        let Some(sealed) = self.entry(Shelf::Secrets, key).await? else {
            return Ok(None);
        };
        let cannot = || CallError::Unavailable(format!("this worker cannot open secret `{key}`"));
        let Some(vault) = &self.session.settings.vault else {
            tracing::warn!(
                tenant = self.tenant,
                key,
                "a job asks for a secret, and this worker has no key for them: `secrets.key_file` says which"
            );
            return Err(cannot());
        };
        let opened = vault.open(self.tenant, key, &sealed).map_err(|e| {
            tracing::warn!(tenant = self.tenant, key, error = %e, "could not open a secret");
            cannot()
        })?;
        Ok(Some(Hidden(opened)))
    }
}
