//! Modules that are none: each is refused with its reason, and leaves nothing.

use std::time::{Duration, Instant};

use super::app;
use crate::fixtures::{ECHO, Guest, component};
use crate::support::site::{Site, text};

#[tokio::test]
async fn what_is_no_task_module_is_refused_by_name_and_reason() {
    let site = Site::sqlite();
    let good = app();
    let other_imports =
        r#"(component (import "acme:rockets/launch@1.0.0" (instance (export "go" (func)))))"#;
    let cases: [(&str, Vec<u8>, &str); 9] = [
        (
            "text.wasm",
            b"#!/bin/sh\necho hi\n".to_vec(),
            "not a WebAssembly file",
        ),
        ("empty.wasm", Vec::new(), "not a WebAssembly file"),
        (
            "core.wasm",
            component("(module)"),
            "a core module, not a component",
        ),
        (
            "half.wasm",
            good[..good.len() / 2].to_vec(),
            "not a valid component",
        ),
        (
            "world.wasm",
            component("(component)"),
            "a component of another world",
        ),
        (
            "imports.wasm",
            component(other_imports),
            "acme:rockets/launch",
        ),
        (
            "no-tasks.wasm",
            Guest::new(ECHO).tasks(&[]).build(),
            "`describe` names no task",
        ),
        (
            "schema.wasm",
            Guest::new(ECHO).tasks(&[("go", r#"{"type": 5}"#)]).build(),
            "task `go` has an input schema that is no JSON Schema",
        ),
        (
            "scheduled.wasm",
            Guest::new(ECHO)
                .tasks(&[("go", r#"{"type": "object", "required": ["a"]}"#)])
                .every(1000)
                .build(),
            "task `go` is to be called by itself, with no arguments, which do not fit: \
             \"a\" is a required property",
        ),
    ];
    for (name, bytes, reason) in cases {
        site.write(name, bytes);
        for args in [&["push", name][..], &["run", name, "go"]] {
            let ran = site
                .lovage(args)
                .await
                .fails(5, &[reason, &format!("`{name}`")]);
            assert_eq!(ran.out, "", "{args:?}");
        }
    }
    let releases = site.lovage(&["releases", "--json"]).await.ok();
    assert_eq!(
        releases.json(),
        serde_json::json!([]),
        "nothing is half there"
    );
}

#[tokio::test]
async fn a_file_of_a_gigabyte_is_refused_before_it_is_read() {
    let site = Site::sqlite();
    let path = site.write("huge.wasm", &app()[..8]);
    // Sparse: it takes no room.
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    for args in [&["push", "huge.wasm"][..], &["run", "huge.wasm", "go"]] {
        let since = Instant::now();
        site.lovage(args)
            .await
            .fails(5, &["`huge.wasm`", "1 GiB is more than"]);
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{:?}",
            since.elapsed()
        );
    }
}

#[tokio::test]
async fn a_file_that_is_none() {
    let site = Site::sqlite();
    let folder = site.work();
    for command in ["push", "run"] {
        let with = |file: &str| match command {
            "run" => vec!["run".to_owned(), file.to_owned(), "go".to_owned()],
            _ => vec!["push".to_owned(), file.to_owned(), "--name=x".to_owned()],
        };
        let run = async |file: &str| {
            let args = with(file);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            site.lovage(&args).await
        };
        run("nowhere.wasm")
            .await
            .fails(4, &["there is no file `nowhere.wasm`"]);
        run(text(&folder))
            .await
            .fails(2, &["is a folder", "`lovage build`"]);
    }
    site.write("A b.wasm", app());
    site.lovage(&["push", "A b.wasm"])
        .await
        .fails(2, &["`A b` is no valid module name"]);
}

#[tokio::test]
async fn a_refused_push_leaves_the_active_release_alone() {
    let site = Site::sqlite();
    site.push("app", &app()).await;
    let good = app();
    site.write("app.wasm", &good[..good.len() - 100]);
    site.lovage(&["push", "app.wasm"])
        .await
        .fails(5, &["not a valid component"]);
    let history = site
        .lovage(&["releases", "app", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    assert_eq!(history[0]["active"], true);
    let _worker = site.worker(&[]).await;
    site.lovage(&["call", "app.go", "side=1", "--wait"])
        .await
        .ok();
}
