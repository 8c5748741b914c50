//! Modules and releases over HTTP: to look at, and to activate. A push is not made of
//! its steps here, see [`push`](RemoteBroker::push).

use super::wire::{Activate, Named, OfDigest};
use super::{Operation, RemoteBroker, of_workers};
use crate::broker::{BrokerError, Result};
use crate::registry::{Digest, Manifest, Readiness, Registry, Release};

/// The answer to the steps of a push: what a module says of itself is for the server to
/// find out.
fn of_push<T>() -> Result<T> {
    let said = "a module goes to a server as a whole, which checks it itself: push it by its name";
    Err(BrokerError::Invalid(said.into()))
}

#[async_trait::async_trait]
impl Registry for RemoteBroker {
    async fn put(&self, _: &str, _: &[u8], _: &Manifest) -> Result<Digest> {
        of_push()
    }

    async fn module(&self, _: &str, _: Digest) -> Result<Option<Vec<u8>>> {
        of_workers()
    }

    async fn manifest(&self, tenant: &str, digest: Digest) -> Result<Option<Manifest>> {
        self.run(tenant, Operation::Manifest, &OfDigest { digest })
            .await
    }

    async fn stage(&self, _: &str, _: &str, _: Digest, _: &str) -> Result<Release> {
        of_push()
    }

    async fn readiness(&self, tenant: &str, digest: Digest) -> Result<Readiness> {
        self.run(tenant, Operation::Readiness, &OfDigest { digest })
            .await
    }

    async fn activate(&self, tenant: &str, name: &str, number: u32) -> Result<()> {
        let name = name.into();
        self.run(tenant, Operation::Activate, &Activate { name, number })
            .await
    }

    async fn releases(&self, tenant: &str, name: &str) -> Result<Vec<Release>> {
        let name = name.into();
        self.run(tenant, Operation::Releases, &Named { name }).await
    }

    async fn active(&self, tenant: &str) -> Result<Vec<(String, Release)>> {
        self.run(tenant, Operation::Active, &()).await
    }
}
