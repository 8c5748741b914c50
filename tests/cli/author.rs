//! From nothing to a result: what an author does.

use serde_json::json;

use crate::support::site::{Ran, Site, text};
use crate::support::wasm::{Examples, root, set_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_build_run_push_and_call() {
    let site = Site::sqlite();
    let sdk = root().join("sdk/rust");
    let made = site
        .lovage(&["new", "hello-you", "--sdk", text(&sdk)])
        .await
        .ok();
    assert!(made.out.contains("lovage build hello-you"), "{made:?}");
    site.lovage(&["new", "hello-you"])
        .await
        .fails(2, &["`hello-you` exists already"]);
    site.lovage(&["new", "Hello"])
        .await
        .fails(2, &["`Hello` is no valid module name"]);

    // The crates of the examples, so that no others are fetched and what they
    // have in common is built once.
    let examples = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let lock = site.work().join("hello-you/Cargo.lock");
    std::fs::copy(root().join("examples/Cargo.lock"), lock).unwrap();
    // The project's own settings count, also when it is built from elsewhere.
    std::fs::create_dir(site.work().join("hello-you/.cargo")).unwrap();
    let settings = "[env]\nOF_THE_PROJECT = \"here\"\n";
    site.write("hello-you/.cargo/config.toml", settings);
    let code = site.work().join("hello-you/src/lib.rs");
    let code = std::fs::read_to_string(code).unwrap();
    let code = format!("{code}\nconst _: &str = env!(\"OF_THE_PROJECT\");\n");
    site.write("hello-you/src/lib.rs", &code);
    let mut build = site.command(["build", "hello-you", "--json"]);
    build.env("CARGO_TARGET_DIR", &examples.target);
    let built = Ran::of(set_up(&build), b"").await.ok().json();
    let file = built["component"].as_str().unwrap();
    assert!(site.work().join(file).is_file(), "{built}");

    let run = ["run", file, "greet", "name=World", "--json"];
    let ran = site.lovage(&run).await.ok().json();
    let greeting = json!({"text": "Hello, World!"});
    assert_eq!(
        (&ran["result"], &ran["log"]),
        (&greeting, &json!("greeting World\n"))
    );
    let refused = ["run", file, "greet", "name= "];
    site.lovage(&refused)
        .await
        .fails(1, &["ended as failed: there is nobody to greet"]);
    // Nobody checks the schema here: the task itself does.
    let missing = ["run", file, "greet"];
    site.lovage(&missing)
        .await
        .fails(1, &["argument `name` of `greet` is missing"]);

    let pushed = site
        .lovage(&["push", file, "--name", "hello-you", "--json"])
        .await
        .ok()
        .json();
    let task = &pushed["manifest"]["tasks"][0];
    assert!(
        task["doc"]
            .as_str()
            .unwrap()
            .starts_with("Greets somebody."),
        "{task}"
    );
    let _worker = site.worker(&[]).await;
    let call = ["call", "hello-you.greet", "name=World", "--wait", "--json"];
    let job = site.lovage(&call).await.ok().json();
    assert_eq!(job["result"], greeting);
    // What will fail again is not tried again, whatever the task's retries.
    let call = ["call", "hello-you.greet", "name= ", "--wait", "--json"];
    let job = site
        .lovage(&call)
        .await
        .fails(1, &["nobody to greet"])
        .json();
    assert_eq!(
        (job["attempts"].as_array().unwrap().len(), &job["state"]),
        (1, &json!("discarded"))
    );
}

#[tokio::test]
async fn nothing_but_a_component_is_written_over() {
    let site = Site::sqlite();
    let sdk = root().join("sdk/rust");
    let new = ["new", "hello", "--sdk", text(&sdk)];
    site.lovage(&new).await.ok();
    let source = site.work().join("hello/src/lib.rs");
    let before = std::fs::read(&source).unwrap();
    for (output, said) in [
        ("hello/src/lib.rs", "`hello/src/lib.rs` is no component"),
        ("hello/src", "as in `hello/src/NAME.wasm`"),
    ] {
        let build = ["build", "hello", "--output", output];
        site.lovage(&build).await.fails(2, &[said]);
    }
    assert_eq!(std::fs::read(&source).unwrap(), before);
    let other = ["new", "other", "--lang", "python", "--sdk", text(&sdk)];
    site.lovage(&other)
        .await
        .fails(4, &["holds no SDK for Python: it has no `pyproject.toml`"]);
    for name in ["json", "lovage", "x-"] {
        let new = ["new", name, "--lang", "python"];
        site.lovage(&new).await.fails(2, &["choose another name"]);
    }
}

#[tokio::test]
async fn a_module_that_does_not_compile_is_cargos_to_explain() {
    let site = Site::sqlite();
    let sdk = root().join("sdk/rust");
    site.lovage(&["new", "broken", "--sdk", text(&sdk)])
        .await
        .ok();
    site.write("broken/Cargo.toml", "this is no manifest");
    let build = site.command(["build", "broken"]);
    let said = [
        "this is no manifest",
        "the build failed; cargo's messages are above",
    ];
    let ran = Ran::of(set_up(&build), b"").await;
    assert_eq!(ran.code, Some(5), "{ran:?}");
    for text in said {
        assert!(ran.err.contains(text), "{ran:?}");
    }
}

#[tokio::test]
async fn a_missing_target_is_said_with_the_line_that_installs_it() {
    let site = Site::sqlite();
    let sdk = root().join("sdk/rust");
    site.lovage(&["new", "hello", "--sdk", text(&sdk)])
        .await
        .ok();
    // A compiler that knows no target, and no other one to fall back on.
    let bin = site.work().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let rustc = site.write("bin/rustc", "#!/bin/sh\nexit 1\n");
    let mut executable = std::fs::metadata(&rustc).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut executable, 0o755);
    std::fs::set_permissions(&rustc, executable).unwrap();
    let mut build = site.command(["build", "hello"]);
    build.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    build.env("LOVAGE_WASM_RUSTC", site.work());
    Ran::of(build, b"")
        .await
        .fails(5, &["rustup target add wasm32-wasip2"]);
}
