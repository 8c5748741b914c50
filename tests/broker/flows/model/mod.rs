//! Property test: random flows, to whose nodes everything happens that may, against a
//! model. After each step each node stands where the model says, and whatever is claimed
//! takes the results that the flow as it was written says.
//!
//! - `rules`: the model
//! - `graphs`: random flows, and what each call of one should take
//!
//! `LOVAGE_CASES` says how many flows are tried, and `LOVAGE_SEED` which ones.

mod graphs;
mod rules;

use lovage_queue::broker::{Claimed, FlowNode, NewFlow, Requeued};
use lovage_queue::client::{Client, MAX_INPUT};
use lovage_queue::flow::Plan;
use lovage_queue::job::{JobId, NewJob, Seat, Settlement, State, WithoutNode};
use proptest::prelude::*;
use proptest::sample::Index;

use self::graphs::{Graph, graphs};
use self::rules::{CRASHES, Model};
use super::super::harness::{
    Bench, TENANT, Worker, cancel, complete, discard, fail, give_back, secs,
};
use super::super::model::{runner, runtime};
use super::work_off;

/// How many flows a run of all tests tries.
const CASES: u32 = 40;

/// What happens to a flow, once.
#[derive(Clone, Debug)]
enum Step {
    /// So many jobs are claimed at most.
    Claim(u32),
    /// Running ones end so.
    Settle(Vec<Index>, End),
    /// The worker dies with all that it has.
    Kill,
    Cancel(Index),
    Requeue(Index),
    CancelFlow,
    RetryFlow,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Complete,
    Retry,
    Discard,
    GiveBack,
    Cancel,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || prop::collection::vec(any::<Index>(), 1..20);
    let end = prop_oneof![
        12 => Just(End::Complete),
        2 => Just(End::Retry),
        1 => Just(End::Discard),
        1 => Just(End::GiveBack),
        1 => Just(End::Cancel),
    ];
    let step = prop_oneof![
        8 => (1..60_u32).prop_map(Step::Claim),
        12 => (some(), end).prop_map(|(which, end)| Step::Settle(which, end)),
        1 => Just(Step::Kill),
        1 => any::<Index>().prop_map(Step::Cancel),
        3 => any::<Index>().prop_map(Step::Requeue),
        1 => Just(Step::CancelFlow),
        1 => Just(Step::RetryFlow),
    ];
    prop::collection::vec(step, 1..80)
}

/// A flow in the broker, and what is known of it.
struct Case<'b> {
    b: &'b Bench,
    client: Client,
    graph: &'b Graph,
    plan: Plan,
    flow: JobId,
    ids: Vec<JobId>,
    model: Model,
    worker: Worker<'b>,
    running: Vec<(usize, Claimed, Vec<u8>)>,
    /// The results of those that completed.
    results: Vec<Option<Vec<u8>>>,
}

impl<'b> Case<'b> {
    async fn new(b: &'b Bench, graph: &'b Graph) -> Self {
        let plan = Plan::of(&graph.step(), &graph.otherwise).unwrap();
        let flow = JobId::new(b.home());
        let nodes: Vec<FlowNode> = plan.nodes.iter().map(|it| node(b, flow, it)).collect();
        let new = NewFlow {
            id: flow,
            name: "random".into(),
            nodes: nodes.len() as u32,
            keep: None,
            about: Vec::new(),
        };
        b.begin_flow(TENANT, &new).await.unwrap();
        for (n, some) in nodes.chunks(70).enumerate() {
            let first = n as u32 * 70;
            b.add_nodes(TENANT, flow, first, some).await.unwrap();
        }
        b.start_flow(TENANT, flow).await.unwrap();
        work_off(b).await;
        Case {
            b,
            client: Client::over(b.broker.clone(), TENANT),
            graph,
            model: Model::new(&plan),
            results: vec![None; plan.nodes.len()],
            plan,
            flow,
            ids: nodes.iter().map(|it| it.job.id).collect(),
            worker: Worker::new(b),
            running: Vec::new(),
        }
    }

    async fn run(mut self, steps: &[Step]) {
        self.check().await;
        for step in steps {
            self.step(step).await;
            self.check().await;
        }
        // Whatever happened: it can be brought to its end.
        for _ in 0..3_000 {
            self.step(&Step::Claim(100)).await;
            while !self.running.is_empty() {
                self.settle(0, End::Complete).await;
            }
            if self.model.state.is_final() && !self.model.retry_flow() {
                break;
            }
            if self
                .b
                .flow(TENANT, self.flow)
                .await
                .unwrap()
                .unwrap()
                .state
                .is_final()
            {
                assert!(self.b.retry_flow(TENANT, self.flow).await.unwrap());
            }
            work_off(self.b).await;
            self.check().await;
        }
        for (n, node) in self.plan.nodes.iter().enumerate() {
            let needed = matches!(node.without, WithoutNode::Stops | WithoutNode::Waits);
            let completed = self.model.nodes[n].state == State::Completed;
            assert!(completed || !needed, "node {n}, {}", self.name(n));
        }
        self.check().await;
    }

    /// The name of the call that a node is.
    fn name(&self, node: usize) -> &str {
        &self.plan.nodes[node].call.task.task
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Claim(most) => self.claim(*most).await,
            Step::Settle(which, end) => {
                for it in which {
                    if !self.running.is_empty() {
                        let at = it.index(self.running.len());
                        self.settle(at, *end).await;
                    }
                }
            }
            Step::Kill => self.kill().await,
            Step::Cancel(node) => {
                let n = node.index(self.ids.len());
                self.b.cancel(TENANT, &[self.ids[n]]).await.unwrap();
                self.model.cancel(n);
            }
            Step::Requeue(node) => {
                let ended = [State::Discarded, State::Cancelled]
                    .map(|it| self.model.of(it))
                    .concat();
                let n = match ended.is_empty() {
                    true => node.index(self.ids.len()),
                    false => ended[node.index(ended.len())],
                };
                let answer = self.b.requeue(TENANT, &[self.ids[n]]).await.unwrap();
                assert_eq!(
                    answer[0] == Requeued::Now,
                    self.model.requeue(n),
                    "node {n}"
                );
            }
            Step::CancelFlow => {
                let answer = self.b.cancel_flow(TENANT, self.flow).await.unwrap();
                assert_eq!(answer, self.model.cancel_flow());
            }
            Step::RetryFlow => {
                let answer = self.b.retry_flow(TENANT, self.flow).await.unwrap();
                assert_eq!(answer, self.model.retry_flow());
            }
        }
        work_off(self.b).await;
    }

    async fn claim(&mut self, most: u32) {
        for it in self.worker.claim(most).await {
            let n = self.ids.iter().position(|id| *id == it.id).unwrap();
            assert_eq!(self.model.nodes[n].state, State::Available, "node {n}");
            self.model.nodes[n].state = State::Running;
            let job = it.job.as_ref().unwrap();
            let input = job.call.input.inline().unwrap().to_vec();
            let input = self
                .client
                .bound_input(job, input, MAX_INPUT)
                .await
                .unwrap();
            let value = |name: &str| {
                let at = (0..self.ids.len()).find(|n| self.name(*n) == name).unwrap();
                let default = self.plan.nodes[at].default.as_ref();
                let result = self.results[at].as_ref().or(default);
                rmpv::decode::read_value(&mut &result.expect("it takes no other")[..]).unwrap()
            };
            let taken = rmpv::decode::read_value(&mut &input[..]).unwrap();
            if !self.graph.is_handler(self.name(n)) {
                let expected = self.graph.input_of(self.name(n), &value);
                assert_eq!(taken, expected, "the input of {}", self.name(n));
            }
            let seen = blake3::hash(&input).as_bytes()[..8].to_vec();
            let mut result = Vec::new();
            rmpv::encode::write_value(&mut result, &seen.into()).unwrap();
            self.running.push((n, it, result));
        }
    }

    async fn settle(&mut self, at: usize, end: End) {
        let (n, it, result) = self.running.swap_remove(at);
        let settlement: Settlement = match end {
            End::Complete => complete(&it, &result),
            End::Retry => fail(&it, secs(0)),
            End::Discard => discard(&it),
            End::GiveBack => give_back(&it, secs(0)),
            End::Cancel => cancel(&it),
        };
        self.worker.settle(settlement).await;
        let asked = self.model.nodes[n].asked;
        match end {
            End::Complete => {
                self.results[n] = Some(result);
                self.model.end(n, State::Completed);
            }
            End::Cancel => self.model.end(n, State::Cancelled),
            _ if asked => self.model.end(n, State::Cancelled),
            End::Discard => self.model.end(n, State::Discarded),
            End::Retry | End::GiveBack => self.model.nodes[n].state = State::Available,
        }
        work_off(self.b).await;
    }

    async fn kill(&mut self) {
        self.b.pass(Worker::LEASE + secs(1));
        self.b.reclaim(self.b.home(), 1_000).await.unwrap();
        self.worker = Worker::new(self.b);
        let mut ended = Vec::new();
        for (n, ..) in self.running.drain(..) {
            let node = &mut self.model.nodes[n];
            node.crashes += 1;
            match () {
                () if node.asked => ended.push((n, State::Cancelled)),
                () if node.crashes >= CRASHES => ended.push((n, State::Discarded)),
                () => node.state = State::Available,
            }
        }
        self.model.end_all(&ended);
    }

    async fn check(&self) {
        let states = self.b.states(&self.ids).await;
        for (n, state) in states.iter().enumerate() {
            assert_eq!(
                *state,
                self.model.nodes[n].state,
                "node {n}, {}",
                self.name(n)
            );
        }
        let status = self.b.flow(TENANT, self.flow).await.unwrap().unwrap();
        let model = &self.model;
        assert_eq!(status.state, model.state);
        assert_eq!(
            (status.completed, status.failed),
            (model.completed, model.failed)
        );
        assert_eq!(status.pending as usize, model.of(State::Pending).len());
    }
}

fn node(b: &Bench, flow: JobId, node: &lovage_queue::flow::Node) -> FlowNode {
    let input = node.call.arguments.clone().encode();
    let mut job = NewJob::new(JobId::new(b.home()), "m", &node.call.task.task, input);
    job.crash_limit = CRASHES as u8;
    job.options.binds = node.binds.clone();
    job.options.default = node.default.clone().map(Into::into);
    job.seat = Some(Seat {
        flow,
        joins: node.joins,
        alarms: node.alarms,
        without: node.without,
    });
    let needs = node.needs.clone();
    FlowNode { job, needs }
}

/// What a test starts with.
type Start = fn() -> std::pin::Pin<Box<dyn Future<Output = Bench>>>;

fn try_all(start: Start) {
    let runtime = runtime();
    let tried = runner(CASES).run(&(graphs(), steps()), |(graph, steps)| {
        runtime.block_on(async {
            let bench = start().await;
            Case::new(&bench, &graph).await.run(&steps).await;
        });
        Ok(())
    });
    if let Err(e) = tried {
        panic!("{e}");
    }
}

mod every_node_stands_where_the_model_says {
    use super::*;

    #[test]
    fn redis() {
        try_all(|| Box::pin(Bench::redis()));
    }

    #[test]
    fn sqlite() {
        try_all(|| Box::pin(Bench::sqlite()));
    }
}
