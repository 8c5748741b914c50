//! Python: a virtual environment with the SDK, which has the build step.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use figment::providers::{Format as _, Toml};
use lovage_queue::registry::Digest;
use serde::Deserialize;
use tokio::process::Command;

use super::output_in;
use super::tool::{Tools, answer, ask};
use crate::cli::exit::Verdict;

/// What the SDK runs on.
const OLDEST: (u32, u32) = (3, 11);
/// What may be Python, the machine's own choice first.
const PYTHONS: [&str; 5] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
];
/// Prints the version, and whether the SDK's build step is there.
const PROBE: &str = "import sys
from importlib.util import find_spec
print(*sys.version_info[:2], find_spec('lovage') is not None and find_spec('lovage.build') is not None)";
/// In an environment that was made here: the digest of the manifest that was installed.
const STAMP: &str = ".lovage-installed";

#[derive(Deserialize)]
struct Manifest {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    name: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

pub(super) async fn build(
    tools: &Tools<'_>,
    folder: &Path,
    output: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let file = folder.join("pyproject.toml");
    let project = read(&file)?;
    let name = project.name.as_deref().unwrap_or_default();
    let output = output_in(folder, name, output);
    let python = environment(tools, folder, &file, &project).await?;
    let mut command = Command::new(&python);
    // Without the working folder among what is imported: a module of the author's may
    // have a name that the build step needs.
    command.args(["-P", "-m", "lovage.build"]).arg(folder);
    command.arg("--output").arg(&output);
    if let Some(environment) = python.ancestors().nth(2) {
        command.env("VIRTUAL_ENV", absolute(environment)?);
    }
    tools.step("building the component", command).await?;
    Ok(output)
}

/// Reads the manifest: it has a name and the SDK.
fn read(file: &Path) -> anyhow::Result<Project> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{shown}`"))?;
    let manifest: Manifest =
        Toml::from_str(&text).map_err(|e| Verdict::Build(format!("`{shown}`: {e}")))?;
    let project = manifest.project.filter(|it| it.name.is_some());
    let project = project.ok_or_else(|| {
        Verdict::Build(format!(
            "`{shown}` has no `name` under `[project]`: it names the module"
        ))
    })?;
    if !project.dependencies.iter().any(|it| is_sdk(it)) {
        let text = format!(
            "`{shown}` does not depend on the SDK: add `lovage-sdk` to `dependencies` under `[project]`"
        );
        return Err(Verdict::Build(text).into());
    }
    Ok(project)
}

/// Whether a requirement is one of the SDK; `-`, `_` and `.` are the same in a package's name.
fn is_sdk(requirement: &str) -> bool {
    let belongs = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let requirement = requirement.trim();
    let end = requirement
        .find(|c| !belongs(c))
        .unwrap_or(requirement.len());
    let name = requirement[..end].to_ascii_lowercase();
    name.replace(['_', '.'], "-") == "lovage-sdk"
}

/// The interpreter of the environment to build in: the active one, or that in the folder,
/// which is made where there is none.
async fn environment(
    tools: &Tools<'_>,
    folder: &Path,
    manifest: &Path,
    project: &Project,
) -> anyhow::Result<PathBuf> {
    let active = std::env::var_os("VIRTUAL_ENV").filter(|it| !it.is_empty());
    if let Some(active) = active.map(PathBuf::from) {
        let python = active.join("bin/python");
        if !python.exists() {
            let text = format!(
                "there is no Python in the virtual environment `{}` (VIRTUAL_ENV): run `deactivate`, or make it anew",
                active.display()
            );
            return Err(Verdict::Build(text).into());
        }
        return ready(python, &active, "VIRTUAL_ENV").await;
    }
    let own = folder.join(".venv");
    let python = own.join("bin/python");
    let stamp = own.join(STAMP);
    // Somebody else's environment is never changed.
    if python.exists() && !stamp.exists() {
        return ready(python, &own, "made by you").await;
    }
    let wanted = Digest::of(&std::fs::read(manifest)?).to_string();
    if std::fs::read_to_string(&stamp).is_ok_and(|it| it == wanted) && python.exists() {
        return Ok(python);
    }
    if !python.exists() {
        create(tools, &own, &stamp).await?;
    }
    install(tools, folder, &python, project).await?;
    std::fs::write(&stamp, wanted)?;
    ready(python, &own, "made by `lovage build`").await
}

/// Holds an environment to what the build step needs.
async fn ready(python: PathBuf, folder: &Path, whose: &str) -> anyhow::Result<PathBuf> {
    let folder = folder.display();
    let (version, has_sdk) = probe(&python).await.ok_or_else(|| {
        Verdict::Build(format!(
            "`{}` does not answer: remove `{folder}` and build again",
            python.display()
        ))
    })?;
    let text = if version < OLDEST {
        format!(
            "`{folder}` ({whose}) has Python {}.{}, and the SDK needs {}.{} or newer: make the environment anew with such a one",
            version.0, version.1, OLDEST.0, OLDEST.1
        )
    } else if !has_sdk {
        format!(
            "the SDK is not installed in `{folder}` ({whose}): run `{} -m pip install lovage-sdk`, or remove or deactivate the environment, and `lovage build` makes one",
            python.display()
        )
    } else {
        return Ok(python);
    };
    Err(Verdict::Build(text).into())
}

async fn probe(python: &Path) -> Option<((u32, u32), bool)> {
    let text = answer(ask(python, &["-P", "-c", PROBE]).await)?;
    let mut words = text.split_whitespace();
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((version, words.next()? == "True"))
}

/// Makes a virtual environment with the first Python that is new enough.
async fn create(tools: &Tools<'_>, folder: &Path, stamp: &Path) -> anyhow::Result<()> {
    let python = interpreter().await?;
    let has_venv = ask(Path::new(python), &["-c", "import venv, ensurepip"]).await;
    if !has_venv.is_some_and(|it| it.status.success()) {
        let text = format!(
            "`{python}` cannot make a virtual environment: its modules `venv` and `ensurepip` are missing; on Debian and Ubuntu, `apt install python3-venv` has them"
        );
        return Err(Verdict::Build(text).into());
    }
    // What is interrupted from here on is gone on with, since it is known to be ours.
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(stamp, ""))
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let mut command = Command::new(python);
    command.args(["-m", "venv"]).arg(folder);
    let what = format!("making the virtual environment `{}`", folder.display());
    Ok(tools.step(&what, command).await?)
}

/// The first Python that is new enough.
async fn interpreter() -> Result<&'static str, Verdict> {
    let mut old = None;
    for python in PYTHONS {
        let asked = ask(
            Path::new(python),
            &["-c", "import sys; print(*sys.version_info[:2])"],
        );
        let Some(text) = answer(asked.await) else {
            continue;
        };
        let mut words = text.split_whitespace().map(|it| it.parse().unwrap_or(0));
        let version = (words.next().unwrap_or(0), words.next().unwrap_or(0));
        if version >= OLDEST {
            return Ok(python);
        }
        old = old.or(Some((python, version)));
    }
    let (major, minor) = OLDEST;
    Err(Verdict::Build(match old {
        Some((python, version)) => format!(
            "`{python}` is Python {}.{}, and the SDK needs {major}.{minor} or newer: install one, as `python{major}.{minor}` or so",
            version.0, version.1
        ),
        None => format!("there is no `python3`: install Python {major}.{minor} or newer"),
    }))
}

/// Installs what the manifest names.
async fn install(
    tools: &Tools<'_>,
    folder: &Path,
    python: &Path,
    project: &Project,
) -> anyhow::Result<()> {
    let mut command = Command::new(absolute(python)?);
    command.args(["-m", "pip", "install", "--disable-pip-version-check"]);
    // A requirement may begin with what looks like a flag.
    command.arg("--").args(&project.dependencies);
    // Paths in requirements are those of the project.
    command.current_dir(folder);
    let what = "installing the dependencies of `pyproject.toml`";
    Ok(tools.step(what, command).await?)
}

/// The absolute path, with links left as they are: an environment is known by where it is.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot find `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_known_however_it_is_written() {
        for it in [
            "lovage-sdk",
            "Lovage_SDK==0.1.0",
            "lovage.sdk[x]>=1",
            " lovage-sdk @ file:///a",
        ] {
            assert!(is_sdk(it), "{it}");
        }
        for it in ["lovage", "lovage-sdk-extra", "", "x lovage-sdk"] {
            assert!(!is_sdk(it), "{it}");
        }
    }
}
