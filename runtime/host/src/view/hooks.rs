//! Web-hooks.

use lovage_queue::hook::{Hook, SECRET};
use lovage_queue::job::State as JobState;
use serde::Serialize;
use utoipa::ToSchema;

use super::base64;

/// Random bytes of a secret that nobody has chosen.
const RANDOM: usize = 32;
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

/// A secret that nobody has chosen.
pub fn new_secret() -> String {
    format!("{SECRET}{}", base64(&rand::random::<[u8; RANDOM]>()))
}
