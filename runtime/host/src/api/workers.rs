//! Workers, and what each of them runs now.

use std::collections::BTreeMap;

use lovage_queue::about::WorkerAbout;
use lovage_queue::job::{Job, JobId};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::auth::{Caller, Look};
use super::problem::Reply;
use crate::view::{known, moment};

/// Jobs of a worker that are shown.
const SHOWN: usize = 100;

/// A job that a worker holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunningJob)]
pub(super) struct Held {
    /// Which.
    id: String,
    /// `module.task`
    task: String,
    /// Its queue.
    queue: String,
    /// When this run began.
    started: Option<String>,
    /// How far it is.
    #[schema(value_type = Option<Value>)]
    progress: Option<Value>,
}

impl Held {
    fn of(job: &Job) -> Self {
        Held {
            id: job.call.id.to_string(),
            task: format!("{}.{}", job.call.module, job.call.task),
            queue: job.call.queue.clone(),
            started: known(job.started),
            progress: job.progress.as_ref().map(|it| json!(it)),
        }
    }
}

/// A live worker.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Worker {
    /// Its identity.
    worker: String,
    /// The name of its host.
    host: String,
    /// Its process there.
    pid: u32,
    /// Lovage's version.
    version: String,
    /// Its queues with their weights.
    queues: BTreeMap<String, u32>,
    /// How many jobs it runs at once.
    concurrency: u64,
    /// Since when it works, by its host's clock.
    started: Option<String>,
    /// Until when it counts as alive without a further sign.
    expires: String,
    /// The jobs that it holds, the first 100 of them.
    running: Vec<Held>,
    /// How many it holds in all of this tenant's.
    held: usize,
    /// How many of other tenants.
    others: u64,
}

/// All workers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workers {
    /// Those whose lease is valid.
    workers: Vec<Worker>,
}

/// List workers
///
/// Those that are alive, and what each of them runs now.
#[utoipa::path(get, path = "/v1/workers", tag = "workers",
    responses((status = 200, description = "All of them", body = Workers)))]
pub(super) async fn list(caller: Caller<Look>) -> Reply {
    let client = &caller.client;
    let (broker, tenant) = (client.broker(), client.tenant());
    let mut workers = Vec::new();
    for status in broker.workers(tenant).await? {
        let about = WorkerAbout::decode(&status.about);
        let shown: &[JobId] = &status.held[..status.held.len().min(SHOWN)];
        let jobs = broker.jobs(tenant, shown).await?;
        workers.push(Worker {
            worker: status.worker.to_string(),
            host: about.host,
            pid: about.pid,
            version: about.version,
            queues: about.queues.into_iter().collect(),
            concurrency: about.concurrency,
            started: known(about.started),
            expires: moment(status.expires),
            running: jobs.iter().flatten().map(Held::of).collect(),
            held: status.held.len(),
            others: status.others,
        });
    }
    Ok(caller.answer(&Workers { workers }))
}
