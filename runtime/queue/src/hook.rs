//! Web-hooks: who is told of the ends of jobs, by a request to a URL.
//!
//! The settlement that records a job's end makes a job of [`TASK`] for each hook that
//! wants to hear of it, in the same step: so none is told of what did not happen, and each
//! is told once, with the retries, the record and the dead list that any job has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::job::{JobId, State};
use crate::task::check_name;

/// The module of the tasks that workers have themselves. Nobody can push one of this name.
pub const MODULE: &str = "lovage";
/// The task that delivers.
pub const TASK: &str = "webhook";
/// What a secret begins with.
pub const SECRET: &str = "whsec_";

const MAX_URL: usize = 2_048;
const MAX_TASKS: usize = 100;
/// How many bytes a secret has.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Somebody who is told. Kept on the shelf [`Hooks`](crate::broker::Shelf::Hooks) of its
/// tenant, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// Where the requests go.
    pub url: String,
    /// The tasks whose jobs it hears of, as `module.task` or `module`; of none, all.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// The ends that it hears of; of none, all.
    #[serde(default)]
    pub outcomes: Vec<State>,
    /// What requests are signed with: `whsec_` and Base64.
    pub secret: String,
    /// How often a delivery is tried; of none, 8 times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

/// Why there can be no such hook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct HookError {
    /// Of which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl Hook {
    /// Whether there can be such a hook.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), HookError> {
        let wrong = |field, problem: String| Err(HookError { field, problem });
        if let Err(e) = check_name(&self.name, "hook") {
            return wrong("name", format!("cannot be: {e}"));
        }
        let url = reqwest::Url::parse(&self.url);
        let sound = url.is_ok_and(|it| matches!(it.scheme(), "http" | "https") && it.has_host());
        if !sound || self.url.len() > MAX_URL {
            let url = &self.url;
            return wrong(
                "url",
                format!("must be an http:// or https:// address, and not `{url}`"),
            );
        }
        if self.tasks.len() > MAX_TASKS {
            return wrong("tasks", format!("has at most {MAX_TASKS} entries"));
        }
        for it in &self.tasks {
            let (module, task) = it.split_once('.').unwrap_or((it, "any"));
            if check_name(module, "module")
                .and_then(|_| check_name(task, "task"))
                .is_err()
            {
                return wrong(
                    "tasks",
                    format!("has `{it}`, which is no `module.task` and no `module`"),
                );
            }
        }
        if let Some(state) = self.outcomes.iter().find(|it| !it.is_final()) {
            return wrong(
                "outcomes",
                format!("has `{state}`: jobs end completed, discarded or cancelled"),
            );
        }
        let key = self.secret.strip_prefix(SECRET).unwrap_or_default();
        let key = STANDARD.decode(key).unwrap_or_default();
        if !SECRET_BYTES.contains(&key.len()) {
            return wrong(
                "secret",
                format!("must be `{SECRET}` and 24 to 64 bytes in Base64"),
            );
        }
        if self.attempts.is_some_and(|it| !(1..=50).contains(&it)) {
            return wrong("attempts", "must be 1 to 50".into());
        }
        Ok(())
    }

    /// Whether it hears of this end of a job of this task. Of deliveries nobody hears: they
    /// would never end.
    pub fn hears(&self, module: &str, task: &str, state: State) -> bool {
        let is = |it: &String| match it.split_once('.') {
            Some(name) => name == (module, task),
            None => it == module,
        };
        module != MODULE
            && (self.outcomes.is_empty() || self.outcomes.contains(&state))
            && (self.tasks.is_empty() || self.tasks.iter().any(is))
    }

    /// The id of the job that tells it of another one's end: the same however often that is
    /// settled.
    pub fn delivery_of(&self, job: JobId) -> JobId {
        JobId::child(job, &format!("hook:{}", self.name))
    }

    /// Its bytes on the shelf.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("a hook is plain data")
    }

    /// What lies on the shelf; `None` where that is no hook.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook() -> Hook {
        Hook {
            name: "ci".into(),
            url: "https://example.com/jobs?a=b".into(),
            tasks: Vec::new(),
            outcomes: Vec::new(),
            secret: format!("{SECRET}{}", "A".repeat(32)),
            attempts: None,
        }
    }

    #[test]
    fn a_hook_is_checked_and_says_what_is_wrong() {
        assert_eq!(hook().check(), Ok(()));
        assert_eq!(Hook::decode(&hook().encode()), Some(hook()));
        type Bend = fn(&mut Hook);
        let wrong: [(&str, Bend); 8] = [
            ("name", |it| it.name = "A b".into()),
            ("url", |it| it.url = "ftp://example.com".into()),
            ("url", |it| it.url = "example.com".into()),
            ("tasks", |it| it.tasks = vec!["a.b.c".into()]),
            ("outcomes", |it| it.outcomes = vec![State::Running]),
            ("secret", |it| it.secret = "whsec_short".into()),
            ("secret", |it| it.secret = "A".repeat(40)),
            ("attempts", |it| it.attempts = Some(0)),
        ];
        for (field, bend) in wrong {
            let mut bent = hook();
            bend(&mut bent);
            assert_eq!(bent.check().unwrap_err().field, field, "{bent:?}");
        }
    }

    #[test]
    fn it_hears_of_what_it_asked_for_and_never_of_deliveries() {
        let mut it = hook();
        assert!(it.hears("images", "thumbnail", State::Cancelled));
        assert!(!it.hears(MODULE, TASK, State::Completed));
        it.tasks = vec!["images".into(), "mail.send".into()];
        it.outcomes = vec![State::Discarded];
        assert!(it.hears("images", "any", State::Discarded));
        assert!(it.hears("mail", "send", State::Discarded));
        assert!(!it.hears("mail", "receive", State::Discarded));
        assert!(!it.hears("images", "any", State::Completed));
    }
}
