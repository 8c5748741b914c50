//! Who may do what.

use std::collections::BTreeMap;
use std::time::Duration;

use lovage::api::token::{NewToken, Role};
use lovage_queue::task::Rate;
use serde_json::{Value, json};

use super::app;
use super::docs::{document, operations};
use super::door::{Door, new_token, settings};
use crate::support::site::Site;
use crate::support::until;

/// The least role of each operation; a new one must be put here.
const ROLES: &[(Role, &[&str])] = &[
    (
        Role::Viewer,
        &[
            "GET /v1/whoami",
            "GET /v1/tenant",
            "GET /v1/modules",
            "GET /v1/modules/{module}",
            "GET /v1/modules/{module}/grants",
            "GET /v1/tasks",
            "GET /v1/tasks/{task}",
            "GET /v1/jobs",
            "GET /v1/jobs/{id}",
            "GET /v1/jobs/{id}/result",
            "GET /v1/jobs/{id}/input",
            "GET /v1/jobs/{id}/log",
            "GET /v1/jobs/{id}/attempts",
            "GET /v1/dead",
            "GET /v1/dead/groups",
            "GET /v1/queues",
            "GET /v1/queues/{queue}",
            "GET /v1/queues/{queue}/lanes",
            "GET /v1/limits",
            "GET /v1/autoscale",
            "GET /v1/workers",
            "GET /v1/schedules",
            "GET /v1/schedules/{name}",
            "GET /v1/flows",
            "GET /v1/flows/{id}",
            "GET /v1/flows/{id}/result",
            "GET /v1/events",
            "GET /v1/history",
            "GET /v1/usage",
            // By operation: see `remote`.
            "POST /v1/broker/{operation}",
        ],
    ),
    (
        Role::Producer,
        &[
            "POST /v1/jobs",
            "POST /v1/jobs/batch",
            "POST /v1/jobs/cancel",
            "POST /v1/jobs/requeue",
            "POST /v1/jobs/delete",
            "DELETE /v1/jobs/{id}",
            "POST /v1/jobs/{id}/cancel",
            "POST /v1/jobs/{id}/requeue",
            "POST /v1/dead/requeue",
            "POST /v1/dead/delete",
            "POST /v1/flows",
            "POST /v1/flows/{id}/cancel",
            "POST /v1/flows/{id}/retry",
            "POST /v1/schedules/{name}/fire",
        ],
    ),
    (
        Role::Deployer,
        &[
            "POST /v1/modules/{module}/releases",
            "POST /v1/modules/{module}/releases/{number}/activate",
            "POST /v1/modules/{module}/rollback",
            "POST /v1/queues/{queue}/pause",
            "POST /v1/queues/{queue}/resume",
            "POST /v1/queues/{queue}/purge",
            "PUT /v1/limits/{scope}",
            "POST /v1/limits/{scope}/pause",
            "POST /v1/limits/{scope}/resume",
            "PUT /v1/schedules/{name}",
            "DELETE /v1/schedules/{name}",
            "POST /v1/schedules/{name}/pause",
            "POST /v1/schedules/{name}/resume",
        ],
    ),
    (
        Role::Admin,
        &[
            "GET /v1/tokens",
            "POST /v1/tokens",
            "DELETE /v1/tokens/{id}",
            "GET /v1/hooks",
            "PUT /v1/hooks/{name}",
            "DELETE /v1/hooks/{name}",
            "GET /v1/audit",
            "PUT /v1/modules/{module}/grants",
            "DELETE /v1/modules/{module}/grants",
            "GET /v1/config",
            "PUT /v1/config/{key}",
            "DELETE /v1/config/{key}",
            "GET /v1/secrets",
            "PUT /v1/secrets/{key}",
            "DELETE /v1/secrets/{key}",
            "GET /v1/buckets",
            "GET /v1/buckets/{bucket}",
            "DELETE /v1/buckets/{bucket}",
            "GET /v1/buckets/{bucket}/keys/{key}",
            "PUT /v1/buckets/{bucket}/keys/{key}",
            "DELETE /v1/buckets/{bucket}/keys/{key}",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_without_a_token() {
    let door = Door::locked().await;
    let nobody = door.with(None);
    let operations = operations(&document(&door).await);
    assert!(operations.len() > 50, "{}", operations.len());
    for it in operations {
        let answer = super::visitor::Answer::to(nobody.ask(&it.method, &it.filled())).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"lovage\"");
        answer.problem(401, "unauthorized");
    }
    nobody.get("/metrics").await.problem(401, "unauthorized");
    // What needs none.
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs", "/"] {
        nobody.get(path).await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_takes_its_role_and_no_less() {
    let door = Door::locked().await;
    let mut roles: BTreeMap<&str, Role> = BTreeMap::new();
    for (role, names) in ROLES {
        roles.extend(names.iter().map(|name| (*name, *role)));
    }
    let all = [Role::Viewer, Role::Producer, Role::Deployer, Role::Admin];
    let mut visitors = Vec::new();
    for role in all {
        visitors.push((role, door.as_a(role).await));
    }
    for it in operations(&document(&door).await) {
        let name = it.name();
        let least = roles.remove(&*name);
        let least = least.unwrap_or_else(|| panic!("`{name}` is in no role's list"));
        for (role, visitor) in &visitors {
            // The head is enough: one of them has no end.
            let answer = visitor.ask(&it.method, &it.filled()).send().await.unwrap();
            let status = answer.status().as_u16();
            if *role >= least {
                assert!(![401, 403].contains(&status), "{name} as {role}: {status}");
                continue;
            }
            assert_eq!(status, 403, "{name} as {role}");
            let json: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(json["type"], "urn:lovage:problem:forbidden", "{name}");
            let detail = json["detail"].as_str().unwrap();
            assert!(detail.contains(&format!("`{least}`")), "{name}: {detail}");
        }
    }
    assert!(roles.is_empty(), "no operations: {roles:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_told_from_no_other() {
    let door = Door::locked().await;
    let (token, text) = door.token("default", Role::Viewer, None).await;
    let (_, over) = door
        .token("default", Role::Viewer, Some(Duration::ZERO))
        .await;
    let (start, secret) = text.rsplit_once('.').unwrap();
    let wrong = [
        String::new(),
        "lov_".into(),
        "hello".into(),
        format!("{start}.{}", secret.replace(|c| c != '0', "0")),
        format!("{start}."),
        format!("lov_other.{}.{secret}", token.id),
        format!("lov_default.0123456789abcdef.{secret}"),
        over,
    ];
    let mut said = Vec::new();
    for text in &wrong {
        let answer = door.with(Some(text)).get("/v1/whoami").await;
        said.push(answer.problem(401, "unauthorized")["detail"].clone());
    }
    assert!(said.iter().all(|it| *it == said[0]), "{said:?}");
    let basic = door.with(None).ask("GET", "/v1/whoami");
    let basic = basic.header("authorization", format!("Basic {text}"));
    super::visitor::Answer::to(basic)
        .await
        .problem(401, "unauthorized");
    // The scheme's name has no case, the token has.
    let lower = door.with(None).ask("GET", "/v1/whoami");
    let lower = lower.header("authorization", format!("bearer {text}"));
    super::visitor::Answer::to(lower).await.ok();
    door.get(&format!("/v1/whoami?token={text}")).await.ok();
    door.with(None)
        .get(&format!("/v1/whoami?token={text}"))
        .await
        .problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_revoked_or_has_expired_is_worth_nothing() {
    let door = Door::locked().await;
    let (token, text) = door.token("default", Role::Viewer, None).await;
    let revoked = door.with(Some(&text));
    revoked.get("/v1/whoami").await.ok();
    // Longer than the machine may take for the first request.
    let lasts = Duration::from_secs(6);
    let (_, text) = door.token("default", Role::Viewer, Some(lasts)).await;
    let expired = door.with(Some(&text));
    let who = expired.get("/v1/whoami").await.ok();
    assert!(who["expires"].as_str().unwrap().ends_with('Z'), "{who}");
    let since = std::time::Instant::now();
    door.delete(&format!("/v1/tokens/{}", token.id))
        .await
        .is(204);
    for visitor in [&revoked, &expired] {
        until("it is refused", || async {
            let answer = visitor.get("/v1/queues").await;
            (answer.status == 401).then_some(())
        })
        .await;
    }
    // A second for the first, six for the second, and the machine may be busy.
    assert!(since.elapsed() < Duration::from_secs(20));
    revoked.get("/v1/queues").await.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_sees_its_own_tenant_alone() {
    let door = Door::locked().await;
    door.push("app", app()).await;
    let call = json!({"task": "app.go", "args": {"side": 1}});
    let id = door.post("/v1/jobs", call.clone()).await.made()["id"].clone();
    let id = id.as_str().unwrap();
    let (_, text) = door.token("other", Role::Admin, None).await;
    let other = door.with(Some(&text));
    let who = other.get("/v1/whoami").await.ok();
    assert_eq!(
        (&who["tenant"], &who["role"]),
        (&json!("other"), &json!("admin"))
    );
    for path in ["", "/input", "/log", "/attempts", "/result"] {
        let path = format!("/v1/jobs/{id}{path}");
        other.get(&path).await.problem(404, "not-found");
    }
    other.post("/v1/jobs", call).await.problem(404, "not-found");
    let fate = other
        .post("/v1/jobs/cancel", json!({"ids": [id]}))
        .await
        .ok();
    assert_eq!(fate["jobs"][0]["became"], "missing");
    other
        .delete(&format!("/v1/jobs/{id}"))
        .await
        .problem(404, "not-found");
    for (path, list) in [
        ("/v1/queues", "queues"),
        ("/v1/jobs", "jobs"),
        ("/v1/modules", "modules"),
        ("/v1/tasks", "tasks"),
        ("/v1/limits", "limits"),
        ("/v1/schedules", "schedules"),
        ("/v1/flows", "flows"),
    ] {
        assert_eq!(other.get(path).await.ok()[list], json!([]), "{path}");
    }
    let tokens = other.get("/v1/tokens").await.ok();
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 1, "{tokens}");
    assert_eq!(
        door.get(&format!("/v1/jobs/{id}")).await.ok()["state"],
        "available"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_held_to_its_rate_and_size() {
    let door = Door::locked().await;
    let rate = Rate {
        count: 3,
        period: Duration::from_secs(3600),
    };
    let new = NewToken {
        rate: Some(rate),
        body: Some(100),
        ..new_token(Role::Producer)
    };
    let (_, text) = door.make("default", new).await;
    let held = door.with(Some(&text));
    let large = json!({"task": "app.go", "args": {"name": "x".repeat(200)}});
    held.post("/v1/jobs", large.clone())
        .await
        .problem(413, "too-large");
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(held.get("/v1/whoami").await);
    }
    let refused = answers.into_iter().find(|it| it.status != 200);
    refused.expect("a refusal").later(429, "rate-limited");
    // Nobody else's is used up by that.
    door.post("/v1/jobs", large).await.problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tokens_only_this_machine_is_answered() {
    let door = Door::open().await;
    let who = door.get("/v1/whoami").await.ok();
    assert_eq!(
        who,
        json!({"tenant": "default", "role": "admin", "name": null, "expires": null,
            "authentication": false, "version": env!("CARGO_PKG_VERSION")})
    );
    let with = |name: &str, value: &str| {
        super::visitor::Answer::to(door.ask("GET", "/v1/queues").header(name, value))
    };
    for (name, value) in [
        ("host", "evil.example"),
        ("host", "localhost.evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
    ] {
        with(name, value).await.problem(403, "forbidden");
    }
    with("origin", &door.base).await.ok();
    with("host", "localhost:7777").await.ok();
    // With tokens there is nothing that a page could send along.
    let settings = lovage::api::Settings {
        authentication: true,
        ..settings()
    };
    let locked = Door::on(Site::sqlite(), settings).await;
    let admin = locked.as_a(Role::Admin).await;
    let request = admin
        .ask("GET", "/v1/queues")
        .header("host", "lovage.example");
    super::visitor::Answer::to(request).await.ok();
}
