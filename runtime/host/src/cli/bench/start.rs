//! Cold starts: of a worker, of a module, and from a push to the first run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use lovage_queue::arguments::Arguments;
use lovage_queue::client::{Call, Client};
use lovage_queue::job::{Job, JobId, JobOptions, NewJob, State};
use lovage_queue::task::{TaskName, check_name};
use serde_json::{Value, json};

use super::figures::{Report, Spread, hundredths, ms};
use super::rig::{NOOP, Rig, failed, own_queue, push, renewed};
use super::worker::Apart;
use super::{Context, Repeats};
use crate::cli::exit::Verdict;
use crate::cli::output::table;
use crate::cli::push::read_component;
use crate::deploy::PATIENCE;
use crate::engine::Engine;

/// How long a job may take.
const LOST: Duration = Duration::from_secs(120);

/// Measure cold starts
///
/// In each repeat a worker is started in a process of its own while one job waits,
/// whose module it finds compiled on disk: from the start of the process to the job's
/// end, and from the job's claim to its end. Then, on that worker, from a call to its
/// result: of a module that is compiled on disk, of one that must be compiled, and of
/// one that is in memory. Last a push, as from another machine, which waits until the
/// worker has compiled the module: from its begin, and from its end, to the first
/// result. Each module is new to the worker: random bytes, which nobody reads, are
/// added to the component.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The component [default: a no-op]
    #[arg(long, value_name = "FILE", requires = "task")]
    pub(super) module: Option<PathBuf>,
    /// Its task
    #[arg(long, value_name = "NAME", requires = "module")]
    pub(super) task: Option<String>,
    /// The task's arguments
    #[arg(long, value_name = "JSON", requires = "module")]
    pub(super) input: Option<String>,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// What is measured: how the JSON calls it, and how people do.
const FIGURES: [(&str, &str); 7] = [
    ("worker_start_ms", "worker, from its start to the job's end"),
    (
        "worker_claim_ms",
        "the same, from the claim to the job's end",
    ),
    (
        "module_from_disk_ms",
        "module on disk, from a call to its result",
    ),
    ("module_compiled_ms", "module to be compiled, the same"),
    ("module_in_memory_ms", "module in memory, the same"),
    ("push_begin_ms", "push, from its begin to the first result"),
    ("push_end_ms", "push, from its end to the first result"),
];

/// What is called, and by which engine its modules are pushed.
struct Subject {
    component: Vec<u8>,
    task: String,
    arguments: Arguments,
    queue: String,
    /// Shares its compiled modules on disk with the worker.
    here: Engine,
    /// Shares nothing with it.
    elsewhere: Engine,
}

impl Start {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let subject = self.subject(&rig)?;
        let mut spreads = std::array::from_fn::<_, 7, _>(|_| Spread::default());
        for repeat in 0..=self.repeats.repeats {
            let bar = context.out.spinner("start");
            let figures = subject.measure(&rig).await?;
            bar.finish_and_clear();
            // The first one warms everything up and does not count.
            if repeat > 0 {
                let pairs = spreads.iter_mut().zip(figures);
                pairs.for_each(|(spread, figure)| spread.add(ms(figure)));
            }
        }
        Ok(self.report(&spreads))
    }

    fn subject(&self, rig: &Rig<'_>) -> anyhow::Result<Subject> {
        let component = match &self.module {
            Some(file) => read_component(file)?,
            None => wat::parse_str(NOOP)?,
        };
        let task = self.task.as_deref().unwrap_or("noop");
        let input = match &self.input {
            Some(text) => serde_json::from_str(text)
                .map_err(|e| Verdict::Usage(format!("`--input` is no JSON: {e}")))?,
            None => json!({}),
        };
        Ok(Subject {
            component,
            task: check_name(task, "task")?.to_owned(),
            arguments: Arguments::from_json(input)?,
            queue: own_queue(),
            here: rig.engine.clone(),
            elsewhere: rig.foreign_engine()?,
        })
    }

    fn report(&self, spreads: &[Spread]) -> Report {
        let named = FIGURES.iter().zip(spreads);
        let mut json: serde_json::Map<String, Value> = named
            .clone()
            .map(|((name, _), spread)| ((*name).to_owned(), spread.json()))
            .collect();
        json.insert("module".into(), json!(self.module));
        json.insert("task".into(), json!(self.task));
        let rows = named.map(|((_, words), spread)| [(*words).into(), spread.show(hundredths)]);
        let text = table(["cold start", "ms"], rows);
        Report {
            json: json.into(),
            text,
        }
    }
}

impl Subject {
    /// One of each of [`FIGURES`], with a worker of this repeat's own.
    async fn measure(&self, rig: &Rig<'_>) -> anyhow::Result<[Duration; 7]> {
        // Pushed while there is no worker that could compile them ahead.
        for (name, engine) in [("disk-a", &self.here), ("disk-b", &self.here)] {
            self.push(rig, engine, name, Duration::ZERO).await?;
        }
        self.push(rig, &self.elsewhere, "compiled", Duration::ZERO)
            .await?;
        let waiting = self.prepare(rig, "disk-a").await?;
        let waiting = rig.client.send(vec![waiting]).await?[0];
        let begun = Instant::now();
        let worker = Apart::start(rig.context, &[&self.queue])?;
        let first = self.ended(rig, waiting).await?;
        let worker_start = begun.elapsed();
        let worker_claim = first.finished.since(first.started);

        let from_disk = self.call(rig, "disk-b").await?;
        let compiled = self.call(rig, "compiled").await?;
        let in_memory = self.call(rig, "compiled").await?;

        let begun = Instant::now();
        self.push(rig, &self.elsewhere, "pushed", PATIENCE).await?;
        let pushed = begun.elapsed();
        let push_end = self.call(rig, "pushed").await?;
        worker.stop().await?;
        let push_begin = pushed + push_end;
        Ok([
            worker_start,
            worker_claim,
            from_disk,
            compiled,
            in_memory,
            push_begin,
            push_end,
        ])
    }

    async fn push(
        &self,
        rig: &Rig<'_>,
        engine: &Engine,
        name: &str,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let (name, bytes) = (module(name), renewed(&self.component));
        push(engine, &rig.client, &name, bytes, patience).await
    }

    async fn prepare(&self, rig: &Rig<'_>, name: &str) -> anyhow::Result<NewJob> {
        let task = TaskName {
            module: module(name),
            task: self.task.clone(),
        };
        let call = Call {
            queue: Some(self.queue.clone()),
            arguments: self.arguments.clone(),
            // One that fails is no start, and shall say so at once.
            options: JobOptions {
                max_attempts: Some(1),
                ..JobOptions::default()
            },
            ..Call::of(task)
        };
        // A client goes by the active release that it knows, for a second: a new one
        // knows none.
        let client = Client::over(rig.client.broker().clone(), rig.client.tenant());
        Ok(client.prepare(call).await?)
    }

    /// From a call to its result.
    async fn call(&self, rig: &Rig<'_>, name: &str) -> anyhow::Result<Duration> {
        let job = self.prepare(rig, name).await?;
        let since = Instant::now();
        let id = rig.client.send(vec![job]).await?[0];
        self.ended(rig, id).await?;
        Ok(since.elapsed())
    }

    async fn ended(&self, rig: &Rig<'_>, id: JobId) -> anyhow::Result<Job> {
        let job = rig.client.wait(id, LOST).await?;
        match job.state {
            State::Completed => Ok(job),
            state if state.is_final() => {
                let last = job.attempts.last().and_then(|it| it.failure.as_ref());
                let said = last.map_or(String::new(), |it| format!(": {}", it.message));
                Err(failed()).context(format!("job {id} is {state}{said}"))
            }
            state => anyhow::bail!("job {id} was still {state} after {LOST:?}"),
        }
    }
}

/// The name of a module of ours.
fn module(name: &str) -> String {
    format!("bench-start-{name}")
}
