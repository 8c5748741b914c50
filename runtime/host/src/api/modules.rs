//! Modules, their releases and their tasks.

use axum::extract::{Request, State};
use lovage_queue::event::Event;
use lovage_queue::granted::Approver;
use lovage_queue::registry::Readiness;
use lovage_queue::registry::blob::MAX_MODULE;
use lovage_queue::task::{TaskName, check_name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Caller, Deploy, Look};
use super::body::{BYTES, BodyLimit, Params, Path, content_type, whole};
use super::problem::{Kind, Problem, Reply};
use super::token::Role;
use crate::deploy;
use crate::view::grants::lines;
use crate::view::modules::{ActiveView, ReleaseView, TaskView};

/// The type of a component.
const WASM: &str = "application/wasm";

/// All modules.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Modules {
    /// By name.
    modules: Vec<ActiveView>,
}

/// List modules
///
/// Each with its active release.
#[utoipa::path(get, path = "/v1/modules", tag = "modules",
    responses((status = 200, description = "All of them", body = Modules)))]
pub(super) async fn list(caller: Caller<Look>) -> Reply {
    let client = &caller.client;
    let active = client.broker().active(client.tenant()).await?;
    let modules = active.iter().map(ActiveView::of).collect();
    Ok(caller.answer(&Modules { modules }))
}

/// A module.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Module)]
pub(super) struct ModuleView {
    /// Its name.
    module: String,
    /// Bytes of the active release's component; null where none is active.
    size: Option<u64>,
    /// The tasks of the active release.
    tasks: Vec<TaskView>,
    /// The newest first.
    releases: Vec<ReleaseView>,
}

/// Show a module
///
/// Its tasks, and its releases.
#[utoipa::path(get, path = "/v1/modules/{module}", tag = "modules", params(("module" = String, Path)),
    responses((status = 200, description = "The module", body = ModuleView)))]
pub(super) async fn show(caller: Caller<Look>, Path(module): Path<String>) -> Reply {
    let client = &caller.client;
    let releases = client.broker().releases(client.tenant(), &module).await?;
    if releases.is_empty() {
        return Err(unknown(&module));
    }
    let mut view = ModuleView {
        module,
        size: None,
        tasks: Vec::new(),
        releases: releases.iter().map(ReleaseView::of).collect(),
    };
    if let Some(active) = releases.iter().find(|it| it.active)
        && let Some(manifest) = client
            .broker()
            .manifest(client.tenant(), active.digest)
            .await?
    {
        view.size = Some(manifest.size);
        let task = |it| TaskView::of(&view.module, active.number, active.digest, it);
        view.tasks = manifest.tasks.iter().map(task).collect();
    }
    Ok(caller.answer(&view))
}

fn unknown(module: &str) -> Problem {
    Problem::missing(format!("there is no module `{module}`"))
}

/// How to push.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PushParams {
    /// Makes it active at once, without waiting for the workers.
    #[serde(default)]
    now: bool,
    /// Approves of all that it wants, which takes the role `admin`.
    #[serde(default)]
    grant: bool,
}

/// A push that went through.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pushed {
    /// The module's name.
    module: String,
    /// The release: active now, unless it awaits approval.
    release: ReleaseView,
    /// What the module says of itself: its `size`, its `tasks`, and what it `wants`.
    manifest: Value,
    /// What it newly wants. It becomes active once that is granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    awaits: Vec<String>,
    /// How many live workers had compiled it by then.
    #[schema(value_type = Value)]
    workers: Readiness,
}

/// Push a module
///
/// The body is the component. It is checked and asked for its tasks in the sandbox, stored,
/// compiled by the live workers, and then made active. A push that fails has changed
/// nothing that runs. One that wants what its module was not granted is stored and not made
/// active: the answer names it.
#[utoipa::path(post, path = "/v1/modules/{module}/releases", tag = "modules",
    params(("module" = String, Path, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"), PushParams),
    request_body(content((Vec<u8> = "application/wasm"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, description = "It is active", body = Pushed),
        (status = 202, description = "It awaits approval", body = Pushed)))]
pub(super) async fn push(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(module): Path<String>,
    Params(params): Params<PushParams>,
    mut request: Request,
) -> Reply {
    check_name(&module, "module").map_err(|e| Problem::bad(e.to_string()))?;
    if params.grant {
        caller.may(Role::Admin)?;
    }
    let kind = content_type(request.headers());
    if kind != WASM && kind != BYTES {
        let said = format!("a component is `{WASM}` or `{BYTES}`, not `{kind}`");
        return Err(Problem::new(Kind::UnsupportedMediaType, said));
    }
    // A module is larger than what a token may send otherwise.
    request
        .extensions_mut()
        .insert(BodyLimit(MAX_MODULE as u64));
    let bytes = whole(request).await?;
    let push = deploy::Push {
        name: &module,
        bytes: bytes.into(),
        by: caller.name(),
        patience: match params.now {
            true => std::time::Duration::ZERO,
            false => deploy::PATIENCE,
        },
        approver: params.grant.then_some(Approver::Admin),
    };
    let pushed = deploy::push(&api.engine, &caller.client, push, |_| {}).await?;
    let release = ReleaseView::of(&pushed.release);
    let is_active = pushed.awaits.is_empty();
    if is_active {
        let event = Event::Release {
            module: module.clone(),
            release: pushed.release.number,
            before: None,
        };
        api.feeds.tell(caller.client.tenant(), &event).await;
    }
    let answer = Pushed {
        module,
        release,
        manifest: json!(pushed.manifest),
        awaits: lines(&pushed.awaits),
        workers: pushed.readiness,
    };
    Ok(match is_active {
        true => caller.made(&answer),
        false => caller.accepted(&answer),
    })
}

/// A release that has become active.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Activated {
    /// The module's name.
    module: String,
    /// The release that is active now.
    active: u32,
    /// The one that was before.
    before: Option<u32>,
}

/// Activate a release
#[utoipa::path(post, path = "/v1/modules/{module}/releases/{number}/activate", tag = "modules",
    params(("module" = String, Path), ("number" = u32, Path, minimum = 1)),
    responses((status = 200, description = "It is active", body = Activated)))]
pub(super) async fn activate(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path((module, number)): Path<(String, u32)>,
) -> Reply {
    make_active(&api, &caller, module, Some(number)).await
}

/// Roll a module back
///
/// Makes the newest release active that is older than the active one.
#[utoipa::path(post, path = "/v1/modules/{module}/rollback", tag = "modules", params(("module" = String, Path)),
    responses((status = 200, description = "The older one is active", body = Activated)))]
pub(super) async fn roll_back(
    State(api): State<Shared>,
    caller: Caller<Deploy>,
    Path(module): Path<String>,
) -> Reply {
    make_active(&api, &caller, module, None).await
}

async fn make_active(
    api: &Shared,
    caller: &Caller<Deploy>,
    module: String,
    number: Option<u32>,
) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let releases = broker.releases(tenant, &module).await?;
    if releases.is_empty() {
        return Err(unknown(&module));
    }
    let before = releases.iter().find(|it| it.active).map(|it| it.number);
    let older = || {
        let before = before?;
        let mut numbers = releases.iter().map(|it| it.number);
        numbers.find(|number| *number < before)
    };
    let active = number
        .or_else(older)
        .ok_or_else(|| Problem::new(Kind::Conflict, format!("`{module}` has no older release")))?;
    caller.client.activate(&module, active).await?;
    let event = Event::Release {
        module: module.clone(),
        release: active,
        before,
    };
    api.feeds.tell(tenant, &event).await;
    Ok(caller.answer(&Activated {
        module,
        active,
        before,
    }))
}

/// All tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tasks {
    /// By module, then as the module has them.
    tasks: Vec<TaskView>,
}

/// List tasks
///
/// Those of all active releases, with the schemas of their arguments and results.
#[utoipa::path(get, path = "/v1/tasks", tag = "modules",
    responses((status = 200, description = "All of them", body = Tasks)))]
pub(super) async fn tasks(caller: Caller<Look>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let mut tasks = Vec::new();
    for (module, release) in broker.active(tenant).await? {
        let Some(manifest) = broker.manifest(tenant, release.digest).await? else {
            continue;
        };
        let task = |it| TaskView::of(&module, release.number, release.digest, it);
        tasks.extend(manifest.tasks.iter().map(task));
    }
    Ok(caller.answer(&Tasks { tasks }))
}

/// Show a task
#[utoipa::path(get, path = "/v1/tasks/{task}", tag = "modules", params(("task" = String, Path)),
    responses((status = 200, description = "The task", body = TaskView)))]
pub(super) async fn task(caller: Caller<Look>, Path(task): Path<String>) -> Reply {
    let name: TaskName = task
        .parse()
        .map_err(|e: lovage_queue::task::NameError| Problem::missing(e.to_string()))?;
    let client = &caller.client;
    let info = client.task(&name).await?;
    let releases = client
        .broker()
        .releases(client.tenant(), &name.module)
        .await?;
    let active = releases.iter().find(|it| it.active);
    let active = active.ok_or_else(|| unknown(&name.module))?;
    let view = TaskView::of(&name.module, active.number, active.digest, &info);
    Ok(caller.answer(&view))
}
