//! What a guest asks of a bucket, and what of it reaches the host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lovage::engine::{
    Access, BucketCall, BucketReply, CallError, End, Host, Invocation, Module, Reply, Request, was,
};
use lovage_queue::grant::Grants;
use serde::Serialize;
use serde_json::Value;

use super::ENGINE;
use crate::fixtures::{ECHO, Guest, component};
use crate::support::wasm::Examples;

/// Buckets in memory that write down what they are asked.
#[derive(Default)]
struct Store {
    keys: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<Request>>,
    /// What somebody else does to the key `lock/door` between two looks at it.
    meddle: Mutex<Option<&'static [u8]>>,
}

#[async_trait]
impl Host for Store {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        self.asked.lock().unwrap().push(request.clone());
        let Request::Access(Access::Bucket(request)) = request else {
            return Err(CallError::Invalid("something else".into()));
        };
        let mut keys = self.keys.lock().unwrap();
        Ok(Reply::Bucket(match request.does {
            BucketCall::Get(asked) => {
                let value = |key| keys.get(key).cloned().map(Into::into);
                BucketReply::Values(asked.iter().map(value).collect())
            }
            BucketCall::Increment(..) => BucketReply::Number(7),
            // An answer to another question.
            BucketCall::Set(_) => BucketReply::Is(true),
            BucketCall::Swap {
                key,
                expected,
                value,
            } => {
                if let Some(other) = self.meddle.lock().unwrap().take() {
                    keys.insert(key.clone(), other.to_vec());
                }
                let now = was(keys.get(&key).map(Vec::as_slice));
                BucketReply::Swapped(match now == expected {
                    true => {
                        keys.insert(key, value.into_vec());
                        Ok(())
                    }
                    false => Err(now),
                })
            }
            _ => BucketReply::Done,
        }))
    }
}

async fn example() -> Module {
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let bytes = std::fs::read(built.component("buckets")).unwrap();
    ENGINE.compile(&bytes).unwrap()
}

async fn run(
    module: &Module,
    host: &Arc<Store>,
    granted: &[&str],
    task: &str,
    args: impl Serialize,
) -> End {
    let input = rmp_serde::to_vec_named(&args).unwrap();
    let granted = granted.iter().map(|it| it.parse().unwrap()).collect();
    let invocation = Invocation {
        grants: Arc::new(Grants(granted)),
        ..Invocation::local(module.digest(), task, input)
    };
    ENGINE.run(module, invocation, host.clone()).await.end
}

#[track_caller]
fn result(end: End) -> Value {
    match end {
        End::Completed(told) => rmp_serde::from_slice(&told).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_what_was_granted_reaches_the_host() {
    let (module, host) = (example().await, Arc::new(Store::default()));
    #[derive(Serialize)]
    struct Of<'a> {
        user: &'a str,
        limit: i64,
    }
    let of = || Of {
        user: "ann",
        limit: 9,
    };
    for granted in [&[][..], &["bucket rate", "config rates", "bucket rates2"]] {
        let end = run(&module, &host, granted, "allowed", of()).await;
        let failure = end.failure().unwrap();
        assert_eq!(failure.message, "not granted: `bucket rates`");
    }
    assert!(host.asked.lock().unwrap().is_empty());
    let end = run(&module, &host, &["bucket rates"], "allowed", of()).await;
    assert_eq!(result(end)["calls"], 7);
    let asked = std::mem::take(&mut *host.asked.lock().unwrap());
    let [Request::Access(Access::Bucket(asked))] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(asked.bucket, "rates");
    assert_eq!(asked.does, BucketCall::Increment("ann/0".into(), 1));
}

#[tokio::test]
async fn a_swap_goes_by_what_was_read_and_carries_no_value_of_old() {
    let (module, host) = (example().await, Arc::new(Store::default()));
    #[derive(Serialize)]
    struct Of<'a> {
        lock: &'a str,
        from: Option<&'a str>,
        to: &'a str,
    }
    let swap = async |from, to| {
        let of = Of {
            lock: "door",
            from,
            to,
        };
        result(run(&module, &host, &["bucket rates"], "handover", of).await)
    };
    assert_eq!(swap(None, "ann").await, true);
    host.asked.lock().unwrap().clear();
    assert_eq!(swap(Some("ann"), "bob").await, true);
    let asked = std::mem::take(&mut *host.asked.lock().unwrap());
    let Some(Request::Access(Access::Bucket(last))) = asked.last() else {
        panic!("{asked:?}")
    };
    let expected = BucketCall::Swap {
        key: "lock/door".into(),
        expected: was(Some(b"ann")),
        value: b"bob".to_vec().into(),
    };
    assert_eq!(last.does, expected);
    // Somebody was faster.
    *host.meddle.lock().unwrap() = Some(b"mallory");
    assert_eq!(swap(Some("bob"), "cyd").await, false);
    let there = host.keys.lock().unwrap()["lock/door"].clone();
    assert_eq!(there, b"mallory");
}

#[tokio::test]
async fn what_is_past_a_bound_is_refused_before_it_is_sent() {
    let (module, host) = (example().await, Arc::new(Store::default()));
    #[derive(Serialize)]
    struct Of {
        bytes: u32,
        times: u32,
    }
    let fill = async |bytes| {
        let of = Of { bytes, times: 1 };
        run(&module, &host, &["bucket rates"], "fill", of).await
    };
    let said = result(fill((1 << 20) + 1).await);
    assert!(
        said.as_str().unwrap().contains("a value has at most"),
        "{said}"
    );
    assert!(host.asked.lock().unwrap().is_empty());
    // One at the bound is sent; and a host that talks past it does no harm.
    let end = fill(1 << 20).await;
    let failure = end.failure().unwrap();
    assert!(failure.message.contains("another question"), "{failure:?}");
    assert_eq!(host.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_module_that_imports_buckets_must_want_one() {
    let importing = |interface: &str| {
        let guest = Guest::new(ECHO).wants(&["config a"]).wat();
        let import = format!("(import \"{interface}\" (instance))");
        component(&guest.replacen("(component", &format!("(component {import}"), 1))
    };
    let module = ENGINE.compile(&importing("wasi:keyvalue/store@0.2.0-draft2"));
    let unwanted = ENGINE.wants(&module.unwrap()).await.unwrap_err();
    assert_eq!(
        unwanted.to_string(),
        "imports `wasi:keyvalue/store`, but wants no bucket: name it in `wants`"
    );
    let other = ENGINE.compile(&importing("wasi:keyvalue/store@0.2.0-draft"));
    let refused = other.unwrap_err().to_string();
    assert!(
        refused.contains("wasi:keyvalue/store@0.2.0-draft"),
        "{refused}"
    );
    // Without anything of the kind, nothing is asked.
    let plain = super::module(&Guest::new(ECHO));
    assert!(ENGINE.wants(&plain).await.unwrap().is_empty());
}
