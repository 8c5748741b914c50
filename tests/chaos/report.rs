//! The report: a line for each case, and the table of all. Each test may be a
//! process of its own, so the table is made of files.

use std::path::{Path, PathBuf};

/// What became of a case.
pub(super) struct Row {
    pub(super) case: &'static str,
    pub(super) seed: u64,
    pub(super) jobs: usize,
    pub(super) faults: usize,
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) extra: usize,
    pub(super) seen: usize,
    pub(super) given_back: usize,
    pub(super) seconds: f64,
    /// What is to be said of this case alone.
    pub(super) notes: String,
}

fn head() -> String {
    let text = [
        "case",
        "jobs",
        "faults",
        "lost",
        "twice",
        "extra runs (seen)",
        "given back",
        "seconds",
    ];
    format!("{}  seed; notes\n", columns(text.map(str::to_owned)))
}

fn columns([case, jobs, faults, lost, twice, extra, back, seconds]: [String; 8]) -> String {
    format!("{case:<38}{jobs:>8}{faults:>8}{lost:>6}{twice:>7}{extra:>19}{back:>12}{seconds:>9}")
}

impl Row {
    fn line(&self) -> String {
        let texts = [
            self.case.to_owned(),
            self.jobs.to_string(),
            self.faults.to_string(),
            self.lost.to_string(),
            self.twice.to_string(),
            format!("{} ({})", self.extra, self.seen),
            self.given_back.to_string(),
            format!("{:.1}", self.seconds),
        ];
        let notes = if self.notes.is_empty() { "" } else { "; " };
        format!("{}  {}{notes}{}\n", columns(texts), self.seed, self.notes)
    }

    /// Prints it and puts it into the table, in place of an earlier one.
    pub(super) fn keep(&self) {
        let (head, line) = (head(), self.line());
        #[allow(clippy::print_stdout)]
        {
            print!("{head}{line}");
        }
        let folder = folder();
        let rows = folder.join("rows");
        std::fs::create_dir_all(&rows).unwrap();
        // One test at a time makes a table of the rows that there are.
        let lock = std::fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        std::fs::write(rows.join(self.case), &line).unwrap();
        let mut cases: Vec<PathBuf> = std::fs::read_dir(&rows)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        cases.sort();
        let lines = cases.iter().map(|it| std::fs::read_to_string(it).unwrap());
        let table = head + &lines.collect::<String>();
        std::fs::write(folder.join("report.txt"), table).unwrap();
    }
}

/// `chaos` in cargo's target folder.
fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    target.expect("cargo has a folder of its own").join("chaos")
}
