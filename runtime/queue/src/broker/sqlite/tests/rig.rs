//! A flow, and somebody who runs it: what tests of flows share.

use super::*;
use crate::broker::{FlowNode, FlowState, FlowStatus, Flows, NewFlow};
use crate::job::{Seat, WithoutNode};

pub(super) const ALL: u32 = 10_000;

/// A flow, and somebody who runs its nodes.
pub(super) struct Rig {
    pub(super) broker: SqliteBroker,
    pub(super) now: Arc<AtomicU64>,
    pub(super) worker: WorkerId,
    claims: u64,
    _dir: TempDir,
}

impl Rig {
    pub(super) async fn new() -> Self {
        let (dir, path) = place();
        let (clock, now) = clock();
        Rig {
            broker: SqliteBroker::open(&path, clock).await.unwrap(),
            now,
            worker: WorkerId::random(),
            claims: 0,
            _dir: dir,
        }
    }

    /// Builds a flow and lets it begin; its nodes' ids.
    pub(super) async fn flow(&self, flow: &NewFlow, nodes: Vec<FlowNode>) -> Vec<JobId> {
        self.build(flow, &nodes).await;
        self.broker.start_flow(TENANT, flow.id).await.unwrap();
        nodes.iter().map(|it| it.job.id).collect()
    }

    pub(super) async fn build(&self, flow: &NewFlow, nodes: &[FlowNode]) {
        self.broker.begin_flow(TENANT, flow).await.unwrap();
        for (at, some) in nodes.chunks(900).enumerate() {
            let first = at as u32 * 900;
            let added = self.broker.add_nodes(TENANT, flow.id, first, some).await;
            added.unwrap();
        }
    }

    pub(super) async fn claim(&mut self, most: u32) -> Vec<Claimed> {
        self.claims += 1;
        let claim = Claim {
            queues: vec![("default".into(), most)],
            max: most,
            ..claim(self.worker, self.claims)
        };
        self.broker.claim(&claim).await.unwrap()
    }

    pub(super) async fn settle(&self, claimed: &[Claimed], action: &Action) {
        let settled = claimed.iter().map(|it| Settlement {
            action: action.clone(),
            ..done(it, self.worker)
        });
        let settled: Vec<_> = settled.collect();
        let answers = self.broker.settle(self.worker, &settled).await.unwrap();
        assert!(answers.iter().all(|it| *it == Settled::Recorded));
    }

    /// Runs all that may run, to this end; which they were.
    pub(super) async fn run(&mut self, action: &Action) -> Vec<JobId> {
        let claimed = self.claim(ALL).await;
        self.settle(&claimed, action).await;
        ids(&claimed)
    }

    /// Does what is left to be done; how many steps it took.
    pub(super) async fn promote(&self) -> u32 {
        for steps in 1.. {
            let promoted = self.broker.promote(Partition(0), ALL).await.unwrap();
            if promoted.next != Some(Duration::ZERO) {
                return steps;
            }
        }
        unreachable!()
    }

    pub(super) async fn status(&self, flow: &NewFlow) -> FlowStatus {
        let status = self.broker.flow(TENANT, flow.id).await.unwrap();
        status.unwrap()
    }

    /// State, and pending, completed and failed nodes.
    pub(super) async fn stands(&self, flow: &NewFlow) -> (FlowState, [u32; 3]) {
        let it = self.status(flow).await;
        (it.state, [it.pending, it.completed, it.failed])
    }

    pub(super) async fn states(&self, flow: &NewFlow) -> Vec<State> {
        let nodes = self.broker.flow_nodes(TENANT, flow.id, 0, ALL).await;
        nodes.unwrap().iter().filter_map(|it| it.1).collect()
    }
}

pub(super) fn complete() -> Action {
    Action::Complete(vec![1].into())
}

pub(super) fn flow(nodes: u32) -> NewFlow {
    NewFlow {
        id: JobId::new(Partition(0)),
        name: "nightly".into(),
        nodes,
        keep: None,
        about: b"about".to_vec(),
    }
}

pub(super) fn node(
    flow: &NewFlow,
    without: WithoutNode,
    joins: Option<u32>,
    needs: &[u32],
) -> FlowNode {
    let seat = Seat {
        flow: flow.id,
        joins,
        alarms: None,
        without,
    };
    FlowNode {
        job: NewJob {
            seat: Some(seat),
            ..job()
        },
        needs: needs.to_vec(),
    }
}

/// With the joint whose handlers its failure frees.
pub(super) fn alarmed(mut node: FlowNode, alarm: u32) -> FlowNode {
    if let Some(seat) = &mut node.job.seat {
        seat.alarms = Some(alarm);
    }
    node
}

/// So many members, and a callback behind them.
pub(super) fn chord(flow: &NewFlow, members: u32, without: WithoutNode) -> Vec<FlowNode> {
    let mut nodes: Vec<_> = (0..members)
        .map(|_| node(flow, without, Some(0), &[]))
        .collect();
    nodes.push(node(flow, WithoutNode::Stops, None, &[0]));
    nodes
}
