//! What goes on beside the calls that are measured.

use std::time::Duration;

use lovage_queue::job::{JobId, JobOptions, NewJob};
use tokio::task::JoinHandle;

use super::rig::{Rig, own_queue};
use crate::cli::exit::Verdict;

/// How many jobs a busy worker has before it.
const BACKLOG: u64 = 5000;
/// They come in batches so small that the calls do not wait behind one.
const BATCH: u64 = 250;
/// How often the backlog is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than any measurement.
const SPIN: Duration = Duration::from_secs(24 * 3600);
/// How long the spinning guests may take to begin.
const BEGIN: Duration = Duration::from_secs(30);

/// Keeps a queue filled until it is dropped.
pub(super) struct Busy(JoinHandle<()>);

impl Busy {
    pub(super) fn start(rig: &Rig<'_>, queue: &str) -> Self {
        let (client, queue) = (rig.client.clone(), queue.to_owned());
        Busy(tokio::spawn(async move {
            loop {
                let counts = client.broker().counts(client.tenant()).await;
                let row = counts
                    .ok()
                    .and_then(|it| it.into_iter().find(|it| it.queue == queue));
                let mut waiting = row.map_or(0, |it| it.available);
                while waiting < BACKLOG {
                    let job = |_| super::rig::noop(&client, &queue);
                    let jobs: Vec<NewJob> = (0..BATCH).map(job).collect();
                    if let Err(e) = client.broker().enqueue(client.tenant(), &jobs).await {
                        // The calls will say so too.
                        tracing::warn!(error = %e, "could not keep the worker busy");
                        break;
                    }
                    waiting += BATCH;
                }
                tokio::time::sleep(LOOK).await;
            }
        }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Guests that burn the processor until they are stopped.
pub(super) struct Spinning(Vec<JobId>);

impl Spinning {
    /// As many as a worker can run while it still has room for something else.
    pub(super) fn check(rig: &Rig<'_>, count: u32) -> anyhow::Result<()> {
        let room = rig.settings().concurrency;
        if (count as usize) < room {
            return Ok(());
        }
        let text = format!(
            "`--spinning {count}` leaves nothing for the calls: the worker runs {room} jobs at once; \
             name fewer, or set `worker.concurrency`"
        );
        Err(Verdict::Usage(text).into())
    }

    /// Starts them on a worker that serves this queue, and waits until all run.
    pub(super) async fn start(rig: &Rig<'_>, queue: &str, count: u32) -> anyhow::Result<Self> {
        let spin = |_| NewJob {
            task: "spin".into(),
            options: JobOptions {
                max_attempts: Some(1),
                timeout: Some(SPIN),
                fuel: Some(u64::MAX / 2),
                ..JobOptions::default()
            },
            ..rig.noop(queue)
        };
        let ids = rig.fill(u64::from(count), |_| true, spin).await?;
        let all_run = async {
            while rig.counts(&rig.client, queue).await?.running < u64::from(count) {
                tokio::time::sleep(LOOK).await;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(BEGIN, all_run).await {
            Ok(begun) => begun?,
            Err(_) => anyhow::bail!("the spinning guests did not begin within {BEGIN:?}"),
        }
        Ok(Spinning(ids))
    }

    pub(super) async fn stop(self, rig: &Rig<'_>) -> anyhow::Result<()> {
        rig.client.cancel(&self.0).await?;
        rig.client
            .broker()
            .wait(rig.client.tenant(), &self.0, BEGIN)
            .await?;
        Ok(())
    }
}

/// The queues of a measurement with something beside it.
pub(super) struct Queues {
    pub(super) calls: String,
    pub(super) busy: String,
    pub(super) spinning: String,
}

impl Queues {
    pub(super) fn new() -> Self {
        Queues {
            calls: own_queue(),
            busy: own_queue(),
            spinning: own_queue(),
        }
    }

    pub(super) fn names(&self) -> [&str; 3] {
        [&self.calls, &self.busy, &self.spinning]
    }
}
