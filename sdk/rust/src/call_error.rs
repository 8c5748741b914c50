//! Why the host did not do what a module asked of it.

use std::error::Error;
use std::fmt;

/// Why the host did not do what a task asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The module was not granted this; the text names it.
    Denied(String),
    /// What was asked makes no sense; the text says what and where.
    Invalid(String),
    /// A limit on size or number was passed; the text names it.
    Limit(String),
    /// The host cannot do it just now; the same call may succeed later.
    Unavailable(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = match self {
            Self::Denied(text) => ("not granted", text),
            Self::Invalid(text) => ("invalid", text),
            Self::Limit(text) => ("over the limit", text),
            Self::Unavailable(text) => ("unavailable", text),
        };
        write!(formatter, "{what}: {text}")
    }
}

impl Error for CallError {}
