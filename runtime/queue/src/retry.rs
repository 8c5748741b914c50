//! When a failed job runs again. Pure: the caller brings the random number.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::job::Ending;

/// What a failed attempt asks for, in the words of `lovage:task/types.retry`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// As the job's policy says.
    #[default]
    Policy,
    /// At once.
    Now,
    /// After this long.
    After(Duration),
    /// Not at all.
    Never,
}

/// Exponential backoff with full jitter (Brooker, "Exponential Backoff and
/// Jitter", AWS Architecture Blog, 2015): the wait before attempt n + 1 is
/// drawn evenly from zero to `base × factorⁿ⁻¹`, at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// The longest wait after the first failed attempt.
    pub base: Duration,
    /// How much longer each further one may be.
    pub factor: f64,
    /// No wait is longer.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            base: Duration::from_secs(5),
            factor: 3.0,
            max: Duration::from_secs(3600),
        }
    }
}

impl From<Duration> for Backoff {
    /// The default one with another base.
    fn from(base: Duration) -> Self {
        let default = Backoff::default();
        Backoff {
            base,
            max: default.max.max(base),
            ..default
        }
    }
}

impl Backoff {
    /// One of which some is said, and the rest is as by default.
    ///
    /// # Errors
    /// Which part makes no sense, and why.
    pub fn of(
        base: Option<Duration>,
        factor: Option<f64>,
        max: Option<Duration>,
    ) -> Result<Self, (&'static str, &'static str)> {
        let said = base.map_or_else(Backoff::default, Backoff::from);
        let backoff = Backoff {
            base: said.base,
            factor: factor.unwrap_or(said.factor),
            max: max.unwrap_or(said.max),
        };
        if !(backoff.factor >= 1.0 && backoff.factor.is_finite()) {
            return Err(("factor", "it takes a number from 1"));
        }
        match backoff.max < backoff.base {
            true => Err(("max", "it is less than `base`")),
            false => Ok(backoff),
        }
    }

    /// The longest wait after `failed` failed attempts (1 for the first).
    pub fn ceiling(&self, failed: u32) -> Duration {
        let steps = f64::from(failed.saturating_sub(1).min(1_000));
        let seconds = self.base.as_secs_f64() * self.factor.max(0.0).powf(steps);
        // A NaN or an overflow means "as long as allowed", never a panic.
        if seconds.is_finite() && seconds < self.max.as_secs_f64() {
            Duration::from_secs_f64(seconds.max(0.0))
        } else {
            self.max
        }
    }
}

/// What may be retried, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Runs in all, the first included.
    pub max_attempts: u32,
    /// The wait between them.
    pub backoff: Backoff,
    /// How long after it was enqueued a job may begin another attempt.
    pub max_age: Option<Duration>,
    /// Whether what an attempt used up may be enough for the next one.
    pub retry_exhausted: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            max_attempts: 5,
            backoff: Backoff::default(),
            max_age: None,
            retry_exhausted: false,
        }
    }
}

impl Policy {
    /// How long to wait before the next attempt, or `None` to discard the job.
    ///
    /// `failed` counts the failed attempts, this one included; `age` is how long
    /// ago the job was enqueued; `advice` is the module's own; `random` is drawn
    /// evenly from [0, 1).
    pub fn next(
        &self,
        failed: u32,
        age: Duration,
        ending: Ending,
        advice: Retry,
        random: f64,
    ) -> Option<Duration> {
        if failed >= self.max_attempts || ending.exhausts() && !self.retry_exhausted {
            return None;
        }
        let wait = match advice {
            Retry::Never => return None,
            Retry::Now => Duration::ZERO,
            Retry::After(wait) => wait,
            Retry::Policy => self.backoff.ceiling(failed).mul_f64(random.clamp(0.0, 1.0)),
        };
        // An attempt that would begin too late is not waited for.
        let too_old = self
            .max_age
            .is_some_and(|most| age.saturating_add(wait) > most);
        (!too_old).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_by_its_factor_up_to_its_maximum() {
        let backoff = Backoff::default();
        let seconds: Vec<u64> = (1..=8).map(|n| backoff.ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [5, 15, 45, 135, 405, 1215, 3600, 3600]);
        assert_eq!(backoff.ceiling(u32::MAX), backoff.max);
    }

    #[test]
    fn the_modules_advice_goes_before_the_policy_but_not_past_the_limit() {
        let policy = Policy {
            max_attempts: 3,
            ..Policy::default()
        };
        let wait =
            |failed, advice| policy.next(failed, Duration::ZERO, Ending::Failed, advice, 0.5);
        assert_eq!(wait(1, Retry::Policy), Some(Duration::from_millis(2500)));
        assert_eq!(wait(2, Retry::Now), Some(Duration::ZERO));
        assert_eq!(
            wait(2, Retry::After(Duration::from_secs(9))),
            Some(Duration::from_secs(9))
        );
        assert_eq!(wait(1, Retry::Never), None);
        assert_eq!(wait(3, Retry::Now), None);
    }

    #[test]
    fn what_repeats_is_tried_again_only_if_asked() {
        let next =
            |policy: Policy, ending| policy.next(1, Duration::ZERO, ending, Retry::Policy, 0.5);
        let asked = Policy {
            retry_exhausted: true,
            ..Policy::default()
        };
        for ending in [
            Ending::OutOfFuel,
            Ending::OutOfMemory,
            Ending::ResultTooLarge,
        ] {
            assert_eq!(next(Policy::default(), ending), None, "{ending}");
            assert!(next(asked, ending).is_some(), "{ending}");
        }
        assert!(next(Policy::default(), Ending::Deadline).is_some());
    }

    #[test]
    fn no_attempt_begins_past_the_maximum_age() {
        let policy = Policy {
            max_age: Some(Duration::from_secs(60)),
            ..Policy::default()
        };
        let next = |age, wait| {
            let (age, wait) = (
                Duration::from_secs(age),
                Retry::After(Duration::from_secs(wait)),
            );
            policy.next(1, age, Ending::Failed, wait, 0.5)
        };
        assert_eq!(next(50, 10), Some(Duration::from_secs(10)));
        assert_eq!(next(50, 11), None);
        assert_eq!(next(61, 0), None);
    }
}
