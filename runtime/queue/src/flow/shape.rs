//! How a flow was written, by the places of its nodes: what people are shown of it.

use std::collections::HashSet;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::From;

/// A step by its nodes' places. Short where many calls lie side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// A call.
    #[serde(rename = "n")]
    Call(u32),
    /// So many calls from the first one on, in a group.
    #[serde(rename = "m")]
    Calls {
        /// The first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// One after the other.
    #[serde(rename = "c")]
    Chain(Vec<Shape>),
    /// All at once.
    #[serde(rename = "g")]
    Group(Vec<Shape>),
    /// By name, with those that each waits for.
    #[serde(rename = "d")]
    Graph(Vec<(String, Vec<String>, Shape)>),
    /// A step, and the handler of its failures.
    #[serde(rename = "e")]
    Guarded(Box<Shape>, u32),
}

impl Shape {
    /// Where its result is: as [`Plan::result`](super::Plan::result) of all of it.
    pub fn result(&self) -> From {
        match self {
            Shape::Call(node) => From::Node(*node),
            Shape::Calls { first, count } => From::Nodes {
                first: *first,
                count: *count,
            },
            Shape::Chain(steps) => steps.last().map_or(From::List(Vec::new()), Shape::result),
            Shape::Group(steps) => list(steps.iter().map(Shape::result).collect()),
            Shape::Graph(steps) => {
                let named = steps.iter().flat_map(|(_, after, _)| after);
                let named: HashSet<&String> = named.collect();
                let ends = steps.iter().filter(|(name, ..)| !named.contains(name));
                let mut ends: Vec<From> = ends.map(|(.., step)| step.result()).collect();
                match ends.len() {
                    1 => ends.remove(0),
                    _ => list(ends),
                }
            }
            Shape::Guarded(step, _) => step.result(),
        }
    }

    /// Where the result of the step with this path is, if there is such a step.
    pub fn result_at(&self, path: &str) -> Option<From> {
        match path {
            "flow" | "" => Some(self.result()),
            _ => self.find(path),
        }
    }

    /// As [`result_at`](Shape::result_at), of what is left of a path.
    fn find(&self, path: &str) -> Option<From> {
        // What follows on `kind[place]`, as far as the path begins so.
        let rest = |kind: &str, place: &dyn Display| {
            let rest = path.strip_prefix(&*below("flow", kind, place))?;
            match rest.strip_prefix('.') {
                Some(rest) => Some(rest),
                None => rest.is_empty().then_some(rest),
            }
        };
        let into = |step: &Shape, rest: &str| match rest {
            "" => Some(step.result()),
            rest => step.find(rest),
        };
        let at = |kind: &str, steps: &[Shape]| {
            let number = numbered(path, kind)?;
            let step = steps.get(number as usize)?;
            into(step, rest(kind, &number)?)
        };
        match self {
            Shape::Call(_) => None,
            Shape::Calls { first, count } => {
                let number = numbered(path, "group").filter(|it| it < count)?;
                (rest("group", &number)?.is_empty()).then_some(From::Node(first + number))
            }
            Shape::Chain(steps) => at("chain", steps),
            Shape::Group(steps) => at("group", steps),
            Shape::Graph(steps) => steps
                .iter()
                .find_map(|(name, _, step)| into(step, rest("graph", name)?)),
            Shape::Guarded(_, handler) if path == "on_error" => Some(From::Node(*handler)),
            Shape::Guarded(step, _) => step.find(path),
        }
    }

    /// The path of a node, as it was written.
    pub fn path(&self, node: u32) -> Option<String> {
        self.path_below("flow", node)
    }

    fn path_below(&self, path: &str, node: u32) -> Option<String> {
        let all = |kind: &str, steps: &[Shape]| {
            let mut steps = steps.iter().enumerate();
            steps.find_map(|(n, step)| step.path_below(&below(path, kind, &n), node))
        };
        match self {
            Shape::Call(it) => (*it == node).then(|| path.to_owned()),
            Shape::Calls { first, count } => {
                let place = node.checked_sub(*first).filter(|place| place < count)?;
                Some(below(path, "group", &place))
            }
            Shape::Chain(steps) => all("chain", steps),
            Shape::Group(steps) => all("group", steps),
            Shape::Graph(steps) => steps
                .iter()
                .find_map(|(name, _, step)| step.path_below(&below(path, "graph", name), node)),
            Shape::Guarded(_, handler) if *handler == node => Some(below(path, "on_error", &"")),
            Shape::Guarded(step, _) => step.path_below(path, node),
        }
    }

    /// The same by the nodes' last places.
    pub(super) fn placed(&self, places: &[u32]) -> Shape {
        let all = |steps: &[Shape]| -> Vec<Shape> {
            steps.iter().map(|step| step.placed(places)).collect()
        };
        let place = |node: u32| places[node as usize];
        match self {
            Shape::Call(node) => Shape::Call(place(*node)),
            Shape::Calls { .. } => self.clone(),
            Shape::Chain(steps) => Shape::Chain(all(steps)),
            Shape::Group(steps) => group(all(steps)),
            Shape::Graph(steps) => {
                let steps = steps
                    .iter()
                    .map(|(name, after, step)| (name.clone(), after.clone(), step.placed(places)));
                Shape::Graph(steps.collect())
            }
            Shape::Guarded(step, handler) => {
                Shape::Guarded(Box::new(step.placed(places)), place(*handler))
            }
        }
    }
}

/// A group; calls side by side are told as such.
fn group(steps: Vec<Shape>) -> Shape {
    let Some(Shape::Call(first)) = steps.first() else {
        return Shape::Group(steps);
    };
    let first = *first;
    match (first..).zip(&steps).all(|(at, it)| *it == Shape::Call(at)) {
        true if steps.len() > 1 => Shape::Calls {
            first,
            count: steps.len() as u32,
        },
        _ => Shape::Group(steps),
    }
}

/// A list of results; those of nodes side by side are told as such.
pub(super) fn list(all: Vec<From>) -> From {
    let Some(From::Node(first)) = all.first() else {
        return From::List(all);
    };
    let first = *first;
    match (first..).zip(&all).all(|(at, it)| *it == From::Node(at)) {
        true => From::Nodes {
            first,
            count: all.len() as u32,
        },
        false => From::List(all),
    }
}

/// The path of a step within another one's; `flow` is the outermost.
pub fn below(path: &str, kind: &str, place: &dyn Display) -> String {
    let place = place.to_string();
    let step = match place.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind}[{place}]"),
    };
    match path {
        "flow" => step,
        _ => format!("{path}.{step}"),
    }
}

/// The number in the brackets of a path that begins with `kind[`.
fn numbered(path: &str, kind: &str) -> Option<u32> {
    let (number, _) = path
        .strip_prefix(kind)?
        .strip_prefix('[')?
        .split_once(']')?;
    number.parse().ok()
}

/// Places as ranges: each a first one and how many, in order.
pub(super) fn ranges(mut places: Vec<u32>) -> Vec<(u32, u32)> {
    places.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((first, count)) if *first + *count == place => *count += 1,
            _ => ranges.push((place, 1)),
        }
    }
    ranges
}
