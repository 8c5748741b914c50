//! Stubs that `lovage client` writes, before the type checkers of their languages: right uses
//! of them are taken, and wrong ones refused.
//!
//! The uses lie in `stubs/`, and say at a line what is wrong with it: `# type: ignore[…]` and
//! `// @ts-expect-error`. Where nothing is wrong, that is an error itself.

use std::path::Path;
use std::process::{Command, Stdio};

use lovage::stubs::{Language, Module, Task};
use serde_json::Value;

use crate::support::wasm::root;

/// What a line of uses must say for the checkers to count it.
const WRONG: [(Language, &str); 2] = [
    (Language::Python, "# type: ignore["),
    (Language::TypeScript, "// @ts-expect-error"),
];

/// Holds stubs of a module against its uses; `folder` is what `scripts/languages` made.
pub(super) fn check(folder: &Path, module: &str, uses: &str, stubs: impl Fn(Language) -> String) {
    for (language, wrong) in WRONG {
        let ending = language.extension();
        let name = format!("{uses}.{ending}");
        let text = std::fs::read_to_string(root().join("tests/languages/stubs").join(&name));
        let text = text.unwrap();
        assert!(text.matches(wrong).count() >= 3, "{name} has wrong uses");
        // What a file imports in TypeScript lies above it.
        let place = folder.join("js").join(format!("stubs-{module}-{ending}"));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(language.file(module)), stubs(language)).unwrap();
        let file = format!("uses.{ending}");
        std::fs::write(place.join(&file), text).unwrap();
        let mut checker = checker(folder, language);
        let ran = checker.arg(&file).current_dir(&place).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        let failed = String::from_utf8_lossy(&ran.stderr);
        assert!(
            ran.status.success(),
            "{name} of `{module}`:\n{said}{failed}"
        );
        std::fs::remove_dir_all(&place).unwrap();
    }
}

fn checker(folder: &Path, language: Language) -> Command {
    let mut command;
    match language {
        Language::Python => {
            command = Command::new(folder.join("python/bin/python"));
            command.args(["-P", "-m", "mypy", "--strict", "--python-version", "3.11"]);
            command.arg("--cache-dir").arg(folder.join("mypy"));
        }
        Language::TypeScript => {
            command = Command::new("node");
            let tsc = "js/client/node_modules/typescript/bin/tsc";
            command.arg(folder.join(tsc)).args([
                "--noEmit",
                "--strict",
                "--exactOptionalPropertyTypes",
                "--target",
                "ES2022",
                "--module",
                "NodeNext",
            ]);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A module of hand-written schemas.
fn module(file: &str) -> Module {
    let file = root().join("runtime/host/src/stubs/golden").join(file);
    let told: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let tasks = told["tasks"].as_array().unwrap().iter().map(|it| Task {
        name: it["name"].as_str().unwrap().into(),
        doc: it["doc"].as_str().unwrap().into(),
        input: it["input"].clone(),
        output: it["output"].clone(),
    });
    Module {
        name: told["module"].as_str().unwrap().into(),
        release: 1,
        digest: "7dad45742b50".into(),
        tasks: tasks.collect(),
    }
}

#[test]
fn each_shape_takes_what_its_schema_takes() {
    let folder = super::script(&[]);
    let module = module("shapes.json");
    check(&folder, &module.name, "shapes", |it| it.stubs(&module));
}

#[test]
fn what_strangers_write_is_no_code() {
    let folder = super::script(&[]);
    let module = module("hostile.json");
    check(&folder, &module.name, "hostile", |it| it.stubs(&module));
    // It can also be run, and does nothing then.
    let mut python = Command::new(folder.join("python/bin/python"));
    let code = format!(
        "{}\nprint(sorted(vars(Hostile)))",
        Language::Python.stubs(&module)
    );
    let ran = python.args(["-P", "-c", &code]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}
