//! The audit log over HTTP: to read. What is done there the server records itself.

use super::wire::Acts;
use super::{Operation, RemoteBroker};
use crate::audit::Act;
use crate::broker::{AuditLog, BrokerError, Recorded, Result};

#[async_trait::async_trait]
impl AuditLog for RemoteBroker {
    async fn record(&self, _: &str, _: &[Act]) -> Result<()> {
        let said = "what is done through a server is recorded by the server";
        Err(BrokerError::Invalid(said.into()))
    }

    async fn acts(&self, tenant: &str, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>> {
        let before = before.map(Into::into);
        let request = Acts { before, limit };
        self.run(tenant, Operation::Acts, &request).await
    }
}
