//! `lovage push`: make a component the active release of a name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use lovage_queue::broker::remote::{self, Address, RemoteBroker};
use lovage_queue::broker::{Broker, BrokerError, Place};
use lovage_queue::client::Client;
use lovage_queue::granted::Approver;
use lovage_queue::registry::blob::MAX_MODULE;
use lovage_queue::task::DEFAULT_TENANT;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::deploy::{self, PushError, Pushed, Step};
use crate::engine::{Engine, Refusal};
use crate::units::{Size, Span};
use crate::view::modules::ReleaseView;

/// Push a component: make it the active release of a name
///
/// The component is checked and asked for its tasks in the sandbox, stored under
/// the digest of its bytes, compiled by the live workers, and then made active:
/// the first job claimed after that runs it. A push that fails has changed
/// nothing that runs. A module that wants what it was not granted is stored, and becomes
/// active once that is approved: `lovage grants`.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// The component
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The module's name [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// Do not wait until the workers have compiled it
    #[arg(long)]
    now: bool,
    /// Grant it all that it wants
    #[arg(long)]
    grant: bool,
}

/// How a file is pushed.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Without waiting for the workers.
    pub(super) now: bool,
    /// With all that it wants.
    pub(super) grant: bool,
}

impl Push {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        // What is wrong with the file is said before a broker is needed.
        let name = name_of(&self.file, self.name.clone())?;
        check_file(&self.file)?;
        let how = How {
            now: self.now,
            grant: self.grant,
        };
        let pushed = deliver(context, &self.file, &name, how).await?;
        report(context, &name, &pushed)
    }
}

/// Pushes a file to wherever the commands' jobs and modules are.
pub(super) async fn deliver(
    context: &Context,
    file: &Path,
    name: &str,
    how: How,
) -> anyhow::Result<Pushed> {
    if let Place::Http(address) = context.place()? {
        return push_to_server(context, &address, file, name, how).await;
    }
    let client = context.client().await?;
    let engine = context.engine()?;
    push_here(context, &client, &engine, file, name, how).await
}

/// Pushes a file and prints what came of it.
pub(super) async fn push_file(
    context: &Context,
    client: &Client,
    engine: &Engine,
    file: &Path,
    name: Option<String>,
    how: How,
) -> anyhow::Result<()> {
    let name = name_of(file, name)?;
    let pushed = push_here(context, client, engine, file, &name, how).await?;
    report(context, &name, &pushed)
}

async fn push_here(
    context: &Context,
    client: &Client,
    engine: &Engine,
    file: &Path,
    name: &str,
    how: How,
) -> anyhow::Result<Pushed> {
    let bytes = read_component(file)?;
    let by = super::user();
    let patience = if how.now {
        Duration::ZERO
    } else {
        deploy::PATIENCE
    };
    let spinner = context.out.spinner("");
    let push = deploy::Push {
        name,
        bytes,
        by: &by,
        patience,
        approver: how.grant.then_some(Approver::Operator),
    };
    let pushed = deploy::push(engine, client, push, |step| {
        spinner.set_message(said(name, &step))
    })
    .await;
    spinner.finish_and_clear();
    pushed.map_err(|e| at_file(file, e))
}

/// Has a server make a file a release.
async fn push_to_server(
    context: &Context,
    address: &Address,
    file: &Path,
    name: &str,
    how: How,
) -> anyhow::Result<Pushed> {
    let bytes = read_component(file)?;
    let server = RemoteBroker::connect(address).await?;
    let tenant = &context.config.tenant;
    if let Some(own) = server
        .tenant()
        .filter(|it| tenant != DEFAULT_TENANT && tenant != it)
    {
        let said = format!("the token is of tenant `{own}`, not of `{tenant}`");
        return Err(BrokerError::Denied(said).into());
    }
    let spinner = context.out.spinner("");
    spinner.set_message(format!("pushing `{name}`"));
    let pushed = server.push(name, bytes, how.now, how.grant).await;
    spinner.finish_and_clear();
    let pushed = pushed.map_err(|e| match e {
        remote::PushError::Broker(e) => e.into(),
        // It is the file's doing.
        remote::PushError::Refused(said) => {
            anyhow::Error::from(Verdict::Refused(format!("`{}`: {said}", file.display())))
        }
    })?;
    Ok(Pushed {
        release: pushed.release,
        manifest: pushed.manifest,
        readiness: pushed.workers,
        awaits: pushed.awaits,
    })
}

/// Says which file was refused; what else goes wrong is not the file's doing.
pub(super) fn at_file(file: &Path, e: PushError) -> anyhow::Error {
    match e {
        PushError::Refused(_)
        | PushError::Schema { .. }
        | PushError::Bounds { .. }
        | PushError::Schedule { .. }
        | PushError::Worker(_) => anyhow::Error::from(e).context(format!("`{}`", file.display())),
        e => e.into(),
    }
}

fn said(name: &str, step: &Step) -> String {
    match step {
        Step::Checking => format!("checking `{name}`"),
        Step::Storing => format!("storing `{name}`"),
        Step::Waiting(it) => format!(
            "waiting for the workers: {} of {} have compiled it",
            it.ready, it.live
        ),
    }
}

fn report(context: &Context, name: &str, pushed: &Pushed) -> anyhow::Result<()> {
    let Pushed {
        release,
        manifest,
        readiness,
        awaits,
    } = pushed;
    let mut json = json!({"module": name, "release": ReleaseView::of(release), "manifest": manifest, "workers": readiness});
    if !awaits.is_empty() {
        json["awaits"] = json!(awaits);
        let (module, release) = (name.to_owned(), release.number);
        context.out.print(&json, || {
            let each = awaits.iter().map(|it| format!("\n    {it}"));
            let each: String = each.collect();
            format!("release {release} of `{module}` newly wants{each}")
        })?;
        return Err(Verdict::Awaits { module, release }.into());
    }
    context.out.print(&json, || {
        let rows = manifest.tasks.iter().map(|task| {
            let doc = task.doc.lines().next().unwrap_or_default().to_owned();
            [format!("{name}.{}", task.name), doc]
        });
        let late = if readiness.ready < readiness.live {
            format!(
                "\n{} of {} workers are still compiling it",
                readiness.live - readiness.ready,
                readiness.live
            )
        } else {
            String::new()
        };
        format!(
            "release {} of `{name}` is active ({}, digest {}){late}\n{}",
            release.number,
            Size(manifest.size),
            release.digest.short(),
            table(["task", "what it does"], rows)
        )
    })
}

/// The name a module gets: the one that was given, or the file's.
pub(super) fn name_of(file: &Path, given: Option<String>) -> anyhow::Result<String> {
    let stem = || Some(file.file_stem()?.to_str()?.to_owned());
    let name = given.or_else(stem).unwrap_or_default();
    Ok(lovage_queue::task::check_name(&name, "module").map(str::to_owned)?)
}

/// Looks at a component from outside: whether it is there, and its size.
fn check_file(file: &Path) -> anyhow::Result<()> {
    let path = file.display();
    let about = std::fs::metadata(file).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Verdict::Missing(format!("there is no file `{path}`")),
        _ => Verdict::Usage(format!("cannot read `{path}`: {e}")),
    })?;
    if about.is_dir() {
        return Err(Verdict::Usage(format!(
            "`{path}` is a folder: `lovage build` makes a component of it"
        ))
        .into());
    }
    // Before it is read: it may not fit into memory.
    if about.len() > MAX_MODULE as u64 {
        return Err(at_file(file, Refusal::TooLarge(about.len()).into()));
    }
    Ok(())
}

/// Reads a component whose size is bearable.
pub(super) fn read_component(file: &Path) -> anyhow::Result<Vec<u8>> {
    check_file(file)?;
    Ok(std::fs::read(file)
        .map_err(|e| Verdict::Usage(format!("cannot read `{}`: {e}", file.display())))?)
}

/// How long something took, for a person.
pub(super) fn seconds(span: Duration) -> String {
    Span(span).to_string()
}
