//! What is not taken, and what its author is told.

use std::time::{Duration, Instant};

use lovage::engine::Refusal;

use super::ENGINE;
use crate::fixtures::{ECHO, Guest, SPIN, component};

fn refusal(bytes: &[u8]) -> Refusal {
    ENGINE.compile(bytes).unwrap_err()
}

#[test]
fn bytes_that_are_no_component_are_told_apart() {
    assert_eq!(refusal(b"hello"), Refusal::NotWasm);
    assert_eq!(refusal(&component("(module)")), Refusal::CoreModule);
    let whole = Guest::new(ECHO).build();
    let Refusal::Invalid(text) = refusal(&whole[..whole.len() - 10]) else {
        panic!("not `Invalid`")
    };
    assert!(text.contains("at offset 0x"), "{text}");
    for length in (8..whole.len()).step_by(97) {
        let refusal = refusal(&whole[..length]);
        let told = matches!(refusal, Refusal::Invalid(_) | Refusal::World(_));
        assert!(told, "{length}: {refusal:?}");
    }
}

#[test]
fn all_missing_imports_are_named() {
    let text = r#"(component
        (import "wasi:nn/tensor@0.2.3" (instance (export "x" (func))))
        (import "wasi:cli/stdin@0.2.3" (instance))
        (import "acme:db/sql" (instance (export "query" (func)))))"#;
    let refusal = refusal(&component(text));
    let names = vec!["`wasi:nn/tensor@0.2.3`".to_owned(), "`acme:db/sql`".into()];
    assert_eq!(refusal, Refusal::Imports(names));
    assert!(refusal.to_string().contains("`acme:db/sql`"));
}

#[test]
fn an_interface_of_ours_with_a_foreign_function_is_missing_too() {
    let text = r#"(component
        (import "lovage:task/context@0.1.0" (instance (export "fly" (func)))))"#;
    let Refusal::Imports(names) = refusal(&component(text)) else {
        panic!("not `Imports`")
    };
    assert!(names[0].contains("fly"), "{names:?}");
}

#[test]
fn a_component_of_another_world_is_told_so() {
    let text = r#"(component
        (component $c)
        (instance $i (instantiate $c))
        (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    assert_eq!(
        refusal(&component(text)),
        Refusal::World("it exports `wasi:cli/run@0.2.0`".into())
    );
}

#[test]
fn what_does_not_fit_a_slot_is_refused_at_once() {
    let text =
        "(component (core module $m (table 30000 funcref)) (core instance (instantiate $m)))";
    assert!(matches!(refusal(&component(text)), Refusal::Needs(_)));
}

async fn described(guest: &Guest) -> Result<Vec<String>, String> {
    let module = ENGINE.compile(&guest.build()).unwrap();
    let tasks = ENGINE.describe(&module).await;
    tasks
        .map(|tasks| tasks.into_iter().map(|task| task.name).collect())
        .map_err(|refusal| refusal.to_string())
}

#[tokio::test]
async fn describe_names_the_tasks() {
    let guest = Guest::new(ECHO).tasks(&[("resize", "{}"), ("crop", r#"{"type":"object"}"#)]);
    assert_eq!(described(&guest).await.unwrap(), ["resize", "crop"]);
}

#[tokio::test]
async fn describe_must_answer_sense() {
    let error = |guest: Guest| async move { described(&guest).await.unwrap_err() };
    assert!(error(Guest::new(ECHO).tasks(&[])).await.contains("no task"));
    let twice = Guest::new(ECHO).tasks(&[("a", "{}"), ("a", "{}")]);
    assert!(error(twice).await.contains("`a` twice"));
    let schema = Guest::new(ECHO).tasks(&[("a", "[1]")]);
    assert!(error(schema).await.contains("no JSON object"));
    let trap = error(Guest::new(ECHO).describe("unreachable")).await;
    assert_eq!(
        trap,
        "`describe` panicked or aborted (`unreachable` executed)"
    );
}

#[tokio::test]
async fn a_describe_that_hangs_is_ended() {
    let started = Instant::now();
    let error = described(&Guest::new(ECHO).describe(SPIN))
        .await
        .unwrap_err();
    assert!(
        error.contains("deadline") || error.contains("fuel"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_handler_of_another_shape_is_told_at_describe() {
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $h (export "run" (func $f)) (export "describe" (func $f)))
        (export "lovage:task/handler@0.1.0" (instance $h)))"#;
    let module = ENGINE.compile(&component(text)).unwrap();
    let error = ENGINE.describe(&module).await.unwrap_err();
    assert!(error.to_string().contains("type"), "{error}");
}
