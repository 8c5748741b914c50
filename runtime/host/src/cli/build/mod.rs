//! `lovage build`: a module's source into a component.
//!
//! # Layout
//! - this file: the command, and what a folder holds
//! - `rust`, `python`, `js`: what drives each language's own toolchain
//! - `tool`: programs that are run, and what is shown of them
//! - `watch`, `sources`: again whenever a source file changes

mod js;
mod python;
mod rust;
mod sources;
mod tool;
mod watch;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use self::tool::Tools;
use super::Context;
use super::exit::Verdict;
use super::language::Language;
use crate::units::Size;

/// Build a module into a component
///
/// It drives the language's own toolchain, which the folder's manifest tells: cargo for
/// Rust (Cargo.toml), Python with the SDK in a virtual environment (pyproject.toml), Node
/// with npm for JavaScript and TypeScript (package.json). It installs what the manifest
/// names, where that is not there yet, and writes NAME.wasm into the folder.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The module's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the component goes [default: NAME.wasm in the folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What it is written in, where the folder has manifests of several languages
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<Language>,
    /// Show all that the toolchain says
    #[arg(long, short)]
    verbose: bool,
    /// Build it again whenever a source file changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Push it each time that it was built
    #[arg(long, requires = "watch")]
    push: bool,
    /// Grant it all that it wants, with each push
    #[arg(long, requires = "push")]
    grant: bool,
}

/// A component that was built.
struct Built {
    component: PathBuf,
    size: u64,
}

impl Build {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.watch {
            return watch::run(&self, context).await;
        }
        let built = self
            .once(&Tools::new(&context.out, self.verbose, false))
            .await?;
        let json = json!({"component": built.component, "size": built.size});
        context.out.print(&json, || told(&built))
    }

    /// Builds what the folder holds now.
    async fn once(&self, tools: &Tools<'_>) -> anyhow::Result<Built> {
        let (folder, output) = (self.folder.as_path(), self.output.as_deref());
        output.map_or(Ok(()), ready)?;
        let component = match kind_of(folder, self.lang)? {
            Kind::Rust => rust::build(tools, folder, output).await?,
            Kind::Python => python::build(tools, folder, output).await?,
            Kind::Js => js::build(tools, folder, output).await?,
        };
        let size = std::fs::metadata(&component)
            .with_context(|| format!("cannot read the component `{}`", component.display()))?
            .len();
        Ok(Built { component, size })
    }
}

fn told(built: &Built) -> String {
    format!(
        "built `{}` ({})",
        built.component.display(),
        Size(built.size)
    )
}

/// Whose toolchain builds a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rust,
    Python,
    Js,
}

/// Each kind, by one of its languages.
const KINDS: [(Kind, Language); 3] = [
    (Kind::Rust, Language::Rust),
    (Kind::Python, Language::Python),
    (Kind::Js, Language::Js),
];

impl From<Language> for Kind {
    fn from(lang: Language) -> Self {
        match lang {
            Language::Rust => Kind::Rust,
            Language::Python => Kind::Python,
            Language::Js | Language::Ts => Kind::Js,
        }
    }
}

/// What a folder holds: what was said, or else what its one manifest tells.
fn kind_of(folder: &Path, said: Option<Language>) -> anyhow::Result<Kind> {
    let shown = folder.display();
    if !folder.is_dir() {
        let text = match folder.exists() {
            true => format!("`{shown}` is no folder: name the one that the module's source is in"),
            false => format!("there is no folder `{shown}`: `lovage new` makes one"),
        };
        return Err(Verdict::Missing(text).into());
    }
    let manifests = KINDS.map(|(kind, language)| (kind, language.manifest()));
    let there = manifests.into_iter();
    let there: Vec<_> = there.filter(|(_, it)| folder.join(it).is_file()).collect();
    if let Some(language) = said {
        let (kind, manifest) = (Kind::from(language), language.manifest());
        return match there.iter().any(|it| it.0 == kind) {
            true => Ok(kind),
            false => Err(Verdict::Missing(format!("there is no `{manifest}` in `{shown}`")).into()),
        };
    }
    match there.as_slice() {
        [(kind, _)] => Ok(*kind),
        [] => {
            let known = manifests.map(|(_, it)| format!("`{it}`")).join(", ");
            let text = format!(
                "`{shown}` holds no module that can be built: there is none of {known} (`lovage new` makes one)"
            );
            Err(Verdict::Missing(text).into())
        }
        several => {
            let several: Vec<_> = several.iter().map(|(_, it)| format!("`{it}`")).collect();
            let text = format!(
                "`{shown}` holds {}: say which of them the module is with `--lang`",
                several.join(" and ")
            );
            Err(Verdict::Usage(text).into())
        }
    }
}

/// Makes the place of a component that somebody has named: nothing but a component is written
/// over.
fn ready(output: &Path) -> anyhow::Result<()> {
    let shown = output.display();
    let refused = |text: String| Err(Verdict::Usage(text).into());
    if output.is_dir() {
        return refused(format!(
            "`{shown}` is a folder: name a file in it, as in `{}`",
            output.join("NAME.wasm").display()
        ));
    }
    let mut begin = Vec::new();
    if let Ok(file) = std::fs::File::open(output) {
        let read = file.take(4).read_to_end(&mut begin);
        read.with_context(|| format!("cannot read `{shown}`"))?;
    }
    if !begin.is_empty() && begin != b"\0asm" {
        return refused(format!(
            "`{shown}` is no component, and would be written over: name another file"
        ));
    }
    match output.parent() {
        Some(folder) => std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display())),
        None => Ok(()),
    }
}

/// Where a component goes: where somebody said, or `NAME.wasm` in the folder.
fn output_in(folder: &Path, name: &str, said: Option<&Path>) -> PathBuf {
    match said {
        Some(output) => output.to_owned(),
        // No `./` before what is to be typed again.
        None if folder == Path::new(".") => PathBuf::from(format!("{name}.wasm")),
        None => folder.join(format!("{name}.wasm")),
    }
}
