//! `lovage:task/jobs`: a task that enqueues further jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use lovage_queue::job::{Checkpoint, JobId, MAX_OPEN, MAX_PRIORITY, page_of};
use lovage_queue::task::{TaskName, check_lane, check_name};
use serde::{Deserialize, Serialize};

use super::{CallError, Reply, Request, State, mismatch, too_large, types};
use crate::engine::bindings::lovage::task::jobs::{Host, NewFlow, NewJob, NewPage};
use crate::engine::limits::Limits;
use crate::engine::outcome::bytes;

/// Headers a job may carry.
const HEADERS: usize = 64;
/// Bytes of them together.
const HEADER_BYTES: usize = 16 * 1024;
/// Jobs that an attempt may enqueue in all.
pub(crate) const CHILDREN: u64 = 10_000;
/// Flows that an attempt may make.
pub(crate) const FLOWS: u64 = 100;
/// Bytes of a child's key.
const KEY: usize = 256;

/// A job that a task enqueues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildJob {
    /// Its module's name.
    pub module: String,
    /// Its task's name within the module.
    pub task: String,
    /// A MessagePack map of the arguments by name.
    #[serde(with = "serde_bytes")]
    pub input: Vec<u8>,
    /// What the author calls it among its parent's children.
    pub key: Option<String>,
    /// Its place among all that the attempt enqueued, from 0.
    pub ordinal: u64,
    /// The queue it goes to.
    pub queue: Option<String>,
    /// Its lane.
    pub lane: Option<String>,
    /// 0 to 9, 9 first.
    pub priority: Option<u8>,
    /// How long it waits before it becomes available.
    pub delay: Option<Duration>,
    /// Runs in all, the first included.
    pub max_attempts: Option<u32>,
    /// What its task sees beside its arguments.
    pub headers: BTreeMap<String, String>,
    /// Whether it is made at once, and not when its parent completes.
    pub at_once: bool,
}

impl ChildJob {
    /// The id it has as a child of `parent`: the same in every attempt of the
    /// parent, so that a retry makes no second child.
    pub fn id(&self, parent: JobId) -> JobId {
        // The prefix keeps an author's key "3" and the fourth call apart.
        match &self.key {
            Some(key) => JobId::child(parent, &format!("key:{key}")),
            None => JobId::child(parent, &format!("ordinal:{}", self.ordinal)),
        }
    }

    /// Checks what can be checked without a broker. The engine does so before
    /// it asks; a host that does not trust its engine does so again.
    pub fn check(&self, max_input: usize) -> Result<(), CallError> {
        let invalid = |error: &dyn std::fmt::Display| CallError::Invalid(error.to_string());
        check_name(&self.module, "module").map_err(|error| invalid(&error))?;
        check_name(&self.task, "task").map_err(|error| invalid(&error))?;
        if let Some(queue) = &self.queue {
            check_name(queue, "queue").map_err(|error| invalid(&error))?;
        }
        if let Some(lane) = &self.lane {
            check_lane(lane).map_err(|error| invalid(&error))?;
        }
        if let Some(priority) = self.priority.filter(|priority| *priority > MAX_PRIORITY) {
            let text = format!("a priority is 0 to {MAX_PRIORITY}, not {priority}");
            return Err(CallError::Invalid(text));
        }
        if self.max_attempts == Some(0) {
            return Err(CallError::Invalid("a job has at least 1 attempt".into()));
        }
        if self.key.as_ref().is_some_and(|key| key.len() > KEY) {
            return Err(CallError::Limit(format!("a key takes at most {KEY} bytes")));
        }
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len()).sum();
        if self.headers.len() > HEADERS || headers > HEADER_BYTES {
            let size = bytes(HEADER_BYTES as u64);
            let text = format!("a job has at most {HEADERS} headers of {size} together");
            return Err(CallError::Limit(text));
        }
        if self.input.len() > max_input {
            return Err(too_large("an input", self.input.len(), max_input));
        }
        Ok(())
    }

    fn read(job: NewJob, ordinal: u64) -> Result<Self, CallError> {
        let name: TaskName = job
            .task
            .parse()
            .map_err(|error: lovage_queue::task::NameError| {
                CallError::Invalid(error.to_string())
            })?;
        Ok(ChildJob {
            module: name.module,
            task: name.task,
            input: job.input,
            key: job.key,
            ordinal,
            queue: job.queue,
            lane: job.lane,
            priority: job.priority,
            delay: job.delay_ms.map(Duration::from_millis),
            max_attempts: job.max_attempts,
            headers: job.headers.into_iter().collect(),
            at_once: job.at_once,
        })
    }
}

/// A flow that a task makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildFlow {
    /// The flow, in JSON.
    pub flow: String,
    /// What the author calls it among its parent's.
    pub key: Option<String>,
    /// Its place among all that the attempt made, from 0.
    pub ordinal: u64,
    /// Whether it begins at once, and not when its parent completes.
    pub at_once: bool,
}

impl ChildFlow {
    /// The id of one that begins at once: as a [`ChildJob`]'s.
    pub fn id(&self, parent: JobId) -> JobId {
        match &self.key {
            Some(key) => JobId::child(parent, &format!("flow-key:{key}")),
            None => JobId::child(parent, &format!("flow-ordinal:{}", self.ordinal)),
        }
    }

    /// As [`ChildJob::check`].
    pub fn check(&self, max_input: usize) -> Result<(), CallError> {
        if self.key.as_ref().is_some_and(|key| key.len() > KEY) {
            return Err(CallError::Limit(format!("a key takes at most {KEY} bytes")));
        }
        if self.flow.len() > max_input {
            return Err(too_large("a flow", self.flow.len(), max_input));
        }
        Ok(())
    }
}

/// A page of jobs that a source makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildPage {
    /// The jobs.
    pub jobs: Vec<ChildJob>,
    /// Where the next page begins.
    pub cursor: Checkpoint,
    /// How many jobs of all its pages may be there that have not ended.
    pub open: u32,
}

impl ChildPage {
    /// As [`ChildJob::check`].
    pub fn check(&self, limits: &Limits) -> Result<(), CallError> {
        if !(2..=MAX_OPEN).contains(&self.open) {
            let text = format!(
                "a source may have 2 to {MAX_OPEN} jobs open, and not {}",
                self.open
            );
            return Err(CallError::Invalid(text));
        }
        let most = limits.jobs.min(page_of(self.open) as usize);
        if self.jobs.len() > most {
            let text = format!(
                "a page of {} jobs is larger than {most}: at most {} in a call, and half of the {} that may be open",
                self.jobs.len(),
                limits.jobs,
                self.open
            );
            return Err(CallError::Limit(text));
        }
        if self.cursor.state.len() > limits.checkpoint {
            let size = self.cursor.state.len();
            return Err(too_large("a cursor", size, limits.checkpoint));
        }
        if self.jobs.iter().any(|job| job.at_once) {
            let text = "the jobs of a page are made with it, and not at once";
            return Err(CallError::Invalid(text.into()));
        }
        self.jobs.iter().try_for_each(|job| job.check(limits.input))
    }
}

/// Why a run that makes a page makes nothing else.
const PAGE_ALONE: &str = "a run that makes a page makes one, and enqueues no other jobs and flows";

impl Host for State {
    async fn enqueue_page(&mut self, page: NewPage) -> Result<(), types::CallError> {
        if self.paged || self.children > 0 || self.flows > 0 {
            return Err(CallError::Invalid(PAGE_ALONE.into()).into());
        }
        let jobs = page.jobs.into_iter().zip(0..);
        let jobs = jobs.map(|(job, at)| ChildJob::read(job, at));
        let page = ChildPage {
            jobs: jobs.collect::<Result<_, _>>()?,
            cursor: Checkpoint {
                digest: self.context.digest,
                state: page.cursor,
            },
            open: page.open,
        };
        page.check(&self.limits)?;
        match self.ask(Request::EnqueuePage(page)).await? {
            Reply::Done => {
                self.paged = true;
                Ok(())
            }
            _ => Err(mismatch().into()),
        }
    }

    async fn enqueue_flow(&mut self, flow: NewFlow) -> Result<String, types::CallError> {
        if self.paged {
            return Err(CallError::Invalid(PAGE_ALONE.into()).into());
        }
        if self.flows >= FLOWS {
            let text = format!("an attempt makes at most {FLOWS} flows");
            return Err(CallError::Limit(text).into());
        }
        let flow = ChildFlow {
            flow: flow.flow,
            key: flow.key,
            ordinal: self.flows,
            at_once: flow.at_once,
        };
        flow.check(self.limits.input)?;
        // Used up as a child's place is.
        self.flows += 1;
        match self.ask(Request::EnqueueFlow(flow)).await? {
            Reply::Enqueued(ids) if ids.len() == 1 => Ok(ids[0].to_string()),
            _ => Err(mismatch().into()),
        }
    }

    async fn enqueue(&mut self, jobs: Vec<NewJob>) -> Result<Vec<String>, types::CallError> {
        if self.paged {
            return Err(CallError::Invalid(PAGE_ALONE.into()).into());
        }
        let most = self.limits.jobs;
        if jobs.len() > most {
            let text = format!("{} jobs in one call are more than {most}", jobs.len());
            return Err(CallError::Limit(text).into());
        }
        let count = jobs.len();
        if self.children + count as u64 > CHILDREN {
            let text = format!("an attempt enqueues at most {CHILDREN} jobs");
            return Err(CallError::Limit(text).into());
        }
        let mut children = Vec::with_capacity(count);
        for (at, job) in (self.children..).zip(jobs) {
            let child = ChildJob::read(job, at)?;
            child.check(self.limits.input)?;
            children.push(child);
        }
        // Used up even where the call fails and may have been carried out all
        // the same: what the task asks next may be another thing, and it is
        // worse to lose a job than to run it twice.
        self.children += count as u64;
        match self.ask(Request::Enqueue(children)).await? {
            Reply::Enqueued(ids) if ids.len() == count => {
                Ok(ids.iter().map(JobId::to_string).collect())
            }
            _ => Err(mismatch().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_queue::job::Partition;

    fn child() -> ChildJob {
        ChildJob {
            module: "images".into(),
            task: "thumbnail".into(),
            input: vec![0x80],
            key: None,
            ordinal: 3,
            queue: None,
            lane: None,
            priority: None,
            delay: None,
            max_attempts: None,
            headers: BTreeMap::new(),
            at_once: false,
        }
    }

    #[test]
    fn a_childs_id_is_the_same_in_every_attempt() {
        let parent = JobId::new(Partition(1));
        assert_eq!(child().id(parent), child().id(parent));
        let keyed = ChildJob {
            key: Some("3".into()),
            ..child()
        };
        assert_ne!(keyed.id(parent), child().id(parent));
    }

    #[test]
    fn a_page_is_at_most_half_of_what_may_be_open() {
        let page = |jobs: usize, open: u32| ChildPage {
            jobs: vec![child(); jobs],
            cursor: Checkpoint {
                digest: lovage_queue::registry::Digest([0; 32]),
                state: vec![0; 8],
            },
            open,
        };
        let limits = Limits::default();
        for (jobs, open) in [(0, 2), (1, 2), (1, 3), (500, 1_000), (1_000, MAX_OPEN)] {
            assert_eq!(page(jobs, open).check(&limits), Ok(()), "{jobs} of {open}");
        }
        for (jobs, open) in [(2, 3), (501, 1_000), (1_001, MAX_OPEN)] {
            let refused = page(jobs, open).check(&limits);
            assert!(matches!(refused, Err(CallError::Limit(_))), "{refused:?}");
        }
        for open in [0, 1, MAX_OPEN + 1] {
            let refused = page(0, open).check(&limits);
            assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
        }
        let small = Limits {
            checkpoint: 7,
            ..Limits::default()
        };
        let refused = page(1, 2).check(&small);
        assert!(matches!(refused, Err(CallError::Limit(_))), "{refused:?}");
        let mut hasty = page(1, 2);
        hasty.jobs[0].at_once = true;
        let refused = hasty.check(&limits);
        assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(child().check(16), Ok(()));
        assert!(matches!(child().check(0), Err(CallError::Limit(_))));
        let wrong = [
            ChildJob {
                module: "Bad".into(),
                ..child()
            },
            ChildJob {
                queue: Some("a b".into()),
                ..child()
            },
            ChildJob {
                lane: Some("\0".into()),
                ..child()
            },
            ChildJob {
                priority: Some(10),
                ..child()
            },
            ChildJob {
                max_attempts: Some(0),
                ..child()
            },
        ];
        for job in wrong {
            assert!(
                matches!(job.check(16), Err(CallError::Invalid(_))),
                "{job:?}"
            );
        }
    }
}
