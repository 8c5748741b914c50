//! `lovage job`: all that is known of one job.

use std::time::Duration;

use clap::Args;
use lovage_queue::job::{Attempt, Job as Record, JobId, Payload};

use super::Context;
use super::call::verdict;
use super::output::{fetched, job as job_json, shortened, table};
use crate::units::{Size, Span, exact, short};
use crate::view::jobs::{expiry, until};
use crate::view::{decoded, moment};

/// Bytes of an input or a result that are shown to people.
const SHOWN: usize = 500;
/// How often a log that grows is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Show a job
///
/// All that is known of it: what was asked for, where it stands, its result, and
/// every attempt with its worker, release, outcome, cost, failure and log. Of a
/// running one also its progress, and what it has written so far.
#[derive(Debug, Args)]
pub(super) struct Job {
    /// Its id
    #[arg(value_name = "ID")]
    id: String,
    /// Print only the log: that of the running attempt, or of the last one
    #[arg(long)]
    log: bool,
    /// Print the logs of all attempts as they grow, until the job has ended; the
    /// exit code says how it did. With `--json`, the job once it has
    #[arg(long, conflicts_with = "log")]
    follow: bool,
}

impl Job {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.log {
            let job = context.client().await?.job(self.id.parse()?).await?;
            let log = String::from_utf8_lossy(log(&job)).into_owned();
            return context
                .out
                .print(&log.clone().into(), || log.trim_end().to_owned());
        }
        if self.follow {
            return follow(context, self.id.parse()?).await;
        }
        show(context, &self.id).await
    }
}

/// Shows a job by its id.
pub(super) async fn show(context: &Context, id: &str) -> anyhow::Result<()> {
    let id: JobId = id.parse()?;
    let client = context.client().await?;
    let job = fetched(&client, client.job(id).await?).await?;
    context
        .out
        .print(&job_json(&job), || describe(context, &job))
}

/// What the running attempt has written, or the last one wrote.
fn log(job: &Record) -> &[u8] {
    let last = || job.attempts.last().map(|it| &it.log[..]);
    job.log.as_deref().or_else(last).unwrap_or_default()
}

/// Prints the logs of all attempts, and what is new of the running one, until
/// the job has ended.
async fn follow(context: &Context, id: JobId) -> anyhow::Result<()> {
    let client = context.client().await?;
    // Whose log is being printed, and how much of it has been.
    let (mut attempt, mut printed) = (0, 0);
    loop {
        let job = client.wait(id, LOOK).await?;
        let ended = job.attempts.iter().map(|it| &it.log[..]);
        let logs: Vec<&[u8]> = ended.chain(job.log.as_deref()).collect();
        for (number, log) in logs.iter().enumerate().skip(attempt) {
            if number > attempt {
                (attempt, printed) = (number, 0);
            }
            context.out.stream(log.get(printed..).unwrap_or_default())?;
            printed = printed.max(log.len());
        }
        if job.state.is_final() {
            let job = fetched(&client, job).await?;
            context.out.conclude(&job_json(&job))?;
            return verdict(&job, Duration::ZERO);
        }
    }
}

fn describe(context: &Context, job: &Record) -> String {
    let mut text = facts(context, job)
        .iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect::<String>();
    if !job.attempts.is_empty() {
        let head = [
            "attempt", "outcome", "release", "digest", "worker", "started", "ended", "time",
            "fuel", "memory",
        ];
        let rows = job.attempts.iter().enumerate();
        text += &format!("\n{}\n", table(head, rows.map(|(i, it)| row(i + 1, it))));
    }
    for (i, attempt) in job.attempts.iter().enumerate() {
        let number = i + 1;
        if let Some(it) = &attempt.failure {
            let detail = it.detail.as_ref().map(|it| format!("\n{it}"));
            let detail = detail.unwrap_or_default();
            text += &format!("\nattempt {number}: {}: {}{detail}\n", it.kind, it.message);
        }
        if !attempt.log.is_empty() {
            let log = String::from_utf8_lossy(&attempt.log);
            text += &format!("\nlog of attempt {number}:\n{}\n", log.trim_end());
        }
    }
    if let Some(log) = job.log.as_deref().filter(|log| !log.is_empty()) {
        let log = String::from_utf8_lossy(log);
        text += &format!("\nlog so far:\n{}\n", log.trim_end());
    }
    text.trim_end().to_owned()
}

/// Name and value of what there is to say of the job itself.
fn facts(context: &Context, job: &Record) -> Vec<(&'static str, String)> {
    let call = &job.call;
    let mut state = context.out.state(job.state);
    if job.cancelling && !job.state.is_final() {
        state += ", asked to stop";
    }
    let mut facts = vec![
        ("job", call.id.to_string()),
        ("task", format!("{}.{}", call.module, call.task)),
        ("state", state),
        (
            "queue",
            format!("{}, priority {}", call.queue, call.priority),
        ),
        ("enqueued", moment(job.enqueued)),
    ];
    let mut more = |name, value: Option<String>| facts.extend(value.map(|it| (name, it)));
    let waits = !job.state.is_final();
    more("flow", call.seat.map(|it| it.flow.to_string()));
    more("lane", (!call.lane.is_empty()).then(|| call.lane.clone()));
    more("available", waits.then(|| moment(job.available)));
    more("expires", expiry(job).filter(|_| waits).map(moment));
    more("finished", job.finished.known().map(moment));
    more(
        "kept",
        call.result_ttl
            .map(|it| format!("{} once it is completed", exact(it))),
    );
    more("key", call.key.map(|it| it.to_string()));
    let unique = call.unique.map(|it| match it.until {
        lovage_queue::job::Until::For(span) => format!("{} for {}", it.key, exact(span)),
        event => format!("{} until {}", it.key, until(event)),
    });
    more("unique", unique);
    more("crashes", (job.crash > 0).then(|| job.crash.to_string()));
    let progress = job.progress.as_ref().map(|it| {
        let share = it.share.map(|share| format!("{:.0} %", share * 100.0));
        let parts = [share, it.message.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    more("progress", progress);
    more("input", Some(told(&call.input)));
    more("result", job.result.as_ref().map(told));
    facts
}

/// An input or a result for people.
fn told(payload: &Payload) -> String {
    match payload.inline() {
        Some(bytes) => shortened(&decoded(bytes).to_string(), SHOWN),
        None => format!("{} in a blob that has gone", Size(payload.size())),
    }
}

fn row(number: usize, it: &Attempt) -> [String; 10] {
    // It ended before it began: cancelled or expired while it waited.
    let began = it.started.known();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        number.to_string(),
        it.ending.to_string(),
        or_dash(it.digest.map(|_| it.release.to_string())),
        or_dash(it.digest.map(|digest| digest.short())),
        or_dash(began.map(|_| it.worker.to_string())),
        or_dash(began.map(moment)),
        or_dash(began.map(|at| moment(at.after(it.took)))),
        Span(it.took).to_string(),
        short(it.fuel),
        Size(it.peak_memory).to_string(),
    ]
}
