//! Jobs: to enqueue them.

use axum::extract::{FromRequest, Request, State};
use axum::http::HeaderMap;
use lovage_queue::job::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::auth::{Caller, Produce};
use super::body::{BYTES, Params, Parsed, content_type, whole};
use super::calls::{CallBody, CallParams, carry, key_of, trace_of};
use super::jobs::{MAX_JOBS, wait_for, wait_of};
use super::problem::{Problem, Reply};
use crate::view::jobs::JobView;

/// The job that a call has become.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Enqueued {
    /// Its id; of the job that is there already, where the call has a key.
    id: String,
}

/// Enqueue a job
///
/// Its arguments are checked against the task's schema first. A body of
/// `application/octet-stream` is the only argument of a task that takes bytes; the task is
/// named as `?task=` then. With `?wait=` the answer is the job, once it has ended or the
/// time is up.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", params(CallParams,
    ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$", description = "Sent again with the same key, the request makes no second job.")),
    request_body(content((CallBody = "application/json"), (CallBody = "application/msgpack"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, description = "It is enqueued", body = Enqueued),
        (status = 200, description = "With `wait`: the job as it is then", body = JobView)))]
pub(super) async fn enqueue(
    State(api): State<Shared>,
    caller: Caller<Produce>,
    Params(params): Params<CallParams>,
    request: Request,
) -> Reply {
    let key = key_of(request.headers())?;
    let trace = trace_of(request.headers());
    let wait = wait_of(params.wait.as_deref())?;
    let mut call = if content_type(request.headers()) == BYTES {
        let bytes = whole(request).await?;
        params.call(&caller.client, bytes.into()).await?
    } else {
        let body = Parsed::<CallBody>::from_request(request, &api).await?;
        params.none()?;
        body.value.call(body.is_json)?
    };
    call.key = key.or(call.key);
    carry(&mut call, trace.as_ref());
    let id = caller.client.enqueue(call).await?;
    match wait {
        None => Ok(caller.made(&Enqueued { id: id.to_string() })),
        Some(wait) => {
            let job = wait_for(&api, &caller.client, id, wait).await?;
            Ok(caller.answer(&JobView::of(&job)))
        }
    }
}

/// Many calls.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Calls)]
pub(super) struct CallsBody {
    /// At most 1,000 of them.
    #[schema(min_items = 1, max_items = 1000)]
    jobs: Vec<CallBody>,
}

/// The jobs that calls have become.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EnqueuedAll {
    /// Their ids, in the order of the calls.
    ids: Vec<String>,
}

/// Enqueue many jobs
///
/// All of them or none: what does not fit is named by its place.
#[utoipa::path(post, path = "/v1/jobs/batch", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$", description = "Sent again with the same key, the request makes no further jobs. A call that has a key of its own keeps that.")),
    request_body(content((CallsBody = "application/json"), (CallsBody = "application/msgpack"))),
    responses((status = 201, description = "They are enqueued", body = EnqueuedAll)))]
pub(super) async fn enqueue_all(
    caller: Caller<Produce>,
    headers: HeaderMap,
    body: Parsed<CallsBody>,
) -> Reply {
    let (key, trace) = (key_of(&headers)?, trace_of(&headers));
    let calls = body.value.jobs;
    if !(1..=MAX_JOBS).contains(&calls.len()) {
        let said = format!(
            "a request enqueues 1 to {MAX_JOBS} jobs, not {}",
            calls.len()
        );
        return Err(Problem::bad(said).at("/jobs"));
    }
    let mut jobs = Vec::with_capacity(calls.len());
    for (n, call) in calls.into_iter().enumerate() {
        let place = format!("/jobs/{n}");
        let mut call = call.call(body.is_json).map_err(|e| e.at(&place))?;
        // What a call says of itself goes before what is said of all.
        if let (None, Some(key)) = (&call.key, &key) {
            call.key = Some(format!("{key}/{n}"));
        }
        carry(&mut call, trace.as_ref());
        let job = caller.client.prepare(call).await;
        jobs.push(job.map_err(|e| Problem::from(e).at(&place))?);
    }
    let ids = caller.client.send(jobs).await?;
    let ids = ids.iter().map(JobId::to_string).collect();
    Ok(caller.made(&EnqueuedAll { ids }))
}
