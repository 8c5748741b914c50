//! What is refused before anything is made of a flow.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::plan::MAX_CARRIED;
use super::shape::below;
use super::{Call, MAX_DEPTH, MAX_FLOW_NAME, MAX_NODES, MAX_STEP_NAME, Source, Step, Vertex};

/// Why there can be no such flow. A path names the step as it was written, such as
/// `chain[1].group[3]`; the outermost one is `flow`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// A chain, a group or a graph without steps.
    #[error("{0}: it has no steps: write at least one, or leave it out")]
    Empty(String),
    /// Steps that wait for each other.
    #[error("{path}: {} wait for each other: let one of them begin", .names.join(", "))]
    Cycle {
        /// The graph.
        path: String,
        /// Its steps that do.
        names: Vec<String>,
    },
    /// A name that no step of the graph has.
    #[error("{path}: there is no step `{name}` in its graph")]
    Unknown {
        /// Who names it.
        path: String,
        /// The name.
        name: String,
    },
    /// Two steps of one name.
    #[error("{path}: two steps are named `{name}`")]
    Twice {
        /// The graph.
        path: String,
        /// The name.
        name: String,
    },
    /// The result of a step before the first one.
    #[error("{path}: argument `{argument}` is the result of the step before, and there is none")]
    NothingBefore {
        /// The call.
        path: String,
        /// The argument.
        argument: String,
    },
    /// The failures of a flow, asked for by a step of it.
    #[error("{path}: argument `{argument}` is what failed, and only an `on_error` is told")]
    NoHandler {
        /// The call.
        path: String,
        /// The argument.
        argument: String,
    },
    /// An argument that is said twice.
    #[error("{path}: argument `{argument}` is given twice")]
    Argument {
        /// The call.
        path: String,
        /// The argument.
        argument: String,
    },
    /// Steps in steps in steps.
    #[error("{0}: it lies too deep: take at most {MAX_DEPTH} levels")]
    Deep(String),
    /// A handler that says what becomes of the flow without it.
    #[error("{0}: it takes no `on_failure`: when an `on_error` fails, nothing else does")]
    HandlerFails(String),
    /// No name of a step.
    #[error(
        "{path}: {name} is no name of a step: it takes 1 to {MAX_STEP_NAME} bytes, and neither control characters nor `[`, `]` or `.`"
    )]
    StepName {
        /// The graph.
        path: String,
        /// How the name begins, quoted.
        name: String,
    },
    /// Too many who wait for too many others.
    #[error(
        "the calls of the flow wait for too many others, more than {MAX_CARRIED} together: put a step between that gathers them"
    )]
    Tangled,
    /// Too many calls.
    #[error("the flow has more than {MAX_NODES} calls")]
    Wide,
    /// No name for people.
    #[error(
        "`{0}` is no name of a flow: it takes 1 to {MAX_FLOW_NAME} bytes and no control characters"
    )]
    Name(String),
}

/// Whether a flow can be.
pub(super) fn check(step: &Step) -> Result<(), FlowError> {
    let mut look = Look::default();
    look.step(step, "flow", 1, false, &HashSet::new())
}

#[derive(Default)]
struct Look {
    calls: usize,
}

impl Look {
    fn step(
        &mut self,
        step: &Step,
        path: &str,
        depth: usize,
        follows: bool,
        names: &HashSet<&str>,
    ) -> Result<(), FlowError> {
        if depth > MAX_DEPTH {
            return Err(FlowError::Deep(path.into()));
        }
        let inner = |kind: &str, place: &dyn std::fmt::Display| below(path, kind, place);
        match step {
            Step::Call(call) => self.call(call, path, Some((follows, names))),
            Step::Chain(steps) | Step::Group(steps) if steps.is_empty() => {
                Err(FlowError::Empty(path.into()))
            }
            Step::Chain(steps) => steps.iter().enumerate().try_for_each(|(n, step)| {
                let path = inner("chain", &n);
                self.step(step, &path, depth + 1, follows || n > 0, names)
            }),
            Step::Group(steps) => steps.iter().enumerate().try_for_each(|(n, step)| {
                let path = inner("group", &n);
                self.step(step, &path, depth + 1, follows, names)
            }),
            Step::Graph(vertices) => {
                check_graph(vertices, path)?;
                let names = vertices.iter().map(|it| &*it.name).collect();
                vertices.iter().try_for_each(|vertex| {
                    let path = inner("graph", &vertex.name);
                    self.step(&vertex.step, &path, depth + 1, follows, &names)
                })
            }
            Step::Guarded(guarded, handler) => {
                let told = inner("on_error", &"");
                if handler.on_failure.is_some() {
                    return Err(FlowError::HandlerFails(told));
                }
                self.call(handler, &told, None)?;
                self.step(guarded, path, depth + 1, follows, names)
            }
        }
    }

    /// A call, and what lies before it: whether there is a step, and which are named. A
    /// handler has nothing before it but failures.
    fn call(
        &mut self,
        call: &Call,
        path: &str,
        before: Option<(bool, &HashSet<&str>)>,
    ) -> Result<(), FlowError> {
        self.calls += 1;
        if self.calls > MAX_NODES {
            return Err(FlowError::Wide);
        }
        let mut given = HashSet::new();
        for (argument, source) in &call.results {
            let (path, argument) = (path.to_owned(), argument.clone());
            if call.arguments.has(&argument) || !given.insert(argument.clone()) {
                return Err(FlowError::Argument { path, argument });
            }
            match (source, before) {
                (Source::Previous, None | Some((false, _))) => {
                    return Err(FlowError::NothingBefore { path, argument });
                }
                (Source::Named(name), None) => {
                    let name = name.clone();
                    return Err(FlowError::Unknown { path, name });
                }
                (Source::Named(name), Some((_, names))) if !names.contains(&**name) => {
                    let name = name.clone();
                    return Err(FlowError::Unknown { path, name });
                }
                (Source::Failures, Some(_)) => {
                    return Err(FlowError::NoHandler { path, argument });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a step of a graph names, each once.
pub(super) fn named(vertex: &Vertex) -> Vec<&str> {
    let mut names: Vec<&str> = vertex.after.iter().map(|name| &**name).collect();
    results_of(&vertex.step, &mut names);
    names.sort_unstable();
    names.dedup();
    names
}

/// Whose results the calls of a step take by name. A graph within has names of its own.
fn results_of<'a>(step: &'a Step, names: &mut Vec<&'a str>) {
    match step {
        Step::Call(call) => names.extend(call.results.iter().filter_map(|(_, it)| match it {
            Source::Named(name) => Some(&**name),
            Source::Previous | Source::Failures => None,
        })),
        Step::Chain(steps) | Step::Group(steps) => {
            steps.iter().for_each(|step| results_of(step, names));
        }
        Step::Graph(_) => {}
        Step::Guarded(step, _) => results_of(step, names),
    }
}

fn check_graph(vertices: &[Vertex], path: &str) -> Result<(), FlowError> {
    let path = path.to_owned();
    if vertices.is_empty() {
        return Err(FlowError::Empty(path));
    }
    let mut names = HashSet::new();
    for vertex in vertices {
        if !is_name(&vertex.name) {
            let name = vertex.name.chars().take(40).collect::<String>();
            let name = format!("{name:?}");
            return Err(FlowError::StepName { path, name });
        }
        if !names.insert(&*vertex.name) {
            let name = vertex.name.clone();
            return Err(FlowError::Twice { path, name });
        }
    }
    for vertex in vertices {
        if let Some(name) = named(vertex).into_iter().find(|it| !names.contains(it)) {
            let (path, name) = (below(&path, "graph", &vertex.name), name.to_owned());
            return Err(FlowError::Unknown { path, name });
        }
    }
    let names = circling(vertices).into_iter();
    let names: Vec<String> = names.map(|at| format!("`{}`", vertices[at].name)).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(FlowError::Cycle { path, names }),
    }
}

/// Whether a path can hold a step of this name.
fn is_name(name: &str) -> bool {
    let bad = |it: char| it.is_control() || matches!(it, '[' | ']' | '.');
    (1..=MAX_STEP_NAME).contains(&name.len()) && !name.contains(bad)
}

/// The steps of a graph that wait for each other, without those that only wait for such
/// ones: their own names would send the reader astray.
fn circling(vertices: &[Vertex]) -> Vec<usize> {
    let order: HashSet<usize> = order(vertices).into_iter().collect();
    let stuck = (0..vertices.len()).filter(|at| !order.contains(at));
    let mut stuck: BTreeMap<usize, usize> = stuck.map(|at| (at, 0)).collect();
    let places: HashMap<&str, usize> = (0..)
        .zip(vertices)
        .map(|(at, it)| (&*it.name, at))
        .collect();
    let before = |at: usize| named(&vertices[at]).into_iter().map(|name| places[name]);
    // How many of the stuck ones name each.
    for at in stuck.keys().copied().collect::<Vec<_>>() {
        for it in before(at) {
            stuck.entry(it).and_modify(|count| *count += 1);
        }
    }
    let ends = stuck.iter().filter(|(_, count)| **count == 0);
    let mut ends: Vec<usize> = ends.map(|(at, _)| *at).collect();
    while let Some(at) = ends.pop() {
        stuck.remove(&at);
        for it in before(at) {
            let Some(count) = stuck.get_mut(&it) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                ends.push(it);
            }
        }
    }
    stuck.into_keys().collect()
}

/// The steps of a graph, each behind those that it names; without those that cannot
/// stand so (Kahn's algorithm).
pub(super) fn order(vertices: &[Vertex]) -> Vec<usize> {
    let places: HashMap<&str, usize> = vertices
        .iter()
        .enumerate()
        .map(|(at, it)| (&*it.name, at))
        .collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); vertices.len()];
    let mut waits = vec![0; vertices.len()];
    for (at, vertex) in vertices.iter().enumerate() {
        for name in named(vertex) {
            let Some(before) = places.get(name) else {
                continue;
            };
            behind[*before].push(at);
            waits[at] += 1;
        }
    }
    let free = (0..vertices.len()).filter(|at| waits[*at] == 0);
    let mut free: VecDeque<usize> = free.collect();
    let mut order = Vec::with_capacity(vertices.len());
    while let Some(at) = free.pop_front() {
        order.push(at);
        for next in &behind[at] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                free.push_back(*next);
            }
        }
    }
    order
}
