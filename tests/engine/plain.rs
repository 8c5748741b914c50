//! Components with no SDK: their functions are tasks.

use std::time::Duration;

use lovage::engine::{End, Invocation, Limits, Outcome, Refusal};
use lovage_queue::job::Ending;
use lovage_queue::retry::Retry;
use lovage_queue::task::Failure;
use serde_json::{Value, json};

use super::{ENGINE, run_with};
use crate::fixtures::plain::{component, lifted};

async fn call(component: &[u8], task: &str, input: impl serde::Serialize) -> Outcome {
    let module = ENGINE.compile(component).unwrap();
    let input = rmp_serde::to_vec_named(&input).unwrap();
    run_with(
        &ENGINE,
        &module,
        Invocation::local(module.digest(), task, input),
    )
    .await
}

#[track_caller]
fn result(outcome: &Outcome) -> Value {
    match &outcome.end {
        End::Completed(result) => rmp_serde::from_slice(result).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failure(outcome: &Outcome) -> &Failure {
    match &outcome.end {
        End::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn types_may_come_from_an_interface_that_others_share() {
    let types = r#"
      (type $shapes (instance
        (type $p (record (field "x" f64)))
        (export "point" (type (eq $p)))))
      (import "acme:shapes/types@1.0.0" (instance $types (type $shapes)))
      (alias export $types "point" (type $point))"#;
    let core = r#"(func (export "side") (param f64) (result f64) (local.get 0))"#;
    let side = lifted("side", r#"(param "of" $point) (result f64)"#);
    let module = component(types, core, &side);
    let outcome = call(&module, "side", json!({"of": {"x": 1.5}})).await;
    assert_eq!(result(&outcome), json!(1.5));
    // What it could call is still nobody's.
    let types = types.replace(
        "(export \"point\"",
        "(export \"f\" (func)) (export \"point\"",
    );
    let refused = ENGINE.compile(&component(&types, core, &side));
    assert!(matches!(refused, Err(Refusal::Imports(_))));
}

#[tokio::test]
async fn numbers_and_texts_are_passed_one_by_one() {
    let core = r#"
      (func (export "add") (param i32 i64) (result i64)
        (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)))
      (func (export "half") (param f32) (result f64)
        (f64.mul (f64.promote_f32 (local.get 0)) (f64.const 0.5)))
      (func (export "same") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (local.get 1))
        (i32.const 16))
      (func (export "nothing"))"#;
    let functions = [
        (
            "add",
            r#"(param "small" s8) (param "big" s64) (result s64)"#,
        ),
        ("half", r#"(param "of" f32) (result f64)"#),
        ("same", r#"(param "bytes" (list u8)) (result (list u8))"#),
        ("nothing", ""),
    ];
    let functions = functions.map(|(name, ty)| lifted(name, ty)).concat();
    let module = component("", core, &functions);
    let added = |small, big| call(&module, "add", json!({"small": small, "big": big}));
    assert_eq!(result(&added(-1, 0).await), json!(-1));
    assert_eq!(result(&added(-1, i64::MIN + 1).await), json!(i64::MIN));
    assert_eq!(result(&added(127, i64::MAX - 127).await), json!(i64::MAX));
    assert_eq!(
        result(&call(&module, "half", json!({"of": 3})).await),
        json!(1.5)
    );
    assert_eq!(
        result(&call(&module, "half", json!({"of": "NaN"})).await),
        json!("NaN")
    );
    assert_eq!(
        result(&call(&module, "nothing", json!({})).await),
        Value::Null
    );
    #[derive(serde::Serialize)]
    struct Bytes {
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let outcome = call(
        &module,
        "same",
        Bytes {
            bytes: bytes.clone(),
        },
    )
    .await;
    let End::Completed(returned) = &outcome.end else {
        panic!("{:?}", outcome.end)
    };
    let returned: serde_bytes::ByteBuf = rmp_serde::from_slice(returned).unwrap();
    assert!(returned.into_vec() == bytes);
    // Element by element it would burn a dozen for each.
    assert!(outcome.fuel < 1 << 20, "{} {:?}", outcome.fuel, outcome.cpu);
}

#[tokio::test]
async fn bytes_and_texts_may_lie_anywhere() {
    // At odd addresses; and empty ones at 1, which is how Rust and C write them.
    let core = r#"
      (data (i32.const 101) "odd")
      (func $string (param $at i32) (param $from i32) (param $size i32)
        (i32.store (local.get $at) (local.get $from))
        (i32.store offset=4 (local.get $at) (local.get $size)))
      (func (export "odd") (result i32)
        (call $string (i32.const 200) (i32.const 101) (i32.const 3))
        (call $string (i32.const 208) (i32.const 1) (i32.const 0))
        (call $string (i32.const 216) (i32.const 102) (i32.const 2))
        (i32.store8 (i32.const 300) (i32.const 1))
        (call $string (i32.const 304) (i32.const 103) (i32.const 1))
        (call $string (i32.const 16) (i32.const 200) (i32.const 3))
        (call $string (i32.const 24) (i32.const 1) (i32.const 0))
        (call $string (i32.const 32) (i32.const 300) (i32.const 1))
        (i32.const 16))
      (func (export "none") (result i32)
        (i32.store8 (i32.const 16) (i32.const 1))
        (call $string (i32.const 20) (i32.const 1) (i32.const 0))
        (i32.const 16))"#;
    let values = "(tuple (list string) (list u8) (list (option string)))";
    let odd = lifted("odd", &format!("(result {values})"));
    let none = lifted("none", "(result (result (list u8) (error string)))");
    let bare = none.replace("(realloc $realloc)", "");
    let odd_bare = odd.replace("(realloc $realloc)", "");
    for functions in [odd + &none, odd_bare + &bare] {
        let module = component("", core, &functions);
        let outcome = call(&module, "odd", json!({})).await;
        let End::Completed(result) = &outcome.end else {
            panic!("{:?}", outcome.end)
        };
        type Values = (Vec<String>, serde_bytes::ByteBuf, Vec<Option<String>>);
        let (texts, bytes, some): Values = rmp_serde::from_slice(result).unwrap();
        assert_eq!(texts, ["odd", "", "dd"]);
        assert!(bytes.is_empty());
        assert_eq!(some, [Some("d".to_owned())]);
        let outcome = call(&module, "none", json!({})).await;
        assert_eq!(failure(&outcome).message, "");
    }
}

/// A type with one of each kind in it, and a value.
const TYPES: &str = r#"
  (type $color' (enum "red" "dark-green"))
  (export $color "color" (type $color'))
  (type $rights' (flags "may-read" "may-write"))
  (export $rights "rights" (type $rights'))
  (type $shape' (variant (case "point") (case "circle" f64) (case "label" string)))
  (export $shape "shape" (type $shape'))
  (type $item' (record (field "the-color" $color) (field "shape" $shape)))
  (export $item "item" (type $item'))"#;

#[tokio::test]
async fn values_of_every_kind_come_back() {
    // More than are passed one by one: they lie in memory, and the first is returned.
    let values =
        r#"(tuple (list $item) $rights (option (option char)) (result u64 (error string)))"#;
    let rest = (0..16).map(|n| format!(r#"(param "r{n}" (option bool))"#));
    let ty = format!(
        r#"(param "values" {values}) {} (result {values})"#,
        rest.collect::<String>()
    );
    let core = r#"(func (export "echo") (param i32) (result i32) (local.get 0))"#;
    let module = component(TYPES, core, &lifted("echo", &ty));
    let some = [
        json!([[], [], null, {"ok": u64::MAX}]),
        json!([
            [
                {"the_color": "dark-green", "shape": "point"},
                {"the_color": "red", "shape": {"circle": -0.25}},
                {"the_color": "red", "shape": {"label": "Grüße \u{1F409}\0"}},
            ],
            ["may-read", "may-write"],
            {"some": null},
            {"err": ""},
        ]),
        json!([[], ["may-write"], {"some": "ß"}, {"err": "no"}]),
    ];
    for values in some {
        let outcome = call(&module, "echo", json!({"values": values})).await;
        assert_eq!(result(&outcome), values);
    }
    let wrong = call(
        &module,
        "echo",
        json!({"values": [[], [], "ab", {"ok": 1}]}),
    )
    .await;
    let failure = failure(&wrong);
    assert_eq!((&*failure.kind, failure.retry), ("argument", Retry::Never));
    let text = "it must be null, or an object with `some` (at `/values/2`), of `echo`";
    assert_eq!(failure.message, text);
}

#[tokio::test]
async fn an_error_of_a_result_is_a_failure() {
    let core = r#"
      (data (i32.const 100) "no such file")
      (func (export "texts") (param i32) (result i32)
        (i32.store8 (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (i32.const 100))
        (i32.store (i32.const 24) (i32.const 12))
        (i32.const 16))
      (func (export "cases") (result i32)
        (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store8 (i32.const 20) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 100))
        (i32.store (i32.const 28) (i32.const 7))
        (i32.const 16))
      (func (export "enums") (result i32)
        (i32.store16 (i32.const 16) (i32.const 257))
        (i32.const 16))
      (func (export "bare") (result i32) (i32.const 1))"#;
    let types = r#"
      (type $why' (variant (case "busy") (case "gone" string)))
      (export $why "why" (type $why'))
      (type $when' (enum "never" "too-late"))
      (export $when "when" (type $when'))"#;
    let functions = [
        (
            "texts",
            r#"(param "fails" bool) (result (result string (error string)))"#,
        ),
        ("cases", r#"(result (result u8 (error $why)))"#),
        ("enums", "(result (result (error $when)))"),
        ("bare", "(result (result))"),
    ];
    let functions = functions.map(|(name, ty)| lifted(name, ty)).concat();
    let module = component(types, core, &functions);
    let told = |outcome: &Outcome| {
        let failure = failure(outcome);
        assert_eq!(failure.retry, Retry::Policy);
        (failure.kind.clone(), failure.message.clone())
    };
    let pair = |kind: &str, message: &str| (kind.to_owned(), message.to_owned());
    let fine = call(&module, "texts", json!({"fails": false})).await;
    assert_eq!(result(&fine), json!("no such file"));
    let outcome = call(&module, "texts", json!({"fails": true})).await;
    assert_eq!(told(&outcome), pair("error", "no such file"));
    let outcome = call(&module, "cases", json!({})).await;
    assert_eq!(told(&outcome), pair("gone", "no such"));
    let outcome = call(&module, "enums", json!({})).await;
    assert_eq!(told(&outcome), pair("too-late", "too-late"));
    let outcome = call(&module, "bare", json!({})).await;
    assert_eq!(
        told(&outcome),
        pair("error", "failed, and does not say why")
    );
}

/// An error of the contract's own type, by its name or only of the same form.
#[tokio::test]
async fn an_error_may_say_what_is_to_be_done_next() {
    // The record lies at 24, behind whether there is an error.
    let core = r#"
      (data (i32.const 100) "goneit was herelong ago")
      (func (export "fails") (param i32) (result i32)
        (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 100)) (i32.store (i32.const 28) (i32.const 4))
        (i32.store (i32.const 32) (i32.const 104)) (i32.store (i32.const 36) (i32.const 11))
        (i32.store8 (i32.const 40) (i32.const 1))
        (i32.store (i32.const 44) (i32.const 115)) (i32.store (i32.const 48) (i32.const 8))
        (i32.store8 (i32.const 56) (local.get 0))
        (i64.store (i32.const 64) (i64.const 1500))
        (i32.const 16))"#;
    let retry = r#"(variant (case "policy") (case "now") (case "after" u64) (case "never"))"#;
    let failure_of = |retry: &str| {
        format!(
            r#"(record (field "kind" string) (field "message" string)
                (field "detail" (option string)) (field "retry" {retry}))"#
        )
    };
    let imported = format!(
        r#"(import "lovage:task/types@0.1.0" (instance $types
          (type $r {retry})
          (export "retry" (type $retry (eq $r)))
          (type $f {})
          (export "failure" (type (eq $f)))))
        (alias export $types "failure" (type $failure))"#,
        failure_of("$retry"),
    );
    let own = format!(
        r#"(type $r {retry})
        (export $retry "again" (type $r))
        (type $f {})
        (export $failure "refusal" (type $f))"#,
        failure_of("$retry"),
    );
    let ty = r#"(param "retry" u8) (result (result u64 (error $failure)))"#;
    for types in [imported, own] {
        let module = component(&types, core, &lifted("fails", ty));
        for (case, retry) in [
            (0, Retry::Policy),
            (1, Retry::Now),
            (2, Retry::After(Duration::from_millis(1_500))),
            (3, Retry::Never),
        ] {
            let outcome = call(&module, "fails", json!({"retry": case})).await;
            let failure = failure(&outcome);
            let said = [&*failure.kind, &*failure.message];
            assert_eq!(said, ["gone", "it was here"]);
            assert_eq!(failure.detail.as_deref(), Some("long ago"));
            assert_eq!(failure.retry, retry);
        }
    }
}

#[tokio::test]
async fn signatures_are_what_callers_are_told() {
    let core = r#"(func (export "scale") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
    let ty = r#"(param "image" (list u8)) (param "max-side" (option u16)) (result (result (list u8) (error string)))"#;
    let inner = lifted("scale", ty);
    let shared = r#"(instance $images (export "scale" (func $scale)))
      (export "acme:media/images@1.2.0" (instance $images))"#;
    let inner = inner.replace(r#"(func (export "scale")"#, "(func $scale");
    let module = ENGINE.compile(&component("", core, &format!("{inner}{shared}")));
    let tasks = ENGINE.describe(&module.unwrap()).await.unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].name, "images_scale");
    assert_eq!(
        tasks[0].doc,
        "scale: func(image: list<u8>, max-side: option<u16>) -> result<list<u8>, string>"
    );
    let bytes = json!({"type": "string", "contentEncoding": "base64"});
    assert_eq!(tasks[0].output_schema, bytes);
    let side = json!({"type": "integer", "minimum": 0, "maximum": 65535});
    let wanted = json!({
        "type": "object",
        "properties": {"image": bytes, "max_side": {"anyOf": [side, {"type": "null"}]}},
        "required": ["image"],
        "additionalProperties": false,
    });
    assert_eq!(tasks[0].input_schema, wanted);
}

#[test]
fn what_no_caller_can_send_is_refused_with_the_function() {
    let refused = |types: &str, ty: &str, core: &str| {
        let function = format!(r#"(func (export "take-it") (param {core}))"#);
        let module = component(types, &function, &lifted("take-it", ty));
        let refusal = ENGINE.compile(&module).unwrap_err();
        assert!(matches!(refusal, Refusal::Function { .. }), "{refusal}");
        refusal.to_string()
    };
    let resource = r#"(type $file' (resource (rep i32))) (export $file "file" (type $file'))"#;
    let text = refused(resource, r#"(param "of-it" (own $file))"#, "i32");
    assert_eq!(
        text,
        "its function `take-it` cannot be a task: its parameter `of-it` holds a resource, which no caller can send"
    );
    // 2 to the power of 15 numbers.
    let types = (1..15).fold("(type $t0 (tuple u8 u8))".to_owned(), |all, n| {
        format!("{all} (type $t{n} (tuple $t{0} $t{0}))", n - 1)
    });
    let text = refused(&types, r#"(param "it" $t14)"#, "i32");
    let many = "makes more than 10000 types, with all before it";
    assert!(text.ends_with(many), "{text}");
    // Functions of none are some too.
    let none = lifted("take-it", "").replace(r#"(func (export "take-it")"#, "(func $none");
    let exports = (0..10_001).map(|n| format!(r#"(export "take{n}" (func $none))"#));
    let functions = none + &exports.collect::<String>();
    let core = r#"(func (export "take-it"))"#;
    let refusal = ENGINE.compile(&component("", core, &functions));
    let text = refusal.unwrap_err().to_string();
    assert!(
        text.contains("`take10000`") && text.ends_with(many),
        "{text}"
    );
    // 21 times the same 5,000 names.
    let names = (0..5_000)
        .map(|n| format!(r#" "n{n}""#))
        .collect::<String>();
    let types = format!(r#"(type $e' (enum{names})) (export $e "e" (type $e'))"#);
    let items = "$e ".repeat(21);
    let text = refused(&types, &format!(r#"(param "it" (tuple {items}))"#), "i32");
    let many =
        "its parameter `it` makes more than 100000 names of cases and flags, with all before it";
    assert!(text.ends_with(many), "{text}");
    let long = "n".repeat(101);
    let text = refused("", &format!(r#"(param "{long}" u8)"#), "i32");
    assert!(
        text.ends_with("has a name of 101 bytes, more than 100"),
        "{text}"
    );
}

#[tokio::test]
async fn memory_and_results_have_their_limits() {
    let core = r#"
      (func (export "many") (param i32) (result i32)
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (local.get 0))
        (i32.const 16))
      (func (export "stop") unreachable)"#;
    let functions = [
        ("many", r#"(param "count" u32) (result (list u32))"#),
        ("stop", ""),
    ];
    let functions = functions.map(|(name, ty)| lifted(name, ty)).concat();
    let module = ENGINE.compile(&component("", core, &functions)).unwrap();
    let run = async |task: &str, input: Value, limits: Limits| {
        let input = rmp_serde::to_vec_named(&input).unwrap();
        let invocation = Invocation {
            limits,
            ..Invocation::local(module.digest(), task, input)
        };
        run_with(&ENGINE, &module, invocation).await.end
    };
    let small = Limits {
        result: 1000,
        ..Limits::default()
    };
    let end = run("many", json!({"count": 100_000}), small.clone()).await;
    assert_eq!(end.ending(), Ending::ResultTooLarge);
    let end = run("many", json!({"count": 500}), small.clone()).await;
    assert_eq!(end.ending(), Ending::Completed);
    let end = run("many", json!({"count": u32::MAX}), small).await;
    assert_eq!(end.ending(), Ending::Trapped, "it has no such memory");
    let tight = Limits {
        memory: 21 << 16,
        ..Limits::default()
    };
    let end = run("many", json!({"count": 100_000}), tight).await;
    assert_eq!(end.ending(), Ending::OutOfMemory);
    let end = run("stop", json!({}), Limits::default()).await;
    assert_eq!(end.ending(), Ending::Trapped);
}
