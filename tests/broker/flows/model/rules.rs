//! What the contract says of a flow, too simple to be wrong: nothing is gathered, nothing
//! is left for later.

use lovage_queue::broker::FlowState;
use lovage_queue::flow::Plan;
use lovage_queue::job::{State, WithoutNode};

/// A node as it stands.
pub(super) struct Node {
    pub(super) state: State,
    /// How many joints it still waits for.
    waits: usize,
    /// Whether it has been free.
    freed: bool,
    /// Whether it was cancelled with its flow.
    marked: bool,
    /// Whether its worker was asked to stop it.
    pub(super) asked: bool,
    pub(super) crashes: u32,
}

pub(super) struct Model {
    plan: Plan,
    pub(super) nodes: Vec<Node>,
    left: Vec<i64>,
    pub(super) state: FlowState,
    /// What stops it: ` ` nothing, `u` a failure, `c` a person, `b` that nothing runs.
    stop: char,
    /// Whether a failure is to stop it.
    halt: bool,
    pub(super) completed: u32,
    pub(super) failed: u32,
}

/// How many workers a job may take down with it.
pub(super) const CRASHES: u32 = 2;

impl Model {
    pub(super) fn new(plan: &Plan) -> Self {
        let node = |it: &lovage_queue::flow::Node| Node {
            state: State::Pending,
            waits: it.needs.len(),
            freed: false,
            marked: false,
            asked: false,
            crashes: 0,
        };
        let mut model = Model {
            nodes: plan.nodes.iter().map(node).collect(),
            left: plan.joints.iter().map(|it| i64::from(it.count)).collect(),
            plan: plan.clone(),
            state: FlowState::Running,
            stop: ' ',
            halt: false,
            completed: 0,
            failed: 0,
        };
        for n in 0..model.nodes.len() {
            if model.plan.nodes[n].needs.is_empty() {
                model.free(n);
            }
        }
        model
    }

    pub(super) fn of(&self, state: State) -> Vec<usize> {
        let all = 0..self.nodes.len();
        all.filter(|n| self.nodes[*n].state == state).collect()
    }

    fn free(&mut self, n: usize) {
        let handles = self.plan.nodes[n].without == WithoutNode::Handles;
        let node = &mut self.nodes[n];
        if !handles && node.waits > 1 {
            node.waits -= 1;
            return;
        }
        match node.state {
            State::Pending => (node.state, node.freed) = (State::Available, true),
            State::Cancelled => node.freed = true,
            _ => {}
        }
    }

    fn free_joint(&mut self, joint: u32) {
        for n in 0..self.nodes.len() {
            if self.plan.nodes[n].needs.contains(&joint) {
                self.free(n);
            }
        }
    }

    /// A node ends, and what follows.
    pub(super) fn end(&mut self, n: usize, state: State) {
        self.end_all(&[(n, state)]);
    }

    /// Some end in one step.
    pub(super) fn end_all(&mut self, all: &[(usize, State)]) {
        all.iter().for_each(|(n, state)| self.end_one(*n, *state));
        self.follow();
    }

    /// What is due once a step is done.
    fn follow(&mut self) {
        if std::mem::take(&mut self.halt) && self.stop == ' ' {
            self.stop = 'u';
            self.cancel_rest(false);
        }
        self.end_flow();
    }

    fn end_one(&mut self, n: usize, state: State) {
        let (joins, alarms, without) = {
            let it = &self.plan.nodes[n];
            (it.joins, it.alarms, it.without)
        };
        let node = &mut self.nodes[n];
        (node.state, node.asked) = (state, false);
        if state == State::Cancelled && self.stop != ' ' {
            node.marked = true;
            return;
        }
        if state == State::Completed || without == WithoutNode::GoesOn {
            self.completed += 1;
            if let Some(joint) = joins {
                self.left[joint as usize] -= 1;
                if self.left[joint as usize] == 0 {
                    self.free_joint(joint);
                }
            }
            return;
        }
        self.failed += 1;
        if let Some(alarm) = alarms {
            self.free_joint(alarm);
        }
        self.halt |= without == WithoutNode::Stops;
    }

    /// Cancels what has not ended.
    fn cancel_rest(&mut self, handlers: bool) {
        for n in 0..self.nodes.len() {
            if handlers || self.plan.nodes[n].without != WithoutNode::Handles {
                self.cancel_one(n);
            }
        }
    }

    fn cancel_one(&mut self, n: usize) {
        match self.nodes[n].state {
            State::Running => self.nodes[n].asked = true,
            state if !state.is_final() => self.end_one(n, State::Cancelled),
            _ => {}
        }
    }

    /// The flow ends, if nothing of it goes on by itself.
    fn end_flow(&mut self) {
        let goes_on = |it: &Node| !it.state.is_final() && it.state != State::Pending;
        if self.state != FlowState::Running || self.nodes.iter().any(goes_on) {
            return;
        }
        let pending = self.of(State::Pending);
        if !pending.is_empty() && self.stop == ' ' {
            self.stop = 'b';
        }
        pending.into_iter().for_each(|n| self.cancel_one(n));
        self.state = match self.stop {
            'c' => FlowState::Cancelled,
            _ if self.failed > 0 => FlowState::Failed,
            _ => FlowState::Completed,
        };
    }

    pub(super) fn cancel(&mut self, n: usize) {
        self.cancel_one(n);
        self.follow();
    }

    pub(super) fn cancel_flow(&mut self) -> bool {
        if self.state != FlowState::Running {
            return false;
        }
        self.stop = 'c';
        self.cancel_rest(true);
        self.end_flow();
        true
    }

    /// What a node's end was is undone; whether that can be.
    fn again(&mut self, n: usize) -> bool {
        let (joins, without) = (self.plan.nodes[n].joins, self.plan.nodes[n].without);
        let node = &mut self.nodes[n];
        if !matches!(node.state, State::Discarded | State::Cancelled) {
            return false;
        }
        if std::mem::take(&mut node.marked) {
        } else if without == WithoutNode::GoesOn {
            self.completed -= 1;
            if let Some(joint) = joins
                && self.left[joint as usize] > 0
            {
                self.left[joint as usize] += 1;
            }
        } else {
            self.failed -= 1;
        }
        node.crashes = 0;
        node.state = match node.freed {
            true => State::Available,
            false => State::Pending,
        };
        true
    }

    pub(super) fn requeue(&mut self, n: usize) -> bool {
        if !self.again(n) {
            return false;
        }
        self.state = FlowState::Running;
        if self.stop != ' ' {
            self.stop = ' ';
            let marked = |n: &usize| self.nodes[*n].marked;
            let all: Vec<usize> = (0..self.nodes.len()).filter(marked).collect();
            for n in all {
                self.again(n);
            }
        }
        self.end_flow();
        true
    }

    pub(super) fn retry_flow(&mut self) -> bool {
        if !matches!(self.state, FlowState::Failed | FlowState::Cancelled) {
            return false;
        }
        (self.state, self.stop) = (FlowState::Running, ' ');
        for n in 0..self.nodes.len() {
            self.again(n);
        }
        self.end_flow();
        true
    }
}
