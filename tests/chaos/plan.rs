//! How much chaos there is, and of which kind next.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The seed that all cases go by; printed, and given again by this variable.
const SEED: &str = "LOVAGE_CHAOS_SEED";
/// How long all cases together should take, one after the other.
const MINUTES: &str = "LOVAGE_CHAOS_MINUTES";
/// How long they take in the short form, about.
const SHORT: f64 = 180.0;

/// A case's share of it, and its random choices.
pub(super) struct Plan {
    /// The case's name, as the report has it.
    pub(super) case: &'static str,
    /// What its choices follow from.
    pub(super) seed: u64,
    scale: f64,
    random: StdRng,
}

impl Plan {
    pub(super) fn of(case: &'static str) -> Self {
        let minutes = variable::<f64>(MINUTES);
        let seed = variable(SEED).unwrap_or_else(rand::random::<u64>);
        #[allow(clippy::print_stderr)]
        {
            eprintln!("{case}: {SEED}={seed}");
        }
        // Each case has choices of its own, also where all have one seed.
        let own = case
            .bytes()
            .fold(seed, |sum, byte| sum.rotate_left(9) ^ u64::from(byte));
        Plan {
            case,
            seed,
            scale: minutes.map_or(1.0, |it| (it * 60.0 / SHORT).max(1.0)),
            random: StdRng::seed_from_u64(own),
        }
    }

    /// As many rounds as the long form has where the short one has so many.
    pub(super) fn rounds(&self, short: usize) -> usize {
        (short as f64 * self.scale).round() as usize
    }

    /// A random moment from now, in milliseconds. Not a wait for anything: a
    /// fault comes when it likes.
    pub(super) async fn moment(&mut self, ms: RangeInclusive<u64>) {
        let wait = Duration::from_millis(self.within(ms));
        tokio::time::sleep(wait).await;
    }

    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.random.random_range(range)
    }

    /// One of so many.
    pub(super) fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    /// Random choices for somebody who makes them beside this one.
    pub(super) fn branch(&mut self) -> StdRng {
        StdRng::seed_from_u64(self.random.random())
    }
}

/// A variable, if it is set; one that cannot be read is a mistake to be told.
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let value = text.parse();
    Some(value.unwrap_or_else(|_| panic!("{name}: `{text}` is no number")))
}
