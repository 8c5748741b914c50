//! What the docs show is what happens: the tutorials' commands, from an empty folder, and
//! the examples of other languages.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::wasm::{Examples, root, set_up};

const LOVAGE: &str = env!("CARGO_BIN_EXE_lovage");

/// Runs a program that says itself what was not as it should be.
async fn runs(command: Command) {
    let run = move || set_up(&command).stdin(Stdio::null()).output().unwrap();
    let ran = tokio::task::spawn_blocking(run).await.unwrap();
    let [out, said] = [&ran.stdout, &ran.stderr].map(|it| String::from_utf8_lossy(it));
    assert!(ran.status.success(), "{out}\n{said}");
}

async fn tutorial(name: &str) {
    let mut command = Command::new(root().join("tests/docs/run"));
    command.args(["--lovage", LOVAGE]);
    command.arg(root().join("docs/tutorials").join(name));
    runs(command).await;
}

#[tokio::test]
async fn a_newcomer_to_python_gets_what_is_shown() {
    tutorial("python.md").await;
}

#[tokio::test]
async fn a_newcomer_to_typescript_gets_what_is_shown() {
    tutorial("typescript.md").await;
}

#[tokio::test]
async fn a_newcomer_to_javascript_gets_what_is_shown() {
    tutorial("javascript.md").await;
}

#[tokio::test]
async fn a_newcomer_to_rust_gets_what_is_shown() {
    tutorial("rust.md").await;
}

#[tokio::test]
async fn whoever_has_no_sdk_gets_what_is_shown() {
    tutorial("no-sdk.md").await;
}

#[tokio::test]
async fn examples_of_other_languages_do_what_they_are_there_for() {
    let examples = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    // Outside the clone, and kept: most of it is what was installed.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let work = target.expect("a folder above").join("examples");
    let mut command = Command::new("python3");
    command.arg("-B").arg(root().join("examples/checks"));
    command
        .arg(LOVAGE)
        .arg(work)
        .arg(examples.component("images"));
    runs(command).await;
}
