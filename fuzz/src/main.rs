//! Whatever anybody may send, sent at random: `scripts/fuzz SECONDS [TARGET]`.
//!
//! Each target has a corpus, `corpus/TARGET`, whose files are run as they are and then
//! bent; what was once wrong stays there. A run is told by its seed. What panics, hangs
//! or grows is written to `found/TARGET` with the reason, and ends the run; what ends the
//! process itself, as a stack that runs over, is `found/TARGET/last`.
//!
//! # Layout
//! - here: the loop, and what watches it
//! - `bend`: from an input to another one
//! - `targets`: what is run, one a file

mod bend;
mod targets;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// How long one input may take, on a machine that has other things to do as well.
const HANG: Duration = Duration::from_secs(60);
/// How much more memory may be resident at the end of a run than once it was warm.
const LEAK: u64 = 512 << 20;
/// Runs after which a target is warm.
const WARM: u64 = 200;

/// What is being run just now, for whoever finds that it was the last.
struct Watched {
    input: Mutex<Vec<u8>>,
    /// The same in a file, which is there still where the process was ended by a signal, as by
    /// a stack that ran over.
    last: File,
    runs: AtomicU64,
}

impl Watched {
    fn over(last: &Path) -> anyhow::Result<Self> {
        Ok(Watched {
            input: Mutex::default(),
            last: File::create(last).with_context(|| format!("`{}`", last.display()))?,
            runs: AtomicU64::new(0),
        })
    }

    fn begins(&self, input: &[u8]) -> anyhow::Result<()> {
        let mut now = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.clone_into(&mut now);
        self.last.write_all_at(input, 0)?;
        self.last.set_len(input.len() as u64)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn input(&self) -> Vec<u8> {
        let now = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }
}

struct Arguments {
    seconds: u64,
    target: Option<String>,
    seed: u64,
    runs: u64,
}

impl Arguments {
    fn read() -> anyhow::Result<Self> {
        let mut read = Arguments {
            seconds: 60,
            target: None,
            seed: rand::random(),
            runs: u64::MAX,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || -> anyhow::Result<u64> {
                let text = words
                    .next()
                    .with_context(|| format!("`{word}` needs a number"))?;
                Ok(text.parse()?)
            };
            match &*word {
                "--seconds" => read.seconds = number()?,
                "--seed" => read.seed = number()?,
                "--runs" => read.runs = number()?,
                name if targets::NAMES.contains(&name) => read.target = Some(word),
                name => bail!(
                    "`{name}` is no target: it is one of {}",
                    targets::NAMES.join(", ")
                ),
            }
        }
        Ok(read)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    let names: Vec<&str> = match &arguments.target {
        Some(name) => vec![name],
        None => targets::NAMES.to_vec(),
    };
    let each = Duration::from_secs(arguments.seconds) / names.len() as u32;
    for name in names {
        run(name, each, &arguments)?;
    }
    Ok(())
}

fn run(name: &str, time: Duration, arguments: &Arguments) -> anyhow::Result<()> {
    let mut target = targets::make(name)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = read(&folder.join("corpus").join(name))?;
    let found = folder.join("found").join(name);
    std::fs::create_dir_all(&found)?;
    let last = found.join("last");
    let watched = Arc::new(Watched::over(&last)?);
    watch(name.to_owned(), found, Arc::clone(&watched));
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let (since, mut warm) = (Instant::now(), None);
    for input in &corpus {
        watched.begins(input)?;
        target.run(input);
    }
    let mut runs = 0;
    while since.elapsed() < time && runs < arguments.runs {
        let input = match corpus.choose(&mut random) {
            Some(input) => bend::bent(input, &corpus, &mut random),
            None => bend::fresh(&mut random),
        };
        watched.begins(&input)?;
        target.run(&input);
        runs += 1;
        if runs == WARM {
            warm = Some(resident()?);
        }
    }
    let grown = warm.map_or(0, |warm| resident().unwrap_or(0).saturating_sub(warm));
    println!(
        "{name}: {} inputs of the corpus, {runs} others in {:.0?} (seed {}), {} MiB more resident; {}",
        corpus.len(),
        since.elapsed(),
        arguments.seed,
        grown >> 20,
        target.told(),
    );
    if grown > LEAK {
        bail!("`{name}` grows: {} MiB in {runs} runs", grown >> 20);
    }
    // Nobody watches any more.
    watched.runs.store(u64::MAX, Ordering::Relaxed);
    std::fs::remove_file(last)?;
    Ok(())
}

fn read(folder: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|it| Ok(it?.path()))
        .collect::<anyhow::Result<_>>()?;
    // The same order everywhere: a seed means the same run.
    paths.sort();
    paths.iter().map(|path| Ok(std::fs::read(path)?)).collect()
}

/// Ends the process where a run panics, on whatever thread, or does not end; and keeps
/// what it ran.
fn watch(name: String, found: PathBuf, watched: Arc<Watched>) {
    let keep = {
        let watched = Arc::clone(&watched);
        move |why: &str| -> ! {
            let path = found.join(format!("{:016x}", rand::random::<u64>()));
            let _ = std::fs::write(&path, watched.input());
            eprintln!("{name}: {why}; the input is kept in {}", path.display());
            std::process::exit(1);
        }
    };
    let panicked = keep.clone();
    std::panic::set_hook(Box::new(move |panic| {
        panicked(&format!("panicked: {panic}"))
    }));
    std::thread::spawn(move || {
        let mut last = 0;
        loop {
            std::thread::sleep(HANG);
            let now = watched.runs.load(Ordering::Relaxed);
            if now == u64::MAX {
                return;
            }
            if now == last {
                keep(&format!("an input takes more than {HANG:?}"));
            }
            last = now;
        }
    });
}

/// Bytes that are in memory, of this process.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|it| it.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(kib.parse::<u64>()? << 10)
}
