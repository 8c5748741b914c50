//! Limits, pauses and depths.

use lovage_queue::job::{JobId, State};
use serde_json::{Value, json};

use super::app;
use crate::fixtures::{ECHO, Guest};
use crate::support::guests::sleeping;
use crate::support::site::{Ran, Site};
use crate::support::site_test;

async fn limits(site: &Site) -> Value {
    site.lovage(&["limits", "--json"]).await.ok().json()
}

fn id(text: &str) -> JobId {
    text.trim().parse().unwrap()
}

site_test!(a_limit_is_set_changed_and_lifted, |site| async move {
    assert_eq!(limits(&site).await, json!([]));
    let set = async |args: &[&str]| site.lovage(&[&["limit"], args].concat()).await.ok().out;
    let said = set(&["task:app.go", "--rate", "100/s"]).await;
    assert_eq!(said, "`task:app.go` is limited: 100/s\n");
    // What is not named stays.
    let said = set(&["task:app.go", "--concurrency", "3"]).await;
    assert_eq!(said, "`task:app.go` is limited: 100/s, 3 at once\n");
    let said = set(&["task:app.go", "--rate=5/10m"]).await;
    assert_eq!(said, "`task:app.go` is limited: 5/10m, 3 at once\n");
    let said = set(&["task:app.go"]).await;
    assert_eq!(
        said, "`task:app.go` is limited: 5/10m, 3 at once\n",
        "shown"
    );
    set(&["lane:default/user 42/x", "--concurrency=1"]).await;
    set(&["lanes:default", "--concurrency=2"]).await;
    set(&["tenant", "--concurrency=9"]).await;
    set(&["queue:low", "--depth=1000", "--order=strict"]).await;

    let all = limits(&site).await;
    let scopes: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["scope"])
        .collect();
    let expected = [
        "tenant",
        "queue:low",
        "lane:default/user 42/x",
        "lanes:default",
        "task:app.go",
    ];
    assert_eq!(scopes, expected);
    let task = json!({
        "scope": "task:app.go", "rate": "5/10m", "concurrency": 3, "depth": null,
        "order": "aging", "running": 0, "paused": false, "by": "operator",
    });
    assert_eq!(all[4], task);
    assert_eq!(
        (&all[1]["depth"], &all[1]["order"]),
        (&json!(1000), &json!("strict"))
    );
    let table = site.lovage(&["limits"]).await.ok().out;
    assert_eq!(table.lines().count(), 6, "{table}");
    assert!(
        table.starts_with(" SCOPE") && table.contains("5/10m"),
        "{table}"
    );

    let said = set(&["task:app.go", "--rate=none", "--concurrency=none"]).await;
    assert_eq!(said, "`task:app.go` has no limit\n");
    set(&["queue:low", "--depth=none", "--order=aging"]).await;
    for scope in ["tenant", "lanes:default", "lane:default/user 42/x"] {
        set(&[scope, "--concurrency=none"]).await;
    }
    assert_eq!(limits(&site).await, json!([]), "nothing is left behind");
});

site_test!(
    what_a_module_says_of_its_task_stays_its_to_say,
    |site| async move {
        let app = |most| Guest::new(ECHO).rate(50).concurrency(most).build();
        let task = async || limits(&site).await[0].clone();
        let set = async |rate: &str| {
            let args = ["limit", "task:app.go", "--rate", rate];
            site.lovage(&args).await.ok().out
        };
        site.push("app", &app(2)).await;
        let it = task().await;
        assert_eq!((&it["by"], &it["rate"]), (&json!("module"), &json!("50/s")));
        let said = set("10/s").await;
        assert_eq!(said, "`task:app.go` is limited: 10/s, 2 at once\n");
        assert_eq!(task().await["by"], "operator");
        site.push("app", &app(3)).await;
        let it = task().await;
        assert_eq!(
            (&it["rate"], &it["concurrency"]),
            (&json!("10/s"), &json!(3))
        );
        let said = set("none").await;
        assert_eq!(said, "`task:app.go` is limited: 50/s, 3 at once\n");
        assert_eq!(task().await["by"], "module");
    }
);

#[tokio::test]
async fn a_limit_that_makes_no_sense_is_refused() {
    let site = Site::sqlite();
    for (args, said) in [
        (
            &["limit", "default", "--rate", "1/s"][..],
            "`default` is no scope: write `tenant`, `queue:NAME`",
        ),
        (
            &["limit", "queues:low", "--rate", "1/s"],
            "`queues:low` is no scope",
        ),
        (
            &["limit", "queue:A", "--rate", "1/s"],
            "`A` is no valid queue name",
        ),
        (
            &["limit", "lane:default", "--rate", "1/s"],
            "`lane:default` is no scope",
        ),
        (
            &["limit", "task:app", "--rate", "1/s"],
            "`app` is no task: write `module.task`",
        ),
        (
            &["limit", "queue:low", "--rate", "fast"],
            "`fast` is no rate",
        ),
        (&["limit", "queue:low", "--rate", "0/s"], "`0/s` is no rate"),
        (
            &["limit", "queue:low", "--concurrency", "few"],
            "`few` is no number: write one, or `none`",
        ),
        (
            &["limit", "queue:low", "--order", "random"],
            "aging, strict",
        ),
        (
            &["limit", "queue:low", "--concurrency", "0"],
            "pause it instead",
        ),
        (
            &["limit", "tenant", "--depth", "5"],
            "only a queue has a depth",
        ),
        (&["limit", "module:app", "--rate", "1/s"], "limit its tasks"),
        (
            &["pause", "low"],
            "`low` is no scope: write `tenant`, `queue:NAME`",
        ),
        (&["pause", "lanes:low"], "pause `queue:low`"),
        (&["resume", ""], "`` is no scope"),
        (&["pause"], "<SCOPE>"),
    ] {
        let ran = site.lovage(args).await.fails(2, &[said]);
        assert_eq!(ran.out, "", "{args:?}");
    }
    assert_eq!(limits(&site).await, json!([]));
}

site_test!(what_is_paused_does_not_start, |site| async move {
    site.push("app", &app()).await;
    site.push("other", &app()).await;
    let _worker = site.worker(&["--queues", "default,low"]).await;
    for scope in [
        "queue:default",
        "task:app.go",
        "module:app",
        "lane:default/ann",
        "tenant",
    ] {
        let said = site.lovage(&["pause", scope]).await.ok().out;
        assert!(said.starts_with(&format!("`{scope}` is paused")), "{said}");
        let call = ["call", "app.go", "side=1", "--lane", "ann"];
        let held = id(&site.lovage(&call).await.ok().out);
        // Where something else runs after it, it would have run before.
        if scope != "tenant" {
            let other = ["call", "other.go", "side=1", "--queue", "low", "--wait"];
            site.lovage(&other).await.ok();
        }
        assert_eq!(site.job(held).await.state, State::Available, "{scope}");
        let row = limits(&site).await;
        assert_eq!(
            (&row[0]["scope"], &row[0]["paused"]),
            (&json!(scope), &json!(true))
        );
        let said = site.lovage(&["resume", scope]).await.ok().out;
        assert_eq!(said, format!("`{scope}` goes on\n"));
        assert_eq!(
            site.ends(&[held]).await[0].state,
            State::Completed,
            "{scope}"
        );
        assert_eq!(limits(&site).await, json!([]));
    }
});

site_test!(a_lane_of_a_user_runs_one_job_at_a_time, |site| async move {
    site.push("nap", &sleeping(100)).await;
    site.lovage(&["limit", "lanes:default", "--concurrency", "1"])
        .await
        .ok();
    let mut ids = Vec::new();
    for lane in ["ann", "bob", "ann", "bob", "ann"] {
        let call = ["call", "nap.go", "--lane", lane];
        ids.push(id(&site.lovage(&call).await.ok().out));
    }
    let _worker = site.worker(&["--concurrency", "5"]).await;
    let jobs = site.ends(&ids).await;
    for lane in ["ann", "bob"] {
        let runs = jobs.iter().filter(|job| job.call.lane == lane);
        let mut runs: Vec<_> = runs
            .map(|job| (job.attempts[0].started, job.finished))
            .collect();
        // One that waits for its module may be overtaken.
        runs.sort();
        for pair in runs.windows(2) {
            assert!(
                pair[0].1 <= pair[1].0,
                "{lane}: one after another: {runs:?}"
            );
        }
    }
});

site_test!(a_full_queue_refuses_calls, |site| async move {
    site.push("app", &app()).await;
    site.lovage(&["limit", "queue:default", "--depth", "3"])
        .await
        .ok();
    site.write("calls.jsonl", "{\"side\": 1}\n{\"side\": 2}\n");
    let batch = ["call", "app.go", "--batch", "calls.jsonl"];
    site.lovage(&batch).await.ok();
    let full = [
        "queue `default` is full: 2 jobs wait",
        "it may hold 3",
        "hint: nothing was enqueued",
    ];
    let ran = site.lovage(&batch).await.fails(3, &full);
    assert_eq!(ran.out, "", "all or none");
    site.lovage(&["call", "app.go", "side=3", "--eta", "1h"])
        .await
        .ok();
    let one = ["call", "app.go", "side=4"];
    site.lovage(&one).await.fails(3, &["3 jobs wait"]);
    site.lovage(&["call", "app.go", "side=4", "--queue", "low"])
        .await
        .ok();
    let _worker = site.worker(&[]).await;
    let waiting = [&one[..], &["--wait"]].concat();
    crate::support::until("there is room again", || async {
        let Ran { code, .. } = site.lovage(&waiting).await;
        (code == Some(0)).then_some(())
    })
    .await;
});

site_test!(queues_show_what_holds_them, |site| async move {
    site.push("app", &app()).await;
    site.lovage(&["call", "app.go", "side=1"]).await.ok();
    let plain = site.lovage(&["queues"]).await.ok().out;
    assert!(!plain.contains("LIMITS"), "{plain}");
    site.lovage(&["limit", "queue:default", "--rate", "100/s"])
        .await
        .ok();
    site.lovage(&["pause", "queue:default"]).await.ok();
    site.lovage(&["pause", "queue:later"]).await.ok();
    let table = site.lovage(&["queues"]).await.ok().out;
    let line = |name: &str| table.lines().find(|it| it.trim_start().starts_with(name));
    assert!(
        line("default").unwrap().ends_with("paused, 100/s"),
        "{table}"
    );
    assert!(line("later").unwrap().ends_with("paused"), "{table}");
    let json = site.lovage(&["queues", "--json"]).await.ok().json();
    assert_eq!(
        (&json[0]["paused"], &json[0]["available"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(json[0]["limit"]["rate"], "100/s");
    site.lovage(&["pause", "tenant"]).await.ok();
    let table = site.lovage(&["queues"]).await.ok().out;
    assert!(table.contains("the tenant is paused"), "{table}");
});
