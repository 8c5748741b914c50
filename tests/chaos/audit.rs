//! What each job's record says, against what was planned for it.

use std::collections::HashSet;

use lovage_queue::broker::{Broker, Filter};
use lovage_queue::job::{Ending, Job, JobId, Payload, State};

use super::workload::{Kind, Planned};

/// Jobs in one read.
const PAGE: usize = 500;
/// Problems of a kind that are told.
const TOLD: usize = 10;

/// The count of a case's jobs.
#[derive(Default)]
pub(super) struct Audit {
    /// All that were accepted.
    pub(super) jobs: usize,
    /// Those that are gone, have not ended, or not as they should.
    pub(super) lost: Vec<String>,
    /// Those with more than one end.
    pub(super) twice: Vec<String>,
    /// Whatever else should not be.
    pub(super) odd: Vec<String>,
    /// Deliveries to workers that were declared dead, and so the most that can
    /// have run beyond what was planned.
    pub(super) extra: usize,
    /// Runs beyond what was planned that the jobs themselves have seen.
    pub(super) seen: usize,
    /// Deliveries that went back without a run, as from a worker whose slots
    /// are all taken.
    pub(super) given_back: usize,
}

impl Audit {
    /// Reads all jobs of a tenant.
    pub(super) async fn of(broker: &dyn Broker, tenant: &str, planned: &[Planned]) -> Self {
        let mut audit = Audit {
            jobs: planned.len(),
            ..Audit::default()
        };
        for some in planned.chunks(PAGE) {
            let ids: Vec<JobId> = some.iter().map(|it| it.job.id).collect();
            let jobs = broker.jobs(tenant, &ids).await.unwrap();
            for (planned, job) in some.iter().zip(jobs) {
                match job {
                    Some(job) => audit.one(planned, &job),
                    None => audit.lost.push(format!("{} is gone", planned.job.id)),
                }
            }
        }
        let of = |state: State| planned.iter().filter(|it| it.kind.state() == state).count();
        audit
            .counts(broker, tenant, of(State::Completed), of(State::Discarded))
            .await;
        let ids: Vec<JobId> = planned.iter().map(|it| it.job.id).collect();
        audit.lists(broker, tenant, &ids).await;
        audit
    }

    fn one(&mut self, planned: &Planned, job: &Job) {
        if let Some(recorded) = self.record(planned.kind, job) {
            self.result(planned.kind, job, recorded);
        }
    }

    /// What a job's record says of its runs; how many there were, if it ended as it
    /// should.
    pub(super) fn record(&mut self, kind: Kind, job: &Job) -> Option<usize> {
        let endings: Vec<Ending> = job.attempts.iter().map(|it| it.ending).collect();
        let told = || told(kind, job);
        if job.state != kind.state() {
            self.lost.push(told());
            return None;
        }
        let completed = endings.iter().filter(|it| **it == Ending::Completed);
        let deliveries: Vec<u32> = job.attempts.iter().map(|it| it.delivery).collect();
        if completed.count() > 1 || !deliveries.is_sorted_by(|a, b| a < b) {
            self.twice.push(told());
        } else if endings != kind.endings() {
            self.odd.push(told());
        }
        let recorded = endings.len() + job.crash as usize;
        self.extra += job.crash as usize;
        match (job.delivery as usize).checked_sub(recorded) {
            Some(unrun) => self.given_back += unrun,
            None => self
                .odd
                .push(format!("more runs than deliveries: {}", told())),
        }
        Some(recorded)
    }

    /// The result is the job's own count of its runs.
    fn result(&mut self, kind: Kind, job: &Job, recorded: usize) {
        match job.result.as_ref().and_then(Payload::inline) {
            Some(&[runs]) if (1..=recorded).contains(&usize::from(runs)) => {
                self.seen += usize::from(runs).saturating_sub(job.attempts.len());
            }
            None if job.state == State::Discarded => {}
            other => self
                .odd
                .push(format!("it saw other runs, {other:?}: {}", told(kind, job))),
        }
    }

    /// What the queues count must be what there is.
    pub(super) async fn counts(
        &mut self,
        broker: &dyn Broker,
        tenant: &str,
        completed: usize,
        discarded: usize,
    ) {
        let expected = [0, completed, discarded, 0];
        let mut counted = [0; 4];
        for it in broker.counts(tenant).await.unwrap() {
            let waiting = it.pending + it.scheduled + it.available + it.running + it.retryable;
            let numbers = [waiting, it.completed, it.discarded, it.cancelled];
            for (sum, number) in counted.iter_mut().zip(numbers) {
                *sum += number as usize;
            }
        }
        if counted != expected {
            let said = format!(
                "the queues count {counted:?} waiting, completed, discarded and cancelled, not {expected:?}"
            );
            self.odd.push(said);
        }
    }

    /// Each job stands on one list of ended ones, once, and nobody else's does.
    async fn lists(&mut self, broker: &dyn Broker, tenant: &str, ids: &[JobId]) {
        let listed = self.listed(broker, tenant, ids).await;
        for id in ids.iter().filter(|id| !listed.contains(id)) {
            self.odd.push(format!("{id} is on no list of ended jobs"));
        }
    }

    /// Those of these jobs that stand on a list of ended ones: once, and beside them
    /// nobody else.
    pub(super) async fn listed(
        &mut self,
        broker: &dyn Broker,
        tenant: &str,
        ids: &[JobId],
    ) -> HashSet<JobId> {
        let ids: HashSet<JobId> = ids.iter().copied().collect();
        let mut listed = HashSet::new();
        for state in [State::Completed, State::Discarded, State::Cancelled] {
            let mut filter = Filter::of(state, PAGE as u32);
            loop {
                let page = broker.list(tenant, &filter).await.unwrap();
                for job in &page.jobs {
                    let id = job.call.id;
                    if !ids.contains(&id) {
                        self.odd.push(format!("{id} was never enqueued"));
                    } else if !listed.insert(id) {
                        self.twice.push(format!("{id} is listed again"));
                    }
                }
                for (id, reason) in page.corrupt {
                    self.odd.push(format!("{id} cannot be read: {reason}"));
                }
                match page.next {
                    Some(next) => filter.offset = next,
                    None => break,
                }
            }
        }
        listed
    }

    /// What is wrong, in so many words.
    pub(super) fn problems(&self) -> String {
        let mut said = String::new();
        for (what, list) in [
            ("lost", &self.lost),
            ("recorded twice", &self.twice),
            ("odd", &self.odd),
        ] {
            if !list.is_empty() {
                let some: Vec<&str> = list.iter().take(TOLD).map(String::as_str).collect();
                said += &format!("{what}: {}\n  {}\n", list.len(), some.join("\n  "));
            }
        }
        said
    }
}

/// A job, in so many words.
fn told(kind: Kind, job: &Job) -> String {
    let (id, state) = (job.call.id, job.state);
    let endings: Vec<Ending> = job.attempts.iter().map(|it| it.ending).collect();
    let counters = (job.delivery, job.attempt, job.crash);
    format!("{id}, {kind:?}: {state}, (delivery, attempt, crash) {counters:?}, {endings:?}")
}
