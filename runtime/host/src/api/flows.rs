//! Flows: to run them, to look at them, and to let them go on.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use lovage_queue::broker::{FlowStatus, MAX_FLOWS_LISTED};
use lovage_queue::client::{Client, ClientError};
use lovage_queue::event::Event;
use lovage_queue::flow::Flow;
use lovage_queue::job::JobId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Look, Produce};
use super::body::{Params, Parsed, Path};
use super::calls::key_of;
use super::jobs::{WaitParams, id_of, value, wait_of};
use super::problem::{Kind, Problem, Reply};
use super::shapes::NewFlow;
use super::{Api, Shared};
use crate::view::flows::{FlowTreeView, FlowView};

/// The name of a flow that has none.
const UNNAMED: &str = "flow";

/// Which flows to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// How many to pass over.
    #[param(minimum = 0)]
    offset: Option<u64>,
}

/// Some flows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flows {
    /// The newest first.
    flows: Vec<FlowView>,
}

/// List flows
#[utoipa::path(get, path = "/v1/flows", tag = "flows", params(ListParams),
    responses((status = 200, description = "Some of them", body = Flows)))]
pub(super) async fn list(caller: Caller<Look>, Params(params): Params<ListParams>) -> Reply {
    let limit = params.limit.unwrap_or(50);
    if !(1..=MAX_FLOWS_LISTED).contains(&limit) {
        let said = format!("`limit` is 1 to {MAX_FLOWS_LISTED}, not {limit}");
        return Err(Problem::bad(said));
    }
    let offset = params.offset.unwrap_or_default();
    let flows = caller.client.flows(offset, limit).await?;
    let flows = flows.iter().map(FlowView::of).collect();
    Ok(caller.answer(&Flows { flows }))
}

/// The flow that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Begun {
    /// Its id; of the flow that is there already, where the request has a key.
    id: String,
    /// What it is called.
    name: String,
}

/// Run a flow
///
/// A chain, group, chord, map or graph of calls, as `lovage flow run` takes it. All of it
/// is checked first: tasks, arguments, and whether each result can be the argument that it
/// is to be. With `?wait=` the answer is the flow with its steps, once it has ended or the
/// time is up.
#[utoipa::path(post, path = "/v1/flows", tag = "flows", params(WaitParams,
    ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$", description = "Sent again with the same key, the request makes no second flow.")),
    request_body(content((NewFlow = "application/json"), (NewFlow = "application/msgpack"))),
    responses((status = 201, description = "It has begun", body = Begun),
        (status = 200, description = "With `wait`: the flow as it is then", body = FlowTreeView)))]
pub(super) async fn run(
    State(api): State<Shared>,
    caller: Caller<Produce>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    body: Parsed<Value>,
) -> Reply {
    let key = key_of(&headers)?;
    let wait = wait_of(params.wait.as_deref())?;
    if body.value.as_object().is_none_or(|it| it.is_empty()) {
        return Err(Problem::bad("a flow is an object that says what is to run"));
    }
    let mut flow = Flow::from_json(body.value, UNNAMED)
        .map_err(|e| Problem::new(Kind::Invalid, e.to_string()))?;
    flow.key = key;
    let id = caller.client.run_flow(&flow).await?;
    let (mut name, mut state) = (flow.name, "running");
    if flow.key.is_some() {
        // It may be the flow of an earlier request.
        let there = caller.client.flow(id).await?;
        (name, state) = (there.name, there.state.as_str());
    }
    tell(&api, &caller, id, state).await;
    match wait {
        None => {
            let id = id.to_string();
            Ok(caller.made(&Begun { id, name }))
        }
        Some(wait) => {
            wait_for(&api, &caller.client, id, wait).await?;
            let tree = caller.client.flow_tree(id).await?;
            Ok(caller.answer(&FlowTreeView::of(&tree)))
        }
    }
}

async fn tell<R>(api: &Shared, caller: &Caller<R>, id: JobId, state: &str) {
    let event = Event::Flow {
        id: id.to_string(),
        state: state.to_owned(),
    };
    api.feeds.tell(caller.client.tenant(), &event).await;
}

async fn wait_for(
    api: &Api,
    client: &Client,
    id: JobId,
    at_most: Duration,
) -> Result<FlowStatus, ClientError> {
    tokio::select! {
        status = client.wait_flow(id, at_most) => status,
        () = api.stopping() => client.flow(id).await,
    }
}

/// Show a flow
///
/// Its steps, and where each of them stands. Steps of which there are very many are counted
/// by state instead.
#[utoipa::path(get, path = "/v1/flows/{id}", tag = "flows", params(("id" = String, Path, format = "uuid"), WaitParams),
    responses((status = 200, description = "The flow", body = FlowTreeView)))]
pub(super) async fn show(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Path(id): Path<String>,
    Params(params): Params<WaitParams>,
) -> Reply {
    let id = id_of(&id)?;
    if let Some(wait) = wait_of(params.wait.as_deref())? {
        wait_for(&api, &caller.client, id, wait).await?;
    }
    let tree = caller.client.flow_tree(id).await?;
    Ok(caller.answer(&FlowTreeView::of(&tree)))
}

/// Which result.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultParams {
    /// The path of a step; without it, that of the whole flow.
    node: Option<String>,
}

/// Get a flow's result
///
/// One value of a call, a list of a group's.
#[utoipa::path(get, path = "/v1/flows/{id}/result", tag = "flows", params(("id" = String, Path, format = "uuid"), ResultParams),
    responses((status = 200, description = "The result", content((Value = "application/json"), (Value = "application/msgpack"), (Vec<u8> = "application/octet-stream")))))]
pub(super) async fn result(
    caller: Caller<Look>,
    Path(id): Path<String>,
    Params(params): Params<ResultParams>,
    headers: HeaderMap,
) -> Reply {
    let id = id_of(&id)?;
    let packed = caller
        .client
        .flow_result(id, params.node.as_deref())
        .await?;
    value(&headers, packed)
}

/// Whether a flow was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// Which.
    id: String,
    /// Whether there was something to do.
    done: bool,
}

/// Cancel a flow
///
/// What has not ended of it; what runs is asked to stop.
#[utoipa::path(post, path = "/v1/flows/{id}/cancel", tag = "flows", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "It is, or had ended", body = Done)))]
pub(super) async fn cancel(
    State(api): State<Shared>,
    caller: Caller<Produce>,
    Path(id): Path<String>,
) -> Reply {
    let id = id_of(&id)?;
    let done = caller.client.cancel_flow(id).await?;
    tell(&api, &caller, id, "cancelled").await;
    Ok(caller.answer(&Done {
        id: id.to_string(),
        done,
    }))
}

/// Let a flow go on
///
/// What failed of it runs again, what was cancelled with it comes back, and what has
/// completed stays as it is.
#[utoipa::path(post, path = "/v1/flows/{id}/retry", tag = "flows", params(("id" = String, Path, format = "uuid")),
    responses((status = 200, description = "It goes on, or there was nothing to do", body = Done)))]
pub(super) async fn retry(
    State(api): State<Shared>,
    caller: Caller<Produce>,
    Path(id): Path<String>,
) -> Reply {
    let id = id_of(&id)?;
    let done = caller.client.retry_flow(id).await?;
    tell(&api, &caller, id, "running").await;
    Ok(caller.answer(&Done {
        id: id.to_string(),
        done,
    }))
}
