//! Schedules: to keep them, to look at them, and to fire them.

use std::time::Duration;

use super::{Call, Client, ClientError};
use crate::arguments::Arguments;
use crate::broker::{
    BrokerError, Declared, DueSchedule, Fire, FireOutcome, Fired, Firing, Owner, Planned, Turn,
};
use crate::clock::Millis;
use crate::job::{NewJob, When};
use crate::schedule::Schedule;
use crate::task::TaskName;

/// Schedules a call: a page stays short.
const PAGE: u32 = 500;
/// The header that names the schedule to its task.
pub const SCHEDULE: &str = "schedule";
/// The header that names the time of the fire: milliseconds since the Unix epoch.
pub const SCHEDULED_FOR: &str = "scheduled-for-ms";

impl Client {
    /// Keeps a schedule, in place of an earlier one of this name; when it fires first.
    ///
    /// # Errors
    /// A schedule that cannot be, an unknown task, an input that breaks its schema,
    /// or a name that another owner has.
    pub async fn add_schedule(&self, schedule: Schedule) -> Result<Option<Millis>, ClientError> {
        let now = self.check_schedule(&schedule).await?;
        let first = schedule.first(now);
        let declared = [Declared { schedule, first }];
        self.broker
            .declare(&self.tenant, &Owner::Operator, &declared, false)
            .await?;
        Ok(first)
    }

    /// What speaks against keeping a schedule; the broker's time otherwise.
    pub(super) async fn check_schedule(&self, schedule: &Schedule) -> Result<Millis, ClientError> {
        let now = self.broker.time(&self.tenant).await?;
        schedule.check(now)?;
        own_name(&schedule.name)?;
        self.prepare(call_of(schedule, now, now)?).await?;
        Ok(now)
    }

    /// Makes these all the schedules that an owner has. Their tasks need not be there
    /// yet.
    ///
    /// # Errors
    /// A name that another owner has, or that only a module may give.
    pub async fn declare_schedules(
        &self,
        owner: &Owner,
        schedules: Vec<Schedule>,
    ) -> Result<(), ClientError> {
        if !matches!(owner, Owner::Module(_)) {
            schedules.iter().try_for_each(|it| own_name(&it.name))?;
        }
        let now = self.broker.time(&self.tenant).await?;
        let declared = schedules.into_iter().map(|schedule| Declared {
            first: schedule.first(now),
            schedule,
        });
        let declared: Vec<_> = declared.collect();
        Ok(self
            .broker
            .declare(&self.tenant, owner, &declared, true)
            .await?)
    }

    /// All schedules, in the order of their names.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn schedules(&self) -> Result<Vec<Planned>, ClientError> {
        let mut all: Vec<Planned> = Vec::new();
        loop {
            let after = all.last().map(|it| it.schedule.name.clone());
            let page = self
                .broker
                .schedules(&self.tenant, after.as_deref(), PAGE)
                .await?;
            let is_last = page.len() < PAGE as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// One schedule and its last fires, the newest first.
    ///
    /// # Errors
    /// [`ClientError::UnknownSchedule`] where there is none.
    pub async fn schedule(&self, name: &str) -> Result<(Planned, Vec<Fired>), ClientError> {
        let known = self.broker.schedule(&self.tenant, name).await?;
        known.ok_or_else(|| ClientError::UnknownSchedule(name.to_owned()))
    }

    /// Pauses a schedule: it makes no jobs until it is resumed.
    ///
    /// # Errors
    /// [`ClientError::UnknownSchedule`] where there is none.
    pub async fn pause_schedule(&self, name: &str) -> Result<(), ClientError> {
        let found = self
            .broker
            .pause_schedule(&self.tenant, name, true, None)
            .await?;
        self.known(name, found)
    }

    /// Lets a schedule go on; its next time. What fell into the pause is not made up
    /// for.
    ///
    /// # Errors
    /// [`ClientError::UnknownSchedule`] where there is none.
    pub async fn resume_schedule(&self, name: &str) -> Result<Option<Millis>, ClientError> {
        let (planned, _) = self.schedule(name).await?;
        let next = planned
            .schedule
            .first(self.broker.time(&self.tenant).await?);
        let found = self
            .broker
            .pause_schedule(&self.tenant, name, false, next)
            .await?;
        self.known(name, found).map(|()| next)
    }

    /// Forgets a schedule and its history. Its jobs stay. One that the configuration
    /// file declares comes back with the next worker that reads it.
    ///
    /// # Errors
    /// [`ClientError::UnknownSchedule`] where there is none; one of a module's tasks,
    /// which goes with its release.
    pub async fn remove_schedule(&self, name: &str) -> Result<(), ClientError> {
        let owner = match self.schedule(name).await {
            Ok((planned, _)) => Some(planned.owner),
            // One that cannot be read may still go.
            Err(ClientError::Broker(BrokerError::Corrupt { .. })) => None,
            Err(e) => return Err(e),
        };
        if let Some(Owner::Module(module)) = owner {
            let said = format!(
                "schedule `{name}` belongs to module `{module}` and goes with its release: pause it, or push a release without it"
            );
            return Err(BrokerError::Invalid(said).into());
        }
        let found = self.broker.remove_schedule(&self.tenant, name).await?;
        self.known(name, found)
    }

    fn known(&self, name: &str, found: bool) -> Result<(), ClientError> {
        match found {
            true => Ok(()),
            false => Err(ClientError::UnknownSchedule(name.to_owned())),
        }
    }

    /// Fires a schedule now, also one that is paused; its times stay as they are. Its
    /// overlap policy holds.
    ///
    /// # Errors
    /// [`ClientError::UnknownSchedule`] where there is none; an unknown task, or an
    /// input that breaks its schema.
    pub async fn run_schedule(&self, name: &str) -> Result<FireOutcome, ClientError> {
        let (planned, _) = self.schedule(name).await?;
        let at = self.broker.time(&self.tenant).await?;
        let plain = Schedule {
            jitter: Duration::ZERO,
            ..planned.schedule
        };
        let mut call = call_of(&plain, at, at)?;
        call.key = None;
        let mut jobs = vec![self.prepare(call).await?];
        self.put_large(&mut jobs).await?;
        let fires = jobs.into_iter().map(|job| Fire {
            at,
            held: false,
            job: Ok(job),
        });
        let firing = Firing {
            tenant: self.tenant.to_string(),
            name: name.to_owned(),
            turn: None,
            fires: fires.collect(),
        };
        let outcomes = self.broker.fire(&firing).await?.unwrap_or_default();
        let unknown = || ClientError::UnknownSchedule(name.to_owned());
        outcomes.into_iter().next().ok_or_else(unknown)
    }

    /// Does what is due of a schedule, as of `now` by the broker's clock; what became
    /// of its fires, or nothing where somebody else was faster.
    ///
    /// # Errors
    /// A broker that does not answer: then it is due again.
    pub async fn fire_due(
        &self,
        due: &DueSchedule,
        now: Millis,
    ) -> Result<Option<Vec<FireOutcome>>, BrokerError> {
        let planned = &due.planned;
        let schedule = &planned.schedule;
        if !schedule.is_known() {
            let what = format!("schedule `{}`", schedule.name);
            let reason = format!(
                "this lovage knows no such time as `{}`; a newer one does",
                schedule.trigger
            );
            return Err(BrokerError::Corrupt { what, reason });
        }
        let completed = |task: &TaskName| {
            let known = due.completed.iter().find(|it| it.0 == *task);
            known.map(|it| it.1)
        };
        // With none due it only looks at what waits.
        let first = planned.due.unwrap_or(now.after(Duration::from_millis(1)));
        let plan = schedule.plan(first, now, planned.waiting, &completed);
        let held = planned.held.first().map(|at| (*at, true));
        let new = plan.fires.iter().map(|at| (*at, false));
        let mut fires = Vec::with_capacity(plan.fires.len() + 1);
        for (at, held) in held.into_iter().chain(new) {
            let job = self.job_of(schedule, at, now).await?;
            fires.push(Fire { at, held, job });
        }
        let firing = Firing {
            tenant: due.tenant.clone(),
            name: schedule.name.clone(),
            turn: Some(Turn {
                revision: planned.revision,
                looked: now,
                next: plan.next,
                waiting: plan.waiting,
                missed: plan.missed,
            }),
            fires,
        };
        self.broker.fire(&firing).await
    }

    /// The job of a fire; what speaks against it is the inner error.
    async fn job_of(
        &self,
        schedule: &Schedule,
        at: Millis,
        now: Millis,
    ) -> Result<Result<NewJob, String>, BrokerError> {
        let prepared = match call_of(schedule, at, now) {
            Ok(call) => self.prepare(call).await,
            Err(e) => Err(e),
        };
        let mut jobs = match prepared {
            Ok(job) => vec![job],
            Err(ClientError::Broker(e)) => return Err(e),
            Err(e) => return Ok(Err(e.to_string())),
        };
        match self.put_large(&mut jobs).await {
            Ok(_) => Ok(Ok(jobs.remove(0))),
            Err(ClientError::Broker(e)) => Err(e),
            Err(e) => Ok(Err(e.to_string())),
        }
    }
}

/// A name that no module may take from its owner: theirs are `module.task`.
fn own_name(name: &str) -> Result<(), BrokerError> {
    match name.contains('.') {
        true => Err(BrokerError::Invalid(format!(
            "`{name}` is a name as only modules give them: one of yours has no `.`"
        ))),
        false => Ok(()),
    }
}

/// The call that a schedule makes for one of its times, where it is `now`.
fn call_of(schedule: &Schedule, at: Millis, now: Millis) -> Result<Call, ClientError> {
    let it = &schedule.call;
    let mut call = Call::of(TaskName {
        module: it.module.clone(),
        task: it.task.clone(),
    });
    call.arguments = Arguments::decode(&it.input)?;
    call.queue.clone_from(&it.queue);
    call.lane.clone_from(&it.lane);
    call.priority = it.priority;
    let begins = schedule.begins(at);
    // Of a time that is made up for, the jitter is over, and its expiry begins now.
    if begins > now {
        call.eta = When::At(begins);
        call.expiry = it.expiry.map(|span| When::At(begins.after(span)));
    } else {
        call.expiry = it.expiry.map(When::In);
    }
    call.key = Some(schedule.idempotency(at));
    call.result_ttl = it.result_ttl;
    call.options = it.options.clone();
    let headers = &mut call.options.headers;
    headers.insert(SCHEDULE.into(), schedule.name.clone());
    headers.insert(SCHEDULED_FOR.into(), at.to_string());
    Ok(call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{ScheduledCall, Trigger};

    #[test]
    fn a_jitter_that_is_over_delays_nothing_and_an_expiry_counts_from_when_a_job_may_begin() {
        let at = Millis(1_700_000_000_000);
        let mut call = ScheduledCall::new("m", "t", vec![0x80]);
        call.expiry = Some(Duration::from_secs(5));
        let mut schedule = Schedule::new("s", Trigger::At(at), call);
        let in_five = Some(When::In(Duration::from_secs(5)));
        let plain = call_of(&schedule, at, at).unwrap();
        assert_eq!((plain.eta, plain.expiry), (When::Now, in_five));

        schedule.jitter = Duration::from_secs(3600);
        let begins = schedule.begins(at);
        assert!(begins > at.after(Duration::from_secs(1)), "it is drawn so");
        let on_time = call_of(&schedule, at, at).unwrap();
        assert_eq!(on_time.eta, When::At(begins));
        let expiry = begins.after(Duration::from_secs(5));
        assert_eq!(on_time.expiry, Some(When::At(expiry)));
        let late = call_of(&schedule, at, begins).unwrap();
        assert_eq!((late.eta, late.expiry), (When::Now, in_five));
        let headers = &late.options.headers;
        assert_eq!(
            (&*headers[SCHEDULE], &headers[SCHEDULED_FOR]),
            ("s", &at.to_string())
        );
        assert_ne!(late.key, call_of(&schedule, begins, begins).unwrap().key);
    }
}
