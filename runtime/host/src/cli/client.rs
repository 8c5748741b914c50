//! `lovage client`: typed stubs of pushed modules, for those who call them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use lovage_queue::broker::Broker;
use lovage_queue::registry::Release;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use crate::stubs::{Language, Module, Task};

/// Write typed stubs of the pushed modules, for a client in another language
///
/// Of the schemas of each module's active release it makes a source file, with which an
/// editor completes names of tasks and arguments, and a type checker refuses wrong ones.
/// Python's builds on the package `lovage-client`, TypeScript's on `@lovage/client`. Run
/// it again after a push: what was written so is written over, and no other file.
#[derive(Debug, Args)]
pub(super) struct ClientCommand {
    /// What they are written in
    #[arg(long, value_name = "LANGUAGE")]
    lang: Target,
    /// Where they go: a folder, or with one module a file [default: here]
    #[arg(long, short, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// The modules' names [default: all]
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Python,
    #[value(alias = "typescript")]
    Ts,
}

/// Lines of a file among which it says that it was written here.
const HEAD: usize = 5;

/// A file that is to be written.
struct File {
    path: PathBuf,
    module: Module,
    text: String,
}

impl ClientCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let lang = match self.lang {
            Target::Python => Language::Python,
            Target::Ts => Language::TypeScript,
        };
        let client = context.client().await?;
        let (broker, tenant) = (client.broker(), client.tenant());
        let active = broker.active(tenant).await?;
        let mut modules = Vec::new();
        for (name, release) in chosen(active, &self.modules)? {
            modules.push(module_of(broker.as_ref(), tenant, name, &release).await?);
        }
        let files = laid_out(lang, modules, self.output.as_deref())?;
        // All are looked at before one is written.
        for file in &files {
            may_write(lang, &file.path)?;
        }
        for file in &files {
            write(file)?;
        }
        let json = files.iter().map(|it| {
            let Module {
                name,
                release,
                digest,
                ..
            } = &it.module;
            json!({"module": name, "release": release, "digest": digest, "file": it.path})
        });
        context.out.print(&json.collect(), || {
            let lines = files.iter().map(|it| {
                let Module { name, release, .. } = &it.module;
                format!(
                    "wrote `{}` (release {release} of `{name}`)",
                    it.path.display()
                )
            });
            lines.collect::<Vec<_>>().join("\n")
        })
    }
}

/// The active releases of the modules that were named, each once, or of all.
fn chosen(
    active: Vec<(String, Release)>,
    names: &[String],
) -> anyhow::Result<BTreeMap<String, Release>> {
    let mut active: BTreeMap<_, _> = active.into_iter().collect();
    if let Some(name) = names.iter().find(|it| !active.contains_key(*it)) {
        let text = format!(
            "there is no module `{name}` with an active release: `lovage releases` lists them"
        );
        return Err(Verdict::Missing(text).into());
    }
    if active.is_empty() {
        let text = "there is no module yet: `lovage push` makes one";
        return Err(Verdict::Missing(text.into()).into());
    }
    active.retain(|name, _| names.is_empty() || names.contains(name));
    Ok(active)
}

async fn module_of(
    broker: &dyn Broker,
    tenant: &str,
    name: String,
    release: &Release,
) -> anyhow::Result<Module> {
    let manifest = broker.manifest(tenant, release.digest).await?;
    let manifest = manifest.ok_or_else(|| {
        let number = release.number;
        Verdict::Missing(format!(
            "release {number} of `{name}` has gone meanwhile: try again"
        ))
    })?;
    let tasks = manifest.tasks.into_iter().map(|it| Task {
        name: it.name,
        doc: it.doc,
        input: it.input_schema,
        output: it.output_schema,
    });
    Ok(Module {
        name,
        release: release.number,
        digest: release.digest.short(),
        tasks: tasks.collect(),
    })
}

/// Which module goes where.
fn laid_out(
    lang: Language,
    modules: Vec<Module>,
    output: Option<&Path>,
) -> anyhow::Result<Vec<File>> {
    // A folder that is there is one, whatever its name.
    let is_file =
        |it: &&Path| !it.is_dir() && it.extension().is_some_and(|it| it == lang.extension());
    let single = output.filter(is_file);
    if let Some(file) = single.filter(|_| modules.len() > 1) {
        let text = format!(
            "`{}` would be the file of {} modules: name one of them, or a folder",
            file.display(),
            modules.len()
        );
        return Err(Verdict::Usage(text).into());
    }
    let mut files: Vec<File> = Vec::new();
    for module in modules {
        let path = match (single, output) {
            (Some(file), _) => file.to_owned(),
            (None, Some(folder)) => folder.join(lang.file(&module.name)),
            (None, None) => PathBuf::from(lang.file(&module.name)),
        };
        if let Some(other) = files.iter().find(|it| it.path == path) {
            let text = format!(
                "`{}` would be the file of both `{}` and `{}`: write them one by one, each with its own `--output`",
                path.display(),
                other.module.name,
                module.name
            );
            return Err(Verdict::Usage(text).into());
        }
        let text = lang.stubs(&module);
        files.push(File { path, module, text });
    }
    Ok(files)
}

/// Somebody's own file is not written over, though it may speak of this command.
fn may_write(lang: Language, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let is_ours = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().take(HEAD).any(|it| it.contains(lang.mark()))
    };
    match std::fs::read(path) {
        Ok(bytes) if is_ours(&bytes) => Ok(()),
        Ok(_) => {
            let text = format!(
                "`{shown}` is there, and was not written by `lovage client`: remove it, or say another place with `--output`"
            );
            Err(Verdict::Usage(text).into())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Verdict::Usage(format!("cannot write `{shown}`: {e}")).into()),
    }
}

fn write(file: &File) -> anyhow::Result<()> {
    let path = file.path.as_path();
    // What is as it was keeps its time, so that nothing is built anew for it.
    if std::fs::read(path).is_ok_and(|it| it == file.text.as_bytes()) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    std::fs::write(path, &file.text).with_context(|| format!("cannot write `{}`", path.display()))
}
