//! Cancelling, requeueing and deleting.

use lovage_queue::job::{JobId, State};
use serde_json::json;

use super::app;
use crate::fixtures::Guest;
use crate::support::guests::{BEGIN, FAILURE, beginning, fail, sleep};
use crate::support::process::Process;
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

/// An id that no job has.
const NOBODY: &str = "01a1fba9-c2fc-7000-b730-5028e85eff5c";

async fn enqueue(site: &Site, args: &[&str]) -> String {
    let args = [&["call"], args].concat();
    site.lovage(&args).await.ok().out.trim().to_owned()
}

async fn state(site: &Site, id: &str) -> State {
    site.job(id.parse().unwrap()).await.state
}

/// A place with a module `bad` that fails for good, and one dead job of each of
/// these queues.
async fn with_dead(site: &Site, queues: &[&str]) -> (Process, Vec<String>) {
    site.push("app", &app()).await;
    let bad = Guest::new(&fail(3, 0)).text(2000, FAILURE).build();
    site.push("bad", &bad).await;
    let mut ids = Vec::new();
    for queue in queues {
        ids.push(enqueue(site, &["bad.go", "--queue", queue]).await);
    }
    let worker = site.worker(&["--queues", "default,low"]).await;
    let wanted: Vec<JobId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    for job in site.ends(&wanted).await {
        assert_eq!(job.state, State::Discarded);
    }
    (worker, ids)
}

site_test!(what_waits_is_cancelled_at_once, |site| async move {
    site.push("app", &app()).await;
    let now = enqueue(&site, &["app.go", "side=1"]).await;
    let later = enqueue(&site, &["app.go", "side=1", "--eta", "1h"]).await;
    let ran = site.lovage(&["cancel", &now, &later, &now]).await.ok();
    let expected = format!("{now} is cancelled\n{later} is cancelled\n2 cancelled\n");
    assert_eq!(ran.out, expected);
    assert_eq!(state(&site, &now).await, State::Cancelled);
    assert_eq!(state(&site, &later).await, State::Cancelled);
    // It has ended: to say so again is no error.
    let again = site.lovage(&["cancel", &now]).await.ok();
    assert_eq!(again.out, format!("{now} had ended: cancelled\n"));
    let shown = site.lovage(&["job", &now]).await.ok().out;
    assert!(shown.contains("cancelled before it ran"), "{shown}");

    let third = enqueue(&site, &["app.go", "side=1"]).await;
    let args = ["cancel", NOBODY, &third, "--json"];
    let ran = site
        .lovage(&args)
        .await
        .fails(4, &["there is no job", NOBODY]);
    assert_eq!(ran.json()["counts"], json!({"cancelled": 1, "missing": 1}));
    assert_eq!(
        ran.json()["jobs"][1],
        json!({"id": third, "became": "cancelled"})
    );
    assert_eq!(state(&site, &third).await, State::Cancelled, "all the same");
});

site_test!(what_runs_is_asked_to_stop, |site| async move {
    site.push("nap", &beginning(60_000)).await;
    let _worker = site.worker(&[]).await;
    let id = site.enqueue("nap", 1).await[0];
    site.running(1).await;
    let name = id.to_string();
    let ran = site.lovage(&["cancel", &name, "--json"]).await.ok().json();
    assert_eq!(ran["jobs"], json!([{"id": name, "became": "asked"}]));
    let job = &site.ends(&[id]).await[0];
    assert_eq!(job.state, State::Cancelled, "{job:#?}");
    let args = ["call", "nap.go", "--wait", "--json"];
    let (called, ()) = tokio::join!(site.lovage(&args), async {
        site.running(1).await;
        let all = site
            .lovage(&["cancel", "--all", "--state", "running"])
            .await
            .ok();
        assert!(
            all.out.ends_with("runs, and was asked to stop\n1 asked\n"),
            "{all:?}"
        );
    });
    called.fails(1, &["the job was cancelled"]);
});

site_test!(all_that_fit_are_cancelled, |site| async move {
    site.push("app", &app()).await;
    site.push("other", &app()).await;
    for args in [
        &["app.go", "side=1"][..],
        &["app.go", "side=1", "--queue", "low"],
        &["other.go", "side=1"],
        &["other.go", "side=1", "--eta", "1h"],
    ] {
        enqueue(&site, args).await;
    }
    for (filter, count) in [
        (&["--queue", "high"][..], 0),
        (&["--older", "1h"], 0),
        (&["--state", "scheduled"], 1),
        (&["--task", "app.go", "--queue", "low"], 1),
        (&["--task", "other"], 1),
        (&[], 1),
        (&[], 0),
    ] {
        let args = [&["cancel", "--all", "--json"], filter].concat();
        let ran = site.lovage(&args).await.ok().json();
        assert_eq!(
            ran["jobs"].as_array().unwrap().len(),
            count,
            "{filter:?}: {ran}"
        );
    }
    let none = site.lovage(&["cancel", "--all"]).await.ok();
    assert_eq!(none.out, "no job fits\n");
});

site_test!(more_than_a_page_of_jobs_is_cancelled, |site| async move {
    site.push("app", &app()).await;
    let calls = (0..1500).map(|_| call("app").arg("side", &1).unwrap());
    site.enqueue_all(calls.collect()).await;
    let ran = site
        .lovage(&["cancel", "--all", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(ran["counts"], json!({"cancelled": 1500}));
    let counts = site.counts().await;
    assert_eq!((counts.available, counts.cancelled), (0, 1500));
});

#[tokio::test]
async fn what_is_meant_must_be_plain() {
    let site = Site::sqlite();
    for command in [&["cancel"][..], &["dead", "requeue"], &["dead", "delete"]] {
        for (args, said) in [
            (&[][..], "which jobs? name their ids, or say `--all`"),
            (&["--queue", "low"], "which jobs?"),
            (&["--all", NOBODY], "exclude each other"),
            (&[NOBODY, "--task", "a.b"], "filters go with `--all`"),
            (&["17"], "`17` is no job id"),
            (&["--all", "--task", "A"], "`A` is no valid module name"),
            (&["--all", "--queue", "A"], "`A` is no valid queue name"),
            (&["--all", "--older", "old"], "`old` is no span of time"),
        ] {
            let ran = site
                .lovage(&[command, args].concat())
                .await
                .fails(2, &[said]);
            assert_eq!(ran.out, "", "{command:?} {args:?}");
        }
        let args = [command, &[NOBODY]].concat();
        site.lovage(&args).await.fails(4, &["there is no job"]);
    }
    for (args, said) in [
        (
            &["cancel", "--all", "--state", "completed"][..],
            "completed jobs cannot be cancelled",
        ),
        (
            &["cancel", "--all", "--state", "happy"],
            "`happy` is none of pending, ",
        ),
        (
            &["cancel", NOBODY, "--state", "running"],
            "filters go with `--all`",
        ),
        (&["dead"], "Usage: lovage dead"),
        (
            &["dead", "list", "--group", "-n", "3"],
            "cannot be used with",
        ),
        (&["dead", "show", "17"], "`17` is no job id"),
    ] {
        let ran = site.lovage(args).await;
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.err.contains(said), "{args:?}: {ran:?}");
    }
    let args = ["dead", "show", NOBODY];
    site.lovage(&args).await.fails(4, &["there is no job"]);
}

site_test!(the_dead_list_says_what_failed_and_why, |site| async move {
    let (_worker, ids) = with_dead(&site, &["default", "low", "default"]).await;
    let spin = Guest::new(crate::fixtures::SPIN).build();
    site.push("spin", &spin).await;
    let args = ["call", "spin.go", "--wait", "--fuel", "1000000"];
    let spun = site.lovage(&args).await.fails(1, &["out-of-fuel"]).out;
    let spun = spun.trim().to_owned();

    let newest_first = [&spun, &ids[2], &ids[1], &ids[0]];
    let all = site.lovage(&["dead", "list", "--json"]).await.ok().json();
    let found: Vec<_> = all.as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(found.len(), 4, "{all}");
    assert_eq!(found[0], newest_first[0]);
    for (filter, count) in [
        (&["--queue", "low"][..], 1),
        (&["--task", "bad"], 3),
        (&["--task", "bad.go", "--queue", "default"], 2),
        (&["--reason", "out-of-fuel"], 1),
        (&["--reason", "kind"], 3),
        (&["--reason", "failed"], 3),
        (&["--reason", "lost"], 0),
        (&["--older", "1h"], 0),
        (&["--older", "0s"], 4),
        (&["-n", "2"], 2),
    ] {
        for command in [
            &["dead", "list", "--json"][..],
            &["jobs", "--state=discarded", "--json"],
        ] {
            let args = [command, filter].concat();
            let found = site.lovage(&args).await.ok().json();
            assert_eq!(found.as_array().unwrap().len(), count, "{args:?}: {found}");
        }
    }
    let table = site.lovage(&["dead", "list"]).await.ok().out;
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(
        table.contains("REASON") && table.contains("not yet"),
        "{table}"
    );

    let groups = site
        .lovage(&["dead", "list", "--group", "--json"])
        .await
        .ok()
        .json();
    let group =
        |it: &serde_json::Value| (it["task"].clone(), it["reason"].clone(), it["jobs"].clone());
    let groups: Vec<_> = groups.as_array().unwrap().iter().map(group).collect();
    let expected = [
        (json!("bad.go"), json!("kind"), json!(3)),
        (json!("spin.go"), json!("out-of-fuel"), json!(1)),
    ];
    assert_eq!(groups, expected);
    let table = site
        .lovage(&["dead", "list", "--group", "--queue", "low"])
        .await
        .ok()
        .out;
    assert_eq!(table.lines().count(), 2, "{table}");

    let shown = site.lovage(&["dead", "show", &spun]).await.ok().out;
    for part in [
        "spin.go",
        "discarded",
        "out-of-fuel",
        "WORKER",
        "ENDED",
        "FUEL",
    ] {
        assert!(shown.contains(part), "`{part}`: {shown}");
    }
});

site_test!(the_dead_are_requeued_and_run_the_fix, |site| async move {
    let (_worker, ids) = with_dead(&site, &["default", "low", "low"]).await;
    let dead: Vec<JobId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    site.push("bad", &crate::support::guests::answering(7))
        .await;
    let ran = site.lovage(&["dead", "requeue", &ids[0]]).await.ok();
    assert_eq!(ran.out, format!("{} is available again\n", ids[0]));
    let first = &site.ends(&dead[..1]).await[0];
    assert_eq!((first.state, first.attempts.len()), (State::Completed, 2));
    let again = site.lovage(&["dead", "requeue", &ids[0], &ids[1]]).await;
    let again = again.fails(5, &[&ids[0], "is left alone: completed"]);
    assert!(again.out.ends_with("1 kept, 1 requeued\n"), "{again:?}");

    let args = ["dead", "requeue", "--all", "--reason", "lost", "--json"];
    assert_eq!(site.lovage(&args).await.ok().json()["counts"], json!({}));
    let args = ["dead", "requeue", "--all", "--queue", "low", "--json"];
    let ran = site.lovage(&args).await.ok().json();
    assert_eq!(ran["counts"], json!({"requeued": 1}));
    for job in site.ends(&dead).await {
        assert_eq!(job.state, State::Completed, "{job:#?}");
    }
    let none = site.lovage(&["dead", "list", "--json"]).await.ok().json();
    assert_eq!(none, json!([]));
});

site_test!(a_cancelled_job_is_requeued_by_its_id, |site| async move {
    site.push("app", &app()).await;
    let id = enqueue(&site, &["app.go", "side=1", "--unique"]).await;
    site.lovage(&["cancel", &id]).await.ok();
    let all = site.lovage(&["dead", "requeue", "--all"]).await.ok();
    assert_eq!(all.out, "no job fits\n", "cancelled is not dead");
    // Its key has been taken meanwhile.
    let other = enqueue(&site, &["app.go", "side=1", "--unique"]).await;
    let ran = site.lovage(&["dead", "requeue", &id, "--json"]).await;
    let ran = ran.fails(5, &[&other, "has its unique key"]).json();
    assert_eq!(
        ran["jobs"],
        json!([{"id": id, "became": "duplicate", "of": other}])
    );
    site.lovage(&["cancel", &other]).await.ok();
    site.lovage(&["dead", "requeue", &id]).await.ok();
    assert_eq!(state(&site, &id).await, State::Available);
});

site_test!(the_dead_are_deleted_for_good, |site| async move {
    let (_worker, ids) = with_dead(&site, &["default", "low", "low"]).await;
    let waiting = enqueue(&site, &["app.go", "side=1", "--eta", "1h"]).await;
    let ran = site.lovage(&["dead", "delete", &ids[0], &waiting]).await;
    let ran = ran.fails(5, &[&waiting, "is left alone: scheduled"]);
    assert!(ran.out.ends_with("1 deleted, 1 kept\n"), "{ran:?}");
    site.lovage(&["job", &ids[0]])
        .await
        .fails(4, &["there is no job"]);
    let old = site
        .lovage(&["dead", "delete", "--all", "--older", "1h"])
        .await
        .ok();
    assert_eq!(old.out, "no job fits\n");
    let all = site
        .lovage(&["dead", "delete", "--all", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(all["counts"], json!({"deleted": 2}));
    assert_eq!(
        site.lovage(&["dead", "list", "--json"]).await.ok().json(),
        json!([])
    );
    assert_eq!(state(&site, &waiting).await, State::Scheduled);
});

/// Writes `begun` to its log and a line to the queue, and sleeps.
fn talking() -> Vec<u8> {
    let write = "(call $write (call $get-stdout) (i32.const 2000) (i32.const 5) (i32.const 128))";
    Guest::with_imports(&format!("{write} {BEGIN} {}", sleep(60_000)))
        .text(2000, "begun")
        .build()
}

site_test!(a_log_is_seen_while_it_grows, |site| async move {
    site.push("talk", &talking()).await;
    let _worker = site.worker(&[]).await;
    let id = site.enqueue("talk", 1).await[0];
    let name = id.to_string();
    let mut follower = site.spawn("job", &[&name, "--follow"]);
    follower.says("begun").await;
    until("the log of a running job is shown", || async {
        let log = site.lovage(&["job", &name, "--log"]).await.ok().out;
        (log == "begun\n").then_some(())
    })
    .await;
    let shown = site.lovage(&["job", &name]).await.ok().out;
    assert!(shown.contains("log so far:\nbegun"), "{shown}");
    site.lovage(&["cancel", &name]).await.ok();
    assert_eq!(follower.ended().await.code(), Some(1));
    assert_eq!(
        follower.log().matches("begun").count(),
        1,
        "{}",
        follower.log()
    );
    assert!(
        follower.log().contains("the job was cancelled"),
        "{}",
        follower.log()
    );
});

site_test!(a_large_result_is_fetched, |site| async move {
    site.push("app", &app()).await;
    let _worker = site.worker(&[]).await;
    let name = "x".repeat(100_000);
    site.write("name.txt", &name);
    let args = [
        "call",
        "app.go",
        "side=1",
        "name@name.txt",
        "--wait",
        "--json",
    ];
    let called = site.lovage(&args).await.ok().json();
    assert_eq!(called["result"]["name"], json!(name));
    let id = called["id"].as_str().unwrap();
    let shown = site.lovage(&["job", id, "--json"]).await.ok().json();
    assert_eq!(shown["result"], called["result"]);
    assert_eq!(shown["input"]["name"], json!(name));
    let args = [
        "call",
        "app.go",
        "side=1",
        "name@name.txt",
        "--wait",
        "--save",
        "name=out.txt",
    ];
    site.lovage(&args).await.ok();
    assert_eq!(
        std::fs::read_to_string(site.work().join("out.txt")).unwrap(),
        name
    );
    // A list has a hundred of them.
    let listed = site.lovage(&["jobs", "--json"]).await.ok().json();
    assert_eq!(listed[0]["result"], json!(null));
    let (blob, input) = (&listed[0]["result_blob"], &listed[0]["input_blob"]);
    assert!(blob["size"].as_u64().unwrap() > 100_000, "{blob}");
    assert_eq!(blob["digest"], input["digest"], "equal bytes are one blob");
});
