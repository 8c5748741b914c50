//! What `lovage new` writes and `lovage build` drives, with toolchains that are scripts of
//! a few lines: the real ones have tests of their own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::site::{Ran, Site, text};

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
const NODE: &str = r#"#!/bin/sh
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
pub(super) struct Bench {
    pub(super) site: Site,
}

impl Bench {
    fn of(programs: &[(&str, &str)]) -> Self {
        let site = Site::sqlite();
        let bin = site.work().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/sh", bin.join("sh")).unwrap();
        for (name, script) in programs {
            let file = bin.join(name);
            std::fs::write(&file, script).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Bench { site }
    }

    fn python() -> Self {
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

    async fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        Ran::of(self.command(args, variables), b"").await
    }

    pub(super) async fn new_module(&self, name: &str, lang: &str) {
        self.run(&["new", name, "--lang", lang], &[]).await.ok();
    }

    async fn build(&self, variables: &[(&str, &str)]) -> Ran {
        self.run(&["build", "hello"], variables).await
    }

    /// What the programs were asked for, since this was last looked at.
    fn log(&self) -> String {
        let file = self.site.work().join("log");
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        log
    }

    fn has(&self, file: &str) -> bool {
        self.site.work().join(file).exists()
    }
}

/// All files of a folder, with their texts.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = text(path.strip_prefix(folder).unwrap()).to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn each_language_has_its_project() {
    let bench = Bench::of(&[]);
    let sdk = bench.site.work().join("an sdk");
    std::fs::create_dir(&sdk).unwrap();
    for (lang, manifest, source, local) in [
        ("rust", "Cargo.toml", "src/lib.rs", "path = \"/"),
        (
            "python",
            "pyproject.toml",
            "src/hello_you.py",
            "lovage-sdk @ file:///",
        ),
        ("js", "package.json", "src/index.js", "\"file:/"),
        ("ts", "package.json", "src/index.ts", "\"file:/"),
    ] {
        let into = format!("{lang}-published");
        let args = ["new", "hello-you", "--lang", lang, "--into", &into];
        let made = bench.run(&args, &[]).await.ok();
        let call = "lovage call hello-you.greet name=World --wait";
        for said in [&format!("lovage build {into}/hello-you"), call] {
            assert!(made.out.contains(said), "{lang}: {made:?}");
        }
        let into = format!("{lang}-local");
        let args = [
            "new",
            "hello-you",
            "--lang",
            lang,
            "--into",
            &into,
            "--sdk",
            "an sdk",
        ];
        bench.run(&args, &[]).await.ok();
        for (kind, dependency) in [("published", env!("CARGO_PKG_VERSION")), ("local", local)] {
            let folder = bench.site.work().join(format!("{lang}-{kind}/hello-you"));
            let files = files(&folder);
            let text_of = |name: &str| {
                let file = files.iter().find(|(it, _)| it == name);
                &file
                    .unwrap_or_else(|| panic!("{lang}: no `{name}`: {files:?}"))
                    .1
            };
            assert!(text_of(manifest).contains("hello-you"), "{lang}");
            assert!(
                text_of(manifest).contains(dependency),
                "{lang}: {}",
                text_of(manifest)
            );
            assert!(text_of(source).contains("Greets somebody."), "{lang}");
            assert!(
                text_of("README.md").contains("lovage push hello-you.wasm"),
                "{lang}"
            );
            assert!(text_of(".gitignore").contains(".wasm"), "{lang}");
            for (name, text) in &files {
                for place in ["@NAME@", "@IDENTIFIER@", "@SDK@"] {
                    assert!(
                        !text.contains(place) && !name.contains(place),
                        "{lang} {name}"
                    );
                }
            }
        }
    }
    let args = ["new", "class", "--lang", "python"];
    let named = bench.run(&args, &[]).await;
    named.fails(2, &["Python can name no module `class`"]);
}

#[tokio::test]
async fn python_is_built_in_an_environment_of_its_own() {
    let bench = Bench::python();
    bench.new_module("hello", "python").await;
    let built = bench.build(&[]).await.ok();
    assert_eq!(built.out, "built `hello/hello.wasm` (10B)\n");
    for step in [
        "making the virtual environment `hello/.venv`: ",
        "installing the dependencies of `pyproject.toml`: ",
        "building the component: ",
    ] {
        assert!(built.err.contains(step), "{built:?}");
    }
    let log = bench.log();
    assert!(log.contains("-- lovage-sdk~="), "{log}");
    // What is installed stays, until the manifest says something else.
    bench.build(&[]).await.ok();
    assert!(!bench.log().contains("pip"), "nothing has changed");
    let manifest = bench.site.work().join("hello/pyproject.toml");
    let more = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("[\"lovage", "[\"six\", \"lovage");
    std::fs::write(&manifest, more).unwrap();
    bench.build(&[]).await.ok();
    let log = bench.log();
    assert!(
        log.contains("-- six lovage-sdk") && !log.contains("-m venv"),
        "{log}"
    );
}

#[tokio::test]
async fn an_environment_of_the_authors_is_used_and_never_changed() {
    let bench = Bench::python();
    bench.new_module("hello", "python").await;
    let own = bench.site.work().join("own/bin");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::copy(bench.site.work().join("bin/python3"), own.join("python")).unwrap();
    let own = text(own.parent().unwrap()).to_owned();
    bench.build(&[("VIRTUAL_ENV", &own)]).await.ok();
    assert!(!bench.has("hello/.venv"));
    let log = bench.log();
    assert!(!log.contains("pip install"), "{log}");
    for (variables, said) in [
        (
            [("VIRTUAL_ENV", own.as_str()), ("SDK", "False")],
            "-m pip install lovage-sdk",
        ),
        (
            [("VIRTUAL_ENV", &own), ("PYTHON", "3 9")],
            "has Python 3.9, and the SDK needs 3.11",
        ),
        (
            [("VIRTUAL_ENV", "/nowhere"), ("SDK", "True")],
            "run `deactivate`",
        ),
    ] {
        bench.build(&variables).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn what_python_lacks_is_said() {
    let bench = Bench::of(&[]);
    bench.new_module("hello", "python").await;
    bench
        .build(&[])
        .await
        .fails(5, &["there is no `python3`: install Python 3.11"]);
    let bench = Bench::python();
    bench.new_module("hello", "python").await;
    for (variable, said) in [
        (
            ("PYTHON", "3 9"),
            "`python3` is Python 3.9, and the SDK needs 3.11 or newer",
        ),
        (("NO_VENV", "1"), "`apt install python3-venv`"),
    ] {
        bench.build(&[variable]).await.fails(5, &[said]);
        assert!(!bench.has("hello/.venv"), "{said}");
    }
    let failed = bench.build(&[("NO_PIP", "1")]).await;
    let failed = failed.fails(
        5,
        &["installing the dependencies of `pyproject.toml` failed"],
    );
    assert!(
        failed.err.contains("ERROR: No matching distribution"),
        "{failed:?}"
    );
    // What was interrupted is gone on with; the SDK's own reason is ours.
    let broken = bench
        .build(&[("BROKEN", "`hello.py` exports no task")])
        .await;
    let broken = broken.fails(5, &["error: `hello.py` exports no task", "a line before"]);
    assert!(bench.log().contains("pip install"), "{broken:?}");
    let quiet = bench
        .run(&["build", "hello", "--verbose"], &[("BROKEN", "no")])
        .await;
    assert_eq!(quiet.err.matches("a line before").count(), 1, "{quiet:?}");
    for (manifest, said) in [
        (
            "[project]\nname = \"hello\"\n",
            "does not depend on the SDK: add `lovage-sdk`",
        ),
        (
            "[project]\ndependencies = []\n",
            "has no `name` under `[project]`",
        ),
        ("no manifest", "`hello/pyproject.toml`: "),
    ] {
        bench.site.write("hello/pyproject.toml", manifest);
        bench.build(&[]).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn packages_are_installed_where_they_are_older_than_the_manifest() {
    let bench = Bench::node();
    bench.new_module("hello", "ts").await;
    bench.site.write("hello/src/index.ts", "component\n");
    bench.site.write("component", "0123456789");
    let built = bench.build(&[]).await.ok();
    assert_eq!(built.out, "built `hello/hello.wasm` (10B)\n");
    assert!(bench.log().contains("npm install --no-audit"));
    bench.build(&[]).await.ok();
    assert!(!bench.log().contains("npm"), "nothing has changed");
    // With a lock that is as new as the manifest, what it says is installed.
    std::fs::remove_dir_all(bench.site.work().join("hello/node_modules")).unwrap();
    let json = bench.run(&["build", "hello", "--json"], &[]).await.ok();
    assert_eq!(json.json()["size"], 10);
    assert!(bench.log().contains("npm ci"));
    let manifest = bench.site.work().join("hello/package.json");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let open = std::fs::File::options().append(true).open(&manifest);
    open.unwrap().set_modified(later).unwrap();
    bench.build(&[]).await.ok();
    assert!(bench.log().contains("npm install"));
}

#[tokio::test]
async fn what_node_lacks_is_said() {
    let bench = Bench::of(&[]);
    bench.new_module("hello", "js").await;
    bench
        .build(&[])
        .await
        .fails(5, &["there is no `node`: install Node.js 20.6 or newer"]);
    let bench = Bench::of(&[("node", NODE)]);
    bench.new_module("hello", "js").await;
    bench.build(&[]).await.fails(5, &["there is no `npm`"]);
    let old = bench.build(&[("NODE", "18.20.1")]).await;
    old.fails(5, &["`node` is v18.20.1, and the SDK needs 20.6 or newer"]);
    let bench = Bench::node();
    bench.new_module("hello", "ts").await;
    let without = bench.build(&[("NO_SDK", "1")]).await;
    without.fails(
        5,
        &["`@lovage/sdk` is not installed in `hello/node_modules`"],
    );
    bench.site.write("hello/src/index.ts", "nothing\n");
    bench
        .build(&[])
        .await
        .fails(5, &["error: `src/index.ts` names no component"]);
    for (manifest, said) in [
        (
            "{\"name\": \"hello\"}",
            "run `npm install @lovage/sdk` in `hello`",
        ),
        (
            "{\"dependencies\": {\"@lovage/sdk\": \"1\"}}",
            "has no `name`",
        ),
        ("{", "`hello/package.json`: EOF"),
    ] {
        bench.site.write("hello/package.json", manifest);
        bench.build(&[]).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn what_a_folder_holds_is_told_by_its_manifest() {
    let bench = Bench::node();
    bench
        .build(&[])
        .await
        .fails(4, &["there is no folder `hello`: `lovage new` makes one"]);
    bench.new_module("hello", "ts").await;
    bench.site.write("hello/src/index.ts", "nothing\n");
    bench.site.write("hello/pyproject.toml", "");
    let both = bench.build(&[]).await;
    both.fails(
        2,
        &[
            "`hello` holds `pyproject.toml` and `package.json`",
            "`--lang`",
        ],
    );
    bench
        .run(&["build", "hello", "--lang", "ts"], &[])
        .await
        .fails(5, &["names no component"]);
    let other = bench.run(&["build", "hello", "--lang", "rust"], &[]).await;
    other.fails(4, &["there is no `Cargo.toml` in `hello`"]);
    let file = bench.run(&["build", "hello/package.json"], &[]).await;
    file.fails(4, &["`hello/package.json` is no folder"]);
    let none = bench.run(&["build", "bin"], &[]).await;
    none.fails(
        4,
        &[
            "`bin` holds no module that can be built",
            "`lovage new` makes one",
        ],
    );
    // Without a compiler, that is the first thing to say of Rust.
    bench.new_module("of-rust", "rust").await;
    let rust = bench
        .run(&["build", "of-rust"], &[("LOVAGE_WASM_RUSTC", "/nowhere")])
        .await;
    rust.fails(5, &["there is no `rustc`: install Rust with rustup"]);
}
