//! `wasi:sockets`, with a guest that a toolchain made and that knows `std::net` alone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lovage::engine::{
    Access, CallError, Cancel, End, Host, Invocation, Limits, Module, NoHost, Outcome, Reply,
    Request,
};
use lovage::net::{Connections, TcpBounds};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{ENGINE, PATIENCE};
use crate::net::{Told, connections, grants};
use crate::support::peer::Peer;
use crate::support::until;
use crate::support::wasm::Examples;

static MODULE: OnceCell<Module> = OnceCell::const_new();

async fn module() -> &'static Module {
    let compile = || async {
        let built = tokio::task::spawn_blocking(|| {
            let component = Examples::build().component("mail");
            ENGINE.compile(&std::fs::read(component).unwrap()).unwrap()
        });
        built.await.unwrap()
    };
    MODULE.get_or_init(compile).await
}

/// The host of an attempt with these connections.
struct Worker(Connections);

#[async_trait]
impl Host for Worker {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        match request {
            Request::Access(Access::Tcp(call)) => Ok(Reply::Tcp(self.0.call(call).await)),
            _ => Err(CallError::Denied("nothing else".into())),
        }
    }
}

async fn run(
    task: &str,
    input: Value,
    limits: Limits,
    cancel: Cancel,
    host: Arc<dyn Host>,
) -> Outcome {
    let module = module().await;
    let input = rmp_serde::to_vec_named(&input).unwrap();
    let invocation = Invocation {
        limits,
        cancel,
        grants: grants(&[]),
        ..Invocation::local(module.digest(), task, input)
    };
    let run = ENGINE.run(module, invocation, host);
    tokio::time::timeout(PATIENCE, run).await.expect("it ends")
}

/// A run that may reach this peer, by the name `peer.test` and by its address.
async fn call(peer: &Peer, task: &str, input: Value) -> Outcome {
    within(peer, TcpBounds::default(), Limits::default(), task, input).await
}

async fn within(
    peer: &Peer,
    bounds: TcpBounds,
    limits: Limits,
    task: &str,
    input: Value,
) -> Outcome {
    let host = Arc::new(Worker(reach(peer, bounds)));
    run(task, input, limits, Cancel::default(), host).await
}

fn reach(peer: &Peer, bounds: TcpBounds) -> Connections {
    let names = Told::of(&[("peer.test", &["::1 127.0.0.1"])]);
    let granted = ["peer.test", "127.0.0.1"].map(|it| format!("tcp private {it}:{}", peer.port()));
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    connections(names, &granted, bounds)
}

fn result(outcome: &Outcome) -> Value {
    match &outcome.end {
        End::Completed(result) => {
            let value: rmpv::Value = rmp_serde::from_slice(result).unwrap();
            serde_json::to_value(value).unwrap()
        }
        other => panic!("{other:?}\n{}", log(outcome)),
    }
}

fn log(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.log.bytes).into_owned()
}

/// How a task failed, in a word.
fn kind(outcome: &Outcome) -> &str {
    match &outcome.end {
        End::Failed(failure) => &failure.kind,
        other => panic!("{other:?}\n{}", log(outcome)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_talks_to_the_host_that_it_was_granted() {
    let peer = Peer::echo().await;
    // More than one chunk either way; the name's first address does not answer.
    let text = "by and by ".repeat(30_000);
    for host in ["peer.test", "127.0.0.1"] {
        let input = json!({"address": format!("{host}:{}", peer.port()), "text": text});
        let outcome = call(&peer, "ask", input).await;
        assert_eq!(result(&outcome), text, "{host}");
    }
    let found = call(&peer, "names", json!({"name": "peer.test"})).await;
    assert_eq!(result(&found), json!(["::1", "127.0.0.1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_granted_is_denied_and_said() {
    let (peer, stranger) = (Peer::echo().await, Peer::echo().await);
    let ask = |address: String| call(&peer, "ask", json!({"address": address, "text": "hello"}));
    let other = ask(format!("127.0.0.1:{}", stranger.port())).await;
    assert_eq!(kind(&other), "permission-denied");
    let said = format!(
        "lovage: the module was not granted `tcp 127.0.0.1:{}`",
        stranger.port()
    );
    assert!(log(&other).contains(&said), "{}", log(&other));
    let named = ask(format!("stranger.test:{}", stranger.port())).await;
    assert!(
        log(&named).contains("`tcp stranger.test:PORT`"),
        "{}",
        log(&named)
    );
    assert!(matches!(named.end, End::Failed(_)));
    let listens = call(&peer, "listen", json!({})).await;
    assert_eq!(kind(&listens), "permission-denied");
    assert_eq!((peer.connections().0, stranger.connections().0), (0, 0));
    // A run that no worker stands behind.
    let input = json!({"address": peer.address().to_string(), "text": "hello"});
    let (limits, cancel) = (Limits::default(), Cancel::default());
    let local = run("ask", input, limits, cancel, Arc::new(NoHost::default())).await;
    assert_eq!(kind(&local), "permission-denied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_given_back_and_no_more_than_there_may_be() {
    let peer = Peer::silent().await;
    let address = peer.address().to_string();
    let bounds = || TcpBounds {
        connections: 3,
        ..TcpBounds::default()
    };
    let input = json!({"address": address, "times": 5});
    let hoard = within(&peer, bounds(), Limits::default(), "hoard", input).await;
    let all = result(&hoard);
    let all = all.as_array().unwrap();
    assert!(all[..3].iter().all(|it| it == "connected"), "{all:?}");
    assert!(all[3..].iter().all(|it| it != "connected"), "{all:?}");
    assert!(
        log(&hoard).contains("3 connections at a time"),
        "{}",
        log(&hoard)
    );
    // Forty, one after the other.
    let input = json!({"address": address, "times": 40});
    let knock = within(&peer, bounds(), Limits::default(), "knock", input).await;
    assert_eq!(result(&knock), 40);
    until("all are closed", || async {
        let all = peer.connections() == (43, 43);
        all.then_some(())
    })
    .await;
    assert_eq!(peer.said().iter().filter(|it| *it == "knock").count(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_sent_than_may_be() {
    let peer = Peer::silent().await;
    let bounds = TcpBounds {
        bytes: 1_000_000,
        ..TcpBounds::default()
    };
    let input = json!({"address": peer.address().to_string(), "bytes": 10_000_000});
    let outcome = within(&peer, bounds, Limits::default(), "pour", input).await;
    let sent = result(&outcome).as_u64().unwrap();
    assert!((900_000..=1_100_000).contains(&sent), "{sent}");
    until("the rest is not there", || async {
        peer.said().first().map(|it| assert!(it.len() <= 1_000_000))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_waits_for_a_peer_ends_in_time() {
    let deaf = Peer::deaf().await;
    let limits = || Limits {
        deadline: Duration::from_millis(500),
        ..Limits::default()
    };
    let input = json!({"address": deaf.address().to_string(), "text": "hello"});
    let waits = within(&deaf, TcpBounds::default(), limits(), "ask", input).await;
    assert!(matches!(waits.end, End::Trapped { .. }), "{:?}", waits.end);
    let input = json!({"address": deaf.address().to_string(), "bytes": 1_u64 << 40});
    let writes = within(&deaf, TcpBounds::default(), limits(), "pour", input).await;
    assert!(
        matches!(writes.end, End::Trapped { .. }),
        "{:?}",
        writes.end
    );
}
