//! A host for runs that no queue stands behind: `lovage run`, and `describe`.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use lovage_queue::job::Checkpoint;

use super::{Access, CallError, Host, Reply, Request};

/// Keeps a checkpoint in memory, drops progress, and enqueues nothing.
#[derive(Debug, Default)]
pub struct NoHost {
    saved: Mutex<Option<Checkpoint>>,
}

#[async_trait]
impl Host for NoHost {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        match request {
            Request::Access(Access::Http(_) | Access::Tcp(_)) => Err(CallError::Denied(
                "this run has no worker behind it, so it cannot reach other hosts".into(),
            )),
            Request::Access(Access::Bucket(_)) => Err(CallError::Denied(
                "this run has no broker behind it, so it has no buckets".into(),
            )),
            Request::Access(Access::Sql(_)) => Err(CallError::Denied(
                "this run has no worker behind it, so it cannot reach databases".into(),
            )),
            Request::Progress(_) => Ok(Reply::Done),
            Request::Checkpoint(checkpoint) => {
                *saved = Some(checkpoint);
                Ok(Reply::Done)
            }
            Request::Restore => Ok(Reply::Restored(saved.clone())),
            Request::Access(Access::Value(_)) => Ok(Reply::Value(None)),
            Request::Access(Access::Values) => Ok(Reply::Values(Vec::new())),
            Request::Enqueue(_) | Request::EnqueueFlow(_) | Request::EnqueuePage(_) => {
                Err(CallError::Denied(
                    "this run has no queue behind it, so it cannot enqueue jobs".into(),
                ))
            }
        }
    }
}
