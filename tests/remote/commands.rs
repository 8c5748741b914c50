//! The binary over HTTP: the same words, results and exit codes as at the broker.

use serde_json::{Value, json};

use super::Served;
use crate::fixtures::{ECHO, Guest};
use crate::support::site::{Ran, Site};

fn app() -> Vec<u8> {
    let schema = r#"{"type": "object", "required": ["side"], "additionalProperties": false,
        "properties": {"side": {"type": "integer", "minimum": 1}, "name": {"type": "string"}}}"#;
    Guest::new(ECHO).tasks(&[("go", schema)]).build()
}

/// A site that asks the server, and one at its file.
fn sites(served: &Served) -> (Site, Site) {
    let file = format!("sqlite:{}", served.database().display());
    (Site::at(&served.url("lov_deployer")), Site::at(&file))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_over_http_is_seen_at_the_broker() {
    let served = Served::start().await;
    let (there, here) = sites(&served);
    there.write("app.wasm", app());
    let said = there
        .lovage(&["push", "app.wasm", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(said["release"]["number"], json!(1));
    assert_eq!(said["release"]["by"], json!("a token"));
    assert_eq!(
        said["release"]["at"],
        json!(1_801_386_000_000_u64),
        "as a broker's"
    );
    assert_eq!(said["manifest"]["tasks"][0]["name"], json!("go"));
    there.lovage(&["push", "app.wasm"]).await.ok();

    let id = there.lovage(&["call", "app.go", "side=1"]).await.ok().out;
    let id = id.trim();
    there
        .lovage(&["limit", "queue:default", "--concurrency", "3"])
        .await
        .ok();
    there.lovage(&["pause", "task:app.go"]).await.ok();
    let add = ["schedules", "add", "s", "app.go", "side=1", "--every", "1h"];
    there.lovage(&add).await.ok();
    let looks: [&[&str]; 6] = [
        &["job", id],
        &["jobs"],
        &["queues"],
        &["limits"],
        &["releases", "app"],
        &["schedules"],
    ];
    for look in looks {
        let look = [look, &["--json"]].concat();
        let (over, at) = (there.lovage(&look).await, here.lovage(&look).await);
        assert_eq!(over.ok().json(), at.ok().json(), "{look:?}");
    }

    // A worker at the broker does what was asked over HTTP.
    there.lovage(&["resume", "task:app.go"]).await.ok();
    let _worker = here.worker(&[]).await;
    let done = there
        .lovage(&["call", "app.go", "side=7", "--wait=60s"])
        .await
        .ok();
    assert_eq!(
        serde_json::from_str::<Value>(&done.out).unwrap(),
        json!({"side": 7})
    );
    let flow = json!({"group": [{"task": "app.go", "args": {"side": 1}}]});
    there.write("flow.json", flow.to_string());
    let ran = there
        .lovage(&["flow", "run", "flow.json", "--wait", "--json"])
        .await;
    assert_eq!(ran.ok().json()["result"], json!([{"side": 1}]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_has_the_exit_codes_of_a_broker() {
    let served = Served::start().await.with_app().await;
    let site = Site::at(&served.url("lov_producer"));
    site.write("core.wasm", wat::parse_str("(module)").unwrap());
    let cases: [(&[&str], i32, &str); 8] = [
        (&["call", "app.go", "side=0"], 5, "`/side`"),
        (&["call", "nobody.go"], 4, "there is no module `nobody`"),
        (&["pause", "tenant"], 5, "does not allow it"),
        (&["push", "core.wasm"], 5, "does not allow it"),
        (
            &["queues", "--tenant", "other"],
            5,
            "of tenant `default`, not of `other`",
        ),
        (&["worker"], 2, "`lovage worker` needs the broker itself"),
        (&["dev"], 2, "`lovage dev` needs the broker itself"),
        (
            &["bench", "enqueue"],
            2,
            "`lovage bench` needs the broker itself",
        ),
    ];
    for (args, code, said) in cases {
        let ran = site.lovage(args).await.fails(code, &[said]);
        assert!(!ran.err.contains("lov_"), "{ran:?}");
    }
    let deployer = Site::at(&served.url("lov_deployer"));
    deployer.write("core.wasm", wat::parse_str("(module)").unwrap());
    let said = ["`core.wasm`", "a core module, not a component"];
    deployer
        .lovage(&["push", "core.wasm"])
        .await
        .fails(5, &said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_configuration_and_nobody_sees_it() {
    let served = Served::start().await;
    let site = Site::at(&format!("http://{}", served.host));
    let said = ["asks for a token", "hint: LOVAGE_TOKEN"];
    site.lovage(&["queues"]).await.fails(5, &said);
    let mut command = site.command(["queues"]);
    command.env("LOVAGE_TOKEN", "lov_viewer");
    Ran::of(command, b"").await.ok();
    site.write("lovage.toml", "token = 'lov_viewer'\n");
    site.lovage(&["queues"]).await.ok();
    site.write("lovage.toml", "token = 'lov_wrong'\n");
    let ran = site
        .lovage(&["queues"])
        .await
        .fails(5, &["does not take the token"]);
    assert!(!ran.err.contains("lov_wrong"), "{ran:?}");
    site.write("lovage.toml", "token = 'lov_viewer'\nca = 'none.pem'\n");
    site.lovage(&["queues"]).await.fails(2, &["`none.pem`"]);
}
