//! Flows.

use serde_json::{Value, json};

use super::door::Door;
use super::visitor::Answer;
use super::{NOBODY, failing};
use crate::support::site::text;

fn step(side: u32) -> Value {
    json!({"task": "app.go", "args": {"side": side}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_runs_to_its_end_and_is_shown() {
    let door = Door::with_app().await;
    let flow = json!({"name": "both", "group": [step(1), step(2)]});
    let begun = door.post("/v1/flows", flow.clone()).await.made();
    assert_eq!(begun["name"], "both");
    let id = begun["id"].as_str().unwrap();
    let path = format!("/v1/flows/{id}");
    let shown = door.get(&path).await.ok();
    assert_eq!(
        json!([shown["state"], shown["nodes"]]),
        json!(["running", 2]),
        "{shown:#}"
    );
    let result = format!("{path}/result");
    door.get(&result).await.problem(409, "not-finished");
    let _worker = door.site.worker(&[]).await;
    let ended = door.get(&format!("{path}?wait=30s")).await.ok();
    assert_eq!(ended["state"], "completed", "{ended:#}");
    assert_eq!(
        door.get(&result).await.ok(),
        json!([{"side": 1}, {"side": 2}])
    );
    let steps = ended["steps"]["group"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    let job = steps[0]["job"].as_str().unwrap();
    assert_eq!(
        json!([steps[0]["task"], steps[0]["state"]]),
        json!(["app.go", "completed"])
    );
    let job = door.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(job["flow"], id);
    let node = steps[1]["path"].as_str().unwrap();
    let one = door.get(&format!("{result}?node={node}")).await.ok();
    assert_eq!(one, json!({"side": 2}));
    door.get(&format!("{result}?node=flow.99"))
        .await
        .problem(404, "not-found");

    let waited = door.post("/v1/flows?wait=30s", flow).await.ok();
    assert_eq!(waited["state"], "completed");
    let all = door.get("/v1/flows").await.ok();
    let ids: Vec<_> = all["flows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, [&waited["id"], &json!(id)], "the newest first");
    let one = door.get("/v1/flows?limit=1&offset=1").await.ok();
    assert_eq!(one["flows"][0]["id"], id);
    let ran = door.site.lovage(&["flow", "show", id, "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // What has ended is not cancelled, and has nothing to try again.
    for path in ["cancel", "retry"] {
        let done = door.poke(&format!("/v1/flows/{id}/{path}")).await.ok();
        assert_eq!(done, json!({"id": id, "done": false}), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_the_same_flow() {
    let door = Door::with_app().await;
    let keyed = |key: &'static str, body: Value| {
        let request = door.ask("POST", "/v1/flows").header("idempotency-key", key);
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(body.to_string()))
    };
    let first = keyed("k", json!({"name": "one", "group": [step(1)]}))
        .await
        .made();
    let again = keyed("k", json!({"name": "one", "group": [step(1)]}))
        .await
        .made();
    assert_eq!(first, again);
    let other = keyed("k", json!({"name": "two", "chain": [step(2)]}))
        .await
        .made();
    assert_eq!(first, other, "what is said counts the first time");
    assert_eq!(
        door.get("/v1/jobs").await.ok()["jobs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // A job of the same key is something else.
    let request = door.ask("POST", "/v1/jobs").header("idempotency-key", "k");
    let request = request.header("content-type", "application/json");
    Answer::to(request.body(step(1).to_string())).await.made();
    let second = keyed("l", json!({"group": [step(1)]})).await.made();
    assert_ne!(first["id"], second["id"]);
    keyed("", json!({"group": [step(1)]}))
        .await
        .problem(400, "bad-request");

    let flow = json!({"group": [step(3)]}).to_string();
    let file = door.site.write("three.json", flow);
    let run = ["flow", "run", text(&file), "--key", "k", "--json"];
    assert_eq!(door.site.lovage(&run).await.ok().json(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_is_cancelled_and_tried_again() {
    let door = Door::with_app().await;
    door.push("bad", failing()).await;
    let _worker = door.site.worker(&[]).await;
    door.poke("/v1/queues/default/pause").await.ok();
    let begun = door
        .post(
            "/v1/flows",
            json!({"chain": [step(1), {"task": "app.go", "args": {"side": 2}}]}),
        )
        .await;
    let begun = begun.made();
    let id = begun["id"].as_str().unwrap();
    let done = door.poke(&format!("/v1/flows/{id}/cancel")).await.ok();
    assert_eq!(done, json!({"id": id, "done": true}));
    let shown = door.get(&format!("/v1/flows/{id}?wait=30s")).await.ok();
    assert_eq!(shown["state"], "cancelled", "{shown:#}");

    door.poke("/v1/queues/default/resume").await.ok();
    let failed = door
        .post(
            "/v1/flows?wait=30s",
            json!({"group": [step(1), {"task": "bad.go"}]}),
        )
        .await
        .ok();
    assert_eq!(failed["state"], "failed", "{failed:#}");
    let id = failed["id"].as_str().unwrap();
    door.get(&format!("/v1/flows/{id}/result"))
        .await
        .problem(422, "job-failed");
    door.push("bad", crate::support::guests::answering(7)).await;
    let done = door.poke(&format!("/v1/flows/{id}/retry")).await.ok();
    assert_eq!(done["done"], true);
    let shown = door.get(&format!("/v1/flows/{id}?wait=30s")).await.ok();
    assert_eq!(shown["state"], "completed", "{shown:#}");
    assert_eq!(
        door.get(&format!("/v1/flows/{id}/result")).await.ok(),
        json!([{"side": 1}, 7])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_flow_is_refused() {
    let door = Door::with_app().await;
    for (body, status, kind) in [
        (json!({}), 400, ""),
        (json!([]), 400, ""),
        (json!({"chian": []}), 400, ""),
        (json!({"chain": []}), 400, ""),
        (json!({"group": [step(1)], "chain": [step(1)]}), 400, ""),
        (json!({"group": [{"task": "no.pe"}]}), 404, "not-found"),
        (
            json!({"group": [{"task": "app.go", "args": {"side": "x"}}]}),
            422,
            "invalid-arguments",
        ),
    ] {
        let answer = door.post("/v1/flows", body).await;
        match kind {
            "" => answer.senseless(),
            kind => drop(answer.problem(status, kind)),
        }
    }
    door.post("/v1/flows?wait=x", json!({"group": [step(1)]}))
        .await
        .problem(400, "bad-request");
    assert_eq!(door.get("/v1/flows").await.ok(), json!({"flows": []}));
    assert_eq!(door.get("/v1/jobs").await.ok()["jobs"], json!([]));
    for path in ["", "/result"] {
        let path = format!("/v1/flows/{NOBODY}{path}");
        door.get(&path).await.problem(404, "not-found");
    }
    for path in ["cancel", "retry"] {
        let path = format!("/v1/flows/{NOBODY}/{path}");
        door.poke(&path).await.problem(404, "not-found");
    }
    for wrong in ["limit=0", "limit=1001", "offset=-1", "state=x"] {
        door.get(&format!("/v1/flows?{wrong}"))
            .await
            .problem(400, "bad-request");
    }
}
