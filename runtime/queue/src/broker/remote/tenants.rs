//! Tenants over HTTP: a token's own says at `/v1/tenant` what it may take, and the others
//! are nobody's business but the operator's.

use super::RemoteBroker;
use crate::broker::{BrokerError, Result, TenantChange, Tenants};
use crate::tenant::{Deletion, Tenant, Usage};

fn of_operators<T>() -> Result<T> {
    let said = "tenants need the broker itself, not its HTTP API: give a `redis://…` or `sqlite:` URL; what its own tenant may take, a token hears at `/v1/tenant`";
    Err(BrokerError::Denied(said.into()))
}

#[async_trait::async_trait]
impl Tenants for RemoteBroker {
    async fn create_tenant(&self, _: &Tenant) -> Result<bool> {
        of_operators()
    }

    async fn change_tenant(&self, _: &str, _: &TenantChange) -> Result<()> {
        of_operators()
    }

    async fn find_tenant(&self, _: &str) -> Result<Option<Tenant>> {
        of_operators()
    }

    async fn tenants(&self, _: &str, _: u32) -> Result<Vec<Tenant>> {
        of_operators()
    }

    async fn usage_of(&self, _: &str) -> Result<Usage> {
        of_operators()
    }

    async fn delete_tenant(&self, _: &str, _: u32) -> Result<Deletion> {
        of_operators()
    }
}
