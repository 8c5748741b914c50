//! A place with toolchains that are scripts of a few lines.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::site::{Ran, Site};

/// Python: an interpreter that is also that of the environments it makes.
const PYTHON: &str = r#"#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    *"import venv"*) exit "${NO_VENV:-0}" ;;
    *find_spec*) echo "${PYTHON:-3 12} ${SDK:-True}" ;;
    "-c "*) echo "${PYTHON:-3 12}" ;;
    "-m venv "*) /bin/mkdir -p "$3/bin" && /bin/cp "$0" "$3/bin/python" ;;
    *"pip install"*) [ -z "$NO_PIP" ] || { echo "ERROR: No matching distribution" >&2; exit 1; } ;;
    *lovage.build*)
        [ -z "$BROKEN" ] || { echo "a line before" >&2; echo "error: $BROKEN" >&2; exit 1; }
        echo component > "$6" ;;
esac
"#;

/// Node: it builds the component that the module's source names.
pub(super) const NODE: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo "v${NODE:-22.1.0}"; exit; }
echo "node $*" >> "$LOG"
read -r name < "$2/src/index.ts"
[ -f "$name" ] || { echo "error: \`src/index.ts\` names no component" >&2; exit 1; }
/bin/cp "$name" "$4"
"#;

const NPM: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo 10.0.0; exit; }
echo "npm $*" >> "$LOG"
[ -z "$NO_SDK" ] || { /bin/mkdir -p node_modules; exit; }
/bin/mkdir -p node_modules/@lovage/sdk
: > node_modules/@lovage/sdk/build.js
: > node_modules/.package-lock.json
[ -f package-lock.json ] || echo "{}" > package-lock.json
"#;

/// A site whose commands find these programs and no others.
pub(super) struct Workshop {
    pub(super) site: Site,
}

impl Workshop {
    pub(super) fn of(programs: &[(&str, &str)]) -> Self {
        let site = Site::sqlite();
        let bin = site.work().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
        for (name, script) in programs {
            let file = bin.join(name);
            std::fs::write(&file, script).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Workshop { site }
    }

    pub(super) fn python() -> Self {
        Self::of(&[("python3", PYTHON)])
    }

    pub(super) fn node() -> Self {
        Self::of(&[("node", NODE), ("npm", NPM)])
    }

    /// The variables of its commands, as `NAME=value`.
    pub(super) fn variables(&self) -> [String; 3] {
        let work = self.site.work();
        [
            format!("PATH={}", work.join("bin").display()),
            format!("LOG={}", work.join("log").display()),
            // An environment of whoever runs the tests is none of theirs.
            "VIRTUAL_ENV=".into(),
        ]
    }

    fn command(&self, args: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.site.command(args);
        for variable in self.variables() {
            let (name, value) = variable.split_once('=').unwrap();
            command.env(name, value);
        }
        command.envs(variables.iter().copied());
        command
    }

    pub(super) async fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        Ran::of(self.command(args, variables), b"").await
    }

    pub(super) async fn new_module(&self, name: &str, lang: &str) {
        self.run(&["new", name, "--lang", lang], &[]).await.ok();
    }

    pub(super) async fn build(&self, variables: &[(&str, &str)]) -> Ran {
        self.run(&["build", "hello"], variables).await
    }

    /// What the programs were asked for, since this was last looked at.
    pub(super) fn log(&self) -> String {
        let file = self.site.work().join("log");
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        log
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.site.work().join(file).exists()
    }
}
