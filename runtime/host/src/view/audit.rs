//! The audit log, as it is shown.

use lovage_queue::audit::Act;
use lovage_queue::broker::Recorded;
use serde::Serialize;
use utoipa::ToSchema;

use super::moment;

/// What somebody did, or set out to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Act)]
pub struct ActView {
    /// Its place in the log.
    pub cursor: String,
    /// When, by the broker's clock.
    pub at: String,
    /// Who: `token NAME (ID)` through the HTTP API, `user NAME` at the broker itself.
    pub by: String,
    /// What: a noun and a verb, as in `module.activate`.
    pub action: String,
    /// Of what: a name, an id, a scope.
    pub subject: String,
    /// What more there is to say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why it did not come to be; of an act that was begun and failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl ActView {
    /// What is shown of an act.
    pub fn of(it: Recorded) -> Self {
        let Act {
            by,
            action,
            subject,
            detail,
            failed,
        } = it.act;
        ActView {
            cursor: it.cursor,
            at: moment(it.at),
            by,
            action,
            subject,
            detail,
            failed,
        }
    }
}
