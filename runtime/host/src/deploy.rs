//! A push: from a component's bytes to the active release of a name.
//!
//! It validates and describes the module in the sandbox, stores it, stages the
//! release, waits until the live workers have compiled it, and activates it.
//! Whatever goes wrong before the last step has changed nothing that runs.

use std::time::{Duration, Instant};

use lovage_queue::arguments::Arguments;
use lovage_queue::broker::BrokerError;
use lovage_queue::client::{Client, ClientError, Misfit, schema};
use lovage_queue::grant::Grant;
use lovage_queue::granted::Approver;
use lovage_queue::hook;
use lovage_queue::registry::{Manifest, Readiness, Release};
use lovage_queue::task::{NameError, TaskInfo, check_name};

use crate::engine::{Engine, EngineError, LoadError, Refusal, Said};

/// How long an activation waits for the live workers.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often it asks them.
const ASK: Duration = Duration::from_millis(20);

/// A module that did not become a release.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The engine does not take it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A task's schema is none.
    #[error("task `{task}` has an {which} schema that is no JSON Schema: {problem}")]
    Schema {
        /// The task.
        task: String,
        /// Input or output.
        which: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A task's schema is past a limit, or leads out of itself.
    #[error("task `{task}` has an {which} schema that {problem}")]
    Bounds {
        /// The task.
        task: String,
        /// Input or output.
        which: &'static str,
        /// What it does.
        problem: String,
    },
    /// A task has schedules and cannot be called by itself.
    #[error(
        "task `{task}` is to be called by itself, with no arguments, which do not fit: {problem}"
    )]
    Schedule {
        /// The task.
        task: String,
        /// What is wrong with none.
        problem: Misfit,
    },
    /// A worker could not compile it.
    #[error("a worker cannot run it: {0}")]
    Worker(String),
    /// The name is that of the tasks that workers have themselves.
    #[error("`{0}` is the name of lovage's own tasks: choose another")]
    Reserved(String),
    /// The name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The broker's own error.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Its way to an active release was closed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The engine is broken.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Where a push stands.
#[derive(Clone, Debug)]
pub enum Step {
    /// The component is compiled and asked for its tasks.
    Checking,
    /// Its bytes go to the registry.
    Storing,
    /// The live workers compile it.
    Waiting(Readiness),
}

/// A push that went through.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The release: the active one now, unless it awaits approval.
    pub release: Release,
    /// What the module says of itself.
    pub manifest: Manifest,
    /// How many live workers had compiled it when it became active.
    pub readiness: Readiness,
    /// What the module was not granted. Unless there is none, the release waits for that
    /// and is not active.
    pub awaits: Vec<Grant>,
}

/// A push to come.
pub struct Push<'a> {
    /// The module's name.
    pub name: &'a str,
    /// The component.
    pub bytes: Vec<u8>,
    /// Who pushes.
    pub by: &'a str,
    /// How long to wait for the live workers; zero for not at all.
    pub patience: Duration,
    /// Who approves of all that it wants, if they do so at once.
    pub approver: Option<Approver>,
}

/// Pushes a module and tells of each step.
///
/// # Errors
/// See [`PushError`].
pub async fn push(
    engine: &Engine,
    client: &Client,
    push: Push<'_>,
    mut tell: impl FnMut(Step),
) -> Result<Pushed, PushError> {
    check_name(push.name, "module")?;
    if push.name == hook::MODULE {
        return Err(PushError::Reserved(push.name.into()));
    }
    tell(Step::Checking);
    let manifest = inspect(engine, push.bytes.clone()).await?;
    tell(Step::Storing);
    let (broker, tenant) = (client.broker(), client.tenant());
    let digest = broker.put(tenant, &push.bytes, &manifest).await?;
    if let Some(approver) = push.approver.filter(|_| !manifest.wants.is_empty()) {
        let (wants, by) = (&manifest.wants, push.by);
        client.approve(push.name, wants, approver, by).await?;
    }
    let mut release = broker.stage(tenant, push.name, digest, push.by).await?;
    let awaits = client.lacking(push.name, digest).await?;
    if !awaits.is_empty() {
        return Ok(Pushed {
            release,
            manifest,
            readiness: Readiness::default(),
            awaits,
        });
    }
    let readiness = all_ready(client, &release, push.patience, &mut tell).await?;
    client.activate(push.name, release.number).await?;
    release.active = true;
    Ok(Pushed {
        release,
        manifest,
        readiness,
        awaits,
    })
}

/// What a module says of itself, once it is known to be one.
///
/// # Errors
/// See [`PushError`].
pub async fn inspect(engine: &Engine, bytes: Vec<u8>) -> Result<Manifest, PushError> {
    let size = bytes.len() as u64;
    let said = engine.inspect(bytes).await.map_err(|e| match e {
        LoadError::Refused(refusal) => PushError::Refused(refusal),
        LoadError::Fetch(e) | LoadError::Engine(e) => PushError::Engine(e),
        e @ (LoadError::Missing(_) | LoadError::Corrupt(_)) => {
            PushError::Engine(EngineError::Setup(e.to_string()))
        }
    })?;
    let Said { tasks, wants } = said;
    check_schemas(&tasks)?;
    check_schedules(&tasks)?;
    Ok(Manifest { size, tasks, wants })
}

/// Whether all schemas are such that somebody may be checked by them.
fn check_schemas(tasks: &[TaskInfo]) -> Result<(), PushError> {
    let mut sum = schema::Bounds::default();
    for task in tasks {
        for (which, it) in [
            ("input", &task.input_schema),
            ("output", &task.output_schema),
        ] {
            let task = &task.name;
            let bounds = schema::Bounds::of(it).and_then(|own| sum.and(own));
            sum = bounds.map_err(|problem| PushError::Bounds {
                task: task.clone(),
                which,
                problem,
            })?;
            schema::compile(it).map_err(|problem| PushError::Schema {
                task: task.clone(),
                which,
                problem,
            })?;
        }
    }
    Ok(())
}

/// Whether what is called by itself can be.
fn check_schedules(tasks: &[TaskInfo]) -> Result<(), PushError> {
    for task in tasks.iter().filter(|it| !it.schedules.is_empty()) {
        let problems = schema::misfits(&task.input_schema, &mut Arguments::new());
        if let Some(problem) = problems.into_iter().next() {
            let task = task.name.clone();
            return Err(PushError::Schedule { task, problem });
        }
    }
    Ok(())
}

async fn all_ready(
    client: &Client,
    release: &Release,
    patience: Duration,
    tell: &mut impl FnMut(Step),
) -> Result<Readiness, PushError> {
    let since = Instant::now();
    loop {
        let readiness = client
            .broker()
            .readiness(client.tenant(), release.digest)
            .await?;
        if let Some(refusal) = readiness.refused.first() {
            return Err(PushError::Worker(refusal.clone()));
        }
        if readiness.ready >= readiness.live || since.elapsed() >= patience {
            return Ok(readiness);
        }
        tell(Step::Waiting(readiness));
        tokio::time::sleep(ASK).await;
    }
}
