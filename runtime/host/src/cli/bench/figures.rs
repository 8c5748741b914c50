//! From what was measured to what is said of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::outcome::grouped;

/// What a measurement found: for programs, and for people.
pub(super) struct Report {
    pub(super) json: Value,
    pub(super) text: String,
}

/// One figure, once a repeat.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Vec<f64>);

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Spread(samples.into_iter().collect())
    }
}

impl Spread {
    pub(super) fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// Each sample divided by the other's of the same repeat, where there are both.
    pub(super) fn over(&self, other: &Spread) -> Spread {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(a, b)| a / b).collect()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => 0.0,
            even if even.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    fn ends(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let end = |it: Option<&f64>| it.copied().unwrap_or_default();
        (end(sorted.first()), end(sorted.last()))
    }

    pub(super) fn json(&self) -> Value {
        let (lowest, highest) = self.ends();
        let samples: Vec<f64> = self.0.iter().copied().map(rounded).collect();
        json!({
            "median": rounded(self.median()), "lowest": rounded(lowest),
            "highest": rounded(highest), "samples": samples,
        })
    }

    /// `median (lowest–highest)`, or the one sample that there is.
    pub(super) fn show(&self, form: impl Fn(f64) -> String) -> String {
        let (lowest, highest) = self.ends();
        let median = form(self.median());
        if self.0.len() < 2 {
            return median;
        }
        format!("{median} ({}–{})", form(lowest), form(highest))
    }
}

/// To the thousandth: what comes after that was never measured.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// A whole number with its thousands apart.
pub(super) fn whole(figure: f64) -> String {
    grouped(figure.round().max(0.0) as u64)
}

/// A ratio, or milliseconds.
pub(super) fn hundredths(figure: f64) -> String {
    format!("{figure:.2}")
}

/// Bytes as MiB.
pub(super) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1_048_576.0)
}

/// Milliseconds.
pub(super) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// The spans of one repeat, from the shortest to the longest.
pub(super) struct Spans(Vec<Duration>);

/// Which percentiles are told, and the share of all spans that are no longer.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Spans {
    pub(super) fn new(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Spans(spans)
    }

    /// In milliseconds: the shortest of the spans than which this share of all is
    /// no longer. It is one that was measured, never something between two.
    fn at(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let span = self.0.get(rank.saturating_sub(1));
        span.copied().map_or(0.0, ms)
    }
}

/// The percentiles of all repeats, in milliseconds: each with its spread.
pub(super) struct Percentiles([(&'static str, Spread); 4]);

impl Percentiles {
    pub(super) fn of(repeats: &[Spans]) -> Self {
        let spread = |share| repeats.iter().map(|spans| spans.at(share)).collect();
        Percentiles(PERCENTILES.map(|(name, share)| (name, spread(share))))
    }

    pub(super) fn json(&self) -> Value {
        let pairs = self.0.iter();
        pairs
            .map(|(name, spread)| ((*name).to_owned(), spread.json()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// The time that one call in a hundred takes longer than.
    pub(super) fn p99(&self) -> &Spread {
        &self.0[1].1
    }

    /// The names, for a table's head.
    pub(super) fn names() -> [&'static str; 4] {
        PERCENTILES.map(|(name, _)| name)
    }

    /// The cells below them.
    pub(super) fn cells(&self) -> [String; 4] {
        [0, 1, 2, 3].map(|at| self.0[at].1.show(hundredths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(samples: &[f64]) -> Spread {
        samples.iter().copied().collect()
    }

    #[test]
    fn a_spread_has_a_middle_and_two_ends() {
        let odd = spread(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median(), odd.ends()), (2.0, (1.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        let none = Spread::default();
        assert_eq!((none.median(), none.ends()), (0.0, (0.0, 0.0)));
    }

    #[test]
    fn a_spread_is_told_with_its_samples_as_they_came() {
        let told = spread(&[3.0, 1.0, 2.000_44]).json();
        let expected = json!({
            "median": 2.0, "lowest": 1.0, "highest": 3.0, "samples": [3.0, 1.0, 2.0],
        });
        assert_eq!(told, expected);
        let shown = spread(&[41_300.4, 44_500.0, 37_000.0]).show(whole);
        assert_eq!(shown, "41,300 (37,000–44,500)");
        assert_eq!(spread(&[1.5]).show(hundredths), "1.50");
    }

    #[test]
    fn a_ratio_is_taken_within_each_repeat() {
        let over = spread(&[10.0, 30.0]).over(&spread(&[20.0, 20.0]));
        assert_eq!(over.0, [0.5, 1.5]);
    }

    #[test]
    fn a_percentile_is_a_span_that_was_measured() {
        let spans = Spans::new((1..=1000).rev().map(Duration::from_millis).collect());
        let at = [0.5, 0.99, 0.999, 1.0].map(|share| spans.at(share));
        assert_eq!(at, [500.0, 990.0, 999.0, 1000.0]);
        let few = Spans::new([3, 1, 2].map(Duration::from_millis).into());
        let at = [0.0, 0.5, 0.99, 1.0].map(|share| few.at(share));
        assert_eq!(at, [1.0, 2.0, 3.0, 3.0]);
        assert_eq!(Spans::new(Vec::new()).at(0.99), 0.0);
    }

    #[test]
    fn percentiles_spread_over_the_repeats() {
        let repeats = [1, 5, 3].map(|n| Spans::new(vec![Duration::from_millis(n)]));
        let told = Percentiles::of(&repeats).json();
        for name in Percentiles::names() {
            assert_eq!(told[name]["median"], 3.0, "{name}");
            assert_eq!(told[name]["samples"], json!([1.0, 5.0, 3.0]), "{name}");
        }
    }
}
