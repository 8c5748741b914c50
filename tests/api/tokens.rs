//! Tokens and web-hooks, which administrators make.

use lovage_queue::broker::Shelf;
use lovage_queue::hook::Hook;
use serde_json::{Value, json};

use super::door::Door;
use super::visitor::pointers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_used_and_revoked() {
    let door = Door::locked().await;
    let body =
        json!({"name": "ci", "role": "deployer", "expires": "30d", "rate": "1000/s", "body": 4096});
    let made = door.post("/v1/tokens", body).await.made();
    let text = made["token"].as_str().unwrap();
    let id = made["id"].as_str().unwrap();
    assert!(text.starts_with(&format!("lov_default.{id}.")), "{made}");
    assert_eq!(
        json!([made["name"], made["role"], made["rate"], made["body"]]),
        json!(["ci", "deployer", "1000/s", 4096])
    );
    let who = door.with(Some(text)).get("/v1/whoami").await.ok();
    assert_eq!(
        json!([
            who["tenant"],
            who["role"],
            who["name"],
            who["expires"],
            who["authentication"]
        ]),
        json!(["default", "deployer", "ci", made["expires"], true])
    );
    let all = door.get("/v1/tokens").await.ok();
    let listed = all["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["id"] == id)
        .unwrap();
    let mut about = made.clone();
    about.as_object_mut().unwrap().remove("token");
    assert_eq!(listed, &about);
    let secret = text.rsplit('.').next().unwrap();
    assert!(!all.to_string().contains(secret), "it is shown once");
    let client = door.site.client().await;
    let kept = client
        .broker()
        .entry("default", Shelf::Tokens, id)
        .await
        .unwrap()
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&kept).contains(secret),
        "nobody keeps it"
    );
    door.delete(&format!("/v1/tokens/{id}")).await.is(204);
    for gone in [id, "nope", "0000000000000000"] {
        door.delete(&format!("/v1/tokens/{gone}"))
            .await
            .problem(404, "not-found");
    }
    for wrong in [
        json!({}),
        json!({"name": "ci"}),
        json!({"name": "C I", "role": "viewer"}),
        json!({"name": "", "role": "viewer"}),
        json!({"name": "ci", "role": "root"}),
        json!({"name": "ci", "role": "viewer", "expires": "soon"}),
        json!({"name": "ci", "role": "viewer", "until": "30d"}),
        json!({"name": "ci", "role": "viewer", "body": -1}),
    ] {
        door.post("/v1/tokens", wrong)
            .await
            .problem(400, "bad-request");
    }
    let rate = json!({"name": "ci", "role": "viewer", "rate": "fast"});
    let problem = door
        .post("/v1/tokens", rate)
        .await
        .problem(400, "bad-request");
    assert_eq!(pointers(&problem), ["/rate"]);
    let all = door.get("/v1/tokens").await.ok();
    assert_eq!(
        all["tokens"].as_array().unwrap().len(),
        1,
        "the administrator's own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_is_set_shown_and_removed() {
    let door = Door::locked().await;
    assert_eq!(door.get("/v1/hooks").await.ok(), json!({"hooks": []}));
    let body = json!({"url": "https://example.com/told", "tasks": ["app.go", "mail"],
        "outcomes": ["discarded"], "attempts": 3});
    let set = door.put("/v1/hooks/told", body.clone()).await.ok();
    let secret = set["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{set}");
    let mut shown = body.clone();
    shown["name"] = json!("told");
    assert_eq!(door.get("/v1/hooks").await.ok(), json!({"hooks": [shown]}));
    // Set again it keeps its secret, and says nothing of it.
    let set = door
        .put("/v1/hooks/told", json!({"url": "http://localhost:1/"}))
        .await
        .ok();
    assert_eq!(set.get("secret"), None);
    let client = door.site.client().await;
    let kept = client
        .broker()
        .entry("default", Shelf::Hooks, "told")
        .await
        .unwrap()
        .unwrap();
    let kept = Hook::decode(&kept).expect("what workers read");
    assert_eq!(
        (kept.secret, kept.url),
        (secret, "http://localhost:1/".to_owned())
    );
    let own = format!("whsec_{}", "A".repeat(40));
    let body = json!({"url": "http://localhost:1/", "secret": own});
    assert_eq!(door.put("/v1/hooks/told", body).await.ok()["secret"], *own);
    door.delete("/v1/hooks/told").await.is(204);
    door.delete("/v1/hooks/told")
        .await
        .problem(404, "not-found");

    let url = "http://localhost:1/";
    let wrong: [(Value, &[&str]); 9] = [
        (json!({}), &[]),
        (json!({"url": 5}), &[]),
        (json!({"url": url, "task": "a"}), &[]),
        (json!({"url": url, "outcomes": ["happy"]}), &[]),
        (json!({"url": "ftp://localhost/"}), &["/url"]),
        (json!({"url": url, "tasks": ["A.b"]}), &["/tasks"]),
        (json!({"url": url, "outcomes": ["running"]}), &["/outcomes"]),
        (json!({"url": url, "secret": "mine"}), &["/secret"]),
        (json!({"url": url, "attempts": 51}), &["/attempts"]),
    ];
    for (body, places) in wrong {
        let problem = door
            .put("/v1/hooks/told", body)
            .await
            .problem(400, "bad-request");
        if !places.is_empty() {
            assert_eq!(pointers(&problem), places);
        }
    }
    let wrong = door.put("/v1/hooks/A%20b", json!({"url": url})).await;
    wrong.problem(400, "bad-request");
    assert_eq!(door.get("/v1/hooks").await.ok(), json!({"hooks": []}));
}
