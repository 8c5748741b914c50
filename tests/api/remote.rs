//! The command line over HTTP: what it prints and how it ends is as over the broker.

use lovage::api::token::Role;
use lovage_queue::broker::remote::{Operation, Right};
use serde_json::{Value, json};

use super::door::Door;
use super::visitor::Visitor;
use super::{NOBODY, app, failing};
use crate::support::guests::answering;
use crate::support::site::{Ran, text};

/// The command line, in front of a server.
struct Far<'a> {
    door: &'a Door,
    visitor: Visitor,
}

impl Far<'_> {
    async fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.door.site.command(args);
        command.env("LOVAGE_BROKER", &self.visitor.base);
        if let Some(token) = &self.visitor.token {
            command.env("LOVAGE_TOKEN", token);
        }
        Ran::of(command, b"").await
    }

    /// What it prints as JSON.
    async fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).await.ok().json()
    }

    /// The same over the broker must print the same.
    async fn same(&self, args: &[&str]) -> Ran {
        let near = self.door.site.lovage(args).await;
        let far = self.run(args).await;
        assert_eq!(far.code, near.code, "{args:?}: {far:#?} and {near:#?}");
        assert_eq!(far.out, near.out, "{args:?}");
        far
    }
}

async fn far(door: &Door, role: Role) -> Far<'_> {
    let visitor = door.as_a(role).await;
    Far { door, visitor }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_are_pushed_and_rolled_back() {
    let door = Door::locked().await;
    let far = far(&door, Role::Deployer).await;
    let file = door.site.write("app.wasm", app());
    let pushed = far.json(&["push", text(&file)]).await;
    let near = door.site.write("near.wasm", answering(7));
    let near = door
        .site
        .lovage(&["push", text(&near), "--json"])
        .await
        .ok();
    let members = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&pushed), members(&near.json()));
    let other = door.site.write("other.wasm", answering(8));
    far.run(&["push", text(&other), "--name", "app"]).await.ok();
    far.same(&["releases", "--json"]).await.ok();
    far.same(&["releases", "app", "--json"]).await.ok();
    far.run(&["rollback", "app"]).await.ok();
    let back = door.get("/v1/modules/app").await.ok();
    assert_eq!(back["releases"][1]["active"], true);
    far.same(&["rollback", "app"])
        .await
        .fails(4, &["no release older"]);
    far.same(&["rollback", "app", "--to", "9"])
        .await
        .fails(4, &["9"]);
    far.same(&["releases", "nope"]).await.fails(4, &["`nope`"]);
    let broken = door.site.write("broken.wasm", b"hello");
    far.same(&["push", text(&broken)]).await.fails(5, &[]);
    far.same(&["push", "nowhere.wasm"])
        .await
        .fails(4, &["nowhere.wasm"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_called_looked_at_and_cancelled() {
    let door = Door::locked().await;
    door.push("app", app()).await;
    door.push("bad", failing()).await;
    let far = far(&door, Role::Producer).await;
    let _worker = door.site.worker(&[]).await;
    let ran = far
        .run(&["call", "app.go", "side=3", "--wait", "--json"])
        .await
        .ok();
    let near = door
        .site
        .lovage(&["call", "app.go", "side=3", "--wait", "--json"])
        .await
        .ok();
    let shape = |it: &Ran| (it.json()["state"].clone(), it.json()["result"].clone());
    assert_eq!(shape(&ran), shape(&near));
    far.run(&["call", "bad.go", "--wait"])
        .await
        .fails(1, &["not yet"]);
    for (args, code) in [
        (&["call", "nope.go"][..], 4),
        (&["call", "app.nope"], 4),
        (&["call", "app.go"], 5),
        (&["call", "app.go", "side=wide"], 5),
        (&["call", "App.go"], 2),
        (&["job", NOBODY], 4),
        (&["job", "17"], 2),
    ] {
        let ran = far.same(args).await;
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:#?}");
    }
    door.site
        .write("calls.jsonl", "{\"side\": 1}\n{\"side\": 2}\n");
    let args = [
        "call",
        "app.go",
        "--batch",
        "calls.jsonl",
        "--queue",
        "slow",
    ];
    far.run(&args).await.ok();
    door.site
        .write("wrong.jsonl", "{\"side\": 1}\n{\"side\": 0}\n");
    far.same(&["call", "app.go", "--batch", "wrong.jsonl"])
        .await
        .fails(5, &["/side"]);
    let large = format!("name={}", "x".repeat(100_000));
    let ran = far
        .run(&["call", "app.go", "side=1", &large, "--wait"])
        .await
        .ok();
    assert!(ran.out.len() > 100_000, "what is large comes whole");
    let listed = far.same(&["jobs", "--json"]).await.ok().json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    far.same(&["job", &id, "--json"]).await.ok();
    far.same(&["job", &id]).await.ok();
    far.same(&["queues", "--json"]).await.ok();
    let cancelled = far.json(&["cancel", "--all", "--queue", "slow"]).await;
    assert!(cancelled.to_string().contains("cancelled"), "{cancelled}");
    assert_eq!(door.get("/v1/queues/slow").await.ok()["cancelled"], 2);
    far.same(&["dead", "list", "--json"]).await.ok();
    far.same(&["dead", "list", "--group", "--json"]).await.ok();
    let dead = far.json(&["dead", "list"]).await[0]["id"].clone();
    far.run(&["dead", "requeue", dead.as_str().unwrap()])
        .await
        .ok();
    far.run(&["job", dead.as_str().unwrap()]).await.ok();
    // What a producer may not do.
    for args in [
        &["pause", "queue:q"][..],
        &["limit", "queue:q", "--depth", "5"],
        &["schedules", "add", "x", "app.go", "side=1", "--every", "1h"],
    ] {
        far.run(args).await.fails(5, &["deployer"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_schedules_and_flows_are_held() {
    let door = Door::locked().await;
    door.push("app", app()).await;
    let far = far(&door, Role::Deployer).await;
    far.same(&[
        "limit", "queue:q", "--rate", "5/s", "--depth", "10", "--json",
    ])
    .await
    .ok();
    far.same(&["pause", "queue:q", "--json"]).await.ok();
    far.same(&["limits", "--json"]).await.ok();
    far.same(&["resume", "queue:q", "--json"]).await.ok();
    far.run(&[
        "schedules",
        "add",
        "hourly",
        "app.go",
        "side=4",
        "--every",
        "1h",
    ])
    .await
    .ok();
    far.same(&["schedules", "--json"]).await.ok();
    far.same(&["schedules", "show", "hourly", "--json"])
        .await
        .ok();
    far.same(&["schedules", "next", "3", "hourly", "--json"])
        .await
        .ok();
    far.same(&["schedules", "show", "nope"])
        .await
        .fails(4, &["nope"]);
    far.same(&["schedules", "add", "wrong", "app.go", "--every", "1h"])
        .await
        .fails(5, &[]);
    let id = far.run(&["schedules", "run", "hourly"]).await.ok().out;
    far.same(&["job", id.trim(), "--json"]).await.ok();
    far.same(&["schedules", "pause", "hourly"]).await.ok();
    far.same(&["schedules", "resume", "hourly"]).await.ok();
    far.run(&["schedules", "remove", "hourly"]).await.ok();
    far.same(&["schedules", "remove", "hourly"])
        .await
        .fails(4, &["hourly"]);

    let step = |side: u32| json!({"task": "app.go", "args": {"side": side}});
    let flow = json!({"name": "both", "group": [step(1), step(2)]});
    door.site.write("flow.json", flow.to_string());
    let _worker = door.site.worker(&[]).await;
    far.same(&["flow", "run", "flow.json", "--wait"]).await.ok();
    far.same(&["flow", "list", "--json"]).await.ok();
    let flows = far.json(&["flow", "list"]).await;
    let id = flows[0]["id"].as_str().unwrap().to_owned();
    for command in ["show", "result"] {
        far.same(&["flow", command, &id, "--json"]).await.ok();
        far.same(&["flow", command, NOBODY]).await.fails(4, &[]);
    }
    door.site.write(
        "wrong.json",
        json!({"group": [{"task": "no.pe"}]}).to_string(),
    );
    far.same(&["flow", "run", "wrong.json"]).await.fails(4, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_the_broker_itself_says_so() {
    let door = Door::locked().await;
    let far = far(&door, Role::Admin).await;
    for args in [&["worker"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        far.run(args).await.fails(2, &["broker"]);
    }
    let wrong = Far {
        door: &door,
        visitor: door.with(Some("lov_default.0123456789abcdef.x")),
    };
    wrong.run(&["queues"]).await.fails(5, &["token"]);
    let none = Far {
        door: &door,
        visitor: door.with(None),
    };
    none.run(&["queues"]).await.fails(5, &["token"]);
    let mut away = Far {
        door: &door,
        visitor: door.with(None),
    };
    away.visitor.base = "http://127.0.0.1:9".into();
    away.run(&["queues"]).await.fails(3, &["127.0.0.1:9"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_hooks_are_an_admins_there_too() {
    let door = Door::locked().await;
    let far_admin = far(&door, Role::Admin).await;
    let create = ["token", "create", "--name", "x", "--role", "viewer"];
    let made = far_admin.json(&create).await;
    let visitor = door.with(made["token"].as_str());
    assert_eq!(visitor.get("/v1/whoami").await.ok()["name"], "x");
    far_admin.same(&["token", "list", "--json"]).await.ok();
    let id = made["id"].as_str().unwrap();
    far_admin.run(&["token", "revoke", id]).await.ok();
    far_admin
        .same(&["token", "revoke", id])
        .await
        .fails(4, &[id]);

    let set = [
        "hooks",
        "set",
        "ops",
        "http://127.0.0.1:9/",
        "--task",
        "app",
    ];
    let secret = far_admin.json(&set).await["secret"].clone();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    far_admin.same(&["hooks", "--json"]).await.ok();
    let wrong = ["hooks", "set", "ops", "ftp://x"];
    far_admin.same(&wrong).await.fails(2, &["url"]);
    far_admin.run(&["hooks", "remove", "ops"]).await.ok();
    far_admin
        .same(&["hooks", "remove", "ops"])
        .await
        .fails(4, &["ops"]);

    let deployer = far(&door, Role::Deployer).await;
    for args in [&create[..], &["token", "list"], &set, &["hooks"]] {
        deployer.run(args).await.fails(5, &["admin"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_of_the_client_takes_its_role() {
    let door = Door::locked().await;
    let all = [Role::Viewer, Role::Producer, Role::Deployer, Role::Admin];
    for role in all {
        let visitor = door.as_a(role).await;
        for operation in Operation::ALL {
            let path = format!("/v1/broker/{operation}");
            let sent = visitor
                .send("POST", &path, "application/msgpack", vec![0xc1])
                .await;
            let may = role >= Role::from(operation.right());
            assert_eq!(
                sent.status == 403,
                !may,
                "{operation} as {role}: {}",
                sent.status
            );
        }
    }
    let shelves = Operation::ALL
        .iter()
        .filter(|it| it.right() == Right::Admin);
    assert_eq!(
        shelves.count(),
        12,
        "of tokens, hooks, buckets and the audit log, and of nothing else"
    );
    let path = "/v1/broker/claim";
    door.send("POST", path, "application/msgpack", vec![0xc0])
        .await
        .problem(404, "not-found");
    let answer = door.post("/v1/broker/about", json!(null)).await;
    answer.problem(415, "unsupported-media-type");
}
