//! Names that come from tenants, held to a number: each value of a label is a series
//! that somebody has to store, and a tenant may push modules without end.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What those are called that came too late.
pub(super) const OTHER: &str = "other";

/// The values of a label: the first so many that a process sees.
#[derive(Debug)]
pub(super) struct Labels {
    most: usize,
    seen: Mutex<HashSet<String>>,
}

impl Labels {
    pub(super) fn new(most: usize) -> Self {
        Labels {
            most,
            seen: Mutex::default(),
        }
    }

    /// The name itself where it is among the first, and otherwise [`OTHER`].
    pub(super) fn of<'a>(&self, name: &'a str) -> &'a str {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(name) {
            return name;
        }
        if seen.len() >= self.most {
            return OTHER;
        }
        seen.insert(name.to_owned());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keep_their_names_and_the_rest_share_one() {
        let labels = Labels::new(2);
        assert_eq!(labels.of("a"), "a");
        assert_eq!(labels.of("b"), "b");
        assert_eq!(labels.of("c"), OTHER);
        assert_eq!(labels.of("a"), "a", "who is there stays");
        assert_eq!(labels.of("c"), OTHER, "who came late does too");
    }
}
