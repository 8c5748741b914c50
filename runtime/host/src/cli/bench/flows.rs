//! What it costs that jobs wait for others.

use std::time::Instant;

use clap::Args;
use lovage_queue::client::Call;
use serde_json::json;

use super::emptying::{Backlog, By};
use super::figures::{Report, Spread, hundredths, whole};
use super::net::{self, Net};
use super::rig::{Rig, own_queue};
use super::wide::Wide;
use super::{Context, Repeats};
use crate::cli::output::table;

/// Measure what a flow's jobs cost beside plain ones
///
/// In each repeat three queues of no-op jobs are drained by a worker, in turns that
/// rotate: plain jobs; chains of 10 steps, all of them at once, each step with the result
/// of the one before it as an argument; and chords of 100 members, each with a callback
/// that takes the list of their results. The rate is the slope between 90 % and 10 % of
/// the backlog, and the cost of a job that of a plain one of the same repeat in times.
/// How fast a client builds them is told by itself, beside a plain enqueue in batches of
/// 1,000.
///
/// Then one wide chord: how long from its start until its callback, which takes all of
/// the results, has ended; and on Redis the longest that one script kept it from all
/// others meanwhile. For that its slow log takes note of more than it is set to: give it
/// a Redis that nobody else uses.
#[derive(Debug, Args)]
pub(super) struct Flows {
    /// How many jobs each queue holds
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=1_000_000))]
    pub(super) jobs: u64,
    /// How many members the wide chord has
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) wide: u32,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// Plain jobs in one enqueue.
const BATCH: usize = 1000;
/// Plain jobs, and flows of them.
const KINDS: [Option<Net>; 3] = [None, Some(Net::Chains), Some(Net::Chords)];

/// Of each kind, once a repeat.
#[derive(Default)]
struct Found {
    built: [Spread; 3],
    drained: [Spread; 3],
}

impl Flows {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let (mut found, mut wide) = (Found::default(), Wide::of(self.wide.into()));
        for repeat in 0..=self.repeats.repeats as usize {
            // The first one warms everything up and does not count.
            let share = if repeat == 0 { 10 } else { 1 };
            for turn in 0..KINDS.len() {
                let at = (repeat + turn) % KINDS.len();
                let (backlog, built) = Self::fill(&rig, KINDS[at], self.jobs / share).await?;
                let drained = backlog.empty(&rig, By::Engine).await?;
                rig.prune().await?;
                if repeat > 0 {
                    found.built[at].add(built);
                    found.drained[at].add(drained);
                }
            }
            let members = (wide.members / share).max(1);
            wide.once(&rig, members, repeat > 0).await?;
        }
        Ok(self.report(&found, &wide))
    }

    async fn fill(rig: &Rig<'_>, net: Option<Net>, jobs: u64) -> anyhow::Result<(Backlog, f64)> {
        match net {
            Some(net) => net::built(rig, net, jobs).await,
            None => enqueued(rig, jobs).await,
        }
    }

    fn report(&self, found: &Found, wide: &Wide) -> Report {
        let [plain, chains, chords] = &found.drained;
        let (step, member) = (plain.over(chains), plain.over(chords));
        let [enqueue, build_chains, build_chords] = &found.built;
        let mut wide_json = wide.json();
        wide_json["job_to_plain"] = plain.over(&wide.ran).json();
        let json = json!({
            "jobs": self.jobs, "plain_per_second": plain.json(),
            "chains_per_second": chains.json(), "chords_per_second": chords.json(),
            "chain_step_to_plain": step.json(), "chord_member_to_plain": member.json(),
            "enqueue_per_second": enqueue.json(),
            "build_chains_per_second": build_chains.json(),
            "build_chords_per_second": build_chords.json(), "wide": wide_json,
        });
        let row = |name: &str, drained: String, cost: String, built: &Spread| {
            [name.to_owned(), drained, cost, built.show(whole)]
        };
        let one = String::new();
        let chord = format!("one chord of {}", whole(wide.members as f64));
        let text = table(
            ["flows", "jobs/s", "cost", "built/s"],
            [
                row("plain jobs", plain.show(whole), one, enqueue),
                row(
                    "chains of 10",
                    chains.show(whole),
                    step.show(hundredths),
                    build_chains,
                ),
                row(
                    "chords of 100",
                    chords.show(whole),
                    member.show(hundredths),
                    build_chords,
                ),
                row(
                    &chord,
                    wide.ran.show(whole),
                    plain.over(&wide.ran).show(hundredths),
                    &wide.built,
                ),
            ],
        );
        let text = format!(
            "{text}\ncost: of a job, in times of a plain one\n{}",
            wide.show()
        );
        Report { json, text }
    }
}

/// So many plain jobs, and how many a second a client enqueued.
async fn enqueued(rig: &Rig<'_>, jobs: u64) -> anyhow::Result<(Backlog, f64)> {
    let queue = own_queue();
    let call = Call {
        queue: Some(queue.clone()),
        ..Call::of(net::task())
    };
    let (mut ids, since) = (Vec::new(), Instant::now());
    while (ids.len() as u64) < jobs {
        let some = BATCH.min(jobs as usize - ids.len());
        let some = rig.client.enqueue_all(vec![call.clone(); some]).await?;
        ids.extend(some);
    }
    let rate = jobs as f64 / since.elapsed().as_secs_f64();
    let mark = async |n: u64| Ok(ids[n as usize]);
    Ok((Backlog::standing(queue, jobs, mark).await?, rate))
}
