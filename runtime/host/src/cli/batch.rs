//! Many calls of one task: a file of JSON lines.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lovage_queue::arguments::{Arguments, exact_json};
use lovage_queue::broker::MAX_BATCH;
use lovage_queue::client::{Call, Client};
use lovage_queue::job::NewJob;
use serde_json::Value;

use super::exit::Verdict;

/// Where the lines come from.
pub(super) enum Lines {
    Stdin,
    File(PathBuf),
}

impl Lines {
    pub(super) fn of(path: &Path) -> Self {
        match path.to_str() {
            Some("-") => Lines::Stdin,
            _ => Lines::File(path.to_owned()),
        }
    }

    /// The jobs that the lines ask for, each checked against the task's schema:
    /// the first that is wrong is named, and nothing has been enqueued yet.
    pub(super) async fn jobs(&self, client: &Client, call: &Call) -> anyhow::Result<Vec<NewJob>> {
        let mut jobs = Vec::new();
        let mut reader = self.open()?;
        let (mut number, mut line) = (0, Vec::new());
        loop {
            line.clear();
            number += 1;
            let length = reader.read_until(b'\n', &mut line);
            if length.map_err(|e| self.unreadable(&e))? == 0 {
                return Ok(jobs);
            }
            let here = || format!("{self}, line {number}");
            if line.trim_ascii().is_empty() {
                continue;
            }
            if jobs.len() == MAX_BATCH {
                let said = format!(
                    "{}: a batch has at most {MAX_BATCH} calls; split it",
                    here()
                );
                return Err(Verdict::Usage(said).into());
            }
            let mut call = call.clone();
            call.arguments = arguments(&line).with_context(here)?;
            jobs.push(client.prepare(call).await.with_context(here)?);
        }
    }

    fn open(&self) -> anyhow::Result<Box<dyn BufRead>> {
        Ok(match self {
            Lines::Stdin => Box::new(BufReader::new(std::io::stdin())),
            Lines::File(path) => {
                let file = File::open(path).map_err(|e| match e.kind() {
                    std::io::ErrorKind::NotFound => {
                        Verdict::Missing(format!("there is no file `{}`", path.display()))
                    }
                    _ => self.unreadable(&e),
                })?;
                Box::new(BufReader::new(file))
            }
        })
    }

    fn unreadable(&self, e: &std::io::Error) -> Verdict {
        Verdict::Usage(format!("cannot read {self}: {e}"))
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lines::Stdin => f.write_str("standard input"),
            Lines::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

fn arguments(line: &[u8]) -> anyhow::Result<Arguments> {
    exact_json(line).map_err(|e| Verdict::Usage(e.to_string()))?;
    let json: Value = serde_json::from_slice(line).map_err(|e| {
        // The line that it speaks of is always the first: the caller knows which.
        let text = e.to_string();
        let said = text.split(" at line ").next().unwrap_or(&text);
        Verdict::Usage(format!("no JSON at column {}: {said}", e.column()))
    })?;
    Ok(Arguments::from_json(json)?)
}
