//! `lovage build`: a module's source into a component.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::Context;
use super::exit::Verdict;
use crate::units::Size;

const TARGET: &str = "wasm32-wasip2";

/// Build a module into a component
///
/// It drives the language's own toolchain, here cargo for Rust, and writes
/// NAME.wasm into the folder.
#[derive(Debug, Args)]
pub(super) struct Build {
    /// The module's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the component goes [default: NAME.wasm in the folder]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let manifest = self.folder.join("Cargo.toml");
        if !manifest.is_file() {
            let text = format!(
                "`{}` holds no module that can be built: there is no `Cargo.toml` (`lovage new` makes one)",
                self.folder.display()
            );
            return Err(Verdict::Missing(text).into());
        }
        let mut cargo = Command::new("cargo");
        cargo.args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ]);
        cargo.arg("--manifest-path").arg(&manifest);
        if let Some(rustc) = toolchain(&self.folder)? {
            cargo.env("RUSTC", &rustc).env("PATH", path_with(&rustc)?);
        }
        let built = compile(&mut cargo)?;
        let output = match self.output {
            Some(output) => output,
            None => self.folder.join(built.file_name().unwrap_or_default()),
        };
        let size = std::fs::copy(&built, &output)
            .with_context(|| format!("cannot write the component `{}`", output.display()))?;
        let json = json!({"component": output, "size": size});
        context.out.print(&json, || {
            format!("built `{}` ({})", output.display(), Size(size))
        })
    }
}

/// The compiler to use where the usual one cannot build for the target: the one
/// that the set-up script unpacked.
fn toolchain(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if has_target(Path::new("rustc"), folder) {
        return Ok(None);
    }
    let unpacked = std::env::var_os("LOVAGE_WASM_RUSTC")
        .map(PathBuf::from)
        .or_else(|| {
            Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/lovage/wasm-rustc"))
        });
    match unpacked
        .map(|dir| dir.join("bin/rustc"))
        .filter(|rustc| has_target(rustc, folder))
    {
        Some(rustc) => Ok(Some(rustc)),
        None => {
            let text = format!(
                "rustc cannot build for `{TARGET}`: install the target with `rustup target add {TARGET}`"
            );
            Err(Verdict::Build(text).into())
        }
    }
}

/// Whether a rustc has the target's standard library.
fn has_target(rustc: &Path, folder: &Path) -> bool {
    let mut ask = Command::new(rustc);
    ask.current_dir(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null());
    let Ok(answer) = ask.output() else {
        return false;
    };
    let libs = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let Ok(mut files) = std::fs::read_dir(libs) else {
        return false;
    };
    files.any(|file| file.is_ok_and(|it| it.file_name().to_string_lossy().starts_with("libstd-")))
}

fn path_with(rustc: &Path) -> anyhow::Result<std::ffi::OsString> {
    let first = rustc.parent().unwrap_or(Path::new("/")).to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        std::iter::once(first).chain(std::env::split_paths(&rest)),
    )?)
}

/// Runs cargo; its own messages go to the terminal as they come.
fn compile(cargo: &mut Command) -> anyhow::Result<PathBuf> {
    let told = |e: std::io::Error| {
        Verdict::Build(format!("cannot run `cargo`: {e}; install Rust with rustup"))
    };
    let done = cargo
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(told)?;
    let done = done.wait_with_output()?;
    if !done.status.success() {
        return Err(Verdict::Build("the build failed; cargo's messages are above".into()).into());
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    let artifact = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| {
            message["target"]["kind"]
                .as_array()
                .is_some_and(|it| it.iter().any(|k| k == "cdylib"))
        })
        .filter_map(|message| {
            Some(PathBuf::from(
                message["filenames"]
                    .as_array()?
                    .iter()
                    .find_map(|file| file.as_str().filter(|file| file.ends_with(".wasm")))?,
            ))
        })
        .next_back();
    artifact.ok_or_else(|| {
        let text =
            "cargo built no component: a module needs `crate-type = [\"cdylib\"]` under `[lib]`";
        Verdict::Build(text.into()).into()
    })
}
