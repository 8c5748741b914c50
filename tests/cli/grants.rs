//! What modules want, what they were granted, and which releases become active.

use serde_json::{Value, json};

use crate::fixtures::{ECHO, Guest};
use crate::support::site::{Site, text};

fn wanting(lines: &[&str]) -> Vec<u8> {
    Guest::new(ECHO).wants(lines).build()
}

fn active(releases: &Value) -> Vec<u64> {
    let all = releases.as_array().unwrap().iter();
    let active = all.filter(|it| it["active"] == true);
    active.map(|it| it["number"].as_u64().unwrap()).collect()
}

async fn active_of(site: &Site, module: &str) -> Vec<u64> {
    let listed = site.lovage(&["releases", module, "--json"]).await.ok();
    active(&listed.json())
}

#[tokio::test]
async fn a_release_that_newly_wants_something_awaits_approval() {
    let site = Site::sqlite();
    let file = site.write("mail.wasm", wanting(&["config smtp-host"]));
    let push = ["push", text(&file)];
    let said = site.lovage(&push).await.fails(
        5,
        &[
            "release 1 of `mail` is stored and awaits approval",
            "lovage grants approve",
        ],
    );
    assert!(said.out.contains("config smtp-host"), "{}", said.out);
    assert_eq!(active_of(&site, "mail").await, [] as [u64; 0]);
    let listed = site.lovage(&["grants", "list", "mail", "--json"]).await;
    let listed = listed.ok().json();
    assert_eq!(listed["awaits"], json!(["config smtp-host"]));
    assert_eq!(listed["granted"], json!([]));

    let approve = ["grants", "approve", "mail", "--json"];
    let approved = site.lovage(&approve).await.ok().json();
    assert_eq!(
        approved,
        json!({"module": "mail", "active": 1, "approved": ["config smtp-host"]})
    );
    assert_eq!(active_of(&site, "mail").await, [1]);

    // The next one wants one thing more: that is all that is asked about.
    let more = wanting(&["config smtp-host", "http POST api.example.com"]);
    site.write("mail.wasm", more);
    let push = ["push", text(&file), "--json"];
    let said = site.lovage(&push).await.fails(5, &["release 2"]);
    assert_eq!(said.json()["awaits"], json!(["http POST api.example.com"]));
    assert_eq!(active_of(&site, "mail").await, [1]);
    let to = ["rollback", "mail", "--to", "2"];
    site.lovage(&to).await.fails(
        5,
        &["release 2 of `mail` newly wants `http POST api.example.com`"],
    );
    let approve = ["grants", "approve", "mail", "--release", "2"];
    site.lovage(&approve).await.ok();
    assert_eq!(active_of(&site, "mail").await, [2]);

    // What is wanted no longer needs no approval, and what was granted stays so.
    site.write("mail.wasm", wanting(&["http POST api.example.com"]));
    site.lovage(&["push", text(&file)]).await.ok();
    let all = site.lovage(&["grants", "--json"]).await.ok().json();
    assert_eq!(all[0]["module"], "mail");
    assert_eq!(all[0]["granted"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn grants_are_taken_back_and_given_with_a_push() {
    let site = Site::sqlite();
    let private = "tcp private 10.0.0.7:5432";
    let file = site.write("app.wasm", wanting(&["bucket a", private]));
    // At the broker itself nobody but the operator is there.
    site.lovage(&["push", text(&file), "--grant"]).await.ok();
    assert_eq!(active_of(&site, "app").await, [1]);
    site.lovage(&["grants", "revoke", "app", private])
        .await
        .ok();
    let left = site.lovage(&["grants", "list", "app", "--json"]).await;
    let left = left.ok().json();
    assert_eq!(left["awaits"], json!([private]));
    assert_eq!(left["granted"][0]["grant"], "bucket a");
    assert_eq!(active_of(&site, "app").await, [1], "it stays what it is");
    site.lovage(&["grants", "revoke", "app", private])
        .await
        .fails(4, &["was not granted"]);
    site.lovage(&["grants", "revoke", "app", "what?"])
        .await
        .fails(2, &["is no grant"]);
    site.lovage(&["grants", "revoke", "app"]).await.ok();
    site.lovage(&["grants", "revoke", "app"])
        .await
        .fails(4, &[]);
    site.lovage(&["grants", "approve", "nope"])
        .await
        .fails(4, &["there is no module `nope`"]);
    site.lovage(&["grants", "approve", "app", "--release", "9"])
        .await
        .fails(4, &["has no release 9"]);
    // Of one tenant nothing is another's.
    let other = site
        .lovage(&["grants", "--tenant", "other", "--json"])
        .await;
    assert_eq!(other.ok().json(), json!([]));
}

#[tokio::test]
async fn dev_grants_what_the_modules_want_that_it_is_given() {
    let site = Site::sqlite();
    let file = site.write("app.wasm", wanting(&["bucket a"]));
    let listen = ["--listen", "127.0.0.1:0"];
    let mut dev = site.spawn("dev", &[&listen[..], &[text(&file)]].concat());
    dev.says(" working ").await;
    assert_eq!(active_of(&site, "app").await, [1]);
}
