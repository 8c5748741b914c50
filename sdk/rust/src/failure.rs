//! A task's own account of why it did not succeed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a failed attempt asks of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retry {
    /// As the job's retry policy says.
    #[default]
    Policy,
    /// At once; it counts as an attempt.
    Now,
    /// After so long; it counts as an attempt.
    After(Duration),
    /// Not at all: the job is discarded.
    Never,
}

/// Why a task did not succeed, and what to do next.
///
/// Any [`std::error::Error`] turns into one through `?`, with its chain of sources as the detail. For that reason it is
/// none itself.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::Failure;
/// use std::time::Duration;
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     if text.is_empty() {
///         return Err(Failure::new("nothing to parse").kind("empty").never_retry());
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(parse("x").unwrap_err().message, "invalid digit found in string");
/// let busy = Failure::new("the service is busy").retry_after(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable word that tells failures apart: `error` where none is set.
    pub kind: String,
    /// One line for a person.
    pub message: String,
    /// More, where there is more to say.
    pub detail: Option<String>,
    /// What to do next.
    pub retry: Retry,
}

impl Failure {
    /// A failure of kind `error`, retried as the job's policy says.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            kind: "error".into(),
            message: message.into(),
            detail: None,
            retry: Retry::Policy,
        }
    }

    /// A stable word that tells this failure from others.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            ..self
        }
    }

    /// More than one line.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// Asks for the next attempt at once. It counts as one.
    #[must_use]
    pub fn retry_now(self) -> Self {
        Self {
            retry: Retry::Now,
            ..self
        }
    }

    /// Asks for the next attempt after a while. It counts as one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry: Retry::After(wait),
            ..self
        }
    }

    /// Asks for no further attempt: the job is discarded.
    #[must_use]
    pub fn never_retry(self) -> Self {
        Self {
            retry: Retry::Never,
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(format!("caused by: {cause}"));
            source = cause.source();
        }
        let detail = (!causes.is_empty()).then(|| causes.join("\n"));
        Self {
            detail,
            ..Self::new(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("the count is wrong")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn fails() -> Result<(), Failure> {
        Err("x".parse::<u8>().map(drop).map_err(Outer).unwrap_err())?
    }

    #[test]
    fn an_error_keeps_its_sources() {
        let failure = fails().unwrap_err();
        assert_eq!(failure.kind, "error");
        assert_eq!(failure.to_string(), "the count is wrong");
        assert_eq!(
            failure.detail.as_deref(),
            Some("caused by: invalid digit found in string")
        );
        assert_eq!(failure.retry, Retry::Policy);
    }

    #[test]
    fn what_is_set_is_kept() {
        let failure = Failure::new("no")
            .kind("image")
            .detail("at byte 3")
            .retry_now();
        let expected = ("image", "no", Some("at byte 3"), Retry::Now);
        assert_eq!(
            (
                failure.kind.as_str(),
                failure.message.as_str(),
                failure.detail.as_deref(),
                failure.retry
            ),
            expected
        );
        assert_eq!(Failure::new("no").never_retry().retry, Retry::Never);
        let wait = Duration::from_secs(3);
        assert_eq!(
            Failure::new("no").retry_after(wait).retry,
            Retry::After(wait)
        );
    }
}
