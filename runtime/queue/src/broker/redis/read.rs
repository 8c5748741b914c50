//! Looking at jobs: by id, by state, by queue, and once they have ended.

use std::sync::Arc;
use std::time::Duration;

use super::signals::{Ends, News, Waiters};
use super::{RedisBroker, keys, scripts};
use crate::broker::{Filter, Page, QueueCounts, Result, corrupt};
use crate::clock::Millis;
use crate::job::{Job, JobId, Partition, State};
use crate::record;

impl RedisBroker {
    pub(super) async fn read_jobs(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<Option<Job>>> {
        let mut command = self.of_tenant(&scripts::JOBS, tenant);
        for id in ids {
            command.arg(&id.0);
        }
        let mut reply = self.list_of(&scripts::JOBS, &command).await?;
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            let (record, notes) = (reply.bytes()?, Notes::read(&mut reply)?);
            jobs.push(match record.is_empty() {
                true => None,
                false => whole_job(tenant, *id, &record, notes)?,
            });
        }
        Ok(jobs)
    }

    pub(super) async fn wait_for(
        &self,
        tenant: &str,
        ids: &[JobId],
        at_most: Duration,
    ) -> Result<Vec<Option<Job>>> {
        let mut told = Ends::new();
        let all_ended = async {
            let place = self.waiters().place(tenant, ids).await;
            let mut open = self.register(tenant, ids).await?;
            while !open.is_empty() {
                match place.news().await {
                    News::Ended(ended) => {
                        open.retain(|id| !ended.contains_key(id));
                        told.extend(ended.into_iter().filter(|(_, record)| !record.is_empty()));
                    }
                    News::Reconnected => open = self.register(tenant, &open).await?,
                }
            }
            Ok(())
        };
        if let Ok(ended) = tokio::time::timeout(at_most, all_ended).await {
            ended?;
        }
        self.read_rest(tenant, ids, &told).await
    }

    /// Jobs by id; those whose record was told are not asked for.
    async fn read_rest(
        &self,
        tenant: &str,
        ids: &[JobId],
        told: &Ends,
    ) -> Result<Vec<Option<Job>>> {
        let rest = ids.iter().filter(|id| !told.contains_key(*id)).copied();
        let rest: Vec<_> = rest.collect();
        let mut read = match rest.is_empty() {
            true => Vec::new(),
            false => self.read_jobs(tenant, &rest).await?,
        }
        .into_iter();
        let jobs = ids.iter().map(|id| match told.get(id) {
            // What lay beside a record went with its end.
            Some(record) => whole_job(tenant, *id, record, Notes::default()),
            None => Ok(read.next().flatten()),
        });
        jobs.collect()
    }

    /// Registers for the end of some jobs: which of them are still to end.
    async fn register(&self, tenant: &str, ids: &[JobId]) -> Result<Vec<JobId>> {
        let partition = Partition::of(tenant, self.partitions);
        let mut command = self.of_tenant(&scripts::WAIT, tenant);
        command.arg(keys::waiter_channel(partition, self.waiter));
        for id in ids {
            command.arg(&id.0);
        }
        let mut reply = self.list_of(&scripts::WAIT, &command).await?;
        let mut open = Vec::new();
        while !reply.is_empty() {
            open.push(reply.id()?);
        }
        Ok(open)
    }

    pub(super) async fn read_page(&self, tenant: &str, filter: &Filter) -> Result<Page> {
        let mut command = self.of_tenant(&scripts::LIST, tenant);
        command
            .arg(filter.state as u8)
            .arg(filter.queue.as_deref().unwrap_or_default());
        command
            .arg(filter.module.as_deref().unwrap_or_default())
            .arg(filter.limit)
            .arg(filter.offset);
        let mut reply = self.list_of(&scripts::LIST, &command).await?;
        let filter = filter.clone().at(Millis(reply.number()?));
        let mut page = Page {
            next: u64::try_from(reply.int()?).ok(),
            ..Page::default()
        };
        while !reply.is_empty() {
            let (id, record) = (reply.id()?, reply.bytes()?);
            match read_job(tenant, id, &record, Notes::read(&mut reply)?) {
                Ok(job) if filter.takes(&job) => page.jobs.push(job),
                Ok(_) => {}
                Err(reason) => page.corrupt.push((id, reason)),
            }
        }
        Ok(page)
    }

    pub(super) async fn read_counts(&self, tenant: &str) -> Result<Vec<QueueCounts>> {
        let command = self.of_tenant(&scripts::COUNTS, tenant);
        let mut reply = self.list_of(&scripts::COUNTS, &command).await?;
        let mut queues = Vec::new();
        while !reply.is_empty() {
            let mut row = reply.list()?;
            let mut counts = QueueCounts {
                queue: row.text()?,
                oldest: super::ledger::read_time(&mut row)?,
                ..QueueCounts::default()
            };
            while !row.is_empty() {
                let (state, jobs) = (row.number()?, row.int()?.max(0) as u64);
                if let Some(state) = State::from_code(state as u8) {
                    *counts.of(state) = jobs;
                }
            }
            queues.push(counts);
        }
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(queues)
    }

    fn waiters(&self) -> &Arc<Waiters> {
        self.waiters.get_or_init(|| {
            let channels = (0..self.partitions)
                .map(|p| keys::waiter_channel(Partition(p), self.waiter))
                .collect();
            Waiters::start(
                self.connection.client().clone(),
                channels,
                self.alive.subscribe(),
            )
        })
    }
}

/// What lies beside a record; empty where there is nothing.
#[derive(Default)]
struct Notes {
    progress: Vec<u8>,
    log: Vec<u8>,
}

impl Notes {
    fn read(reply: &mut super::Reply) -> Result<Self> {
        Ok(Notes {
            progress: reply.bytes()?,
            log: reply.bytes()?,
        })
    }
}

/// As [`read_job`]; what cannot be read is the broker's error.
fn whole_job(tenant: &str, id: JobId, record: &[u8], notes: Notes) -> Result<Option<Job>> {
    let job = read_job(tenant, id, record, notes);
    job.map(Some).map_err(|e| corrupt(format!("job {id}"), e))
}

/// Reads a record and what lies beside it.
fn read_job(
    tenant: &str,
    id: JobId,
    record: &[u8],
    notes: Notes,
) -> std::result::Result<Job, String> {
    let mut job = record::decode(tenant, id, record).map_err(|e| e.to_string())?;
    job.progress = rmp_serde::from_slice(&notes.progress).ok();
    job.log = (!notes.log.is_empty()).then_some(notes.log);
    Ok(job)
}
