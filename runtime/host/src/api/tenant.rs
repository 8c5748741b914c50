//! The token's own tenant: of another none hears anything.

use axum::extract::State;
use lovage_queue::tenant::Tenant;

use super::Shared;
use super::auth::{Caller, Look};
use super::problem::Reply;
use crate::view::tenants::TenantView;

/// Show the token's tenant
///
/// What it may take, and what it has taken of it. Quotas are its operator's to set.
#[utoipa::path(get, path = "/v1/tenant", tag = "server",
    responses((status = 200, description = "The tenant", body = TenantView)))]
pub(super) async fn show(State(api): State<Shared>, caller: Caller<Look>) -> Reply {
    let name = caller.client.tenant();
    let tenant = api.broker.find_tenant(name).await?;
    let tenant = tenant.unwrap_or_else(|| Tenant::new(name));
    let usage = api.broker.usage_of(name).await?;
    Ok(caller.answer(&TenantView::of(&tenant, &usage)))
}
