//! The hot path: what each job goes through. What jobs share is said once a group,
//! both ways: each argument and each answer of a script has its price.

use std::borrow::Cow;
use std::time::Duration;

use redis::Cmd;

use super::reply::Reply;
use super::{RedisBroker, id_bytes, scripts};
use crate::broker::{
    BrokerError, Claim, Claimed, Enqueued, PAGE_WAITS, Result, Settled, check_jobs,
    check_settlements, counts_as_failed, is_kept,
};
use crate::clock::{Millis, millis};
use crate::job::{Action, NewJob, Payload, Settlement, Spent, State, When, WorkerId, page_of};
use crate::record::{self, Header};
use crate::registry::Digest;

impl RedisBroker {
    pub(super) async fn add_jobs(&self, tenant: &str, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        check_jobs(tenant, jobs, self.partitions)?;
        let mut command = self.of_tenant(&scripts::ENQUEUE, tenant);
        write_batch(&mut command, jobs)?;
        let mut reply = self.list_of(&scripts::ENQUEUE, &command).await?;
        read_enqueued(&mut reply)
    }

    pub(super) async fn claim_jobs(&self, claim: &Claim) -> Result<Vec<Claimed>> {
        let mut command = self.command(&scripts::CLAIM, claim.partition);
        command
            .arg(&id_bytes(claim.worker))
            .arg(claim.number)
            .arg(claim.max)
            .arg(millis(claim.lease))
            .arg(claim.crowded.len())
            .arg(&claim.crowded);
        for (queue, share) in &claim.queues {
            command.arg(queue).arg(*share);
        }
        let mut reply = self
            .list_of_living(&scripts::CLAIM, &command, claim.worker)
            .await?;
        read_claimed(&mut reply, claim)
    }

    pub(super) async fn settle_jobs(
        &self,
        worker: WorkerId,
        settlements: &[Settlement],
    ) -> Result<Vec<Settled>> {
        let Some(first) = settlements.first() else {
            return Ok(Vec::new());
        };
        check_settlements(settlements, self.partitions)?;
        let mut command = self.command(&scripts::SETTLE, first.id.partition());
        command.arg(&id_bytes(worker));
        let alike = |a: &Settlement, b: &Settlement| {
            let plain = |it: &Settlement| it.children.is_empty() && it.flows.is_empty();
            plain(a) && plain(b) && Ending::of(a) == Ending::of(b)
        };
        for group in settlements.chunk_by(alike) {
            let children = &group[0].children;
            let mut batch = Cmd::new();
            write_batch(&mut batch, children)?;
            Ending::of(&group[0]).write(&mut command);
            let flows = &group[0].flows;
            command
                .arg(cost_of(group))
                .arg(group.len())
                .arg(batch.args_iter().count())
                .arg(flows.len());
            for it in group {
                let fuel = it.attempt.as_ref().map_or(0, |attempt| attempt.fuel);
                let mut head = [0; 28];
                head[..16].copy_from_slice(&it.id.0);
                head[16..20].copy_from_slice(&it.delivery.to_le_bytes());
                head[20..].copy_from_slice(&fuel.to_le_bytes());
                let attempt = it.attempt.as_ref().filter(|_| is_kept(&it.action));
                let entry = attempt.map(|attempt| record::encode_attempt(attempt, result(it)));
                command.arg(&head).arg(entry.unwrap_or_default());
            }
            if !children.is_empty() {
                write_batch(&mut command, children)?;
            }
            for flow in flows {
                command.arg(flow.to_string());
            }
        }
        let answer = self.bytes_of(&scripts::SETTLE, &command).await?;
        let read = |letter: u8| match letter {
            b'r' => Settled::Recorded,
            b's' => Settled::Stale,
            _ => Settled::Missing,
        };
        Ok(answer.unwrap_or_default().into_iter().map(read).collect())
    }
}

/// A batch of jobs, as `add.lua` reads it.
pub(super) fn write_batch(command: &mut Cmd, jobs: &[NewJob]) -> Result<()> {
    let calls = jobs.iter().map(|job| {
        let (version, call) =
            record::encode_new(job).map_err(|e| BrokerError::Invalid(e.to_string()))?;
        Ok((job, version, call))
    });
    let calls: Vec<(&NewJob, u8, Vec<u8>)> = calls.collect::<Result<_>>()?;
    for group in calls.chunk_by(|a, b| a.1 == b.1 && alike(a.0, b.0)) {
        let (first, version, _) = &group[0];
        let (wait, at) = match first.eta {
            When::Now => (0, 0),
            When::In(span) => (millis(span), 0),
            When::At(at) => (0, at.0),
        };
        command
            .arg(&first.queue)
            .arg(&first.lane)
            .arg(&[*version, first.priority, first.crash_limit])
            .arg(wait)
            .arg(at)
            .arg(group.len());
        for (job, _, call) in group {
            command.arg(&job.id.0).arg(call);
        }
    }
    Ok(())
}

/// The runs of jobs that share all that a group of `add.lua` says once.
fn alike(a: &NewJob, b: &NewJob) -> bool {
    a.queue == b.queue
        && a.lane == b.lane
        && a.priority == b.priority
        && a.crash_limit == b.crash_limit
        && a.eta == b.eta
}

fn read_enqueued(reply: &mut Reply) -> Result<Vec<Enqueued>> {
    let word = reply.bytes()?;
    match &word[..] {
        b"ok" => {}
        b"full" => {
            return Err(BrokerError::QueueFull {
                queue: reply.text()?,
                waiting: reply.number()?,
                depth: reply.number()?,
            });
        }
        b"duplicate" => return Err(BrokerError::Duplicate(reply.id()?)),
        _ => {
            let digest = reply.text()?;
            return Err(BrokerError::Missing(format!("blob {digest}")));
        }
    }
    let (letters, mut others) = (reply.bytes()?, reply.ids()?.into_iter());
    let read = |letter: &u8| match letter {
        b'n' => Ok(Enqueued::New),
        b'x' => Ok(Enqueued::Exists),
        _ => reply.one_more(&mut others).map(Enqueued::Instead),
    };
    letters.iter().map(read).collect()
}

fn read_claimed(reply: &mut Reply, claim: &Claim) -> Result<Vec<Claimed>> {
    let now = Millis(reply.number()?);
    let mut targets = Vec::new();
    let mut list = reply.list()?;
    while !list.is_empty() {
        targets.push(read_target(&list.bytes()?));
    }
    let mut jobs = Vec::with_capacity(claim.max as usize);
    while !reply.is_empty() {
        let (tenant, queue) = (reply.text()?, reply.text()?);
        let (charged, ids) = (Duration::from_micros(reply.number()?), reply.ids()?);
        let (places, mut records) = (reply.bytes()?, reply.list()?);
        let first = jobs.len();
        for (id, place) in ids.into_iter().zip(places.as_chunks::<2>().0) {
            let mut record = records.bytes()?;
            let header = write_claim(&mut record, claim.worker, now);
            let place = usize::from(u16::from_le_bytes(*place));
            jobs.push(Claimed {
                delivery: header.as_ref().map_or(0, |it| it.delivery),
                started: header.as_ref().map_or(now, |it| it.started),
                target: targets.get(place - 1).copied().flatten(),
                job: record::decode(&tenant, id, &record).map_err(|e| e.to_string()),
                tenant: tenant.clone(),
                id,
                queue: queue.clone(),
                charged,
            });
        }
        read_given(&mut reply.list()?, &mut jobs[first..])?;
    }
    Ok(jobs)
}

/// The nodes whose results some jobs take. One that cannot be read is left out: whoever
/// asks for it hears why.
fn read_given(given: &mut Reply, jobs: &mut [Claimed]) -> Result<()> {
    while !given.is_empty() {
        let (head, record) = (given.bytes()?, given.bytes()?);
        let (which, place, id) = given.place(&head)?;
        let job = jobs.get_mut(which.wrapping_sub(1) as usize);
        let Some(Claimed {
            tenant,
            job: Ok(job),
            ..
        }) = job
        else {
            continue;
        };
        if let Ok(node) = record::decode(tenant, id, &record) {
            job.upstream.push((place, node));
        }
    }
    Ok(())
}

fn read_target(bytes: &[u8]) -> Option<(Digest, u32)> {
    let (number, digest) = bytes.split_first_chunk::<4>()?;
    Some((Digest::from_slice(digest)?, u32::from_le_bytes(*number)))
}

/// Writes a claim into the copy of a record from before it; one from after it,
/// as a repeated claim gives, stays as it is.
fn write_claim(record: &mut [u8], worker: WorkerId, now: Millis) -> Option<Header> {
    let mut header = Header::decode(record).ok()?;
    if header.state == State::Available {
        header.state = State::Running;
        header.delivery += 1;
        header.worker = worker.0;
        header.started = now;
        record[..record::HEADER].copy_from_slice(&header.encode());
    }
    Some(header)
}

/// What a group of `settle.lua` says once.
#[derive(PartialEq)]
struct Ending<'a> {
    tenant: &'a str,
    queue: &'a str,
    action: &'static str,
    wait: Duration,
    failed: bool,
    /// The digest of the result's blob; or what is to be known of a page.
    more: Cow<'a, [u8]>,
}

impl<'a> Ending<'a> {
    fn of(it: &'a Settlement) -> Self {
        let mut more = match result(it) {
            Some(Payload::Blob { digest, .. }) => Cow::from(&digest.0[..]),
            _ => Cow::default(),
        };
        let (action, wait) = match &it.action {
            Action::Complete(_) => ("c", Duration::ZERO),
            Action::Retry(wait) => ("r", *wait),
            Action::Discard => ("d", Duration::ZERO),
            Action::Cancel => ("x", Duration::ZERO),
            Action::GiveBack(wait) => ("g", *wait),
            Action::NextPage { cursor, open } => {
                let mut page = page_of(*open).to_le_bytes().to_vec();
                page.extend(it.id.to_string().into_bytes());
                page.extend(super::packed(Some(cursor)));
                more = page.into();
                ("p", PAGE_WAITS)
            }
        };
        Ending {
            tenant: &it.tenant,
            queue: &it.queue,
            action,
            wait,
            failed: counts_as_failed(it),
            more,
        }
    }

    fn write(&self, command: &mut Cmd) {
        command
            .arg(self.tenant)
            .arg(self.queue)
            .arg(self.action)
            .arg(millis(self.wait))
            .arg(u8::from(self.failed))
            .arg(&*self.more);
    }
}

/// What a group of settlements cost, all together; nothing where nothing is known of it.
fn cost_of(group: &[Settlement]) -> Vec<u8> {
    let (mut spent, mut runs) = (Spent::default(), 0u32);
    for it in group {
        spent.cpu += it.spent.of_run(it.attempt.is_some());
        spent.charged += it.spent.charged;
        runs += u32::from(it.attempt.is_some());
    }
    if spent == Spent::default() {
        return Vec::new();
    }
    let micros = |span: Duration| span.as_micros() as u64;
    let mut cost = micros(spent.cpu).to_le_bytes().to_vec();
    cost.extend(micros(spent.charged).to_le_bytes());
    cost.extend(runs.to_le_bytes());
    cost
}

fn result(it: &Settlement) -> Option<&Payload> {
    match &it.action {
        Action::Complete(result) => Some(result),
        _ => None,
    }
}
