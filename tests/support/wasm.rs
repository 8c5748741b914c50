//! Modules that a guest toolchain compiles.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs its arguments in the environment that the set-up script prints.
const SET_UP: &str = r#"env=$("$0") && eval "$env" && exec "$@""#;

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The same command where task modules can be compiled. Where they cannot, the
/// script fails it and says what to install.
pub(crate) fn set_up(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", SET_UP])
        .arg(root().join("scripts/wasm-rustc"));
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}

/// The components of `examples/`. Built when a test is the first to ask: cargo
/// itself sees to it that all the others, in whatever process, wait and find
/// them built.
pub(crate) struct Examples {
    /// Where cargo puts what it builds for them.
    pub(crate) target: PathBuf,
    folder: PathBuf,
}

impl Examples {
    pub(crate) fn build() -> Self {
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--locked",
                "--release",
                "--target",
                "wasm32-wasip2",
            ])
            .arg("--message-format=json-render-diagnostics")
            .arg("--manifest-path")
            .arg(root().join("examples/Cargo.toml"));
        let built = set_up(&cargo).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "the examples cannot be built:\n{said}"
        );
        let out = String::from_utf8_lossy(&built.stdout);
        let component = out
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|it| {
                Some(PathBuf::from(
                    it["filenames"].as_array()?.first()?.as_str()?,
                ))
            })
            .find(|path| path.ends_with("wasm32-wasip2/release/images.wasm"))
            .expect("cargo tells where it put the component");
        Examples {
            target: component.ancestors().nth(3).unwrap().to_owned(),
            folder: component.parent().unwrap().to_owned(),
        }
    }

    pub(crate) fn component(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.wasm"))
    }
}
