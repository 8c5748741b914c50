//! A worker as a test plays it: it counts its claims, and settles what it holds.

use std::cell::Cell;
use std::time::Duration;

use lovage_queue::broker::{Claim, Claimed, Heartbeat, Pulse, Result, Settled};
use lovage_queue::job::{Action, Attempt, Checkpoint, Ending, JobId, NewJob, Settlement, WorkerId};
use lovage_queue::registry::Digest;
use lovage_queue::task::Failure;

use super::{Bench, TENANT};

/// A worker of the default tenant's partition, with a lease of ten seconds.
pub(crate) struct Worker<'b> {
    bench: &'b Bench,
    pub(crate) id: WorkerId,
    number: Cell<u64>,
}

impl<'b> Worker<'b> {
    pub(crate) const LEASE: Duration = Duration::from_secs(10);

    pub(crate) fn new(bench: &'b Bench) -> Self {
        Worker {
            bench,
            id: WorkerId::random(),
            number: Cell::new(0),
        }
    }

    /// The wish for up to `max` jobs of the default queue, as its next claim.
    pub(crate) fn wish(&self, max: u32) -> Claim {
        self.number.set(self.number.get() + 1);
        Claim {
            partition: self.bench.home(),
            worker: self.id,
            number: self.number.get(),
            queues: vec![("default".into(), max)],
            max,
            lease: Self::LEASE,
            crowded: Vec::new(),
        }
    }

    pub(crate) async fn claim(&self, max: u32) -> Vec<Claimed> {
        self.bench.claim(&self.wish(max)).await.unwrap()
    }

    /// The one job there is.
    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "a job was to be claimed");
        claimed.remove(0)
    }

    pub(crate) async fn claim_ids(&self, max: u32) -> Vec<JobId> {
        self.claim(max).await.iter().map(|it| it.id).collect()
    }

    /// Claims until nothing more may start: jobs that step out of the way of
    /// others may take a claim that finds nothing, and calls itself again.
    pub(crate) async fn claim_all(&self) -> Vec<Claimed> {
        let (mut all, mut empty) = (Vec::new(), 0);
        while empty < 3 {
            let claimed = self.claim(20).await;
            empty = if claimed.is_empty() { empty + 1 } else { 0 };
            all.extend(claimed);
        }
        all
    }

    /// The same, by id.
    pub(crate) async fn claim_all_ids(&self) -> Vec<JobId> {
        self.claim_all().await.iter().map(|it| it.id).collect()
    }

    pub(crate) async fn claim_from(&self, queues: &[(&str, u32)], max: u32) -> Vec<Claimed> {
        let queues = queues
            .iter()
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect();
        self.bench
            .claim(&Claim {
                queues,
                ..self.wish(max)
            })
            .await
            .unwrap()
    }

    pub(crate) async fn beat(&self) -> Result<Pulse> {
        self.beat_with(Vec::new()).await
    }

    /// Which jobs of the default tenant are to stop, in the order of their ids.
    pub(crate) async fn beat_cancels(&self) -> Vec<JobId> {
        let told = self.beat().await.unwrap().cancelled;
        let told = told.into_iter().map(|(tenant, id)| {
            assert_eq!(tenant, TENANT);
            id
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    }

    /// A heartbeat with a word on staged modules.
    pub(crate) async fn beat_with(
        &self,
        compiled: Vec<(String, Digest, Option<String>)>,
    ) -> Result<Pulse> {
        let beat = Heartbeat {
            partition: self.bench.home(),
            worker: self.id,
            lease: Self::LEASE,
            queues: vec!["default".into()],
            compiled,
            about: Vec::new(),
        };
        self.bench.extend(&beat).await
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> Settled {
        self.bench.settle(self.id, &[settlement]).await.unwrap()[0]
    }
}

/// An attempt as a worker tells of it.
pub(crate) fn attempt(claimed: &Claimed, ending: Ending) -> Attempt {
    Attempt {
        ending,
        delivery: claimed.delivery,
        worker: WorkerId(1),
        digest: Some(Digest::of(b"a module")),
        release: 3,
        started: claimed.started,
        took: Duration::from_millis(7),
        fuel: 1_000,
        peak_memory: 65_536,
        failure: (ending != Ending::Completed).then(|| Failure::new("io", "it broke")),
        log: b"a line\n".to_vec(),
    }
}

fn settlement(claimed: &Claimed, action: Action, ending: Option<Ending>) -> Settlement {
    Settlement {
        tenant: claimed.tenant.clone(),
        id: claimed.id,
        delivery: claimed.delivery,
        queue: claimed.queue.clone(),
        action,
        attempt: ending.map(|ending| attempt(claimed, ending)),
        children: Vec::new(),
        flows: Vec::new(),
        spent: lovage_queue::job::Spent::default(),
    }
}

pub(crate) fn complete(claimed: &Claimed, result: &[u8]) -> Settlement {
    settlement(
        claimed,
        Action::Complete(result.to_vec().into()),
        Some(Ending::Completed),
    )
}

/// A failed attempt, and another after this wait.
pub(crate) fn fail(claimed: &Claimed, wait: Duration) -> Settlement {
    settlement(claimed, Action::Retry(wait), Some(Ending::Failed))
}

pub(crate) fn discard(claimed: &Claimed) -> Settlement {
    settlement(claimed, Action::Discard, Some(Ending::OutOfFuel))
}

pub(crate) fn cancel(claimed: &Claimed) -> Settlement {
    settlement(claimed, Action::Cancel, Some(Ending::Cancelled))
}

pub(crate) fn give_back(claimed: &Claimed, wait: Duration) -> Settlement {
    settlement(claimed, Action::GiveBack(wait), None)
}

/// What a source saves that has come so far.
pub(crate) fn cursor(at: u8) -> Checkpoint {
    Checkpoint {
        digest: Digest::of(b"a module"),
        state: vec![at],
    }
}

/// A source has made this page, and the next one begins there.
pub(crate) fn next_page(claimed: &Claimed, jobs: &[NewJob], at: u8, open: u32) -> Settlement {
    let cursor = cursor(at);
    Settlement {
        children: jobs.to_vec(),
        ..settlement(
            claimed,
            Action::NextPage { cursor, open },
            Some(Ending::Completed),
        )
    }
}
