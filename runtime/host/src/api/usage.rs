//! What tasks used.

use lovage_queue::broker::USAGE_DAYS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Look};
use super::body::Params;
use super::problem::{Problem, Reply};
use crate::view::usage::{self, UsageBy, UsageView};

/// Which usage.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageParams {
    /// Of how many days, this one included [30].
    #[param(minimum = 1, maximum = 400)]
    days: Option<u32>,
    /// A sum for each `day`, or for each `task` [day].
    #[param(value_type = Option<String>, pattern = "^(day|task)$")]
    by: Option<By>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Day,
    Task,
}

/// Usage.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllUsage {
    /// By day or task, in order. Only what had attempts.
    usage: Vec<UsageView>,
}

/// Show usage
///
/// What attempts used: CPU time, memory and fuel, by day or task. It is kept for 400 days.
#[utoipa::path(get, path = "/v1/usage", tag = "history", params(UsageParams),
    responses((status = 200, description = "Sums", body = AllUsage)))]
pub(super) async fn usage(caller: Caller<Look>, Params(params): Params<UsageParams>) -> Reply {
    let days = params.days.unwrap_or(30);
    if !(1..=USAGE_DAYS).contains(&days) {
        let said = format!("`days` is from 1 to {USAGE_DAYS}, and not {days}");
        return Err(Problem::bad(said));
    }
    let by = match params.by {
        Some(By::Task) => UsageBy::Task,
        Some(By::Day) | None => UsageBy::Day,
    };
    let usage = usage::usage(&caller.client, days, by).await?;
    Ok(caller.answer(&AllUsage { usage }))
}
