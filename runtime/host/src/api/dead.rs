//! The dead list: the jobs that were given up.

use std::collections::{BTreeMap, HashSet};

use lovage_queue::broker::{Filter, Requeued};
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, JobId, State as JobState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Look, Produce};
use super::body::{Params, Parsed};
use super::jobs::{Which, limit_of, page};
use super::problem::{Kind, Problem, Reply};
use super::shapes::{ModuleOrTask, Name};
use crate::view::moment;

/// Jobs that are looked at at once: each comes with its input, its result and its logs.
const PAGE: u32 = 200;
/// Jobs that one request takes, at most.
const MOST: usize = 10_000;
/// Looks that it may need for that, where most jobs are others.
const LOOKS: usize = 200;

/// Which dead jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadParams {
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
    /// Where the last page ended: its `next`.
    #[param(pattern = "^[0-9]{1,15}-[0-9]{1,15}$")]
    cursor: Option<String>,
}

/// List dead jobs
///
/// The newest first.
#[utoipa::path(get, path = "/v1/dead", tag = "dead list", params(DeadParams),
    responses((status = 200, description = "A page of them", body = super::jobs::JobPage)))]
pub(super) async fn list(caller: Caller<Look>, Params(params): Params<DeadParams>) -> Reply {
    let which = Which {
        queue: params.queue,
        task: params.task,
        reason: params.reason,
        tag: params.tag,
    };
    let filter = which.of(JobState::Discarded, limit_of(params.limit)?)?;
    let page = page(&caller.client, filter, params.cursor.as_deref(), LOOKS).await?;
    Ok(caller.answer(&page))
}

/// Dead jobs that died of the same.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    /// `module.task`
    task: String,
    /// What the last attempt ended for: an ending, or the kind of the task's own failure.
    reason: String,
    /// How many they are.
    jobs: u64,
    /// When the last of them died.
    last: String,
    /// What that one said.
    message: String,
}

/// Dead jobs by what they died of.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Groups {
    /// The largest first.
    groups: Vec<Group>,
    /// Whether all dead jobs were looked at: of very many, the newest 10,000 are.
    complete: bool,
}

/// Group dead jobs by task and reason
#[utoipa::path(get, path = "/v1/dead/groups", tag = "dead list", params(Which),
    responses((status = 200, description = "What fails, and why", body = Groups)))]
pub(super) async fn groups(caller: Caller<Look>, Params(which): Params<Which>) -> Reply {
    let mut groups = BTreeMap::<(String, String), (u64, Millis, String)>::new();
    let filter = which.of(JobState::Discarded, PAGE)?;
    let complete = walk(&caller.client, filter, |job| {
        let task = format!("{}.{}", job.call.module, job.call.task);
        let group = groups.entry((task, reason(&job))).or_default();
        if group.0 == 0 {
            let last = job.attempts.last().and_then(|it| it.failure.as_ref());
            group.1 = job.finished;
            group.2 = last.map_or(String::new(), |it| it.message.clone());
        }
        group.0 += 1;
    })
    .await?;
    let group = |((task, reason), (jobs, last, message))| Group {
        task,
        reason,
        jobs,
        last: moment(last),
        message,
    };
    let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
    groups.sort_by_key(|it| std::cmp::Reverse(it.jobs));
    Ok(caller.answer(&Groups { groups, complete }))
}

fn reason(job: &Job) -> String {
    job.attempts
        .last()
        .map_or(String::new(), |it| match &it.failure {
            Some(failure) => failure.kind.clone(),
            None => it.ending.to_string(),
        })
}

/// Shows the jobs of a state, the newest first, some more than [`MOST`] at most; whether
/// that was all.
async fn walk(
    client: &Client,
    mut filter: Filter,
    mut see: impl FnMut(Job),
) -> Result<bool, Problem> {
    let mut seen = HashSet::new();
    for _ in 0..LOOKS {
        let page = client.broker().list(client.tenant(), &filter).await?;
        // What dies meanwhile stays out.
        if filter.before.is_none()
            && let Some(newest) = page.jobs.first()
        {
            filter.before = Some(Millis(newest.finished.0 + 1));
        }
        // Entries move while the pages are turned: one may come twice.
        let new = page.jobs.into_iter().filter(|it| seen.insert(it.call.id));
        new.collect::<Vec<_>>().into_iter().for_each(&mut see);
        match page.next {
            None => return Ok(true),
            Some(_) if seen.len() >= MOST => return Ok(false),
            Some(next) => filter.offset = next,
        }
    }
    Ok(false)
}

/// Which dead jobs are meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadFilter)]
pub(super) struct Meant {
    /// Of this queue.
    #[schema(value_type = Option<Name>)]
    queue: Option<String>,
    /// Of this module, or of this task: `module` or `module.task`.
    #[schema(value_type = Option<ModuleOrTask>)]
    task: Option<String>,
    /// That died of this.
    reason: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// All of them: must be said where nothing else is.
    #[serde(default)]
    all: bool,
}

impl Meant {
    fn which(self) -> Result<Which, Problem> {
        let which = Which {
            queue: self.queue,
            task: self.task,
            reason: self.reason,
            tag: self.tag,
        };
        match self.all == which.is_empty() {
            true => Ok(which),
            false if self.all => {
                let said = "`all` and filters exclude each other";
                Err(Problem::new(Kind::Invalid, said))
            }
            false => Err(Problem::new(
                Kind::Invalid,
                "which jobs? filter them, or say `\"all\": true`",
            )),
        }
    }
}

/// What became of many dead jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    /// How many were changed.
    jobs: u64,
    /// Whether there are more: a request changes at most 10,000.
    more: bool,
}

/// Requeue dead jobs
///
/// All that the filter lets through and that were dead when this began; all there are only
/// where `all` is said. They are available again, at the end of their lanes.
#[utoipa::path(post, path = "/v1/dead/requeue", tag = "dead list",
    request_body(content((Meant = "application/json"), (Meant = "application/msgpack"))),
    responses((status = 200, description = "How many", body = Changed)))]
pub(super) async fn requeue(caller: Caller<Produce>, body: Parsed<Meant>) -> Reply {
    let (ids, all) = ids(&caller.client, &body.value.which()?).await?;
    let mut jobs = 0;
    for some in ids.chunks(1_000) {
        let fates = caller.client.requeue(some).await?;
        jobs += fates.iter().filter(|it| **it == Requeued::Now).count() as u64;
    }
    Ok(caller.answer(&Changed { jobs, more: !all }))
}

/// Delete dead jobs
///
/// All that the filter lets through and that were dead when this began; all there are only
/// where `all` is said. They are gone for good.
#[utoipa::path(post, path = "/v1/dead/delete", tag = "dead list",
    request_body(content((Meant = "application/json"), (Meant = "application/msgpack"))),
    responses((status = 200, description = "How many", body = Changed)))]
pub(super) async fn delete(caller: Caller<Produce>, body: Parsed<Meant>) -> Reply {
    let (ids, all) = ids(&caller.client, &body.value.which()?).await?;
    let mut jobs = 0;
    for some in ids.chunks(1_000) {
        let gone = caller.client.delete(some).await?;
        jobs += gone.iter().filter(|gone| **gone).count() as u64;
    }
    Ok(caller.answer(&Changed { jobs, more: !all }))
}

async fn ids(client: &Client, which: &Which) -> Result<(Vec<JobId>, bool), Problem> {
    let mut ids = Vec::new();
    let filter = which.of(JobState::Discarded, PAGE)?;
    let all = walk(client, filter, |job| ids.push(job.call.id)).await?;
    Ok((ids, all))
}
