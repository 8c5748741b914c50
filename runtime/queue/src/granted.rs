//! What a module was granted, by whom and when. Pure; it is kept on the shelf
//! [`Grants`](crate::broker::Shelf::Grants) of its tenant, under the module's name.
//!
//! It is the module's and not a release's: what a release wants beside it is what people
//! are asked about, and a release reaches no more than what it wants itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::grant::{Grant, Grants};

/// What a module was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    grants: BTreeMap<Grant, Approval>,
}

/// That somebody approved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// When, by the broker's clock.
    pub at: Millis,
}

/// Who approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approver {
    /// Whoever has the broker itself.
    Operator,
    /// An administrator of the tenant, over HTTP: no way into the operator's own network
    /// is theirs to give.
    Admin,
}

impl Approver {
    /// The first of some grants that this one may not give.
    pub fn refuses<'a>(self, mut grants: impl Iterator<Item = &'a Grant>) -> Option<&'a Grant> {
        match self {
            Approver::Operator => None,
            Approver::Admin => grants.find(|it| it.is_private()),
        }
    }
}

impl Granted {
    /// All of it.
    pub fn grants(&self) -> Grants {
        Grants(self.grants.keys().cloned().collect())
    }

    /// Each with its approval, in the order of grants.
    pub fn iter(&self) -> impl Iterator<Item = (&Grant, &Approval)> {
        self.grants.iter()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// Whether this very grant is among them.
    pub fn has(&self, grant: &Grant) -> bool {
        self.grants.contains_key(grant)
    }

    /// Adds what is not there yet: an approval stays the one that was first.
    pub fn add(&mut self, grants: &Grants, approval: &Approval) {
        for grant in &grants.0 {
            let entry = self.grants.entry(grant.clone());
            entry.or_insert_with(|| approval.clone());
        }
    }

    /// Takes one back; whether it was there.
    pub fn remove(&mut self, grant: &Grant) -> bool {
        self.grants.remove(grant).is_some()
    }

    /// Keeps those that are among the others.
    pub fn retain(&mut self, others: &Grants) {
        self.grants.retain(|it, _| others.0.contains(it));
    }

    /// As it is kept.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("it is plain data")
    }

    /// Reads it back.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants(texts.iter().map(|it| it.parse().unwrap()).collect())
    }

    #[test]
    fn it_reads_back_and_the_first_approval_stays() {
        let approval = |by: &str, at| Approval {
            by: by.into(),
            at: Millis(at),
        };
        let mut granted = Granted::default();
        granted.add(&grants(&["config a", "http GET b.c"]), &approval("ann", 1));
        granted.add(&grants(&["config a", "bucket d"]), &approval("bob", 2));
        let read = Granted::decode(&granted.encode()).unwrap();
        assert_eq!(read, granted);
        let by: Vec<_> = read
            .iter()
            .map(|(it, by)| (it.to_string(), &*by.by))
            .collect();
        assert!(by.contains(&("config a".into(), "ann")), "{by:?}");
        assert!(by.contains(&("bucket d".into(), "bob")), "{by:?}");
        assert!(granted.remove(&"bucket d".parse().unwrap()));
        assert_eq!(granted.grants(), grants(&["config a", "http GET b.c"]));
        assert_eq!(Granted::decode(b"?"), None);
    }

    #[test]
    fn only_the_operator_opens_private_addresses() {
        let wanted = grants(&["http a.b", "http private c.d"]);
        assert_eq!(Approver::Operator.refuses(wanted.0.iter()), None);
        let refused = Approver::Admin.refuses(wanted.0.iter());
        assert_eq!(refused.unwrap().to_string(), "http private c.d");
    }
}
