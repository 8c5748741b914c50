//! `lovage build --watch`: again whenever a source file changes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::sources::Sources;
use super::tool::Tools;
use super::{Build, Built, kind_of, told};
use crate::cli::exit::{self, Verdict};
use crate::cli::{Context, push};
use crate::units::Span;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Builds, and builds again until somebody ends it.
pub(super) async fn run(build: &Build, context: &Context) -> anyhow::Result<()> {
    // What will not come right by an edit is said at once.
    kind_of(&build.folder, build.lang)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    tokio::select! {
        done = follow(build, context) => done,
        // A build that runs is given up.
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn follow(build: &Build, context: &Context) -> anyhow::Result<()> {
    let folder = build.folder.as_path();
    let tools = Tools::new(&context.out, build.verbose, true);
    let mut built = look(folder, &Sources::default()).await?;
    loop {
        turn(build, &tools, context).await?;
        let after = look(folder, &built).await?;
        built.built(&after);
        let json = json!({"event": "watching", "folder": folder});
        context.out.event(&json, || {
            format!("watching `{}`; Ctrl-C ends this", folder.display())
        })?;
        built = changed(folder, built, context).await?;
    }
}

/// Builds, and pushes what was built. What goes wrong is told, and may be right the next
/// time.
async fn turn(build: &Build, tools: &Tools<'_>, context: &Context) -> anyhow::Result<()> {
    let began = Instant::now();
    let built = match build.once(tools).await {
        Ok(built) => built,
        Err(e) => return failed(context, "build", &e),
    };
    let took = began.elapsed();
    let json = json!({
        "event": "built",
        "component": built.component,
        "size": built.size,
        "seconds": took.as_secs_f64(),
    });
    context
        .out
        .event(&json, || format!("{} in {}", told(&built), Span(took)))?;
    if build.push {
        return pushed(build, &built, context).await;
    }
    Ok(())
}

async fn pushed(build: &Build, built: &Built, context: &Context) -> anyhow::Result<()> {
    let how = push::How {
        now: false,
        grant: build.grant,
    };
    let file = built.component.as_path();
    let done = async {
        let name = push::name_of(file, None)?;
        let pushed = push::deliver(context, file, &name, how).await?;
        let release = pushed.release.number;
        if !pushed.awaits.is_empty() {
            return Err(Verdict::Awaits {
                module: name,
                release,
            }
            .into());
        }
        anyhow::Ok((name, release))
    };
    match done.await {
        Ok((module, release)) => {
            let json = json!({"event": "pushed", "module": module, "release": release});
            context.out.event(&json, || {
                format!("release {release} of `{module}` is active")
            })
        }
        Err(e) => failed(context, "push", &e),
    }
}

fn failed(context: &Context, what: &str, e: &anyhow::Error) -> anyhow::Result<()> {
    let error = format!("{e:#}");
    context.out.note(&format!("error: {error}"));
    if let Some(hint) = exit::hint(e) {
        context.out.note(&format!("hint: {hint}"));
    }
    let json = json!({"event": "failed", "what": what, "error": error});
    context.out.event(&json, || format!("the {what} failed"))
}

/// Waits for a change, and for the end of it: who saves many files saves them one after
/// the other.
async fn changed(folder: &Path, built: Sources, context: &Context) -> anyhow::Result<Sources> {
    let mut last = built.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = look(folder, &last).await?;
        let files = now.since(&built).into_iter().map(shown);
        let files: Vec<&Path> = files.collect();
        if !files.is_empty() && now.since(&last).is_empty() {
            let json = json!({"event": "changed", "files": files});
            context.out.event(&json, || {
                let first = files[0].display();
                match files.len() {
                    1 => format!("`{first}` changed"),
                    several => format!("`{first}` and {} more changed", several - 1),
                }
            })?;
            return Ok(now);
        }
        last = now;
    }
}

/// A file as people name it: what lies here needs no word for that.
fn shown(file: &Path) -> &Path {
    file.strip_prefix(".").unwrap_or(file)
}

/// The sources as they are now; reading them may take a while.
async fn look(folder: &Path, before: &Sources) -> anyhow::Result<Sources> {
    let (folder, before) = (folder.to_owned(), before.clone());
    Ok(tokio::task::spawn_blocking(move || Sources::of(&folder, &before)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_it_would_be_typed() {
        for (file, name) in [
            ("./src/lib.rs", "src/lib.rs"),
            ("a/src/lib.rs", "a/src/lib.rs"),
        ] {
            assert_eq!(shown(Path::new(file)), Path::new(name));
        }
    }
}
