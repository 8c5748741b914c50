//! A tenant: what it may take, and what it has taken.

use lovage_queue::tenant::{Quota, Tenant, Usage};
use serde::Serialize;
use utoipa::ToSchema;

use super::queues::rate_text;
use super::{known, moment};

/// What a tenant may take. Null is no limit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaView {
    /// How many of its jobs may run at once.
    pub running: Option<u32>,
    /// How often its jobs may start, as in `100/s`.
    pub rate: Option<String>,
    /// How many jobs may be there that have not ended.
    pub queued: Option<u64>,
    /// How many bytes its jobs, blobs and modules may take.
    pub bytes: Option<u64>,
    /// How many names of modules it may have.
    pub modules: Option<u32>,
    /// How many bytes a module may have.
    pub module_size: Option<u64>,
    /// How much fuel its jobs may burn in a minute.
    pub fuel: Option<u64>,
}

impl QuotaView {
    /// What is shown of a quota.
    pub fn of(quota: &Quota) -> Self {
        QuotaView {
            running: quota.running,
            rate: quota.rate.map(rate_text),
            queued: quota.queued,
            bytes: quota.bytes,
            modules: quota.modules,
            module_size: quota.module_size,
            fuel: quota.fuel,
        }
    }
}

/// What a tenant has taken just now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = QuotaUsed)]
pub struct UsedView {
    /// Jobs that run.
    pub running: u64,
    /// Jobs that have not ended.
    pub queued: u64,
    /// Bytes of jobs, blobs and modules.
    pub bytes: u64,
    /// Names of modules.
    pub modules: u64,
    /// Fuel that counts against the quota of a minute; 0 where there is none.
    pub fuel: u64,
}

impl UsedView {
    /// What is shown of it.
    pub fn of(usage: &Usage) -> Self {
        UsedView {
            running: usage.running,
            queued: usage.queued,
            bytes: usage.bytes,
            modules: usage.modules,
            fuel: usage.fuel,
        }
    }
}

/// A tenant.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub struct TenantView {
    /// Its name.
    pub name: String,
    /// `active`, `suspended`, or `leaving` while it is being deleted.
    #[schema(value_type = String, example = "active")]
    pub state: &'static str,
    /// When it was created; null for one that nobody did.
    pub created: Option<String>,
    /// Since when it is being deleted.
    pub leaving: Option<String>,
    /// Its share of the workers beside those of the others.
    pub weight: u32,
    /// What it may take.
    pub quota: QuotaView,
    /// What it has taken.
    pub used: UsedView,
}

impl TenantView {
    /// What is shown of a tenant.
    pub fn of(tenant: &Tenant, usage: &Usage) -> Self {
        let state = match (tenant.leaving, tenant.suspended) {
            (Some(_), _) => "leaving",
            (None, true) => "suspended",
            (None, false) => "active",
        };
        TenantView {
            name: tenant.name.clone(),
            state,
            created: known(tenant.created),
            leaving: tenant.leaving.map(moment),
            weight: tenant.weight,
            quota: QuotaView::of(&tenant.quota),
            used: UsedView::of(usage),
        }
    }
}
