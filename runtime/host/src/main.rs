//! The `lovage` binary: parse, run, and one exit code for whatever came of it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use lovage::cli;
use lovage::config::LogFormat;
use lovage::sandbox;
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing_subscriber::EnvFilter;

/// Each job is many small things that are made on one thread and dropped on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything is opened or read.
    if let Some(code) = sandbox::serve() {
        return code;
    }
    let cli = cli::Cli::parse();
    allow_open_files();
    let level = cli.log();
    let ready = match cli.read() {
        Ok(ready) => ready,
        Err(e) => return fail(&e),
    };
    log(level, ready.log_format());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&e.into()),
    };
    let done = runtime.block_on(cli::run(ready));
    // A read of stdin that nobody waits for any more must not hold us up.
    runtime.shutdown_background();
    done.map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS)
}

/// Has all that is told written to stderr.
fn log(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("LOVAGE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// A module in memory has an open file, and so has each connection: as many as the
/// system allows at most, not as it allows by default.
fn allow_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that fails, the default will do for most.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn fail(e: &anyhow::Error) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {e:#}");
    if let Some(hint) = cli::exit::hint(e) {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(cli::exit::code(e))
}
