//! JavaScript and TypeScript: packages by npm, among them the SDK, which has the build step.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use serde_json::Value;
use tokio::process::Command;

use super::output_in;
use super::tool::{Tools, answer, ask};
use crate::cli::exit::Verdict;

/// What the SDK runs on.
const OLDEST: (u32, u32) = (20, 6);
const SDK: &str = "@lovage/sdk";
/// The SDK's build step, from a project's folder.
const STEP: &str = "node_modules/@lovage/sdk/build.js";

pub(super) async fn build(
    tools: &Tools<'_>,
    folder: &Path,
    output: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let Manifest { name, local } = read(&folder.join("package.json"))?;
    let output = output_in(folder, &name, output);
    node().await?;
    let step = match step_of(folder) {
        // Of a workspace that this folder is a part of, and that its owner installs.
        Some(step) if !step.starts_with(folder) => step,
        _ => {
            install(tools, folder, local).await?;
            step_of(folder).ok_or_else(|| {
                let text = format!(
                    "`{SDK}` is not installed in `{}`: install the packages of `package.json`, with `npm install` or what you use instead",
                    folder.join("node_modules").display()
                );
                Verdict::Build(text)
            })?
        }
    };
    let mut command = Command::new("node");
    command.arg(step).arg(folder).arg("--output").arg(&output);
    tools.step("building the component", command).await?;
    Ok(output)
}

/// What a manifest says that has the SDK among its dependencies.
struct Manifest {
    /// The module's name.
    name: String,
    /// Whether the SDK is one in a folder.
    local: bool,
}

fn read(file: &Path) -> anyhow::Result<Manifest> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read `{shown}`"))?;
    let manifest: Value =
        serde_json::from_slice(&text).map_err(|e| Verdict::Build(format!("`{shown}`: {e}")))?;
    let lists = ["dependencies", "devDependencies", "peerDependencies"];
    let Some(sdk) = lists.iter().find_map(|it| manifest[*it].get(SDK)) else {
        let folder = file.parent().unwrap_or(Path::new(".")).display();
        let text =
            format!("`{shown}` does not depend on the SDK: run `npm install {SDK}` in `{folder}`");
        return Err(Verdict::Build(text).into());
    };
    let name = manifest["name"].as_str().unwrap_or_default();
    // Of `@scope/name`, the name.
    let name = name.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        let text = format!("`{shown}` has no `name`: it names the module");
        return Err(Verdict::Build(text).into());
    }
    Ok(Manifest {
        name: name.to_owned(),
        local: sdk.as_str().is_some_and(|it| it.starts_with("file:")),
    })
}

/// Whether there is a Node that is new enough.
async fn node() -> Result<(), Verdict> {
    let (major, minor) = OLDEST;
    let Some(said) = answer(ask(Path::new("node"), &["--version"]).await) else {
        return Err(Verdict::Build(format!(
            "there is no `node`: install Node.js {major}.{minor} or newer, which brings `npm` along"
        )));
    };
    let mut numbers = said
        .trim_start_matches('v')
        .split('.')
        .map(|it| it.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= OLDEST {
        return Ok(());
    }
    Err(Verdict::Build(format!(
        "`node` is {said}, and the SDK needs {major}.{minor} or newer: install one"
    )))
}

/// The SDK's build step, in this folder or in one that it lies in.
fn step_of(folder: &Path) -> Option<PathBuf> {
    let own = folder.join(STEP);
    if own.is_file() {
        return Some(own);
    }
    let whole = folder.canonicalize().ok()?;
    let mut above = whole.ancestors().skip(1).map(|it| it.join(STEP));
    above.find(|it| it.is_file())
}

/// Installs the packages where there are none, or older ones than the manifest says.
async fn install(tools: &Tools<'_>, folder: &Path, local: bool) -> anyhow::Result<()> {
    let at = |file: &str| changed(&folder.join(file));
    let (manifest, lock) = (at("package.json"), at("package-lock.json"));
    // What npm writes when it has installed; other tools have their own ways.
    let installed = at("node_modules/.package-lock.json");
    let others = installed.is_none() && step_of(folder).is_some();
    if others || installed.is_some_and(|it| Some(it) >= manifest.max(lock)) {
        return Ok(());
    }
    let npm = answer(ask(Path::new("npm"), &["--version"]).await);
    if npm.is_none() {
        let text = "there is no `npm`, which installs the packages: install it, as Node.js brings it along";
        return Err(Verdict::Build(text.into()).into());
    }
    // A lock that is older than the manifest may not say the same.
    let verb = if lock >= manifest { "ci" } else { "install" };
    let mut command = Command::new("npm");
    command
        .args([verb, "--no-audit", "--no-fund"])
        .current_dir(folder);
    if local {
        // Else npm would link to it, without the packages that it needs itself.
        command.arg("--install-links");
    }
    let what = format!("installing the packages of `package.json` (npm {verb})");
    Ok(tools.step(&what, command).await?)
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}
