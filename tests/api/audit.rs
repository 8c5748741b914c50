//! The audit log through the front door.

use serde_json::json;

use super::door::Door;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_what_is_told_to_administrators() {
    let door = Door::locked().await;
    let made = door
        .post("/v1/tokens", json!({"name": "ci", "role": "deployer"}))
        .await
        .made();
    let (text, id) = (
        made["token"].as_str().unwrap(),
        made["id"].as_str().unwrap(),
    );
    let deployer = door.with(Some(text));
    deployer.post("/v1/queues/mail/pause", json!({})).await.ok();
    deployer.get("/v1/audit").await.problem(403, "forbidden");
    let acts = door.get("/v1/audit").await.ok();
    let acts = acts["acts"].as_array().unwrap();
    let newest = &acts[0];
    assert_eq!(
        json!([newest["by"], newest["action"], newest["subject"]]),
        json!([format!("token ci ({id})"), "scope.pause", "queue:mail"])
    );
    assert_eq!(acts[1]["action"], "token.set");
    assert_eq!(acts[1]["detail"], "ci as deployer");
    let shown = serde_json::to_string(acts).unwrap();
    assert!(
        !shown.contains(text.rsplit('.').next().unwrap()),
        "no secret"
    );
    // On from there, and with nothing that is none.
    let cursor = newest["cursor"].as_str().unwrap();
    let older = door
        .get(&format!("/v1/audit?before={cursor}&limit=1"))
        .await
        .ok();
    assert_eq!(older["acts"], json!([acts[1]]));
    for wrong in ["limit=0", "limit=1001", "limit=x", "after=1"] {
        door.get(&format!("/v1/audit?{wrong}"))
            .await
            .problem(400, "bad-request");
    }
    door.get("/v1/audit?before=never")
        .await
        .problem(422, "invalid");
}
