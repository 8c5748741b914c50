//! Schedules: to keep them, to look at them, and to fire them.

use axum::extract::State;
use lovage_queue::broker::{FireOutcome, Planned};
use lovage_queue::client::ClientError;
use lovage_queue::clock::Millis;
use lovage_queue::event::Event;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Shared;
use super::auth::{Caller, Deploy, Look, Produce};
use super::body::{Parsed, Path, nothing, whole_number};
use super::problem::{Kind, Problem, Reply};
use super::shapes::NewSchedule;
use crate::timetable::Entry;
use crate::view::moment;
use crate::view::schedules::{FireView, OutcomeView, ScheduleView, fires};

/// Times that are shown of what is to come.
const UPCOMING: usize = 5;

/// A schedule with what is to come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed {
    #[serde(flatten)]
    schedule: ScheduleView,
    /// Its next times, whether it is paused or not.
    upcoming: Vec<String>,
}

impl Listed {
    fn of(planned: &Planned) -> Self {
        Listed {
            schedule: ScheduleView::of(planned),
            upcoming: fires(planned, UPCOMING).map(moment).collect(),
        }
    }
}

/// All schedules.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Schedules {
    /// By name.
    schedules: Vec<Listed>,
}

/// List schedules
#[utoipa::path(get, path = "/v1/schedules", tag = "schedules",
    responses((status = 200, description = "All of them", body = Schedules)))]
pub(super) async fn list(caller: Caller<Look>) -> Reply {
    let schedules = caller.client.schedules().await?;
    let schedules = schedules.iter().map(Listed::of).collect();
    Ok(caller.answer(&Schedules { schedules }))
}

/// A schedule with what has come of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Shown {
    #[serde(flatten)]
    schedule: Listed,
    /// Its last times, the newest first.
    fires: Vec<FireView>,
}

/// Show a schedule
///
/// With its last 100 fires.
#[utoipa::path(get, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, description = "The schedule", body = Shown)))]
pub(super) async fn show(caller: Caller<Look>, Path(name): Path<String>) -> Reply {
    let (planned, fires) = caller.client.schedule(&name).await?;
    Ok(caller.answer(&Shown {
        schedule: Listed::of(&planned),
        fires: fires.iter().map(FireView::of).collect(),
    }))
}

/// A schedule that was set, paused or resumed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Set {
    /// Its name.
    name: String,
    /// Whether it makes no jobs.
    paused: bool,
    /// When it fires next.
    next: Option<String>,
}

/// Set a schedule
///
/// As in `lovage.toml`: `task`, `when` with one of `every`, `cron` (with `tz`), `at`, `sun`
/// and `any`, `input`, and what its jobs shall have.
#[utoipa::path(put, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path, pattern = r"^[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*$", max_length = 136)),
    request_body(content((NewSchedule = "application/json"), (NewSchedule = "application/msgpack"))),
    responses((status = 200, description = "It is set", body = Set)))]
pub(super) async fn put(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(name): Path<String>,
    body: Parsed<Value>,
) -> Reply {
    // By way of JSON: MessagePack takes numbers for words.
    let mut body = body;
    for name in ["task", "when"] {
        if body.value.get(name).is_none() {
            return Err(Problem::bad(format!("the body lacks `{name}`")));
        }
    }
    for name in ["priority", "retries", "fuel", "memory", "catch_up"] {
        let number = body.value.get(name).and_then(Value::as_f64);
        if let Some(whole) = number.and_then(whole_number) {
            body.value[name] = whole.into();
        }
    }
    let entry: Entry =
        serde_json::from_value(body.value).map_err(|e| Problem::bad(format!("the body: {e}")))?;
    let schedule = entry.schedule(&name);
    let schedule = schedule.map_err(|said| Problem::new(Kind::Invalid, said))?;
    let next = caller.client.add_schedule(schedule).await?;
    tell(&api, &caller, &name, "set").await;
    // One that was paused stays so.
    let (planned, _) = caller.client.schedule(&name).await?;
    let next = next.filter(|_| !planned.paused);
    Ok(caller.answer(&set(name, planned.paused, next)))
}

fn set(name: String, paused: bool, next: Option<Millis>) -> Set {
    Set {
        name,
        paused,
        next: next.map(moment),
    }
}

async fn tell<R>(api: &Shared, caller: &Caller<R>, name: &str, what: &str) {
    let event = Event::Schedule {
        name: name.to_owned(),
        what: what.to_owned(),
    };
    api.feeds.tell(caller.client.tenant(), &event).await;
}

/// Remove a schedule
///
/// Its jobs stay.
#[utoipa::path(delete, path = "/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(name): Path<String>,
) -> Reply {
    caller.client.remove_schedule(&name).await?;
    tell(&api, &caller, &name, "removed").await;
    Ok(nothing())
}

/// Pause a schedule
///
/// It makes no jobs until it is resumed.
#[utoipa::path(post, path = "/v1/schedules/{name}/pause", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, description = "It is paused", body = Set)))]
pub(super) async fn pause(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(name): Path<String>,
) -> Reply {
    caller.client.pause_schedule(&name).await?;
    tell(&api, &caller, &name, "paused").await;
    Ok(caller.answer(&set(name, true, None)))
}

/// Resume a schedule
///
/// What fell into the pause is not made up for.
#[utoipa::path(post, path = "/v1/schedules/{name}/resume", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, description = "It goes on", body = Set)))]
pub(super) async fn resume(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(name): Path<String>,
) -> Reply {
    let next = caller.client.resume_schedule(&name).await?;
    tell(&api, &caller, &name, "resumed").await;
    Ok(caller.answer(&set(name, false, next)))
}

/// Fire a schedule
///
/// Now, by hand; its own times stay as they are.
#[utoipa::path(post, path = "/v1/schedules/{name}/fire", tag = "schedules", params(("name" = String, Path)),
    responses((status = 200, description = "What became of it", body = OutcomeView)))]
pub(super) async fn fire(
    State(api): State<Shared>,
    caller: Caller<Produce>,
    Path(name): Path<String>,
) -> Reply {
    let outcome = caller.client.run_schedule(&name).await;
    let outcome = outcome.map_err(|e: ClientError| Problem::from(e))?;
    if let FireOutcome::Refused(reason) = outcome {
        return Err(Problem::new(Kind::Refused, reason));
    }
    tell(&api, &caller, &name, "fired").await;
    Ok(caller.answer(&OutcomeView::of(&outcome)))
}
