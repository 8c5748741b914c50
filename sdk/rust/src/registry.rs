//! The module's list of tasks: filled by the attributes before anything runs, read by `describe` and `run`.

use crate::Failure;
use crate::schema::InputSchema;

/// Exponential backoff with full jitter: the wait before attempt n + 1 is drawn evenly from zero to
/// `base_ms * factor ^ (n - 1)`, at most `max_ms`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Milliseconds.
    pub base_ms: u64,
    /// At least 1.
    pub factor: f64,
    /// Milliseconds.
    pub max_ms: u64,
}

/// At most `count` starts in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Starts.
    pub count: u32,
    /// Milliseconds.
    pub period_ms: u64,
}

/// That calls of a task are collected into runs of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How many a run has at most.
    pub max: u32,
    /// How many milliseconds the first of them waits for others.
    pub wait_ms: u64,
}

/// For how long a job holds off others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until a worker begins with it.
    Start,
    /// Until it has ended, however.
    Done,
    /// For so many milliseconds after it was enqueued.
    ForMs(u64),
}

/// What becomes of a job that is held off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It is not made; its caller gets the other's id.
    Existing,
    /// Its caller is refused.
    Reject,
    /// It is made, and the other one is cancelled.
    Replace,
}

/// That no two jobs of a task with the same arguments shall be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unique {
    /// For how long.
    pub until: Until,
    /// What becomes of a second one.
    pub conflict: Conflict,
}

/// What says when a task is called by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// At even spans of so many milliseconds since the Unix epoch.
    EveryMs(u64),
    /// By a cron line of 5 or 6 fields, or `@daily` and the like.
    Cron(&'static str),
}

/// What becomes of times that no worker was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The last of them is made up for.
    Last,
    /// So many of them are, the last ones.
    All(u32),
}

/// What a fire does while the job of the one before it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It makes another.
    Allow,
    /// It makes none.
    Skip,
    /// It waits for that end.
    Queue,
    /// It cancels that job and makes another.
    Replace,
}

/// That a task is called by itself, with no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub trigger: Trigger,
    /// The IANA time zone of a cron line; UTC where there is none.
    pub zone: Option<&'static str>,
    /// Each job begins up to so many milliseconds later, at random.
    pub jitter_ms: u64,
    /// What becomes of missed times.
    pub catch_up: CatchUp,
    /// What a fire does while the last job still runs.
    pub overlap: Overlap,
}

/// A task's defaults, as `#[task(…)]` sets them. What is not set is the host's default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "each is explained at `task`")]
pub struct TaskOptions {
    pub queue: Option<&'static str>,
    pub priority: Option<u8>,
    pub max_attempts: Option<u32>,
    pub backoff: Option<Backoff>,
    pub max_age_ms: Option<u64>,
    pub retry_exhausted: Option<bool>,
    pub timeout_ms: Option<u64>,
    pub soft_timeout_ms: Option<u64>,
    pub expiry_ms: Option<u64>,
    pub result_ttl_ms: Option<u64>,
    pub unique: Option<Unique>,
    pub fuel: Option<u64>,
    pub memory: Option<u64>,
    pub rate: Option<Rate>,
    pub concurrency: Option<u32>,
    pub batch: Option<Batch>,
}

/// From the MessagePack of the arguments of many calls to the result of each.
type RunBatch = fn(&[&[u8]]) -> Vec<Result<Vec<u8>, Failure>>;

/// One task of the module.
#[derive(Debug)]
#[expect(missing_docs, reason = "written by the attribute alone")]
pub struct Task {
    pub name: &'static str,
    pub doc: &'static str,
    pub options: TaskOptions,
    pub schedules: &'static [Schedule],
    /// From the MessagePack of the arguments to that of the result.
    pub run: fn(&[u8]) -> Result<Vec<u8>, Failure>,
    /// The same of many calls at once, where the task is batched.
    pub run_batch: Option<RunBatch>,
    pub input: fn(&mut InputSchema),
    pub output: fn() -> String,
}

inventory::collect!(Task);

/// What the module wants to reach, as [`wants!`](crate::wants) says.
#[derive(Debug)]
pub struct Wants(pub &'static [&'static str]);

inventory::collect!(Wants);

/// All that the module wants, each once: the order in which it registered is the linker's.
pub(crate) fn wants() -> Vec<&'static str> {
    let all = inventory::iter::<Wants>.into_iter();
    let mut wants: Vec<_> = all.flat_map(|it| it.0).copied().collect();
    wants.sort_unstable();
    wants.dedup();
    wants
}

impl Task {
    pub(crate) fn input_schema(&self) -> String {
        let mut schema = InputSchema::new();
        (self.input)(&mut schema);
        schema.finish()
    }

    pub(crate) fn output_schema(&self) -> String {
        (self.output)()
    }
}

/// All tasks by name: the order in which they registered is the linker's, and `describe` must not depend on it.
///
/// # Panics
///
/// When two tasks have one name. A push fails then, with this message in its log.
pub(crate) fn tasks() -> Vec<&'static Task> {
    let mut tasks: Vec<_> = inventory::iter::<Task>.into_iter().collect();
    tasks.sort_by_key(|task| task.name);
    for pair in tasks.windows(2) {
        assert!(
            pair[0].name != pair[1].name,
            "two tasks are named `{}`",
            pair[0].name
        );
    }
    tasks
}

/// Runs one task on the MessagePack map of its arguments.
pub(crate) fn run(name: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    match task(name) {
        Some(task) => (task.run)(input),
        None => Err(unknown(name)),
    }
}

/// Runs one task on many calls: at once if it is batched, one after the other if not.
pub(crate) fn run_batch(name: &str, inputs: &[&[u8]]) -> Vec<Result<Vec<u8>, Failure>> {
    match task(name).and_then(|task| task.run_batch) {
        Some(run) => run(inputs),
        None => inputs.iter().map(|input| run(name, input)).collect(),
    }
}

fn task(name: &str) -> Option<&'static Task> {
    inventory::iter::<Task>
        .into_iter()
        .find(|task| task.name == name)
}

fn unknown(name: &str) -> Failure {
    let names: Vec<_> = tasks().iter().map(|task| task.name).collect();
    let message = match names.as_slice() {
        [] => format!("this module has no task `{name}`: it has none"),
        names => format!(
            "this module has no task `{name}`: its tasks are `{}`",
            names.join("`, `")
        ),
    };
    Failure::new(message).kind("unknown-task").never_retry()
}
