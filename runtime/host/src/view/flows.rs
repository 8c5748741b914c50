//! Flows, and their steps.

use lovage_queue::broker::{FlowState, FlowStatus};
use lovage_queue::client::{Branch, FlowTree, Leaf, Part};
use lovage_queue::job::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{known, moment};
use crate::units::exact;

/// A flow.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Flow)]
pub struct FlowView {
    /// Which: a UUID of version 7.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// `building`, `running`, `completed`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    pub state: FlowState,
    /// How many calls it has.
    pub nodes: u32,
    /// How many of them wait for others.
    pub pending: u32,
    /// How many have completed.
    pub completed: u32,
    /// How many have failed.
    pub failed: u32,
    /// When it was made.
    pub begun: String,
    /// When it ended.
    pub ended: Option<String>,
    /// How long it is kept after that, where that was said.
    pub keep: Option<String>,
}

impl FlowView {
    /// What is shown of a flow.
    pub fn of(it: &FlowStatus) -> Self {
        FlowView {
            id: it.id.to_string(),
            name: it.name.clone(),
            state: it.state,
            nodes: it.nodes,
            pending: it.pending,
            completed: it.completed,
            failed: it.failed,
            begun: moment(it.begun),
            ended: known(it.ended),
            keep: it.keep.map(exact),
        }
    }
}

/// A flow with its steps.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FlowTree)]
pub struct FlowTreeView {
    /// The flow.
    #[serde(flatten)]
    pub flow: FlowView,
    /// Its outermost step: `path`, and one of `task` (with `job` and `state`), `chain`,
    /// `group`, `graph` (lists of steps) and `many` (steps that are counted).
    pub steps: Value,
}

impl FlowTreeView {
    /// What is shown of a flow with its steps.
    pub fn of(tree: &FlowTree) -> Self {
        FlowTreeView {
            flow: FlowView::of(&tree.status),
            steps: branch(&tree.root),
        }
    }
}

fn branch(it: &Branch) -> Value {
    let steps =
        |kind: &str, steps: &[Branch]| json!({kind: steps.iter().map(branch).collect::<Vec<_>>()});
    let mut json = match &it.part {
        Part::Call(call) => leaf(call),
        Part::Chain(all) => steps("chain", all),
        Part::Group(all) => steps("group", all),
        Part::Graph(all) => steps("graph", all),
        Part::Many(kind, many) => json!({"many": kind, "steps": many.steps, "tasks": many.tasks,
            "states": many.states.iter().map(|(state, n)| (word(*state).to_owned(), json!(n)))
                .collect::<serde_json::Map<_, _>>()}),
    };
    json["path"] = json!(it.path);
    if let Some(name) = &it.name {
        json["name"] = json!(name);
        json["after"] = json!(it.after);
    }
    if !it.on_error.is_empty() {
        json["on_error"] = it.on_error.iter().map(leaf).collect();
    }
    json
}

fn leaf(it: &Leaf) -> Value {
    let (id, state) = (it.job.map(|it| it.0), it.job.and_then(|it| it.1));
    json!({"task": it.task, "job": id, "state": state})
}

/// The word for where a call stands.
pub fn word(state: Option<State>) -> &'static str {
    state.map_or("unknown", State::as_str)
}
