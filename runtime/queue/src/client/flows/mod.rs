//! Flows: to run them, to look at them, and to let them go on.
//!
//! # Layout
//! - this file: what is done with a flow
//! - `check`: its calls against their tasks; `types`: results against the arguments that
//!   they are to be
//! - `about`: what is kept of how it was written; `tree`: what people are shown of it

mod about;
mod check;
mod tree;
mod types;

use std::time::Duration;

pub use self::check::Mismatch;
pub(super) use self::check::{check_bounds, takes_argument};
pub use self::tree::{Branch, FlowTree, Leaf, Many, Part};

use self::about::About;
use self::check::Modules;
use super::{Client, ClientError, FailedNode, TRACEPARENT};
use crate::broker::{BrokerError, FlowNode, FlowState, FlowStatus, MAX_NODES_ADDED, NewFlow};
use crate::flow::{Flow, Node, Plan};
use crate::job::{DEFAULT_PRIORITY, JobId, NewJob, Seat, When};
use crate::task::DEFAULT_QUEUE;

/// A flow that was checked, and whose jobs have their ids: it may be sent again after an
/// error, and is there once.
pub struct PreparedFlow {
    flow: NewFlow,
    plan: Plan,
    jobs: Vec<JobId>,
    /// Whether its id derives from a key: then it may be there already, from somebody else.
    is_keyed: bool,
    modules: Modules,
    line: Option<Line>,
    /// What its jobs carry of a trace, and the part of it that ends with this.
    traceparent: Option<String>,
    _enqueueing: Option<Box<dyn Send + Sync>>,
}

/// Whose child a flow is.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The job that makes it.
    pub parent: JobId,
    /// The first job of the line.
    pub root: JobId,
    /// How many jobs there are between its calls and nobody.
    pub depth: u32,
}

impl PreparedFlow {
    /// The flow's id.
    pub fn id(&self) -> JobId {
        self.flow.id
    }

    /// The same as a job's child; with an id, it has that one, and its jobs' ids follow from
    /// it.
    pub fn child_of(mut self, line: Line, id: Option<JobId>) -> Self {
        self.line = Some(line);
        match id {
            Some(id) => self.with_id(id),
            None => self,
        }
    }

    fn with_id(mut self, id: JobId) -> Self {
        self.flow.id = id;
        let jobs = (0..self.jobs.len()).map(|place| JobId::child(id, &place.to_string()));
        self.jobs = jobs.collect();
        self
    }

    /// The same, with jobs that carry this of a trace, where their calls say nothing else.
    pub fn carrying(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent.or(self.traceparent);
        self
    }

    /// How many calls it has.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether it has none: it never is.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

impl Client {
    /// Runs a flow; its id.
    ///
    /// # Errors
    /// A flow that cannot be, an unknown task, arguments that break its schema, a result
    /// that cannot be an argument, each with the path of the step; a broker that refuses.
    pub async fn run_flow(&self, flow: &Flow) -> Result<JobId, ClientError> {
        let prepared = self.prepare_flow(flow).await?;
        self.send_flow(&prepared).await
    }

    /// Checks a flow, and gives it and its jobs their ids.
    ///
    /// # Errors
    /// As [`run_flow`](Client::run_flow).
    pub async fn prepare_flow(&self, flow: &Flow) -> Result<PreparedFlow, ClientError> {
        flow.check_name()?;
        let plan = Plan::of(&flow.step, &flow.on_failure)?;
        let modules = self.modules_of(&plan).await?;
        check::calls(&plan, &modules)?;
        let partition = self.partition();
        let mut prepared = PreparedFlow {
            flow: NewFlow {
                id: JobId::new(partition),
                name: flow.name.clone(),
                nodes: plan.nodes.len() as u32,
                keep: flow.keep,
                about: Vec::new(),
            },
            jobs: plan.nodes.iter().map(|_| JobId::new(partition)).collect(),
            is_keyed: flow.key.is_some(),
            plan,
            modules,
            line: None,
            traceparent: None,
            _enqueueing: None,
        };
        if let Some(key) = &flow.key {
            prepared = prepared.with_id(JobId::keyed(partition, &self.tenant, key));
        }
        let digest = prepared.is_keyed.then(|| prepared.digest());
        let about = About {
            digest,
            ..About::of(&prepared.plan)
        };
        prepared.flow.about = about.pack()?;
        let tracer = self.tracer.as_ref();
        let traced = tracer.and_then(|it| it.enqueueing("flow", "", prepared.len()));
        (prepared.traceparent, prepared._enqueueing) =
            traced.map(|it| (it.traceparent, it.span)).unzip();
        Ok(prepared)
    }

    /// Makes a flow's jobs, some at a time, and lets it begin; its id. After an error it
    /// may be called again.
    ///
    /// # Errors
    /// A broker that refuses.
    pub async fn send_flow(&self, prepared: &PreparedFlow) -> Result<JobId, ClientError> {
        let id = prepared.id();
        let sent = match self.build_flow(prepared).await {
            Ok(()) => self.broker.start_flow(&self.tenant, id).await,
            Err(ClientError::Broker(e)) => Err(e),
            Err(e) => return Err(e),
        };
        match sent {
            // Its start may have been a call ago, whose answer was lost.
            Err(e @ (BrokerError::Missing(_) | BrokerError::Invalid(_))) => {
                let there = self.broker.flow(&self.tenant, id).await?;
                match there.is_some_and(|it| it.state != FlowState::Building) {
                    true => Ok(id),
                    false => Err(e.into()),
                }
            }
            other => Ok(other.map(|()| id)?),
        }
    }

    /// Makes a flow's jobs, some at a time: it is whole then, and has not begun. After an
    /// error it may be called again.
    ///
    /// # Errors
    /// A broker that refuses.
    pub async fn build_flow(&self, prepared: &PreparedFlow) -> Result<(), ClientError> {
        let flow = &prepared.flow;
        self.broker.begin_flow(&self.tenant, flow).await?;
        if prepared.is_keyed && self.has_begun(flow).await? {
            return Ok(());
        }
        let nodes = prepared.plan.nodes.chunks(MAX_NODES_ADDED);
        for (n, some) in nodes.enumerate() {
            let first = n * MAX_NODES_ADDED;
            let mut jobs: Vec<NewJob> = (first..)
                .zip(some)
                .map(|(place, node)| prepared.job(place, node))
                .collect();
            self.put_large(&mut jobs).await?;
            let nodes = jobs.into_iter().zip(some).map(|(job, node)| FlowNode {
                job,
                needs: node.needs.clone(),
            });
            let nodes: Vec<FlowNode> = nodes.collect();
            self.broker
                .add_nodes(&self.tenant, flow.id, first as u32, &nodes)
                .await?;
        }
        Ok(())
    }

    /// Whether the flow of this key runs already. One that is being built goes on if it is
    /// the same: its maker may have died, and the nodes of two flows are never mixed.
    async fn has_begun(&self, flow: &NewFlow) -> Result<bool, ClientError> {
        let there = self.broker.flow(&self.tenant, flow.id).await?;
        if there.is_some_and(|it| it.state != FlowState::Building) {
            return Ok(true);
        }
        let about = self.broker.about_flow(&self.tenant, flow.id).await?;
        match about.is_some_and(|it| it == flow.about) {
            true => Ok(false),
            false => Err(ClientError::FlowKey(flow.id)),
        }
    }

    /// Where a flow stands.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn flow(&self, id: JobId) -> Result<FlowStatus, ClientError> {
        let known = self.broker.flow(&self.tenant, id).await?;
        known.ok_or(ClientError::UnknownFlow(id))
    }

    /// Flows, the newest first, `offset` of them passed over and at most `limit`.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn flows(&self, offset: u64, limit: u32) -> Result<Vec<FlowStatus>, ClientError> {
        Ok(self.broker.flows(&self.tenant, offset, limit).await?)
    }

    /// A flow once it has ended; as it stands, if the time is up before that.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn wait_flow(&self, id: JobId, at_most: Duration) -> Result<FlowStatus, ClientError> {
        self.broker.wait(&self.tenant, &[id], at_most).await?;
        self.flow(id).await
    }

    /// Cancels what has not ended of a flow; whether there was anything.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn cancel_flow(&self, id: JobId) -> Result<bool, ClientError> {
        let done = self.broker.cancel_flow(&self.tenant, id).await?;
        self.known_flow(id, done).await
    }

    /// Lets a flow that failed or was cancelled go on from what failed; whether it does.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn retry_flow(&self, id: JobId) -> Result<bool, ClientError> {
        let done = self.broker.retry_flow(&self.tenant, id).await?;
        self.known_flow(id, done).await
    }

    async fn known_flow(&self, id: JobId, done: bool) -> Result<bool, ClientError> {
        if !done {
            self.flow(id).await?;
        }
        Ok(done)
    }

    /// The result of a flow, or of the step of it with this path, in MessagePack: one of a
    /// call, a list of a group's. What failed is there by its default, where it has one.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`], [`ClientError::UnknownStep`],
    /// [`ClientError::Unended`], and [`ClientError::Bound`], with the path, for what did
    /// not complete.
    pub async fn flow_result(&self, id: JobId, path: Option<&str>) -> Result<Vec<u8>, ClientError> {
        let status = self.flow(id).await?;
        let shape = self.about(id).await?.shape;
        let from = match path {
            None if !status.state.is_final() => return Err(ClientError::Unended(id, status.state)),
            None => shape.result(),
            Some(path) => {
                let unknown = || ClientError::UnknownStep {
                    flow: id,
                    path: path.to_owned(),
                };
                shape.result_at(path).ok_or_else(unknown)?
            }
        };
        let result = self.assemble(id, &from, usize::MAX).await;
        result.map_err(|e| match &e {
            super::BoundError::Upstream(it) => ClientError::Step {
                path: shape.path(it.node).unwrap_or_else(|| "flow".into()),
                why: Box::new(e.into()),
            },
            super::BoundError::Broker(it) => ClientError::Broker(it.clone()),
            _ => e.into(),
        })
    }

    /// Which calls of a flow failed, with their paths: at most a hundred. What was
    /// cancelled with it did not fail.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn flow_failures(&self, id: JobId) -> Result<Vec<(String, FailedNode)>, ClientError> {
        let status = self.flow(id).await?;
        let failed = self.failed_nodes(id, &[(0, status.nodes)]).await?;
        let shape = match failed.is_empty() {
            true => return Ok(Vec::new()),
            false => self.about(id).await?.shape,
        };
        let path = |it: &FailedNode| shape.path(it.node).unwrap_or_else(|| "flow".into());
        Ok(failed.into_iter().map(|it| (path(&it), it)).collect())
    }

    async fn about(&self, id: JobId) -> Result<About, ClientError> {
        let about = self.broker.about_flow(&self.tenant, id).await?;
        About::unpack(id, &about.ok_or(ClientError::UnknownFlow(id))?)
    }
}

impl PreparedFlow {
    /// What tells its contents from those of any other flow.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let written = "a hash takes all writes";
        let flow = (&self.flow.name, self.flow.keep);
        rmp_serde::encode::write(&mut hasher, &flow).expect(written);
        for (place, node) in self.plan.nodes.iter().enumerate() {
            let node = (self.job(place, node), &node.needs);
            rmp_serde::encode::write(&mut hasher, &node).expect(written);
        }
        *hasher.finalize().as_bytes()
    }

    /// The job of a node.
    fn job(&self, place: usize, node: &Node) -> NewJob {
        let call = &node.call;
        let task = &self.modules.task(call).options;
        let (module, name) = (&call.task.module, &call.task.task);
        let input = call.arguments.clone().encode();
        let mut job = NewJob::new(self.jobs[place], module, name, input);
        let queue = call.queue.as_ref().or(task.queue.as_ref());
        job.queue = queue.map_or_else(|| DEFAULT_QUEUE.into(), Clone::clone);
        job.lane.clone_from(&call.lane);
        job.priority = call.priority.or(task.priority).unwrap_or(DEFAULT_PRIORITY);
        job.pin = call.pin;
        // Both count from when it is free; it waits for its delay first.
        job.eta = call.delay.map_or(When::Now, When::In);
        let wait = call.delay.unwrap_or_default();
        let expiry = call.expiry.or(task.expiry);
        job.expiry = expiry.map(|span| When::In(wait.saturating_add(span)));
        job.options = call.options.clone();
        if let Some(line) = self.line {
            job.options.parent = Some(line.parent);
            job.options.root = Some(line.root);
            job.options.depth = line.depth;
        }
        if let Some(traceparent) = &self.traceparent {
            let header = job.options.headers.entry(TRACEPARENT.into());
            header.or_insert_with(|| traceparent.clone());
        }
        job.options.binds.clone_from(&node.binds);
        job.options.default = node.default.clone().map(Into::into);
        job.seat = Some(Seat {
            flow: self.flow.id,
            joins: node.joins,
            alarms: node.alarms,
            without: node.without,
        });
        job
    }
}

#[cfg(test)]
mod tests;
