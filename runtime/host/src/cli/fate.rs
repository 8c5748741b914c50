//! What became of jobs that a command was to change.

use std::collections::BTreeMap;

use lovage_queue::broker::{Cancelled, Requeued};
use lovage_queue::job::{JobId, State};
use serde_json::{Value, json};

use super::Context;
use super::exit::Verdict;

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Cancelled,
    /// It runs, and its worker was told.
    Asked,
    /// It had ended before there was anything to cancel.
    Ended(State),
    Requeued,
    Deleted,
    /// It is in a state in which it is left alone.
    Kept(State),
    /// Another job holds its unique key.
    Duplicate(JobId),
    Missing,
}

impl From<Cancelled> for Fate {
    fn from(it: Cancelled) -> Self {
        match it {
            Cancelled::Now => Fate::Cancelled,
            Cancelled::Asked => Fate::Asked,
            Cancelled::Ended(state) => Fate::Ended(state),
            Cancelled::Missing => Fate::Missing,
        }
    }
}

impl From<Requeued> for Fate {
    fn from(it: Requeued) -> Self {
        match it {
            Requeued::Now => Fate::Requeued,
            Requeued::Not(state) => Fate::Kept(state),
            Requeued::Duplicate(other) => Fate::Duplicate(other),
            Requeued::Missing => Fate::Missing,
        }
    }
}

impl Fate {
    /// The word for it, for programs.
    fn word(self) -> &'static str {
        match self {
            Fate::Cancelled => "cancelled",
            Fate::Asked => "asked",
            Fate::Ended(_) => "ended",
            Fate::Requeued => "requeued",
            Fate::Deleted => "deleted",
            Fate::Kept(_) => "kept",
            Fate::Duplicate(_) => "duplicate",
            Fate::Missing => "missing",
        }
    }

    /// The same for people.
    fn said(self) -> String {
        match self {
            Fate::Cancelled => "is cancelled".into(),
            Fate::Asked => "runs, and was asked to stop".into(),
            Fate::Ended(state) => format!("had ended: {state}"),
            Fate::Requeued => "is available again".into(),
            Fate::Deleted => "is deleted".into(),
            Fate::Kept(state) => format!("is left alone: {state}"),
            Fate::Duplicate(other) => format!("is left alone: job {other} has its unique key"),
            Fate::Missing => "does not exist".into(),
        }
    }

    fn json(self, id: JobId) -> Value {
        let mut json = json!({"id": id, "became": self.word()});
        match self {
            Fate::Ended(state) | Fate::Kept(state) => json["state"] = json!(state),
            Fate::Duplicate(other) => json["of"] = json!(other),
            _ => {}
        }
        json
    }
}

/// Prints what became of each, and how many there were of each kind. Of jobs
/// that were `named`, those that are not there, or were left alone, are an
/// error; of all that fit something, they have gone meanwhile.
pub(super) fn report(
    context: &Context,
    fates: &[(JobId, Fate)],
    named: bool,
) -> anyhow::Result<()> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (_, fate) in fates {
        *counts.entry(fate.word()).or_default() += 1;
    }
    let jobs: Vec<_> = fates.iter().map(|(id, fate)| fate.json(*id)).collect();
    context
        .out
        .print(&json!({"counts": counts, "jobs": jobs}), || {
            let mut lines: Vec<String> = fates
                .iter()
                .map(|(id, fate)| format!("{id} {}", fate.said()))
                .collect();
            let counts: Vec<_> = counts
                .iter()
                .map(|(word, n)| format!("{n} {word}"))
                .collect();
            match (named, counts.is_empty()) {
                (true, _) if fates.len() == 1 => {}
                (_, true) => lines.push("no job fits".into()),
                _ => lines.push(counts.join(", ")),
            }
            lines.join("\n")
        })?;
    if named { verdict(fates) } else { Ok(()) }
}

fn verdict(fates: &[(JobId, Fate)]) -> anyhow::Result<()> {
    let first = |is: fn(Fate) -> bool| fates.iter().find(|(_, fate)| is(*fate));
    if let Some((id, _)) = first(|it| it == Fate::Missing) {
        let said = format!("there is no job {id}; finished ones are kept for a limited time");
        return Err(Verdict::Missing(said).into());
    }
    match first(|it| matches!(it, Fate::Kept(_) | Fate::Duplicate(_))) {
        Some((id, fate)) => Err(Verdict::Refused(format!("job {id} {}", fate.said())).into()),
        None => Ok(()),
    }
}
