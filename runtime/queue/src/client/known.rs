//! What a client remembers of modules.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::schema::{self, Bounds, Steps, told};
use super::{ClientError, encoded};
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
    /// What the tasks' schemas come to, where that is within bounds.
    bounds: HashMap<String, Bounds>,
    /// Tasks some of whose arguments are bytes.
    of_bytes: HashSet<String>,
}

/// What does not fit a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// A JSON Pointer (RFC 6901) into the arguments; empty for all of them.
    pub pointer: String,
    /// What is wrong there.
    pub problem: String,
}

impl Misfit {
    /// That a task does not take what it is to be given.
    pub(super) fn no_argument(name: &str) -> Self {
        Misfit {
            pointer: String::new(),
            problem: format!("it takes no argument `{name}`"),
        }
    }

    /// That nobody finds out in reasonable time whether they fit.
    fn too_many() -> Self {
        Misfit {
            pointer: String::new(),
            problem: "to check them by the task's schema takes too many steps: send fewer \
                      values, shorter texts, or less deep ones"
                .into(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str(&self.problem),
            pointer => write!(f, "at `{pointer}`: {}", self.problem),
        }
    }
}

impl Known {
    pub(super) fn new(manifest: Manifest) -> Self {
        // A schema that is none, or has no bounds, was let through at push by an older
        // version: the task itself checks its arguments anyway.
        let (mut sum, mut bounds) = (Bounds::default(), HashMap::new());
        for task in &manifest.tasks {
            let own = Bounds::of(&task.input_schema);
            if let Ok((own, all)) = own.and_then(|own| Ok((own, sum.and(own)?))) {
                sum = all;
                bounds.insert(task.name.clone(), own);
            }
        }
        let bounded = |task: &&TaskInfo| bounds.contains_key(&task.name);
        let check = |task: &TaskInfo| {
            let check = schema::compile(&task.input_schema).ok()?;
            Some((task.name.clone(), check))
        };
        let tasks = || manifest.tasks.iter().filter(bounded);
        let checks = tasks().filter_map(check).collect();
        let of_bytes = tasks().filter(|task| encoded::any(&task.input_schema));
        let of_bytes = of_bytes.map(|task| task.name.clone()).collect();
        Known {
            checks,
            of_bytes,
            bounds,
            manifest,
        }
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
    pub(super) fn problems(&self, task: &str, arguments: &Arguments) -> Vec<Misfit> {
        self.problems_beside(task, arguments, &[])
    }

    /// Makes bytes of the Base64 texts that stand where the schema says bytes.
    pub(super) fn decode(&self, task: &str, arguments: &mut Arguments) -> Vec<Misfit> {
        match self.manifest.task(task) {
            Some(info) if self.of_bytes.contains(task) => {
                match self.are_few(task, &arguments.to_json()) {
                    true => encoded::decode(&info.input_schema, arguments),
                    false => vec![Misfit::too_many()],
                }
            }
            _ => Vec::new(),
        }
    }

    /// The same where these arguments are yet to come.
    pub(super) fn problems_beside(
        &self,
        task: &str,
        arguments: &Arguments,
        coming: &[&str],
    ) -> Vec<Misfit> {
        let Some(check) = self.checks.get(task) else {
            return Vec::new();
        };
        let arguments = arguments.to_json();
        match self.are_few(task, &arguments) {
            true => problems(check, &arguments, coming),
            false => vec![Misfit::too_many()],
        }
    }

    /// Whether it is soon over to check these arguments.
    fn are_few(&self, task: &str, arguments: &serde_json::Value) -> bool {
        let (info, bounds) = (self.manifest.task(task), self.bounds.get(task));
        info.zip(bounds)
            .is_none_or(|(info, bounds)| Steps::are_few(&info.input_schema, *bounds, arguments))
    }
}

/// Makes bytes of the Base64 texts among arguments that came as JSON, which has no form of its
/// own for them, where the task's schema says bytes: as a client does that sets
/// [`Call::encoded`](super::Call::encoded).
///
/// # Errors
/// What is no Base64, each with its place.
pub fn decode(
    manifest: Manifest,
    task: &str,
    arguments: &mut Arguments,
) -> Result<(), ClientError> {
    let problems = Known::new(manifest).decode(task, arguments);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(ClientError::Schema {
            task: task.to_owned(),
            problems,
        }),
    }
}

/// What is wrong with arguments, each with its place in them.
fn problems(
    check: &jsonschema::Validator,
    arguments: &serde_json::Value,
    coming: &[&str],
) -> Vec<Misfit> {
    const SHOWN: usize = 5;
    if check.is_valid(arguments) {
        return Vec::new();
    }
    let errors = check.iter_errors(arguments);
    let now = errors.filter(|e| coming.is_empty() || !may_pass(e, coming));
    now.take(SHOWN).map(|e| told::misfit(&e)).collect()
}

/// Whether it may be right once these arguments have come.
fn may_pass(e: &jsonschema::ValidationError<'_>, coming: &[&str]) -> bool {
    use jsonschema::error::ValidationErrorKind as Kind;
    let of_all = e.instance_path().as_str().is_empty();
    of_all
        && match e.kind() {
            Kind::Required { property } => {
                property.as_str().is_some_and(|name| coming.contains(&name))
            }
            Kind::AnyOf { .. }
            | Kind::OneOfNotValid { .. }
            | Kind::OneOfMultipleValid { .. }
            | Kind::Not { .. }
            | Kind::MinProperties { .. } => true,
            _ => false,
        }
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
        assert!(problems(&check, &serde_json::json!({"side": 3}), &[]).is_empty());
        let said = problems(&check, &serde_json::json!({"side": "x"}), &[]);
        assert!(said[0].to_string().contains("`/side`"), "{said:?}");
        let said = problems(&check, &serde_json::json!({"sid": 3}), &[]);
        assert!(
            said.iter().any(|it| it.problem.contains("side")),
            "{said:?}"
        );
    }
    #[test]
    fn an_argument_that_is_to_come_is_not_missing() {
        let schema = serde_json::json!({
            "type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "anyOf": [{"required": ["a"]}, {"required": ["c"]}],
        });
        let check = jsonschema::validator_for(&schema).unwrap();
        let none = serde_json::json!({});
        assert_eq!(problems(&check, &none, &[]).len(), 3);
        assert!(problems(&check, &none, &["a", "b"]).is_empty());
        let said = problems(&check, &none, &["a"]);
        assert!(
            said.len() == 1 && said[0].problem.contains("\"b\""),
            "{said:?}"
        );
        let said = problems(&check, &serde_json::json!({"a": "x"}), &["b"]);
        assert!(said.len() == 1 && said[0].pointer == "/a", "{said:?}");
    }
}
