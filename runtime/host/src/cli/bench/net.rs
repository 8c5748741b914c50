//! Flows of no-ops: many short chains, many small chords.

use std::time::{Duration, Instant};

use lovage_queue::client::PreparedFlow;
use lovage_queue::flow::{Call, Flow, Step, chain, chord};
use lovage_queue::task::TaskName;

use super::emptying::Backlog;
use super::rig::{MODULE, Rig, own_queue};

/// Steps of a chain, each of which takes the result of the one before it.
const STEPS: u64 = 10;
/// Members of a chord, whose callback takes the list of their results.
const MEMBERS: u64 = 100;

/// What flows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    Chains,
    Chords,
}

impl Net {
    fn size(self) -> u64 {
        match self {
            Net::Chains => STEPS,
            Net::Chords => MEMBERS + 1,
        }
    }

    fn step(self, queue: &str) -> Step {
        match self {
            Net::Chains => {
                let first = noop(queue);
                let next = noop(queue).previous("it");
                let rest = std::iter::repeat_n(next, STEPS as usize - 1);
                chain(std::iter::once(first).chain(rest).collect::<Vec<_>>())
            }
            Net::Chords => wide(queue, MEMBERS),
        }
    }

    /// The flow in which the job lies that is the `n`th to end, and its place there.
    /// Chains go on side by side, chords one after the other.
    fn place(self, n: u64, flows: u64) -> (usize, u32) {
        let (flow, node) = match self {
            Net::Chains => (n % flows, n / flows),
            Net::Chords => (n / self.size(), n % self.size()),
        };
        (flow as usize, node as u32)
    }
}

/// A chord of so many members.
pub(super) fn wide(queue: &str, members: u64) -> Step {
    let members = vec![noop(queue); members as usize];
    chord(members, noop(queue).previous("all"))
}

/// The no-op's name.
pub(super) fn task() -> TaskName {
    TaskName {
        module: MODULE.into(),
        task: "noop".into(),
    }
}

fn noop(queue: &str) -> Call {
    Call::of(task()).queue(queue)
}

/// A flow that leaves with the first prune, which is ours: as the jobs beside it, so
/// that each round finds the broker as the last one did.
pub(super) fn flow(step: Step) -> Flow {
    Flow::new("bench", step).keep(Duration::ZERO)
}

/// About so many jobs in flows that have begun, and how many a second were built.
pub(super) async fn built(rig: &Rig<'_>, net: Net, jobs: u64) -> anyhow::Result<(Backlog, f64)> {
    let (queue, client) = (own_queue(), &rig.client);
    let flow = flow(net.step(&queue));
    let flows = (jobs / net.size()).max(1);
    let bar = rig.context.out.bar(flows, "build");
    let mut all: Vec<PreparedFlow> = Vec::new();
    let since = Instant::now();
    for _ in 0..flows {
        let prepared = client.prepare_flow(&flow).await?;
        client.send_flow(&prepared).await?;
        all.push(prepared);
        bar.inc(1);
    }
    let took = since.elapsed();
    bar.finish_and_clear();
    let jobs = flows * net.size();
    let mark = async |n| {
        let (flow, place) = net.place(n, flows);
        let (broker, id) = (client.broker(), all[flow].id());
        let found = broker.flow_nodes(client.tenant(), id, place, 1).await?;
        let node = found.first().ok_or_else(super::rig::failed)?;
        Ok(node.0)
    };
    let backlog = Backlog::standing(queue, jobs, mark).await?;
    Ok((backlog, jobs as f64 / took.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_end_side_by_side_and_chords_one_after_the_other() {
        assert_eq!(Net::Chains.place(0, 100), (0, 0));
        assert_eq!(Net::Chains.place(905, 100), (5, 9));
        assert_eq!(Net::Chords.place(100, 10), (0, 100));
        assert_eq!(Net::Chords.place(909, 10), (9, 0));
    }
}
