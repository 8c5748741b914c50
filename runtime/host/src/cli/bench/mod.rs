//! `lovage bench`: what this machine and this broker can do.
//!
//! # Layout
//! - this file: the command
//! - `rig`: what all measurements stand on: a broker, an engine, queues of their
//!   own; `worker`: a worker in this process, or in one of its own
//! - `emptying`: how fast a queue empties, by whom; `bare`: by a loop alone
//! - `figures`: medians, percentiles, and how they are told
//! - `suite`: all measurements in short
//! - one file a measurement: `drain`, `enqueue`, `roundtrip` with `load` (what
//!   goes on beside it), `start`, `memory`, `scheduled`, `fairness`, `tenants`, `breadth`,
//!   `idle`, `hostile`, `http` with `wire` (a client that costs little), `flows` with `net` (flows of no-ops) and `wide` (a single one)

mod bare;
mod breadth;
mod drain;
mod emptying;
mod enqueue;
mod fairness;
mod figures;
mod flows;
mod hostile;
mod http;
mod idle;
mod load;
mod memory;
mod net;
mod rig;
mod roundtrip;
mod scheduled;
mod start;
mod suite;
mod tenants;
mod wide;
mod wire;
mod worker;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use figures::Report;

/// Measure what this machine and its broker can do
///
/// Without a further word: all measurements, each in a short form, which takes a
/// minute or two. Every figure is the median of the repeats, and in brackets stand
/// the lowest and the highest; what goes before them to warm up does not count.
/// Figures of two machines, or of one machine at two times, do not compare: ratios
/// to the baselines of the same run do.
///
/// Each measurement uses queues and modules of its own on the broker that is
/// configured, and leaves finished jobs there until their retention is over. Give it
/// a broker that has nothing else to do: `--broker sqlite:/tmp/bench.db`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Bench {
    #[command(flatten)]
    suite: suite::Suite,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    Drain(drain::Drain),
    Enqueue(enqueue::Enqueue),
    Roundtrip(roundtrip::Roundtrip),
    Start(start::Start),
    Memory(memory::Memory),
    Scheduled(scheduled::Scheduled),
    Fairness(fairness::Fairness),
    Tenants(tenants::Tenants),
    Breadth(breadth::Breadth),
    Idle(idle::Idle),
    Flows(flows::Flows),
    Hostile(hostile::Hostile),
    Http(http::Http),
}

/// How often each figure is taken.
#[derive(Clone, Copy, Debug, Args)]
struct Repeats {
    /// How often each figure is taken
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repeats: u32,
}

impl Bench {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let place = context.place_of_broker("bench")?;
        let Report { mut json, text } = match self.what {
            None => self.suite.run(context).await,
            Some(What::Drain(it)) => it.run(context).await,
            Some(What::Enqueue(it)) => it.run(context).await,
            Some(What::Roundtrip(it)) => it.run(context).await,
            Some(What::Start(it)) => it.run(context).await,
            Some(What::Memory(it)) => it.run(context).await,
            Some(What::Scheduled(it)) => it.run(context).await,
            Some(What::Fairness(it)) => it.run(context).await,
            Some(What::Tenants(it)) => it.run(context).await,
            Some(What::Breadth(it)) => it.run(context).await,
            Some(What::Idle(it)) => it.run(context).await,
            Some(What::Flows(it)) => it.run(context).await,
            Some(What::Hostile(it)) => it.run(context).await,
            Some(What::Http(it)) => it.run(context).await,
        }?;
        json["broker"] = json!(place.to_string());
        json["version"] = json!(env!("CARGO_PKG_VERSION"));
        context.out.print(&json, || text)
    }
}
