//! Rust: cargo, for the target whose libraries a module links.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use figment::providers::{Format as _, Toml};
use serde_json::Value;

use super::output_in;
use super::tool::Tools;
use crate::cli::exit::Verdict;

const TARGET: &str = "wasm32-wasip2";

pub(super) async fn build(
    tools: &Tools<'_>,
    folder: &Path,
    output: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = Command::new("cargo");
    // There: a project's own `.cargo/config.toml` and `rust-toolchain.toml` count wherever it is
    // built from.
    cargo.current_dir(folder).args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    if tools.brief {
        cargo.arg("--quiet");
    }
    if let Some(rustc) = toolchain(folder)? {
        cargo.env("RUSTC", &rustc).env("PATH", path_with(&rustc)?);
    }
    let built = compile(cargo).await?;
    let output = output_in(folder, &name_of(&manifest, &built), output);
    std::fs::copy(&built, &output)
        .with_context(|| format!("cannot write the component `{}`", output.display()))?;
    Ok(output)
}

/// The module's name: the package's, where cargo has named the component after it. There
/// a `-` has become a `_`.
fn name_of(manifest: &Path, built: &Path) -> String {
    let stem = built.file_stem().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let manifest: Value = Toml::from_str(&text).unwrap_or_default();
    match manifest["package"]["name"].as_str() {
        Some(name) if name.replace('-', "_") == stem => name.to_owned(),
        _ => stem.into_owned(),
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
        None if !runs(Path::new("rustc")) => {
            let text = "there is no `rustc`: install Rust with rustup (https://rustup.rs)";
            Err(Verdict::Build(text.into()).into())
        }
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

/// Whether there is such a program.
fn runs(program: &Path) -> bool {
    let mut ask = Command::new(program);
    ask.arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ask.status().is_ok()
}

fn path_with(rustc: &Path) -> anyhow::Result<std::ffi::OsString> {
    let first = rustc.parent().unwrap_or(Path::new("/")).to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        std::iter::once(first).chain(std::env::split_paths(&rest)),
    )?)
}

/// Runs cargo; its own messages go to the terminal as they come.
async fn compile(cargo: Command) -> anyhow::Result<PathBuf> {
    let told = |e: std::io::Error| {
        Verdict::Build(format!("cannot run `cargo`: {e}; install Rust with rustup"))
    };
    let mut cargo = tokio::process::Command::from(cargo);
    let done = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(told)?;
    let done = done.wait_with_output().await?;
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
