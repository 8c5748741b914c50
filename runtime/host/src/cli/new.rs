//! `lovage new`: a small project that one would keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lovage_queue::task::check_name;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::language::Language;
use super::template::{self, Words};

/// Make a new module
///
/// A folder with a task, its test, a README, and all that `lovage build` needs.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The module's name, and the folder's
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// Where the folder goes [default: here]
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    into: PathBuf,
    /// Use the language's SDK in this folder instead of the published one
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = check_name(&self.name, "module")?;
        let lang = self.lang;
        let identifier = lang.identifier(name).ok_or_else(|| {
            let text = format!(
                "{} can name no module `{name}`: choose another name",
                lang.name()
            );
            Verdict::Usage(text)
        })?;
        // No `./` before what is to be typed again.
        let folder = match self.into.as_path() {
            here if here == Path::new(".") => PathBuf::from(name),
            into => into.join(name),
        };
        if folder.exists() {
            let text = format!(
                "`{}` exists already: choose another name, or remove it",
                folder.display()
            );
            return Err(Verdict::Usage(text).into());
        }
        let sdk = self.sdk.as_deref().map(|it| sdk_in(it, lang)).transpose()?;
        let words = Words {
            name,
            identifier: &identifier,
            sdk: &template::dependency(lang, sdk.as_deref())?,
        };
        template::write(lang, &folder, &words)
            .with_context(|| format!("cannot write `{}`", folder.display()))?;
        let json = json!({"module": name, "folder": folder, "language": lang.name()});
        context.out.print(&json, || next_steps(lang, name, &folder))
    }
}

/// What to type next, in the language's own way where it has one.
fn next_steps(lang: Language, name: &str, folder: &Path) -> String {
    let folder = folder.display();
    let first = match lang {
        Language::Rust => "",
        Language::Python => "    # makes `.venv` with the SDK, where there is none\n",
        Language::Js | Language::Ts => "    # runs `npm install` first\n",
    };
    let mut text = format!("made `{folder}`\n\n{first}");
    let _ = writeln!(text, "    lovage build {folder}");
    let _ = writeln!(text, "    lovage push {folder}/{name}.wasm");
    let _ = write!(text, "    lovage call {name}.greet name=World --wait");
    text
}

/// The whole path of a folder with the language's SDK.
fn sdk_in(path: &Path, lang: Language) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    let folder = std::fs::canonicalize(path).ok().filter(|it| it.is_dir());
    let told = || Verdict::Missing(format!("there is no folder `{shown}`"));
    let folder = folder.ok_or_else(told)?;
    let manifest = lang.manifest();
    if !folder.join(manifest).is_file() {
        let text = format!(
            "`{shown}` holds no SDK for {}: it has no `{manifest}`",
            lang.name()
        );
        return Err(Verdict::Missing(text).into());
    }
    Ok(folder)
}
