//! What people are shown of a flow.
//!
//! It is drawn from how the flow was written and from the states of its nodes; no job is
//! read. What has too many steps to be shown is counted instead.

use std::collections::BTreeMap;

use super::about::About;
use super::{Client, ClientError};
use crate::broker::FlowStatus;
use crate::flow::{Shape, below};
use crate::job::{JobId, MAX_NODES, State};

/// Nodes that are asked for at once.
const PAGE: u32 = 1_000;
/// Members of a group, and steps of a chain or a graph, that are shown one by one.
const MEMBERS: usize = 12;
const STEPS: usize = 200;

/// A flow as it was written, and where all of it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowTree {
    /// The flow.
    pub status: FlowStatus,
    /// Its outermost step.
    pub root: Branch,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// Its path.
    pub path: String,
    /// Its name, in a graph.
    pub name: Option<String>,
    /// The steps of the graph that it waits for.
    pub after: Vec<String>,
    /// What it is.
    pub part: Part,
    /// The calls that are made when something of it fails, the inner ones first.
    pub on_error: Vec<Leaf>,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A call.
    Call(Leaf),
    /// Steps one after the other.
    Chain(Vec<Branch>),
    /// Steps all at once.
    Group(Vec<Branch>),
    /// Steps each of which waits for some others.
    Graph(Vec<Branch>),
    /// More steps than are shown: `chain`, `group` or `graph`, and what there is of it.
    Many(&'static str, Many),
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// `module.task`
    pub task: String,
    /// Its job, and where that stands if its record can be read; none where it has gone.
    pub job: Option<(JobId, Option<State>)>,
}

/// Many calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Many {
    /// How many steps there are.
    pub steps: usize,
    /// Their tasks, and how many calls there are of each.
    pub tasks: BTreeMap<String, u32>,
    /// How many calls are in each state; under `None`, those whose record cannot be read.
    pub states: Vec<(Option<State>, u32)>,
}

impl Client {
    /// A flow as it was written, and where all of it stands.
    ///
    /// # Errors
    /// [`ClientError::UnknownFlow`] where there is none.
    pub async fn flow_tree(&self, id: JobId) -> Result<FlowTree, ClientError> {
        let about = self.about(id).await?;
        let mut nodes = Vec::new();
        loop {
            let first = nodes.len() as u32;
            let page = self
                .broker
                .flow_nodes(&self.tenant, id, first, PAGE)
                .await?;
            let last = page.len() < PAGE as usize;
            nodes.extend(page);
            if last {
                break;
            }
        }
        // Last, so that it counts no less than what is drawn.
        let status = self.flow(id).await?;
        let root = Drawing::of(&about, nodes).branch("flow", &about.shape);
        Ok(FlowTree { status, root })
    }
}

/// All nodes in the order of their places.
pub(super) struct Drawing<'a> {
    tasks: Vec<&'a str>,
    jobs: Vec<(JobId, Option<State>)>,
}

impl<'a> Drawing<'a> {
    pub(super) fn of(about: &'a About, jobs: Vec<(JobId, Option<State>)>) -> Self {
        let runs = about.tasks.iter();
        let tasks = runs.flat_map(|(task, count)| std::iter::repeat_n(&**task, *count as usize));
        Drawing {
            tasks: tasks.take(MAX_NODES).collect(),
            jobs,
        }
    }

    pub(super) fn branch(&self, path: &str, shape: &Shape) -> Branch {
        let all = |kind: &'static str, steps: &[Shape]| {
            let steps = steps.iter().enumerate();
            let branches = steps.map(|(n, it)| self.branch(&below(path, kind, &n), it));
            branches.collect::<Vec<_>>()
        };
        let part = match shape {
            Shape::Call(node) => Part::Call(self.leaf(*node)),
            Shape::Calls { count, .. } if *count as usize > MEMBERS => {
                Part::Many("group", self.many(*count as usize, shape))
            }
            Shape::Calls { first, count } => {
                let calls: Vec<_> = (*first..first + count).map(Shape::Call).collect();
                Part::Group(all("group", &calls))
            }
            Shape::Group(steps) if steps.len() > MEMBERS => {
                Part::Many("group", self.many(steps.len(), shape))
            }
            Shape::Group(steps) => Part::Group(all("group", steps)),
            Shape::Chain(steps) if steps.len() > STEPS => {
                Part::Many("chain", self.many(steps.len(), shape))
            }
            Shape::Chain(steps) => Part::Chain(all("chain", steps)),
            Shape::Graph(steps) if steps.len() > STEPS => {
                Part::Many("graph", self.many(steps.len(), shape))
            }
            Shape::Graph(steps) => {
                Part::Graph(steps.iter().map(|it| self.named(path, it)).collect())
            }
            Shape::Guarded(step, handler) => {
                let mut branch = self.branch(path, step);
                branch.on_error.push(self.leaf(*handler));
                return branch;
            }
        };
        Branch {
            path: path.to_owned(),
            name: None,
            after: Vec::new(),
            part,
            on_error: Vec::new(),
        }
    }

    fn named(&self, path: &str, step: &(String, Vec<String>, Shape)) -> Branch {
        let (name, after, shape) = step;
        Branch {
            name: Some(name.clone()),
            after: after.clone(),
            ..self.branch(&below(path, "graph", name), shape)
        }
    }

    fn leaf(&self, node: u32) -> Leaf {
        Leaf {
            task: self.task(node).to_owned(),
            job: self.jobs.get(node as usize).copied(),
        }
    }

    fn task(&self, node: u32) -> &'a str {
        self.tasks.get(node as usize).copied().unwrap_or("?")
    }

    fn many(&self, steps: usize, shape: &Shape) -> Many {
        let mut many = Many {
            steps,
            ..Many::default()
        };
        let mut see = |node: u32| {
            let task = self.task(node);
            match many.tasks.get_mut(task) {
                Some(count) => *count += 1,
                None => drop(many.tasks.insert(task.to_owned(), 1)),
            }
            let state = self.jobs.get(node as usize).and_then(|it| it.1);
            match many.states.iter_mut().find(|it| it.0 == state) {
                Some((_, count)) => *count += 1,
                None => many.states.push((state, 1)),
            }
        };
        each(shape, &mut see);
        many.states.sort_by_key(|it| it.0.map(|state| state as u8));
        many
    }
}

/// All nodes of a step.
fn each(shape: &Shape, see: &mut dyn FnMut(u32)) {
    match shape {
        Shape::Call(node) => see(*node),
        Shape::Calls { first, count } => (*first..first + count).for_each(see),
        Shape::Chain(steps) | Shape::Group(steps) => steps.iter().for_each(|it| each(it, see)),
        Shape::Graph(steps) => steps.iter().for_each(|it| each(&it.2, see)),
        Shape::Guarded(step, handler) => {
            each(step, see);
            see(*handler);
        }
    }
}
