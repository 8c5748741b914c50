//! Modules, their releases and their tasks.

use serde_json::json;

use super::app;
use super::door::Door;
use super::visitor::{Answer, keys};
use crate::support::guests::answering;

const WASM: &str = "application/wasm";

async fn push(door: &Door, path: &str, bytes: Vec<u8>) -> Answer {
    let path = format!("/v1/modules/{path}");
    door.send("POST", &path, WASM, bytes).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_is_pushed_shown_and_rolled_back() {
    let door = Door::open().await;
    assert_eq!(door.get("/v1/modules").await.ok(), json!({"modules": []}));
    assert_eq!(door.get("/v1/tasks").await.ok(), json!({"tasks": []}));
    let pushed = push(&door, "app/releases", app()).await.made();
    let mut members = keys(&pushed);
    members.sort_unstable();
    assert_eq!(members, ["manifest", "module", "release", "workers"]);
    let release = &pushed["release"];
    assert_eq!(
        json!([release["number"], release["active"]]),
        json!([1, true])
    );
    assert_eq!(pushed["manifest"]["size"], app().len());
    let job = json!({"task": "app.go", "args": {"side": 1}});
    door.post("/v1/jobs", job).await.made();

    let task = door.get("/v1/tasks/app.go").await.ok();
    assert_eq!(task["input_schema"]["required"], json!(["side"]));
    assert_eq!(
        json!([task["task"], task["release"], task["digest"]]),
        json!(["app.go", 1, release["digest"]])
    );
    let tasks = door.get("/v1/tasks").await.ok();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(tasks["tasks"][0], task);

    let again = push(&door, "app/releases?now=true", answering(7))
        .await
        .made();
    assert_eq!(again["release"]["number"], 2);
    let module = door.get("/v1/modules/app").await.ok();
    assert_eq!(
        json!([module["module"], module["size"]]),
        json!(["app", answering(7).len()])
    );
    assert_eq!(module["tasks"][0]["release"], 2);
    let releases = module["releases"].as_array().unwrap();
    let active: Vec<_> = releases
        .iter()
        .map(|it| (it["number"].as_u64(), it["active"].as_bool()))
        .collect();
    assert_eq!(active, [(Some(2), Some(true)), (Some(1), Some(false))]);
    let listed = door.get("/v1/modules").await.ok();
    assert_eq!(
        listed,
        json!({"modules": [{"module": "app", "release": releases[0]}]})
    );
    let ran = door.site.lovage(&["releases", "app", "--json"]).await.ok();
    assert_eq!(ran.json(), module["releases"]);

    let back = door.poke("/v1/modules/app/rollback").await.ok();
    assert_eq!(back, json!({"module": "app", "active": 1, "before": 2}));
    door.poke("/v1/modules/app/rollback")
        .await
        .problem(409, "conflict");
    let forth = door.poke("/v1/modules/app/releases/2/activate").await.ok();
    assert_eq!(forth, json!({"module": "app", "active": 2, "before": 1}));
    door.poke("/v1/modules/app/releases/9/activate")
        .await
        .problem(404, "not-found");
    let module = door.get("/v1/modules/app").await.ok();
    assert_eq!(module["releases"][0]["active"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_module_is_refused() {
    let door = Door::open().await;
    for bytes in [
        Vec::new(),
        b"hello".to_vec(),
        b"\0asm\x01\0\0\0".to_vec(),
        wat::parse_str("(component)").unwrap(),
    ] {
        push(&door, "app/releases", bytes)
            .await
            .problem(422, "refused");
    }
    push(&door, "lovage/releases", app())
        .await
        .problem(422, "refused");
    push(&door, "App/releases", app())
        .await
        .problem(400, "bad-request");
    push(&door, "app/releases?now=maybe", app())
        .await
        .problem(400, "bad-request");
    push(&door, "app/releases?nwo=true", app())
        .await
        .problem(400, "bad-request");
    let path = "/v1/modules/app/releases";
    door.post(path, json!({}))
        .await
        .problem(415, "unsupported-media-type");
    door.poke(path).await.problem(415, "unsupported-media-type");
    let huge = door.ask("POST", path).header("content-type", WASM);
    let huge = huge.body(vec![0; lovage_queue::registry::blob::MAX_MODULE + 1]);
    // It is answered before it is read: whoever still sends may find the line closed.
    if let Ok(answer) = huge.send().await {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(door.get("/v1/modules").await.ok(), json!({"modules": []}));
    for path in [
        "/v1/modules/nope",
        "/v1/tasks/no.pe",
        "/v1/tasks/nope",
        "/v1/tasks/A.b",
    ] {
        door.get(path).await.problem(404, "not-found");
    }
    for path in [
        "nope/rollback",
        "nope/releases/1/activate",
        "nope/releases/one/activate",
    ] {
        let path = format!("/v1/modules/{path}");
        door.poke(&path).await.problem(404, "not-found");
    }
}
