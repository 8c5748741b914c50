//! What a running job may ask for, answered by the broker.

use std::sync::{Arc, Mutex, PoisonError};

use lovage_queue::arguments::Arguments;
use lovage_queue::broker::{BrokerError, Note};
use lovage_queue::client::{Call, ClientError};
use lovage_queue::job::{Job, JobId, JobOptions, NewJob, When};
use lovage_queue::task::TaskName;

use super::session::Session;
use crate::engine::{CallError, ChildJob, Host, Reply, Request};

/// Answers one attempt.
pub(super) struct JobHost {
    session: Arc<Session>,
    tenant: String,
    id: JobId,
    delivery: u32,
    /// Where its line of children began, and how long that is by now.
    root: JobId,
    depth: u32,
    /// Children that are made when it completes.
    later: Mutex<Vec<NewJob>>,
}

/// The longest line of children and their children.
const DEPTH: u32 = 32;
/// Children that may wait for their parent's completion: they are made in one step of
/// the broker, which must stay short.
const LATER: usize = 1_000;
/// Bytes of their inputs together.
const LATER_BYTES: usize = 16 * 1024 * 1024;

impl JobHost {
    pub(super) fn new(session: Arc<Session>, job: &Job) -> Self {
        JobHost {
            session,
            tenant: job.tenant.clone(),
            id: job.call.id,
            delivery: job.delivery,
            root: job.call.options.root.unwrap_or(job.call.id),
            depth: job.call.options.depth,
            later: Mutex::default(),
        }
    }

    /// The children that are to be made with the job's completion.
    pub(super) fn children(&self) -> Vec<NewJob> {
        std::mem::take(&mut *self.lock())
    }
}

#[async_trait::async_trait]
impl Host for JobHost {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
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
        if self.depth >= DEPTH {
            let text = format!("this job is the last of a line of {DEPTH} children's children");
            return Err(CallError::Limit(text));
        }
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
        self.lock().extend(later);
        Ok(Reply::Enqueued(ids))
    }

    /// Whether so many more may wait for the job's completion.
    fn check_later(&self, more: &[NewJob]) -> Result<(), CallError> {
        let waiting = self.lock();
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<NewJob>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, child: ChildJob) -> Result<Call, ClientError> {
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

/// What the module's author hears: of the broker no more than that it is away.
fn unavailable(e: &BrokerError) -> CallError {
    tracing::warn!(error = %e, "could not do what a job asked for");
    CallError::Unavailable("the queue cannot be reached just now".into())
}

fn refused(e: ClientError) -> CallError {
    match e {
        ClientError::Broker(BrokerError::Invalid(text)) => CallError::Invalid(text),
        ClientError::Broker(BrokerError::Duplicate(_)) => CallError::Limit(e.to_string()),
        // It may have room later.
        ClientError::Broker(BrokerError::QueueFull { .. }) => CallError::Unavailable(e.to_string()),
        ClientError::Broker(e) => unavailable(&e),
        ClientError::TooLarge(_) => CallError::Limit(e.to_string()),
        e => CallError::Invalid(e.to_string()),
    }
}
