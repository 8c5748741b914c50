//! `lovage build --watch`: edit, save, call.

use serde_json::{Value, json};

use super::app;
use super::workshop::Workshop;
use crate::fixtures::{ECHO, Guest};
use crate::support::process::Process;
use crate::support::site::Ran;
use crate::support::until;

/// A module whose source names the component that is built of it.
async fn watched(flags: &[&str]) -> (Workshop, Process) {
    let workshop = Workshop::node();
    workshop.new_module("hello", "ts").await;
    workshop.site.write("one.component", app());
    workshop.site.write("hello/src/index.ts", "one.component\n");
    let variables = workshop.variables();
    let mut args: Vec<&str> = variables.iter().map(String::as_str).collect();
    args.extend(["hello", "--watch"]);
    args.extend(flags);
    let process = workshop.site.spawn("build", &args);
    (workshop, process)
}

/// Waits until it has said something so many times.
async fn says(process: &Process, text: &str, times: usize) {
    until(&format!("`{text}` is said {times} times"), || async {
        (process.log().matches(text).count() == times).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_is_built_and_pushed() {
    let (workshop, mut watch) = watched(&["--push"]).await;
    watch.says("release 1 of `hello` is active").await;
    watch.says("watching `hello`; Ctrl-C ends this").await;
    // What is wrong is said, and the next change may be right.
    workshop.site.write("hello/src/index.ts", "nothing\n");
    watch.says("`hello/src/index.ts` changed").await;
    watch.says("error: `src/index.ts` names no component").await;
    says(&watch, "watching", 2).await;
    let other = Guest::new(ECHO).tasks(&[("other", "{}")]).build();
    workshop.site.write("two.component", other);
    workshop.site.write("hello/src/index.ts", "two.component\n");
    watch.says("release 2 of `hello` is active").await;
    let releases = workshop
        .site
        .lovage(&["releases", "hello", "--json"])
        .await
        .ok();
    assert_eq!(releases.json()[0]["number"], 2);
    says(&watch, "watching", 3).await;
    // A component that nobody takes does not end it either.
    workshop.site.write("three.component", "no component");
    workshop
        .site
        .write("hello/src/index.ts", "three.component\n");
    watch.says("the push failed").await;
    says(&watch, "watching", 4).await;
    watch.signal("INT");
    assert!(watch.ended().await.success(), "{}", watch.log());
    let builds = watch.log().matches("built `hello/hello.wasm` (").count();
    assert_eq!(builds, 3, "{}", watch.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_reads_a_line_for_each_event() {
    let (workshop, mut watch) = watched(&["--json"]).await;
    says(&watch, "watching", 1).await;
    // Of no matter: a build's own files, and one that says what it said.
    workshop.site.write("hello/other.wasm", "x");
    workshop.site.write("hello/src/index.ts", "one.component\n");
    workshop.site.write("hello/src/more.ts", "x");
    says(&watch, "watching", 2).await;
    watch.signal("TERM");
    assert!(watch.ended().await.success(), "{}", watch.log());
    let log = watch.log();
    let lines = log
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).expect(it));
    let lines: Vec<_> = lines.collect();
    let events: Vec<_> = lines
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        ["built", "watching", "changed", "built", "watching"],
        "{log}"
    );
    assert_eq!(lines[2]["files"], json!(["hello/src/more.ts"]));
    assert_eq!(lines[3]["component"], "hello/hello.wasm");
}

#[tokio::test]
async fn what_no_edit_mends_is_said_at_once() {
    let workshop = Workshop::node();
    let none = workshop.site.command(["build", "nothing", "--watch"]);
    Ran::of(none, b"")
        .await
        .fails(4, &["there is no folder `nothing`"]);
    let alone = workshop.site.command(["build", "--push"]);
    Ran::of(alone, b"").await.fails(2, &["--watch"]);
}
