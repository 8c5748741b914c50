//! What `lovage new` writes and `lovage build` drives, with toolchains that are scripts of
//! a few lines: the real ones have tests of their own.

use std::path::Path;

use super::workshop::{NODE, Workshop};
use crate::support::site::text;

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
    let workshop = Workshop::of(&[]);
    let sdk = workshop.site.work().join("an sdk");
    std::fs::create_dir(&sdk).unwrap();
    for manifest in ["Cargo.toml", "pyproject.toml", "package.json"] {
        std::fs::write(sdk.join(manifest), "").unwrap();
    }
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
        let made = workshop.run(&args, &[]).await.ok();
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
        workshop.run(&args, &[]).await.ok();
        for (kind, dependency) in [("published", env!("CARGO_PKG_VERSION")), ("local", local)] {
            let folder = workshop
                .site
                .work()
                .join(format!("{lang}-{kind}/hello-you"));
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
    let named = workshop.run(&args, &[]).await;
    named.fails(2, &["Python can name no module `class`"]);
}

#[tokio::test]
async fn python_is_built_in_an_environment_of_its_own() {
    let workshop = Workshop::python();
    workshop.new_module("hello", "python").await;
    let built = workshop.build(&[]).await.ok();
    assert_eq!(built.out, "built `hello/hello.wasm` (10B)\n");
    for step in [
        "making the virtual environment `hello/.venv`: ",
        "installing the dependencies of `pyproject.toml`: ",
        "building the component: ",
    ] {
        assert!(built.err.contains(step), "{built:?}");
    }
    let log = workshop.log();
    assert!(log.contains("-- lovage-sdk~="), "{log}");
    // What is installed stays, until the manifest says something else.
    workshop.build(&[]).await.ok();
    assert!(!workshop.log().contains("pip"), "nothing has changed");
    let manifest = workshop.site.work().join("hello/pyproject.toml");
    let more = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("[\"lovage", "[\"six\", \"lovage");
    std::fs::write(&manifest, more).unwrap();
    workshop.build(&[]).await.ok();
    let log = workshop.log();
    assert!(
        log.contains("-- six lovage-sdk") && !log.contains("-m venv"),
        "{log}"
    );
}

#[tokio::test]
async fn an_environment_of_the_authors_is_used_and_never_changed() {
    let workshop = Workshop::python();
    workshop.new_module("hello", "python").await;
    let own = workshop.site.work().join("own/bin");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::copy(workshop.site.work().join("bin/python3"), own.join("python")).unwrap();
    let own = text(own.parent().unwrap()).to_owned();
    workshop.build(&[("VIRTUAL_ENV", &own)]).await.ok();
    assert!(!workshop.has("hello/.venv"));
    let log = workshop.log();
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
        workshop.build(&variables).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn what_python_lacks_is_said() {
    let workshop = Workshop::of(&[]);
    workshop.new_module("hello", "python").await;
    workshop
        .build(&[])
        .await
        .fails(5, &["there is no `python3`: install Python 3.11"]);
    let workshop = Workshop::python();
    workshop.new_module("hello", "python").await;
    for (variable, said) in [
        (
            ("PYTHON", "3 9"),
            "`python3` is Python 3.9, and the SDK needs 3.11 or newer",
        ),
        (("NO_VENV", "1"), "`apt install python3-venv`"),
    ] {
        workshop.build(&[variable]).await.fails(5, &[said]);
        assert!(!workshop.has("hello/.venv"), "{said}");
    }
    let failed = workshop.build(&[("NO_PIP", "1")]).await;
    let failed = failed.fails(
        5,
        &["installing the dependencies of `pyproject.toml` failed"],
    );
    assert!(
        failed.err.contains("ERROR: No matching distribution"),
        "{failed:?}"
    );
    // What was interrupted is gone on with; the SDK's own reason is ours.
    let broken = workshop
        .build(&[("BROKEN", "`hello.py` exports no task")])
        .await;
    let broken = broken.fails(5, &["error: `hello.py` exports no task", "a line before"]);
    assert!(workshop.log().contains("pip install"), "{broken:?}");
    let quiet = workshop
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
        workshop.site.write("hello/pyproject.toml", manifest);
        workshop.build(&[]).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn packages_are_installed_where_they_are_older_than_the_manifest() {
    let workshop = Workshop::node();
    workshop.new_module("hello", "ts").await;
    workshop.site.write("hello/src/index.ts", "component\n");
    workshop.site.write("component", "0123456789");
    let built = workshop.build(&[]).await.ok();
    assert_eq!(built.out, "built `hello/hello.wasm` (10B)\n");
    assert!(workshop.log().contains("npm install --no-audit"));
    workshop.build(&[]).await.ok();
    assert!(!workshop.log().contains("npm"), "nothing has changed");
    // With a lock that is as new as the manifest, what it says is installed.
    std::fs::remove_dir_all(workshop.site.work().join("hello/node_modules")).unwrap();
    let json = workshop.run(&["build", "hello", "--json"], &[]).await.ok();
    assert_eq!(json.json()["size"], 10);
    assert!(workshop.log().contains("npm ci"));
    let manifest = workshop.site.work().join("hello/package.json");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let open = std::fs::File::options().append(true).open(&manifest);
    open.unwrap().set_modified(later).unwrap();
    workshop.build(&[]).await.ok();
    assert!(workshop.log().contains("npm install"));
}

#[tokio::test]
async fn what_node_lacks_is_said() {
    let workshop = Workshop::of(&[]);
    workshop.new_module("hello", "js").await;
    workshop
        .build(&[])
        .await
        .fails(5, &["there is no `node`: install Node.js 20.6 or newer"]);
    let workshop = Workshop::of(&[("node", NODE)]);
    workshop.new_module("hello", "js").await;
    workshop.build(&[]).await.fails(5, &["there is no `npm`"]);
    let old = workshop.build(&[("NODE", "18.20.1")]).await;
    old.fails(5, &["`node` is v18.20.1, and the SDK needs 20.6 or newer"]);
    let workshop = Workshop::node();
    workshop.new_module("hello", "ts").await;
    let without = workshop.build(&[("NO_SDK", "1")]).await;
    without.fails(
        5,
        &["`@lovage/sdk` is not installed in `hello/node_modules`"],
    );
    workshop.site.write("hello/src/index.ts", "nothing\n");
    workshop
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
        workshop.site.write("hello/package.json", manifest);
        workshop.build(&[]).await.fails(5, &[said]);
    }
}

#[tokio::test]
async fn what_a_folder_holds_is_told_by_its_manifest() {
    let workshop = Workshop::node();
    workshop
        .build(&[])
        .await
        .fails(4, &["there is no folder `hello`: `lovage new` makes one"]);
    workshop.new_module("hello", "ts").await;
    workshop.site.write("hello/src/index.ts", "nothing\n");
    workshop.site.write("hello/pyproject.toml", "");
    let both = workshop.build(&[]).await;
    both.fails(
        2,
        &[
            "`hello` holds `pyproject.toml` and `package.json`",
            "`--lang`",
        ],
    );
    workshop
        .run(&["build", "hello", "--lang", "ts"], &[])
        .await
        .fails(5, &["names no component"]);
    let other = workshop
        .run(&["build", "hello", "--lang", "rust"], &[])
        .await;
    other.fails(4, &["there is no `Cargo.toml` in `hello`"]);
    let file = workshop.run(&["build", "hello/package.json"], &[]).await;
    file.fails(4, &["`hello/package.json` is no folder"]);
    let none = workshop.run(&["build", "bin"], &[]).await;
    none.fails(
        4,
        &[
            "`bin` holds no module that can be built",
            "`lovage new` makes one",
        ],
    );
    // Without a compiler, that is the first thing to say of Rust.
    workshop.new_module("of-rust", "rust").await;
    let rust = workshop
        .run(&["build", "of-rust"], &[("LOVAGE_WASM_RUSTC", "/nowhere")])
        .await;
    rust.fails(5, &["there is no `rustc`: install Rust with rustup"]);
}
