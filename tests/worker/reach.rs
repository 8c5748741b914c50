//! What a job may reach beside the queue: what its module was granted, of its own tenant.

use std::process::Command;

use lovage::vault::{Keyring, new_key};
use lovage_queue::broker::{Broker, Shelf};
use lovage_queue::client::Client;
use serde_json::Value;

use crate::fixtures::Guest;
use crate::support::process::Process;
use crate::support::site::{Ran, Site, text};
use crate::support::until;

const SECRET: &str = "correct-horse-battery-staple";

/// A site whose operator has keys for secrets.
fn with_keys(site: &Site, keys: &[&str]) {
    site.write("keys", keys.join("\n"));
    site.write("lovage.toml", "[secrets]\nkey_file = 'keys'\n");
}

async fn set_secret(site: &Site, key: &str) {
    let command = site.command(["secrets", "set", key]);
    let line = format!("{SECRET}\n");
    Ran::of(command, line.as_bytes()).await.ok();
}

async fn push(site: &Site, key: &str, wants: &str) {
    let guest = Guest::reading(key).wants(&[wants]);
    let file = site.write(&format!("{key}.wasm"), guest.build());
    let args = ["push", text(&file), "--name", "app", "--grant"];
    site.lovage(&args).await.ok();
}

/// What the module says that it reads.
async fn read(site: &Site, tenant: &str) -> Value {
    let args = ["call", "app.go", "--wait", "--json", "--tenant", tenant];
    site.lovage(&args).await.ok().json()["result"].take()
}

async fn reads(site: &Site, expected: &Value) {
    until("it reads what it may", || async {
        (read(site, "default").await == *expected).then_some(())
    })
    .await;
}

async fn worker(site: &Site) -> Process {
    site.worker(&["--queues", "default"]).await
}

/// All bytes of the broker's files. Another process reads them: to close one of them here
/// would take this process' locks on it away.
fn stored(site: &Site) -> Vec<u8> {
    let files = format!("cat {}*", text(&site.database()));
    let read = Command::new("sh").args(["-c", &files]).output().unwrap();
    assert!(read.status.success() && !read.stdout.is_empty());
    read.stdout
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_read_as_long_as_it_is_granted() {
    let site = Site::sqlite();
    site.lovage(&["config", "set", "place", "here"]).await.ok();
    push(&site, "place", "config place").await;
    let worker = worker(&site).await;
    assert_eq!(read(&site, "default").await, "here");
    site.lovage(&["config", "set", "place", "there"]).await.ok();
    assert_eq!(read(&site, "default").await, "there");
    let revoke = ["grants", "revoke", "app", "config place"];
    site.lovage(&revoke).await.ok();
    let denied = "denied: the module was not granted `config place` or `secret place`";
    reads(&site, &denied.into()).await;
    site.lovage(&["grants", "approve", "app"]).await.ok();
    reads(&site, &"there".into()).await;
    site.lovage(&["config", "remove", "place"]).await.ok();
    assert_eq!(read(&site, "default").await, Value::Null);
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_its_tenants_and_lies_nowhere_in_clear() {
    let site = Site::sqlite();
    let key = new_key().unwrap();
    with_keys(&site, &[&key]);
    set_secret(&site, "pass").await;
    let listed = site.lovage(&["secrets", "--json"]).await.ok();
    assert_eq!(listed.json(), serde_json::json!([{"key": "pass"}]));
    let client = site.client().await;
    let broker: &dyn Broker = &**client.broker();
    let sealed = broker.entry("default", Shelf::Secrets, "pass").await;
    let sealed = sealed.unwrap().unwrap();
    let bytes = stored(&site);
    assert!(has(&bytes, "pass") && !has(&bytes, SECRET) && !has(&bytes, &key));

    push(&site, "pass", "secret pass").await;
    let worker = worker(&site).await;
    assert_eq!(read(&site, "default").await, SECRET);

    // Another tenant asks by the same name: there is none, and what is moved there does
    // not open.
    let guest = Guest::reading("pass").wants(&["secret pass"]);
    let file = site.write("other.wasm", guest.build());
    let tenant = ["--tenant", "other"];
    let args = ["push", text(&file), "--name", "app", "--grant"];
    site.lovage(&[&args[..], &tenant].concat()).await.ok();
    assert_eq!(read(&site, "other").await, Value::Null);
    let put = broker.put_entry("other", Shelf::Secrets, "pass", &sealed);
    put.await.unwrap();
    let cannot = "unavailable: this worker cannot open secret `pass`";
    assert_eq!(read(&site, "other").await, cannot);
    let log = worker.log();
    assert!(log.contains("could not open a secret"), "{log}");
    assert!(!log.contains(SECRET) && !log.contains(&key), "{log}");
}

#[tokio::test]
async fn keys_rotate_and_nothing_is_lost() {
    let site = Site::sqlite();
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    site.lovage(&["secrets", "rotate"])
        .await
        .fails(2, &["there is no key for secrets"]);
    with_keys(&site, &[&old]);
    set_secret(&site, "a").await;
    with_keys(&site, &[&new, &old]);
    set_secret(&site, "b").await;
    let rotated = site.lovage(&["secrets", "rotate", "--json"]).await.ok();
    assert_eq!(rotated.json(), serde_json::json!({"rotated": 1, "kept": 1}));
    let client: &Client = site.client().await;
    let keyring = Keyring::read(&new).unwrap();
    for name in ["a", "b"] {
        let sealed = client.broker().entry("default", Shelf::Secrets, name).await;
        let opened = keyring.open("default", name, &sealed.unwrap().unwrap());
        assert_eq!(opened.unwrap(), SECRET);
    }
    with_keys(&site, &["nonsense"]);
    let refused = site.lovage(&["secrets", "rotate"]).await;
    let refused = refused.fails(2, &["is 32 bytes in Base64"]);
    assert!(!refused.err.contains("nonsense"), "{refused:?}");
    site.lovage(&["secrets", "remove", "b"]).await.ok();
    site.lovage(&["secrets", "remove", "b"])
        .await
        .fails(4, &["no secret `b`"]);
    site.lovage(&["config", "set", "a/b", "1"])
        .await
        .fails(2, &["is no name of a value"]);
}
