//! Jobs: to change their course.

use lovage_queue::broker::{Cancelled, Requeued};
use lovage_queue::client::{Client, ClientError};
use lovage_queue::job::{JobId, State as JobState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Caller, Produce};
use super::body::{Parsed, Path, nothing};
use super::jobs::{MAX_JOBS, id_of};
use super::problem::{Kind, Problem, Reply};
use super::shapes::Id;

/// What became of a job that was to be changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fate {
    /// Which.
    id: String,
    /// `cancelled`, `asked` (it runs, and was asked to stop), `ended` (it had ended
    /// before), `requeued`, `deleted`, `kept` (its state does not allow it), `duplicate`
    /// (another has its unique key), or `missing`.
    became: &'static str,
    /// The state that it is left in, where nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    state: Option<JobState>,
    /// The job that has its unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
}

/// What became of some jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fates {
    /// In the order in which they were named.
    jobs: Vec<Fate>,
}

/// Jobs by their ids.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = JobIds)]
pub(super) struct Ids {
    /// At most 1,000 of them.
    #[schema(max_items = 1000, value_type = Vec<Id>)]
    ids: Vec<String>,
}

impl Ids {
    fn read(self) -> Result<Vec<JobId>, Problem> {
        if self.ids.len() > MAX_JOBS {
            return Err(
                Problem::bad(format!("a request names at most {MAX_JOBS} jobs")).at("/ids"),
            );
        }
        let ids = self.ids.iter().map(|id| id_of(id));
        ids.collect()
    }
}

impl Fate {
    fn new(id: JobId, became: &'static str) -> Self {
        Fate {
            id: id.to_string(),
            became,
            state: None,
            of: None,
        }
    }

    fn of_cancelled(id: JobId, it: Cancelled) -> Self {
        match it {
            Cancelled::Now => Fate::new(id, "cancelled"),
            Cancelled::Asked => Fate::new(id, "asked"),
            Cancelled::Missing => Fate::new(id, "missing"),
            Cancelled::Ended(state) => Fate {
                state: Some(state),
                ..Fate::new(id, "ended")
            },
        }
    }

    fn of_requeued(id: JobId, it: Requeued) -> Self {
        match it {
            Requeued::Now => Fate::new(id, "requeued"),
            Requeued::Missing => Fate::new(id, "missing"),
            Requeued::Not(state) => Fate {
                state: Some(state),
                ..Fate::new(id, "kept")
            },
            Requeued::Duplicate(of) => Fate {
                of: Some(of.to_string()),
                ..Fate::new(id, "duplicate")
            },
        }
    }

    fn of_deleted(id: JobId, gone: bool) -> Self {
        Fate::new(id, if gone { "deleted" } else { "kept" })
    }
}

async fn cancelled(client: &Client, ids: &[JobId]) -> Result<Vec<Fate>, ClientError> {
    let fates = client.cancel(ids).await?;
    let fates = ids.iter().zip(fates);
    Ok(fates.map(|(id, it)| Fate::of_cancelled(*id, it)).collect())
}

async fn requeued(client: &Client, ids: &[JobId]) -> Result<Vec<Fate>, ClientError> {
    let fates = client.requeue(ids).await?;
    let fates = ids.iter().zip(fates);
    Ok(fates.map(|(id, it)| Fate::of_requeued(*id, it)).collect())
}

/// The fate of one job that was named in the path: one that is missing is a problem.
fn one(mut fates: Vec<Fate>, id: JobId) -> Result<Fate, Problem> {
    match fates.pop() {
        Some(fate) if fate.became != "missing" => Ok(fate),
        _ => Err(ClientError::UnknownJob(id).into()),
    }
}

/// Cancel a job
///
/// One that waits is cancelled at once; one that runs is asked to stop.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "What became of it", body = Fate)))]
pub(super) async fn cancel(caller: Caller<Produce>, Path(id): Path<String>) -> Reply {
    let id = id_of(&id)?;
    let fate = one(cancelled(&caller.client, &[id]).await?, id)?;
    Ok(caller.answer(&fate))
}

/// Requeue a job
///
/// A discarded or cancelled one is available again, with no failed attempts counted.
#[utoipa::path(post, path = "/v1/jobs/{id}/requeue", tag = "jobs", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "What became of it", body = Fate)))]
pub(super) async fn requeue(caller: Caller<Produce>, Path(id): Path<String>) -> Reply {
    let id = id_of(&id)?;
    let fate = one(requeued(&caller.client, &[id]).await?, id)?;
    Ok(caller.answer(&fate))
}

/// Delete a job that has ended
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, format = "uuid")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(caller: Caller<Produce>, Path(id): Path<String>) -> Reply {
    let id = id_of(&id)?;
    if caller.client.delete(&[id]).await?.first() == Some(&true) {
        return Ok(nothing());
    }
    let job = caller.client.job(id).await?;
    let said = format!(
        "only jobs that have ended are deleted, and this is {}",
        job.state
    );
    Err(Problem::new(Kind::Conflict, said))
}

/// Cancel many jobs
#[utoipa::path(post, path = "/v1/jobs/cancel", tag = "jobs",
    request_body(content((Ids = "application/json"), (Ids = "application/msgpack"))),
    responses((status = 200, description = "What became of each", body = Fates)))]
pub(super) async fn cancel_all(caller: Caller<Produce>, body: Parsed<Ids>) -> Reply {
    let ids = body.value.read()?;
    let jobs = cancelled(&caller.client, &ids).await?;
    Ok(caller.answer(&Fates { jobs }))
}

/// Requeue many jobs
#[utoipa::path(post, path = "/v1/jobs/requeue", tag = "jobs",
    request_body(content((Ids = "application/json"), (Ids = "application/msgpack"))),
    responses((status = 200, description = "What became of each", body = Fates)))]
pub(super) async fn requeue_all(caller: Caller<Produce>, body: Parsed<Ids>) -> Reply {
    let ids = body.value.read()?;
    let jobs = requeued(&caller.client, &ids).await?;
    Ok(caller.answer(&Fates { jobs }))
}

/// Delete many jobs that have ended
#[utoipa::path(post, path = "/v1/jobs/delete", tag = "jobs",
    request_body(content((Ids = "application/json"), (Ids = "application/msgpack"))),
    responses((status = 200, description = "What became of each", body = Fates)))]
pub(super) async fn delete_all(caller: Caller<Produce>, body: Parsed<Ids>) -> Reply {
    let ids = body.value.read()?;
    let gone = caller.client.delete(&ids).await?;
    let jobs = ids.iter().zip(gone);
    let jobs = jobs.map(|(id, gone)| Fate::of_deleted(*id, gone)).collect();
    Ok(caller.answer(&Fates { jobs }))
}
