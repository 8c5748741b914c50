//! Schedules on Redis.

use redis::{Cmd, Value};

use super::hot::write_batch;
use super::reply::Reply;
use super::{RedisBroker, scripts};
use crate::broker::schedules::{
    Declared, Due, DueSchedule, FireOutcome, Fired, Firing, Owner, Planned, Schedules, pack,
    read_fired, read_outcome, read_times, unpack,
};
use crate::broker::{BrokerError, Result, check_declared, check_jobs, corrupt};
use crate::clock::Millis;
use crate::job::{JobId, Partition};
use crate::schedule::Overlap;

#[async_trait::async_trait]
impl Schedules for RedisBroker {
    async fn time(&self, tenant: &str) -> Result<Millis> {
        let command = self.of_tenant(&scripts::NOW, tenant);
        let value = self.run(&scripts::NOW, &command).await?;
        let mut reply = Reply::of(&scripts::NOW, value)?;
        reply.number().map(Millis)
    }

    async fn declare(
        &self,
        tenant: &str,
        owner: &Owner,
        schedules: &[Declared],
        whole: bool,
    ) -> Result<()> {
        check_declared(tenant, schedules)?;
        let mut command = self.of_tenant(&scripts::DECLARE, tenant);
        command.arg(owner.to_string()).arg(u8::from(whole));
        write_declared(&mut command, schedules);
        read_declared(&mut self.list_of(&scripts::DECLARE, &command).await?)
    }

    async fn schedules(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Planned>> {
        let mut command = self.of_tenant(&scripts::SCHEDULES, tenant);
        command.arg(after.unwrap_or_default()).arg(limit).arg("");
        let mut reply = self.list_of(&scripts::SCHEDULES, &command).await?;
        let mut schedules = Vec::new();
        while !reply.is_empty() {
            schedules.push(read_planned(&mut reply)?.map_err(unreadable)?);
        }
        Ok(schedules)
    }

    async fn schedule(&self, tenant: &str, name: &str) -> Result<Option<(Planned, Vec<Fired>)>> {
        let mut command = self.of_tenant(&scripts::SCHEDULES, tenant);
        command.arg("").arg(1).arg(name);
        let mut reply = self.list_of(&scripts::SCHEDULES, &command).await?;
        if reply.is_empty() {
            return Ok(None);
        }
        let planned = read_planned(&mut reply)?.map_err(unreadable)?;
        let mut fires = Vec::new();
        while !reply.is_empty() {
            // What a later Lovage has to say of a fire is no reason to hide the others.
            fires.extend(read_fired(&reply.bytes()?));
        }
        Ok(Some((planned, fires)))
    }

    async fn pause_schedule(
        &self,
        tenant: &str,
        name: &str,
        paused: bool,
        due: Option<Millis>,
    ) -> Result<bool> {
        let mut command = self.of_tenant(&scripts::HOLD_SCHEDULE, tenant);
        let word = if paused { "pause" } else { "resume" };
        command.arg(name).arg(word);
        write_time(&mut command, due);
        let done = self.number_of(&scripts::HOLD_SCHEDULE, &command).await?;
        Ok(done == 1)
    }

    async fn remove_schedule(&self, tenant: &str, name: &str) -> Result<bool> {
        let mut command = self.of_tenant(&scripts::HOLD_SCHEDULE, tenant);
        command.arg(name).arg("remove");
        let done = self.number_of(&scripts::HOLD_SCHEDULE, &command).await?;
        Ok(done == 1)
    }

    async fn due(&self, partition: Partition, limit: u32) -> Result<Due> {
        let mut command = self.command(&scripts::DUE, partition);
        command.arg(limit);
        let mut reply = self.list_of(&scripts::DUE, &command).await?;
        let mut due = Due {
            now: Millis(reply.number()?),
            ..Due::default()
        };
        while !reply.is_empty() {
            let (tenant, name) = (reply.text()?, reply.text()?);
            let planned = read_planned(&mut reply)?;
            let mut facts = reply.list()?;
            let mut completed = Vec::new();
            while !facts.is_empty() {
                let (task, at) = (facts.text()?, Millis(facts.number()?));
                completed.extend(task.parse().ok().zip(at.known()));
            }
            match planned {
                Ok(planned) => due.schedules.push(DueSchedule {
                    tenant,
                    planned,
                    completed,
                }),
                Err(reason) => due.unreadable.push((tenant, name, reason)),
            }
        }
        Ok(due)
    }

    async fn fire(&self, firing: &Firing) -> Result<Option<Vec<FireOutcome>>> {
        let tenant = &firing.tenant;
        let mut command = self.of_tenant(&scripts::FIRE, tenant);
        command.arg(&firing.name);
        match &firing.turn {
            None => command.arg("").arg("").arg("").arg("").arg(0),
            Some(turn) => {
                command.arg(turn.revision).arg(turn.looked.0);
                write_time(&mut command, turn.next);
                write_time(&mut command, turn.waiting);
                command.arg(turn.missed)
            }
        };
        for fire in &firing.fires {
            command.arg(fire.at.0).arg(u8::from(fire.held));
            match &fire.job {
                Ok(job) => {
                    let job = std::slice::from_ref(job);
                    check_jobs(tenant, job, self.partitions)?;
                    // A group says six things of itself, and two of its one job.
                    command.arg(8);
                    write_batch(&mut command, job)?;
                }
                Err(reason) => {
                    command.arg(1).arg(reason);
                }
            }
        }
        let value = self.run(&scripts::FIRE, &command).await?;
        if value == Value::Nil {
            return Ok(None);
        }
        let mut reply = Reply::of(&scripts::FIRE, value)?;
        let mut outcomes = Vec::with_capacity(firing.fires.len());
        while !reply.is_empty() {
            let bytes = reply.bytes()?;
            let outcome = bytes
                .split_first()
                .and_then(|(letter, rest)| read_outcome(*letter, rest));
            outcomes.push(
                outcome
                    .ok_or_else(|| super::unexpected("fire", "an outcome that cannot be read"))?,
            );
        }
        Ok(Some(outcomes))
    }
}

/// A schedule's five arguments (`timetable.lua`).
pub(super) fn write_declared(command: &mut Cmd, schedules: &[Declared]) {
    for Declared { schedule, first } in schedules {
        command.arg(&schedule.name).arg(pack(schedule));
        write_time(command, *first);
        command.arg(match schedule.overlap {
            Overlap::Allow => "a",
            Overlap::Skip => "s",
            Overlap::Queue => "q",
            Overlap::Replace => "r",
        });
        let needs = schedule.trigger.requires();
        let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
        command.arg(match needs.is_empty() {
            true => Vec::new(),
            false => rmp_serde::to_vec(&needs).expect("a vector takes all writes"),
        });
    }
}

pub(super) fn read_declared(reply: &mut Reply) -> Result<()> {
    match &reply.bytes()?[..] {
        b"ok" => Ok(()),
        _ => {
            let (name, owner) = (reply.text()?, reply.text()?);
            Err(BrokerError::Invalid(format!(
                "there is a schedule `{name}` already, of another owner ({owner}): give this one another name"
            )))
        }
    }
}

fn write_time(command: &mut Cmd, time: Option<Millis>) {
    match time {
        Some(time) => command.arg(time.0),
        None => command.arg(""),
    };
}

fn read_time(reply: &mut Reply) -> Result<Option<Millis>> {
    let text = reply.text()?;
    Ok(text.parse().ok().map(Millis))
}

/// A schedule as the scripts answer with it; the inner error says why its own words
/// cannot be read.
fn read_planned(reply: &mut Reply) -> Result<std::result::Result<Planned, String>> {
    let (spec, owner) = (reply.bytes()?, reply.text()?);
    let revision = reply.number()?;
    let (due, waiting) = (read_time(reply)?, read_time(reply)?);
    let paused = reply.text()? == "1";
    let last = <[u8; 16]>::try_from(&reply.bytes()?[..]).ok().map(JobId);
    let held = read_times(&reply.bytes()?);
    let mut count = || Ok(reply.text()?.parse().unwrap_or(0));
    let (fired, missed) = (count()?, count()?);
    let schedule = unpack(&spec).and_then(|schedule| Ok((schedule, owner.parse()?)));
    Ok(schedule.map(|(schedule, owner)| Planned {
        schedule,
        owner,
        revision,
        due,
        waiting,
        paused,
        last,
        held,
        fired,
        missed,
    }))
}

fn unreadable(reason: String) -> BrokerError {
    corrupt("a schedule".into(), reason)
}
