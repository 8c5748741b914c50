//! What a running job may ask for, answered by the broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lovage_queue::arguments::Arguments;
use lovage_queue::broker::{BrokerError, Note};
use lovage_queue::client::{Call, ClientError, Line, TRACEPARENT};
use lovage_queue::flow::Flow;
use lovage_queue::grant::Grants;
use lovage_queue::job::{Job, JobId, JobOptions, NewJob, When};
use lovage_queue::task::TaskName;

use super::delivery::Offspring;
use super::reach::Reach;
use super::session::Session;
use crate::engine::{CallError, ChildFlow, ChildJob, ChildPage, Host, Reply, Request};

/// Answers one attempt.
pub(super) struct JobHost {
    session: Arc<Session>,
    tenant: String,
    id: JobId,
    delivery: u32,
    /// Where its line of children began, and how long that is by now.
    root: JobId,
    depth: u32,
    /// Whether it could as well run with others, in one run that is no single job's.
    batched: bool,
    /// What its children carry of its trace.
    traceparent: Option<String>,
    /// What is made when it completes.
    later: Mutex<Offspring>,
    /// Calls of the flows that it has made.
    flow_calls: AtomicUsize,
    /// Bytes of those that begin with its completion, as they were written.
    flow_bytes: AtomicUsize,
    /// What it may reach beside the queue.
    reach: Reach,
}

/// The longest line of children and their children.
const DEPTH: u32 = 32;
/// Children that may wait for their parent's completion: they are made in one step of
/// the broker, which must stay short.
const LATER: usize = 1_000;
/// Bytes of their inputs together.
const LATER_BYTES: usize = 16 * 1024 * 1024;
/// Calls of all flows that an attempt makes.
const FLOW_CALLS: usize = 10_000;

impl JobHost {
    pub(super) fn new(
        session: Arc<Session>,
        job: &Job,
        batched: bool,
        traceparent: Option<String>,
        grants: Arc<Grants>,
    ) -> Self {
        JobHost {
            reach: Reach::new(grants),
            session,
            tenant: job.tenant.clone(),
            id: job.call.id,
            delivery: job.delivery,
            root: job.call.options.root.unwrap_or(job.call.id),
            depth: job.call.options.depth,
            batched,
            traceparent,
            later: Mutex::default(),
            flow_calls: AtomicUsize::new(0),
            flow_bytes: AtomicUsize::new(0),
        }
    }

    /// What is to be made with the job's completion.
    pub(super) fn offspring(&self) -> Offspring {
        std::mem::take(&mut *self.lock())
    }
}

#[async_trait::async_trait]
impl Host for JobHost {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        if self.batched {
            batched(&request)?;
        }
        match request {
            Request::Progress(progress) => {
                self.note(Note {
                    progress: Some(progress),
                    ..self.empty_note()
                })
                .await
            }
            Request::Checkpoint(checkpoint) => {
                self.note(Note {
                    checkpoint: Some(checkpoint),
                    ..self.empty_note()
                })
                .await
            }
            Request::Restore => {
                let saved = self.session.broker.checkpoint(&self.tenant, self.id).await;
                saved.map(Reply::Restored).map_err(|e| unavailable(&e))
            }
            Request::Enqueue(children) => self.enqueue(children).await,
            Request::EnqueueFlow(flow) => self.enqueue_flow(flow).await,
            Request::EnqueuePage(page) => self.enqueue_page(page).await,
            Request::Access(access) => {
                let reach = &self.reach;
                reach.answer(&self.session, &self.tenant, access).await
            }
        }
    }
}

impl JobHost {
    fn empty_note(&self) -> Note {
        Note {
            tenant: self.tenant.clone(),
            id: self.id,
            delivery: self.delivery,
            progress: None,
            checkpoint: None,
            log: None,
        }
    }

    async fn note(&self, note: Note) -> Result<Reply, CallError> {
        let noted = self.session.broker.note(self.session.worker, &[note]).await;
        noted.map(|()| Reply::Done).map_err(|e| unavailable(&e))
    }

    async fn enqueue(&self, children: Vec<ChildJob>) -> Result<Reply, CallError> {
        self.check_depth()?;
        let client = self.session.client(&self.tenant);
        let (mut ids, mut now, mut later) = (Vec::new(), Vec::new(), Vec::new());
        for child in children {
            let (id, at_once) = (child.id(self.id), child.at_once);
            let call = self.call(child).map_err(refused)?;
            let mut job = client.prepare(call).await.map_err(refused)?;
            job.id = id;
            ids.push(id);
            if at_once { &mut now } else { &mut later }.push(job);
        }
        self.check_later(&later)?;
        if !now.is_empty() {
            let made: Vec<JobId> = now.iter().map(|job| job.id).collect();
            let there = client.send(now).await.map_err(refused)?;
            // One that is there instead of another has an id of its own.
            for (made, there) in made.iter().zip(there) {
                ids.iter_mut()
                    .filter(|id| *id == made)
                    .for_each(|id| *id = there);
            }
        }
        self.lock().jobs.extend(later);
        Ok(Reply::Enqueued(ids))
    }

    async fn enqueue_page(&self, page: ChildPage) -> Result<Reply, CallError> {
        self.check_depth()?;
        let client = self.session.client(&self.tenant);
        let mut jobs = Vec::with_capacity(page.jobs.len());
        for child in page.jobs {
            // A page is made once, so what has no key needs no id that could be found again.
            let id = child.key.is_some().then(|| child.id(self.id));
            let call = self.call(child).map_err(refused)?;
            let mut job = client.prepare(call).await.map_err(refused)?;
            (job.id, job.counted) = (id.unwrap_or(job.id), true);
            jobs.push(job);
        }
        if jobs.iter().map(|job| job.input.size()).sum::<u64>() > LATER_BYTES as u64 {
            let text = "the inputs of a page's jobs take at most 16 MiB; make smaller pages";
            return Err(CallError::Limit(text.into()));
        }
        *self.lock() = Offspring {
            jobs,
            flows: Vec::new(),
            page: Some((page.cursor, page.open)),
        };
        Ok(Reply::Done)
    }

    async fn enqueue_flow(&self, child: ChildFlow) -> Result<Reply, CallError> {
        self.check_depth()?;
        let invalid = |e: &dyn std::fmt::Display| CallError::Invalid(e.to_string());
        if !child.at_once {
            self.check_flow_bytes(child.flow.len())?;
        }
        let json = lovage_queue::flow::read_json(&child.flow).map_err(|e| invalid(&e))?;
        let flow = Flow::from_json_within(json, "flow", FLOW_CALLS).map_err(|e| invalid(&e))?;
        let client = self.session.client(&self.tenant);
        let prepared = client.prepare_flow(&flow).await.map_err(refused)?;
        let calls = self.flow_calls.load(Ordering::Relaxed) + prepared.len();
        if calls > FLOW_CALLS {
            let text = format!("the flows of an attempt have at most {FLOW_CALLS} calls together");
            return Err(CallError::Limit(text));
        }
        self.flow_calls.store(calls, Ordering::Relaxed);
        let line = Line {
            parent: self.id,
            root: self.root,
            depth: self.depth + 1,
        };
        // What begins with its maker's completion is made by one attempt alone.
        let prepared = prepared.child_of(line, child.at_once.then(|| child.id(self.id)));
        let prepared = prepared.carrying(self.traceparent.clone());
        let id = prepared.id();
        if child.at_once {
            client.send_flow(&prepared).await.map_err(refused)?;
        } else {
            self.lock().flows.push(prepared);
        }
        Ok(Reply::Enqueued(vec![id]))
    }

    /// Whether flows of so many bytes more may wait for the job's completion.
    fn check_flow_bytes(&self, more: usize) -> Result<(), CallError> {
        let bytes = self.flow_bytes.load(Ordering::Relaxed) + more;
        if bytes > LATER_BYTES {
            let text = "the flows that begin with the completion of the one that makes them take at most 16 MiB; let the others begin at once";
            return Err(CallError::Limit(text.into()));
        }
        self.flow_bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn check_depth(&self) -> Result<(), CallError> {
        match self.depth >= DEPTH {
            true => Err(CallError::Limit(format!(
                "this job is the last of a line of {DEPTH} children's children"
            ))),
            false => Ok(()),
        }
    }

    /// Whether so many more may wait for the job's completion.
    fn check_later(&self, more: &[NewJob]) -> Result<(), CallError> {
        let waiting = &self.lock().jobs;
        if waiting.len() + more.len() > LATER {
            let text = format!(
                "at most {LATER} jobs wait for the completion of the one that enqueues them; enqueue the others at once"
            );
            return Err(CallError::Limit(text));
        }
        let bytes = waiting.iter().chain(more).map(|job| job.input.size());
        if bytes.sum::<u64>() > LATER_BYTES as u64 {
            let text = "the inputs of jobs that wait for the completion of the one that enqueues them take at most 16 MiB; enqueue the others at once";
            return Err(CallError::Limit(text.into()));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Offspring> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, mut child: ChildJob) -> Result<Call, ClientError> {
        if let Some(traceparent) = &self.traceparent {
            let header = child.headers.entry(TRACEPARENT.into());
            header.or_insert_with(|| traceparent.clone());
        }
        let task = TaskName {
            module: child.module,
            task: child.task,
        };
        Ok(Call {
            arguments: Arguments::decode(&child.input)?,
            queue: child.queue,
            lane: child.lane.unwrap_or_default(),
            priority: child.priority,
            eta: child.delay.map_or(When::Now, When::In),
            options: JobOptions {
                max_attempts: child.max_attempts,
                headers: child.headers,
                parent: Some(self.id),
                root: Some(self.root),
                depth: self.depth + 1,
                ..JobOptions::default()
            },
            ..Call::of(task)
        })
    }
}

/// Answers all jobs of a batch at once.
pub(super) struct BatchHost {
    session: Arc<Session>,
    tenant: String,
    /// Each with its delivery.
    jobs: Vec<(JobId, u32)>,
    reach: Reach,
}

impl BatchHost {
    pub(super) fn new(
        session: Arc<Session>,
        tenant: &str,
        jobs: Vec<(JobId, u32)>,
        grants: Arc<Grants>,
    ) -> Self {
        BatchHost {
            reach: Reach::new(grants),
            session,
            tenant: tenant.into(),
            jobs,
        }
    }
}

#[async_trait::async_trait]
impl Host for BatchHost {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        batched(&request)?;
        let progress = match request {
            Request::Progress(progress) => progress,
            Request::Access(access) => {
                let reach = &self.reach;
                return reach.answer(&self.session, &self.tenant, access).await;
            }
            _ => return Ok(Reply::Restored(None)),
        };
        // How far the run is, each of its jobs is.
        let notes = self.jobs.iter().map(|(id, delivery)| Note {
            tenant: self.tenant.clone(),
            id: *id,
            delivery: *delivery,
            progress: Some(progress.clone()),
            checkpoint: None,
            log: None,
        });
        let notes: Vec<Note> = notes.collect();
        let noted = self.session.broker.note(self.session.worker, &notes).await;
        noted.map(|()| Reply::Done).map_err(|e| unavailable(&e))
    }
}

/// Refuses what a batched task cannot ask for. It does so also of a job that runs alone:
/// what works with one call must work with a hundred.
fn batched(request: &Request) -> Result<(), CallError> {
    let why = match request {
        Request::Progress(_) | Request::Restore | Request::Access(_) => return Ok(()),
        Request::Checkpoint(_) => {
            "a batched task saves no checkpoint: its next run may be of other jobs"
        }
        Request::Enqueue(_) | Request::EnqueueFlow(_) | Request::EnqueuePage(_) => {
            "a batched task enqueues no jobs: its run is no single job's, which could be their parent"
        }
    };
    Err(CallError::Invalid(why.into()))
}

/// What the module's author hears: of the broker no more than that it is away.
pub(super) fn unavailable(e: &BrokerError) -> CallError {
    tracing::warn!(error = %e, "could not do what a job asked for");
    CallError::Unavailable("the queue cannot be reached just now".into())
}

fn refused(e: ClientError) -> CallError {
    match e {
        ClientError::Broker(BrokerError::Invalid(text)) => CallError::Invalid(text),
        ClientError::Broker(BrokerError::Duplicate(_)) => CallError::Limit(e.to_string()),
        // It may have room later.
        ClientError::Broker(
            BrokerError::QueueFull { .. }
            | BrokerError::Quota {
                retry_after: Some(_),
                ..
            }
            | BrokerError::Suspended,
        ) => CallError::Unavailable(e.to_string()),
        ClientError::Broker(BrokerError::Quota { .. }) => CallError::Limit(e.to_string()),
        ClientError::Broker(e) => unavailable(&e),
        ClientError::TooLarge(_) => CallError::Limit(e.to_string()),
        e => CallError::Invalid(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use lovage_queue::job::{Checkpoint, Progress};
    use lovage_queue::registry::Digest;

    use super::*;

    #[test]
    fn a_batched_task_may_tell_how_far_it_is_and_no_more() {
        let progress = Progress {
            share: None,
            message: None,
        };
        assert_eq!(batched(&Request::Progress(progress)), Ok(()));
        assert_eq!(batched(&Request::Restore), Ok(()));
        let checkpoint = Checkpoint {
            digest: Digest([0; 32]),
            state: Vec::new(),
        };
        for request in [
            Request::Checkpoint(checkpoint),
            Request::Enqueue(Vec::new()),
        ] {
            let refused = batched(&request).unwrap_err().to_string();
            assert!(refused.contains("a batched task"), "{refused}");
        }
    }
}
