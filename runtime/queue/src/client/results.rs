//! Inputs that are put together from the results of others.
//!
//! Whose results they are stands in the job ([`Bind`](crate::job::Bind)); here they are read, some at a
//! time, and spliced. So what a callback of 100,000 results costs is their bytes, and
//! what is read of the broker at once is bounded.

use std::ops::Range;

use super::{Client, ClientError, splice};
use crate::broker::BrokerError;
use crate::job::{From, Job, JobId, Payload, Seat, State, WithoutNode};

/// Nodes whose ids are asked for at once.
const IDS: u32 = 1_000;
/// Jobs that are read at once: each comes with its input, its result and its logs.
const JOBS: usize = 200;
/// Failures that a handler is told of.
const FAILURES: usize = 100;
/// Cancelled jobs that are read to find those that were not cancelled with their flow.
const CANCELLED: usize = 5_000;

/// Why results could not be put together.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BoundError {
    /// The broker did not answer as it should: it may do so later.
    #[error(transparent)]
    Broker(BrokerError),
    /// A node has no result.
    #[error(transparent)]
    Upstream(Box<NoResult>),
    /// They are too many bytes.
    #[error("the results that it takes have more than {0} bytes together")]
    TooLarge(usize),
    /// One of them cannot be read, or is gone.
    #[error("{0}")]
    Corrupt(String),
}

/// A node without a result.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no result of {}: {why}", self.who())]
pub struct NoResult {
    /// Its place in the flow.
    pub node: u32,
    /// Its job, and that job's task, where that is still there.
    pub job: Option<(JobId, String)>,
    /// What became of it.
    pub why: String,
}

impl NoResult {
    fn who(&self) -> String {
        match &self.job {
            Some((id, task)) => format!("`{task}` (job {id})"),
            None => format!("node {} of the flow", self.node),
        }
    }
}

impl BoundError {
    /// The kind of failure that it is for the job that was to take the results; `None`
    /// where that job may find its broker well again later.
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            BoundError::Broker(_) => None,
            BoundError::Upstream(_) => Some("upstream"),
            BoundError::TooLarge(_) => Some("input-too-large"),
            BoundError::Corrupt(_) => Some("corrupt-result"),
        }
    }
}

impl std::convert::From<BrokerError> for BoundError {
    fn from(e: BrokerError) -> Self {
        match e {
            BrokerError::Corrupt { .. } => BoundError::Corrupt(e.to_string()),
            other => BoundError::Broker(other),
        }
    }
}

/// A node that ended otherwise than completed, and not with its flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedNode {
    /// Its place in the flow.
    pub node: u32,
    /// Its job.
    pub id: JobId,
    /// `module.task`
    pub task: String,
    /// The kind of its failure, or the name of its last attempt's ending.
    pub kind: String,
    /// One line for a person.
    pub message: String,
}

impl Client {
    /// A job's input, with those of its arguments that are results of other nodes of its
    /// flow; at most so many bytes.
    ///
    /// # Errors
    /// See [`BoundError`]: [`BoundError::kind`] tells what is of the job from what is of
    /// the broker.
    pub async fn bound_input(
        &self,
        job: &Job,
        input: Vec<u8>,
        most: usize,
    ) -> Result<Vec<u8>, BoundError> {
        let binds = &job.call.options.binds;
        if binds.is_empty() {
            return Ok(input);
        }
        let Some(seat) = job.call.seat else {
            let said = "it takes results, and is of no flow";
            return Err(BoundError::Corrupt(said.into()));
        };
        let mut entries = Vec::with_capacity(binds.len());
        let mut left = most.checked_sub(input.len());
        for bind in binds {
            let room = left.ok_or(BoundError::TooLarge(most))?;
            let whole = Assembly::new(self, seat.flow, room, &job.upstream);
            let value = whole.put_together(&bind.from).await;
            let value = value.map_err(|e| match e {
                BoundError::TooLarge(_) => BoundError::TooLarge(most),
                other => other,
            })?;
            left = room.checked_sub(value.len() + bind.argument.len());
            entries.push((&*bind.argument, value));
        }
        let whole = splice::extend(&input, &entries);
        whole.ok_or_else(|| BoundError::Corrupt("its input is no map of arguments".into()))
    }

    /// The results of these nodes as one value, in MessagePack: at most so many bytes. A
    /// node that ended otherwise than completed is there by its default.
    ///
    /// # Errors
    /// See [`BoundError`].
    pub async fn assemble(
        &self,
        flow: JobId,
        from: &From,
        most: usize,
    ) -> Result<Vec<u8>, BoundError> {
        let whole = Assembly {
            again: false,
            ..Assembly::new(self, flow, most, &[])
        };
        whole.put_together(from).await
    }

    /// Those of these nodes that failed, at most [`FAILURES`] of them. Each range is a
    /// first node and how many.
    pub(super) async fn failed_nodes(
        &self,
        flow: JobId,
        ranges: &[(u32, u32)],
    ) -> Result<Vec<FailedNode>, BrokerError> {
        let (mut failed, mut looks) = (Vec::new(), CANCELLED);
        for (first, count) in ranges {
            for (first, count) in windows(*first..first.saturating_add(*count)) {
                let nodes = self.broker.flow_nodes(&self.tenant, flow, first, count);
                let mut ended = Vec::new();
                for (node, (id, state)) in (first..).zip(nodes.await?) {
                    match state {
                        Some(State::Discarded) => ended.push((node, id)),
                        Some(State::Cancelled) if looks > 0 => {
                            looks -= 1;
                            ended.push((node, id));
                        }
                        _ => {}
                    }
                }
                for some in ended.chunks(JOBS) {
                    let ids: Vec<JobId> = some.iter().map(|it| it.1).collect();
                    let jobs = self.broker.jobs(&self.tenant, &ids).await?;
                    let jobs = some.iter().zip(jobs).filter_map(|it| Some((it.0.0, it.1?)));
                    failed.extend(jobs.filter_map(|(node, job)| failure(node, &job)));
                    if failed.len() >= FAILURES {
                        failed.truncate(FAILURES);
                        return Ok(failed);
                    }
                }
            }
        }
        Ok(failed)
    }
}

/// What a node's failure was, if it failed.
fn failure(node: u32, job: &Job) -> Option<FailedNode> {
    // A cancelled one that says so was cancelled with its flow.
    let failed = match job.state {
        State::Discarded => true,
        State::Cancelled => !job.with_flow,
        _ => false,
    };
    // What has a default counts as completed: its flow may well have.
    let goes_on = |seat: Seat| seat.without == WithoutNode::GoesOn;
    let failed = failed && !job.call.seat.is_some_and(goes_on);
    let last = job.attempts.last();
    let said = last.and_then(|it| it.failure.as_ref());
    let kind = match (said, last) {
        (Some(failure), _) => failure.kind.clone(),
        (None, Some(attempt)) => attempt.ending.to_string(),
        (None, None) => job.state.to_string(),
    };
    failed.then(|| FailedNode {
        node,
        id: job.call.id,
        task: task_of(job),
        kind,
        message: said.map_or_else(String::new, |it| it.message.clone()),
    })
}

fn task_of(job: &Job) -> String {
    format!("{}.{}", job.call.module, job.call.task)
}

/// What a value is put together from, in order.
enum Piece {
    /// A list of so many values, which follow.
    List(u32),
    /// The results of these nodes, one after the other.
    Nodes(Range<u32>),
    /// What failed among these.
    Failures(Vec<(u32, u32)>),
}

fn gather(from: &From, pieces: &mut Vec<Piece>) {
    match from {
        From::Node(node) => pieces.push(Piece::Nodes(*node..node.saturating_add(1))),
        From::Nodes { first, count } => {
            pieces.push(Piece::List(*count));
            pieces.push(Piece::Nodes(*first..first.saturating_add(*count)));
        }
        From::List(all) => {
            pieces.push(Piece::List(all.len() as u32));
            all.iter().for_each(|it| gather(it, pieces));
        }
        From::Failures(ranges) => pieces.push(Piece::Failures(ranges.clone())),
    }
}

/// Pieces that are read at once.
#[derive(Default)]
struct Page {
    parts: Vec<Part>,
    nodes: usize,
}

enum Part {
    List(u32),
    Node(u32),
}

/// Places as few stretches of at most [`IDS`], each a first one and how many. What lies
/// between two places costs less than to ask again.
fn stretches(mut places: Vec<u32>) -> Vec<(u32, u32)> {
    places.sort_unstable();
    let mut all: Vec<(u32, u32)> = Vec::new();
    for place in places {
        match all.last_mut() {
            Some((first, count)) if place - *first < IDS => *count = place - *first + 1,
            _ => all.push((place, 1)),
        }
    }
    all
}

/// A range in stretches of at most [`IDS`].
fn windows(range: Range<u32>) -> impl Iterator<Item = (u32, u32)> {
    let end = range.end;
    range
        .step_by(IDS as usize)
        .map(move |first| (first, IDS.min(end - first)))
}

/// A value that is being put together.
struct Assembly<'a> {
    client: &'a Client,
    flow: JobId,
    most: usize,
    /// Whether a default counts also where its node has been requeued: who waited for
    /// that one has been freed before.
    again: bool,
    /// Nodes that are at hand.
    known: &'a [(u32, Job)],
    out: Vec<u8>,
}

impl<'a> Assembly<'a> {
    fn new(client: &'a Client, flow: JobId, most: usize, known: &'a [(u32, Job)]) -> Self {
        Assembly {
            client,
            flow,
            most,
            again: true,
            known,
            out: Vec::new(),
        }
    }

    async fn put_together(mut self, from: &From) -> Result<Vec<u8>, BoundError> {
        let mut pieces = Vec::new();
        gather(from, &mut pieces);
        let mut page = Page::default();
        for piece in pieces {
            match piece {
                Piece::List(length) => page.parts.push(Part::List(length)),
                Piece::Nodes(nodes) => {
                    for node in nodes {
                        page.parts.push(Part::Node(node));
                        page.nodes += 1;
                        if page.nodes == JOBS {
                            self.add(std::mem::take(&mut page)).await?;
                        }
                    }
                }
                Piece::Failures(nodes) => {
                    self.add(std::mem::take(&mut page)).await?;
                    self.add_failures(nodes).await?;
                }
            }
        }
        self.add(page).await?;
        Ok(self.out)
    }

    async fn add(&mut self, page: Page) -> Result<(), BoundError> {
        let mut jobs = self.read(&page.parts).await?.into_iter();
        for part in page.parts {
            match part {
                Part::List(length) => splice::array(&mut self.out, length),
                Part::Node(node) => {
                    let job = jobs.next().flatten();
                    self.add_result(node, job).await?;
                }
            }
            self.hold(0)?;
        }
        Ok(())
    }

    /// The jobs of the nodes among these, in their order.
    async fn read(&self, parts: &[Part]) -> Result<Vec<Option<Job>>, BoundError> {
        let places = parts.iter().filter_map(|it| match it {
            Part::Node(node) => Some(*node),
            Part::List(_) => None,
        });
        let places: Vec<u32> = places.collect();
        let at_hand = |node: &u32| self.known.iter().find(|it| it.0 == *node);
        let asked = places.iter().filter(|it| at_hand(it).is_none()).copied();
        let mut jobs = self.ask(asked.collect()).await?.into_iter();
        let job = |node: &u32| match at_hand(node) {
            Some((_, job)) => Some(job.clone()),
            None => jobs.next().flatten(),
        };
        Ok(places.iter().map(job).collect())
    }

    /// The same of those that are not at hand, by their places.
    async fn ask(&self, places: Vec<u32>) -> Result<Vec<Option<Job>>, BoundError> {
        let (broker, tenant) = (&self.client.broker, &self.client.tenant);
        let mut ids = std::collections::HashMap::new();
        for (first, count) in stretches(places.clone()) {
            let nodes = broker.flow_nodes(tenant, self.flow, first, count).await?;
            ids.extend((first..).zip(nodes).map(|(node, (id, _))| (node, id)));
        }
        let known: Vec<JobId> = places
            .iter()
            .filter_map(|it| ids.get(it).copied())
            .collect();
        if known.is_empty() {
            return Ok(vec![None; places.len()]);
        }
        let mut jobs = broker.jobs(tenant, &known).await?.into_iter();
        let job = |node: &u32| match ids.contains_key(node) {
            true => jobs.next().flatten(),
            false => None,
        };
        Ok(places.iter().map(job).collect())
    }

    async fn add_result(&mut self, node: u32, job: Option<Job>) -> Result<(), BoundError> {
        let without = |job, why: String| {
            let no = NoResult { node, job, why };
            BoundError::Upstream(Box::new(no))
        };
        let Some(job) = job else {
            return Err(without(None, "its job is not kept any more".into()));
        };
        let who = (job.call.id, task_of(&job));
        let result = match (job.state, job.result, job.call.options.default) {
            (State::Completed, Some(result), _) => result,
            (State::Completed, None, _) => {
                return Err(BoundError::Corrupt(format!(
                    "job {} completed without a result",
                    who.0
                )));
            }
            (state, _, Some(default)) if self.again || state.is_final() => {
                Payload::Inline(default.into_vec())
            }
            (state, ..) => {
                let last = job.attempts.last();
                let why = match last.and_then(|it| it.failure.as_ref()) {
                    Some(it) if state.is_final() => format!("it was {state}: {}", it.message),
                    _ => format!("it is {state}"),
                };
                return Err(without(Some(who), why));
            }
        };
        self.hold(result.size())?;
        let fetched;
        let bytes = match &result {
            Payload::Inline(bytes) => bytes,
            Payload::Blob { .. } => {
                fetched = self.fetch(&result, who.0).await?;
                &fetched
            }
        };
        if !splice::is_one_value(bytes) {
            let (id, task) = who;
            let said = format!("the result of `{task}` (job {id}) is no MessagePack");
            return Err(BoundError::Corrupt(said));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    async fn fetch(&self, result: &Payload, id: JobId) -> Result<Vec<u8>, BoundError> {
        match self.client.bytes(result).await {
            Ok(bytes) => Ok(bytes),
            Err(ClientError::Broker(BrokerError::Missing(what))) => {
                let said = format!("the result of job {id} is gone: {what} does not exist");
                Err(BoundError::Corrupt(said))
            }
            Err(ClientError::Broker(e)) => Err(e.into()),
            Err(e) => Err(BoundError::Corrupt(e.to_string())),
        }
    }

    async fn add_failures(&mut self, ranges: Vec<(u32, u32)>) -> Result<(), BoundError> {
        let failed = self.client.failed_nodes(self.flow, &ranges).await?;
        splice::array(&mut self.out, failed.len() as u32);
        failed.iter().for_each(|it| tell(&mut self.out, it));
        self.hold(0)
    }

    /// Whether there is room for so many bytes more.
    fn hold(&self, more: u64) -> Result<(), BoundError> {
        match self.out.len() as u64 + more <= self.most as u64 {
            true => Ok(()),
            false => Err(BoundError::TooLarge(self.most)),
        }
    }
}

/// What a handler is told of a failure.
fn tell(out: &mut Vec<u8>, failed: &FailedNode) {
    let id = failed.id.to_string();
    let fields = [
        ("id", &id),
        ("task", &failed.task),
        ("kind", &failed.kind),
        ("message", &failed.message),
    ];
    splice::map(out, fields.len() as u32);
    for (name, value) in fields {
        splice::text(out, name);
        splice::text(out, value);
    }
}

#[cfg(test)]
mod tests;
