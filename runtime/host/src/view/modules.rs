//! Modules, their releases and their tasks.

use lovage_queue::registry::{Digest, Release};
use lovage_queue::task::TaskInfo;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::moment;

/// One entry of a module name's history.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseView {
    /// Counts up from 1 within the name.
    pub number: u32,
    /// The blake3 hash of what it runs.
    pub digest: String,
    /// When it was staged.
    pub at: String,
    /// Who pushed it.
    pub by: String,
    /// Whether it is the one that jobs get.
    pub active: bool,
}

impl ReleaseView {
    /// What is shown of a release.
    pub fn of(it: &Release) -> Self {
        ReleaseView {
            number: it.number,
            digest: it.digest.to_string(),
            at: moment(it.at),
            by: it.by.clone(),
            active: it.active,
        }
    }
}

/// A name, and what jobs of it get.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ActiveModule)]
pub struct ActiveView {
    /// The module's name.
    pub module: String,
    /// Its active release.
    pub release: ReleaseView,
}

impl ActiveView {
    /// What is shown of a module in a list.
    pub fn of((module, release): &(String, Release)) -> Self {
        ActiveView {
            module: module.clone(),
            release: ReleaseView::of(release),
        }
    }
}

/// A task of an active release.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// `module.task`
    pub task: String,
    /// What it does, in Markdown.
    pub doc: String,
    /// JSON Schema of its arguments: one object.
    pub input_schema: Value,
    /// JSON Schema of its result.
    pub output_schema: Value,
    /// Its own defaults.
    pub options: Value,
    /// The release that has it.
    pub release: u32,
    /// What that runs.
    pub digest: String,
}

impl TaskView {
    /// What is shown of a task.
    pub fn of(module: &str, release: u32, digest: Digest, task: &TaskInfo) -> Self {
        TaskView {
            task: format!("{module}.{}", task.name),
            doc: task.doc.clone(),
            input_schema: task.input_schema.clone(),
            output_schema: task.output_schema.clone(),
            options: json!(task.options),
            release,
            digest: digest.to_string(),
        }
    }
}
