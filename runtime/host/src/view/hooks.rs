//! Web-hooks.

use lovage_queue::hook::Hook;
use lovage_queue::job::State as JobState;
use serde::Serialize;
use utoipa::ToSchema;

/// A hook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hook)]
pub struct HookView {
    /// Its name.
    pub name: String,
    /// Who is told.
    pub url: String,
    /// Of which tasks: `module.task` or `module`; empty for all.
    pub tasks: Vec<String>,
    /// Of which ends: `completed`, `discarded`, `cancelled`; empty for all.
    #[schema(value_type = Vec<String>)]
    pub outcomes: Vec<JobState>,
    /// How often it is tried in all, where that was said.
    pub attempts: Option<u32>,
}

impl HookView {
    /// What is shown of a hook.
    pub fn of(it: &Hook) -> Self {
        HookView {
            name: it.name.clone(),
            url: it.url.clone(),
            tasks: it.tasks.clone(),
            outcomes: it.outcomes.clone(),
            attempts: it.attempts,
        }
    }
}
