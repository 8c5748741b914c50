//! Programs that a build runs, and what is shown of them: a line and the time that each
//! took; all that it said where it failed, or where somebody wants to see it.

use std::path::Path;
use std::process::{Output as Done, Stdio};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::cli::exit::Verdict;
use crate::cli::output::Output;
use crate::units::Span;

/// Lines of a program that are kept to be shown if it fails.
const KEPT: usize = 500;

/// How programs are run.
pub(super) struct Tools<'a> {
    out: &'a Output,
    verbose: bool,
    /// Whether a step's line is left away, because there will be many builds.
    pub(super) brief: bool,
}

impl<'a> Tools<'a> {
    pub(super) fn new(out: &'a Output, verbose: bool, brief: bool) -> Self {
        Tools {
            out,
            verbose,
            brief,
        }
    }

    /// Runs a program to its end; `what` says what it does, as in "installing the packages".
    pub(super) async fn step(&self, what: &str, command: Command) -> Result<(), Verdict> {
        let began = Instant::now();
        let spinner = self.out.spinner(what);
        let ran = self.run(what, command, &spinner).await;
        spinner.finish_and_clear();
        let (succeeded, said) = ran?;
        if succeeded {
            self.tell(what, began.elapsed());
            return Ok(());
        }
        Err(self.failure(what, said))
    }

    async fn run(
        &self,
        what: &str,
        mut command: Command,
        spinner: &ProgressBar,
    ) -> Result<(bool, Vec<String>), Verdict> {
        let program = command.as_std().get_program().to_owned();
        let cannot = |e: std::io::Error| {
            let program = Path::new(&program).display();
            Verdict::Build(format!("{what}: cannot run `{program}`: {e}"))
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A build that is given up takes its programs along.
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(cannot)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut said = Vec::new();
        let (tell, mut lines) = tokio::sync::mpsc::channel(64);
        let readers = async {
            tokio::join!(read(out, tell.clone()), read(err, tell));
        };
        let shown = async {
            while let Some(line) = lines.recv().await {
                self.show(what, &line, spinner);
                if said.len() == KEPT {
                    said.remove(0);
                }
                said.push(line);
            }
        };
        tokio::join!(readers, shown);
        let status = child.wait().await.map_err(cannot)?;
        Ok((status.success(), said))
    }

    fn show(&self, what: &str, line: &str, spinner: &ProgressBar) {
        if self.verbose {
            spinner.suspend(|| self.out.note(line));
        } else {
            let plain: String = line.chars().filter(|c| !c.is_control()).take(80).collect();
            spinner.set_message(format!("{what}: {plain}"));
        }
    }

    fn tell(&self, what: &str, took: Duration) {
        if !self.brief && !self.out.is_json() {
            self.out.note(&format!("{what}: {}", Span(took)));
        }
    }

    /// What a program that failed has said: its own `error:` lines are the reason, and what
    /// else there is stands above.
    fn failure(&self, what: &str, said: Vec<String>) -> Verdict {
        let (errors, others): (Vec<_>, Vec<_>) = said
            .into_iter()
            .partition(|line| line.starts_with("error: "));
        let errors: Vec<_> = errors
            .iter()
            .filter_map(|it| it.strip_prefix("error: "))
            .collect();
        if !self.verbose {
            for line in &others {
                self.out.note(line);
            }
        }
        Verdict::Build(match errors.is_empty() {
            true => format!("{what} failed; what it said is above"),
            false => errors.join("\n"),
        })
    }
}

/// Tells a stream's lines as they come.
async fn read(from: Option<impl AsyncRead + Unpin>, tell: tokio::sync::mpsc::Sender<String>) {
    let Some(from) = from else { return };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .await
        .is_ok_and(|read| read > 0)
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if tell.send(text).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Runs a program that answers at once. `None` where there is no such program.
pub(super) async fn ask(program: &Path, arguments: &[&str]) -> Option<Done> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.kill_on_drop(true).output().await.ok()
}

/// What it answered, where it did.
pub(super) fn answer(done: Option<Done>) -> Option<String> {
    let done = done.filter(|it| it.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}
