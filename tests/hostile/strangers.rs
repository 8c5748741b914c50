//! One tenant's things, and another one who knows their ids, digests and keys.

use std::time::Duration;

use lovage::api::token::Role;
use lovage_queue::client::Client;
use lovage_queue::registry::Digest;
use serde_json::{Value, json};

use crate::api::door::Door;
use crate::api::visitor::Answer;
use crate::support::guests::answering;
use crate::support::site::{Site, call};
use crate::support::site_test;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_anothers_is_as_if_it_were_not_there() {
    let door = Door::locked().await;
    door.push("app", answering(7)).await;
    let body = json!({"task": "app.go", "args": {"x": "y".repeat(100_000)}, "key": "k-1"});
    let id = door.post("/v1/jobs", body.clone()).await.made()["id"].clone();
    let id = id.as_str().unwrap();
    let (token, _) = door.token("default", Role::Viewer, None).await;
    let (_, text) = door.token("mallory", Role::Admin, None).await;
    let mallory = door.with(Some(&text));

    // The same words as of what was never there.
    let nobody = "01a1fba9-c2fc-7000-b730-5028e85eff5c";
    for path in ["", "/input", "/result", "/log", "/attempts"] {
        let of = |id: &str| format!("/v1/jobs/{id}{path}");
        let theirs = mallory.get(&of(id)).await.problem(404, "not-found");
        let none = mallory.get(&of(nobody)).await.problem(404, "not-found");
        let said = theirs.to_string().replace(id, nobody);
        assert_eq!(said, none.to_string(), "{path}");
    }
    for (method, path) in [
        ("POST", format!("/v1/jobs/{id}/cancel")),
        ("POST", format!("/v1/jobs/{id}/requeue")),
        ("DELETE", format!("/v1/jobs/{id}")),
        ("GET", format!("/v1/flows/{id}")),
        ("DELETE", format!("/v1/tokens/{}", token.id)),
        ("POST", "/v1/modules/app/releases/1/activate".into()),
        ("POST", "/v1/modules/app/rollback".into()),
        ("GET", "/v1/modules/app".into()),
        ("GET", "/v1/tasks/app.go".into()),
    ] {
        let answer = Answer::to(mallory.ask(method, &path)).await;
        answer.problem(404, "not-found");
    }
    // A key of another tenant's is a key of one's own: nothing is found, and nothing told.
    mallory
        .post("/v1/jobs", body.clone())
        .await
        .problem(404, "not-found");
    let own = Client::over(door.site.client().await.broker().clone(), "mallory");
    let manifest = lovage::deploy::inspect(&engine(), answering(9))
        .await
        .unwrap();
    let digest = own
        .broker()
        .put("mallory", &answering(9), &manifest)
        .await
        .unwrap();
    let release = own
        .broker()
        .stage("mallory", "app", digest, "test")
        .await
        .unwrap();
    own.broker()
        .activate("mallory", "app", release.number)
        .await
        .unwrap();
    let replayed = mallory.post("/v1/jobs", body).await.made();
    assert_ne!(replayed["id"], id, "a key is its tenant's");
    // Names one tenant's header, and the token is another's.
    let request = mallory
        .ask("GET", "/v1/whoami")
        .header("x-lovage-tenant", "default");
    assert_eq!(Answer::to(request).await.ok()["tenant"], "mallory");
    assert_eq!(
        door.get(&format!("/v1/jobs/{id}")).await.ok()["state"],
        "available"
    );
}

fn engine() -> lovage::engine::Engine {
    let settings = lovage::engine::Settings {
        instances: 2,
        ..lovage::engine::Settings::default()
    };
    lovage::engine::Engine::new(settings).unwrap()
}

site_test!(
    a_digest_opens_nothing_of_another_tenants,
    |site| async move {
        site.push("app", &answering(7)).await;
        let client = site.client().await;
        let broker = client.broker();
        let secret = b"a large input of somebody's".repeat(4_000);
        let digest = broker.put_blob("default", &secret).await.unwrap();
        assert_eq!(broker.blob("default", digest).await.unwrap(), Some(secret));
        assert_eq!(broker.blob("mallory", digest).await.unwrap(), None);
        let module = Digest::of(&answering(7));
        assert!(broker.module("default", module).await.unwrap().is_some());
        assert!(broker.module("mallory", module).await.unwrap().is_none());
        assert!(broker.manifest("mallory", module).await.unwrap().is_none());
        let id = site.enqueue("app", 1).await[0];
        let mallory = Client::over(broker.clone(), "mallory");
        assert!(mallory.job(id).await.is_err());
        assert!(mallory.wait(id, Duration::from_millis(50)).await.is_err());
        assert!(
            mallory.enqueue(call("app")).await.is_err(),
            "no module of that name is theirs"
        );
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_are_all_alike() {
    let door = Door::locked().await;
    let (token, text) = door.token("mallory", Role::Admin, None).await;
    let (victim, _) = door.token("default", Role::Admin, None).await;
    let (_, expired) = door
        .token("default", Role::Admin, Some(Duration::ZERO))
        .await;
    let secret = text.rsplit_once('.').unwrap().1;
    let cases = [
        (
            "another tenant in front",
            format!("lov_default.{}.{secret}", token.id),
        ),
        (
            "another's id",
            format!("lov_default.{}.{secret}", victim.id),
        ),
        (
            "its own tenant, another's id",
            format!("lov_mallory.{}.{secret}", victim.id),
        ),
        ("expired", expired),
        ("no secret", format!("lov_mallory.{}.", token.id)),
        ("a truncated one", text[..text.len() - 1].to_owned()),
        ("one letter more", format!("{text}0")),
        ("in capitals", text.to_uppercase()),
        (
            "the hash for the secret",
            format!("lov_mallory.{}.{}", token.id, "0".repeat(64)),
        ),
        (
            "a path for a tenant",
            format!("lov_../default.{}.{secret}", token.id),
        ),
        ("a wildcard", format!("lov_*.{}.{secret}", token.id)),
        (
            "a tenant of a thousand letters",
            format!("lov_{}.{}.{secret}", "a".repeat(1_000), token.id),
        ),
        (
            "a huge one",
            format!("lov_mallory.{}.{}", token.id, "0".repeat(30_000)),
        ),
        ("dots", ".".repeat(3_000)),
    ];
    let mut said: Vec<Value> = Vec::new();
    for (name, forged) in cases {
        let answer = door.with(Some(&forged)).get("/v1/whoami").await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        said.push(answer.problem(401, "unauthorized")["detail"].clone());
    }
    assert!(said.iter().all(|it| *it == said[0]), "{said:?}");
    // Twice the header: the one that is looked at is wrong or the request is.
    let two = door.with(None).ask("GET", "/v1/whoami");
    let two = two
        .header("authorization", "Bearer lov_x")
        .header("authorization", format!("Bearer {text}"));
    assert!([400, 401].contains(&Answer::to(two).await.status));
    assert_eq!(
        door.with(Some(&text)).get("/v1/whoami").await.ok()["tenant"],
        "mallory"
    );
}

/// The same request again makes nothing twice where it says by its key that it is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_request_makes_nothing_twice_and_a_revoked_one_nothing_at_all() {
    let door = Door::locked().await;
    door.push("app", answering(7)).await;
    let (token, text) = door.token("default", Role::Producer, None).await;
    let producer = door.with(Some(&text));
    let body = json!({"task": "app.go", "key": "order-1"});
    let first = producer.post("/v1/jobs", body.clone()).await.made();
    for _ in 0..3 {
        assert_eq!(producer.post("/v1/jobs", body.clone()).await.made(), first);
    }
    door.delete(&format!("/v1/tokens/{}", token.id))
        .await
        .is(204);
    crate::support::until("the token is worth nothing", || async {
        let answer = producer
            .post("/v1/jobs", json!({"task": "app.go", "key": "order-1"}))
            .await;
        (answer.status == 401).then_some(())
    })
    .await;
    let jobs = door.get("/v1/jobs").await.ok();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "{jobs}");
}

/// Whom nothing is known of costs a look, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_cost_nobody_else() {
    let door = Door::on(
        Site::sqlite(),
        lovage::api::Settings {
            authentication: true,
            ..crate::api::door::settings()
        },
    )
    .await;
    let (_, text) = door.token("default", Role::Viewer, None).await;
    let guess = |n: u64| {
        let forged = format!("lov_default.{n:016x}.{}", "0".repeat(64));
        let door = door.with(Some(&forged));
        async move { door.get("/v1/whoami").await.status }
    };
    let all = futures_util::future::join_all((0..200).map(guess)).await;
    assert!(all.iter().all(|it| *it == 401), "{all:?}");
    door.with(Some(&text)).get("/v1/whoami").await.ok();
}
