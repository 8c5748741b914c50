//! The audit log: who did what.

use lovage_queue::broker::MAX_ACTS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Administer, Caller};
use super::body::Params;
use super::problem::{Problem, Reply};
use crate::view::audit::ActView;

/// Which acts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActParams {
    /// Only those before this cursor, which is an act's own.
    #[param(max_length = 64)]
    before: Option<String>,
    /// At most so many [100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Acts, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acts {
    /// What was done.
    acts: Vec<ActView>,
}

/// Read the audit log
///
/// Who pushed, activated, cancelled, limited, made tokens: the newest first. To read on, send
/// the last one's `cursor` as `before`.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(ActParams),
    responses((status = 200, description = "Acts", body = Acts)))]
pub(super) async fn list(caller: Caller<Administer>, Params(which): Params<ActParams>) -> Reply {
    let limit = which.limit.unwrap_or(100);
    if !(1..=MAX_ACTS as u32).contains(&limit) {
        let said = format!("`limit` is 1 to {MAX_ACTS}, not {limit}");
        return Err(Problem::bad(said));
    }
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let acts = broker.acts(tenant, which.before.as_deref(), limit).await?;
    let acts = acts.into_iter().map(ActView::of).collect();
    Ok(caller.answer(&Acts { acts }))
}
