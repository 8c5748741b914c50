//! Requests of tasks to other hosts, from the push to the answer: as granted, and no further.

use serde_json::Value;

use crate::support::site::{Ran, Site, text};
use crate::support::wasm::Examples;
use crate::support::web::Web;

/// What the example wants to reach, and a port of as many digits takes its place.
const WANTED: &[u8] = b"127.0.0.1:47123";

/// The example, which wants to reach this server.
async fn module(web: &Web) -> Vec<u8> {
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let mut module = std::fs::read(built.component("web")).unwrap();
    let place = format!("127.0.0.1:{:05}", web.port());
    let at = module.windows(WANTED.len()).position(|it| it == WANTED);
    let at = at.expect("the module says what it wants");
    module[at..at + WANTED.len()].copy_from_slice(place.as_bytes());
    module
}

async fn fetch(site: &Site, url: &str) -> Ran {
    let url = format!("url={url}");
    let args = ["call", "web.fetch", &url, "--wait", "--json"];
    site.lovage(&args).await
}

async fn reaches_what_was_granted(site: Site) {
    let (web, stranger) = (Web::start().await, Web::start().await);
    let file = site.write("web.wasm", module(&web).await);
    let _worker = site.worker(&[]).await;
    // It waits for approval, and nothing of it runs before.
    let pushed = site.lovage(&["push", text(&file), "--name", "web"]).await;
    let wants = format!("http private 127.0.0.1:{}", web.port());
    let pushed = pushed.fails(5, &["awaits approval", "lovage grants approve"]);
    assert!(pushed.out.contains("newly wants"), "{pushed:?}");
    assert!(pushed.out.contains(&wants), "{pushed:?}");
    fetch(&site, &web.url("127.0.0.1", "/"))
        .await
        .fails(4, &["there is no module `web`"]);
    site.lovage(&["grants", "approve", "web"]).await.ok();
    let answer = fetch(&site, &web.url("127.0.0.1", "/")).await.ok().json();
    assert_eq!(answer["result"]["status"], 200, "{answer}");
    assert_eq!(web.connections(), 1);
    // Nobody else, neither by another name nor at another door.
    for url in [
        stranger.url("127.0.0.1", "/"),
        web.url("localhost", "/"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let refused = fetch(&site, &url).await;
        let failed = refused.fails(1, &[]).json();
        let text = failed.to_string();
        assert!(text.contains("denied"), "{url}: {text}");
    }
    assert_eq!((web.connections(), stranger.connections()), (1, 0));
    // What is taken back is refused soon.
    site.lovage(&["grants", "revoke", "web", &wants]).await.ok();
    crate::support::until("the grant is gone", || async {
        let ran = fetch(&site, &web.url("127.0.0.1", "/")).await;
        let value: Value = ran.json();
        (value["state"] == "discarded").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_reaches_the_hosts_that_it_was_granted() {
    reaches_what_was_granted(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_process_of_its_own_does_so_too() {
    reaches_what_was_granted(Site::sqlite().apart()).await;
}
