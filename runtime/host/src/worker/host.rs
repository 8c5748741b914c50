//! What a running job may ask for, answered by the broker.

use std::sync::Arc;

use lovage_queue::arguments::Arguments;
use lovage_queue::broker::{BrokerError, Note};
use lovage_queue::client::{Call, ClientError};
use lovage_queue::job::{JobId, JobOptions, When};
use lovage_queue::task::TaskName;

use super::session::Session;
use crate::engine::{CallError, ChildJob, Host, Reply, Request};

/// Answers one attempt.
pub(super) struct JobHost {
    pub(super) session: Arc<Session>,
    pub(super) tenant: String,
    pub(super) id: JobId,
    pub(super) delivery: u32,
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
        let client = self.session.client(&self.tenant);
        let mut jobs = Vec::with_capacity(children.len());
        for child in children {
            let id = child.id(self.id);
            let call = call(child, self.id).map_err(refused)?;
            let mut job = client.prepare(call).await.map_err(refused)?;
            job.id = id;
            jobs.push(job);
        }
        let ids = client.send(jobs).await.map_err(refused)?;
        Ok(Reply::Enqueued(ids))
    }
}

fn call(child: ChildJob, parent: JobId) -> Result<Call, ClientError> {
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
            parent: Some(parent),
            ..JobOptions::default()
        },
        ..Call::of(task)
    })
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
