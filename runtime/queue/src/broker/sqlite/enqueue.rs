//! Adding jobs.

use rusqlite::params;

use super::db::time;
use super::fault::{Done, Fault};
use super::lanes::{End, Rank};
use super::sql::sql;
use super::step::Step;
use super::{blobs, tenants, terms};
use crate::broker::{BrokerError, Enqueued, Result};
use crate::clock::Millis;
use crate::job::{JobId, JobOptions, NewJob, Payload, State};
use crate::record::{self, Header};

/// A job with its call encoded, which is done before the writer is troubled.
pub(super) struct Ready {
    /// All but the call.
    head: NewJob,
    version: u8,
    call: Vec<u8>,
}

impl Ready {
    /// Encodes.
    pub(super) fn new(job: &NewJob) -> Result<Self> {
        let (version, call) = record::encode_call(job)
            .map_err(|error| BrokerError::Invalid(format!("job {}: {error}", job.id)))?;
        let input = match &job.input {
            Payload::Inline(_) => Payload::default(),
            blob => blob.clone(),
        };
        let options = JobOptions {
            parent: job.options.parent,
            ..JobOptions::default()
        };
        let head = NewJob {
            queue: job.queue.clone(),
            lane: job.lane.clone(),
            priority: job.priority,
            crash_limit: job.crash_limit,
            eta: job.eta,
            expiry: job.expiry,
            key: job.key,
            unique: job.unique,
            counted: job.counted,
            options,
            ..NewJob::new(job.id, "", "", input)
        };
        Ok(Ready {
            head,
            version,
            call,
        })
    }

    pub(super) fn id(&self) -> JobId {
        self.head.id
    }

    /// How many bytes its record will have.
    pub(super) fn size(&self) -> u64 {
        (record::HEADER + self.call.len()) as u64
    }

    /// Whether it has terms: most have none, and need not be judged by them.
    fn has_terms(&self) -> bool {
        self.version > 1
    }
}

/// Adds them in their order, each at the end of its lane.
pub(super) fn enqueue(step: &mut Step<'_>, tenant: &str, jobs: &[Ready]) -> Done<Vec<Enqueued>> {
    tenants::check_new(step, tenant)?;
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        let enqueued = match job.has_terms() {
            true => judge(step, tenant, job)?,
            false => None,
        };
        done.push(match enqueued {
            Some(other) => other,
            None => add(step, tenant, job, false)?,
        });
    }
    if step.kinds(tenant)?.queue {
        check_depths(step, tenant, jobs, &done)?;
    }
    let new = jobs.iter().zip(&done).filter(|it| *it.1 == Enqueued::New);
    let sizes = new.map(|(job, _)| job.size());
    let (count, bytes) = sizes.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it));
    tenants::check_quota(step, tenant, count, bytes)?;
    Ok(done)
}

/// Adds the children of a job that completes, each that can be: they are part of what
/// was accepted with it, so a full queue takes them too.
pub(super) fn add_children(step: &mut Step<'_>, tenant: &str, jobs: &[Ready]) -> Done<()> {
    for job in jobs {
        let held_off = match job.has_terms() {
            true => match judge(step, tenant, job) {
                Err(Fault::Broker(BrokerError::Duplicate(_))) => continue,
                judged => judged?,
            },
            false => None,
        };
        if held_off.is_none() {
            add(step, tenant, job, true)?;
        }
    }
    Ok(())
}

/// What a job's terms have against it.
fn judge(step: &mut Step<'_>, tenant: &str, job: &Ready) -> Done<Option<Enqueued>> {
    let head = &job.head;
    let key = params![tenant, head.id.0];
    if step
        .db
        .one(sql!("prune", "head_of"), key, |_| Ok(()))?
        .is_some()
    {
        return Ok(Some(Enqueued::Exists));
    }
    let other = terms::judge(step, tenant, head.key, head.unique)?;
    Ok(other.map(Enqueued::Instead))
}

/// `lenient` where its input may be missing: then it is discarded when it runs.
fn add(step: &mut Step<'_>, tenant: &str, job: &Ready, lenient: bool) -> Done<Enqueued> {
    let head = &job.head;
    let record = record::encode(head, job.version, &job.call, step.now);
    let available = head.eta.from(step.now).max(step.now);
    let state = if available == step.now {
        State::Available
    } else {
        State::Scheduled
    };
    let row = params![
        tenant,
        head.id.0,
        head.queue,
        state as u8,
        time(available),
        record
    ];
    if step.db.run(sql!("enqueue", "insert"), row)? == 0 {
        return Ok(Enqueued::Exists);
    }
    let n = step.db.last_insert();
    if job.has_terms() {
        let expiry = head.expiry.map(|expiry| expiry.from(step.now));
        terms::agree(step, tenant, n, (head.key, head.unique), expiry)?;
        if let Some(source) = head.options.parent.filter(|_| head.counted) {
            step.sources.count(tenant, source, 1);
        }
    }
    if let Some(digest) = head.input.blob()
        && !blobs::refer(step, tenant, n, digest)?
        && !lenient
    {
        return Err(BrokerError::Missing(format!("blob {digest}")).into());
    }
    if state == State::Available {
        let lane = step.lane_for(tenant, &record, &head.lane)?;
        let rank = Rank::new(available, head.priority);
        step.push(End::Back, [tenant, &head.queue, &lane], rank, n)?;
    } else {
        step.delay(n, available)?;
    }
    step.count(tenant, &head.queue, None, Some(state));
    step.store(tenant, record.len() as i64);
    Ok(Enqueued::New)
}

/// Adds a node of a flow, which waits for others; its row. How much waits in its queue
/// does not matter: it was accepted with the flow.
pub(super) fn add_pending(step: &mut Step<'_>, tenant: &str, job: &Ready) -> Done<i64> {
    let head = &job.head;
    let invalid = |said: String| BrokerError::Invalid(format!("node {}: {said}", head.id));
    let mut record = record::encode(head, job.version, &job.call, step.now);
    let mut header = Header::decode(&record).map_err(|error| invalid(error.to_string()))?;
    (header.state, header.available) = (State::Pending, Millis(0));
    record[..record::HEADER].copy_from_slice(&header.encode());
    let row = params![
        tenant,
        head.id.0,
        head.queue,
        State::Pending as u8,
        time(step.now),
        record
    ];
    if step.db.run(sql!("enqueue", "insert"), row)? == 0 {
        return Err(invalid("there is another job of this id".into()).into());
    }
    let n = step.db.last_insert();
    if let Some(digest) = head.input.blob()
        && !blobs::refer(step, tenant, n, digest)?
    {
        return Err(BrokerError::Missing(format!("blob {digest}")).into());
    }
    step.count(tenant, &head.queue, None, Some(State::Pending));
    step.store(tenant, record.len() as i64);
    Ok(n)
}

/// Only queues with a depth pay for it. What the batch did is undone where it is
/// too much.
fn check_depths(step: &mut Step<'_>, tenant: &str, jobs: &[Ready], done: &[Enqueued]) -> Done<()> {
    let mut queues: Vec<(&str, u64)> = Vec::new();
    let new = jobs.iter().zip(done).filter(|it| *it.1 == Enqueued::New);
    for (job, _) in new {
        let queue = job.head.queue.as_str();
        match queues.iter_mut().find(|it| it.0 == queue) {
            Some(known) => known.1 += 1,
            None => queues.push((queue, 1)),
        }
    }
    for (queue, more) in queues {
        let Some(depth) = step.limit_of_queue(tenant, queue)?.depth.map(u64::from) else {
            continue;
        };
        // The tallies of this step are written at its end.
        let waiting: Option<i64> =
            step.db
                .one(sql!("enqueue", "waiting"), [tenant, queue], |row| {
                    row.get(0)
                })?;
        let waiting = waiting.unwrap_or(0).cast_unsigned();
        if waiting + more > depth {
            let queue = queue.to_owned();
            return Err(BrokerError::QueueFull {
                queue,
                waiting,
                depth,
            }
            .into());
        }
    }
    Ok(())
}
