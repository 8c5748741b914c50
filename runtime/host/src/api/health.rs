//! Whether all is well, and who asks.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Shared;
use super::auth::{Caller, Look};
use super::problem::{Kind, Problem, Reply};
use super::token::Role;
use crate::view::moment;

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Whoami {
    /// The tenant whose everything is seen.
    tenant: String,
    /// What is allowed.
    role: Role,
    /// The token's name; null where none is needed.
    name: Option<String>,
    /// From when on the token is worth nothing.
    expires: Option<String>,
    /// Whether tokens are needed here.
    authentication: bool,
    /// Lovage's version.
    version: &'static str,
}

/// Who asks, and what they may do
#[utoipa::path(get, path = "/v1/whoami", tag = "server",
    responses((status = 200, description = "The token's tenant and role", body = Whoami)))]
pub(super) async fn whoami(State(api): State<Shared>, caller: Caller<Look>) -> Reply {
    let token = caller.token.as_deref();
    Ok(caller.answer(&Whoami {
        tenant: caller.client.tenant().to_owned(),
        role: caller.role(),
        name: token.map(|it| it.name.clone()),
        expires: token.and_then(|it| it.expires).map(moment),
        authentication: api.settings.authentication,
        version: env!("CARGO_PKG_VERSION"),
    }))
}

/// What needs no token: whether the process lives, and whether it can do its work.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

async fn alive() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// Ready is who has a broker that answers, and has not been told to stop.
async fn ready(State(api): State<Shared>) -> Reply {
    let not = |said: &str| Problem::new(Kind::Unavailable, said).again_in(1);
    if *api.stop.borrow() {
        return Err(not("the server is stopping"));
    }
    let answer = tokio::time::timeout(PATIENCE, api.broker.time(&api.settings.tenant)).await;
    match answer {
        Ok(Ok(_)) => Ok((StatusCode::OK, Json(json!({"status": "ready"}))).into_response()),
        Ok(Err(e)) => Err(e.into()),
        Err(_) => Err(not("the broker does not answer")),
    }
}
