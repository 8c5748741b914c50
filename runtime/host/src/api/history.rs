//! What has happened: counts by minute, kept for a week in the broker; and what follows
//! from them for the work that waits.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use lovage_queue::broker::{BrokerError, HISTORY_KEPT, MAX_MINUTES, Minute, QueueCounts, Tally};
use lovage_queue::client::Client;
use lovage_queue::clock::{Millis, millis};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Look};
use super::body::Params;
use super::problem::{Problem, Reply};
use super::shapes::Time;
use crate::units::Span;
use crate::view::moment;

const MINUTE: u64 = 60_000;
/// Points of a series in one answer.
const MAX_POINTS: u64 = 1_500;
/// Looks at the broker at once.
const AT_ONCE: usize = 4;
/// The time by which it is told what a job takes.
const LATELY: u32 = 10;
/// How long that holds.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Tenants of which it is remembered.
const TENANTS: usize = 1_000;

/// Which history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// Since when (RFC 3339) [an hour ago].
    #[param(value_type = Option<Time>)]
    from: Option<String>,
    /// Until when [now].
    #[param(value_type = Option<Time>)]
    to: Option<String>,
    /// The time that a point is of: whole minutes [1m].
    #[param(pattern = r"^[1-9][0-9]{0,3}(m|h|d)$", example = "5m")]
    step: Option<String>,
    /// A series for each `task`, for each `queue`, or one of all (`none`) [none].
    #[param(value_type = Option<String>, pattern = "^(none|queue|task)$")]
    by: Option<By>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    #[default]
    None,
    Queue,
    Task,
}

/// History.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// Since when.
    from: String,
    /// Until when.
    to: String,
    /// The seconds that a point is of.
    step: u64,
    /// By task or queue.
    series: Vec<Series>,
}

/// What happened to the jobs of a task or a queue.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Series {
    /// The queue; empty for those beyond the first 200 pairs of queue and task of a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// `module.task`; empty for those beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// Only those at which something happened.
    points: Vec<Point>,
}

/// What happened in a step of time.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(super) struct Point {
    /// When it began.
    at: String,
    /// Jobs that completed.
    completed: u64,
    /// Attempts that failed and are tried again.
    retried: u64,
    /// Jobs that went to the dead list.
    discarded: u64,
    /// Jobs that were stopped.
    cancelled: u64,
    /// For how many seconds attempts ran, all together.
    seconds: f64,
    /// For how many seconds they were available before they began, all together.
    waited: f64,
    /// The longest of these.
    waited_most: f64,
    /// The fuel that they burnt.
    fuel: u64,
}

impl Point {
    fn add(&mut self, it: &Tally) {
        self.completed += it.completed;
        self.retried += it.retried;
        self.discarded += it.discarded;
        self.cancelled += it.cancelled;
        self.seconds += it.ran.as_secs_f64();
        self.waited += it.waited.as_secs_f64();
        self.waited_most = self.waited_most.max(it.waited_most.as_secs_f64());
        self.fuel = self.fuel.saturating_add(it.fuel);
    }
}

/// Show history
///
/// What became of jobs, minute by minute, for a week: it outlives every restart. A series
/// has at most 1,500 points, the latest: `from` says where they begin.
#[utoipa::path(get, path = "/v1/history", tag = "history", params(HistoryParams),
    responses((status = 200, description = "Series of points", body = History)))]
pub(super) async fn show(caller: Caller<Look>, Params(params): Params<HistoryParams>) -> Reply {
    let client = &caller.client;
    let now = client.broker().time(client.tenant()).await?;
    let step = step_of(params.step.as_deref())?;
    let to = time_of(params.to.as_deref(), "to")?.unwrap_or(now).min(now);
    let from = time_of(params.from.as_deref(), "from")?;
    let from = from.unwrap_or(Millis(to.0.saturating_sub(60 * MINUTE)));
    // What was before that is not kept, and nobody looks for it.
    let oldest = now.0.saturating_sub(millis(HISTORY_KEPT));
    let from = from
        .0
        .max(to.0.saturating_sub(MAX_POINTS.saturating_mul(step)));
    let from = Millis((from / step * step).max(oldest / MINUTE * MINUTE));
    let minutes = read(client, from, to).await?;
    Ok(caller.answer(&History {
        from: moment(from),
        to: moment(to),
        step: step / 1_000,
        series: series(&minutes, step, params.by.unwrap_or_default()),
    }))
}

fn step_of(text: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = text else { return Ok(MINUTE) };
    let Span(span) = text
        .parse()
        .map_err(|e| Problem::bad(format!("`step`: {e}")))?;
    let step = millis(span);
    match (MINUTE..=millis(HISTORY_KEPT)).contains(&step) && step.is_multiple_of(MINUTE) {
        true => Ok(step),
        false => Err(Problem::bad(
            "`step` is one or more whole minutes, up to `7d`",
        )),
    }
}

fn time_of(text: Option<&str>, what: &str) -> Result<Option<Millis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|e| Problem::bad(format!("`{what}`: {e}")))?;
    Ok(Some(Millis(
        u64::try_from(time.as_millisecond()).unwrap_or(0),
    )))
}

/// All minutes between two moments.
async fn read(client: &Client, from: Millis, to: Millis) -> Result<Vec<Minute>, BrokerError> {
    let span = u64::from(MAX_MINUTES) * MINUTE;
    let starts = (0..)
        .map(|n| from.0 + n * span)
        .take_while(|start| *start <= to.0);
    let looks = stream::iter(starts).map(|start| {
        let left = (to.0 - start) / MINUTE + 1;
        let minutes = left.min(u64::from(MAX_MINUTES)) as u32;
        client
            .broker()
            .history(client.tenant(), Millis(start), minutes)
    });
    let looks = looks.buffered(AT_ONCE);
    let read: Vec<Vec<Minute>> = looks.try_collect().await?;
    Ok(read.concat())
}

fn series(minutes: &[Minute], step: u64, by: By) -> Vec<Series> {
    let mut all = BTreeMap::<(Option<&str>, Option<&str>), BTreeMap<u64, Point>>::new();
    for Minute { at, tally } in minutes {
        let key = match by {
            By::None => (None, None),
            By::Queue => (Some(&*tally.queue), None),
            By::Task => (None, Some(&*tally.task)),
        };
        let points = all.entry(key).or_default();
        points.entry(at.0 / step * step).or_default().add(tally);
    }
    let series = all.into_iter().map(|((queue, task), points)| Series {
        queue: queue.map(str::to_owned),
        task: task.map(str::to_owned),
        points: points
            .into_iter()
            .map(|(at, point)| Point {
                at: moment(Millis(at)),
                ..point
            })
            .collect(),
    });
    series.collect()
}

/// What jobs of each queue took lately.
#[derive(Debug, Default)]
pub(super) struct Costs(HashMap<String, f64>);

impl Costs {
    /// What a job of a queue takes, in seconds.
    pub(super) fn seconds(&self, queue: &str) -> Option<f64> {
        self.0.get(queue).copied()
    }

    /// What waits in a queue, in seconds of work for one slot.
    pub(super) fn backlog(&self, it: &QueueCounts) -> Option<f64> {
        let waiting = it.available + it.retryable;
        match self.seconds(&it.queue) {
            Some(seconds) => Some(seconds * waiting as f64),
            None => (waiting == 0).then_some(0.0),
        }
    }
}

/// What is known of that just now, by tenant.
#[derive(Default)]
pub(super) struct Backlogs(Mutex<HashMap<String, (Instant, Arc<Costs>)>>);

impl Backlogs {
    /// What jobs of a tenant's queues took lately.
    pub(super) async fn costs(
        &self,
        client: &Client,
        now: Millis,
    ) -> Result<Arc<Costs>, BrokerError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, costs)) = known().get(client.tenant())
            && since.elapsed() < KNOWN_FOR
        {
            return Ok(costs.clone());
        }
        let from = Millis(now.0.saturating_sub(u64::from(LATELY - 1) * MINUTE));
        let minutes = client
            .broker()
            .history(client.tenant(), from, LATELY)
            .await?;
        let costs = Arc::new(Costs::of(&minutes));
        let mut known = known();
        if known.len() >= TENANTS {
            known.clear();
        }
        known.insert(client.tenant().to_owned(), (Instant::now(), costs.clone()));
        Ok(costs)
    }
}

impl Costs {
    fn of(minutes: &[Minute]) -> Self {
        let mut sums = HashMap::<&str, (Duration, u64)>::new();
        for Minute { tally, .. } in minutes {
            let sum = sums.entry(&tally.queue).or_default();
            sum.0 += tally.ran;
            sum.1 += tally.completed + tally.retried + tally.discarded + tally.cancelled;
        }
        let each = |(queue, (ran, jobs)): (&str, (Duration, u64))| {
            (jobs > 0).then(|| (queue.to_owned(), ran.as_secs_f64() / jobs as f64))
        };
        Costs(sums.into_iter().filter_map(each).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(at: u64, queue: &str, task: &str, completed: u64, ran: u64) -> Minute {
        let tally = Tally {
            queue: queue.into(),
            task: task.into(),
            completed,
            ran: Duration::from_secs(ran),
            ..Tally::default()
        };
        Minute {
            at: Millis(at * MINUTE),
            tally,
        }
    }

    #[test]
    fn minutes_are_added_up_by_step_and_by_name() {
        let minutes = [
            minute(10, "a", "m.t", 1, 2),
            minute(11, "b", "m.t", 2, 3),
            minute(15, "a", "m.u", 4, 5),
        ];
        let all = series(&minutes, 5 * MINUTE, By::None);
        let counts = |it: &Series| it.points.iter().map(|it| it.completed).collect::<Vec<_>>();
        assert_eq!(all.iter().map(counts).collect::<Vec<_>>(), [[3, 4]]);
        let queues = series(&minutes, 60 * MINUTE, By::Queue);
        let names: Vec<_> = queues.iter().map(|it| it.queue.as_deref()).collect();
        assert_eq!(names, [Some("a"), Some("b")]);
        assert_eq!(queues.iter().map(counts).collect::<Vec<_>>(), [[5], [2]]);
    }

    #[test]
    fn a_backlog_is_what_waits_times_what_a_job_took() {
        let costs = Costs::of(&[minute(1, "a", "m.t", 1, 2), minute(2, "a", "m.u", 3, 6)]);
        let counts = |queue: &str, available| QueueCounts {
            queue: queue.into(),
            available,
            ..QueueCounts::default()
        };
        assert_eq!(costs.backlog(&counts("a", 5)), Some(10.0));
        assert_eq!(costs.backlog(&counts("b", 5)), None, "nobody knows");
        assert_eq!(costs.backlog(&counts("b", 0)), Some(0.0));
    }
}
