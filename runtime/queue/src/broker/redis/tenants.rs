//! Tenants on Redis.

use redis::Cmd;

use super::connection::unexpected;
use super::reply::Reply;
use super::{RedisBroker, scripts};
use crate::broker::tenants::{
    LINGERS, MAX_TENANTS, TenantChange, Tenants, check_change, check_deletion, check_tenant,
    with_default,
};
use crate::broker::{BrokerError, Result, corrupt};
use crate::clock::{Millis, millis};
use crate::job::Partition;
use crate::task::{DEFAULT_TENANT, check_name};
use crate::tenant::{Burn, Deletion, Quota, Tenant, Usage};

#[async_trait::async_trait]
impl Tenants for RedisBroker {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<bool> {
        check_tenant(tenant)?;
        let mut command = self.put(&tenant.name, "create");
        write_terms(&mut command, tenant.weight, &tenant.quota);
        Ok(self.number_of(&scripts::PUT_TENANT, &command).await? == 1)
    }

    async fn change_tenant(&self, name: &str, change: &TenantChange) -> Result<()> {
        check_change(name, change)?;
        let command = match change {
            TenantChange::Terms(weight, quota) => {
                let mut command = self.put(name, "terms");
                write_terms(&mut command, *weight, quota);
                command
            }
            TenantChange::Suspended(true) => self.put(name, "suspend"),
            TenantChange::Suspended(false) => self.put(name, "resume"),
        };
        match self.number_of(&scripts::PUT_TENANT, &command).await? {
            0 => Err(BrokerError::Missing(format!("tenant `{name}`"))),
            _ => Ok(()),
        }
    }

    async fn find_tenant(&self, name: &str) -> Result<Option<Tenant>> {
        if check_name(name, "tenant").is_err() {
            return Ok(None);
        }
        let found = self.read_tenants(Partition::of(name, self.partitions), name, 0);
        let found = found.await?.pop();
        let always = || (name == DEFAULT_TENANT).then(|| Tenant::new(name));
        Ok(found.or_else(always))
    }

    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        let limit = limit.min(MAX_TENANTS);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for partition in 0..self.partitions {
            all.extend(
                self.read_tenants(Partition(partition), after, limit)
                    .await?,
            );
        }
        Ok(with_default(all, after, limit))
    }

    async fn usage_of(&self, name: &str) -> Result<Usage> {
        let quota = self.find_tenant(name).await?.map(|it| it.quota);
        let command = self.of_tenant(&scripts::TAKEN, name);
        let mut reply = self.list_of(&scripts::TAKEN, &command).await?;
        let mut usage = Usage {
            running: reply.number()?,
            queued: reply.number()?,
            bytes: reply.number()?,
            modules: reply.number()?,
            fuel: 0,
        };
        let (debt, now) = (reply.number()?, Millis(reply.number()?));
        if let Some(fuel) = quota.and_then(|it| it.fuel) {
            usage.fuel = Burn { fuel }.owed(debt, now);
        }
        Ok(usage)
    }

    async fn delete_tenant(&self, name: &str, limit: u32) -> Result<Deletion> {
        check_deletion(name)?;
        let mut command = self.of_tenant(&scripts::DELETE_TENANT, name);
        command.arg(limit.max(1)).arg(LINGERS);
        match self.bytes_of(&scripts::DELETE_TENANT, &command).await? {
            Some(word) if word == b"missing" => Ok(Deletion::Missing),
            Some(word) if word == b"done" => Ok(Deletion::Done),
            _ => Ok(Deletion::More),
        }
    }
}

impl RedisBroker {
    fn put(&self, name: &str, word: &str) -> Cmd {
        let mut command = self.of_tenant(&scripts::PUT_TENANT, name);
        command.arg(word).arg(u8::from(name == DEFAULT_TENANT));
        command
    }

    /// Those behind a name; with no limit, the one of this name.
    async fn read_tenants(
        &self,
        partition: Partition,
        name: &str,
        limit: u32,
    ) -> Result<Vec<Tenant>> {
        let mut command = self.command(&scripts::TENANTS, partition);
        command.arg(name).arg(limit);
        let mut reply = self.list_of(&scripts::TENANTS, &command).await?;
        let mut tenants = Vec::new();
        while !reply.is_empty() {
            tenants.push(read_tenant(&mut reply.list()?)?);
        }
        Ok(tenants)
    }
}

fn read_tenant(row: &mut Reply) -> Result<Tenant> {
    let name = row.text()?;
    let (created, weight, suspended) = (row.number()?, row.number()?, row.int()? == 1);
    let quota = row.text()?;
    let leaving = row.text()?;
    let quota = serde_json::from_str(&quota)
        .map_err(|e| corrupt(format!("the quota of tenant `{name}`"), e))?;
    let leaving = match leaving.as_str() {
        "" => None,
        since => {
            Some(Millis(since.parse().map_err(|_| {
                unexpected("tenants", "a time that is no number")
            })?))
        }
    };
    Ok(Tenant {
        name,
        created: Millis(created),
        suspended,
        leaving,
        weight: u32::try_from(weight).unwrap_or(1),
        quota,
    })
}

/// Weight and quota, as `put_tenant.lua` reads them.
fn write_terms(command: &mut Cmd, weight: u32, quota: &Quota) {
    let json = serde_json::to_string(quota).expect("a quota is plain data");
    let depth = |most: Option<u64>| most.map_or(0, |most| most + 1);
    command.arg(weight).arg(json);
    command
        .arg(quota.running.unwrap_or(0))
        .arg(quota.rate.map_or(0, |rate| rate.count))
        .arg(quota.rate.map_or(0, |rate| millis(rate.period)))
        .arg(depth(quota.queued))
        .arg(depth(quota.bytes))
        .arg(depth(quota.modules.map(u64::from)))
        .arg(depth(quota.module_size))
        .arg(quota.fuel.unwrap_or(0));
}
