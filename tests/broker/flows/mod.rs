//! Flows.
//!
//! - this file: flows of a test, node by node, and what a worker makes of them
//! - `going`: what waits for what
//! - `failing`: what becomes of the others when a node fails, and of a flow that goes on
//! - `whole`: what is done to a flow as a whole, and how long it is kept
//! - `model`: random flows, compared with a model

mod failing;
mod going;
mod model;
mod whole;

use lovage_queue::broker::{Claimed, FlowNode, FlowState, FlowStatus, NewFlow};
use lovage_queue::job::{JobId, Seat, Settlement, State, WithoutNode};

use super::harness::{Bench, TENANT, Worker, complete, discard, secs};

/// A flow on its way to the broker.
struct Net {
    flow: NewFlow,
    nodes: Vec<FlowNode>,
}

impl Net {
    fn new(b: &Bench) -> Self {
        let flow = NewFlow {
            id: JobId::new(b.home()),
            name: "a net".into(),
            nodes: 0,
            keep: None,
            about: b"what it is".to_vec(),
        };
        let nodes = Vec::new();
        Net { flow, nodes }
    }

    /// A node that needs these joints and is of that one; its place.
    fn node(&mut self, b: &Bench, needs: &[u32], joins: Option<u32>) -> usize {
        let mut job = b.job();
        job.seat = Some(Seat {
            flow: self.flow.id,
            joins,
            alarms: None,
            without: WithoutNode::Stops,
        });
        let needs = needs.to_vec();
        self.nodes.push(FlowNode { job, needs });
        self.nodes.len() - 1
    }

    fn seat(&mut self, place: usize) -> &mut Seat {
        self.nodes[place].job.seat.as_mut().expect("each has one")
    }

    /// What becomes of the flow without any of its nodes.
    fn without(mut self, without: WithoutNode) -> Self {
        (0..self.nodes.len()).for_each(|it| self.seat(it).without = without);
        self
    }

    async fn build(&mut self, b: &Bench) {
        self.flow.nodes = self.nodes.len() as u32;
        b.begin_flow(TENANT, &self.flow).await.unwrap();
        for (n, some) in self.nodes.chunks(1_000).enumerate() {
            b.add_nodes(TENANT, self.flow.id, n as u32 * 1_000, some)
                .await
                .unwrap();
        }
    }

    /// Builds it and lets it begin.
    async fn start(mut self, b: &Bench) -> Started<'_> {
        self.build(b).await;
        b.start_flow(TENANT, self.flow.id).await.unwrap();
        let ids = self.nodes.iter().map(|it| it.job.id).collect();
        let worker = Worker::new(b);
        let flow = self.flow.id;
        work_off(b).await;
        Started {
            b,
            flow,
            ids,
            worker,
        }
    }
}

/// A chain of so many nodes.
fn chain(b: &Bench, count: u32) -> Net {
    let mut net = Net::new(b);
    for n in 0..count {
        let needs: Vec<u32> = n.checked_sub(1).into_iter().collect();
        net.node(b, &needs, (n + 1 < count).then_some(n));
    }
    net
}

/// So many nodes and one that waits for all of them.
fn chord(b: &Bench, members: u32) -> Net {
    let mut net = Net::new(b);
    for _ in 0..members {
        net.node(b, &[], Some(0));
    }
    net.node(b, &[0], None);
    net
}

/// Until flows have nothing left to do by themselves.
async fn work_off(b: &Bench) {
    for _ in 0..10_000 {
        let promoted = b.promote(b.home(), 1_000).await.unwrap();
        if !promoted.flows {
            return;
        }
    }
    panic!("there is always more to do");
}

/// A flow that has begun, and a worker.
struct Started<'b> {
    b: &'b Bench,
    flow: JobId,
    ids: Vec<JobId>,
    worker: Worker<'b>,
}

impl Started<'_> {
    async fn states(&self) -> Vec<State> {
        self.b.states(&self.ids).await
    }

    async fn status(&self) -> FlowStatus {
        let status = self.b.flow(TENANT, self.flow).await.unwrap();
        status.expect("it is there")
    }

    async fn is(&self) -> FlowState {
        self.status().await.state
    }

    /// The places of all that may start.
    async fn claim(&self) -> Vec<(usize, Claimed)> {
        let claimed = self.worker.claim_all().await.into_iter();
        let place = |it: &Claimed| self.ids.iter().position(|id| *id == it.id).unwrap();
        claimed.map(|it| (place(&it), it)).collect()
    }

    async fn settle(&self, settlement: Settlement) {
        self.worker.settle(settlement).await;
        work_off(self.b).await;
    }

    /// Claims all that may start and completes it; their places.
    async fn step(&self) -> Vec<usize> {
        self.step_but(&[]).await
    }

    /// The same, but for those that are discarded.
    async fn step_but(&self, failing: &[usize]) -> Vec<usize> {
        let claimed = self.claim().await;
        for (place, it) in &claimed {
            match failing.contains(place) {
                true => self.settle(discard(it)).await,
                false => self.settle(complete(it, &[*place as u8])).await,
            }
        }
        claimed.into_iter().map(|it| it.0).collect()
    }
}
