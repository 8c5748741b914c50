//! Jobs: to look at them, and to wait for them.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use lovage_queue::arguments::read_value;
use lovage_queue::broker::Filter;
use lovage_queue::client::{Client, ClientError};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobId, State as JobState};
use lovage_queue::task::check_name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Look};
use super::body::{BYTES, JSON, MSGPACK, Params, Path, accepted, typed};
use super::problem::{Kind, Problem, Reply};
use super::shapes::Span as SpanText;
use super::{Api, MAX_WAIT, Shared};
use crate::units::Span;
use crate::view::decoded;
use crate::view::jobs::{AttemptView, JobView};

/// Jobs that one request may name or make.
pub(super) const MAX_JOBS: usize = 1_000;
/// Jobs that are looked at at once.
const PAGE: u32 = 200;
/// Looks that one request may take: what it has found until then is answered, with a
/// cursor to go on from.
const LOOKS: usize = 40;
/// The order in which states are listed where none is named: what moves first.
const ORDER: [JobState; 8] = [
    JobState::Running,
    JobState::Available,
    JobState::Retryable,
    JobState::Scheduled,
    JobState::Pending,
    JobState::Discarded,
    JobState::Cancelled,
    JobState::Completed,
];

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only of this state; without it those of all, what moves first.
    #[param(value_type = Option<String>, pattern = "^(pending|scheduled|available|running|retryable|completed|discarded|cancelled)$")]
    state: Option<JobState>,
    /// Only of this queue.
    #[param(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    queue: Option<String>,
    /// Only of this module, or of this task: `module` or `module.task`.
    #[param(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$")]
    task: Option<String>,
    /// Only those whose last attempt ended so: `deadline`, `out-of-fuel`, …, or the kind of
    /// a task's own failure.
    reason: Option<String>,
    /// Only those that have this tag.
    tag: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the last page ended: its `next`. A cursor is of one state.
    #[param(pattern = "^[0-9]{1,15}-[0-9]{1,15}$")]
    cursor: Option<String>,
}

impl ListParams {
    fn which(&mut self) -> Which {
        Which {
            queue: self.queue.take(),
            task: self.task.take(),
            reason: self.reason.take(),
            tag: self.tag.take(),
        }
    }
}

/// What jobs have in common.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = JobFilter)]
pub(super) struct Which {
    /// Only of this queue.
    #[param(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    pub(super) queue: Option<String>,
    /// Only of this module, or of this task: `module` or `module.task`.
    #[param(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$")]
    #[schema(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$")]
    pub(super) task: Option<String>,
    /// Only those whose last attempt ended so: `deadline`, `out-of-fuel`, …, or the kind of
    /// a task's own failure.
    pub(super) reason: Option<String>,
    /// Only those that have this tag.
    pub(super) tag: Option<String>,
}

impl Which {
    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_none() && self.task.is_none() && self.reason.is_none() && self.tag.is_none()
    }

    /// The jobs of a state that are meant.
    pub(super) fn of(&self, state: JobState, limit: u32) -> Result<Filter, Problem> {
        let checked = |name: &str, what| {
            let name = check_name(name, what).map(str::to_owned);
            name.map_err(|e| Problem::bad(e.to_string()))
        };
        let mut filter = Filter::of(state, limit);
        if let Some(queue) = &self.queue {
            filter.queue = Some(checked(queue, "queue")?);
        }
        if let Some(name) = &self.task {
            let (module, task) = name.split_once('.').unwrap_or((name, ""));
            filter.module = Some(checked(module, "module")?);
            if name.contains('.') {
                filter.task = Some(checked(task, "task")?);
            }
        }
        filter.reason.clone_from(&self.reason);
        filter.tag.clone_from(&self.tag);
        Ok(filter)
    }
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobPage {
    /// The jobs.
    pub(super) jobs: Vec<JobView>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
    /// Whether all jobs were looked at that come before the next page: a search gives up
    /// where it finds too few, and says so.
    pub(super) complete: bool,
}

/// List jobs
///
/// Of a state that jobs end in, the newest first; of the others, in the order in which they
/// are due. Search looks at a bounded number of jobs a request: a page may be short, and
/// still have a `next`. Logs are left out here, and inputs and results of more than 4 KiB:
/// a job by itself has them.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(ListParams),
    responses((status = 200, description = "A page of them", body = JobPage)))]
pub(super) async fn list(caller: Caller<Look>, Params(mut params): Params<ListParams>) -> Reply {
    let limit = limit_of(params.limit)?;
    let which = params.which();
    if let Some(state) = params.state {
        let filter = which.of(state, limit)?;
        let cursor = params.cursor.as_deref();
        return Ok(caller.answer(&page(&caller.client, filter, cursor, LOOKS).await?));
    }
    if params.cursor.is_some() {
        let said = "a cursor is of one state: name it, as `?state=`";
        return Err(Problem::new(Kind::Invalid, said));
    }
    let (mut jobs, mut complete) = (Vec::new(), true);
    for state in ORDER {
        let left = limit - jobs.len() as u32;
        if left > 0 {
            let filter = which.of(state, left)?;
            let page = page(&caller.client, filter, None, LOOKS / ORDER.len()).await?;
            complete &= page.complete;
            jobs.extend(page.jobs);
        }
    }
    let next = None;
    Ok(caller.answer(&JobPage {
        jobs,
        next,
        complete,
    }))
}

pub(super) fn limit_of(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(50) {
        limit @ 1..=PAGE => Ok(limit),
        other => Err(Problem::bad(format!("`limit` is 1 to {PAGE}, not {other}"))),
    }
}

/// A page of jobs of one state. A cursor is how many were passed over, and when the first
/// of them ended: what ends meanwhile stays out.
pub(super) async fn page(
    client: &Client,
    mut filter: Filter,
    cursor: Option<&str>,
    looks: usize,
) -> Result<JobPage, Problem> {
    if let Some(cursor) = cursor {
        let read = || {
            let (offset, before) = cursor.split_once('-')?;
            Some((offset.parse().ok()?, before.parse().ok()?))
        };
        let (offset, before) = read()
            .ok_or_else(|| Problem::bad("`cursor` is none: take it from the `next` of a page"))?;
        filter.offset = offset;
        filter.before = (before > 0).then_some(Millis(before));
    }
    let wanted = filter.limit as usize;
    let mut jobs: Vec<Job> = Vec::new();
    let mut next = None;
    for _ in 0..looks {
        filter.limit = (wanted - jobs.len()) as u32;
        let found = client.broker().list(client.tenant(), &filter).await?;
        if filter.state.is_final()
            && filter.before.is_none()
            && let Some(newest) = found.jobs.first()
        {
            filter.before = Some(Millis(newest.finished.0 + 1));
        }
        for (id, reason) in &found.corrupt {
            tracing::warn!(job = %id, reason, "the record of a job cannot be read");
        }
        jobs.extend(found.jobs);
        next = found.next;
        match next {
            Some(offset) if jobs.len() < wanted => filter.offset = offset,
            _ => break,
        }
    }
    let before = filter.before.map_or(0, |it| it.0);
    Ok(JobPage {
        complete: next.is_none() || jobs.len() >= wanted,
        jobs: jobs.iter().map(JobView::listed).collect(),
        next: next.map(|offset| format!("{offset}-{before}")),
    })
}

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Waits so long for the end, at most 60 s.
    #[param(value_type = Option<SpanText>)]
    pub(super) wait: Option<String>,
}

pub(super) fn wait_of(text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let Span(span) = text
        .parse()
        .map_err(|e| Problem::bad(format!("`wait`: {e}")))?;
    Ok(Some(span.min(MAX_WAIT)))
}

/// A job once it has ended, or the time is up, or the server is told to stop: nobody is
/// left without an answer.
pub(super) async fn wait_for(
    api: &Api,
    client: &Client,
    id: JobId,
    at_most: Duration,
) -> Result<Job, ClientError> {
    tokio::select! {
        job = client.wait(id, at_most) => job,
        () = api.stopping() => client.job(id).await,
    }
}

/// A job's id, as a path has it.
pub(super) fn id_of(text: &str) -> Result<JobId, Problem> {
    text.parse()
        .map_err(|e: lovage_queue::job::IdError| Problem::missing(e.to_string()))
}

/// Show a job
///
/// All that is known of it. With `?wait=` the answer comes once it has ended, or the time
/// is up.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, format = "uuid"), WaitParams),
    responses((status = 200, description = "The job", body = JobView)))]
pub(super) async fn show(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Path(id): Path<String>,
    Params(params): Params<WaitParams>,
) -> Reply {
    let id = id_of(&id)?;
    let job = match wait_of(params.wait.as_deref())? {
        None => caller.client.job(id).await?,
        Some(wait) => wait_for(&api, &caller.client, id, wait).await?,
    };
    Ok(caller.answer(&JobView::of(&job)))
}

/// Get a job's result
///
/// As JSON; as MessagePack or, where it is bytes, as bytes, if that is asked for.
#[utoipa::path(get, path = "/v1/jobs/{id}/result", tag = "jobs", params(("id" = String, Path, format = "uuid"), WaitParams),
    responses((status = 200, description = "The result", content((serde_json::Value = "application/json"), (serde_json::Value = "application/msgpack"), (Vec<u8> = "application/octet-stream")))))]
pub(super) async fn result(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Path(id): Path<String>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
) -> Reply {
    let id = id_of(&id)?;
    let job = match wait_of(params.wait.as_deref())? {
        None => caller.client.job(id).await?,
        Some(wait) => wait_for(&api, &caller.client, id, wait).await?,
    };
    match (&job.result, job.state) {
        (Some(result), JobState::Completed) => {
            let packed = caller.client.bytes(result).await?;
            value(&headers, packed)
        }
        (_, state) if state.is_final() => {
            let last = job.attempts.last().and_then(|it| it.failure.as_ref());
            let why = last.map_or(String::new(), |it| format!(": {}: {}", it.kind, it.message));
            let said = format!("the job was {state}{why}");
            Err(Problem::new(Kind::JobFailed, said))
        }
        (_, state) => Err(Problem::new(
            Kind::NotFinished,
            format!("the job is {state}: wait for it, as with `?wait=30s`"),
        )),
    }
}

/// Get a job's input
///
/// Also one that is too large to be shown with the job.
#[utoipa::path(get, path = "/v1/jobs/{id}/input", tag = "jobs", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "The arguments", content((serde_json::Value = "application/json"), (serde_json::Value = "application/msgpack"), (Vec<u8> = "application/octet-stream")))))]
pub(super) async fn input(
    caller: Caller<Look>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Reply {
    let job = caller.client.job(id_of(&id)?).await?;
    let packed = caller.client.bytes(&job.call.input).await?;
    value(&headers, packed)
}

/// A packed value in the form that was asked for.
pub(super) fn value(headers: &HeaderMap, packed: Vec<u8>) -> Reply {
    for range in accepted(headers) {
        match range {
            MSGPACK | "application/x-msgpack" => {
                return Ok(typed(StatusCode::OK, MSGPACK, packed));
            }
            BYTES => return raw(&packed),
            JSON | "*/*" | "application/*" => break,
            _ => {}
        }
    }
    let json = serde_json::to_vec(&decoded(&packed))
        .map_err(|e| Problem::new(Kind::Internal, e.to_string()))?;
    Ok(typed(StatusCode::OK, JSON, json))
}

fn raw(packed: &[u8]) -> Reply {
    match read_value(packed) {
        Ok(rmpv::Value::Binary(bytes)) => Ok(typed(StatusCode::OK, BYTES, bytes)),
        _ => Err(Problem::new(
            Kind::NotAcceptable,
            format!("it is not bytes, which `{BYTES}` is for: take `application/json`"),
        )),
    }
}

/// Which attempt.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogParams {
    /// Which attempt's, counted from 1; without it the running one's, or the last one's.
    #[param(minimum = 1)]
    attempt: Option<u32>,
}

/// Get a job's log
#[utoipa::path(get, path = "/v1/jobs/{id}/log", tag = "jobs", params(("id" = String, Path, format = "uuid"), LogParams),
    responses((status = 200, description = "What it wrote", body = String, content_type = "text/plain")))]
pub(super) async fn log(
    caller: Caller<Look>,
    Path(id): Path<String>,
    Params(params): Params<LogParams>,
) -> Reply {
    let job = caller.client.job(id_of(&id)?).await?;
    let log = match params.attempt {
        Some(n) => {
            let attempt = n.checked_sub(1).and_then(|n| job.attempts.get(n as usize));
            let missing = || Problem::missing(format!("the job has no attempt {n} that has ended"));
            &attempt.ok_or_else(missing)?.log
        }
        None => {
            let last = job.attempts.last().map(|it| &it.log);
            job.log.as_ref().or(last).unwrap_or(const { &Vec::new() })
        }
    };
    let text = String::from_utf8_lossy(log).into_owned();
    // It is text, whatever somebody has written into it.
    Ok(typed(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        text.into_bytes(),
    ))
}

/// The runs of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Attempts {
    /// The oldest first.
    attempts: Vec<AttemptView>,
}

/// List a job's attempts
#[utoipa::path(get, path = "/v1/jobs/{id}/attempts", tag = "jobs", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "Its runs", body = Attempts)))]
pub(super) async fn attempts(caller: Caller<Look>, Path(id): Path<String>) -> Reply {
    let job = caller.client.job(id_of(&id)?).await?;
    let attempts = JobView::of(&job).attempts;
    Ok(caller.answer(&Attempts { attempts }))
}
