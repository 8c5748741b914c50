//! The dashboard in a real browser: every page with real data, every button, and what it
//! shows of texts that somebody else wrote. What is looked for stands in
//! `tests/dashboard/`, in the browser's own language.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::wasm::{Examples, root};

/// Where `scripts/tools` puts the test and what it needs from npm, and where the pictures
/// are kept.
fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    target.expect("a folder above").join("dashboard")
}

/// The same tasks in other bytes: a custom section is of no meaning (WebAssembly core
/// specification, section 5.5.3).
fn other_release(component: &[u8]) -> Vec<u8> {
    let (name, content) = (b"release", b"another");
    let size = 1 + name.len() + content.len();
    let mut bytes = component.to_vec();
    bytes.extend([0, size as u8, name.len() as u8]);
    bytes.extend(name);
    bytes.extend(content);
    bytes
}

async fn token(site: &Site, role: &str) -> String {
    let args = ["token", "create", "--name", role, "--role", role, "--json"];
    let made = site.lovage(&args).await.ok().json();
    made["token"].as_str().expect("a token").to_owned()
}

/// A server on a free port, and where it is.
async fn serve(site: &Site) -> (Process, String) {
    let mut server = site.spawn("serve", &["--listen", "127.0.0.1:0"]);
    server.says("serving http://").await;
    let log = server.log();
    let (_, at) = log.split_once("serving ").expect("an address");
    let url = at.split_whitespace().next().expect("an address").to_owned();
    (server, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_shows_and_does_what_it_says_in_a_browser() {
    let site = Site::redis();
    let examples = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let basics = std::fs::read(examples.component("basics")).unwrap();
    site.push("basics", &basics).await;
    site.push("basics", &other_release(&basics)).await;
    let _worker = site
        .worker(&["--queues", "default,held,clicked", "--concurrency", "8"])
        .await;
    let (admin, viewer) = (token(&site, "admin").await, token(&site, "viewer").await);
    let (_server, url) = serve(&site).await;

    let script = root().join("tests/dashboard/run.mjs");
    let modules = folder().join("node_modules");
    assert!(
        modules.join("playwright-core").is_dir(),
        "the browser's driver is missing in {}: run scripts/tools",
        modules.display()
    );
    // What node imports lies beside the script that imports it.
    let copied = folder().join("run");
    std::fs::create_dir_all(&copied).unwrap();
    for entry in std::fs::read_dir(script.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "mjs") {
            std::fs::copy(&path, copied.join(path.file_name().unwrap())).unwrap();
        }
    }
    let pictures = folder().join("screenshots");
    let fixture = json!({"module": "basics", "viewer": viewer});
    let run = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .arg(copied.join("run.mjs"))
            .env("LOVAGE_URL", format!("{url}/"))
            .env("LOVAGE_TOKEN", admin)
            .env("LOVAGE_ARTIFACTS", &pictures)
            .env("LOVAGE_FIXTURE", fixture.to_string())
            .output()
            .expect("`node` is missing: run scripts/tools")
    });
    let run = run.await.unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let complaints = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{complaints}");
    // No check may be passed over without a word.
    assert!(!said.contains("skipped"), "{said}");
}
