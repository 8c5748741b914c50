//! On what terms a call is a job: when, how often, and beside which others.

use lovage_queue::job::{JobId, State};
use serde_json::{Value, json};

use super::app;
use crate::support::site::{Ran, Site};
use crate::support::site_test;

/// A call of `app.go` with these flags; what it says as JSON.
async fn call(site: &Site, flags: &[&str]) -> Value {
    let args = [&["call", "app.go", "side=1", "--json"], flags].concat();
    site.lovage(&args).await.ok().json()
}

async fn job(site: &Site, called: &Value) -> Value {
    let id = called["id"].as_str().unwrap();
    site.lovage(&["job", id, "--json"]).await.ok().json()
}

async fn jobs(site: &Site) -> usize {
    let jobs = site.lovage(&["jobs", "--json"]).await.ok().json();
    jobs.as_array().unwrap().len()
}

site_test!(terms_are_on_the_record, |site| async move {
    site.push("app", &app()).await;
    let flags = [
        "--eta=2099-01-31T09:00:00Z",
        "--expires=2099-01-31T10:00:00+01:00",
        "--max-age=3h",
        "--timeout=90s",
        "--soft-timeout=80s",
        "--result-ttl=7d",
        "--retries=2",
        "--backoff=2h",
        "--retry-exhausted",
        "--key=order 17",
        "--unique",
        "--until=10m",
        "--on-conflict=reject",
    ];
    let called = call(&site, &flags).await;
    assert_eq!(called["new"], true, "{called}");
    let shown = job(&site, &called).await;
    assert_eq!(shown["state"], "scheduled");
    // By the broker's clock, whatever this host's says.
    assert_eq!(shown["available"], "2099-01-31T09:00:00Z");
    assert_eq!(shown["expiry"], "2099-01-31T09:00:00Z");
    assert_eq!(shown["result_ttl"], "7d");
    let options = &shown["options"];
    for (name, value) in [
        ("max_attempts", json!(3)),
        ("backoff", json!({"base": "2h", "factor": 3.0, "max": "2h"})),
        ("max_age", json!("3h")),
        ("retry_exhausted", json!(true)),
        ("timeout", json!("90s")),
        ("soft_timeout", json!("80s")),
    ] {
        assert_eq!(options[name], value, "{options}");
    }
    let unique = &shown["unique"];
    assert_eq!(
        (&unique["until"], &unique["conflict"]),
        (&json!("10m"), &json!("reject"))
    );
    assert_eq!(shown["key"].as_str().unwrap().len(), 32, "a hash: {shown}");

    let id = called["id"].as_str().unwrap();
    let text = site.lovage(&["job", id]).await.ok().out;
    for line in [
        "available  2099-01-31T09:00:00Z",
        "expires    2099-01-31T09:00:00Z",
        "kept       7d once it is completed",
        " for 10m",
    ] {
        assert!(text.contains(line), "`{line}`: {text}");
    }
});

site_test!(a_span_counts_from_the_call, |site| async move {
    site.push("app", &app()).await;
    let called = call(&site, &["--countdown", "1h", "--expires", "2h"]).await;
    let shown = job(&site, &called).await;
    let at = |name: &str| {
        shown[name]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let enqueued = at("enqueued");
    assert_eq!(at("available").duration_since(enqueued).as_secs(), 3600);
    assert_eq!(at("expiry").duration_since(enqueued).as_secs(), 7200);
});

site_test!(a_key_makes_a_call_safe_to_repeat, |site| async move {
    site.push("app", &app()).await;
    // Of a variable that is not set, say: it would make all calls one.
    for key in ["", &*"k".repeat(256)] {
        for words in [vec!["call", "app.go", "side=1"], vec!["flow", "run", "-"]] {
            let args = [&*words, &["--key", key]].concat();
            let ran = site.lovage(&args).await;
            ran.fails(2, &["has 1 to 255 characters"]);
        }
    }
    let first = call(&site, &["--key", "k"]).await;
    let again = call(&site, &["--key", "k"]).await;
    let other = call(&site, &["--key", "l"]).await;
    assert_eq!((&again["id"], &again["new"]), (&first["id"], &json!(false)));
    assert_ne!(other["id"], first["id"]);
    // Also once it has ended, and whatever came of it.
    let _worker = site.worker(&[]).await;
    let waited = ["call", "app.go", "side=1", "--key", "k", "--wait", "--json"];
    let done = site.lovage(&waited).await.ok().json();
    assert_eq!(done["id"], first["id"]);
    assert_eq!(call(&site, &["--key", "k"]).await["id"], first["id"]);
    assert_eq!(jobs(&site).await, 2);
});

site_test!(no_two_of_a_kind_wait, |site| async move {
    site.push("app", &app()).await;
    let first = call(&site, &["--unique"]).await;
    let second = call(&site, &["--unique", "--on-conflict", "existing"]).await;
    assert_eq!(
        (&second["id"], &second["new"]),
        (&first["id"], &json!(false))
    );
    // Other arguments are another kind, unless a key says otherwise.
    let other = ["call", "app.go", "side=2", "--unique", "--json"];
    assert_eq!(site.lovage(&other).await.ok().json()["new"], true);
    let named = call(&site, &["--unique=k", "--until", "start"]).await;
    let other = ["call", "app.go", "side=3", "--unique=k", "--json"];
    assert_eq!(site.lovage(&other).await.ok().json()["id"], named["id"]);

    let reject = [
        "call",
        "app.go",
        "side=1",
        "--unique",
        "--on-conflict",
        "reject",
    ];
    let id = first["id"].as_str().unwrap();
    let refused = site
        .lovage(&reject)
        .await
        .fails(5, &[id, "is unique", "hint: nothing was"]);
    assert_eq!(refused.out, "");
    assert_eq!(jobs(&site).await, 3);

    let replace = ["--unique", "--on-conflict", "replace"];
    let third = call(&site, &replace).await;
    assert_eq!(third["new"], true);
    assert_eq!(job(&site, &first).await["state"], "cancelled");
    // The key is free again once its holder has ended.
    let _worker = site.worker(&[]).await;
    site.ends(&[third["id"].as_str().unwrap().parse().unwrap()])
        .await;
    assert_eq!(call(&site, &reject[3..]).await["new"], true);
});

site_test!(what_has_not_begun_in_time_is_cancelled, |site| async move {
    site.push("app", &app()).await;
    let called = call(&site, &["--expires", "1ms", "--key", "k"]).await;
    let id: JobId = called["id"].as_str().unwrap().parse().unwrap();
    let _worker = site.worker(&[]).await;
    let job = &site.ends(&[id]).await[0];
    assert_eq!(job.state, State::Cancelled, "{job:#?}");
    let args = ["call", "app.go", "side=1", "--key", "k", "--wait"];
    site.lovage(&args)
        .await
        .fails(1, &["the job was cancelled: expired: "]);
    let shown = site.lovage(&["job", &id.to_string()]).await.ok().out;
    assert!(shown.contains("expired"), "{shown}");
});

site_test!(a_batch_is_all_or_none, |site| async move {
    site.push("app", &app()).await;
    let lines = "{\"side\": 1}\n\n{\"side\": 2, \"name\": \"b\"}\r\n{\"side\": 3}";
    site.write("calls.jsonl", lines);
    let args = ["call", "app.go", "--batch", "calls.jsonl", "--queue", "low"];
    let made = site.lovage(&args).await.ok();
    let ids: Vec<JobId> = made.out.lines().map(|it| it.parse().unwrap()).collect();
    assert_eq!(ids.len(), 3, "{made:?}");
    let second = site.job(ids[1]).await;
    assert_eq!(second.call.queue, "low");
    let stdin = site.command(["call", "app.go", "--batch", "-", "--json"]);
    let made = Ran::of(stdin, lines.as_bytes()).await.ok().json();
    assert_eq!(made.as_array().unwrap().len(), 3, "{made}");
    assert_eq!(jobs(&site).await, 6);

    for (lines, code, said) in [
        (
            "{\"side\": 1}\n{\"side\": \n",
            2,
            "`calls.jsonl`, line 2: no JSON at column",
        ),
        (
            "{\"side\": 1}\n\n[1]\n",
            5,
            "`calls.jsonl`, line 3: the arguments must be one object",
        ),
        (
            "{\"side\": 1}\n{\"side\": 0}\n",
            5,
            "`calls.jsonl`, line 2: the arguments do not fit",
        ),
        (
            "{\"side\": 1}\n\u{1}\n",
            2,
            "`calls.jsonl`, line 2: no JSON",
        ),
    ] {
        site.write("calls.jsonl", lines);
        let ran = site.lovage(&args).await.fails(code, &[said]);
        assert_eq!(ran.out, "");
    }
    assert_eq!(jobs(&site).await, 6, "nothing was half made");
});

site_test!(a_batch_has_ten_thousand_calls, |site| async move {
    site.push("app", &app()).await;
    let lines = "{\"side\": 7}\n".repeat(10_001);
    let args = ["call", "app.go", "--batch", "-"];
    let too_many = Ran::of(site.command(args), lines.as_bytes()).await;
    too_many.fails(
        2,
        &["standard input, line 10001: a batch has at most 10000 calls"],
    );
    assert_eq!(site.counts().await.available, 0);
    let most = Ran::of(site.command(args), &lines.as_bytes()[12..])
        .await
        .ok();
    assert_eq!(most.out.lines().count(), 10_000);
    assert_eq!(site.counts().await.available, 10_000);
});

#[tokio::test]
async fn terms_that_make_no_sense_are_refused() {
    let site = Site::sqlite();
    site.push("app", &app()).await;
    let cases: [(&[&str], i32, &str); 16] = [
        (&["--eta", "soon"], 2, "`soon` is neither a time"),
        (
            &["--expires", "2099-01-31"],
            2,
            "`2099-01-31` is neither a time",
        ),
        (&["--max-age", "long"], 2, "`long` is no span of time"),
        (&["--soft-timeout", "1"], 2, "`1` is no span of time"),
        (&["--result-ttl=-1s"], 2, "`-1s` is no span of time"),
        (&["--timeout", "0s"], 2, "no attempt could run with that"),
        (&["--memory", "0MiB"], 2, "no attempt could run with that"),
        (&["--fuel", "0"], 2, "no attempt could run with that"),
        (&["--retries", "often"], 2, "--retries"),
        (&["--until", "done"], 2, "--unique"),
        (&["--on-conflict", "reject"], 2, "--unique"),
        (
            &["--unique", "--until", "soon"],
            2,
            "`soon` is neither `start`, `done` nor a span",
        ),
        (
            &["--unique", "--on-conflict", "panic"],
            2,
            "existing, reject, replace",
        ),
        (&["--lane", "a\nb"], 2, "a lane key takes"),
        (&["--batch", "calls.jsonl"], 2, "cannot be used with"),
        (&["--save", "x"], 2, "--wait"),
    ];
    for (flags, code, said) in cases {
        let args = [&["call", "app.go", "side=1"], flags].concat();
        let ran = site.lovage(&args).await.fails(code, &[said]);
        assert_eq!(ran.out, "", "{flags:?}");
    }
    let batch = ["call", "app.go", "--batch", "nowhere.jsonl"];
    site.lovage(&batch)
        .await
        .fails(4, &["there is no file `nowhere.jsonl`"]);
    let folder = ["call", "app.go", "--batch", "."];
    site.lovage(&folder).await.fails(2, &["cannot read `.`"]);
    let keyed = ["call", "app.go", "--batch", "-", "--key", "k"];
    site.lovage(&keyed).await.fails(2, &["--key"]);
    assert_eq!(jobs(&site).await, 0, "none of them is a job");
}
