//! What is printed of flows.

use lovage_queue::broker::{FlowState, FlowStatus};
use lovage_queue::client::{Branch, FlowTree, Leaf, Many, Part};
use lovage_queue::job::State;

use super::super::output::{Output, table};
use crate::view::moment;

/// A table of flows.
pub(super) fn list(out: &Output, flows: &[FlowStatus]) -> String {
    let head = [
        "id",
        "name",
        "state",
        "completed",
        "failed",
        "calls",
        "begun",
    ];
    let rows = flows.iter().map(|it| {
        [
            it.id.to_string(),
            it.name.clone(),
            state(out, it.state),
            it.completed.to_string(),
            it.failed.to_string(),
            it.nodes.to_string(),
            moment(it.begun),
        ]
    });
    table(head, rows)
}

/// One flow in a line.
pub(super) fn line(out: &Output, it: &FlowStatus) -> String {
    let mut line = format!(
        "{} `{}`: {}, {} of {} calls completed",
        it.id,
        it.name,
        state(out, it.state),
        it.completed,
        it.nodes
    );
    if it.failed > 0 {
        line += &format!(", {} failed", it.failed);
    }
    if it.pending > 0 {
        line += &format!(", {} wait", it.pending);
    }
    line
}

fn state(out: &Output, state: FlowState) -> String {
    // In the colours of the states of jobs that they are most alike.
    let alike = match state {
        FlowState::Building => State::Pending,
        FlowState::Running => State::Running,
        FlowState::Completed => State::Completed,
        FlowState::Failed => State::Discarded,
        FlowState::Cancelled => State::Cancelled,
    };
    out.coloured(alike, state.as_str())
}

/// A flow with its steps, as a tree.
pub(super) fn drawn(out: &Output, tree: &FlowTree) -> String {
    let mut lines = vec![line(out, &tree.status)];
    let begun = format!("begun {}", moment(tree.status.begun));
    let ended = tree.status.ended.known();
    let ended = ended.map(|at| format!(", ended {}", moment(at)));
    lines.push(begun + &ended.unwrap_or_default());
    draw(out, &tree.root, "", "", "", &mut lines);
    lines.join("\n")
}

/// Draws a step. `label` is its place in its step, `first` stands before its own line and
/// `rest` before those below it.
fn draw(out: &Output, it: &Branch, label: &str, first: &str, rest: &str, lines: &mut Vec<String>) {
    let mut line = format!("{first}{label}");
    if !it.after.is_empty() {
        line += &format!("after {}: ", it.after.join(", "));
    }
    let (said, below): (String, &[Branch]) = match &it.part {
        Part::Call(call) => (told(out, call), &[]),
        Part::Chain(steps) => ("chain".into(), steps),
        Part::Group(steps) => ("group".into(), steps),
        Part::Graph(steps) => ("graph".into(), steps),
        Part::Many(kind, many) => (counted(out, kind, many), &[]),
    };
    lines.push(line + &said);
    let named = matches!(it.part, Part::Graph(_));
    let last = below.len() + it.on_error.len();
    let edge = |n: usize| match n + 1 == last {
        true => (format!("{rest}└─ "), format!("{rest}   ")),
        false => (format!("{rest}├─ "), format!("{rest}│  ")),
    };
    for (n, step) in below.iter().enumerate() {
        let (first, rest) = edge(n);
        let label = match (named, &step.name) {
            (true, Some(name)) => format!("{name}: "),
            _ => format!("[{n}] "),
        };
        draw(out, step, &label, &first, &rest, lines);
    }
    for (n, handler) in it.on_error.iter().enumerate() {
        let (first, _) = edge(below.len() + n);
        lines.push(format!("{first}on error: {}", told(out, handler)));
    }
}

/// A call in a line.
fn told(out: &Output, it: &Leaf) -> String {
    match it.job {
        Some((id, Some(state))) => format!("{} {} {id}", it.task, out.state(state)),
        Some((id, None)) => format!("{} unknown {id}", it.task),
        None => format!("{} gone", it.task),
    }
}

/// Many calls in a line.
fn counted(out: &Output, kind: &str, it: &Many) -> String {
    const SHOWN: usize = 3;
    let mut tasks: Vec<&str> = it.tasks.keys().map(String::as_str).take(SHOWN).collect();
    if it.tasks.len() > SHOWN {
        tasks.push("…");
    }
    let states = it.states.iter().map(|(state, count)| match state {
        Some(state) => format!("{count} {}", out.state(*state)),
        None => format!("{count} unknown"),
    });
    let calls: u32 = it.states.iter().map(|it| it.1).sum();
    let done = it.states.iter().find(|it| it.0 == Some(State::Completed));
    let share = done.map_or(0, |it| u64::from(it.1) * 100 / u64::from(calls.max(1)));
    format!(
        "{kind} of {} × {}: {} ({share} %)",
        it.steps,
        tasks.join(", "),
        states.collect::<Vec<_>>().join(", ")
    )
}
