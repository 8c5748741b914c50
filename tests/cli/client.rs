//! `lovage client`: from pushed modules to files that a type checker reads. What stands in
//! them is for the tests of the stubs themselves.

use serde_json::json;

use crate::fixtures::{ECHO, Guest};
use crate::support::site::Site;

/// A site with two modules.
async fn site() -> Site {
    let site = Site::sqlite();
    let input = r#"{"type": "object", "required": ["side"], "additionalProperties": false,
        "properties": {"side": {"type": "integer"}, "unit": {"enum": ["mm", "inch"]}}}"#;
    let guest = Guest::new(ECHO).tasks(&[("go", input)]);
    let component = guest
        .returns(r#"{"type": "string", "contentEncoding": "base64"}"#)
        .build();
    site.push("my-shapes", &component).await;
    site.push("other", &super::app()).await;
    site
}

#[tokio::test]
async fn each_module_has_a_file_of_its_active_release() {
    let site = site().await;
    let read = |file: &str| std::fs::read_to_string(site.work().join(file)).unwrap();
    let made = site.lovage(&["client", "--lang", "python"]).await.ok();
    let said = "wrote `my_shapes.py` (release 1 of `my-shapes`)\nwrote `other.py` (release 1 of `other`)\n";
    assert_eq!(made.out, said);
    let python = read("my_shapes.py");
    for part in [
        "\"\"\"Tasks of the module `my-shapes`, release 1 (digest ",
        "@task(\"my-shapes.go\")\ndef go(*, side: int, unit: Literal[\"mm\", \"inch\"] = _OMITTED) -> bytes:",
        "class AsyncMyShapes:",
    ] {
        assert!(python.contains(part), "`{part}`: {python}");
    }
    let ts = [
        "client",
        "--lang",
        "ts",
        "--output",
        "src/stubs",
        "my-shapes",
        "--json",
    ];
    let made = site.lovage(&ts).await.ok().json();
    let digest = made[0]["digest"].as_str().unwrap();
    let file = json!({"module": "my-shapes", "release": 1, "digest": digest, "file": "src/stubs/my-shapes.ts"});
    assert_eq!(made, json!([file]));
    let stubs = read("src/stubs/my-shapes.ts");
    for part in [
        &format!("from release 1 of `my-shapes` (digest {digest})"),
        "  go: Task<MyShapesGo, Uint8Array>;",
        "  side: number;\n  unit?: \"mm\" | \"inch\";",
    ] {
        assert!(stubs.contains(part), "`{part}`: {stubs}");
    }
    // A new release is written over the old one.
    site.push(
        "my-shapes",
        &Guest::new(ECHO).tasks(&[("other", "{}")]).build(),
    )
    .await;
    site.lovage(&ts).await.ok();
    let stubs = read("src/stubs/my-shapes.ts");
    assert!(
        stubs.contains("release 2 of") && !stubs.contains("go: "),
        "{stubs}"
    );
}

#[tokio::test]
async fn one_module_may_have_a_file_that_is_named() {
    let site = site().await;
    let into = ["client", "--lang", "python", "--output", "stubs.py"];
    site.lovage(&into)
        .await
        .fails(2, &["`stubs.py` would be the file of 2 modules"]);
    site.lovage(&[&into[..], &["other"]].concat()).await.ok();
    assert!(site.work().join("stubs.py").is_file());
}

#[tokio::test]
async fn nobodys_own_file_is_written_over() {
    let site = site().await;
    let mine = "print('mine')\n\n\n\n\n# Next to what `lovage client --lang python` writes.\n";
    site.write("other.py", mine);
    let made = ["client", "--lang", "python"];
    let said = "`other.py` is there, and was not written by `lovage client`";
    site.lovage(&made).await.fails(2, &[said]);
    assert!(!site.work().join("my_shapes.py").exists(), "all or nothing");
    let text = std::fs::read_to_string(site.work().join("other.py")).unwrap();
    assert_eq!(text, mine);
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let site = Site::sqlite();
    let all = ["client", "--lang", "ts"];
    site.lovage(&all)
        .await
        .fails(4, &["there is no module yet", "`lovage push`"]);
    site.push("a-b", &super::app()).await;
    site.push("a_b", &super::app()).await;
    site.lovage(&[&all[..], &["nothing"]].concat())
        .await
        .fails(4, &["there is no module `nothing` with an active release"]);
    let python = ["client", "--lang", "python"];
    site.lovage(&python)
        .await
        .fails(2, &["the file of both `a-b` and `a_b`"]);
}
