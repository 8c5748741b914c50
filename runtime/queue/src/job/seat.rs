//! A job's place in a flow: what it is of, and whose results it takes.

use serde::{Deserialize, Serialize};

use super::JobId;

/// The most nodes that a flow has.
pub const MAX_NODES: usize = 1_000_000;

/// Of how many nodes the jobs come with a claim, at most: whoever takes more asks.
const MAX_GIVEN: usize = 4;
/// The longest record that comes with a claim.
pub(crate) const MAX_GIVEN_BYTES: usize = 2048;

/// A node's place in its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The flow.
    pub flow: JobId,
    /// The joint that it is of, where others wait for it.
    pub joins: Option<u32>,
    /// The joint whose handlers its failure frees.
    pub alarms: Option<u32>,
    /// What becomes of the flow without it.
    pub without: WithoutNode,
}

/// What becomes of a flow when a node of it ends otherwise than completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutNode {
    /// The rest is cancelled.
    #[default]
    Stops,
    /// What does not wait for it goes on; what does stays pending until the rest has
    /// ended, and is cancelled then.
    Waits,
    /// Its joint counts it all the same, and it counts as completed.
    GoesOn,
    /// It is a handler of failures: nothing waits for it, and it is not cancelled with
    /// the rest of a flow that stops.
    Handles,
}

impl WithoutNode {
    /// The letter that stores keep.
    pub(crate) fn letter(self) -> char {
        match self {
            WithoutNode::Stops => 's',
            WithoutNode::Waits => 'w',
            WithoutNode::GoesOn => 'g',
            WithoutNode::Handles => 'h',
        }
    }

    pub(crate) fn from_letter(letter: char) -> Self {
        match letter {
            'w' => WithoutNode::Waits,
            'g' => WithoutNode::GoesOn,
            'h' => WithoutNode::Handles,
            _ => WithoutNode::Stops,
        }
    }
}

/// An argument that is a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The argument's name.
    #[serde(rename = "a")]
    pub argument: String,
    /// Whose result.
    #[serde(rename = "f")]
    pub from: From,
}

/// The nodes whose results these are, each once, where they are few enough to be given.
pub(crate) fn few_nodes(binds: &[Bind]) -> Option<Vec<u32>> {
    fn add(from: &From, nodes: &mut Vec<u32>) -> Option<()> {
        match from {
            From::Node(node) => nodes.push(*node),
            From::Nodes { count, .. } if *count as usize > MAX_GIVEN => return None,
            From::Nodes { first, count } => nodes.extend(*first..first.checked_add(*count)?),
            From::List(all) => all.iter().try_for_each(|it| add(it, nodes))?,
            From::Failures(_) => return None,
        }
        (nodes.len() <= 2 * MAX_GIVEN).then_some(())
    }
    let mut nodes = Vec::new();
    binds.iter().try_for_each(|it| add(&it.from, &mut nodes))?;
    nodes.sort_unstable();
    nodes.dedup();
    (1..=MAX_GIVEN).contains(&nodes.len()).then_some(nodes)
}

/// Nodes whose results are meant, by their places in the flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum From {
    /// The one result of this node.
    #[serde(rename = "n")]
    Node(u32),
    /// The list of the results of so many nodes from the first one on.
    #[serde(rename = "m")]
    Nodes {
        /// The first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A list of these.
    #[serde(rename = "l")]
    List(Vec<From>),
    /// Which of these nodes failed, and why: a list of maps with `id`, `task`, `kind` and
    /// `message`. Each pair is a first node and how many.
    #[serde(rename = "x")]
    Failures(Vec<(u32, u32)>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_nodes_are_known_by_their_places() {
        let binds = |all: Vec<From>| {
            let bind = |from| Bind {
                argument: "a".into(),
                from,
            };
            all.into_iter().map(bind).collect::<Vec<_>>()
        };
        let range = |first, count| From::Nodes { first, count };
        let few = |all| few_nodes(&binds(all));
        assert_eq!(few(vec![From::Node(7)]), Some(vec![7]));
        let both = From::List(vec![range(3, 2), From::Node(4)]);
        assert_eq!(few(vec![both, From::Node(1)]), Some(vec![1, 3, 4]));
        assert_eq!(few(vec![range(0, 4)]), Some(vec![0, 1, 2, 3]));
        for asks in [
            vec![],
            vec![range(0, 5)],
            vec![range(0, 3), range(7, 2)],
            vec![range(0, u32::MAX)],
            vec![range(u32::MAX, 2)],
            vec![From::Failures(vec![(0, 1)])],
        ] {
            assert_eq!(few(asks), None);
        }
    }
}
