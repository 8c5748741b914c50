//! Compares the broker with the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lovage_queue::broker::Filter;
use lovage_queue::job::{self, JobId, State};
use lovage_queue::limits::Scope;

use super::rules::{Job, Model};
use super::run::{Case, Check, alike};

impl Case<'_> {
    async fn jobs(&self) -> Check<Vec<Option<job::Job>>> {
        let ids: Vec<JobId> = self.model.jobs.iter().map(|job| job.call.id).collect();
        let jobs = self.bench.jobs(self.tenant, &ids).await;
        jobs.map_err(|error| format!("the jobs cannot be read: {error}"))
    }

    /// Every job, every count, every limit.
    pub(super) async fn check(&self) -> Check {
        let jobs = self.jobs().await?;
        for (n, (found, job)) in jobs.iter().zip(&self.model.jobs).enumerate() {
            check_job(found.as_ref(), job).map_err(|why| format!("job #{n}: {why}"))?;
        }
        let counts = self.bench.counts(self.tenant).await;
        let found: BTreeMap<_, _> = counts
            .map_err(|error| error.to_string())?
            .into_iter()
            .map(|it| (it.queue.clone(), it))
            .collect();
        for mut expected in self.model.counts() {
            // The jobs' own word on since when they wait.
            let waits =
                |it: &&job::Job| it.state == State::Available && it.call.queue == expected.queue;
            let waiting = jobs.iter().flatten().filter(waits);
            expected.oldest = waiting.map(|it| it.available).min();
            let none = lovage_queue::broker::QueueCounts {
                queue: expected.queue.clone(),
                ..Default::default()
            };
            let found = found.get(&expected.queue).cloned().unwrap_or(none);
            alike("the counts", found, expected)?;
        }
        self.check_limits().await
    }

    async fn check_limits(&self) -> Check {
        let limits = self.bench.limits(self.tenant).await;
        let limits = limits.map_err(|error| error.to_string())?;
        let scopes: Vec<_> = limits.iter().map(|it| it.scope.clone()).collect();
        let model = &self.model;
        let expected: BTreeSet<_> = model.limits.keys().chain(&model.paused).cloned().collect();
        alike("what is limited", scopes, expected.into_iter().collect())?;
        for it in limits {
            let scope = &it.scope;
            let limit = model.limits.get(scope).copied().unwrap_or_default();
            alike(&format!("the limit of {scope}"), it.limit, limit)?;
            let paused = model.paused.contains(scope);
            alike(&format!("the pause of {scope}"), it.paused, paused)?;
            if limit.concurrency.is_some() && !matches!(scope, Scope::Lanes(_)) {
                let running = model.running(scope);
                alike(&format!("what runs of {scope}"), it.running, running)?;
            }
        }
        Ok(())
    }

    /// Each state's list has the jobs of that state.
    pub(super) async fn check_lists(&self) -> Check {
        for state in State::ALL {
            let page = self
                .bench
                .list(self.tenant, &Filter::of(*state, 1_000))
                .await;
            let page = page.map_err(|error| error.to_string())?;
            let found: BTreeSet<_> = page.jobs.iter().map(|job| job.call.id).collect();
            alike("the length of a list", page.jobs.len(), found.len())?;
            let of = |n: usize| self.model.jobs[n].call.id;
            let expected = self.model.of(*state).map(of).collect();
            alike(
                &format!("the list of those that are {state}"),
                found,
                expected,
            )?;
        }
        Ok(())
    }

    /// A claim cancels those that have expired and that it comes across.
    pub(super) async fn accept_expired(&mut self) -> Check {
        let jobs = self.jobs().await?;
        for (n, found) in jobs.iter().enumerate() {
            let job = &self.model.jobs[n];
            let expired = job.is(State::Available) && job.is_expired(self.model.now);
            let cancelled = found
                .as_ref()
                .is_some_and(|it| it.state == State::Cancelled);
            if expired && cancelled {
                self.model.end(n, State::Cancelled);
            }
        }
        Ok(())
    }

    /// A promotion makes available what is due, cancels what has expired, and
    /// says when there is more to do.
    pub(super) async fn accept_promoted(&mut self, count: u32, next: Option<Duration>) -> Check {
        let jobs = self.jobs().await?;
        let now = self.model.now;
        let mut promoted = 0;
        for (n, found) in jobs.iter().enumerate() {
            let job = &self.model.jobs[n];
            let Some(found) = found.as_ref().map(|it| it.state) else {
                continue;
            };
            let delayed = job.is(State::Scheduled) || job.is(State::Retryable);
            let due = delayed && job.due <= now;
            if job.is_expired(now) {
                // Whether one that somebody had is looked at now, is open.
                if found == State::Cancelled {
                    self.model.end(n, State::Cancelled);
                    continue;
                } else if job.delivery() == 0 {
                    return Err(format!("job #{n} has expired, and is {found}"));
                }
            }
            if due {
                alike(&format!("job #{n}, which is due"), found, State::Available)?;
                self.model.jobs[n].state = Some(State::Available);
                promoted += 1;
            }
        }
        alike("how many became available", count, promoted)?;
        let first = self.model.jobs.iter().filter_map(next_of).min();
        let first = first.map(|at| at.since(now));
        if first.is_some_and(|first| next.is_none_or(|next| next > first)) {
            return Err(format!("there is more to do in {first:?}"));
        }
        Ok(())
    }

    /// Of one lane and priority, the job that waits longest goes first.
    pub(super) fn check_order(&self, before: &Model, claimed: &[usize]) -> Check {
        let lane = |n: usize| {
            let call = &before.jobs[n].call;
            (&call.queue, &call.lane, call.priority)
        };
        for late in claimed.iter().filter(|n| before.jobs[**n].fresh) {
            if before.jobs[*late].call.lane.is_empty() && before.stepped_aside {
                continue;
            }
            let passed = (0..*late).find(|n| {
                let job = &before.jobs[*n];
                job.fresh
                    && job.is(State::Available)
                    && lane(*n) == lane(*late)
                    && !job.is_expired(before.now)
                    && !claimed.contains(n)
            });
            if let Some(passed) = passed {
                return Err(format!("job #{late} began before #{passed} of its lane"));
            }
        }
        Ok(())
    }

    /// Nothing is left that nothing keeps from being started.
    pub(super) fn check_nothing_waits_in_vain(&self) -> Check {
        let model = &self.model;
        let free = |n: usize| model.may_surely_start(n);
        // A lane with a key waits as a whole behind any of its jobs.
        let alone = |n: usize| {
            let call = &model.jobs[n].call;
            call.lane.is_empty()
                || model.of(State::Available).all(|other| {
                    let it = &model.jobs[other].call;
                    (&it.queue, &it.lane) != (&call.queue, &call.lane) || free(other)
                })
        };
        match model.of(State::Available).find(|n| free(*n) && alone(*n)) {
            None => Ok(()),
            Some(n) => Err(format!(
                "job #{n} waits in vain: it may start, and is not claimed"
            )),
        }
    }

    pub(super) fn check_all_have_ended(&self) -> Check {
        let jobs = self.model.jobs.iter().enumerate();
        let left = |job: &Job| job.state.is_some_and(|state| !state.is_final());
        let left: Vec<_> = jobs.filter(|(_, job)| left(job)).map(|(n, _)| n).collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("jobs {left:?} are lost")),
        }
    }
}

/// When something happens to a job by itself.
fn next_of(job: &Job) -> Option<lovage_queue::clock::Millis> {
    let delayed = job.is(State::Scheduled) || job.is(State::Retryable);
    let due = delayed.then_some(job.due);
    let untouched = job.attempt == Some(0) && job.delivery() == 0;
    let expires = (delayed || job.is(State::Available)) && untouched;
    due.into_iter().chain(job.expiry.filter(|_| expires)).min()
}

fn check_job(found: Option<&job::Job>, job: &Job) -> Check {
    alike("its state", found.map(|it| it.state), job.state)?;
    let Some(found) = found else {
        return Ok(());
    };
    let ended = found.state.is_final();
    alike("its delivery", found.delivery, job.delivery())?;
    if let Some(attempt) = job.attempt {
        alike("its failed attempts", found.attempt, attempt)?;
    }
    alike("its crashes", found.crash, job.crash)?;
    alike("when it was enqueued", found.enqueued, job.enqueued)?;
    alike("when it ended", found.finished, job.finished)?;
    if !ended {
        alike("whether it is to stop", found.cancelling, job.cancelling)?;
    }
    if job.is(State::Running) {
        alike("its worker", found.worker, job.worker())?;
    }
    if job.is(State::Scheduled) && job.paged {
        alike("its place in its lane", found.available, job.enqueued)?;
    } else if job.is(State::Scheduled) || job.is(State::Retryable) {
        alike("when it is due", found.available, job.due)?;
    }
    let has_result = found.result.is_some();
    alike("its result", has_result, job.is(State::Completed))?;
    // The attempts of workers burn fuel, the broker's own entries none.
    let told = found.attempts.iter().filter(|it| it.fuel > 0);
    let told: Vec<_> = told.map(|it| it.delivery).collect();
    alike("its attempts", told, job.told.clone())
}
