//! Workers, and what each of them runs now.

use std::collections::BTreeMap;

use lovage_queue::about::WorkerAbout;
use lovage_queue::broker::{BrokerError, WorkerStatus};
use lovage_queue::client::Client;
use lovage_queue::job::{Job, JobId};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{known, moment};

/// Jobs of a worker that are shown.
const SHOWN: usize = 100;

/// A job that a worker holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunningJob)]
pub struct HeldView {
    /// Which.
    pub id: String,
    /// `module.task`
    pub task: String,
    /// Its queue.
    pub queue: String,
    /// When this run began.
    pub started: Option<String>,
    /// How far it is.
    #[schema(value_type = Option<Value>)]
    pub progress: Option<Value>,
}

impl HeldView {
    fn of(job: &Job) -> Self {
        HeldView {
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
#[schema(as = Worker)]
pub struct WorkerView {
    /// Its identity.
    pub worker: String,
    /// The name of its host.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Lovage's version.
    pub version: String,
    /// Its queues with their weights.
    pub queues: BTreeMap<String, u32>,
    /// How many jobs it runs at once.
    pub concurrency: u64,
    /// Since when it works, by its host's clock.
    pub started: Option<String>,
    /// Until when it counts as alive without a further sign.
    pub expires: String,
    /// The jobs that it holds, the first 100 of them.
    pub running: Vec<HeldView>,
    /// How many it holds in all of this tenant's.
    pub held: usize,
    /// How many of other tenants; 0 where it is not for the one who asks to know.
    pub others: u64,
}

/// All live workers, with what each of them runs.
///
/// # Errors
/// The broker's own.
pub async fn workers(client: &Client) -> Result<Vec<WorkerView>, BrokerError> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let mut workers = Vec::new();
    for status in broker.workers(tenant).await? {
        let shown: &[JobId] = &status.held[..status.held.len().min(SHOWN)];
        let jobs = broker.jobs(tenant, shown).await?;
        workers.push(WorkerView::of(&status, jobs.iter().flatten()));
    }
    Ok(workers)
}

impl WorkerView {
    fn of<'a>(status: &WorkerStatus, jobs: impl Iterator<Item = &'a Job>) -> Self {
        let about = WorkerAbout::decode(&status.about);
        WorkerView {
            worker: status.worker.to_string(),
            host: about.host,
            pid: about.pid,
            version: about.version,
            queues: about.queues.into_iter().collect(),
            concurrency: about.concurrency,
            started: known(about.started),
            expires: moment(status.expires),
            running: jobs.map(HeldView::of).collect(),
            held: status.held.len(),
            others: status.others,
        }
    }
}
