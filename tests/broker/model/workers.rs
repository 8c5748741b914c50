//! What workers do: claim, live and die.

use std::time::Duration;

use lovage_queue::broker::{BrokerError, Claim, Claimed, Heartbeat};
use lovage_queue::clock::Millis;
use lovage_queue::job::WorkerId;

use super::operations::{QUEUES, WORKERS};
use super::rules::Job;
use super::run::{Case, Check, MANY, alike, failed};
use crate::broker::harness::secs;

/// No multiple of what passes, so that it never runs out just now.
const LEASE: Duration = Duration::from_millis(10_007);

/// A worker, which takes a new identity when it has died.
pub(super) struct Worker {
    id: WorkerId,
    /// Of its last claim, with what that was answered.
    number: u64,
    last: Vec<(usize, u32)>,
    max: u32,
    lease: Option<Millis>,
}

impl Worker {
    pub(super) fn new() -> Self {
        Worker {
            id: WorkerId::random(),
            number: 0,
            last: Vec::new(),
            max: 0,
            lease: None,
        }
    }
}

impl Case<'_> {
    fn wish(&self, worker: usize) -> Claim {
        let worker = &self.workers[worker];
        Claim {
            partition: self.partition,
            worker: worker.id,
            number: worker.number,
            queues: QUEUES.map(|queue| (queue.to_owned(), worker.max)).into(),
            max: worker.max,
            lease: LEASE,
            crowded: Vec::new(),
        }
    }

    /// How many jobs were claimed.
    pub(super) async fn claim(&mut self, worker: usize, max: u32) -> Check<usize> {
        self.workers[worker].number += 1;
        self.workers[worker].max = max;
        let claimed = self.bench.claim(&self.wish(worker)).await.map_err(failed)?;
        self.workers[worker].lease = Some(self.model.now.after(LEASE));
        let jobs: Vec<_> = claimed
            .iter()
            .filter_map(|it| self.model.find(it.id))
            .collect();
        self.say(format!("worker {worker} claims {max}: {jobs:?}"));
        if claimed.len() > max as usize {
            return Err(format!("{} jobs where {max} were asked for", claimed.len()));
        }
        let before = self.model.clone();
        for it in &claimed {
            self.started(worker, it)?;
        }
        self.check_order(&before, &jobs)?;
        let last = |n: &usize| (*n, self.model.jobs[*n].delivery());
        self.workers[worker].last = jobs.iter().map(last).collect();
        self.accept_expired().await?;
        Ok(claimed.len())
    }

    fn started(&mut self, worker: usize, it: &Claimed) -> Check {
        let n = self.model.find(it.id).ok_or("a job that nobody enqueued")?;
        let id = self.workers[worker].id;
        self.model
            .start(n, id)
            .map_err(|why| format!("job #{n} began, and {why}"))?;
        let job = &self.model.jobs[n];
        alike("the delivery", it.delivery, job.delivery())?;
        alike("the start", it.started, self.model.now)?;
        alike("the queue", it.queue.as_str(), &job.call.queue)?;
        alike("the tenant", it.tenant.as_str(), self.tenant)?;
        it.job.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    pub(super) async fn repeat(&mut self, worker: usize) -> Check {
        if self.workers[worker].number == 0 {
            return Ok(());
        }
        self.say(format!("worker {worker} repeats its claim"));
        let claimed = self.bench.claim(&self.wish(worker)).await.map_err(failed)?;
        self.workers[worker].lease = Some(self.model.now.after(LEASE));
        let id = self.workers[worker].id;
        let holds = |(n, delivery): &&(usize, u32)| {
            let job = &self.model.jobs[*n];
            job.worker() == Some(id) && job.delivery() == *delivery
        };
        let held = self.workers[worker].last.iter().filter(holds);
        let mut expected: Vec<_> = held
            .map(|(n, delivery)| (self.model.jobs[*n].call.id, *delivery))
            .collect();
        let mut answer: Vec<_> = claimed.iter().map(|it| (it.id, it.delivery)).collect();
        expected.sort();
        answer.sort();
        alike("the repeated claim", answer, expected)
    }

    /// Claims until nothing more may start: then nothing is there that may.
    pub(super) async fn drain(&mut self, worker: usize) -> Check {
        let (mut empty, mut passed) = (0, Duration::ZERO);
        while empty < 3 {
            if self.claim(worker, 5).await? > 0 {
                empty = 0;
                continue;
            }
            empty += 1;
            // What waits for a place looks again within a second.
            match self.promote().await? {
                Some(wait) if wait <= secs(1) && passed < secs(4) => {
                    let wait = wait.max(Duration::from_millis(1));
                    self.pass(wait);
                    (empty, passed) = (0, passed + wait);
                    self.promote().await?;
                }
                _ => {}
            }
        }
        self.check_nothing_waits_in_vain()?;
        self.check_lists().await
    }

    pub(super) async fn reclaim(&mut self) -> Check {
        if self
            .workers
            .iter()
            .any(|it| it.lease == Some(self.model.now))
        {
            self.pass(Duration::from_millis(1));
        }
        let (mut workers, mut jobs, mut lost) = (0, 0, 0);
        for _ in 0..3 {
            let done = self
                .bench
                .reclaim(self.partition, MANY)
                .await
                .map_err(failed)?;
            workers += done.workers;
            jobs += done.jobs;
            lost += done.lost;
        }
        self.say(format!(
            "reclaim: {workers} workers, {jobs} jobs back, {lost} lost"
        ));
        let mut expected = (0, 0, 0);
        for n in 0..WORKERS {
            if self.workers[n]
                .lease
                .is_none_or(|until| until > self.model.now)
            {
                continue;
            }
            let (back, gone) = self.model.take_from(self.workers[n].id, true);
            expected = (expected.0 + 1, expected.1 + back, expected.2 + gone);
            let claim = self.bench.claim(&self.wish(n)).await;
            if !matches!(claim, Err(BrokerError::Dead(id)) if id == self.workers[n].id) {
                return Err(format!("worker {n} was declared dead, and claims"));
            }
            self.workers[n] = Worker::new();
        }
        alike("workers, jobs and lost", (workers, jobs, lost), expected)
    }

    pub(super) async fn retire(&mut self, worker: usize) -> Check {
        if self.workers[worker].lease.is_none() {
            return Ok(());
        }
        self.say(format!("worker {worker} retires"));
        let id = self.workers[worker].id;
        self.bench
            .retire(self.partition, id)
            .await
            .map_err(failed)?;
        self.model.take_from(id, false);
        self.workers[worker] = Worker::new();
        Ok(())
    }

    pub(super) async fn beat(&mut self, worker: usize) -> Check {
        self.say(format!("worker {worker} gives a sign of life"));
        let id = self.workers[worker].id;
        let beat = Heartbeat {
            partition: self.partition,
            worker: id,
            lease: LEASE,
            queues: QUEUES.map(str::to_owned).into(),
            compiled: Vec::new(),
            about: Vec::new(),
        };
        let told = self.bench.extend(&beat).await.map_err(failed)?.cancelled;
        let mut told: Vec<_> = told.into_iter().map(|(_, id)| id).collect();
        self.workers[worker].lease = Some(self.model.now.after(LEASE));
        let mine = |job: &&Job| job.worker() == Some(id) && job.cancelling;
        let asked = self.model.jobs.iter().filter(mine);
        let mut expected: Vec<_> = asked.map(|job| job.call.id).collect();
        told.sort();
        expected.sort();
        alike("those to stop", told, expected)
    }
}
