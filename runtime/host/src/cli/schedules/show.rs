//! What is printed of schedules.

use lovage_queue::broker::{FireOutcome, Fired, Planned};
use lovage_queue::clock::Millis;
use lovage_queue::schedule::CatchUp;
use serde_json::{Value, json};

use super::super::output::{decoded, moment, table};
use crate::units::{Span, exact};

/// A schedule as JSON.
pub(super) fn json(planned: &Planned) -> Value {
    let it = &planned.schedule;
    json!({
        "name": it.name, "task": task(planned), "when": it.trigger.to_string(),
        "trigger": it.trigger, "owner": planned.owner.to_string(), "paused": planned.paused,
        "next": upcoming(planned).map(moment), "waiting": planned.waiting.map(moment),
        "held": planned.held.iter().map(|at| moment(*at)).collect::<Vec<_>>(),
        "last_job": planned.last, "fired": planned.fired, "missed": planned.missed,
        "input": decoded(&it.call.input), "queue": it.call.queue, "lane": it.call.lane,
        "priority": it.call.priority, "start": it.start.map(moment), "end": it.end.map(moment),
        "jitter": exact(it.jitter), "catch_up": catch_up(it.catch_up), "overlap": it.overlap,
    })
}

/// The same with its last fires.
pub(super) fn whole(planned: &Planned, fires: &[Fired]) -> Value {
    let mut all = json(planned);
    let fires = fires.iter().map(|it| {
        let mut json = outcome(&it.outcome);
        json["at"] = json!(moment(it.at));
        json["when"] = json!(moment(it.when));
        json["by_hand"] = json!(it.by_hand);
        json
    });
    all["fires"] = fires.collect();
    all
}

/// What became of a fire, as JSON.
pub(super) fn outcome(it: &FireOutcome) -> Value {
    match it {
        FireOutcome::Job(id) => json!({"outcome": "job", "job": id}),
        FireOutcome::Skipped => json!({"outcome": "skipped"}),
        FireOutcome::Held => json!({"outcome": "held"}),
        FireOutcome::Refused(reason) => json!({"outcome": "refused", "reason": reason}),
    }
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

fn upcoming(planned: &Planned) -> Option<Millis> {
    planned.due.filter(|_| !planned.paused)
}

fn catch_up(it: CatchUp) -> Value {
    match it {
        CatchUp::None => json!("none"),
        CatchUp::Last => json!("last"),
        CatchUp::All(n) => json!(n),
    }
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
