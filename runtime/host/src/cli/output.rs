//! What commands print: tables for people, one JSON value for programs,
//! progress on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use comfy_table::{Cell, Table};
use indicatif::{ProgressBar, ProgressStyle};
use lovage_queue::broker::BrokerError;
use lovage_queue::client::{Client, ClientError};
use lovage_queue::job::{Job, Payload, State};
use serde_json::{Value, json};

use crate::units::{Size, Span, short};
use crate::view::jobs::JobView;

/// Where output goes and in which form.
pub(super) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Output { json, colour }
    }

    /// Prints `value` for a program, or what `human` makes of it.
    pub(super) fn print(
        &self,
        value: &Value,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            human()
        };
        written(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// Prints what happened in a line: of JSON for a program.
    pub(super) fn event(
        &self,
        value: &Value,
        human: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = if self.json {
            value.to_string()
        } else {
            human()
        };
        written(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// Tells a person something beside, on stderr. Where that is closed, nobody wants it.
    pub(super) fn note(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Whether a program reads this.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints what is told bit by bit, for people.
    pub(super) fn stream(&self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.json || bytes.is_empty() {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        written(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Prints what has come of it, for programs.
    pub(super) fn conclude(&self, value: &Value) -> anyhow::Result<()> {
        if self.json {
            self.print(value, String::new)
        } else {
            Ok(())
        }
    }

    /// The state's word, coloured on a terminal.
    pub(super) fn state(&self, state: State) -> String {
        self.coloured(state, state.as_str())
    }

    /// A word in the colour of a state.
    pub(super) fn coloured(&self, state: State, word: &str) -> String {
        let colour = match state {
            State::Completed => 32,
            State::Discarded => 31,
            State::Running => 36,
            State::Retryable | State::Cancelled => 33,
            State::Pending | State::Scheduled | State::Available => 0,
        };
        if self.colour {
            format!("\x1b[{colour}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }

    /// A spinner for work of unknown length; silent unless a person looks on.
    pub(super) fn spinner(&self, message: &str) -> ProgressBar {
        self.shown(ProgressBar::new_spinner(), "{spinner} {msg}", message)
    }

    /// A bar for work of known length.
    pub(super) fn bar(&self, length: u64, message: &str) -> ProgressBar {
        self.shown(
            ProgressBar::new(length),
            "{msg} [{bar:30}] {human_pos}/{human_len} {per_sec}",
            message,
        )
    }

    fn shown(&self, bar: ProgressBar, template: &str, message: &str) -> ProgressBar {
        // It draws on stderr, and there only on a terminal.
        if self.json {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// What became of a write to stdout. Whoever reads us may have seen enough.
fn written(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A table without lines.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(head.iter().map(|name| Cell::new(name.to_uppercase())));
    for row in rows {
        table.add_row(row);
    }
    table
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The beginning of a long value: `--json` has all of it.
pub(super) fn shortened(text: &str, shown: usize) -> String {
    match text.char_indices().nth(shown) {
        Some((end, _)) => format!("{}… ({} more bytes)", &text[..end], text.len() - end),
        None => text.to_owned(),
    }
}

/// The job with its input and result at hand, wherever they lie.
pub(super) async fn fetched(client: &Client, mut job: Job) -> anyhow::Result<Job> {
    for payload in [Some(&mut job.call.input), job.result.as_mut()] {
        let Some(payload) = payload else { continue };
        match client.bytes(payload).await {
            Ok(bytes) => *payload = Payload::Inline(bytes),
            // The job can still be told of.
            Err(ClientError::Broker(BrokerError::Missing(what))) => {
                tracing::warn!(job = %job.call.id, "{what} does not exist any more");
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(job)
}

/// A job as JSON.
pub(super) fn job(job: &Job) -> Value {
    json!(JobView::of(job))
}

/// The columns of a job in a table: see [`JOB_COLUMNS`].
pub(super) fn job_row(out: &Output, job: &Job) -> [String; 8] {
    let last = job.attempts.last();
    let or_dash = |it: Option<String>| it.unwrap_or_else(|| "-".into());
    [
        job.call.id.to_string(),
        format!("{}.{}", job.call.module, job.call.task),
        out.state(job.state),
        or_dash(last.map(|it| it.release.to_string())),
        job.attempts.len().to_string(),
        or_dash(last.map(|_| short(job.fuel))),
        or_dash(last.map(|it| Size(it.peak_memory).to_string())),
        or_dash(last.map(|it| Span(it.took).to_string())),
    ]
}

/// The head of a table of jobs.
pub(super) const JOB_COLUMNS: [&str; 8] = [
    "id",
    "task",
    "state",
    "release",
    "attempts",
    "fuel",
    "peak memory",
    "time",
];
