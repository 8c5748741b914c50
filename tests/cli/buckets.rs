//! `lovage buckets`: to look at what tasks keep, and to put it right.

use serde_json::json;

use crate::support::site::{Ran, Site, text};

async fn round(site: Site) {
    let none = site.lovage(&["buckets", "--json"]).await.ok();
    assert_eq!(none.json(), json!([]));
    site.lovage(&["buckets", "set", "sessions", "ann", "1"])
        .await
        .ok();
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let file = site.write("value", &bytes);
    let set = ["buckets", "set", "sessions", "file", "--file", text(&file)];
    let set = site.lovage(&[&set[..], &["--json"]].concat()).await.ok();
    assert_eq!(
        set.json(),
        json!({"bucket": "sessions", "key": "file", "bytes": 70_000})
    );
    let stdin = site.command(["buckets", "set", "sessions", "stdin"]);
    Ran::of(stdin, b"a\nb\n").await.ok();
    // A value is printed as it is, and nothing behind it.
    let got = site.lovage(&["buckets", "get", "sessions", "stdin"]).await;
    assert_eq!(got.ok().out, "a\nb\n");
    let get = ["buckets", "get", "sessions", "ann", "--json"];
    let expected = json!({"bucket": "sessions", "key": "ann", "value": "MQ=="});
    assert_eq!(site.lovage(&get).await.ok().json(), expected);
    let keys = site.lovage(&["buckets", "keys", "sessions"]).await.ok();
    assert_eq!(keys.out, "ann\nfile\nstdin\n");
    let some = ["buckets", "keys", "sessions", "--after", "ann", "-n", "1"];
    assert_eq!(site.lovage(&some).await.ok().out, "file\n");
    let bytes = 4 + 70_004 + 9;
    let listed = site.lovage(&["buckets", "list", "--json"]).await.ok();
    let expected = json!([{"bucket": "sessions", "keys": 3, "bytes": bytes}]);
    assert_eq!(listed.json(), expected);
    let listed = site.lovage(&["buckets"]).await.ok().out;
    assert!(
        listed.contains("sessions") && listed.contains("KiB"),
        "{listed}"
    );

    let missing = ["buckets", "get", "sessions", "bob"];
    site.lovage(&missing)
        .await
        .fails(4, &["bucket `sessions` has no key `bob`"]);
    let wrong = ["buckets", "set", "a/b", "k", "v"];
    site.lovage(&wrong).await.fails(2, &["no name of a bucket"]);
    let long = "k".repeat(1025);
    let wrong = ["buckets", "set", "b", &long, "v"];
    site.lovage(&wrong).await.fails(2, &["1 to 1024 bytes"]);
    let large = site.write("large", vec![0; (1 << 20) + 1]);
    let wrong = ["buckets", "set", "b", "k", "--file", text(&large)];
    site.lovage(&wrong).await.fails(2, &["at most 1048576"]);

    let delete = ["buckets", "delete", "sessions", "ann"];
    site.lovage(&delete).await.ok();
    site.lovage(&delete).await.fails(4, &["no key `ann`"]);
    let delete = ["buckets", "delete", "sessions"];
    site.lovage(&delete).await.ok();
    site.lovage(&delete)
        .await
        .fails(4, &["there is no bucket `sessions`"]);
    // Who did it is on the log, and what it was is not.
    let acts = site.lovage(&["audit", "--json"]).await.ok().out;
    assert!(acts.contains("bucket.set") && acts.contains("bucket.delete"));
    assert!(!acts.contains("MQ=="), "{acts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_are_looked_at_and_put_right_on_sqlite() {
    round(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_are_looked_at_and_put_right_on_redis() {
    round(Site::redis()).await;
}
