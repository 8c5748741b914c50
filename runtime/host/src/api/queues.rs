//! Queues and lanes, and what scopes allow.

use std::collections::HashSet;

use axum::extract::State;
use lovage_queue::broker::{Cancelled, Filter, MAX_LANES, QueueCounts};
use lovage_queue::client::Client;
use lovage_queue::clock::Millis;
use lovage_queue::event::Event;
use lovage_queue::job::{JobId, State as JobState};
use lovage_queue::limits::{Limit, Limited, Order, Scope};
use lovage_queue::task::check_name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Caller, Deploy, Look};
use super::body::{Params, Parsed, Path, maybe_number, maybe_word};
use super::problem::{Problem, Reply};
use super::shapes::Rate;
use crate::view::queues::{LimitView, LimitedView, QueueView, held, queues, read_rate};

/// Jobs that a purge looks at at once: each comes with its input.
const PAGE: u32 = 200;
/// What a purge cancels.
const WAITING: [JobState; 3] = [
    JobState::Available,
    JobState::Scheduled,
    JobState::Retryable,
];

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue)]
pub(super) struct Measured {
    /// How many jobs stand where.
    #[serde(flatten)]
    queue: QueueView,
    /// For how long the oldest available job has waited, in seconds.
    pub(super) latency: Option<f64>,
    /// What waits, in seconds of work for one slot: by what its jobs took lately. Null
    /// where none has run.
    pub(super) backlog: Option<f64>,
}

/// All queues.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queues {
    /// By name.
    queues: Vec<Measured>,
}

pub(super) async fn measured(
    api: &Shared,
    client: &Client,
) -> Result<Vec<(QueueCounts, Measured)>, Problem> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let counts = broker.counts(tenant).await?;
    let limits = broker.limits(tenant).await?;
    let now = broker.time(tenant).await?;
    let costs = api.backlogs.costs(client, now).await?;
    let measure = |(counts, queue): (QueueCounts, QueueView)| {
        let waited = |at: Millis| now.since(at).as_secs_f64();
        let measured = Measured {
            latency: counts.oldest.map(waited),
            backlog: costs.backlog(&counts),
            queue,
        };
        (counts, measured)
    };
    Ok(queues(counts, &limits).into_iter().map(measure).collect())
}

/// List queues
///
/// How many jobs of each stand where, how long the oldest waits, and how much work waits.
#[utoipa::path(get, path = "/v1/queues", tag = "queues",
    responses((status = 200, description = "All of them", body = Queues)))]
pub(super) async fn list(State(api): State<Shared>, caller: Caller<Look>) -> Reply {
    let queues = measured(&api, &caller.client).await?;
    let queues = queues.into_iter().map(|(_, it)| it).collect();
    Ok(caller.answer(&Queues { queues }))
}

/// Show a queue
#[utoipa::path(get, path = "/v1/queues/{queue}", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "The queue", body = Measured)))]
pub(super) async fn show(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Path(queue): Path<String>,
) -> Reply {
    let queues = measured(&api, &caller.client).await?;
    let found = queues.into_iter().find(|(it, _)| it.queue == queue);
    let missing = || {
        Problem::missing(format!(
            "there is no queue `{queue}`: no job has been in it"
        ))
    };
    let (_, it) = found.ok_or_else(missing)?;
    Ok(caller.answer(&it))
}

/// A lane.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaneView {
    /// Its key; empty for the tenant's own.
    lane: String,
    /// How many of its jobs are available.
    available: u64,
    /// Since when the oldest of them waits.
    oldest: Option<String>,
    /// Whether it is paused.
    paused: bool,
    /// What it allows.
    limit: LimitView,
}

/// Lanes of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lanes {
    /// By key.
    lanes: Vec<LaneView>,
}

/// How many lanes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LanesParams {
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List the lanes of a queue that have available jobs
#[utoipa::path(get, path = "/v1/queues/{queue}/lanes", tag = "queues", params(("queue" = String, Path), LanesParams),
    responses((status = 200, description = "Some of them", body = Lanes)))]
pub(super) async fn lanes(
    caller: Caller<Look>,
    Path(queue): Path<String>,
    Params(params): Params<LanesParams>,
) -> Reply {
    let queue = queue_of(queue)?;
    let limit = params.limit.unwrap_or(100);
    if !(1..=MAX_LANES).contains(&limit) {
        return Err(Problem::bad(format!(
            "`limit` is 1 to {MAX_LANES}, not {limit}"
        )));
    }
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let limits = broker.limits(tenant).await?;
    let lanes = broker.lanes(tenant, &queue, limit).await?;
    let lane = |it: lovage_queue::broker::LaneCounts| {
        let (paused, limit) = held(&Scope::Lane(queue.clone(), it.lane.clone()), &limits);
        LaneView {
            lane: it.lane,
            available: it.available,
            oldest: it.oldest.map(crate::view::moment),
            paused,
            limit: LimitView::of(&limit),
        }
    };
    let lanes = lanes.into_iter().map(lane).collect();
    Ok(caller.answer(&Lanes { lanes }))
}

fn queue_of(name: String) -> Result<String, Problem> {
    match check_name(&name, "queue") {
        Ok(_) => Ok(name),
        Err(e) => Err(Problem::missing(e.to_string())),
    }
}

/// A scope that was paused, or goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Paused {
    /// Which.
    scope: String,
    /// Whether it is paused now.
    paused: bool,
}

async fn set_paused(api: &Shared, caller: &Caller<Deploy>, scope: Scope, paused: bool) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    broker.pause(tenant, &scope, paused).await?;
    let scope = scope.to_string();
    let event = Event::Limit {
        scope: scope.clone(),
        paused,
    };
    api.feeds.tell(tenant, &event).await;
    Ok(caller.answer(&Paused { scope, paused }))
}

/// Pause a queue
///
/// None of its jobs starts; those that run are not touched.
#[utoipa::path(post, path = "/v1/queues/{queue}/pause", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "It is paused", body = Paused)))]
pub(super) async fn pause(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(queue): Path<String>,
) -> Reply {
    set_paused(&api, &caller, Scope::Queue(queue_of(queue)?), true).await
}

/// Resume a queue
#[utoipa::path(post, path = "/v1/queues/{queue}/resume", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "It goes on", body = Paused)))]
pub(super) async fn resume(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(queue): Path<String>,
) -> Reply {
    set_paused(&api, &caller, Scope::Queue(queue_of(queue)?), false).await
}

/// What a purge did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purged {
    /// How many jobs were cancelled.
    cancelled: u64,
}

/// Purge a queue
///
/// Cancels all of its jobs that waited for a worker, for their time or for another attempt
/// when this began.
#[utoipa::path(post, path = "/v1/queues/{queue}/purge", tag = "queues", params(("queue" = String, Path)),
    responses((status = 200, description = "It is empty", body = Purged)))]
pub(super) async fn purge(caller: Caller<Deploy>, Path(queue): Path<String>) -> Reply {
    let queue = queue_of(queue)?;
    let mut cancelled = 0;
    for state in WAITING {
        let mut ids = HashSet::new();
        waiting(&caller.client, &queue, state, &mut ids).await?;
        let ids: Vec<JobId> = ids.into_iter().collect();
        for some in ids.chunks(PAGE as usize) {
            let fates = caller.client.cancel(some).await?;
            cancelled += fates.iter().filter(|it| **it == Cancelled::Now).count() as u64;
        }
    }
    Ok(caller.answer(&Purged { cancelled }))
}

/// The jobs of a state in a queue: all of them are looked for before any is cancelled, so
/// that the pages stay where they are.
async fn waiting(
    client: &Client,
    queue: &str,
    state: JobState,
    ids: &mut HashSet<JobId>,
) -> Result<(), Problem> {
    let mut filter = Filter {
        queue: Some(queue.to_owned()),
        ..Filter::of(state, PAGE)
    };
    loop {
        let page = client.broker().list(client.tenant(), &filter).await?;
        ids.extend(page.jobs.iter().map(|it| it.call.id));
        match page.next {
            Some(next) => filter.offset = next,
            None => return Ok(()),
        }
    }
}

/// What is limited or paused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limits {
    /// By scope.
    limits: Vec<LimitedView>,
}

/// List limits
///
/// All scopes that are limited or paused.
#[utoipa::path(get, path = "/v1/limits", tag = "queues",
    responses((status = 200, description = "All of them", body = Limits)))]
pub(super) async fn limits(caller: Caller<Look>) -> Reply {
    let limits = caller
        .client
        .broker()
        .limits(caller.client.tenant())
        .await?;
    let limits = limits.iter().map(LimitedView::of).collect();
    Ok(caller.answer(&Limits { limits }))
}

/// What a scope shall allow. What is not there, or null, is no limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLimit)]
pub(super) struct LimitBody {
    /// How often its jobs may start, as in `100/s`.
    #[schema(value_type = Option<Rate>)]
    rate: Option<String>,
    /// How many of them may run at once.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1)]
    concurrency: Option<u32>,
    /// Of a queue: how many of them may wait.
    #[serde(default, deserialize_with = "maybe_number")]
    depth: Option<u32>,
    /// Of a queue: `aging` or `strict`.
    #[serde(default, deserialize_with = "maybe_word")]
    #[schema(value_type = Option<String>, pattern = "^(aging|strict)$")]
    order: Option<Order>,
}

fn scope_of(text: &str) -> Result<Scope, Problem> {
    text.parse()
        .map_err(|e: lovage_queue::limits::ScopeError| Problem::missing(e.to_string()))
}

/// Limit a scope
///
/// Sets all of what it allows, from now on and for jobs that are there already. A scope is
/// `tenant`, `queue:NAME`, `lane:QUEUE/KEY`, `lanes:QUEUE` (each lane by itself) or
/// `task:MODULE.TASK`.
#[utoipa::path(put, path = "/v1/limits/{scope}", tag = "queues", params(("scope" = String, Path)),
    request_body(content((LimitBody = "application/json"), (LimitBody = "application/msgpack"))),
    responses((status = 200, description = "What it allows now", body = LimitedView)))]
pub(super) async fn limit(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(scope): Path<String>,
    body: Parsed<LimitBody>,
) -> Reply {
    let scope = scope_of(&scope)?;
    let body = body.value;
    let rate = body.rate.as_deref().map(read_rate).transpose();
    let limit = Limit {
        rate: rate.map_err(|e| Problem::bad(e).at("/rate"))?,
        concurrency: body.concurrency,
        depth: body.depth,
        order: body.order.unwrap_or_default(),
    };
    let limit = caller.client.beside_module(&scope, limit).await?;
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    broker.limit(tenant, &scope, &limit).await?;
    let limits = broker.limits(tenant).await?;
    let now = limits.into_iter().find(|it| it.scope == scope);
    let now = now.unwrap_or(Limited {
        scope,
        limit,
        paused: false,
        declared: false,
        running: 0,
    });
    let event = Event::Limit {
        scope: now.scope.to_string(),
        paused: now.paused,
    };
    api.feeds.tell(tenant, &event).await;
    Ok(caller.answer(&LimitedView::of(&now)))
}

/// Pause a scope
///
/// Any but `lanes:QUEUE`; also `module:NAME`.
#[utoipa::path(post, path = "/v1/limits/{scope}/pause", tag = "queues", params(("scope" = String, Path)),
    responses((status = 200, description = "It is paused", body = Paused)))]
pub(super) async fn pause_scope(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(scope): Path<String>,
) -> Reply {
    set_paused(&api, &caller, scope_of(&scope)?, true).await
}

/// Resume a scope
#[utoipa::path(post, path = "/v1/limits/{scope}/resume", tag = "queues", params(("scope" = String, Path)),
    responses((status = 200, description = "It goes on", body = Paused)))]
pub(super) async fn resume_scope(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(scope): Path<String>,
) -> Reply {
    set_paused(&api, &caller, scope_of(&scope)?, false).await
}

/// How much work waits in a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Demand {
    /// The queue.
    queue: String,
    /// How many jobs could run or will soon: available and retryable.
    waiting: u64,
    /// What one takes, in seconds, by the last ten minutes; null where none has run.
    seconds_a_job: Option<f64>,
    /// Both together: seconds of work for one slot.
    backlog: Option<f64>,
}

/// How much work waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Demands {
    /// By queue.
    queues: Vec<Demand>,
}

/// How much work waits, for autoscaling
///
/// Slots that are needed to be through in `s` seconds: the backlog divided by `s`.
#[utoipa::path(get, path = "/v1/autoscale", tag = "queues",
    responses((status = 200, description = "By queue", body = Demands)))]
pub(super) async fn autoscale(State(api): State<Shared>, caller: Caller<Look>) -> Reply {
    let client = &caller.client;
    let (broker, tenant) = (client.broker(), client.tenant());
    let counts = broker.counts(tenant).await?;
    let now = broker.time(tenant).await?;
    let costs = api.backlogs.costs(client, now).await?;
    let demand = |it: &QueueCounts| Demand {
        queue: it.queue.clone(),
        waiting: it.available + it.retryable,
        seconds_a_job: costs.seconds(&it.queue),
        backlog: costs.backlog(it),
    };
    let mut queues: Vec<Demand> = counts.iter().map(demand).collect();
    queues.sort_by(|a, b| a.queue.cmp(&b.queue));
    Ok(caller.answer(&Demands { queues }))
}
