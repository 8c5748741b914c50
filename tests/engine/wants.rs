//! What modules want to reach, and say so when they are pushed.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lovage::engine::{Access, CallError, End, Hidden, Host, Invocation, Refusal, Reply, Request};
use lovage_queue::grant::{Grants, MAX_GRANTS};

use super::{ENGINE, invocation, module};
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
async fn what_is_imported_must_be_wanted() {
    let unwanted = ENGINE.wants(&module(&Guest::reading("a"))).await;
    let unwanted = unwanted.unwrap_err().to_string();
    assert_eq!(
        unwanted,
        "imports `wasi:config/store`, but wants no value: name it in `wants`"
    );
    let other = Guest::reading("a").wants(&["bucket a"]);
    ENGINE.wants(&module(&other)).await.unwrap_err();
    for line in ["config b", "secret a"] {
        let guest = Guest::reading("a").wants(&[line]);
        ENGINE.wants(&module(&guest)).await.unwrap();
    }
}

#[derive(Default)]
struct Values(Mutex<Vec<Request>>);

#[async_trait]
impl Host for Values {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        self.0.lock().unwrap().push(request);
        Ok(Reply::Value(Some(Hidden("hunter2".into()))))
    }
}

#[tokio::test]
async fn only_what_was_granted_reaches_the_host() {
    let module = module(&Guest::reading("pass").wants(&["secret pass"]));
    let run = async |granted: &[&str]| {
        let host = Arc::new(Values::default());
        let granted = granted.iter().map(|it| it.parse().unwrap()).collect();
        let invocation = Invocation {
            grants: Arc::new(Grants(granted)),
            ..invocation(&module)
        };
        let outcome = ENGINE.run(&module, invocation, host.clone()).await;
        let End::Completed(told) = &outcome.end else {
            panic!("{outcome:?}")
        };
        let told: String = rmp_serde::from_slice(told).unwrap();
        let asked = std::mem::take(&mut *host.0.lock().unwrap());
        (told, asked)
    };
    let denied = "denied: the module was not granted `config pass` or `secret pass`";
    assert_eq!(run(&[]).await, (denied.into(), vec![]));
    let others = ["config passport", "secret p", "bucket pass"];
    assert_eq!(run(&others).await, (denied.into(), vec![]));
    let asked = vec![Request::Access(Access::Value("pass".into()))];
    assert_eq!(run(&["secret pass"]).await, ("hunter2".into(), asked));
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
