//! Tenants, from the shell's side.

use serde_json::{Value, json};

use super::app;
use crate::support::site::Site;
use crate::support::site_test;

async fn tenant(site: &Site, args: &[&str]) -> String {
    site.lovage(&[&["tenant"], args].concat()).await.ok().out
}

async fn list(site: &Site) -> Value {
    site.lovage(&["tenant", "list", "--json"]).await.ok().json()
}

site_test!(a_tenant_is_created_changed_and_deleted, |site| async move {
    let all = list(&site).await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(all[0]["name"], "default");
    let create = [
        "create",
        "acme",
        "--running=5",
        "--rate=100/s",
        "--bytes=2GiB",
    ];
    let said = tenant(&site, &create).await;
    assert_eq!(said, "`acme` may take: 5 at once, 100/s, 2.0GiB stored\n");
    site.lovage(&["tenant", "create", "acme"])
        .await
        .fails(5, &["already", "lovage tenant limits"]);
    // What is not named stays.
    let said = tenant(&site, &["limits", "acme", "--queued", "2", "--rate=none"]).await;
    assert_eq!(
        said,
        "`acme` may take: 5 at once, 2 queued, 2.0GiB stored\n"
    );
    let all = list(&site).await;
    assert_eq!(
        json!([all[0]["name"], all[0]["state"], all[0]["weight"]]),
        json!(["acme", "active", 1])
    );
    let quota = json!({"running": 5, "rate": null, "queued": 2, "bytes": 2_147_483_648u64,
        "modules": null, "module_size": null, "fuel": null});
    assert_eq!(all[0]["quota"], quota);
    let said = tenant(&site, &["limits", "default"]).await;
    assert_eq!(said, "`default` may take everything\n");

    site.write("app.wasm", app());
    let push = ["--tenant", "acme", "push", "app.wasm", "--now"];
    site.lovage(&push).await.ok();
    let call = ["--tenant", "acme", "call", "app.go", "side=1"];
    for _ in 0..2 {
        site.lovage(&call).await.ok();
    }
    site.lovage(&call).await.fails(
        3,
        &["quota `queued` of 2", "2 are taken", "hint: ", "raise"],
    );
    let all = list(&site).await;
    assert_eq!(all[0]["used"]["queued"], 2);
    assert_eq!(all[0]["used"]["modules"], 1);
    let table = tenant(&site, &["list"]).await;
    assert!(table.contains("2/2"), "{table}");

    tenant(&site, &["suspend", "acme"]).await;
    site.lovage(&call)
        .await
        .fails(5, &["suspended", "lovage tenant resume"]);
    site.lovage(&push).await.fails(5, &["suspended"]);
    assert_eq!(list(&site).await[0]["state"], "suspended");
    assert_eq!(tenant(&site, &["resume", "acme"]).await, "`acme` goes on\n");

    let said = tenant(&site, &["delete", "acme"]).await;
    assert_eq!(said, "`acme` is deleted: nothing of it is left\n");
    assert_eq!(list(&site).await.as_array().unwrap().len(), 1);
    let left = site.lovage(&["--tenant", "acme", "jobs", "--json"]).await;
    assert_eq!(left.ok().json(), json!([]));
});

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let site = Site::sqlite();
    for (args, code, said) in [
        (&["create", "No"][..], 2, "no valid tenant name"),
        (&["create", "a", "--running", "0"], 2, "suspend the tenant"),
        (&["create", "a", "--weight", "0"], 2, "weighs 1 to 1000"),
        (&["create", "a", "--bytes", "much"], 2, "no size"),
        (&["limits", "nobody"], 4, "lovage tenant create"),
        (&["suspend", "nobody"], 4, "no tenant `nobody`"),
        (&["delete", "nobody"], 4, "no tenant `nobody`"),
        (&["delete", "default"], 2, "always there"),
        (
            &["--broker", "http://127.0.0.1:1", "list"],
            2,
            "needs the broker itself",
        ),
    ] {
        let args = [&["tenant"], args].concat();
        site.lovage(&args).await.fails(code, &[said]);
    }
}
