//! A token's own tenant, and what it hears of others.

use lovage::api::token::Role;
use lovage_queue::broker::TenantChange;
use lovage_queue::tenant::{Quota, Tenant};
use serde_json::json;

use super::app;
use super::door::Door;
use super::visitor::Visitor;
use crate::support::until;

const ACME: &str = "acme";

/// A tenant of this quota with a module, and somebody with a token of it.
async fn acme(door: &Door, quota: Quota) -> Visitor {
    let broker = door.site.client().await.broker();
    let tenant = Tenant {
        quota,
        ..Tenant::new(ACME)
    };
    assert!(broker.create_tenant(&tenant).await.unwrap());
    let (_, token) = door.token(ACME, Role::Deployer, None).await;
    let visitor = door.with(Some(&token));
    let pushed = visitor.send(
        "POST",
        "/v1/modules/app/releases",
        "application/wasm",
        app(),
    );
    assert!(pushed.await.status < 300);
    visitor
}

async fn change(door: &Door, change: TenantChange) {
    let broker = door.site.client().await.broker();
    broker.change_tenant(ACME, &change).await.unwrap();
}

fn call() -> serde_json::Value {
    json!({"task": "app.go", "args": {"side": 1}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_sees_what_its_tenant_may_take_and_has_taken() {
    let door = Door::locked().await;
    let quota = Quota {
        running: Some(3),
        queued: Some(1),
        modules: Some(1),
        ..Quota::default()
    };
    let them = acme(&door, quota).await;
    let shown = them.get("/v1/tenant").await.ok();
    assert_eq!(
        json!([
            shown["name"],
            shown["state"],
            shown["quota"]["running"],
            shown["quota"]["fuel"]
        ]),
        json!([ACME, "active", 3, null])
    );
    assert_eq!(shown["used"]["modules"], 1);
    assert!(shown["used"]["bytes"].as_u64().unwrap() > 100, "{shown}");
    // One that nobody created has no quota.
    let shown = door.get("/v1/tenant").await.ok();
    assert_eq!(
        json!([shown["name"], shown["created"]]),
        json!(["default", null])
    );

    them.post("/v1/jobs", call()).await.made();
    let problem = them.post("/v1/jobs", call()).await.later(429, "quota");
    let said = problem["detail"].as_str().unwrap();
    assert!(said.contains("`queued` of 1"), "{said}");
    door.push("app", app()).await;
    door.post("/v1/jobs", call()).await.made();
    // Time alone makes no room for another module.
    let refused = them.send(
        "POST",
        "/v1/modules/other/releases",
        "application/wasm",
        app(),
    );
    let refused = refused.await;
    assert_eq!(refused.header("retry-after"), "");
    refused.problem(429, "quota");

    change(&door, TenantChange::Suspended(true)).await;
    them.post("/v1/jobs", call())
        .await
        .problem(403, "suspended");
    assert_eq!(them.get("/v1/tenant").await.ok()["state"], "suspended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_hears_nothing_of_other_tenants() {
    let door = Door::locked().await;
    door.push("app", app()).await;
    let job = door.post("/v1/jobs", call()).await.made();
    let id = job["id"].as_str().unwrap();
    let them = acme(&door, Quota::default()).await;
    let _worker = door.site.worker(&[]).await;
    until("it has ended", || async {
        let job = door.get(&format!("/v1/jobs/{id}")).await.ok();
        (job["state"] == "completed").then_some(())
    })
    .await;
    // The same words as for what is nowhere.
    let nowhere = them
        .get("/v1/jobs/01a1fba9-c2fc-7000-b730-5028e85eff5c")
        .await;
    let nowhere = nowhere.problem(404, "not-found")["detail"].to_string();
    let theirs = them.get(&format!("/v1/jobs/{id}")).await;
    let theirs = theirs.problem(404, "not-found")["detail"].to_string();
    assert_eq!(
        theirs.replace(id, ""),
        nowhere.replace("01a1fba9-c2fc-7000-b730-5028e85eff5c", "")
    );
    let queues = them.get("/v1/queues").await.ok();
    assert_eq!(queues["queues"], json!([]), "{queues}");
    let jobs = them.get("/v1/jobs").await.ok();
    assert!(!jobs.to_string().contains(id), "{jobs}");
    // Metrics of the whole process are the operator's.
    let own = them.get("/metrics").await.is(200).text();
    assert!(!own.contains("lovage_http_requests_total"), "{own}");
    let operators = door.get("/metrics").await.is(200).text();
    assert!(operators.contains("lovage_http_requests_total"));
}
