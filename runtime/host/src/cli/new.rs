//! `lovage new`: a small project that one would keep.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lovage_queue::task::check_name;
use serde_json::json;

use super::Context;
use super::exit::Verdict;

const FILES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("README.md", include_str!("template/README.md.in")),
    (".gitignore", "/target\n/*.wasm\n"),
];

/// Make a new module
///
/// A folder with a task, its test, a README, and all that `lovage build` needs.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The module's name, and the folder's
    name: String,
    /// Where the folder goes [default: here]
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    into: PathBuf,
    /// Use the SDK in this folder instead of the published one
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = check_name(&self.name, "module")?;
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
        let sdk = match &self.sdk {
            Some(path) => format!("path = {:?}", absolute(path)?),
            None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
        };
        write_all(&folder, name, &sdk)
            .with_context(|| format!("cannot write `{}`", folder.display()))?;
        let json = json!({"module": name, "folder": folder});
        context.out.print(&json, || {
            let folder = folder.display();
            let mut text = format!("made `{folder}`\n\n");
            let _ = writeln!(text, "    lovage build {folder}");
            let _ = writeln!(text, "    lovage push {folder}/{name}.wasm");
            let _ = write!(text, "    lovage call {name}.greet name=World --wait");
            text
        })
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let told = || Verdict::Missing(format!("there is no folder `{}`", path.display()));
    Ok(std::fs::canonicalize(path).map_err(|_| told())?)
}

fn write_all(folder: &Path, name: &str, sdk: &str) -> std::io::Result<()> {
    // Rust's own name for it, where it holds a `-`.
    let identifier = name.replace('-', "_");
    for (file, text) in FILES {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let text = text
            .replace("@NAME@", name)
            .replace("@IDENTIFIER@", &identifier)
            .replace("@SDK@", sdk);
        std::fs::write(path, text)?;
    }
    Ok(())
}
