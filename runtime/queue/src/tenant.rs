//! Tenants, and what each of them may take of what all share. Pure: both brokers go by
//! these rules; `broker/redis/scripts/quota.lua` and `limits.lua` are this file's twins.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::limits::{Limit, Pace};
use crate::task::{DEFAULT_TENANT, NameError, Rate, check_name};

/// The most that a tenant may weigh.
pub const MAX_WEIGHT: u32 = 1_000;
/// Over how long fuel is counted, in microseconds: so much may be burnt at once by who
/// has burnt none for as long.
const MINUTE: u64 = 60_000_000;
/// The most that one settlement adds to a debt, in microseconds: thirty years, which
/// keeps the sum within what Redis' Lua holds exactly.
const MOST: u64 = 1_000_000_000_000_000;

/// A tenant, as its operator wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// When it was created; zero for one that has no record.
    #[serde(default)]
    pub created: Millis,
    /// Whether nothing of it starts, and nothing new of it is taken.
    #[serde(default)]
    pub suspended: bool,
    /// Since when it is being deleted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Millis>,
    /// Its share of the workers beside those of the others: 1 to [`MAX_WEIGHT`].
    #[serde(default = "one")]
    pub weight: u32,
    /// What it may take.
    #[serde(default)]
    pub quota: Quota,
}

fn one() -> u32 {
    1
}

impl Tenant {
    /// One without any word on it: it may take everything.
    pub fn new(name: impl Into<String>) -> Self {
        Tenant {
            name: name.into(),
            created: Millis(0),
            suspended: false,
            leaving: None,
            weight: 1,
            quota: Quota::default(),
        }
    }

    /// Why there can be no such tenant.
    pub fn check(&self) -> Result<(), TenantError> {
        check_name(&self.name, "tenant")?;
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            return Err(TenantError::Weight(self.weight));
        }
        self.quota.check()
    }

    /// Whether it is the one that is always there.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_TENANT
    }

    /// What it allows at claim, if it says anything there: the stricter of the tenant's
    /// own word and the operator's, and whether nothing may start at all.
    pub fn gate(&self, own: Option<Limit>) -> Option<(Limit, bool)> {
        let stopped = self.suspended || self.leaving.is_some();
        if !stopped && !self.quota.is_of_claims() {
            return None;
        }
        let own = own.unwrap_or_default();
        let limit = Limit {
            rate: stricter_rate(own.rate, self.quota.rate),
            concurrency: least(own.concurrency, self.quota.running),
            ..own
        };
        Some((limit, stopped))
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn stricter_rate(own: Option<Rate>, quota: Option<Rate>) -> Option<Rate> {
    match (own, quota) {
        (Some(own), Some(quota)) if Pace::of(quota) <= Pace::of(own) => Some(own),
        (own, quota) => quota.or(own),
    }
}

/// What a tenant may take; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// How many of its jobs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// How often its jobs may start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many of its jobs there may be that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<u64>,
    /// How many bytes it may store: jobs, blobs, modules, and keys with values in buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How many names of modules it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<u32>,
    /// How many bytes a module may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_size: Option<u64>,
    /// How much fuel its jobs may burn in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
}

/// The most that a quota of jobs or bytes can say: what Redis' Lua holds exactly.
pub const MAX_QUOTA: u64 = 1 << 50;

impl Quota {
    /// Why it makes no sense.
    pub fn check(&self) -> Result<(), TenantError> {
        let none = [
            ("running", self.running == Some(0)),
            ("fuel", self.fuel == Some(0)),
            (
                "rate",
                self.rate
                    .is_some_and(|it| it.count == 0 || it.period.as_millis() == 0),
            ),
        ];
        if let Some((name, _)) = none.into_iter().find(|it| it.1) {
            return Err(TenantError::Nothing(name));
        }
        let large = [
            ("queued", self.queued),
            ("bytes", self.bytes),
            ("module-size", self.module_size),
        ];
        let too_large = |it: &(&str, Option<u64>)| it.1.is_some_and(|most| most > MAX_QUOTA);
        match large.into_iter().find(too_large) {
            Some((name, _)) => Err(TenantError::TooLarge(name)),
            None => Ok(()),
        }
    }

    /// Whether it says anything of which jobs start.
    pub fn is_of_claims(&self) -> bool {
        self.running.is_some() || self.rate.is_some() || self.fuel.is_some()
    }
}

/// What a tenant has taken just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Jobs that run.
    pub running: u64,
    /// Jobs that have not ended.
    pub queued: u64,
    /// Bytes of jobs, blobs and modules.
    pub bytes: u64,
    /// Names of modules.
    pub modules: u64,
    /// Fuel that counts against the quota of a minute; nothing where there is none.
    pub fuel: u64,
}

/// What is left of a tenant, or a bucket, that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// There is none of this name.
    Missing,
    /// Something is left: ask again.
    More,
    /// Nothing is left that names it.
    Done,
}

/// A tenant that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// Its name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its share is none.
    #[error("a tenant weighs 1 to {MAX_WEIGHT}, not {0}")]
    Weight(u32),
    /// A quota under which nothing would ever run.
    #[error("a quota `{0}` of 0 lets nothing run: suspend the tenant instead")]
    Nothing(&'static str),
    /// A quota past what can be counted.
    #[error("a quota `{0}` is at most {MAX_QUOTA}")]
    TooLarge(&'static str),
}

/// Fuel a minute, as a bucket that leaks: what was burnt is a debt, which time pays off
/// evenly. A debt is the moment, in microseconds, at which it will be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burn {
    /// Units a minute.
    pub fuel: u64,
}

impl Burn {
    /// The debt once so much more was burnt.
    pub fn after(self, debt: u64, now: Millis, fuel: u64) -> u64 {
        let takes = u128::from(fuel) * u128::from(MINUTE) / u128::from(self.fuel.max(1));
        let takes = u64::try_from(takes).unwrap_or(MOST).min(MOST);
        debt.max(now.0 * 1_000) + takes
    }

    /// Whether jobs may start: the debt is at most a minute's worth.
    pub fn is_open(debt: u64, now: Millis) -> bool {
        debt <= now.0 * 1_000 + MINUTE
    }

    /// When they may again.
    pub fn opens(debt: u64) -> Millis {
        Millis(debt.saturating_sub(MINUTE).div_ceil(1_000))
    }

    /// How much of the debt is still to be paid, in units.
    pub fn owed(self, debt: u64, now: Millis) -> u64 {
        let left = u128::from(debt.saturating_sub(now.0 * 1_000));
        u64::try_from(left * u128::from(self.fuel) / u128::from(MINUTE)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate {
            count,
            period: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn of_two_limits_the_stricter_holds() {
        let quota = Quota {
            running: Some(5),
            rate: Some(rate(10, 1)),
            ..Quota::default()
        };
        let tenant = Tenant {
            quota,
            ..Tenant::new("acme")
        };
        let own = |concurrency, rate| Limit {
            concurrency,
            rate,
            ..Limit::default()
        };
        let merged = |own| tenant.gate(own).unwrap().0;
        assert_eq!(merged(None), own(Some(5), Some(rate(10, 1))));
        let looser = own(Some(9), Some(rate(100, 1)));
        assert_eq!(merged(Some(looser)), own(Some(5), Some(rate(10, 1))));
        let stricter = own(Some(2), Some(rate(1, 60)));
        assert_eq!(merged(Some(stricter)), stricter);
    }

    #[test]
    fn what_says_nothing_of_claims_is_no_gate() {
        let mut tenant = Tenant::new("acme");
        tenant.quota.queued = Some(7);
        assert_eq!(tenant.gate(None), None);
        tenant.suspended = true;
        assert_eq!(tenant.gate(None), Some((Limit::default(), true)));
    }

    #[test]
    fn a_minutes_fuel_may_be_burnt_at_once_and_is_paid_off_evenly() {
        let burn = Burn { fuel: 6_000 };
        let now = Millis(1_800_000_000_000);
        let debt = burn.after(0, now, 6_000);
        assert!(Burn::is_open(debt, now), "a minute's worth");
        let more = burn.after(debt, now, 100);
        assert!(!Burn::is_open(more, now));
        assert_eq!(burn.owed(more, now), 6_100);
        // A hundred of six thousand a minute are a second.
        assert_eq!(Burn::opens(more), Millis(now.0 + 1_000));
        assert!(Burn::is_open(more, Millis(now.0 + 1_000)));
        assert_eq!(burn.owed(more, Millis(now.0 + 120_000)), 0);
        // Nothing is saved up beyond that.
        let later = Millis(now.0 + 3_600_000);
        assert_eq!(burn.after(more, later, 6_000), later.0 * 1_000 + MINUTE);
    }

    #[test]
    fn a_debt_is_bounded() {
        let burn = Burn { fuel: 1 };
        assert_eq!(burn.after(0, Millis(0), u64::MAX), MOST);
    }

    #[test]
    fn quotas_that_let_nothing_run_are_refused() {
        let mut tenant = Tenant::new("acme");
        assert_eq!(tenant.check(), Ok(()));
        tenant.quota.running = Some(0);
        assert_eq!(tenant.check(), Err(TenantError::Nothing("running")));
        tenant.quota = Quota {
            bytes: Some(MAX_QUOTA + 1),
            ..Quota::default()
        };
        assert_eq!(tenant.check(), Err(TenantError::TooLarge("bytes")));
        tenant.quota = Quota::default();
        tenant.weight = 0;
        assert_eq!(tenant.check(), Err(TenantError::Weight(0)));
        assert!(Tenant::new("Acme").check().is_err());
    }
}
