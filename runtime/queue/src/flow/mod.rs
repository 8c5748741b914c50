//! Flows: calls that wait for others, as they are written and as brokers take them.
//! Pure: no store, no schema, no clock.
//!
//! # Layout
//! - here: [`Step`], what a caller writes: calls, chains, groups and graphs of them
//! - `build`: how a program writes that, down to a whole [`Flow`]; `json`: how a file does
//! - `plan`: [`Plan`], what it comes to: nodes, and the joints that they wait for;
//!   `shape`: how it was written, by the places of its nodes
//! - `check`: what is refused before anything is made of it, with its path
//!
//! # Joints
//! A node does not wait for other nodes one by one but for **joints**: sets of nodes
//! that all have to complete. Nodes that the same others wait for are of one joint, so
//! a group of 100,000 before another one is a single count and not ten billion edges;
//! and a node is of one joint at most, so its end is one step down for one counter.
//!
//! A handler of failures waits for joints of its own, which nothing counts down: the
//! first failure frees it. Who fails in a guarded step within another one's frees the
//! handlers of both.

mod build;
mod check;
mod json;
mod plan;
mod shape;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::build::check_flow_name;
pub use self::build::{
    Flow, Steps, call, chain, chord, chunks, graph, group, map, starmap, vertex,
};
pub use self::check::FlowError;
pub use self::json::{JsonError, read_json};
pub use self::plan::{Joint, Node, Plan};
pub use self::shape::{Shape, below};
pub use crate::job::{Bind, From, MAX_NODES};

use crate::arguments::Arguments;
use crate::job::{JobOptions, Pin};
use crate::task::TaskName;

/// How deep steps lie in each other.
pub const MAX_DEPTH: usize = 32;
/// The longest name of a flow, in bytes.
pub const MAX_FLOW_NAME: usize = 128;
/// The longest name of a step of a graph, in bytes.
pub const MAX_STEP_NAME: usize = 128;

/// What becomes of a flow when one of its nodes does not complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnFailure {
    /// The rest is cancelled.
    #[default]
    Stop,
    /// What does not wait for it goes on.
    Wait,
    /// It counts as completed with this result, in MessagePack.
    Default(Vec<u8>),
}

/// One call of a flow.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which task.
    pub task: TaskName,
    /// Those of its arguments that are known.
    pub arguments: Arguments,
    /// Those that are results of others: the argument's name, and whose.
    pub results: Vec<(String, Source)>,
    /// What becomes of the flow without it; what the flow says if that is nothing.
    pub on_failure: Option<OnFailure>,
    /// How long it waits once it could begin.
    pub delay: Option<Duration>,
    /// The queue, where it is not the task's own.
    pub queue: Option<String>,
    /// The lane; empty for the tenant's own.
    pub lane: String,
    /// The priority, where it is not the task's own.
    pub priority: Option<u8>,
    /// How long after it could begin it must have begun, where the task's own word is not
    /// to count.
    pub expiry: Option<Duration>,
    /// Which release is to run.
    pub pin: Pin,
    /// The rest. What a flow says itself of a job, such as whose results it takes, it sets.
    pub options: JobOptions,
}

/// Whose result an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Of the step before this one in its chain: one result of a call, the list of its
    /// members' results of a group.
    Previous,
    /// Of a node of the same graph.
    Named(String),
    /// No result, but which calls failed, and why: only a handler is told.
    Failures,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A call.
    Call(Box<Call>),
    /// One after the other, each once the one before it has completed.
    Chain(Vec<Step>),
    /// All at once.
    Group(Vec<Step>),
    /// A graph: each once those have completed whose names it gives.
    Graph(Vec<Vertex>),
    /// A step, and what is called once when the first call in it has failed.
    Guarded(Box<Step>, Box<Call>),
}

/// A step of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// Its name in the graph.
    pub name: String,
    /// What it waits for beside those whose results it takes.
    pub after: Vec<String>,
    /// What it does.
    pub step: Step,
}

impl Step {
    /// A group and a callback that takes the list of its results.
    pub fn chord(members: Vec<Step>, callback: Step) -> Self {
        Step::Chain(vec![Step::Group(members), callback])
    }

    /// One call for each of these values of an argument.
    pub fn map(call: &Call, argument: &str, values: Vec<rmpv::Value>) -> Self {
        let one = |value| {
            let mut call = call.clone();
            call.arguments.set_value(argument, value);
            Step::Call(Box::new(call))
        };
        Step::Group(values.into_iter().map(one).collect())
    }

    /// One call for each of these sets of arguments, which go before the call's own.
    pub fn starmap(call: &Call, all: Vec<Arguments>) -> Self {
        let one = |arguments: Arguments| {
            let mut call = call.clone();
            call.arguments.merge(arguments);
            Step::Call(Box::new(call))
        };
        Step::Group(all.into_iter().map(one).collect())
    }

    /// As [`map`](Step::map), with `size` of the values in each call, as a list.
    pub fn chunks(call: &Call, argument: &str, values: Vec<rmpv::Value>, size: usize) -> Self {
        let chunks = values.chunks(size.max(1));
        let lists = chunks.map(|some| rmpv::Value::Array(some.to_vec()));
        Self::map(call, argument, lists.collect())
    }
}
