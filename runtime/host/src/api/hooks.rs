//! Web-hooks: who is told of the ends of jobs.

use lovage_queue::broker::Shelf;
use lovage_queue::hook::{Hook, HookError};
use lovage_queue::job::State as JobState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Administer, Caller};
use super::body::{Parsed, Path, maybe_number, maybe_words, nothing};
use super::problem::{Kind, Problem, Reply};
use super::shapes::{ModuleOrTask, Outcome};
use crate::view::hooks::HookView;
use crate::webhook::new_secret;

/// All hooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hooks {
    /// By name.
    hooks: Vec<HookView>,
}

/// List web-hooks
#[utoipa::path(get, path = "/v1/hooks", tag = "hooks",
    responses((status = 200, description = "All of them", body = Hooks)))]
pub(super) async fn list(caller: Caller<Administer>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let entries = broker.entries(tenant, Shelf::Hooks).await?;
    let hooks = entries.iter().filter_map(|(_, bytes)| Hook::decode(bytes));
    let hooks = hooks.map(|it| HookView::of(&it)).collect();
    Ok(caller.answer(&Hooks { hooks }))
}

/// What a hook shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewHook)]
pub(super) struct HookBody {
    /// Who is told: an `http://` or `https://` address.
    #[schema(
        pattern = "^https?://[^ ]+$",
        example = "https://example.com/jobs",
        max_length = 2048
    )]
    url: String,
    /// Of which tasks: `module.task` or `module`; none for all.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ModuleOrTask>>, max_items = 100)]
    tasks: Option<Vec<String>>,
    /// Of which ends: `completed`, `discarded`, `cancelled`; none for all.
    #[serde(default, deserialize_with = "maybe_words")]
    #[schema(value_type = Option<Vec<Outcome>>)]
    outcomes: Option<Vec<JobState>>,
    /// What signs the requests: `whsec_` and 24 to 64 bytes in Base64. Without it the hook
    /// keeps the one that it has, or gets a new one.
    #[schema(pattern = "^whsec_[A-Za-z0-9+/=]{32,88}$")]
    secret: Option<String>,
    /// How often it is tried in all.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1, maximum = 50)]
    attempts: Option<u32>,
}

/// A hook that was set.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HookSet {
    #[serde(flatten)]
    hook: HookView,
    /// What signs its requests: shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

fn refused(e: &HookError, hook: &Hook) -> Problem {
    // What the document says of an address is less than what makes it one.
    let is_formed = ["http://", "https://"]
        .iter()
        .any(|it| hook.url.starts_with(it));
    let kind = match e.field {
        "url" if is_formed => Kind::Invalid,
        _ => Kind::BadRequest,
    };
    Problem::new(kind, e.to_string()).at(&format!("/{}", e.field))
}

/// Set a web-hook
///
/// From a few seconds later on each end of such a job that a worker records makes a job of
/// `lovage.webhook`, in the step that records it: a `POST` of JSON, signed as Standard
/// Webhooks have it, tried again as any job is.
#[utoipa::path(put, path = "/v1/hooks/{name}", tag = "hooks",
    params(("name" = String, Path, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")),
    request_body(content((HookBody = "application/json"), (HookBody = "application/msgpack"))),
    responses((status = 200, description = "It is set", body = HookSet)))]
pub(super) async fn put(
    caller: Caller<Administer>,
    Path(name): Path<String>,
    body: Parsed<HookBody>,
) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let known = broker.entry(tenant, Shelf::Hooks, &name).await?;
    let known = known.and_then(|it| Hook::decode(&it));
    let body = body.value;
    let is_new = body.secret.is_some() || known.is_none();
    let kept = || known.map(|it| it.secret);
    let hook = Hook {
        name,
        url: body.url,
        tasks: body.tasks.unwrap_or_default(),
        outcomes: body.outcomes.unwrap_or_default(),
        secret: body.secret.or_else(kept).unwrap_or_else(new_secret),
        attempts: body.attempts,
    };
    hook.check().map_err(|e| refused(&e, &hook))?;
    broker
        .put_entry(tenant, Shelf::Hooks, &hook.name, &hook.encode())
        .await?;
    Ok(caller.answer(&HookSet {
        hook: HookView::of(&hook),
        secret: is_new.then_some(hook.secret),
    }))
}

/// Remove a web-hook
///
/// What it was to be told of already, it is told.
#[utoipa::path(delete, path = "/v1/hooks/{name}", tag = "hooks", params(("name" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(caller: Caller<Administer>, Path(name): Path<String>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let gone = match name.is_empty() {
        true => false,
        false => broker.remove_entry(tenant, Shelf::Hooks, &name).await?,
    };
    match gone {
        true => Ok(nothing()),
        false => Err(Problem::missing(format!("there is no hook `{name}`"))),
    }
}
