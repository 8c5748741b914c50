//! The audit log on Redis: a stream a tenant.

use super::ledger::is_cursor;
use super::{RedisBroker, scripts};
use crate::audit::Act;
use crate::broker::Result;
use crate::broker::audit::{ACTS_KEPT, AuditLog, MAX_ACTS, Recorded, check_acts, read_act};
use crate::broker::ledger::no_cursor;
use crate::clock::Millis;

#[async_trait::async_trait]
impl AuditLog for RedisBroker {
    async fn record(&self, tenant: &str, acts: &[Act]) -> Result<()> {
        check_acts(tenant, acts)?;
        let mut command = self.of_tenant(&scripts::RECORD, tenant);
        command.arg(ACTS_KEPT);
        for act in acts {
            command.arg(act.encode());
        }
        self.number_of(&scripts::RECORD, &command).await.map(drop)
    }

    async fn acts(&self, tenant: &str, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>> {
        if let Some(cursor) = before
            && !is_cursor(cursor)
        {
            return Err(no_cursor(cursor));
        }
        let mut command = self.of_tenant(&scripts::ACTS, tenant);
        command.arg(before.unwrap_or_default());
        command.arg(limit.min(MAX_ACTS as u32));
        let mut reply = self.list_of(&scripts::ACTS, &command).await?;
        let mut acts = Vec::new();
        while !reply.is_empty() {
            let (cursor, at) = (reply.text()?, Millis(reply.number()?));
            acts.push(read_act(cursor, at, &reply.bytes()?));
        }
        Ok(acts)
    }
}
