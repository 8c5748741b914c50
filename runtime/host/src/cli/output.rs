//! What commands print: tables for people, one JSON value for programs,
//! progress on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use base64::Engine as _;
use comfy_table::{Cell, Table};
use indicatif::{ProgressBar, ProgressStyle};
use lovage_queue::arguments::to_json;
use lovage_queue::clock::Millis;
use lovage_queue::job::{Job, State};
use serde_json::{Value, json};

use crate::units::{Size, Span, short};

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
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}") {
            // Whoever reads us has seen enough.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// The state's word, coloured on a terminal.
    pub(super) fn state(&self, state: State) -> String {
        let colour = match state {
            State::Completed => 32,
            State::Discarded => 31,
            State::Running => 36,
            State::Retryable | State::Cancelled => 33,
            State::Pending | State::Scheduled | State::Available => 0,
        };
        if self.colour {
            format!("\x1b[{colour}m{state}\x1b[0m")
        } else {
            state.to_string()
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

/// A moment as RFC 3339 in UTC.
pub(super) fn moment(at: Millis) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| at.to_string(), |it| it.to_string())
}

/// MessagePack as JSON, bytes as Base64.
pub(super) fn decoded(packed: &[u8]) -> Value {
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    match rmpv::decode::read_value(&mut &packed[..]) {
        Ok(value) => to_json(&value, &base64),
        Err(_) => Value::String(base64(packed)),
    }
}

/// A job as JSON.
pub(super) fn job(job: &Job) -> Value {
    let attempts = job.attempts.iter().map(|it| {
        json!({
            "ending": it.ending, "worker": it.worker, "digest": it.digest, "release": it.release,
            "started": moment(it.started), "seconds": it.took.as_secs_f64(), "fuel": it.fuel,
            "peak_memory": it.peak_memory, "failure": it.failure,
            "log": String::from_utf8_lossy(&it.log),
        })
    });
    json!({
        "id": job.call.id, "tenant": job.tenant, "task": format!("{}.{}", job.call.module, job.call.task),
        "queue": job.call.queue, "lane": job.call.lane, "priority": job.call.priority,
        "pin": job.call.pin, "options": job.call.options, "input": decoded(&job.call.input),
        "state": job.state, "delivery": job.delivery, "attempt": job.attempt, "crash": job.crash,
        "enqueued": moment(job.enqueued), "available": moment(job.available),
        "started": job.started.known().map(moment), "finished": job.finished.known().map(moment),
        "fuel": job.fuel, "progress": job.progress, "attempts": attempts.collect::<Vec<_>>(),
        "result": job.result.as_deref().map(decoded),
    })
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
