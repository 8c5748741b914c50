//! What a client remembers of modules.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ClientError;
use crate::arguments::Arguments;
use crate::registry::{Digest, Manifest};
use crate::task::TaskInfo;

/// Modules that a client remembers.
const MODULES: usize = 10_000;
/// How long the client goes by what it knows of a name's active release.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// All of it.
#[derive(Default)]
pub(super) struct Shelf {
    /// Which digest a name's active release has, and since when that is known.
    active: HashMap<String, (Instant, Digest)>,
    modules: HashMap<Digest, Arc<Known>>,
}

impl Shelf {
    /// The active digest of a name, as it was a moment ago.
    pub(super) fn active(&self, name: &str) -> Option<Digest> {
        let (since, digest) = self.active.get(name)?;
        (since.elapsed() < KNOWN_FOR).then_some(*digest)
    }

    pub(super) fn set_active(&mut self, name: &str, digest: Digest) {
        self.active
            .insert(name.to_owned(), (Instant::now(), digest));
    }

    pub(super) fn module(&self, digest: Digest) -> Option<Arc<Known>> {
        self.modules.get(&digest).cloned()
    }

    pub(super) fn put(&mut self, digest: Digest, known: Arc<Known>) {
        // What a client remembers can be had again.
        if self.modules.len() >= MODULES {
            *self = Shelf::default();
        }
        self.modules.insert(digest, known);
    }
}

/// A module as calls are checked against it. It never changes: the digest is
/// that of its bytes.
pub(super) struct Known {
    manifest: Manifest,
    checks: HashMap<String, jsonschema::Validator>,
}

impl Known {
    pub(super) fn new(manifest: Manifest) -> Self {
        // A schema that is none was let through at push by an older version:
        // the task itself checks its arguments anyway.
        let check = |task: &TaskInfo| {
            let check = jsonschema::validator_for(&task.input_schema).ok()?;
            Some((task.name.clone(), check))
        };
        let checks = manifest.tasks.iter().filter_map(check).collect();
        Known { manifest, checks }
    }

    pub(super) fn task(&self, module: &str, task: &str) -> Result<&TaskInfo, ClientError> {
        self.manifest
            .task(task)
            .ok_or_else(|| ClientError::UnknownTask {
                module: module.to_owned(),
                task: task.to_owned(),
                known: self
                    .manifest
                    .tasks
                    .iter()
                    .map(|it| format!("`{}`", it.name))
                    .collect(),
            })
    }

    /// What is wrong with a task's arguments.
    pub(super) fn problems(&self, task: &str, arguments: &Arguments) -> Vec<String> {
        let check = self.checks.get(task);
        check.map_or(Vec::new(), |check| problems(check, &arguments.to_json()))
    }
}

/// What is wrong with arguments, each with its place in them.
fn problems(check: &jsonschema::Validator, arguments: &serde_json::Value) -> Vec<String> {
    const SHOWN: usize = 5;
    let say = |e: jsonschema::ValidationError<'_>| match e.instance_path().as_str() {
        "" => e.to_string(),
        path => format!("at `{path}`: {e}"),
    };
    check.iter_errors(arguments).take(SHOWN).map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_place() {
        let schema = serde_json::json!({
            "type": "object", "required": ["side"], "additionalProperties": false,
            "properties": {"side": {"type": "integer", "minimum": 0}},
        });
        let check = jsonschema::validator_for(&schema).unwrap();
        assert!(problems(&check, &serde_json::json!({"side": 3})).is_empty());
        let said = problems(&check, &serde_json::json!({"side": "x"}));
        assert!(said[0].contains("`/side`"), "{said:?}");
        let said = problems(&check, &serde_json::json!({"sid": 3}));
        assert!(said.iter().any(|it| it.contains("side")), "{said:?}");
    }
}
