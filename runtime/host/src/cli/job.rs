//! `lovage job`: all that is known of one job.

use clap::Args;
use lovage_queue::job::{Attempt, Job as Record, JobId};

use super::Context;
use super::output::{decoded, job as job_json, moment, table};
use crate::units::{Size, Span, short};

/// Show a job
#[derive(Debug, Args)]
pub(super) struct Job {
    /// Its id
    id: String,
    /// Print only the log of its last attempt
    #[arg(long)]
    log: bool,
}

impl Job {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let id: JobId = self.id.parse()?;
        let job = context.client().await?.job(id).await?;
        if self.log {
            let log = job
                .attempts
                .last()
                .map(|it| String::from_utf8_lossy(&it.log).into_owned());
            let log = log.unwrap_or_default();
            return context
                .out
                .print(&log.clone().into(), || log.trim_end().to_owned());
        }
        context
            .out
            .print(&job_json(&job), || describe(context, &job))
    }
}

fn describe(context: &Context, job: &Record) -> String {
    let call = &job.call;
    let mut rows = vec![
        ["job".into(), call.id.to_string()],
        ["task".into(), format!("{}.{}", call.module, call.task)],
        ["state".into(), context.out.state(job.state)],
        [
            "queue".into(),
            format!("{}, priority {}", call.queue, call.priority),
        ],
        ["enqueued".into(), moment(job.enqueued)],
    ];
    let mut more =
        |name: &str, value: Option<String>| rows.extend(value.map(|it| [name.to_owned(), it]));
    more("lane", (!call.lane.is_empty()).then(|| call.lane.clone()));
    more(
        "available",
        (!job.state.is_final()).then(|| moment(job.available)),
    );
    more("finished", job.finished.known().map(moment));
    more("crashes", (job.crash > 0).then(|| job.crash.to_string()));
    more(
        "progress",
        job.progress.as_ref().map(|it| {
            let share = it.share.map(|share| format!("{:.0} %", share * 100.0));
            [share, it.message.clone()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        }),
    );
    more("input", Some(shortened(&decoded(&call.input).to_string())));
    more(
        "result",
        job.result
            .as_deref()
            .map(|it| shortened(&decoded(it).to_string())),
    );
    let mut text = rows
        .iter()
        .map(|[name, value]| format!("{name:<10} {value}\n"))
        .collect::<String>();
    if !job.attempts.is_empty() {
        let head = [
            "attempt", "outcome", "release", "digest", "worker", "started", "time", "fuel",
            "memory",
        ];
        text += &format!(
            "\n{}\n",
            table(
                head,
                job.attempts
                    .iter()
                    .enumerate()
                    .map(|(i, it)| row(i + 1, it))
            )
        );
    }
    for (i, attempt) in job.attempts.iter().enumerate() {
        if let Some(failure) = &attempt.failure {
            let detail = failure
                .detail
                .as_ref()
                .map(|it| format!("\n{it}"))
                .unwrap_or_default();
            text += &format!(
                "\nattempt {}: {}: {}{detail}\n",
                i + 1,
                failure.kind,
                failure.message
            );
        }
        if !attempt.log.is_empty() {
            let log = String::from_utf8_lossy(&attempt.log);
            text += &format!("\nlog of attempt {}:\n{}\n", i + 1, log.trim_end());
        }
    }
    text.trim_end().to_owned()
}

fn row(number: usize, it: &Attempt) -> [String; 9] {
    [
        number.to_string(),
        it.ending.to_string(),
        it.release.to_string(),
        it.digest.map_or("-".into(), |digest| digest.short()),
        it.worker.to_string(),
        moment(it.started),
        Span(it.took).to_string(),
        short(it.fuel),
        Size(it.peak_memory).to_string(),
    ]
}

/// The beginning of a long value: `--json` has all of it.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 500;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} more bytes)", &text[..end], text.len() - end),
        None => text.to_owned(),
    }
}
