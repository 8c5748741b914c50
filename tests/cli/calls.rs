//! Calls that make no sense: each is one error, and no job.

use super::app;
use crate::support::site::{Ran, Site};

#[tokio::test]
async fn what_is_wrong_with_a_call_is_said_with_its_place() {
    let site = Site::sqlite();
    site.push("app", &app()).await;
    let cases: [(&[&str], i32, &[&str]); 19] = [
        (
            &["nope.go"],
            4,
            &["there is no module `nope`", "hint: `lovage releases`"],
        ),
        (
            &["app.nope"],
            4,
            &["module `app` has no task `nope`; it has `go`"],
        ),
        (&["app"], 2, &["`app` is no task: write `module.task`"]),
        (&["App.go"], 2, &["`App` is no valid module name"]),
        (
            &["app.go"],
            5,
            &["do not fit `app.go`", "\"side\" is a required property"],
        ),
        (
            &["app.go", "side=wide"],
            5,
            &["at `/side`", "\"wide\" is not of type \"integer\""],
        ),
        (
            &["app.go", "side=0"],
            5,
            &["at `/side`", "less than the minimum of 1"],
        ),
        (&["app.go", "side=1", "nme=x"], 5, &["nme"]),
        (&["app.go", "side=1", "name:=5"], 5, &["at `/name`"]),
        (&["app.go", "side"], 2, &["`side` is no argument"]),
        (&["app.go", "side:5"], 2, &["`side:=json`"]),
        (
            &["app.go", "side:={"],
            2,
            &["the value of argument `side` is no JSON"],
        ),
        (
            &["app.go", "name@nowhere.txt"],
            2,
            &["argument `name`: cannot read `nowhere.txt`"],
        ),
        (
            &["app.go", "side=1", "--eta", "soon"],
            2,
            &["`soon` is neither a time"],
        ),
        (
            &["app.go", "side=1", "--queue", "A"],
            2,
            &["`A` is no valid queue name"],
        ),
        (
            &["app.go", "side=1", "--tenant", "A"],
            2,
            &["`A` is no valid tenant name"],
        ),
        (
            &["app.go", "side=1", "--priority", "10"],
            2,
            &["--priority"],
        ),
        (
            &["app.go", "side=1", "--timeout", "soon"],
            2,
            &["`soon` is no span of time"],
        ),
        (
            &["app.go", "side=1", "--release", "7"],
            4,
            &["module `app` has no release 7"],
        ),
    ];
    for (args, code, said) in cases {
        let ran = site
            .lovage(&[&["call"], args].concat())
            .await
            .fails(code, said);
        assert_eq!(ran.out, "", "{args:?}");
    }
    let call = || site.command(["call", "app.go", "-"]);
    Ran::of(call(), b"{\"side\": ")
        .await
        .fails(2, &["standard input are no JSON"]);
    Ran::of(call(), b"[1, 2]").await.fails(5, &[]);
    Ran::of(call(), b"{\"side\": \"x\"}")
        .await
        .fails(5, &["at `/side`"]);
    let jobs = site.lovage(&["jobs", "--json"]).await.ok();
    assert_eq!(jobs.json(), serde_json::json!([]), "none of them is a job");
}

#[tokio::test]
async fn an_input_that_is_too_large_is_refused() {
    let site = Site::sqlite();
    site.push("app", &app()).await;
    site.write("large.txt", vec![b'x'; 17 << 20]);
    let args = ["call", "app.go", "side=1", "name@large.txt"];
    site.lovage(&args)
        .await
        .fails(5, &["the arguments take 17825", "an input may have"]);
}

#[tokio::test]
async fn what_does_not_exist_is_said_to() {
    let site = Site::sqlite();
    site.push("app", &app()).await;
    let id = "01a1fba9-c2fc-7000-b730-5028e85eff5c";
    let cases: [(&[&str], i32, &str); 10] = [
        (&["job", id], 4, "there is no job 01a1fba9"),
        (&["job", "17"], 2, "`17` is no job id"),
        (
            &["jobs", "--state", "happy"],
            2,
            "`happy` is none of pending, ",
        ),
        (&["jobs", "--task", "A.b"], 2, "`A` is no valid module name"),
        (&["releases", "nope"], 4, "there is no module `nope`"),
        (&["rollback", "nope"], 4, "there is no module `nope`"),
        (&["rollback", "app"], 4, "`app` has no release older than 1"),
        (&["rollback", "app", "--to", "9"], 4, "9"),
        (
            &["run", "app.wasm", "nope"],
            4,
            "there is no task `nope`; the module has `go`",
        ),
        (&["build", "."], 4, "there is none of `Cargo.toml`"),
    ];
    for (args, code, said) in cases {
        site.lovage(args).await.fails(code, &[said]);
    }
}
