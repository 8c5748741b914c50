//! Scratch folders, from the push to the result: in a worker and in a process without files.

use serde_json::{Value, json};

use crate::support::site::{Site, text};
use crate::support::wasm::Examples;

async fn call(site: &Site, task: &str, arguments: &[&str]) -> Value {
    let task = format!("files.{task}");
    let call = [&["call", &task][..], arguments, &["--wait", "--json"]].concat();
    site.lovage(&call).await.ok().json()["result"].take()
}

async fn script(site: &Site, steps: &[&str]) -> Value {
    let steps = format!("steps:={}", json!(steps));
    call(site, "script", &[&steps]).await
}

async fn works_in_a_folder_of_its_own(site: Site) {
    site.write("lovage.toml", "[limits]\nmax_scratch = '8MiB'\n");
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let file = built.component("files");
    let pushed = site.lovage(&["push", text(&file)]).await;
    pushed.fails(5, &["awaits approval"]);
    site.lovage(&["grants", "approve", "files"]).await.ok();
    let _worker = site.worker(&[]).await;
    let few = ["orders=20000", "seed=7", "at_once=1000"];
    let sorted = call(&site, "sort", &few).await;
    assert_eq!(sorted["runs"], 20, "{sorted}");
    let one = ["orders=20000", "seed=7", "at_once=20000"];
    let whole = call(&site, "sort", &one).await;
    assert_eq!(sorted["digest"], whole["digest"]);
    // Nothing is left, nothing of the host is there, and what the operator gives is all.
    let said = script(
        &site,
        &[
            "list /",
            "list /tmp",
            "read /etc/passwd",
            "open ../../../../etc/passwd",
            "resize /tmp/f 8388609",
            "resize /tmp/f 8000000",
        ],
    );
    let expected = json!(["tmp/", "", "NotFound", "not-permitted", "StorageFull", "ok"]);
    assert_eq!(said.await, expected);
    assert_eq!(script(&site, &["list /tmp"]).await, json!([""]));
    // What is taken back is gone for those that begin then.
    let revoke = ["grants", "revoke", "files", "scratch 64MiB"];
    site.lovage(&revoke).await.ok();
    crate::support::until("the grant is gone", || async {
        (script(&site, &["folders"]).await == json!(["0"])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_works_in_a_folder_of_its_own() {
    works_in_a_folder_of_its_own(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_process_without_files_does_so_too() {
    works_in_a_folder_of_its_own(Site::sqlite().apart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_a_worker_has_one_too() {
    let site = Site::sqlite();
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let file = built.component("files");
    let steps = r#"steps:=["write /tmp/a x", "list /tmp"]"#;
    let run = ["run", text(&file), "script", steps, "--json"];
    let ran = site.lovage(&run).await;
    assert_eq!(ran.ok().json()["result"], json!(["ok", "a"]));
}
