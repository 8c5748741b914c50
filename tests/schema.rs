//! The API is as its OpenAPI document says: schemathesis, which reads the document, makes
//! requests of it that are right and such that are wrong, and finds nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lovage_queue::job::{State, When};
use serde_json::{Value, json};

use crate::fixtures::{ECHO, Guest};
use crate::support::guests::{FAILURE, fail};
use crate::support::site::{Site, call};

/// Requests for each operation in which values are made up, beside those at the edges of
/// what the document allows.
const EXAMPLES: &str = "15";

/// Where `scripts/schemathesis` puts it.
fn built() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    workspace().join(target)
}

fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("the workspace")
}

fn program() -> PathBuf {
    let program = built().join("python/bin/schemathesis");
    assert!(
        program.exists(),
        "this test needs schemathesis at `{}`: run scripts/schemathesis",
        program.display()
    );
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let program = program();
    let site = Site::sqlite();
    fill(&site).await;
    let _worker = site.worker(&[]).await;
    let made = [
        "--json", "token", "create", "--name", "schema", "--role", "admin",
    ];
    let made: Value = site.lovage(&made).await.ok().json();
    let mut server = site.spawn("serve", &["--listen", "127.0.0.1:0"]);
    server.says("serving http").await;
    let log = server.log();
    let base = log.split_once("serving ").expect("an address").1;
    let base = base.split_whitespace().next().expect("an address");
    let base = base.trim_end_matches(|c: char| !c.is_ascii_digit());

    let report = built().join("schemathesis");
    // A report is of one run, and large.
    let _ = std::fs::remove_dir_all(&report);
    std::fs::create_dir_all(&report).unwrap();
    let settings = workspace().join("tests/schemathesis");
    let authorization = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    let mut command = Command::new(program);
    command
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .arg("run")
        .arg(format!("{base}/openapi.json"))
        .args(["--header", &authorization, "--checks", "all"])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--max-examples", EXAMPLES, "--seed", "1"])
        .arg("--generation-deterministic")
        .args([
            "--request-timeout",
            "30",
            "--no-color",
            "--continue-on-failure",
        ])
        .args(["--report", "ndjson", "--report-dir"])
        .arg(&report)
        .env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"))
        // What it leaves behind is left there, and nothing beside its hooks.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OWN_TOKEN", made["id"].as_str().unwrap())
        .current_dir(&report)
        .stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap());
    let done = done.await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    std::fs::write(report.join("report.txt"), &said).unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{errors}");
    assert!(server.is_alive(), "{}", server.log());
}

/// Something of each kind, so that what is asked for is there: a task of the name that the
/// document has in its examples, and jobs of it; one that fails; a flow, a schedule.
async fn fill(site: &Site) {
    let side = json!({"type": "object", "properties": {"side": {"type": "integer"}}});
    let images = Guest::new(ECHO).tasks(&[("thumbnail", &side.to_string()), ("go", "{}")]);
    site.push("images", &images.build()).await;
    let failing = Guest::with_imports(&fail(3, 0)).text(2000, FAILURE);
    site.push("failing", &failing.build()).await;
    let mut later = call("images");
    later.eta = When::In(Duration::from_secs(86_400));
    later.lane = "one".into();
    let ids = site
        .enqueue_all(vec![call("images"), call("failing"), later])
        .await;
    let step = json!({"task": "images.go"});
    let flow = json!({"name": "two", "chain": [step, step]});
    site.write("flow.json", flow.to_string());
    site.lovage(&["flow", "run", "flow.json"]).await.ok();
    let schedule = ["schedules", "add", "daily", "images.go", "--every", "1d"];
    site.lovage(&schedule).await.ok();
    let _worker = site.worker(&[]).await;
    let ended = site.ends(&ids[..2]).await;
    assert_eq!(ended[0].state, State::Completed);
    assert_eq!(ended[1].state, State::Discarded);
}
