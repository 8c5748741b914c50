//! Modules with no SDK, from the push to the result: in the worker, and in a process.

use serde_json::json;

use crate::fixtures::plain::{component, lifted};
use crate::support::site::{Site, text};

/// Numbers of which it takes half, and bytes of which it returns as many.
fn module() -> Vec<u8> {
    let core = r#"
      (func (export "half") (param i32) (result i32)
        (i32.store8 (i32.const 16) (i32.and (local.get 0) (i32.const 1)))
        (i32.store (i32.const 20) (i32.shr_u (local.get 0) (i32.const 1)))
        (if (i32.and (local.get 0) (i32.const 1)) (then
          (i32.store (i32.const 20) (i32.const 100))
          (i32.store (i32.const 24) (i32.const 3))))
        (i32.const 16))
      (func (export "same") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (local.get 1))
        (i32.const 16))
      (data (i32.const 100) "odd")"#;
    let functions = [
        (
            "half",
            r#"(param "of-it" u16) (result (result u32 (error string)))"#,
        ),
        ("same", r#"(param "bytes" (list u8)) (result (list u8))"#),
    ];
    let functions = functions.map(|(name, ty)| lifted(name, ty)).concat();
    component("", core, &functions)
}

async fn runs(isolation: &str) {
    let site = Site::sqlite();
    let file = site.write("plain.wasm", module());
    site.lovage(&["push", text(&file)]).await.ok();
    let _worker = site.worker(&["--isolation", isolation]).await;
    let call = async |task: &str, arg: &str| {
        let task = format!("plain.{task}");
        site.lovage(&["call", &task, arg, "--retries", "0", "--wait", "--json"])
            .await
    };
    let job = call("half", "of_it:=8").await.ok().json();
    assert_eq!(job["result"], json!(4));
    let failed = call("half", "of_it:=9").await.fails(1, &[]).json();
    let failure = &failed["attempts"][0]["failure"];
    assert_eq!(
        (&failure["kind"], &failure["message"]),
        (&json!("error"), &json!("odd"))
    );
    let bytes = site.write("bytes", [0, 255, 7, 200]);
    for bytes in [
        &*format!("bytes@{}", bytes.display()),
        r#"bytes:="AP8HyA==""#,
    ] {
        let job = call("same", bytes).await;
        assert_eq!(job.ok().json()["result"], json!("AP8HyA=="));
        let ran = site
            .lovage(&["run", text(&file), "same", bytes, "--json"])
            .await;
        assert_eq!(ran.ok().json()["result"], json!("AP8HyA=="));
    }
    // Nobody's worker sees what does not fit.
    for (wrong, said) in [
        ("of_it:=65536", "65535"),
        ("of-it:=1", "of_it"),
        ("of_it=a", "integer"),
    ] {
        call("half", wrong).await.fails(5, &[said]);
    }
    let local = ["run", text(&file), "half", "of_it:=10", "--json"];
    let local = site.lovage(&local).await;
    assert_eq!(local.ok().json()["result"], json!(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_components_are_tasks_in_the_worker() {
    runs("none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_components_are_tasks_in_a_process() {
    runs("process").await;
}
