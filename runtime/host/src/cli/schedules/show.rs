//! What is printed of schedules.

use lovage_queue::broker::{FireOutcome, Fired, Planned};
use lovage_queue::clock::Millis;
use serde_json::{Value, json};

use super::super::output::table;
use crate::units::Span;
use crate::view::schedules::{FireView, ScheduleView, catch_up, upcoming};
use crate::view::{decoded, moment};

/// A schedule with its fires, as JSON.
pub(super) fn whole(planned: &Planned, fires: &[Fired]) -> Value {
    let mut all = json!(ScheduleView::of(planned));
    all["fires"] = fires.iter().map(|it| json!(FireView::of(it))).collect();
    all
}

/// The same in a few words.
pub(super) fn word(it: &FireOutcome) -> String {
    match it {
        FireOutcome::Job(id) => id.to_string(),
        FireOutcome::Skipped => "skipped: the last job has not ended".into(),
        FireOutcome::Held => "waits for the end of the last job".into(),
        FireOutcome::Refused(reason) => format!("refused: {reason}"),
    }
}

/// When it fires next.
pub(super) fn next(at: Option<Millis>) -> String {
    at.map_or("it fires no more".into(), |at| {
        format!("next at {}", moment(at))
    })
}

fn task(planned: &Planned) -> String {
    let call = &planned.schedule.call;
    format!("{}.{}", call.module, call.task)
}

/// A word as JSON has it, without its quotes.
fn word_of(json: &Value) -> String {
    json.as_str()
        .map_or_else(|| json.to_string(), str::to_owned)
}

/// A table of schedules.
pub(super) fn list(all: &[Planned]) -> String {
    let head = ["name", "task", "when", "next", "fired", "missed", "owner"];
    let rows = all.iter().map(|it| {
        let next = match (it.paused, it.waiting, upcoming(it)) {
            (true, ..) => "paused".into(),
            (_, Some(_), _) => "waits for its condition".into(),
            (.., at) => at.map_or("-".into(), moment),
        };
        [
            it.schedule.name.clone(),
            task(it),
            it.schedule.trigger.to_string(),
            next,
            it.fired.to_string(),
            it.missed.to_string(),
            it.owner.to_string(),
        ]
    });
    table(head, rows)
}

/// All of one.
pub(super) fn text(planned: &Planned, fires: &[Fired]) -> String {
    let it = &planned.schedule;
    let mut lines = vec![
        ("schedule", it.name.clone()),
        ("task", task(planned)),
        ("input", decoded(&it.call.input).to_string()),
        ("when", it.trigger.to_string()),
        ("overlap", word_of(&json!(it.overlap))),
        ("catch-up", word_of(&catch_up(it.catch_up))),
        ("owner", planned.owner.to_string()),
        ("fired", planned.fired.to_string()),
        ("missed", planned.missed.to_string()),
    ];
    if planned.paused {
        lines.push(("paused", "yes".into()));
    }
    if !it.jitter.is_zero() {
        lines.push(("jitter", Span(it.jitter).to_string()));
    }
    let moments = [
        ("start", it.start),
        ("end", it.end),
        ("next", upcoming(planned)),
        ("waiting", planned.waiting),
    ];
    lines.extend(
        moments
            .into_iter()
            .filter_map(|(name, at)| Some((name, moment(at?)))),
    );
    let mut text: Vec<String> = lines
        .into_iter()
        .map(|(name, value)| format!("{name:<10}{value}"))
        .collect();
    if !fires.is_empty() {
        let rows = fires.iter().map(|it| {
            let hand = if it.by_hand { " (by hand)" } else { "" };
            [
                moment(it.at),
                moment(it.when),
                format!("{}{hand}", word(&it.outcome)),
            ]
        });
        text.push(String::new());
        text.push(table(["for", "fired", "job"], rows));
    }
    text.join("\n")
}
