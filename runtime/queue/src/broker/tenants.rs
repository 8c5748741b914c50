//! The contract of tenants: who there is, what each may take, and how one goes.
//!
//! A tenant needs no record to be there: it is there with its first job, token or module,
//! and may take everything. With a record it has a [`Quota`]. The tenant `default` is
//! always there.
//!
//! # What a quota counts
//! - `running`, `rate` and `fuel` hold at claim: what may not start waits aside, and
//!   nobody else does. A tenant's own limit of the scope `tenant` goes on to hold, as far
//!   as it is stricter. Fuel is charged by each settlement, so that what runs when the
//!   quota is used up goes on, and counts.
//! - `queued` counts what has not ended, flows' pending nodes and running jobs too, and
//!   `bytes` the calls of these, the whole records of what has ended, blobs and
//!   modules, each once and by their size before they were packed, and what lies in
//!   [buckets](super::Buckets). Both hold where
//!   something is taken in: [`enqueue`](super::Broker::enqueue),
//!   [`add_nodes`](super::Flows::add_nodes), [`put_blob`](super::Broker::put_blob),
//!   [`put`](crate::registry::Registry::put), and what sets keys. What a settlement brings (children, a
//!   result within a record) was accepted before, and is not refused; nor is a requeue.
//! - `module_size` holds at `put`, `modules` at
//!   [`stage`](crate::registry::Registry::stage).
//!
//! Counters are kept by every step, for every tenant: no answer grows with what lies
//! there. What is over its quota because that was lowered stays.
//!
//! # Suspended
//! Nothing of a suspended tenant starts, and nothing new of it is taken: jobs, flows,
//! modules and releases. What runs goes on and is recorded; to look, to cancel and to
//! delete is allowed.

use serde::{Deserialize, Serialize};

use super::{BrokerError, Result};
use crate::task::{DEFAULT_TENANT, check_name};
use crate::tenant::{Deletion, Quota, Tenant, Usage};

/// The most tenants in one call of [`tenants`](Tenants::tenants).
pub const MAX_TENANTS: u32 = 1_000;
/// How long a tenant that is deleted is asked to stop before what it has is taken away,
/// in milliseconds: longer than a server believes a token that it has seen, or a worker
/// keeps to itself what became of its jobs.
pub(crate) const LINGERS: u64 = 3_000;

/// What a change of a tenant says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum TenantChange {
    /// Its weight and its quota.
    Terms(u32, Quota),
    /// Whether it is suspended.
    Suspended(bool),
}

/// Tenants, as their operator sees them.
#[async_trait::async_trait]
pub trait Tenants {
    /// Makes a record of a tenant; its creation is now. `false` where there is one, as of
    /// `default` always: then nothing has changed.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for a tenant that cannot be; [`BrokerError::Missing`] for
    /// one that is being deleted.
    async fn create_tenant(&self, tenant: &Tenant) -> Result<bool>;

    /// Changes a tenant. It holds at once, for what is there already too, as far as it
    /// is about what may start.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] for one without a record, unless it is `default`.
    async fn change_tenant(&self, name: &str, change: &TenantChange) -> Result<()>;

    /// A tenant's record. `default` without one is as [`Tenant::new`] says.
    async fn find_tenant(&self, name: &str) -> Result<Option<Tenant>>;

    /// Tenants that have a record, and `default`, by name: those behind `after`, at most
    /// `limit` and [`MAX_TENANTS`].
    async fn tenants(&self, after: &str, limit: u32) -> Result<Vec<Tenant>>;

    /// What a tenant has taken.
    async fn usage_of(&self, name: &str) -> Result<Usage>;

    /// Deletes a tenant, with a record or without, in steps of at most about `limit`
    /// keys or rows: it is to be asked until nothing is left.
    ///
    /// From the first call on, nothing of it starts, and whatever would change something
    /// of it is answered [`BrokerError::Missing`]. What runs is asked to stop. Three
    /// seconds later all of it is taken away: what runs still is settled as missing. At
    /// the end nothing names it, and the name is free.
    ///
    /// # Errors
    /// [`BrokerError::Invalid`] for `default`.
    async fn delete_tenant(&self, name: &str, limit: u32) -> Result<Deletion>;
}

/// What is refused of a new tenant before the store is touched.
pub(crate) fn check_tenant(tenant: &Tenant) -> Result<()> {
    tenant
        .check()
        .map_err(|e| BrokerError::Invalid(e.to_string()))
}

/// The same of a change.
pub(crate) fn check_change(name: &str, change: &TenantChange) -> Result<()> {
    let mut tenant = Tenant::new(name);
    if let TenantChange::Terms(weight, quota) = change {
        (tenant.weight, tenant.quota) = (*weight, *quota);
    }
    check_tenant(&tenant)
}

/// The same of a deletion.
pub(crate) fn check_deletion(name: &str) -> Result<()> {
    check_name(name, "tenant").map_err(|e| BrokerError::Invalid(e.to_string()))?;
    match name {
        DEFAULT_TENANT => Err(BrokerError::Invalid(format!(
            "the tenant `{DEFAULT_TENANT}` is always there: suspend it instead"
        ))),
        _ => Ok(()),
    }
}

/// What is new of a tenant that is being deleted, or was.
pub(crate) fn no_tenant() -> BrokerError {
    BrokerError::Missing("the tenant".into())
}

/// A page of tenants, with the one that is always there.
pub(crate) fn with_default(mut some: Vec<Tenant>, after: &str, limit: u32) -> Vec<Tenant> {
    if after < DEFAULT_TENANT && some.iter().all(|it| !it.is_default()) {
        some.push(Tenant::new(DEFAULT_TENANT));
    }
    some.sort_by(|one, other| one.name.cmp(&other.name));
    some.truncate(limit as usize);
    some
}
