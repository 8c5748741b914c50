//! What modules were granted.

use std::collections::BTreeSet;

use axum::extract::State;
use lovage_queue::client::{Client, ClientError};
use lovage_queue::event::Event;
use lovage_queue::grant::{Grant, Grants};
use lovage_queue::granted::Approver;
use lovage_queue::task::check_name;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::auth::{Administer, Caller, Look};
use super::body::{Params, Parsed, Path, maybe_number, nothing};
use super::problem::{Kind, Problem, Reply};
use crate::view::grants::GrantsView;

/// The most grants that a request names.
const MOST: usize = lovage_queue::grant::MAX_GRANTS;

/// Show a module's grants
///
/// Beside what its newest release wants.
#[utoipa::path(get, path = "/v1/modules/{module}/grants", tag = "grants", params(("module" = String, Path)),
    responses((status = 200, description = "What it was granted", body = GrantsView)))]
pub(super) async fn show(caller: Caller<Look>, Path(module): Path<String>) -> Reply {
    let view = view(&caller.client, &module, None).await?;
    match view.release.is_none() && view.granted.is_empty() {
        true => Err(unknown(&module)),
        false => Ok(caller.answer(&view)),
    }
}

fn unknown(module: &str) -> Problem {
    Problem::missing(format!("there is no module `{module}`"))
}

async fn view(client: &Client, module: &str, number: Option<u32>) -> Result<GrantsView, Problem> {
    // It names an entry, which has rules of its own.
    check_name(module, "module").map_err(|_| unknown(module))?;
    let wanted = match client.wanted(module, number).await {
        Ok(wanted) => Some(wanted),
        Err(ClientError::UnknownModule(_)) => None,
        Err(e) => return Err(e.into()),
    };
    let granted = client.granted(module).await?;
    Ok(GrantsView::of(module, &granted, wanted.as_ref()))
}

/// What a module shall be granted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGrants)]
pub(super) struct GrantsBody {
    /// All of it, as in `http GET api.example.com`: what it was granted beside that is
    /// taken back.
    #[schema(max_items = 256, example = json!(["http GET api.example.com", "config smtp-host"]))]
    grants: Vec<String>,
    /// A release that becomes active with it.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1)]
    activate: Option<u32>,
}

/// What a module was granted, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GrantsSet {
    #[serde(flatten)]
    grants: GrantsView,
    /// The release that is active with it, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<u32>,
}

/// Grant a module something
///
/// Approves of what a release wants; and makes it active, where that is asked for. What
/// begins with `http private` or `tcp private` is the operator's to grant, at the broker
/// itself.
#[utoipa::path(put, path = "/v1/modules/{module}/grants", tag = "grants",
    params(("module" = String, Path, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")),
    request_body(content((GrantsBody = "application/json"), (GrantsBody = "application/msgpack"))),
    responses((status = 200, description = "It is granted", body = GrantsSet)))]
pub(super) async fn put(
    State(api): State<Shared>,
    caller: Caller<Administer>,
    Path(module): Path<String>,
    body: Parsed<GrantsBody>,
) -> Reply {
    let client = &caller.client;
    check_name(&module, "module").map_err(|e| Problem::bad(e.to_string()))?;
    let GrantsBody { grants, activate } = body.value;
    let grants = read(&grants)?;
    let before = client.broker().releases(client.tenant(), &module).await?;
    if let Some(number) = activate.filter(|it| before.iter().all(|b| b.number != *it)) {
        return Err(ClientError::UnknownRelease(module, number).into());
    }
    let by = caller.name();
    client.grant(&module, &grants, Approver::Admin, by).await?;
    if let Some(release) = activate {
        client.activate(&module, release).await?;
        let before = before.iter().find(|it| it.active).map(|it| it.number);
        let event = Event::Release {
            module: module.clone(),
            release,
            before,
        };
        api.feeds.tell(client.tenant(), &event).await;
    }
    let grants = view(client, &module, activate).await?;
    let active = activate;
    Ok(caller.answer(&GrantsSet { grants, active }))
}

fn read(lines: &[String]) -> Result<Grants, Problem> {
    if lines.len() > MOST {
        let said = format!("a module has at most {MOST} grants");
        return Err(Problem::new(Kind::Invalid, said).at("/grants"));
    }
    let each = lines.iter().enumerate().map(|(at, line)| {
        let grant = line.parse::<Grant>();
        grant.map_err(|e| Problem::new(Kind::Invalid, e.to_string()).at(&format!("/grants/{at}")))
    });
    Ok(Grants(each.collect::<Result<BTreeSet<_>, _>>()?))
}

/// Which grants to take back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RevokeParams {
    /// This one alone; without it, all of them.
    grant: Option<String>,
}

/// Take grants of a module back
///
/// Its releases stay what they are: attempts that begin a moment later go without.
#[utoipa::path(delete, path = "/v1/modules/{module}/grants", tag = "grants",
    params(("module" = String, Path), RevokeParams),
    responses((status = 204, description = "They are gone")))]
pub(super) async fn revoke(
    caller: Caller<Administer>,
    Path(module): Path<String>,
    Params(params): Params<RevokeParams>,
) -> Reply {
    check_name(&module, "module").map_err(|_| unknown(&module))?;
    let grant = params.grant.map(|it| it.parse::<Grant>()).transpose();
    let grant = grant.map_err(|e| Problem::new(Kind::Invalid, e.to_string()))?;
    match caller.client.revoke(&module, grant.as_ref()).await? {
        true => Ok(nothing()),
        false => Err(Problem::missing(format!(
            "module `{module}` was not granted that"
        ))),
    }
}
