//! What modules were granted, and who may say so.

use lovage::api::token::Role;
use lovage_queue::broker::Shelf;
use lovage_queue::client::Client;
use lovage_queue::granted::{Approval, Granted};
use serde_json::{Value, json};

use super::door::Door;
use super::visitor::{Answer, Visitor};
use crate::fixtures::{ECHO, Guest};

const PATH: &str = "/v1/modules/app/grants";
const PRIVATE: &str = "http private metrics.internal:80";

async fn push(visitor: &Visitor, query: &str, wants: &[&str]) -> Answer {
    let bytes = Guest::new(ECHO).wants(wants).build();
    let path = format!("/v1/modules/app/releases?now=true{query}");
    visitor.send("POST", &path, "application/wasm", bytes).await
}

async fn active(door: &Door) -> Vec<bool> {
    let shown = door.get("/v1/modules/app").await.ok();
    let releases = shown["releases"].as_array().unwrap().iter();
    releases.map(|it| it["active"] == true).collect()
}

fn granted(view: &Value) -> Vec<&str> {
    let all = view["granted"].as_array().unwrap().iter();
    all.map(|it| it["grant"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployer_pushes_what_is_granted_and_an_administrator_approves() {
    let door = Door::locked().await;
    let deployer = door.as_a(Role::Deployer).await;
    let pushed = push(&deployer, "", &["bucket a", "config b"]).await;
    let pushed = pushed.is(202).json();
    assert_eq!(pushed["awaits"], json!(["config b", "bucket a"]));
    assert_eq!(pushed["release"]["active"], false);
    push(&deployer, "&grant=true", &["bucket a"])
        .await
        .problem(403, "forbidden");
    deployer
        .put(PATH, json!({"grants": ["bucket a"]}))
        .await
        .problem(403, "forbidden");
    let path = "/v1/modules/app/releases/1/activate";
    let said = deployer.poke(path).await.problem(409, "conflict");
    let said = said["detail"].as_str().unwrap().to_owned();
    assert_eq!(
        said,
        "release 1 of `app` newly wants `config b`, `bucket a`"
    );
    let viewer = door.as_a(Role::Viewer).await;
    let view = viewer.get(PATH).await.ok();
    assert_eq!(view["release"], 1);
    assert_eq!(view["awaits"], json!(["config b", "bucket a"]));

    // `1.0` is a whole number, by JSON Schema.
    let body = json!({"grants": ["bucket a", "config b"], "activate": 1.0});
    let set = door.put(PATH, body).await.ok();
    assert_eq!((&set["active"], &set["awaits"]), (&json!(1), &json!([])));
    assert_eq!(set["granted"][0]["by"], "admin");
    assert_eq!(active(&door).await, [true]);
    // From here on the deployer needs nobody, as long as nothing new is wanted.
    push(&deployer, "", &["config b"]).await.made();
    assert_eq!(active(&door).await, [true, false]);
    deployer.poke(path).await.ok();
    push(&deployer, "", &["config c"]).await.is(202);
    assert_eq!(active(&door).await, [false, false, true]);

    let one = format!("{PATH}?grant=bucket%20a");
    deployer.delete(&one).await.problem(403, "forbidden");
    door.delete(&one).await.is(204);
    door.delete(&one).await.problem(404, "not-found");
    assert_eq!(granted(&door.get(PATH).await.ok()), ["config b"]);
    deployer
        .poke("/v1/modules/app/rollback")
        .await
        .problem(409, "conflict");
    push(&door, "&grant=true", &["config d"]).await.made();
    door.delete(PATH).await.is(204);
    assert_eq!(granted(&door.get(PATH).await.ok()), [] as [&str; 0]);
    door.get("/v1/modules/nope/grants")
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_into_the_operators_network_is_granted_over_http() {
    let door = Door::locked().await;
    push(&door, "", &[PRIVATE]).await.is(202);
    push(&door, "&grant=true", &[PRIVATE])
        .await
        .problem(403, "forbidden");
    door.put(PATH, json!({"grants": [PRIVATE]}))
        .await
        .problem(403, "forbidden");
    for body in [
        json!({"grants": ["http 2130706433"]}),
        json!({"grants": [""]}),
    ] {
        door.put(PATH, body).await.problem(422, "invalid");
    }
    door.put(PATH, json!({"grants": ["bucket a"], "activate": 7}))
        .await
        .problem(404, "not-found");

    // Nor by the client that speaks as a broker does.
    let url = door.base.replace("http://", "");
    let token = door.token.clone().unwrap();
    let remote = Client::connect(&format!("http://{token}@{url}")).await;
    let remote = remote.unwrap();
    let mut forged = Granted::default();
    let approval = Approval {
        by: "operator".into(),
        at: lovage_queue::clock::Millis(1),
    };
    let wants = remote.wanted("app", None).await.unwrap().1;
    forged.add(&wants, &approval);
    let (broker, tenant) = (remote.broker(), remote.tenant());
    for bytes in [forged.encode(), b"?".to_vec()] {
        let put = broker.put_entry(tenant, Shelf::Grants, "app", &bytes);
        put.await.unwrap_err();
    }
    broker.activate(tenant, "app", 1).await.unwrap_err();
    assert_eq!(granted(&door.get(PATH).await.ok()), [] as [&str; 0]);

    // The operator's approval holds, and an administrator may keep it and take it back.
    let own = door.site.client().await;
    let operator = lovage_queue::granted::Approver::Operator;
    own.approve("app", &wants, operator, "op").await.unwrap();
    let body = json!({"grants": [PRIVATE, "bucket a"], "activate": 1});
    door.put(PATH, body).await.ok();
    assert_eq!(active(&door).await, [true]);
    door.put(PATH, json!({"grants": []})).await.ok();
    door.put(PATH, json!({"grants": [PRIVATE]}))
        .await
        .problem(403, "forbidden");
}
