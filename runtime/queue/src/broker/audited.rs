//! A broker through which nobody changes anything unseen: each act is on the tenant's audit
//! log before it is done. One that cannot be recorded is not done; one that was begun and
//! failed says so in an act of its own.
//!
//! What is on the log: tenants (on that of `default`), releases, cancels, requeues and deletions, limits, pauses, schedules,
//! flows that are stopped or let go on, what is set and deleted in buckets, and all that lies on
//! a shelf. What is not: jobs and
//! flows that are enqueued, which are on the record themselves, looks, and the work of
//! workers, who have the broker itself.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{
    AuditLog, Broker, BucketStatus, Buckets, Cancelled, Claim, Claimed, Declared, Due, Enqueued,
    Events, Filter, FireOutcome, Fired, Firing, FlowNode, FlowStatus, Flows, Heartbeat, LaneCounts,
    Ledger, LongStep, Minute, NewFlow, Note, Owner, Page, Planned, Promoted, Pulse, QueueCounts,
    Reclaimed, Recorded, Requeued, Result, Retention, Schedules, Settled, Shelf, Signals,
    StepWatch, Swapped, Tally, TenantChange, Tenants, Usage, WorkerStatus,
};
use crate::audit::Act;
use crate::clock::Millis;
use crate::granted::Granted;
use crate::job::{Checkpoint, Job, JobId, NewJob, Partition, Settlement, State, WorkerId};
use crate::limits::{Limit, Limited, Scope};
use crate::registry::{Digest, Manifest, Readiness, Registry, Release};
use crate::task::DEFAULT_TENANT;
use crate::tenant::{self, Deletion, Tenant};

/// On whose log stands what the operator does to tenants: theirs goes with them.
const OPERATOR: &str = DEFAULT_TENANT;

/// A broker with somebody's name on all that is changed through it.
pub struct Audited {
    broker: Arc<dyn Broker>,
    by: String,
}

impl Audited {
    /// The broker as somebody uses it; of who they are see [`Act::by`].
    pub fn by(broker: Arc<dyn Broker>, by: &str) -> Self {
        let by = by.to_owned();
        Audited { broker, by }
    }

    fn act(&self, action: &str, subject: impl AsRef<str>, detail: impl AsRef<str>) -> Act {
        Act::new(&self.by, action, subject, detail)
    }

    /// Does what the act says, once that is on the log.
    async fn doing<T>(
        &self,
        tenant: &str,
        act: Act,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.broker.record(tenant, slice::from_ref(&act)).await?;
        let done = work.await;
        if let Err(e) = &done {
            let failed = act.failed(&e.to_string());
            // Whoever asked hears of the first error; the act itself is on the log.
            let _ = self.broker.record(tenant, slice::from_ref(&failed)).await;
        }
        done
    }

    async fn of_jobs<T: Send>(
        &self,
        tenant: &str,
        action: &str,
        ids: &[JobId],
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        // To none it would be no act.
        let [first, rest @ ..] = ids else {
            return work.await;
        };
        let jobs = match rest.len() {
            0 => first.to_string(),
            more => format!("{first} and {more} more"),
        };
        self.doing(tenant, self.act(action, jobs, ""), work).await
    }
}

/// What people know an entry by, where its bytes say more than its name: a token's is a
/// random word.
fn told(shelf: Shelf, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Token {
        name: String,
        role: String,
    }
    #[derive(Deserialize)]
    struct Hook {
        url: String,
    }
    match shelf {
        Shelf::Tokens => rmp_serde::from_slice(bytes).map_or_else(
            |_| String::new(),
            |it: Token| format!("{} as {}", it.name, it.role),
        ),
        Shelf::Hooks => {
            rmp_serde::from_slice(bytes).map_or_else(|_| String::new(), |it: Hook| it.url)
        }
        Shelf::Grants => Granted::decode(bytes).map_or_else(String::new, |it| {
            let lines: Vec<String> = it.iter().map(|(grant, _)| grant.to_string()).collect();
            lines.join(", ")
        }),
        // What they hold is nobody's to read here.
        Shelf::Config | Shelf::Secrets => String::new(),
    }
}

/// An entry's kind, as acts name it.
fn kind(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Tokens => "token",
        Shelf::Hooks => "hook",
        Shelf::Grants => "grants",
        Shelf::Config => "config",
        Shelf::Secrets => "secret",
    }
}

/// Keys, as acts name them: the first, and how many more there are.
fn named<'a>(mut keys: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = keys.len().saturating_sub(1);
    match (keys.next(), more) {
        (None, _) => String::new(),
        (Some(key), 0) => key.clone(),
        (Some(key), more) => format!("{key} and {more} more"),
    }
}

/// A contract: what is audited as it is written out, and the rest handed on.
macro_rules! contract {
    (
        $contract:ident audits { $($own:tt)* }
        hands on { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }
    ) => {
        #[async_trait::async_trait]
        impl $contract for Audited {
            $($own)*
            $(async fn $name(&self, $($argument: $type),*) -> $answer {
                self.broker.$name($($argument),*).await
            })*
        }
    };
}

contract! {
    Broker audits {
        fn partitions(&self) -> u16 {
            self.broker.partitions()
        }

        fn tenant(&self) -> Option<&str> {
            self.broker.tenant()
        }

        async fn cancel(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Cancelled>> {
            let work = self.broker.cancel(tenant, ids);
            self.of_jobs(tenant, "job.cancel", ids, work).await
        }

        async fn requeue(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Requeued>> {
            let work = self.broker.requeue(tenant, ids);
            self.of_jobs(tenant, "job.requeue", ids, work).await
        }

        async fn delete(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<bool>> {
            let work = self.broker.delete(tenant, ids);
            self.of_jobs(tenant, "job.delete", ids, work).await
        }

        async fn limit(&self, tenant: &str, scope: &Scope, limit: &Limit) -> Result<()> {
            let said = serde_json::to_string(limit).unwrap_or_default();
            let act = self.act("limit.set", scope.to_string(), said);
            self.doing(tenant, act, self.broker.limit(tenant, scope, limit)).await
        }

        async fn pause(&self, tenant: &str, scope: &Scope, paused: bool) -> Result<()> {
            let action = if paused { "scope.pause" } else { "scope.resume" };
            let act = self.act(action, scope.to_string(), "");
            self.doing(tenant, act, self.broker.pause(tenant, scope, paused)).await
        }
    }
    hands on {
        fn enqueue(tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>>;
        fn claim(claim: &Claim) -> Result<Vec<Claimed>>;
        fn extend(beat: &Heartbeat) -> Result<Pulse>;
        fn settle(worker: WorkerId, settlements: &[Settlement]) -> Result<Vec<Settled>>;
        fn note(worker: WorkerId, notes: &[Note]) -> Result<()>;
        fn checkpoint(tenant: &str, id: JobId) -> Result<Option<Checkpoint>>;
        fn promote(partition: Partition, limit: u32) -> Result<Promoted>;
        fn reclaim(partition: Partition, limit: u32) -> Result<Reclaimed>;
        fn retire(partition: Partition, worker: WorkerId) -> Result<()>;
        fn prune(partition: Partition, keep: &Retention, limit: u32) -> Result<u32>;
        fn limits(tenant: &str) -> Result<Vec<Limited>>;
        fn put_blob(tenant: &str, bytes: &[u8]) -> Result<Digest>;
        fn blob(tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>>;
        fn jobs(tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>>;
        fn wait(tenant: &str, ids: &[JobId], at_most: Duration) -> Result<Vec<Option<Job>>>;
        fn list(tenant: &str, filter: &Filter) -> Result<Page>;
        fn counts(tenant: &str) -> Result<Vec<QueueCounts>>;
        fn footprint() -> Result<u64>;
        fn processor_time() -> Result<Option<Duration>>;
        fn watch_steps() -> Result<Option<StepWatch>>;
        fn longest_step(watch: StepWatch) -> Result<Option<LongStep>>;
        fn signals(worker: WorkerId) -> Result<Signals>;
    }
}

contract! {
    AuditLog audits {}
    hands on {
        fn record(tenant: &str, acts: &[Act]) -> Result<()>;
        fn acts(tenant: &str, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>>;
    }
}

contract! {
    Buckets audits {
        async fn set_many(
            &self,
            tenant: &str,
            bucket: &str,
            pairs: &[(String, Vec<u8>)],
        ) -> Result<()> {
            let keys = pairs.iter().map(|(key, _)| key);
            let act = self.act("bucket.set", bucket, named(keys));
            self.doing(tenant, act, self.broker.set_many(tenant, bucket, pairs)).await
        }

        async fn delete_many(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<u64> {
            let act = self.act("bucket.unset", bucket, named(keys.iter()));
            self.doing(tenant, act, self.broker.delete_many(tenant, bucket, keys)).await
        }

        async fn increment(&self, tenant: &str, bucket: &str, key: &str, by: i64) -> Result<i64> {
            let act = self.act("bucket.set", bucket, key);
            self.doing(tenant, act, self.broker.increment(tenant, bucket, key, by)).await
        }

        async fn swap(
            &self,
            tenant: &str,
            bucket: &str,
            key: &str,
            expected: Option<&[u8]>,
            value: &[u8],
        ) -> Result<Swapped> {
            let act = self.act("bucket.set", bucket, key);
            let work = self.broker.swap(tenant, bucket, key, expected, value);
            self.doing(tenant, act, work).await
        }

        async fn delete_bucket(&self, tenant: &str, bucket: &str, limit: u32) -> Result<Deletion> {
            let act = self.act("bucket.delete", bucket, "");
            // It takes many steps, and was decided once: so all of them are behind one act.
            let work = async {
                let mut done = self.broker.delete_bucket(tenant, bucket, limit).await?;
                while done == Deletion::More {
                    done = match self.broker.delete_bucket(tenant, bucket, limit).await? {
                        Deletion::Missing => Deletion::Done,
                        other => other,
                    };
                }
                Ok(done)
            };
            self.doing(tenant, act, work).await
        }
    }
    hands on {
        fn get_many(tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>>;
        fn exist(tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<bool>>;
        fn keys(tenant: &str, bucket: &str, after: &str, limit: u32) -> Result<Vec<String>>;
        fn buckets(tenant: &str) -> Result<Vec<BucketStatus>>;
    }
}

contract! {
    Flows audits {
        async fn cancel_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
            let act = self.act("flow.cancel", flow.to_string(), "");
            self.doing(tenant, act, self.broker.cancel_flow(tenant, flow)).await
        }

        async fn retry_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
            let act = self.act("flow.retry", flow.to_string(), "");
            self.doing(tenant, act, self.broker.retry_flow(tenant, flow)).await
        }
    }
    hands on {
        fn begin_flow(tenant: &str, flow: &NewFlow) -> Result<()>;
        fn add_nodes(tenant: &str, flow: JobId, first: u32, nodes: &[FlowNode]) -> Result<()>;
        fn start_flow(tenant: &str, flow: JobId) -> Result<()>;
        fn flow(tenant: &str, flow: JobId) -> Result<Option<FlowStatus>>;
        fn about_flow(tenant: &str, flow: JobId) -> Result<Option<Vec<u8>>>;
        fn flows(tenant: &str, offset: u64, limit: u32) -> Result<Vec<FlowStatus>>;
        fn flow_nodes(tenant: &str, flow: JobId, first: u32, count: u32) -> Result<Vec<(JobId, Option<State>)>>;
    }
}

contract! {
    Schedules audits {
        async fn declare(
            &self,
            tenant: &str,
            owner: &Owner,
            schedules: &[Declared],
            whole: bool,
        ) -> Result<()> {
            let names: Vec<&str> = schedules.iter().map(|it| &*it.schedule.name).collect();
            let act = self.act("schedule.set", names.join(", "), "");
            let work = self.broker.declare(tenant, owner, schedules, whole);
            self.doing(tenant, act, work).await
        }

        async fn pause_schedule(
            &self,
            tenant: &str,
            name: &str,
            paused: bool,
            due: Option<Millis>,
        ) -> Result<bool> {
            let action = if paused { "schedule.pause" } else { "schedule.resume" };
            let act = self.act(action, name, "");
            let work = self.broker.pause_schedule(tenant, name, paused, due);
            self.doing(tenant, act, work).await
        }

        async fn remove_schedule(&self, tenant: &str, name: &str) -> Result<bool> {
            let act = self.act("schedule.remove", name, "");
            self.doing(tenant, act, self.broker.remove_schedule(tenant, name)).await
        }
    }
    hands on {
        fn time(tenant: &str) -> Result<Millis>;
        fn schedules(tenant: &str, after: Option<&str>, limit: u32) -> Result<Vec<Planned>>;
        fn schedule(tenant: &str, name: &str) -> Result<Option<(Planned, Vec<Fired>)>>;
        fn due(partition: Partition, limit: u32) -> Result<Due>;
        fn fire(firing: &Firing) -> Result<Option<Vec<FireOutcome>>>;
    }
}

contract! {
    Registry audits {
        async fn stage(
            &self,
            tenant: &str,
            name: &str,
            digest: Digest,
            by: &str,
        ) -> Result<Release> {
            let act = self.act("module.push", name, digest.to_string());
            self.doing(tenant, act, self.broker.stage(tenant, name, digest, by)).await
        }

        async fn activate(&self, tenant: &str, name: &str, number: u32) -> Result<()> {
            let act = self.act("module.activate", name, format!("release {number}"));
            self.doing(tenant, act, self.broker.activate(tenant, name, number)).await
        }
    }
    hands on {
        fn put(tenant: &str, module: &[u8], manifest: &Manifest) -> Result<Digest>;
        fn module(tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>>;
        fn manifest(tenant: &str, digest: Digest) -> Result<Option<Manifest>>;
        fn readiness(tenant: &str, digest: Digest) -> Result<Readiness>;
        fn releases(tenant: &str, name: &str) -> Result<Vec<Release>>;
        fn active(tenant: &str) -> Result<Vec<(String, Release)>>;
    }
}

contract! {
    Ledger audits {
        async fn put_entry(&self, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<()> {
            let act = self.act(&format!("{}.set", kind(shelf)), name, told(shelf, bytes));
            self.doing(tenant, act, self.broker.put_entry(tenant, shelf, name, bytes)).await
        }

        async fn remove_entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<bool> {
            let act = self.act(&format!("{}.remove", kind(shelf)), name, "");
            self.doing(tenant, act, self.broker.remove_entry(tenant, shelf, name)).await
        }
    }
    hands on {
        fn entry(tenant: &str, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>>;
        fn entries(tenant: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>>;
        fn tell(tenant: &str, tallies: &[Tally], events: &[Vec<u8>]) -> Result<()>;
        fn usage(tenant: &str, from: Millis, days: u32) -> Result<Vec<Usage>>;
        fn history(tenant: &str, from: Millis, minutes: u32) -> Result<Vec<Minute>>;
        fn events(tenant: &str, after: Option<&str>, limit: u32) -> Result<Events>;
        fn workers(tenant: &str) -> Result<Vec<WorkerStatus>>;
        fn lanes(tenant: &str, queue: &str, limit: u32) -> Result<Vec<LaneCounts>>;
    }
}

contract! {
    Tenants audits {
        async fn create_tenant(&self, tenant: &Tenant) -> Result<bool> {
            let said = serde_json::to_string(&tenant.quota).unwrap_or_default();
            let act = self.act("tenant.create", &tenant.name, said);
            self.doing(OPERATOR, act, self.broker.create_tenant(tenant)).await
        }

        async fn change_tenant(&self, name: &str, change: &TenantChange) -> Result<()> {
            let (action, said) = match change {
                TenantChange::Terms(weight, quota) => {
                    let quota = serde_json::to_string(quota).unwrap_or_default();
                    ("tenant.limits", format!("weight {weight}, {quota}"))
                }
                TenantChange::Suspended(true) => ("tenant.suspend", String::new()),
                TenantChange::Suspended(false) => ("tenant.resume", String::new()),
            };
            let act = self.act(action, name, said);
            self.doing(OPERATOR, act, self.broker.change_tenant(name, change)).await
        }

        async fn delete_tenant(&self, name: &str, limit: u32) -> Result<Deletion> {
            let known = self.broker.find_tenant(name).await?;
            let work = self.broker.delete_tenant(name, limit);
            // It takes many steps, and was decided once.
            if known.is_some_and(|it| it.leaving.is_some()) {
                return work.await;
            }
            let act = self.act("tenant.delete", name, "");
            self.doing(OPERATOR, act, work).await
        }
    }
    hands on {
        fn find_tenant(name: &str) -> Result<Option<Tenant>>;
        fn tenants(after: &str, limit: u32) -> Result<Vec<Tenant>>;
        fn usage_of(name: &str) -> Result<tenant::Usage>;
    }
}
