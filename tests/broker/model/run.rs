//! Does operations to a broker and to the model, step by step.

use std::fmt::Debug;
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Cancelled, Claimed, Enqueued, Requeued, Settled};
use lovage_queue::clock::Millis;
use lovage_queue::job::{JobId, NewJob, Partition, Settlement, State, WorkerId};
use lovage_queue::limits::{Limit, Scope};
use proptest::sample::Index;

use super::operations::{End, OPEN, Operation, WORKERS, Wish};
use super::rules::Model;
use super::workers::Worker;
use crate::broker::harness::{Bench, cancel, complete, discard, fail, give_back, next_page, secs};

/// Far more than anything here takes.
pub(super) const MANY: u32 = 1_000;

/// What is wrong, if something is.
pub(super) type Check<T = ()> = Result<T, String>;

/// Both shall be alike.
pub(super) fn alike<T: PartialEq + Debug>(what: &str, broker: T, model: T) -> Check {
    match broker == model {
        true => Ok(()),
        false => Err(format!(
            "{what}: the broker says {broker:?}, the model {model:?}"
        )),
    }
}

pub(super) fn failed(error: BrokerError) -> String {
    format!("the broker failed: {error}")
}

/// One sequence of operations, on a tenant of its own.
pub(super) struct Case<'b> {
    pub(super) bench: &'b Bench,
    pub(super) tenant: &'b str,
    pub(super) model: Model,
    pub(super) partition: Partition,
    pub(super) workers: Vec<Worker>,
    begin: Millis,
    log: Vec<String>,
}

impl<'b> Case<'b> {
    pub(super) fn new(bench: &'b Bench, tenant: &'b str) -> Self {
        let model = Model::at(bench.now());
        Case {
            bench,
            tenant,
            model,
            partition: bench.partition(tenant),
            workers: (0..WORKERS).map(|_| Worker::new()).collect(),
            begin: bench.now(),
            log: Vec::new(),
        }
    }

    /// All operations, and then whatever it takes to end all jobs.
    pub(super) async fn run(mut self, operations: &[Operation]) -> Check {
        let mut outcome = Ok(());
        for operation in operations {
            outcome = self.step(operation).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = self.finish().await;
        }
        outcome.map_err(|why| format!("{}\n=> {why}", self.log.join("\n")))
    }

    async fn step(&mut self, operation: &Operation) -> Check {
        match operation {
            Operation::Enqueue(wishes) => self.enqueue(wishes).await,
            Operation::Again(job) => self.again(job).await,
            Operation::Claim(worker, max) => self.claim(*worker, *max).await.map(|_| ()),
            Operation::Repeat(worker) => self.repeat(*worker).await,
            Operation::Drain(worker) => self.drain(*worker).await,
            Operation::Settle(job, end) => self.settle(job, *end).await,
            Operation::Late(job, end) => self.late(job, *end).await,
            Operation::Cancel(jobs) => self.cancel(jobs).await,
            Operation::Requeue(jobs) => self.requeue(jobs).await,
            Operation::Delete(jobs) => self.delete(jobs).await,
            Operation::Promote => self.promote().await.map(|_| ()),
            Operation::Reclaim => self.reclaim().await,
            Operation::Retire(worker) => self.retire(*worker).await,
            Operation::Beat(worker) => self.beat(*worker).await,
            Operation::Pause(scope, paused) => self.pause(scope, *paused).await,
            Operation::Limit(scope, limit) => self.limit(scope, limit).await,
            Operation::Pass(span) => {
                self.pass(Duration::from_millis(*span));
                Ok(())
            }
        }?;
        self.check().await
    }

    /// A line of the story that a failure tells.
    pub(super) fn say(&mut self, line: impl Into<String>) {
        let since = self.model.now.since(self.begin).as_millis();
        self.log.push(format!("{since:>6} ms  {}", line.into()));
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.say(format!("{span:?} pass"));
        self.bench.pass(span);
        self.model.now = self.bench.now();
    }

    fn ids(&self, jobs: &[usize]) -> Vec<JobId> {
        jobs.iter().map(|n| self.model.jobs[*n].call.id).collect()
    }

    async fn put(&mut self, batch: &[NewJob]) -> Check {
        let answer = match self.bench.enqueue(self.tenant, batch).await {
            Ok(answer) => Ok(answer),
            Err(BrokerError::Duplicate(id)) => Err(id),
            Err(error) => return Err(failed(error)),
        };
        let count = self.model.jobs.len();
        let expected = self.model.enqueue(batch);
        for (n, job) in self.model.jobs.iter().enumerate().skip(count) {
            let call = &job.call;
            let line = format!(
                "job #{n}: {}/{:?} {}.{} priority {} crashes {} eta {:?} expiry {:?} key {:?} unique {:?}",
                call.queue,
                call.lane,
                call.module,
                call.task,
                call.priority,
                call.crash_limit,
                call.eta,
                call.expiry,
                call.key,
                call.unique
            );
            self.log.push(format!("           {line}"));
        }
        let told = |it: &Result<Vec<Enqueued>, JobId>| match it {
            Ok(answers) => format!("{answers:?}"),
            Err(holder) => format!("duplicate of {holder}"),
        };
        alike("enqueue", told(&answer), told(&expected))
    }

    async fn enqueue(&mut self, wishes: &[Wish]) -> Check {
        let new = || NewJob::new(JobId::new(self.partition), "red", "add", vec![0x80]);
        let batch: Vec<_> = wishes.iter().map(|wish| wish.fill(new())).collect();
        self.say(format!("enqueue {} jobs", batch.len()));
        self.put(&batch).await
    }

    async fn again(&mut self, job: &Index) -> Check {
        if self.model.jobs.is_empty() {
            return Ok(());
        }
        let n = job.index(self.model.jobs.len());
        if self.model.jobs[n].call.counted {
            return Ok(());
        }
        self.say(format!("enqueue #{n} again"));
        let call = self.model.jobs[n].call.clone();
        self.put(&[call]).await
    }

    fn settlement(&self, n: usize, delivery: u32, end: End) -> Settlement {
        let call = &self.model.jobs[n].call;
        let claimed = Claimed {
            tenant: self.tenant.into(),
            id: call.id,
            queue: call.queue.clone(),
            delivery,
            started: self.model.now,
            charged: Duration::ZERO,
            target: None,
            job: Err(String::new()),
        };
        match end {
            End::Complete => complete(&claimed, &[7]),
            End::Retry(wait) => fail(&claimed, secs(wait)),
            End::Discard => discard(&claimed),
            End::Cancel => cancel(&claimed),
            End::GiveBack(wait) => give_back(&claimed, secs(wait)),
            End::Page(count) => {
                let job = || {
                    let id = JobId::new(self.partition);
                    let mut job = NewJob::new(id, "red", "add", vec![0x80]);
                    job.queue.clone_from(&call.queue);
                    job.options.parent = Some(call.id);
                    NewJob {
                        counted: true,
                        ..job
                    }
                };
                let jobs: Vec<NewJob> = (0..count).map(|_| job()).collect();
                next_page(&claimed, &jobs, 1, OPEN)
            }
        }
    }

    async fn settle_as(&self, worker: WorkerId, it: Settlement) -> Check<Settled> {
        let answer = self.bench.settle(worker, &[it]).await.map_err(failed)?;
        Ok(answer[0])
    }

    async fn settle(&mut self, job: &Index, end: End) -> Check {
        let running: Vec<_> = self.model.of(State::Running).collect();
        if running.is_empty() {
            return Ok(());
        }
        let n = running[job.index(running.len())];
        self.settle_one(n, end).await
    }

    async fn settle_one(&mut self, n: usize, end: End) -> Check {
        self.say(format!("#{n} is settled: {end:?}"));
        let job = &self.model.jobs[n];
        let worker = job.worker().ok_or("it does not run")?;
        let settlement = self.settlement(n, job.delivery(), end);
        let answer = self.settle_as(worker, settlement.clone()).await?;
        self.model.settle(n, end, &settlement.children);
        alike("the settlement", answer, Settled::Recorded)?;
        let again = self.settle_as(worker, settlement).await?;
        alike("the same again", again, Settled::Recorded)
    }

    /// Settles a delivery that is over, or somebody else's.
    async fn late(&mut self, job: &Index, end: End) -> Check {
        let mut late = Vec::new();
        for (n, job) in self.model.jobs.iter().enumerate() {
            let current = job.delivery();
            for (at, worker) in job.deliveries.iter().enumerate() {
                let delivery = at as u32 + 1;
                let taken = job.taken && job.is(State::Available);
                let expected = match job.state {
                    None => Settled::Missing,
                    Some(_) if delivery < current || taken => Settled::Stale,
                    Some(_) => continue,
                };
                late.push((n, delivery, *worker, expected));
            }
            if job.is(State::Running) {
                late.push((n, current, WorkerId::random(), Settled::Stale));
            }
        }
        if late.is_empty() {
            return Ok(());
        }
        let (n, delivery, worker, expected) = late[job.index(late.len())];
        self.say(format!(
            "delivery {delivery} of #{n} is settled late: {end:?}"
        ));
        let settlement = self.settlement(n, delivery, end);
        let answer = self.settle_as(worker, settlement).await?;
        alike("the late settlement", answer, expected)
    }

    /// Jobs by number; those that have ended, where that is asked for and any
    /// have.
    fn pick(&self, jobs: &[Index], ended: bool) -> Vec<usize> {
        let all = || 0..self.model.jobs.len();
        let over = |n: &usize| self.model.jobs[*n].state.is_some_and(State::is_final);
        let mut from: Vec<_> = all().filter(|n| !ended || over(n)).collect();
        if from.is_empty() {
            from = all().collect();
        }
        let one = |it: &Index| from[it.index(from.len())];
        match from.is_empty() {
            true => Vec::new(),
            false => jobs.iter().map(one).collect(),
        }
    }

    async fn cancel(&mut self, jobs: &[Index]) -> Check {
        let jobs = self.pick(jobs, false);
        self.say(format!("cancel {jobs:?}"));
        let answer = self.bench.cancel(self.tenant, &self.ids(&jobs)).await;
        let expected: Vec<Cancelled> = jobs.iter().map(|n| self.model.cancel(Some(*n))).collect();
        alike("cancel", answer.map_err(failed)?, expected)
    }

    async fn requeue(&mut self, jobs: &[Index]) -> Check {
        let jobs = self.pick(jobs, true);
        self.say(format!("requeue {jobs:?}"));
        let answer = self.bench.requeue(self.tenant, &self.ids(&jobs)).await;
        let expected: Vec<Requeued> = jobs.iter().map(|n| self.model.requeue(*n)).collect();
        alike("requeue", answer.map_err(failed)?, expected)
    }

    async fn delete(&mut self, jobs: &[Index]) -> Check {
        let jobs = self.pick(jobs, true);
        self.say(format!("delete {jobs:?}"));
        let answer = self.bench.delete(self.tenant, &self.ids(&jobs)).await;
        let expected: Vec<bool> = jobs.iter().map(|n| self.model.delete(*n)).collect();
        alike("delete", answer.map_err(failed)?, expected)
    }

    /// Promotes all that is due; when there is more to do.
    pub(super) async fn promote(&mut self) -> Check<Option<Duration>> {
        let (mut jobs, mut next) = (0, None);
        for _ in 0..20 {
            let done = self
                .bench
                .promote(self.partition, MANY)
                .await
                .map_err(failed)?;
            (jobs, next) = (jobs + done.jobs, done.next);
            if next != Some(Duration::ZERO) {
                break;
            }
        }
        self.say(format!(
            "promote: {jobs} became available, more in {next:?}"
        ));
        self.accept_promoted(jobs, next).await?;
        Ok(next)
    }

    async fn pause(&mut self, scope: &str, paused: bool) -> Check {
        self.say(format!(
            "{} {scope}",
            if paused { "pause" } else { "resume" }
        ));
        let scope: Scope = scope.parse().expect("a scope");
        let done = self.bench.pause(self.tenant, &scope, paused).await;
        self.model.pause(&scope, paused);
        done.map_err(failed)
    }

    async fn limit(&mut self, scope: &str, limit: &Limit) -> Check {
        self.say(format!("limit {scope}: {limit:?}"));
        let scope: Scope = scope.parse().expect("a scope");
        let done = self.bench.limit(self.tenant, &scope, limit).await;
        self.model.limit(&scope, limit);
        done.map_err(failed)
    }

    /// Lets everything go on, and everything end.
    async fn finish(&mut self) -> Check {
        for scope in super::operations::SCOPES {
            self.limit(scope, &Limit::default()).await?;
            if !scope.starts_with("lanes:") {
                self.pause(scope, false).await?;
            }
        }
        for worker in 0..WORKERS {
            self.retire(worker).await?;
        }
        self.pass(secs(60));
        self.promote().await?;
        // The ends of their jobs make sources go on.
        for _ in 0..2 {
            self.drain(0).await?;
            for n in self.model.of(State::Running).collect::<Vec<_>>() {
                self.settle_one(n, End::Complete).await?;
            }
        }
        self.check().await?;
        self.check_lists().await?;
        self.check_all_have_ended()
    }
}
