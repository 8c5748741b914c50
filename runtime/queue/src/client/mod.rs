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
//!
//! # Layout
//! - this file: [`Client`]
//! - `call`: a [`Call`], and what of it is left to its task
//! - `encoded`: bytes among arguments that came as JSON
//! - `known`: what a client remembers of modules
//! - [`schema`]: what a module's schemas may come to, and what a check by them may take
//! - `flows`: to run them, to look at them, and to let them go on
//! - `results`: inputs that are put together from the results of others; `splice`: of
//!   their bytes
//! - `trace`: what jobs carry of their traces
//! - `grants`: what modules were granted, and the way to an active release
//! - `buckets`: keys with values, as people use them
//! - `schedules`: to keep them, to look at them, and to fire them
//! - `answer`: the requests of those who call over HTTP; `check`: the jobs that they send

mod answer;
mod buckets;
mod call;
mod check;
mod encoded;
mod flows;
mod grants;
mod known;
mod results;
mod schedules;
pub mod schema;
mod splice;
mod trace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::answer::answer;
pub use self::call::{Call, Unique};
pub use self::flows::{Branch, FlowTree, Leaf, Line, Many, Mismatch, Part, PreparedFlow};
pub use self::known::{Misfit, decode};
pub use self::results::{BoundError, FailedNode, NoResult};
pub use self::schedules::{SCHEDULE, SCHEDULED_FOR};
pub use self::trace::{Enqueueing, TRACEPARENT, Tracer};

use self::known::{Known, Shelf};
use crate::arguments::ArgumentsError;
use crate::broker::{
    Audited, Broker, BrokerError, Cancelled, Enqueued, FlowState, MAX_ABOUT, Place, Requeued,
};
use crate::flow::FlowError;
use crate::grant::Grant;
use crate::job::{DEFAULT_PRIORITY, Job, JobId, Key, NewJob, Partition, Payload, Pin};
use crate::limits::{Limit, Scope};
use crate::registry::Digest;
use crate::schedule::ScheduleError;
use crate::task::{DEFAULT_QUEUE, DEFAULT_TENANT, NameError, TaskInfo, TaskName};

/// The largest input, in bytes.
pub const MAX_INPUT: usize = 16 * 1024 * 1024;

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
    #[error("the arguments do not fit `{task}`: {}", listed(.problems))]
    Schema {
        /// The task's full name.
        task: String,
        /// Each problem with the path of the argument.
        problems: Vec<Misfit>,
    },
    /// The input is too large.
    #[error("the arguments take {0} bytes, and an input may have {MAX_INPUT}")]
    TooLarge(usize),
    /// No job of this id is known.
    #[error("there is no job {0}; finished ones are kept for a limited time")]
    UnknownJob(JobId),
    /// A schedule that cannot be.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// There is no schedule of this name.
    #[error("there is no schedule `{0}`")]
    UnknownSchedule(String),
    /// A flow that cannot be.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// What is wrong with one step of a flow.
    #[error("{path}: {why}")]
    Step {
        /// The step, as it was written.
        path: String,
        /// What.
        why: Box<ClientError>,
    },
    /// A result that cannot be the argument that it is to be.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// How a flow is written takes more room than is kept for that.
    #[error(
        "how the flow is written takes {0} bytes, and may take {MAX_ABOUT}: write groups of calls rather than of chains, or make several flows"
    )]
    Detailed(usize),
    /// There is no flow of this id.
    #[error("there is no flow {0}; those that have ended are kept for a limited time")]
    UnknownFlow(JobId),
    /// A flow with the same key is neither there nor gone.
    #[error(
        "flow {0} of the same key is being made with other contents, or is just being forgotten: take another key, or try again later"
    )]
    FlowKey(JobId),
    /// The flow has no such step.
    #[error("flow {flow} has no step `{path}`")]
    UnknownStep {
        /// The flow.
        flow: JobId,
        /// What was asked for.
        path: String,
    },
    /// The flow's result is not there yet.
    #[error("flow {0} has not ended: it is {state}", state = .1.as_str())]
    Unended(JobId, FlowState),
    /// Results that could not be put together.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// A release wants what its module was not granted.
    #[error("release {release} of `{module}` newly wants {}", quoted(.lacks))]
    Ungranted {
        /// The module.
        module: String,
        /// The release.
        release: u32,
        /// What was not granted.
        lacks: Vec<Grant>,
    },
}

/// A tenant's way to a broker. Cheap to clone; all clones share a connection.
#[derive(Clone)]
pub struct Client {
    broker: Arc<dyn Broker>,
    tenant: Arc<str>,
    shelf: Arc<Mutex<Shelf>>,
    tracer: Option<Arc<dyn Tracer>>,
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

    /// A client of a broker that is connected already. Over HTTP the default tenant
    /// stands for that of the token.
    pub fn over(broker: Arc<dyn Broker>, tenant: &str) -> Self {
        let own = broker.tenant().filter(|_| tenant == DEFAULT_TENANT);
        let tenant: Arc<str> = own.unwrap_or(tenant).into();
        Client {
            broker,
            tenant,
            shelf: Arc::default(),
            tracer: None,
        }
    }

    /// The same, with all that it enqueues traced.
    pub fn traced(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// The same, with all that it changes on the audit log in this name; see
    /// [`Act::by`](crate::audit::Act::by).
    pub fn audited(mut self, by: &str) -> Self {
        self.broker = Arc::new(Audited::by(self.broker, by));
        self
    }

    /// A scope's limit without what a module says of its task itself: that stays the
    /// module's to say, in its next release too.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn beside_module(&self, scope: &Scope, limit: Limit) -> Result<Limit, ClientError> {
        let Scope::Task(task) = scope else {
            return Ok(limit);
        };
        let options = match self.task(task).await {
            Ok(task) => task.options,
            // It may be limited before it is there.
            Err(ClientError::UnknownModule(_) | ClientError::UnknownTask { .. }) => {
                return Ok(limit);
            }
            Err(e) => return Err(e),
        };
        let others = |it: &u32| Some(*it) != options.concurrency;
        Ok(Limit {
            rate: limit.rate.filter(|it| Some(*it) != options.rate),
            concurrency: limit.concurrency.filter(others),
            ..limit
        })
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

    /// Enqueues one call; its job's id, or that of the job that is there instead
    /// (see [`Call::key`] and [`Unique`]).
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
        self.send(jobs).await
    }

    /// The job that a call asks for, with a new id, if its module takes it.
    ///
    /// # Errors
    /// An unknown task, or arguments that break its schema.
    pub async fn prepare(&self, mut call: Call) -> Result<NewJob, ClientError> {
        let known = self.module(&call.task.module, call.pin).await?;
        let TaskName { module, task } = &call.task;
        let options = &known.task(module, task)?.options;
        let invalid = |said| BrokerError::Invalid(format!("a call of `{}`: {said}", call.task));
        call.options.check().map_err(invalid)?;
        call.arguments.check_bounds()?;
        let mut problems = match call.encoded {
            true => known.decode(task, &mut call.arguments),
            false => Vec::new(),
        };
        if problems.is_empty() {
            problems = known.problems(task, &call.arguments);
        }
        if !problems.is_empty() {
            let task = call.task.to_string();
            return Err(ClientError::Schema { task, problems });
        }
        let mut job = NewJob::new(JobId::new(self.partition()), module, task, vec![]);
        job.expiry = call.expiry(options);
        job.unique = call.unique(options);
        let queue = call.queue.or_else(|| options.queue.clone());
        job.queue = queue.unwrap_or_else(|| DEFAULT_QUEUE.into());
        let priority = call.priority.or(options.priority);
        job.priority = priority.unwrap_or(DEFAULT_PRIORITY);
        job.result_ttl = call.result_ttl.or(options.result_ttl);
        job.key = call.key.as_deref().map(Key::idempotency);
        job.lane = call.lane;
        job.eta = call.eta;
        job.pin = call.pin;
        job.options = call.options;
        let input = call.arguments.encode();
        if input.len() > MAX_INPUT {
            return Err(ClientError::TooLarge(input.len()));
        }
        job.input = input.into();
        Ok(job)
    }

    /// Enqueues prepared jobs, all or none, inputs that are too large for a record
    /// before them; the ids of these jobs, or of those that are there instead.
    ///
    /// # Errors
    /// A broker that refuses.
    pub async fn send(&self, mut jobs: Vec<NewJob>) -> Result<Vec<JobId>, ClientError> {
        let _enqueueing = trace::stamp(self.tracer.as_ref(), &mut jobs);
        let large = self.put_large(&mut jobs).await?;
        let mut answers = self.broker.enqueue(&self.tenant, &jobs).await;
        // An upload is kept for an hour only, and this process may have slept.
        if matches!(answers, Err(BrokerError::Missing(_))) && !large.is_empty() {
            for input in &large {
                self.broker.put_blob(&self.tenant, input).await?;
            }
            answers = self.broker.enqueue(&self.tenant, &jobs).await;
        }
        let id = |(job, answer): (&NewJob, Enqueued)| match answer {
            Enqueued::New | Enqueued::Exists => job.id,
            Enqueued::Instead(other) => other,
        };
        Ok(jobs.iter().zip(answers?).map(id).collect())
    }

    /// Stores inputs that are too large for a record, and has the jobs refer to them.
    /// After an error it may be called again.
    ///
    /// # Errors
    /// A broker that does not answer, or has no room.
    pub async fn store_inputs(&self, jobs: &mut [NewJob]) -> Result<(), ClientError> {
        self.put_large(jobs).await.map(drop)
    }

    /// The same; these inputs.
    async fn put_large(&self, jobs: &mut [NewJob]) -> Result<Vec<Vec<u8>>, ClientError> {
        let mut large = Vec::new();
        for job in jobs.iter_mut().filter(|job| job.input.is_large()) {
            let Some(input) = job.input.inline() else {
                continue;
            };
            let digest = self.broker.put_blob(&self.tenant, input).await?;
            let size = input.len() as u64;
            let stored = Payload::Blob { digest, size };
            if let Payload::Inline(input) = std::mem::replace(&mut job.input, stored) {
                large.push(input);
            }
        }
        Ok(large)
    }

    /// The bytes of an input or a result, wherever they lie.
    ///
    /// # Errors
    /// [`BrokerError::Missing`] where the blob has gone with its job.
    pub async fn bytes(&self, payload: &Payload) -> Result<Vec<u8>, ClientError> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Blob { digest, .. } => {
                let bytes = self.broker.blob(&self.tenant, *digest).await?;
                let missing = || BrokerError::Missing(format!("blob {digest}"));
                Ok(bytes.ok_or_else(missing)?)
            }
        }
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
        if let Some(known) = self.shelf().module(digest) {
            return Ok(known);
        }
        let manifest = self.broker.manifest(&self.tenant, digest).await?;
        let known = Arc::new(Known::new(manifest.ok_or_else(unknown)?));
        self.shelf().put(digest, known.clone());
        Ok(known)
    }

    /// The active digest of a name, as it was a moment ago.
    async fn active(&self, name: &str) -> Result<Option<Digest>, ClientError> {
        let remembered = self.shelf().active(name);
        if remembered.is_some() {
            return Ok(remembered);
        }
        let releases = self.broker.releases(&self.tenant, name).await?;
        let active = releases.iter().find(|it| it.active).map(|it| it.digest);
        if let Some(digest) = active {
            self.shelf().set_active(name, digest);
        }
        Ok(active)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Cancels jobs: see [`Broker::cancel`].
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Cancelled>, ClientError> {
        Ok(self.broker.cancel(&self.tenant, ids).await?)
    }

    /// Makes discarded and cancelled jobs available again: see
    /// [`Broker::requeue`].
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn requeue(&self, ids: &[JobId]) -> Result<Vec<Requeued>, ClientError> {
        Ok(self.broker.requeue(&self.tenant, ids).await?)
    }

    /// Forgets jobs that have ended; whether each was forgotten.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn delete(&self, ids: &[JobId]) -> Result<Vec<bool>, ClientError> {
        Ok(self.broker.delete(&self.tenant, ids).await?)
    }
}

fn quoted(grants: &[Grant]) -> String {
    let grants: Vec<_> = grants.iter().map(|it| format!("`{it}`")).collect();
    grants.join(", ")
}

fn listed(problems: &[Misfit]) -> String {
    let problems: Vec<_> = problems.iter().map(Misfit::to_string).collect();
    problems.join("; ")
}
