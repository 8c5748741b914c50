//! What modules want to reach, and say so when they are pushed.

use lovage::engine::Refusal;
use lovage_queue::grant::{Grants, MAX_GRANTS};

use super::{ENGINE, module};
use crate::fixtures::{ECHO, Guest, component};

async fn wanted(lines: &[&str]) -> Result<Grants, Refusal> {
    ENGINE.wants(&module(&Guest::new(ECHO).wants(lines))).await
}

#[tokio::test]
async fn a_module_says_what_it_wants_and_an_older_one_wants_nothing() {
    let lines = ["http get API.example.com", "config smtp-host", "bucket a"];
    let wants = wanted(&lines).await.unwrap();
    let said: Vec<_> = wants.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["http GET api.example.com", "config smtp-host", "bucket a"]
    );
    let none = ENGINE.wants(&module(&Guest::new(ECHO))).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn wants_must_answer_sense() {
    let said = wanted(&["config a", "fly to the moon"]).await.unwrap_err();
    let said = said.to_string();
    assert!(
        said.starts_with("`wants` has a wrong line: `fly to the moon` is no grant"),
        "{said}"
    );
    let many: Vec<_> = (0..=MAX_GRANTS).map(|n| format!("bucket {n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let said = wanted(&many).await.unwrap_err().to_string();
    assert_eq!(said, "`wants` names 257 grants, more than 256");
}

#[tokio::test]
async fn wants_of_another_shape_are_refused() {
    let shaped = |of: &str| {
        component(&format!(
            r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $h (export "run" (func $f)) (export "describe" (func $f)))
        (instance $w (export "{of}" (func $f)))
        (export "lovage:task/handler@0.1.0" (instance $h))
        (export "lovage:task/wants@0.1.0" (instance $w)))"#
        ))
    };
    let lacks = ENGINE.compile(&shaped("wishes")).unwrap_err();
    assert_eq!(lacks, Refusal::World("its `wants` lacks `wants`".into()));
    let module = ENGINE.compile(&shaped("wants")).unwrap();
    let Refusal::World(said) = ENGINE.wants(&module).await.unwrap_err() else {
        panic!("not `World`")
    };
    assert!(said.contains("type"), "{said}");
}
