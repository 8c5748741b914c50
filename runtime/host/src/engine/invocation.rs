//! What is run: one attempt's task, input, bounds and context, and the flag
//! that stops it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use lovage_queue::clock::Millis;
use lovage_queue::grant::Grants;
use lovage_queue::job::JobId;
use lovage_queue::registry::Digest;
use tokio::sync::Notify;

use super::Limits;
use super::host::log::Tap;

/// What a task may know of the job that it is run for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobContext {
    /// The job.
    pub id: JobId,
    /// Whose it is.
    pub tenant: String,
    /// Its module's name.
    pub module: String,
    /// Its task's name within the module, as the caller wrote it.
    pub task: String,
    /// The queue it was claimed from.
    pub queue: String,
    /// The digest of the module that runs.
    pub digest: Digest,
    /// 1 for the first run.
    pub attempt: u32,
    /// Runs in all, the first included.
    pub max_attempts: u32,
    /// By the broker's clock.
    pub enqueued_at: Millis,
    /// What the caller sent beside the arguments.
    pub headers: BTreeMap<String, String>,
}

impl JobContext {
    /// The context of a call that no job stands behind: `describe`, or an eager
    /// local run. Its id is all zeros, and its module is called `local`.
    pub fn local(digest: Digest, task: &str) -> Self {
        JobContext {
            id: JobId([0; 16]),
            tenant: lovage_queue::task::DEFAULT_TENANT.into(),
            module: "local".into(),
            task: task.into(),
            queue: lovage_queue::task::DEFAULT_QUEUE.into(),
            digest,
            attempt: 1,
            max_attempts: 1,
            enqueued_at: Millis::of_this_host(),
            headers: BTreeMap::new(),
        }
    }
}

/// One attempt, ready to run.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What the task may know.
    pub context: JobContext,
    /// The function of the module.
    pub task: String,
    /// A MessagePack map of the arguments by name.
    pub input: Vec<u8>,
    /// What it may use.
    pub limits: Limits,
    /// Stops it.
    pub cancel: Cancel,
    /// Shows what it writes, while it runs.
    pub log: Tap,
    /// What it may reach beside the queue.
    pub grants: Arc<Grants>,
}

impl Invocation {
    /// A call that no job stands behind, with the default limits and no grants.
    pub fn local(digest: Digest, task: &str, input: Vec<u8>) -> Self {
        Invocation {
            context: JobContext::local(digest, task),
            task: task.into(),
            input,
            limits: Limits::default(),
            cancel: Cancel::default(),
            log: Tap::default(),
            grants: Arc::default(),
        }
    }
}

const ASKED: u8 = 1;
const STOPPED: u8 = 2;

/// Asks an attempt to stop, or stops it. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    level: AtomicU8,
    changed: Notify,
}

impl Cancel {
    /// Asks: the task's own `cancelled()` answers true from now on. A task that
    /// does not look runs on.
    pub fn cancel(&self) {
        self.0.level.fetch_max(ASKED, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Stops: the attempt ends within a tick, in a host call or out of it.
    pub fn stop(&self) {
        self.0.level.fetch_max(STOPPED, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Whether somebody asked for it to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.level.load(Ordering::Acquire) >= ASKED
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.level.load(Ordering::Acquire) >= STOPPED
    }

    /// Comes back once it is stopped.
    pub async fn stopped(&self) {
        self.reached(STOPPED).await;
    }

    /// Comes back once somebody asked for it to stop.
    pub async fn asked(&self) {
        self.reached(ASKED).await;
    }

    async fn reached(&self, level: u8) {
        loop {
            // Listens first, then looks: a change in between is not missed.
            let notified = self.0.changed.notified();
            if self.0.level.load(Ordering::Acquire) >= level {
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn asking_is_not_stopping_and_stopping_wakes() {
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(cancel.is_cancelled() && !cancel.is_stopped());
        let waiting = tokio::spawn({
            let cancel = cancel.clone();
            async move { cancel.stopped().await }
        });
        tokio::task::yield_now().await;
        cancel.stop();
        waiting.await.unwrap();
        cancel.cancel();
        assert!(cancel.is_stopped(), "asking does not undo it");
    }
}
