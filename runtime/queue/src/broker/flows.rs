//! The contract of flows: jobs that wait for others.
//!
//! A flow is built in steps of bounded size and begins when it is whole. Its nodes are
//! jobs, and its joints counters: the step that ends a node counts its joint down, and
//! the one that ends the last of a joint frees the nodes that wait for it. What is more
//! than one step should do (a joint that frees very many, a flow that is cancelled) is
//! left to [`promote`](super::Broker::promote), which any worker calls: nothing polls,
//! and no second message can be lost.
//!
//! The broker knows nothing of results: whose result an argument is stands in the job,
//! and the worker that runs it puts them together.
//!
//! # A node's life
//! - It is pending until each joint that it needs is down to zero, and then becomes
//!   available, or scheduled where it has a delay. What is relative to its enqueueing
//!   (an expiry, the largest age) counts from then.
//! - One that ends otherwise than completed, for whatever reason, has *failed*, and its
//!   seat says what follows ([`WithoutNode`]). It frees the handlers of its alarm, once.
//! - When nothing of a flow runs or waits for a worker any more, what is still pending
//!   is cancelled (a handler that nobody needed, what waits for a node that failed).
//! - What is cancelled with its flow is marked: it has not failed, and comes back with
//!   the flow: available if it had been free, pending otherwise.
//! - Requeueing a failed node undoes its failure: the flow goes on, and what was
//!   cancelled with it comes back. One that its joint had counted all the same
//!   ([`WithoutNode::GoesOn`]) is counted again only where the joint is not down yet.
//! - Nodes are kept as long as their flow, and are not deleted by themselves: retention
//!   takes a flow with all of its nodes, some in a call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Result;
use crate::clock::Millis;
use crate::job::{JobId, NewJob, State};

/// The most nodes in one call of [`add_nodes`](Flows::add_nodes).
pub const MAX_NODES_ADDED: usize = 1_000;
/// The most joints that a node needs.
pub const MAX_NEEDS: usize = 1_000;
/// The most flows in one call of [`flows`](Flows::flows).
pub const MAX_FLOWS_LISTED: u32 = 1_000;
/// The most bytes that are kept about a flow.
pub const MAX_ABOUT: usize = 1 << 20;

/// A flow that is to be built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewFlow {
    /// Its id, of the tenant's partition as a job's is. The same one again changes
    /// nothing.
    pub id: JobId,
    /// A name for people.
    pub name: String,
    /// How many nodes it will have.
    pub nodes: u32,
    /// How long it is kept with all its jobs once it has ended, where that is not
    /// for the broker's retention to say.
    pub keep: Option<Duration>,
    /// What clients want to know of it later: the broker keeps it as it is, at most
    /// [`MAX_ABOUT`] bytes.
    #[serde(with = "serde_bytes")]
    pub about: Vec<u8>,
}

/// A node that is to be added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowNode {
    /// Its job, with its seat in this flow. A time is a span, and counts from when it
    /// is free; it has no key, is not unique, and does not say how long it is kept.
    pub job: NewJob,
    /// The joints that it waits for, each once and at most [`MAX_NEEDS`]; with none it
    /// begins with the flow.
    pub needs: Vec<u32>,
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowState {
    /// It is not whole yet.
    Building,
    /// It runs.
    Running,
    /// All of it has completed that was to run.
    Completed,
    /// Some of it has not, and nothing more will happen by itself.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl FlowState {
    /// Whether nothing more will happen to the flow by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            FlowState::Completed | FlowState::Failed | FlowState::Cancelled
        )
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            FlowState::Building => "building",
            FlowState::Running => "running",
            FlowState::Completed => "completed",
            FlowState::Failed => "failed",
            FlowState::Cancelled => "cancelled",
        }
    }

    /// The letter that stores keep.
    pub(crate) fn letter(self) -> char {
        match self {
            FlowState::Building => 'b',
            FlowState::Running => 'r',
            FlowState::Completed => 'c',
            FlowState::Failed => 'f',
            FlowState::Cancelled => 'x',
        }
    }

    /// What a letter stands for; none for a flow that is on its way out.
    pub(crate) fn from_letter(letter: &str) -> Option<Self> {
        let all = [
            FlowState::Building,
            FlowState::Running,
            FlowState::Completed,
            FlowState::Failed,
            FlowState::Cancelled,
        ];
        all.into_iter().find(|it| letter.starts_with(it.letter()))
    }
}

/// A flow as the broker knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: FlowState,
    /// How many nodes it has.
    pub nodes: u32,
    /// Those that wait for others.
    pub pending: u32,
    /// Those that completed, or count as if they had.
    pub completed: u32,
    /// Those that ended otherwise of themselves. The others that ended were cancelled
    /// with the flow.
    pub failed: u32,
    /// When it was begun.
    pub begun: Millis,
    /// When it ended; zero before that.
    pub ended: Millis,
    /// As [`NewFlow::keep`].
    pub keep: Option<Duration>,
}

/// Builds flows and looks after them. Every call is of one tenant.
#[async_trait::async_trait]
pub trait Flows: Send + Sync {
    /// Begins to build a flow. One that is not whole after an hour is forgotten.
    async fn begin_flow(&self, tenant: &str, flow: &NewFlow) -> Result<()>;

    /// Adds nodes, `first` being the place of the first of them in the flow, at most
    /// [`MAX_NODES_ADDED`]; those that are there already stay as they are.
    ///
    /// # Errors
    /// [`BrokerError::Missing`](super::BrokerError::Missing) where no such flow is being
    /// built or an input's blob is not there, and
    /// [`BrokerError::Invalid`](super::BrokerError::Invalid) for a place that leaves a
    /// gap or lies behind the last.
    async fn add_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        first: u32,
        nodes: &[FlowNode],
    ) -> Result<()>;

    /// Lets a flow that is whole begin; one that has begun goes on as it is.
    ///
    /// # Errors
    /// [`BrokerError::Missing`](super::BrokerError::Missing) where there is no such
    /// flow, and [`BrokerError::Invalid`](super::BrokerError::Invalid) where it is not
    /// whole.
    async fn start_flow(&self, tenant: &str, flow: JobId) -> Result<()>;

    /// A flow.
    async fn flow(&self, tenant: &str, flow: JobId) -> Result<Option<FlowStatus>>;

    /// What [`NewFlow::about`] said.
    async fn about_flow(&self, tenant: &str, flow: JobId) -> Result<Option<Vec<u8>>>;

    /// Flows, the newest first, `offset` of them passed over and at most `limit` and
    /// [`MAX_FLOWS_LISTED`].
    async fn flows(&self, tenant: &str, offset: u64, limit: u32) -> Result<Vec<FlowStatus>>;

    /// The nodes of a flow from the `first` on, in the order of their places: each one's
    /// job, and where that stands, if its record can be read. At most
    /// [`MAX_BATCH`](super::MAX_BATCH) of them.
    async fn flow_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        first: u32,
        count: u32,
    ) -> Result<Vec<(JobId, Option<State>)>>;

    /// Cancels what has not ended of a flow; whether there is such a flow that had not.
    /// Its running nodes are asked to stop.
    async fn cancel_flow(&self, tenant: &str, flow: JobId) -> Result<bool>;

    /// Lets a flow that has failed or was cancelled go on: its failed nodes run again, and
    /// what was cancelled with it waits or runs again. Whether there is such a flow; one
    /// that was cancelled before it was whole is none.
    async fn retry_flow(&self, tenant: &str, flow: JobId) -> Result<bool>;
}
