//! `lovage:task/context`: the job that is running, and what it says of itself.

use std::time::{Duration, Instant};

use lovage_queue::clock;
use lovage_queue::job::{Checkpoint, Progress};

use super::{CallError, Reply, Request, State, mismatch, too_large, types};
use crate::engine::bindings::lovage::task::context::{Host, Job, Saved};
use crate::engine::outcome::cut;

/// Progress that comes sooner after the last than this is left out.
const PROGRESS: Duration = Duration::from_millis(100);
/// Bytes kept of a progress message.
pub(crate) const MESSAGE: usize = 1024;

impl Host for State {
    fn current(&mut self) -> Job {
        let context = &self.context;
        Job {
            id: context.id.to_string(),
            tenant: context.tenant.clone(),
            module: context.module.clone(),
            task: context.task.clone(),
            queue: context.queue.clone(),
            digest: context.digest.to_string(),
            attempt: context.attempt,
            max_attempts: context.max_attempts,
            enqueued_at_ms: context.enqueued_at.0,
            headers: context.headers.clone().into_iter().collect(),
        }
    }

    fn remaining_ms(&mut self) -> u64 {
        clock::millis(self.remaining())
    }

    fn cancelled(&mut self) -> bool {
        State::cancelled(self)
    }

    async fn progress(
        &mut self,
        share: Option<f64>,
        message: Option<String>,
    ) -> Result<(), types::CallError> {
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            let text = "a share of progress lies between 0 and 1";
            return Err(CallError::Invalid(text.into()).into());
        }
        let now = Instant::now();
        let soon = |at: Instant| now.duration_since(at) < PROGRESS;
        // The end of the work is told even when it comes at once; but only
        // once, or a task could flood its host with it.
        let done = share == Some(1.0) && !std::mem::replace(&mut self.done, share == Some(1.0));
        if self.progress_at.is_some_and(soon) && !done {
            return Ok(());
        }
        self.progress_at = Some(now);
        let message = message.map(|message| cut(&message, MESSAGE).to_owned());
        // Does not count as a call: its rate is bounded already, and a long
        // task must not lose its progress.
        let request = Request::Progress(Progress { share, message });
        match self.host.call(request).await? {
            Reply::Done => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    async fn checkpoint(&mut self, state: Vec<u8>) -> Result<(), types::CallError> {
        if state.len() > self.limits.checkpoint {
            return Err(too_large("a checkpoint", state.len(), self.limits.checkpoint).into());
        }
        let digest = self.context.digest;
        match self
            .ask(Request::Checkpoint(Checkpoint { digest, state }))
            .await?
        {
            Reply::Done => Ok(()),
            _ => Err(mismatch().into()),
        }
    }

    async fn restore(&mut self) -> Result<Option<Saved>, types::CallError> {
        match self.ask(Request::Restore).await? {
            Reply::Restored(saved) => Ok(saved.map(|saved| Saved {
                digest: saved.digest.to_string(),
                state: saved.state,
            })),
            _ => Err(mismatch().into()),
        }
    }
}
