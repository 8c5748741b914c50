//! Tenants, as steps.
//!
//! # Layout
//! - this file: their records, and what is refused in their name
//! - `delete`: how one goes

mod delete;

use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::db::Db;
use super::fault::Done;
use super::parking::STRIDE;
use super::sql::sql;
use super::step::Step;
use super::{SqliteBroker, control, writer};
use crate::broker::tenants::{
    MAX_TENANTS, TenantChange, Tenants, check_change, check_deletion, check_tenant, no_tenant,
    with_default,
};
use crate::broker::{BrokerError, Result};
use crate::clock::Millis;
use crate::registry::Digest;
use crate::task::DEFAULT_TENANT;
use crate::tenant::{Burn, Deletion, Quota, Tenant, Usage};

#[async_trait::async_trait]
impl Tenants for SqliteBroker {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<bool> {
        check_tenant(tenant)?;
        let tenant = tenant.clone();
        self.core
            .write(&self.clock, move |step| create(step, tenant))
            .await
    }

    async fn change_tenant(&self, name: &str, change: &TenantChange) -> Result<()> {
        check_change(name, change)?;
        let (name, change) = (name.to_owned(), *change);
        self.core
            .write(&self.clock, move |step| self::change(step, &name, change))
            .await
    }

    async fn find_tenant(&self, name: &str) -> Result<Option<Tenant>> {
        let name = name.to_owned();
        self.core.read(move |db| find(db, &name)).await
    }

    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>> {
        let (after, limit) = (after.to_owned(), limit.min(MAX_TENANTS));
        self.core
            .read(move |db| {
                let page = params![after, limit];
                let some = db.all(sql!("tenants", "page"), page, |row| read(row, 0))?;
                let some = some.into_iter().flatten().collect();
                Ok(with_default(some, &after, limit))
            })
            .await
    }

    async fn usage_of(&self, name: &str) -> Result<Usage> {
        let (name, now) = (name.to_owned(), writer::now(&self.clock));
        self.core.read(move |db| usage(db, &name, now)).await
    }

    async fn delete_tenant(&self, name: &str, limit: u32) -> Result<Deletion> {
        check_deletion(name)?;
        let (name, limit) = (name.to_owned(), limit.max(1));
        self.core
            .write(&self.clock, move |step| delete::delete(step, &name, limit))
            .await
    }
}

/// A record, from its column.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Tenant>> {
    let text: Option<String> = row.get(column)?;
    let read = text.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

fn stored(db: &Db<'_>, name: &str) -> rusqlite::Result<Option<Tenant>> {
    let row = db.one(sql!("tenants", "one"), [name], |row| read(row, 0))?;
    Ok(row.flatten())
}

fn find(db: &Db<'_>, name: &str) -> Done<Option<Tenant>> {
    let always = || (name == DEFAULT_TENANT).then(|| Tenant::new(name));
    Ok(stored(db, name)?.or_else(always))
}

fn usage(db: &Db<'_>, name: &str, now: Millis) -> Done<Usage> {
    let fuel = stored(db, name)?.and_then(|it| it.quota.fuel);
    let usage = db.one(sql!("tenants", "usage"), [name], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let debt = number(4)?;
        Ok(Usage {
            running: number(0)?,
            queued: number(1)?,
            bytes: number(2)?,
            modules: number(3)?,
            fuel: fuel.map_or(0, |fuel| Burn { fuel }.owed(debt, now)),
        })
    })?;
    Ok(usage.unwrap_or_default())
}

/// Writes a record; what was looked up before holds no longer.
fn write(step: &mut Step<'_>, tenant: &Tenant) -> Done<()> {
    let word = serde_json::to_string(tenant).expect("a tenant is plain data");
    step.flush_limits()?;
    step.limits.forget();
    step.db
        .run(sql!("tenants", "put"), params![tenant.name, word])?;
    Ok(step.weigh_tenant(&tenant.name, tenant.weight)?)
}

fn create(step: &mut Step<'_>, tenant: Tenant) -> Done<bool> {
    let known = stored(&step.db, &tenant.name)?;
    if known.as_ref().is_some_and(|it| it.leaving.is_some()) {
        return Err(no_tenant().into());
    }
    if known.is_some() || tenant.is_default() {
        return Ok(false);
    }
    let tenant = Tenant {
        created: step.now,
        suspended: false,
        leaving: None,
        ..tenant
    };
    write(step, &tenant)?;
    look_anew(step, &tenant.name, None, &tenant.quota)?;
    Ok(true)
}

fn change(step: &mut Step<'_>, name: &str, change: TenantChange) -> Done<()> {
    let Some(mut tenant) = find(&step.db, name)? else {
        return Err(BrokerError::Missing(format!("tenant `{name}`")).into());
    };
    if tenant.leaving.is_some() {
        return Err(no_tenant().into());
    }
    let before = tenant.quota;
    match change {
        TenantChange::Terms(weight, quota) => (tenant.weight, tenant.quota) = (weight, quota),
        TenantChange::Suspended(it) => tenant.suspended = it,
    }
    write(step, &tenant)?;
    look_anew(step, name, Some(before), &tenant.quota)
}

/// What may start is another thing now: what runs counts, and who waits looks again.
fn look_anew(step: &mut Step<'_>, name: &str, before: Option<Quota>, quota: &Quota) -> Done<()> {
    if before.and_then(|it| it.rate) != quota.rate {
        step.db
            .run(sql!("control", "reset_pace"), [name, "tenant"])?;
    }
    if quota.fuel.is_none() {
        step.db.run(sql!("limits", "drop_held"), [name, "fuel"])?;
    }
    control::recount(step, name)?;
    let waits = [name, "tenant"];
    step.effects.delayed |= step.db.run(sql!("promote", "woken"), waits)? > 0;
    Ok(step.let_on(name, "tenant", STRIDE)?)
}

/// Refuses what changes anything of a tenant that is being deleted.
pub(super) fn check_here(step: &mut Step<'_>, tenant: &str) -> Done<()> {
    match step.record_of(tenant)? {
        Some(it) if it.leaving.is_some() => Err(no_tenant().into()),
        _ => Ok(()),
    }
}

/// Refuses what is new of one that takes nothing.
pub(super) fn check_new(step: &mut Step<'_>, tenant: &str) -> Done<()> {
    check_here(step, tenant)?;
    match step.record_of(tenant)? {
        Some(it) if it.suspended => Err(BrokerError::Suspended.into()),
        _ => Ok(()),
    }
}

/// Refuses so many more jobs of so many bytes, where they are too many. It goes by what
/// was written: this step's own are those.
pub(super) fn check_quota(step: &mut Step<'_>, tenant: &str, jobs: u64, bytes: u64) -> Done<()> {
    let Some(quota) = step.record_of(tenant)?.map(|it| it.quota) else {
        return Ok(());
    };
    if jobs == 0 || (quota.queued.is_none() && quota.bytes.is_none()) {
        return Ok(());
    }
    let (live, stored) = kept(step, tenant)?;
    refuse("queued", quota.queued, live, jobs)?;
    refuse("bytes", quota.bytes, stored, bytes)
}

/// Refuses so many more bytes of a blob.
pub(super) fn check_bytes(step: &mut Step<'_>, tenant: &str, size: usize) -> Done<()> {
    check_here(step, tenant)?;
    let quota = step.record_of(tenant)?.and_then(|it| it.quota.bytes);
    match quota {
        Some(most) if size > 0 => {
            let (_, stored) = kept(step, tenant)?;
            refuse("bytes", Some(most), stored, size as u64)
        }
        _ => Ok(()),
    }
}

/// Refuses a module that is too large, or for which there is no room.
pub(super) fn check_module(
    step: &mut Step<'_>,
    tenant: &str,
    digest: Digest,
    size: usize,
) -> Done<()> {
    check_new(step, tenant)?;
    let most = step.record_of(tenant)?.and_then(|it| it.quota.module_size);
    if let Some(most) = most.filter(|most| size as u64 > *most) {
        return Err(BrokerError::over("module-size", most, size as u64).into());
    }
    let key = params![tenant, digest.0];
    let known = step
        .db
        .one(sql!("registry", "uploaded"), key, |_| Ok(()))?
        .is_some();
    check_bytes(step, tenant, if known { 0 } else { size })
}

/// Refuses one more name of a module.
pub(super) fn check_name_of_module(step: &mut Step<'_>, tenant: &str, name: &str) -> Done<()> {
    check_new(step, tenant)?;
    let Some(most) = step.record_of(tenant)?.and_then(|it| it.quota.modules) else {
        return Ok(());
    };
    if step
        .db
        .one(sql!("registry", "newest"), [tenant, name], |_| Ok(()))?
        .is_some()
    {
        return Ok(());
    }
    let names = step
        .db
        .one(sql!("tenants", "names"), [tenant], |row| row.get(0));
    let names: i64 = names?.unwrap_or(0);
    refuse("modules", Some(most.into()), names.cast_unsigned(), 1)
}

/// How many jobs of a tenant have not ended, and the bytes that it stores.
fn kept(step: &Step<'_>, tenant: &str) -> Done<(u64, u64)> {
    let kept = step.db.one(sql!("tenants", "kept"), [tenant], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let (live, stored) = kept.unwrap_or_default();
    Ok((live.cast_unsigned(), stored.cast_unsigned()))
}

fn refuse(quota: &str, most: Option<u64>, used: u64, more: u64) -> Done<()> {
    match most {
        Some(most) if used + more > most => Err(BrokerError::over(quota, most, used).into()),
        _ => Ok(()),
    }
}
