//! What a task asks of its host, and what it is answered.

use async_trait::async_trait;
use lovage_queue::job::{Checkpoint, JobId, Progress};
use serde::{Deserialize, Serialize};

use super::bucket::{BucketReply, BucketRequest};
use super::jobs::{ChildFlow, ChildJob, ChildPage};
use crate::engine::bindings::lovage::task::types;
use crate::engine::outcome::bytes;
use crate::net::{HttpAnswer, HttpFailure, HttpRequest, TcpAnswer, TcpCall, TcpFailure};
use crate::sql::{SqlAnswer, SqlFailure, SqlRequest};

/// Who answers what a running task asks for. There is one of these an attempt,
/// so it knows which job asks.
///
/// A request and its answer are plain data: an engine in a child process sends
/// them over a pipe. Whoever answers checks them again, since what runs a
/// module may have been taken over by it.
#[async_trait]
pub trait Host: Send + Sync {
    /// Answers a request. It may take its time; the attempt's deadline is in
    /// force meanwhile, and the future is dropped when it passes.
    async fn call(&self, request: Request) -> Result<Reply, CallError>;
}

/// What a task asks of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How far it is. Some are left out when they come fast; answered with
    /// [`Reply::Done`].
    Progress(Progress),
    /// A state to be kept for the job's next attempt; answered with
    /// [`Reply::Done`].
    Checkpoint(Checkpoint),
    /// The state that was kept; answered with [`Reply::Restored`].
    Restore,
    /// Jobs to be enqueued, all or none; answered with [`Reply::Enqueued`].
    Enqueue(Vec<ChildJob>),
    /// A flow of jobs; answered with [`Reply::Enqueued`].
    EnqueueFlow(ChildFlow),
    /// A page of jobs, after which the job runs again; answered with [`Reply::Done`].
    EnqueuePage(ChildPage),
    /// What is of use with a grant alone.
    Access(Access),
}

/// What a module that was granted something asks of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// A value by its name; answered with [`Reply::Value`].
    Value(String),
    /// All values that the module may read; answered with [`Reply::Values`].
    Values,
    /// A request to another host; answered with [`Reply::Http`].
    Http(HttpRequest),
    /// A connection by TCP; answered with [`Reply::Tcp`].
    Tcp(TcpCall),
    /// Something to be done with a bucket; answered with [`Reply::Bucket`].
    Bucket(BucketRequest),
    /// Something of a database; answered with [`Reply::Sql`].
    Sql(SqlRequest),
}

impl Access {
    /// Bytes of what an author may make long.
    fn size(&self) -> usize {
        match self {
            Access::Value(key) => key.len(),
            Access::Values => 0,
            Access::Http(request) => request.body.len(),
            Access::Tcp(TcpCall::Send(_, bytes)) => bytes.len(),
            Access::Tcp(_) => 0,
            Access::Bucket(request) => request.size(),
            Access::Sql(request) => request.size(),
        }
    }
}

impl Request {
    /// Bytes of what an author may make long.
    pub(super) fn size(&self) -> u64 {
        let input = |job: &ChildJob| job.input.len();
        let bytes = match self {
            Request::Progress(_) | Request::Restore => 0,
            Request::Checkpoint(saved) => saved.state.len(),
            Request::Enqueue(jobs) => jobs.iter().map(input).sum(),
            Request::EnqueueFlow(flow) => flow.flow.len(),
            Request::EnqueuePage(page) => {
                page.cursor.state.len() + page.jobs.iter().map(input).sum::<usize>()
            }
            Request::Access(access) => access.size(),
        };
        bytes as u64
    }
}

/// What the host answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The state that an earlier attempt saved.
    Restored(Option<Checkpoint>),
    /// The new jobs' ids, in the order of the request; or a flow's.
    Enqueued(Vec<JobId>),
    /// The value, if there is one.
    Value(Option<Hidden>),
    /// Values by their names.
    Values(Vec<(String, Hidden)>),
    /// What the other host said, or why it did not.
    Http(Result<HttpAnswer, HttpFailure>),
    /// What came of a connection.
    Tcp(Result<TcpAnswer, TcpFailure>),
    /// What became of it.
    Bucket(BucketReply),
    /// What a database did, or why it did not.
    Sql(Result<SqlAnswer, SqlFailure>),
}

/// What may be a secret: it goes to the guest, and is formatted nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Reply {
    pub(super) fn size(&self) -> u64 {
        let bytes = match self {
            Reply::Restored(Some(saved)) => saved.state.len(),
            Reply::Value(Some(value)) => value.0.len(),
            Reply::Values(all) => all.iter().map(|(key, it)| key.len() + it.0.len()).sum(),
            Reply::Http(Ok(answer)) => answer.body.len(),
            Reply::Tcp(Ok(TcpAnswer::Received(bytes))) => bytes.len(),
            Reply::Bucket(reply) => reply.size(),
            Reply::Sql(Ok(SqlAnswer::Rows(rows))) => rows.size(),
            Reply::Restored(None)
            | Reply::Value(None)
            | Reply::Http(Err(_))
            | Reply::Tcp(_)
            | Reply::Sql(_)
            | Reply::Done
            | Reply::Enqueued(_) => 0,
        };
        bytes as u64
    }
}

/// Why the host did not do it. The texts reach the module's author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallError {
    /// The module was not granted this.
    #[error("denied: {0}")]
    Denied(String),
    /// It makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
    /// It is too large, or too often.
    #[error("past a limit: {0}")]
    Limit(String),
    /// Not just now.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<CallError> for types::CallError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Denied(text) => types::CallError::Denied(text),
            CallError::Invalid(text) => types::CallError::Invalid(text),
            CallError::Limit(text) => types::CallError::Limit(text),
            CallError::Unavailable(text) => types::CallError::Unavailable(text),
        }
    }
}

/// An answer of the wrong kind: the host is at fault, not the module.
pub(super) fn mismatch() -> CallError {
    CallError::Unavailable("the host gave an answer to another question".into())
}

pub(super) fn too_large(what: &str, size: usize, most: usize) -> CallError {
    let (size, most) = (bytes(size as u64), bytes(most as u64));
    CallError::Limit(format!("{what} of {size} is larger than {most}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::Part;

    #[test]
    fn messages_cross_a_pipe() {
        let request = Request::Progress(Progress {
            share: Some(0.5),
            message: None,
        });
        let bytes = rmp_serde::to_vec_named(&request).unwrap();
        assert_eq!(rmp_serde::from_slice::<Request>(&bytes).unwrap(), request);
        let reply = Reply::Http(Err(HttpFailure::TooLarge(Part::AnswerBody, 7)));
        let bytes = rmp_serde::to_vec_named(&reply).unwrap();
        assert_eq!(rmp_serde::from_slice::<Reply>(&bytes).unwrap(), reply);
        let request = Request::Access(Access::Http(HttpRequest {
            method: "GET".into(),
            headers: vec![("a".into(), serde_bytes::ByteBuf::from(b"\xff"))],
            patience: Some(Duration::from_millis(1500)),
            ..HttpRequest::default()
        }));
        let bytes = rmp_serde::to_vec_named(&request).unwrap();
        assert_eq!(rmp_serde::from_slice::<Request>(&bytes).unwrap(), request);
        let error = CallError::Limit("too much".into());
        let bytes = rmp_serde::to_vec_named(&error).unwrap();
        assert_eq!(rmp_serde::from_slice::<CallError>(&bytes).unwrap(), error);
        let reply = Reply::Values(vec![("key".into(), Hidden("hunter2".into()))]);
        let bytes = rmp_serde::to_vec_named(&reply).unwrap();
        assert_eq!(rmp_serde::from_slice::<Reply>(&bytes).unwrap(), reply);
        assert!(!format!("{reply:?}").contains("hunter2"));
    }
}
