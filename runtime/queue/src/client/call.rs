//! A call of a task, on its way to being a job.

use std::time::Duration;

use serde::Serialize;

use crate::arguments::{Arguments, ArgumentsError};
use crate::job::{self, Conflict, JobOptions, Key, Pin, Until, When};
use crate::task::{NameError, TaskName, TaskOptions};

/// A call of a task.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which task.
    pub task: TaskName,
    /// Its arguments.
    pub arguments: Arguments,
    /// Whether bytes among them are Base64 texts, as JSON has them: where the task's
    /// schema says `"contentEncoding": "base64"` they are made bytes of.
    pub encoded: bool,
    /// The queue, where it is not the task's own.
    pub queue: Option<String>,
    /// The lane; empty for the tenant's own.
    pub lane: String,
    /// The priority, where it is not the task's own.
    pub priority: Option<u8>,
    /// When the job becomes available.
    pub eta: When,
    /// Until when it must have begun, where the task's own word is not to count.
    pub expiry: Option<When>,
    /// Names this call: a second one with the same key is the same job, for as
    /// long as the first one's record is kept.
    pub key: Option<String>,
    /// What its job may not be beside, where the task's own word is not to count.
    pub unique: Option<Unique>,
    /// How long the record of its job is kept once that has completed, where the
    /// task's own word is not to count.
    pub result_ttl: Option<Duration>,
    /// Which release is to run.
    pub pin: Pin,
    /// The rest.
    pub options: JobOptions,
}

/// That there shall be no two jobs of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// Of which kind; `None` for those of the same task with the same arguments.
    pub key: Option<String>,
    /// For how long.
    pub until: Until,
    /// What becomes of a second one.
    pub conflict: Conflict,
}

impl Call {
    /// A call of `module.task`, with no arguments yet.
    ///
    /// # Errors
    /// A name that is none.
    pub fn new(task: &str) -> Result<Self, NameError> {
        Ok(Call::of(task.parse()?))
    }

    /// A call of a task, with no arguments yet.
    pub fn of(task: TaskName) -> Self {
        Call {
            task,
            arguments: Arguments::new(),
            encoded: false,
            queue: None,
            lane: String::new(),
            priority: None,
            eta: When::Now,
            expiry: None,
            key: None,
            unique: None,
            result_ttl: None,
            pin: Pin::Active,
            options: JobOptions::default(),
        }
    }

    /// Sets an argument.
    ///
    /// # Errors
    /// A value that cannot be encoded.
    pub fn arg(
        mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Self, ArgumentsError> {
        self.arguments.set(name, value)?;
        Ok(self)
    }

    /// Until when the job must have begun. A task's span counts from the eta: a
    /// job that is meant for tomorrow must not be over by then.
    pub(super) fn expiry(&self, task: &TaskOptions) -> Option<When> {
        let of_task = |span: Duration| match self.eta {
            When::Now => When::In(span),
            When::In(wait) => When::In(wait.saturating_add(span)),
            When::At(at) => When::At(at.after(span)),
        };
        self.expiry.or_else(|| task.expiry.map(of_task))
    }

    pub(super) fn unique(&self, task: &TaskOptions) -> Option<job::Unique> {
        let of_task = || {
            let (until, conflict) = task.unique?;
            Some(Unique {
                key: None,
                until,
                conflict,
            })
        };
        let unique = self.unique.clone().or_else(of_task)?;
        let name = &self.task;
        let key = match unique.key {
            Some(text) => Key::unique(&text),
            None => Key::of_call(&name.module, &name.task, &self.arguments.canonical()),
        };
        Some(job::Unique {
            key,
            until: unique.until,
            conflict: unique.conflict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    #[test]
    fn a_tasks_expiry_counts_from_the_eta_and_a_calls_goes_before_it() {
        let task = TaskOptions {
            expiry: Some(Duration::from_secs(60)),
            ..TaskOptions::default()
        };
        let mut call = Call::new("m.t").unwrap();
        let span = Duration::from_secs;
        assert_eq!(call.expiry(&TaskOptions::default()), None);
        assert_eq!(call.expiry(&task), Some(When::In(span(60))));
        call.eta = When::In(span(10));
        assert_eq!(call.expiry(&task), Some(When::In(span(70))));
        call.eta = When::At(Millis(1_000));
        assert_eq!(call.expiry(&task), Some(When::At(Millis(61_000))));
        call.expiry = Some(When::In(span(5)));
        assert_eq!(call.expiry(&task), Some(When::In(span(5))));
    }

    #[test]
    fn calls_are_unique_by_task_and_arguments_in_whatever_order() {
        let task = TaskOptions {
            unique: Some((Until::Done, Conflict::Reject)),
            ..TaskOptions::default()
        };
        let key = |call: Call| call.unique(&task).unwrap().key;
        let call = |name| Call::new(name).unwrap();
        let ab = call("m.t").arg("a", &1).unwrap().arg("b", &2).unwrap();
        let ba = call("m.t").arg("b", &2).unwrap().arg("a", &1).unwrap();
        assert_eq!(key(ab.clone()), key(ba));
        assert_ne!(key(ab.clone()), key(ab.clone().arg("b", &3).unwrap()));
        assert_ne!(key(call("m.t")), key(call("m.u")));

        let mut named = ab;
        named.unique = Some(Unique {
            key: Some("k".into()),
            until: Until::Start,
            conflict: Conflict::Existing,
        });
        let unique = named.unique(&task).unwrap();
        assert_eq!((unique.key, unique.until), (Key::unique("k"), Until::Start));
        assert_eq!(call("m.t").unique(&TaskOptions::default()), None);
    }
}
