//! Workers, and what each of them runs now.

use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Caller, Look};
use super::problem::Reply;
use crate::view::workers::{WorkerView, workers};

/// All workers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workers {
    /// Those whose lease is valid.
    workers: Vec<WorkerView>,
}

/// List workers
///
/// Those that are alive, and what each of them runs now.
#[utoipa::path(get, path = "/v1/workers", tag = "workers",
    responses((status = 200, description = "All of them", body = Workers)))]
pub(super) async fn list(caller: Caller<Look>) -> Reply {
    let mut workers = workers(&caller.client).await?;
    // What others run is their operator's to see, at the broker.
    workers.iter_mut().for_each(|it| it.others = 0);
    Ok(caller.answer(&Workers { workers }))
}
