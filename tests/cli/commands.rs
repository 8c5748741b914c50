//! Each command as it is meant to be used, for people and for programs.

use std::time::Duration;

use serde_json::json;

use super::app;
use crate::fixtures::{Guest, SPIN};
use crate::support::guests::sleep;
use crate::support::process::Process;
use crate::support::site::{Ran, Site, text};

/// A place with release 1 and 2 of `app`, and a worker.
async fn at_work() -> (Site, Process) {
    let site = Site::sqlite();
    site.push("app", &crate::support::guests::answering(1))
        .await;
    site.push("app", &app()).await;
    let worker = site.worker(&[]).await;
    (site, worker)
}

#[tokio::test]
async fn push_releases_and_rollback() {
    let site = Site::sqlite();
    let file = site.write("app.wasm", app());
    let pushed = site.lovage(&["push", text(&file)]).await.ok();
    assert!(
        pushed.out.starts_with("release 1 of `app` is active"),
        "{pushed:?}"
    );
    assert!(pushed.out.contains("app.go"), "{pushed:?}");
    // The same bytes again are no new release.
    let again = site
        .lovage(&["push", text(&file), "--json"])
        .await
        .ok()
        .json();
    assert_eq!(again["release"]["number"], 1, "{again}");
    assert_eq!(again["module"], "app");
    assert_eq!(again["manifest"]["tasks"][0]["name"], "go");

    site.write("other.wasm", crate::support::guests::answering(3));
    let args = ["push", "other.wasm", "--name", "app", "--now", "--json"];
    let second = site.lovage(&args).await.ok().json();
    assert_eq!(second["release"]["number"], 2, "{second}");
    let all = site.lovage(&["releases", "--json"]).await.ok().json();
    assert_eq!(
        (&all[0]["module"], &all[0]["release"]["number"]),
        (&json!("app"), &json!(2))
    );
    let history = site
        .lovage(&["releases", "app", "--json"])
        .await
        .ok()
        .json();
    let numbers = [&history[0], &history[1]].map(|it| (it["number"].clone(), it["active"].clone()));
    assert_eq!(numbers, [(json!(2), json!(true)), (json!(1), json!(false))]);
    assert_eq!(history[1]["digest"], again["release"]["digest"]);

    let back = site
        .lovage(&["rollback", "app", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(back, json!({"module": "app", "active": 1, "before": 2}));
    let forth = site.lovage(&["rollback", "app", "--to", "2"]).await.ok();
    assert_eq!(forth.out, "release 2 of `app` is active; it was 1\n");
    let table = site.lovage(&["releases", "app"]).await.ok().out;
    assert!(
        table.lines().nth(1).unwrap().contains("2        active"),
        "{table}"
    );
}

#[tokio::test]
async fn call_and_wait() {
    let (site, _worker) = at_work().await;
    let called = site
        .lovage(&["call", "app.go", "side=200", "name=x", "--wait"])
        .await
        .ok();
    let result: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    assert_eq!(result, json!({"side": 200, "name": "x"}));

    let args = [
        "call",
        "app.go",
        "side:=7",
        "--wait=50s",
        "--json",
        "--priority",
        "9",
    ];
    let job = site.lovage(&args).await.ok().json();
    assert_eq!(
        (&job["state"], &job["result"]),
        (&json!("completed"), &json!({"side": 7}))
    );
    assert_eq!(
        (&job["priority"], &job["attempts"][0]["release"]),
        (&json!(9), &json!(2))
    );

    let call = site.command(["call", "app.go", "-", "--wait", "--json"]);
    let job = Ran::of(call, br#"{"side": 3, "name": "a b"}"#)
        .await
        .ok()
        .json();
    assert_eq!(job["result"], json!({"side": 3, "name": "a b"}));

    site.write("name.txt", "from a file");
    let args = [
        "call",
        "app.go",
        "side=1",
        "name@name.txt",
        "--wait",
        "--save",
        "name=saved.txt",
    ];
    site.lovage(&args).await.ok();
    assert_eq!(
        std::fs::read_to_string(site.work().join("saved.txt")).unwrap(),
        "from a file"
    );

    let pinned = ["call", "app.go", "side=1", "--release", "1", "--wait"];
    assert_eq!(site.lovage(&pinned).await.ok().out, "1\n");
}

#[tokio::test]
async fn call_says_by_its_exit_code_how_the_job_ended() {
    let site = Site::sqlite();
    site.push("spin", &Guest::new(SPIN).build()).await;
    let limits = ["--wait", "--timeout", "100ms", "--retries", "0"];
    let call = [&["call", "spin.go"], &limits[..]].concat();
    // Nobody serves it yet.
    let args = ["call", "spin.go", "--wait=200ms", "--eta", "1h"];
    site.lovage(&args)
        .await
        .fails(6, &["still scheduled after 200"]);
    let _worker = site.worker(&[]).await;
    let failed = site
        .lovage(&call)
        .await
        .fails(1, &["the job was discarded: deadline: "]);
    let id = failed.out.trim();
    let job = site.lovage(&["job", id]).await.ok().out;
    assert!(
        job.contains("discarded") && job.contains("deadline of 100ms"),
        "{job}"
    );
    let fuel = ["call", "spin.go", "--wait", "--fuel", "1000000", "--json"];
    let ran = site.lovage(&fuel).await.fails(1, &["out-of-fuel"]);
    assert_eq!(ran.json()["attempts"][0]["ending"], "out-of-fuel");
}

#[tokio::test]
async fn job_jobs_and_queues() {
    let (site, _worker) = at_work().await;
    let greeting =
        "(call $write (call $get-stdout) (i32.const 2000) (i32.const 5) (i32.const 128))";
    let log = Guest::with_imports(greeting).text(2000, "hello");
    site.push("log", &log.build()).await;
    let done = ["call", "log.go", "--wait", "--json", "--queue", "default"];
    let done = site.lovage(&done).await.ok().json();
    let id = done["id"].as_str().unwrap();
    let later = [
        "call", "app.go", "side=1", "--eta", "1h", "--queue", "low", "--lane", "ann",
    ];
    let later = site.lovage(&later).await.ok().out;

    assert_eq!(site.lovage(&["job", id, "--log"]).await.ok().out, "hello\n");
    let shown = site.lovage(&["job", id]).await.ok().out;
    for part in [id, "log.go", "completed", "log of attempt 1:\nhello"] {
        assert!(shown.contains(part), "`{part}`: {shown}");
    }
    let shown = site
        .lovage(&["job", later.trim(), "--json"])
        .await
        .ok()
        .json();
    assert_eq!(
        (&shown["state"], &shown["lane"]),
        (&json!("scheduled"), &json!("ann"))
    );

    let all = site.lovage(&["jobs", "--json"]).await.ok().json();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all}");
    for (filter, found) in [
        (["--state", "completed"], id),
        (["--queue", "low"], later.trim()),
        (["--task", "log.go"], id),
        (["--task", "app"], later.trim()),
        (["--limit", "1"], later.trim()),
    ] {
        let args = [&["jobs", "--json"], &filter[..]].concat();
        let jobs = site.lovage(&args).await.ok().json();
        assert_eq!(
            (jobs.as_array().unwrap().len(), &jobs[0]["id"]),
            (1, &json!(found)),
            "{filter:?}"
        );
    }
    let table = site.lovage(&["jobs"]).await.ok().out;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        !table.contains('\x1b'),
        "no colour where there is no terminal"
    );

    let queues = site.lovage(&["queues", "--json"]).await.ok().json();
    let of = |name: &str| {
        queues
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["queue"] == name)
            .unwrap()
    };
    assert_eq!(
        (&of("default")["completed"], &of("low")["scheduled"]),
        (&json!(1), &json!(1))
    );
    let table = site.lovage(&["queues"]).await.ok().out;
    assert!(table.contains("QUEUE") && table.contains("low"), "{table}");
}

#[tokio::test]
async fn run_needs_no_broker() {
    let site = Site::at("redis://127.0.0.1:1");
    site.write("app.wasm", app());
    let ran = site
        .lovage(&["run", "app.wasm", "go", "side=200"])
        .await
        .ok();
    assert!(
        ran.out.contains("\"side\": 200") && ran.out.contains("completed · "),
        "{ran:?}"
    );
    let ran = site
        .lovage(&["run", "app.wasm", "go", "side=200", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(
        (&ran["outcome"], &ran["result"]),
        (&json!("completed"), &json!({"side": 200}))
    );
    site.write("spin.wasm", Guest::new(SPIN).build());
    let args = ["run", "spin.wasm", "go", "--timeout", "100ms"];
    site.lovage(&args).await.fails(1, &["ended as deadline"]);
}

#[tokio::test]
async fn dev_is_all_in_one_process_and_folder() {
    let site = Site::sqlite();
    site.write("app.wasm", app());
    site.write("nap.wasm", Guest::with_imports(&sleep(1)).build());
    let mut command = site.command(["dev", "app.wasm", "siesta=nap.wasm"]);
    command.env_remove("LOVAGE_BROKER");
    let mut dev = Process::start(&command, &site.work().join("dev.log"));
    dev.says(" working ").await;
    assert!(
        dev.log().contains("release 1 of `siesta` is active"),
        "{}",
        dev.log()
    );
    assert!(site.work().join(".lovage/lovage.db").is_file());
    let mut call = site.command(["call", "app.go", "side=4", "--wait"]);
    call.env_remove("LOVAGE_BROKER");
    let called = Ran::of(call, b"").await.ok();
    assert!(called.out.contains("\"side\": 4"), "{called:?}");
    dev.signal("INT");
    assert_eq!(dev.ended().await.code(), Some(0));
}

#[tokio::test]
async fn tenants_see_their_own() {
    let (site, _worker) = at_work().await;
    let ann = ["releases", "--tenant", "ann", "--json"];
    assert_eq!(site.lovage(&ann).await.ok().json(), json!([]));
    let call = ["call", "app.go", "side=1", "--tenant", "ann"];
    site.lovage(&call)
        .await
        .fails(4, &["there is no module `app`"]);
    site.lovage(&["push", "app.wasm", "--tenant", "ann"])
        .await
        .ok();
    let call = [&call[..], &["--wait", "--json"]].concat();
    let job = site.lovage(&call).await.ok().json();
    assert_eq!(
        (&job["tenant"], &job["attempts"][0]["release"]),
        (&json!("ann"), &json!(1))
    );
    let id = job["id"].as_str().unwrap();
    site.lovage(&["job", id])
        .await
        .fails(4, &["there is no job", id]);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let (site, _worker) = at_work().await;
    let lovage = site.command(["jobs", "--json"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "\"$@\" | true", "sh"])
        .arg(lovage.get_program())
        .args(lovage.get_args());
    for (name, value) in lovage.get_envs() {
        shell.envs(value.map(|value| (name, value)));
    }
    let done = tokio::time::timeout(Duration::from_secs(30), Ran::of(shell, b"")).await;
    assert_eq!(done.unwrap().ok().err, "");
}
