//! Flows, as a user runs, looks at and holds them.

use serde_json::{Value, json};

use crate::fixtures::{ECHO, Guest};
use crate::support::site::{Ran, Site};
use crate::support::{site_test, until};

/// `app.go` takes anything and returns it; `app.count` takes a number as `n`, and
/// `app.all` a list of objects as `all`.
async fn push_app(site: &Site) {
    let count = r#"{"type":"object","required":["n"],"additionalProperties":false,
        "properties":{"n":{"type":"integer"}}}"#;
    let all = r#"{"type":"object","required":["all"],
        "properties":{"all":{"type":"array","items":{"type":"object"}}}}"#;
    let app = Guest::new(ECHO).tasks(&[("go", "{}"), ("count", count), ("all", all)]);
    let app = app.returns(r#"{"type":"object"}"#);
    site.push("app", &app.build()).await;
}

/// `bad.go` fails.
async fn push_bad(site: &Site) {
    site.push("bad", &Guest::new("(unreachable)").build()).await;
}

/// Runs a flow with these flags; what it printed.
async fn run(site: &Site, flow: &Value, flags: &[&str]) -> Ran {
    site.write("flow.json", flow.to_string());
    let args = [&["flow", "run", "flow.json", "--json"], flags].concat();
    site.lovage(&args).await
}

/// Runs a flow; its id.
async fn begin(site: &Site, flow: &Value) -> String {
    let made = run(site, flow, &[]).await.ok().json();
    made["id"].as_str().unwrap().to_owned()
}

async fn show(site: &Site, id: &str) -> Value {
    let shown = site.lovage(&["flow", "show", id, "--json"]).await;
    shown.ok().json()
}

fn go(n: i64) -> Value {
    json!({"task": "app.go", "args": {"n": n}})
}

/// One that fails at once.
fn bad() -> Value {
    json!({"task": "bad.go", "retries": 0})
}

fn taking(task: &str, argument: &str, from: Value) -> Value {
    json!({"task": task, "results": {argument: from}})
}

site_test!(a_flow_is_run_and_its_result_printed, |site| async move {
    push_app(&site).await;
    let _worker = site.worker(&[]).await;
    let flow = json!({"name": "report", "chain": [
        {"map": {"task": "app.go", "over": "n", "values": [1, 2, 3]}},
        taking("app.all", "all", json!("previous")),
        taking("app.go", "last", json!("previous")),
    ]});
    let ran = run(&site, &flow, &["--wait", "--timeout=30s"])
        .await
        .ok()
        .json();
    let all = json!({"all": [{"n": 1}, {"n": 2}, {"n": 3}]});
    assert_eq!(ran["result"], json!({"last": all}));
    assert_eq!(
        (&ran["state"], &ran["name"]),
        (&json!("completed"), &json!("report"))
    );
    assert_eq!((&ran["nodes"], &ran["completed"]), (&json!(5), &json!(5)));

    let id = ran["id"].as_str().unwrap();
    let result = async |path: &[&str]| {
        let args = [&["flow", "result", id, "--json"], path].concat();
        site.lovage(&args).await.ok().json()
    };
    assert_eq!(result(&[]).await, ran["result"]);
    assert_eq!(result(&["--node", "chain[1]"]).await, all);
    assert_eq!(result(&["--node", "chain[0]"]).await, all["all"]);
    assert_eq!(
        result(&["--node", "chain[0].group[2]"]).await,
        json!({"n": 3})
    );

    // Its jobs are jobs, and say whose they are.
    let shown = show(&site, id).await;
    let job = shown["steps"]["chain"][2]["job"].as_str().unwrap();
    let told = site.lovage(&["job", job, "--json"]).await.ok().json();
    assert_eq!(told["flow"], json!(id));
    let told = site.lovage(&["job", job]).await.ok().out;
    assert!(told.contains(&format!("flow       {id}")), "{told}");
});

site_test!(a_flow_is_drawn_as_it_was_written, |site| async move {
    push_app(&site).await;
    let many: Vec<i64> = (0..30).collect();
    let flow = json!({"chain": [
        {"group": [go(1), go(2)]},
        {"map": {"task": "app.go", "over": "n", "values": many}},
        {"graph": {"a": go(3), "b": {"after": ["a"], "task": "app.go"}},
            "on_error": {"task": "app.go"}},
    ]});
    let id = begin(&site, &flow).await;
    let shown = site.lovage(&["flow", "show", &id]).await.ok().out;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with(&format!("{id} `flow`: running, 0 of 35 calls completed")),
        "{shown}"
    );
    assert_eq!(lines[2], "chain", "{shown}");
    assert_eq!(lines[3], "├─ [0] group", "{shown}");
    assert!(
        lines[4].starts_with("│  ├─ [0] app.go available "),
        "{shown}"
    );
    assert!(
        lines[5].starts_with("│  └─ [1] app.go available "),
        "{shown}"
    );
    assert_eq!(
        lines[6], "├─ [1] group of 30 × app.go: 30 pending (0 %)",
        "{shown}"
    );
    assert_eq!(lines[7], "└─ [2] graph", "{shown}");
    assert!(lines[8].starts_with("   ├─ a: app.go pending "), "{shown}");
    assert!(
        lines[9].starts_with("   ├─ b: after a: app.go pending "),
        "{shown}"
    );
    assert!(
        lines[10].starts_with("   └─ on error: app.go pending "),
        "{shown}"
    );

    let shown = show(&site, &id).await;
    let steps = &shown["steps"]["chain"];
    assert_eq!(steps[0]["group"][1]["path"], json!("chain[0].group[1]"));
    assert_eq!(steps[1]["states"], json!({"pending": 30}));
    assert_eq!(steps[2]["graph"][1]["after"], json!(["a"]));
    assert_eq!(steps[2]["on_error"][0]["task"], json!("app.go"));

    let second = begin(&site, &json!({"name": "second", "task": "app.go"})).await;
    let list = site.lovage(&["flow", "list", "--json"]).await.ok().json();
    assert_eq!(
        (&list[0]["id"], &list[1]["id"]),
        (&json!(second), &json!(id))
    );
    let list = site.lovage(&["flow", "list", "-n", "1"]).await.ok().out;
    assert!(list.contains("second") && !list.contains(&id), "{list}");
});

site_test!(
    a_failed_flow_says_where_and_goes_on_from_there,
    |site| async move {
        push_app(&site).await;
        push_bad(&site).await;
        let _worker = site.worker(&[]).await;
        let flow = json!({
            "chain": [go(1), bad(), taking("app.go", "x", json!("previous"))],
            "on_error": taking("app.go", "what", json!("failures")),
        });
        let ran = run(&site, &flow, &["--wait", "--timeout=30s"]).await;
        let ran = ran.fails(
            1,
            &["the flow is failed: chain[1]: `bad.go`, job ", "hint: "],
        );
        let shown = ran.json();
        assert_eq!(
            (&shown["failed"], &shown["result"]),
            (&json!(1), &Value::Null)
        );
        let id = shown["id"].as_str().unwrap();
        let waited = site.lovage(&["flow", "wait", id]).await;
        waited.fails(1, &["chain[1]: `bad.go`"]);
        let result = site.lovage(&["flow", "result", id]).await;
        result.fails(1, &["chain[2]: there is no result of `app.go`"]);
        let told = ["flow", "result", id, "--node", "on_error", "--json"];
        let told = site.lovage(&told).await.ok().json();
        assert_eq!(told["what"][0]["task"], json!("bad.go"));
        let steps = &show(&site, id).await["steps"]["chain"];
        let states = [0, 1, 2].map(|n| steps[n]["state"].clone());
        assert_eq!(states, ["completed", "discarded", "cancelled"]);

        site.push("bad", &Guest::new(ECHO).build()).await;
        site.lovage(&["flow", "retry", id]).await.ok();
        site.lovage(&["flow", "wait", id, "--timeout=30s"])
            .await
            .ok();
        let result = site.lovage(&["flow", "result", id, "--json"]).await.ok();
        assert_eq!(result.json(), json!({"x": {}}));
        site.lovage(&["flow", "retry", id])
            .await
            .fails(5, &["is completed"]);
    }
);

site_test!(what_fails_may_have_a_default, |site| async move {
    push_app(&site).await;
    push_bad(&site).await;
    let _worker = site.worker(&[]).await;
    let mut fallen = bad();
    fallen["on_failure"] = json!({"default": {"n": null}});
    let flow = json!({"chord": {"group": [go(1), fallen, go(3)],
        "then": taking("app.all", "all", json!("previous"))}});
    let ran = run(&site, &flow, &["--wait", "--timeout=30s"])
        .await
        .ok()
        .json();
    assert_eq!(
        ran["result"],
        json!({"all": [{"n": 1}, {"n": null}, {"n": 3}]})
    );
});

site_test!(a_flow_is_waited_for_and_cancelled, |site| async move {
    push_app(&site).await;
    let flow = json!({"chain": [go(1), go(2)]});
    let ran = run(&site, &flow, &["--wait", "--timeout=100ms"]).await;
    let ran = ran.fails(6, &["the flow is still running", "goes on without us"]);
    let id = ran.json()["id"].as_str().unwrap().to_owned();
    let wait = ["flow", "wait", &id, "--timeout=100ms"];
    site.lovage(&wait).await.fails(6, &["still running"]);
    let result = site.lovage(&["flow", "result", &id]).await;
    result.fails(5, &["has not ended", "hint: `lovage flow wait`"]);
    let result = ["flow", "result", &id, "--node", "chain[0]"];
    site.lovage(&result)
        .await
        .fails(1, &["chain[0]: there is no result", "it is available"]);
    let result = ["flow", "result", &id, "--node", "chain[7]"];
    site.lovage(&result)
        .await
        .fails(4, &["has no step `chain[7]`", "hint: "]);

    site.lovage(&["flow", "cancel", &id]).await.ok();
    // What is more than a step is left to the workers.
    let _worker = site.worker(&[]).await;
    let ended = async || {
        let waited = site.lovage(&["flow", "wait", &id]).await;
        (waited.code == Some(1)).then_some(waited)
    };
    let waited = until("it has ended", ended).await;
    waited.fails(1, &["the flow is cancelled: somebody cancelled it"]);
    let said = site.lovage(&["flow", "cancel", &id]).await.ok().out;
    assert!(said.contains("had ended: cancelled"), "{said}");
    site.lovage(&["flow", "retry", &id]).await.ok();
    site.lovage(&["flow", "wait", &id, "--timeout=30s"])
        .await
        .ok();
});

site_test!(what_cannot_be_is_refused_with_its_path, |site| async move {
    push_app(&site).await;
    let deep = (0..40).fold(go(1), |inner, _| json!({ "chain": [inner] }));
    let wide: Vec<u32> = vec![0; 1_000_001];
    let previous = || json!("previous");
    for (flow, code, said) in [
        (
            json!({"chain": [go(1), {"group": []}]}),
            2,
            "chain[1]: it has no steps",
        ),
        (
            json!({"chain": [go(1), {"task": "app.go", "x": 1}]}),
            2,
            "`flow.json`: chain[1].x: no such field",
        ),
        (
            json!({"task": "app.go", "delay": "soon"}),
            2,
            "delay: `soon` is no span",
        ),
        (
            json!({"graph": {"a": {"after": ["b"], "task": "app.go"}, "b": {"after": ["a"], "task": "app.go"}}}),
            2,
            "flow: `a`, `b` wait for each other",
        ),
        (
            json!({"graph": {"a": taking("app.go", "x", json!({"step": "z"}))}}),
            2,
            "graph[a]: there is no step `z`",
        ),
        (
            json!({"chain": [taking("app.go", "x", previous())]}),
            2,
            "chain[0]: argument `x` is the result of the step before",
        ),
        (deep, 2, "it lies too deep"),
        (
            json!({"map": {"task": "app.go", "over": "n", "values": wide}}),
            2,
            "map.values: the flow has more than 1000000 calls",
        ),
        (
            json!({"name": "", "task": "app.go"}),
            2,
            "is no name of a flow",
        ),
        (
            json!({"group": [go(1), {"task": "none.go"}]}),
            4,
            "group[1]: there is no module `none`",
        ),
        (
            json!({"group": [go(1), {"task": "app.none"}]}),
            4,
            "group[1]: module `app` has no task `none`",
        ),
        (
            json!({"chain": [go(1), {"task": "app.go", "release": 7}]}),
            4,
            "chain[1]: module `app` has no release 7",
        ),
        (
            json!({"chain": [go(1), {"task": "app.count"}]}),
            5,
            "chain[1]: the arguments do not fit `app.count`",
        ),
        (
            json!({"chain": [go(1), {"task": "app.count", "args": {"n": "x"}}]}),
            5,
            "chain[1]: the arguments do not fit `app.count`: at `/n`",
        ),
        (
            json!({"chain": [go(1), taking("app.count", "n", previous())]}),
            5,
            "chain[1]: argument `n` of `app.count` takes integer, and the result of chain[0] is object",
        ),
        (
            json!({"chain": [{"group": [go(1), go(2)]}, taking("app.count", "n", previous())]}),
            5,
            "chain[0].group[0] to chain[0].group[1] is list of object",
        ),
        (
            json!({"chain": [go(1), taking("app.all", "all", previous())]}),
            5,
            "takes list of object, and the result of chain[0] is object",
        ),
        (
            json!({"chain": [go(1), taking("app.count", "m", previous())]}),
            5,
            "chain[1]: the arguments do not fit",
        ),
    ] {
        run(&site, &flow, &[]).await.fails(code, &[said]);
    }
    site.write("flow.json", "{\"task\": ");
    let ran = site.lovage(&["flow", "run", "flow.json"]).await;
    ran.fails(2, &["`flow.json` is no JSON"]);
    site.write(
        "flow.json",
        r#"{"graph": {"a": {"task": "app.go"}, "a": {"task": "app.go"}}}"#,
    );
    let ran = site.lovage(&["flow", "run", "flow.json"]).await;
    ran.fails(2, &["`a` stands here twice at line 1"]);
    site.lovage(&["flow", "run", "none.json"])
        .await
        .fails(2, &["cannot read `none.json`"]);
    let list = site.lovage(&["flow", "list", "--json"]).await.ok().json();
    assert_eq!(list, json!([]), "nothing of it was made");
    let none = "01a1fba9-c2fc-7000-b730-5028e85eff5c";
    for command in ["show", "wait", "cancel", "retry", "result"] {
        let ran = site.lovage(&["flow", command, none]).await;
        ran.fails(4, &["there is no flow", "hint: `lovage flow list`"]);
    }
});

site_test!(a_flow_comes_from_a_pipe, |site| async move {
    push_app(&site).await;
    let command = site.command(["flow", "run", "-", "--json"]);
    let flow = go(1).to_string();
    let made = Ran::of(command, flow.as_bytes()).await.ok().json();
    assert_eq!(made["name"], json!("flow"));
    let id = made["id"].as_str().unwrap();
    assert_eq!(show(&site, id).await["steps"]["task"], json!("app.go"));
    let command = site.command(["flow", "run", "-"]);
    let ran = Ran::of(command, b"[]").await;
    ran.fails(2, &["standard input: flow: it takes an object"]);
});
