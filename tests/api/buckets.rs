//! Buckets over HTTP.

use lovage::api::token::Role;
use serde_json::json;

use super::door::Door;
use super::visitor::Answer;
use crate::support::site::Ran;

const BYTES: &str = "application/octet-stream";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_set_read_listed_and_deleted_by_administrators() {
    let door = Door::locked().await;
    assert_eq!(door.get("/v1/buckets").await.ok(), json!({"buckets": []}));
    let path = "/v1/buckets/b/keys/a%2Fkey%20%C3%BC";
    let bytes: Vec<u8> = (0..=255).collect();
    door.send("PUT", path, BYTES, bytes.clone()).await.is(204);
    let raw = door.ask("GET", path).header("accept", BYTES);
    let raw = Answer::to(raw).await.is(200);
    assert_eq!((raw.header("content-type"), &raw.body), (BYTES, &bytes));
    door.put("/v1/buckets/b/keys/k", json!({"value": "aGVsbG8="}))
        .await
        .is(204);
    let shown = door.get("/v1/buckets/b/keys/k").await.ok();
    assert_eq!(shown, json!({"key": "k", "value": "aGVsbG8="}));
    let keys = door.get("/v1/buckets/b").await.ok();
    assert_eq!(keys, json!({"keys": ["a/key ü", "k"]}));
    let keys = door.get("/v1/buckets/b?limit=1").await.ok();
    assert_eq!(keys, json!({"keys": ["a/key ü"]}));
    let keys = door.get("/v1/buckets/b?after=a%2Fkey%20%C3%BC").await.ok();
    assert_eq!(keys, json!({"keys": ["k"]}));
    let all = door.get("/v1/buckets").await.ok();
    let one = json!({"bucket": "b", "keys": 2, "bytes": 256 + 8 + 1 + 5});
    assert_eq!(all, json!({"buckets": [one]}));
    let own = door.get("/v1/tenant").await.ok();
    assert_eq!(own["used"]["bytes"], 270, "{own}");
    door.delete(path).await.is(204);
    door.delete(path).await.problem(404, "not-found");
    door.get(path).await.problem(404, "not-found");
    door.delete("/v1/buckets/b").await.is(204);
    door.delete("/v1/buckets/b").await.problem(404, "not-found");
    assert_eq!(door.get("/v1/buckets/b").await.ok(), json!({"keys": []}));
    // Each change is on the log, and no look.
    let acts = door.get("/v1/audit").await.ok();
    let acts = acts["acts"].as_array().unwrap().iter();
    let acts: Vec<_> = acts
        .filter(|it| it["action"].as_str().unwrap().starts_with("bucket."))
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    let (set, unset, delete) = ("bucket.set", "bucket.unset", "bucket.delete");
    assert_eq!(acts, [delete, delete, unset, unset, set, set]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused() {
    let door = Door::locked().await;
    let deployer = door.as_a(Role::Deployer).await;
    for path in ["/v1/buckets", "/v1/buckets/b", "/v1/buckets/b/keys/k"] {
        deployer.get(path).await.problem(403, "forbidden");
    }
    let path = "/v1/buckets/b/keys/k";
    let denied = deployer.send("PUT", path, BYTES, "v").await;
    denied.problem(403, "forbidden");
    door.send("PUT", path, "text/plain", "v")
        .await
        .problem(415, "unsupported-media-type");
    door.put(path, json!({"value": "?"}))
        .await
        .problem(422, "invalid");
    door.put(path, json!({"value": "", "more": 1}))
        .await
        .problem(400, "bad-request");
    for wrong in ["/v1/buckets/a%3Ab/keys/k", "/v1/buckets/%2E%2E%2Fb/keys/k"] {
        let put = door.send("PUT", wrong, BYTES, "v").await;
        put.problem(400, "bad-request");
        door.get(wrong).await.problem(404, "not-found");
    }
    let long = format!("/v1/buckets/b/keys/{}", "k".repeat(1025));
    door.send("PUT", &long, BYTES, "v")
        .await
        .problem(400, "bad-request");
    for wrong in ["limit=0", "limit=1001", "before=k"] {
        door.get(&format!("/v1/buckets/b?{wrong}"))
            .await
            .problem(400, "bad-request");
    }
    assert_eq!(door.get("/v1/buckets").await.ok(), json!({"buckets": []}));
}

/// The command line through the server prints and ends as it does at the broker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_does_the_same_through_a_server() {
    let door = Door::locked().await;
    let admin = door.as_a(Role::Admin).await;
    let far = async |args: &[&str]| {
        let mut command = door.site.command(args);
        command.env("LOVAGE_BROKER", &admin.base);
        command.env("LOVAGE_TOKEN", admin.token.as_ref().unwrap());
        Ran::of(command, b"from stdin").await
    };
    far(&["buckets", "set", "b", "k", "v"]).await.ok();
    far(&["buckets", "set", "b", "stdin"]).await.ok();
    for look in [
        &["buckets"][..],
        &["buckets", "list", "--json"],
        &["buckets", "keys", "b"],
        &["buckets", "keys", "b", "--after", "k", "--json"],
        &["buckets", "get", "b", "stdin"],
        &["buckets", "get", "b", "k", "--json"],
        &["buckets", "get", "b", "none"],
        &["buckets", "delete", "b", "none"],
        &["buckets", "delete", "none"],
    ] {
        let (near, far) = (door.site.lovage(look).await, far(look).await);
        assert_eq!((far.code, &far.out), (near.code, &near.out), "{look:?}");
    }
    let got = far(&["buckets", "get", "b", "stdin"]).await.ok();
    assert_eq!(got.out, "from stdin");
    far(&["buckets", "delete", "b", "k"]).await.ok();
    far(&["buckets", "delete", "b"]).await.ok();
    let none = far(&["buckets", "--json"]).await.ok();
    assert_eq!(none.json(), json!([]));
    let mut command = door.site.command(["buckets"]);
    let deployer = door.as_a(Role::Deployer).await;
    command.env("LOVAGE_BROKER", &deployer.base);
    command.env("LOVAGE_TOKEN", deployer.token.unwrap());
    let refused = Ran::of(command, b"").await;
    refused.fails(5, &["takes the role `admin`"]);
}
