//! What a producer uses: enqueue calls of tasks, and get what became of them.
//!
//! ```no_run
//! # async fn example() -> Result<(), lovage_queue::client::ClientError> {
//! use std::time::Duration;
//! use lovage_queue::client::{Call, Client};
//!
//! let client = Client::connect("redis://127.0.0.1").await?;
//! let id = client.enqueue(Call::new("basics.add")?.arg("a", &2)?.arg("b", &3)?).await?;
//! let job = client.wait(id, Duration::from_secs(10)).await?;
//! println!("{} after {} attempts", job.state, job.attempts.len());
//! # Ok(()) }
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::arguments::{Arguments, ArgumentsError};
use crate::broker::{Broker, BrokerError, Place};
use crate::job::{DEFAULT_PRIORITY, Job, JobId, JobOptions, NewJob, Partition, Pin};
use crate::registry::{Digest, Manifest};
use crate::task::{DEFAULT_QUEUE, DEFAULT_TENANT, NameError, TaskInfo, TaskName};

/// The largest input, in bytes.
pub const MAX_INPUT: usize = 16 * 1024 * 1024 - 64 * 1024;
/// Modules that a client remembers.
const MODULES: usize = 10_000;
/// How long the client goes by what it knows of a name's active release.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Why a call was not enqueued, or a job not found.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The broker's own error.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A name that breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Arguments that could not be made.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// No release of this name is active.
    #[error("there is no module `{0}`")]
    UnknownModule(String),
    /// The module has no release of this number any more, or not yet.
    #[error("module `{0}` has no release {1}")]
    UnknownRelease(String, u32),
    /// The module has no such task.
    #[error("module `{module}` has no task `{task}`; it has {}", .known.join(", "))]
    UnknownTask {
        /// The module.
        module: String,
        /// What was asked for.
        task: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The arguments break the task's schema.
    #[error("the arguments do not fit `{task}`: {}", .problems.join("; "))]
    Schema {
        /// The task's full name.
        task: String,
        /// Each problem with the path of the argument.
        problems: Vec<String>,
    },
    /// The input is too large.
    #[error("the arguments take {0} bytes, and an input may have {MAX_INPUT}")]
    TooLarge(usize),
    /// No job of this id is known.
    #[error("there is no job {0}; finished ones are kept for a limited time")]
    UnknownJob(JobId),
}

/// A call of a task, on its way to being a job.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which task.
    pub task: TaskName,
    /// Its arguments.
    pub arguments: Arguments,
    /// The queue, where it is not the task's own.
    pub queue: Option<String>,
    /// The lane; empty for the tenant's own.
    pub lane: String,
    /// The priority, where it is not the task's own.
    pub priority: Option<u8>,
    /// How long to wait before the job becomes available.
    pub delay: Duration,
    /// Which release is to run.
    pub pin: Pin,
    /// The rest.
    pub options: JobOptions,
}

impl Call {
    /// A call of `module.task`, with no arguments yet.
    ///
    /// # Errors
    /// A name that is none.
    pub fn new(task: &str) -> Result<Self, NameError> {
        Ok(Call {
            task: task.parse()?,
            arguments: Arguments::new(),
            queue: None,
            lane: String::new(),
            priority: None,
            delay: Duration::ZERO,
            pin: Pin::Active,
            options: JobOptions::default(),
        })
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
}

/// A tenant's way to a broker. Cheap to clone; all clones share a connection.
#[derive(Clone)]
pub struct Client {
    broker: Arc<dyn Broker>,
    tenant: Arc<str>,
    shelf: Arc<Mutex<Shelf>>,
}

/// What a client remembers.
#[derive(Default)]
struct Shelf {
    /// Which digest a name's active release has, and since when that is known.
    active: HashMap<String, (Instant, Digest)>,
    modules: HashMap<Digest, Arc<Known>>,
}

/// A module as calls are checked against it. It never changes: the digest is
/// that of its bytes.
struct Known {
    manifest: Manifest,
    checks: HashMap<String, jsonschema::Validator>,
}

impl Known {
    fn task(&self, module: &str, task: &str) -> Result<&TaskInfo, ClientError> {
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
}

impl Client {
    /// Connects to the broker at a URL (see [`Place`]) as the default tenant.
    ///
    /// # Errors
    /// A URL that is none, and whatever keeps the broker from answering.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        let broker = url.parse::<Place>()?.connect().await?;
        Ok(Client::over(broker, DEFAULT_TENANT))
    }

    /// A client of a broker that is connected already.
    pub fn over(broker: Arc<dyn Broker>, tenant: &str) -> Self {
        Client {
            broker,
            tenant: tenant.into(),
            shelf: Arc::default(),
        }
    }

    /// The broker below.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Whose jobs and modules these are.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Where the tenant's jobs live.
    pub fn partition(&self) -> Partition {
        Partition::of(&self.tenant, self.broker.partitions())
    }

    /// Enqueues one call; its job's id.
    ///
    /// # Errors
    /// An unknown task, arguments that break its schema, a broker that refuses.
    pub async fn enqueue(&self, call: Call) -> Result<JobId, ClientError> {
        let ids = self.enqueue_all(vec![call]).await?;
        Ok(ids[0])
    }

    /// Enqueues all of these calls, or none; their jobs' ids in order.
    ///
    /// # Errors
    /// As for one call; the first that is wrong decides.
    pub async fn enqueue_all(&self, calls: Vec<Call>) -> Result<Vec<JobId>, ClientError> {
        let mut jobs = Vec::with_capacity(calls.len());
        for call in calls {
            jobs.push(self.prepare(call).await?);
        }
        self.broker.enqueue(&self.tenant, &jobs).await?;
        Ok(jobs.into_iter().map(|job| job.id).collect())
    }

    /// The job that a call asks for, with a new id, if its module takes it.
    ///
    /// # Errors
    /// An unknown task, or arguments that break its schema.
    pub async fn prepare(&self, call: Call) -> Result<NewJob, ClientError> {
        let known = self.module(&call.task.module, call.pin).await?;
        let TaskName { module, task } = call.task;
        let info = known.task(&module, &task)?;
        if let Some(check) = known.checks.get(&task) {
            let problems = problems(check, &call.arguments.to_json());
            if !problems.is_empty() {
                return Err(ClientError::Schema {
                    task: format!("{module}.{task}"),
                    problems,
                });
            }
        }
        let input = call.arguments.encode();
        if input.len() > MAX_INPUT {
            return Err(ClientError::TooLarge(input.len()));
        }
        let mut job = NewJob::new(JobId::new(self.partition()), &module, &task, input);
        let queue = call.queue.or_else(|| info.options.queue.clone());
        job.queue = queue.unwrap_or_else(|| DEFAULT_QUEUE.into());
        job.priority = call
            .priority
            .or(info.options.priority)
            .unwrap_or(DEFAULT_PRIORITY);
        job.lane = call.lane;
        job.delay = call.delay;
        job.pin = call.pin;
        job.options = call.options;
        Ok(job)
    }

    /// What a task's module says of it, in its active release.
    ///
    /// # Errors
    /// An unknown module or task.
    pub async fn task(&self, name: &TaskName) -> Result<TaskInfo, ClientError> {
        let known = self.module(&name.module, Pin::Active).await?;
        known.task(&name.module, &name.task).cloned()
    }

    async fn module(&self, name: &str, pin: Pin) -> Result<Arc<Known>, ClientError> {
        let unknown = || ClientError::UnknownModule(name.to_owned());
        let digest = match pin {
            Pin::Digest(digest) => digest,
            Pin::Active => self.active(name).await?.ok_or_else(unknown)?,
            Pin::Release(number) => {
                let releases = self.broker.releases(&self.tenant, name).await?;
                let release = releases.iter().find(|it| it.number == number);
                release
                    .ok_or_else(|| ClientError::UnknownRelease(name.to_owned(), number))?
                    .digest
            }
        };
        if let Some(known) = self.shelf().modules.get(&digest) {
            return Ok(known.clone());
        }
        let known = self.learn(digest).await?.ok_or_else(unknown)?;
        let mut shelf = self.shelf();
        // What a client remembers can be had again.
        if shelf.modules.len() >= MODULES {
            *shelf = Shelf::default();
        }
        shelf.modules.insert(digest, known.clone());
        Ok(known)
    }

    /// The active digest of a name, as it was a moment ago.
    async fn active(&self, name: &str) -> Result<Option<Digest>, ClientError> {
        if let Some((since, digest)) = self.shelf().active.get(name)
            && since.elapsed() < KNOWN_FOR
        {
            return Ok(Some(*digest));
        }
        let releases = self.broker.releases(&self.tenant, name).await?;
        let Some(release) = releases.iter().find(|it| it.active) else {
            return Ok(None);
        };
        let known = (Instant::now(), release.digest);
        self.shelf().active.insert(name.to_owned(), known);
        Ok(Some(release.digest))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn learn(&self, digest: Digest) -> Result<Option<Arc<Known>>, ClientError> {
        let Some(manifest) = self.broker.manifest(&self.tenant, digest).await? else {
            return Ok(None);
        };
        // A schema that is none was let through at push by an older version:
        // the task itself checks its arguments anyway.
        let check = |task: &TaskInfo| {
            Some((
                task.name.clone(),
                jsonschema::validator_for(&task.input_schema).ok()?,
            ))
        };
        let checks = manifest.tasks.iter().filter_map(check).collect();
        Ok(Some(Arc::new(Known { manifest, checks })))
    }

    /// A job by its id.
    ///
    /// # Errors
    /// [`ClientError::UnknownJob`] where there is none.
    pub async fn job(&self, id: JobId) -> Result<Job, ClientError> {
        let mut jobs = self.broker.jobs(&self.tenant, &[id]).await?;
        jobs.pop().flatten().ok_or(ClientError::UnknownJob(id))
    }

    /// The job once it has ended; as it stands, if the time is up before that.
    ///
    /// # Errors
    /// [`ClientError::UnknownJob`] where there is none.
    pub async fn wait(&self, id: JobId, at_most: Duration) -> Result<Job, ClientError> {
        let mut jobs = self.broker.wait(&self.tenant, &[id], at_most).await?;
        jobs.pop().flatten().ok_or(ClientError::UnknownJob(id))
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
