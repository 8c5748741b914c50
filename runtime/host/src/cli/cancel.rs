//! `lovage cancel`: stop jobs, whatever their state.

use clap::Args;
use lovage_queue::job::State;

use super::Context;
use super::exit::Verdict;
use super::fate::{self, Fate};
use super::select::{self, Selection};

/// Jobs a request.
const BATCH: usize = 1000;
/// The states that can be cancelled, in the order in which jobs pass through
/// them: one that moves on while this looks is met again.
const STATES: [State; 4] = [
    State::Scheduled,
    State::Retryable,
    State::Available,
    State::Running,
];

const EXAMPLES: &str = "\
Examples:
    lovage cancel 01a1fb9d-48d5-7000-96f5-e653747a8050
    lovage cancel --all --task images.thumbnail
    lovage cancel --all --state scheduled --queue low

Jobs may move while all of them are looked for: pause the queue first
(`lovage pause queue:NAME`) to be sure of each.";

/// Cancel jobs
///
/// One that waits is cancelled at once and never runs. One that runs is asked to
/// stop: its worker hears of it at once, and ends it if the task does not end by
/// itself. One that has ended stays as it is. `lovage dead requeue` takes a
/// cancellation back.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Cancel {
    #[command(flatten)]
    selection: Selection,
    /// Only of this state: scheduled, available, running or retryable
    #[arg(long)]
    state: Option<State>,
}

impl Cancel {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let states = match &self.state {
            Some(state) if !STATES.contains(state) => {
                let said = format!("{state} jobs cannot be cancelled: name a state of live ones");
                return Err(Verdict::Usage(said).into());
            }
            Some(state) => std::slice::from_ref(state),
            None => &STATES,
        };
        let chosen = self.selection.of(states, self.state.is_some())?;
        let (client, named) = (context.client().await?, chosen.is_named());
        let (ids, corrupt) = chosen.ids(&client).await?;
        select::warn(&corrupt);
        let mut fates = Vec::with_capacity(ids.len());
        for some in ids.chunks(BATCH) {
            let became = client.cancel(some).await?.into_iter().map(Fate::from);
            fates.extend(some.iter().copied().zip(became));
        }
        fate::report(context, &fates, named)
    }
}
