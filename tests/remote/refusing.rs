//! What a server does not take, whoever sent it: it goes by nobody's word.

use std::sync::Arc;

use lovage_queue::broker::remote::{Address, RemoteBroker};
use lovage_queue::broker::{
    Broker, BrokerError, Fire, FireOutcome, Firing, FlowNode, NewFlow, Shelf,
};
use lovage_queue::client::{Call, ClientError};
use lovage_queue::clock::Millis;
use lovage_queue::job::{
    Bind, Conflict, From, JobId, NewJob, Partition, Payload, Pin, Seat, Until, WithoutNode,
    WorkerId,
};
use lovage_queue::limits::Limit;
use lovage_queue::registry::Digest;
use lovage_queue::schedule::{Schedule, ScheduledCall, Trigger};
use serde_json::json;

use super::{Served, error};

/// A client that checks nothing.
async fn careless(served: &Served, token: &str) -> Arc<dyn Broker> {
    let address = Address::parse(&served.url(token)).unwrap();
    Arc::new(RemoteBroker::connect(&address).await.unwrap())
}

fn job(task: &str, input: serde_json::Value) -> NewJob {
    let input = lovage_queue::arguments::Arguments::from_json(input).unwrap();
    NewJob::new(JobId::new(Partition(0)), "app", task, input.encode())
}

/// What an enqueue of this one is refused with.
async fn refused(broker: &Arc<dyn Broker>, job: NewJob) -> String {
    match error(broker.enqueue("default", &[job]).await) {
        BrokerError::Invalid(said) => said,
        e => panic!("{e:?}"),
    }
}

#[tokio::test]
async fn jobs_that_do_not_fit_their_task() {
    let served = Served::start().await.with_app().await;
    let broker = careless(&served, "lov_producer").await;
    let good = || job("go", json!({"side": 1}));
    let said = refused(&broker, job("go", json!({"side": 0}))).await;
    assert!(
        said.contains("`app.go`") && said.contains("`/side`"),
        "{said}"
    );
    let said = refused(&broker, job("gone", json!({}))).await;
    assert!(said.contains("has no task `gone`"), "{said}");
    let mut other = good();
    other.module = "other".into();
    let said = refused(&broker, other).await;
    assert!(said.contains("no module `other`"), "{said}");
    let mut bent = good();
    bent.input = vec![0xc1].into();
    refused(&broker, bent).await;
    let mut inline = job("go", json!({"side": 1, "name": "x".repeat(70_000)}));
    let said = refused(&broker, inline.clone()).await;
    assert!(said.contains("blob"), "{said}");

    // A blob is fetched, and is of the size that it says.
    let bytes = inline.input.inline().unwrap().to_vec();
    let digest = broker.put_blob("default", &bytes).await.unwrap();
    let blob = |size: usize| Payload::Blob {
        digest,
        size: size as u64,
    };
    inline.input = blob(bytes.len() - 1);
    let said = refused(&broker, inline.clone()).await;
    assert!(
        said.contains(&format!("has {} bytes", bytes.len())),
        "{said}"
    );
    inline.input = blob(usize::MAX);
    refused(&broker, inline.clone()).await;
    inline.input = blob(bytes.len());
    broker.enqueue("default", &[inline.clone()]).await.unwrap();
    let wrong = job("go", json!({"side": "x", "name": "x".repeat(70_000)}));
    let digest = broker
        .put_blob("default", wrong.input.inline().unwrap())
        .await
        .unwrap();
    inline.id = JobId::new(Partition(0));
    inline.input = Payload::Blob {
        digest,
        size: wrong.input.size(),
    };
    let said = refused(&broker, inline.clone()).await;
    assert!(said.contains("`/side`"), "{said}");
    inline.input = Payload::Blob {
        digest: Digest::of(b"none"),
        size: 9,
    };
    let missing = error(broker.enqueue("default", &[inline]).await);
    assert!(matches!(missing, BrokerError::Missing(_)), "{missing:?}");

    let mut bound = good();
    bound.options.binds = vec![Bind {
        argument: "side".into(),
        from: From::Node(0),
    }];
    let said = refused(&broker, bound).await;
    assert!(said.contains("is of no flow"), "{said}");
    let mut elsewhere = good();
    elsewhere.id = JobId::new(Partition(7));
    let said = refused(&broker, elsewhere).await;
    assert!(said.contains("partition"), "{said}");

    // All or none.
    let jobs = [good(), job("go", json!({}))];
    let e = error(broker.enqueue("default", &jobs).await);
    assert!(matches!(e, BrokerError::Invalid(_)), "{e:?}");
    assert_eq!(broker.jobs("default", &[jobs[0].id]).await.unwrap(), [None]);
}

#[tokio::test]
async fn jobs_of_which_nobody_who_makes_one_says_such_things() {
    let served = Served::start().await.with_app().await;
    let broker = careless(&served, "lov_producer").await;
    let good = || job("go", json!({"side": 1}));
    let mut reserved = good();
    reserved.module = "lovage".into();
    let said = refused(&broker, reserved).await;
    assert!(said.contains("`lovage`"), "{said}");
    for limit in [0, 101] {
        let mut wrong = good();
        wrong.crash_limit = limit;
        let said = refused(&broker, wrong).await;
        assert!(said.contains("1 to 100"), "{said}");
    }
    let headers = |bytes: usize| {
        let mut it = good();
        let value = "x".repeat(bytes - 1);
        it.options.headers = [("h".to_owned(), value)].into();
        it
    };
    let said = refused(&broker, headers(8 * 1024 + 1)).await;
    assert!(said.contains("8192"), "{said}");
    let default = |bytes: usize| {
        let mut it = good();
        it.options.default = Some(vec![0xc0; bytes].into());
        it
    };
    let said = refused(&broker, default(64 * 1024 + 1)).await;
    assert!(said.contains("default"), "{said}");
    // Also behind one whose input, which is as large, has been looked at.
    let bytes = job("go", json!({"side": 1, "name": "x".repeat(70_000)}));
    let bytes = bytes.input.inline().unwrap().to_vec();
    let digest = broker.put_blob("default", &bytes).await.unwrap();
    let large = || NewJob {
        input: Payload::Blob {
            digest,
            size: bytes.len() as u64,
        },
        ..good()
    };
    let mut second = large();
    second.crash_limit = 0;
    let e = error(broker.enqueue("default", &[large(), second]).await);
    assert!(matches!(e, BrokerError::Invalid(_)), "{e:?}");

    // A digest is one of the module's own.
    let (beside, app) = (&served.broker, Digest::of(b"app"));
    let manifest = beside.manifest("default", app).await.unwrap().unwrap();
    let stray = beside.put("default", b"stray", &manifest).await.unwrap();
    beside
        .stage("default", "stray", stray, "ann")
        .await
        .unwrap();
    let pinned = |digest| {
        let mut it = good();
        it.pin = Pin::Digest(digest);
        it
    };
    let said = refused(&broker, pinned(stray)).await;
    assert!(said.contains("has no release"), "{said}");
    let good = [pinned(app), headers(8 * 1024), default(64 * 1024)];
    broker.enqueue("default", &good).await.unwrap();
}

#[tokio::test]
async fn what_is_kept_of_a_flow_or_a_fire_has_its_bounds() {
    let served = Served::start().await.with_app().await;
    let broker = careless(&served, "lov_deployer").await;
    for name in ["", "a\nb", &"x".repeat(129)] {
        let flow = NewFlow {
            id: JobId::new(Partition(0)),
            name: name.into(),
            nodes: 1,
            keep: None,
            about: vec![],
        };
        let e = error(broker.begin_flow("default", &flow).await).to_string();
        assert!(e.contains("no name of a flow"), "{e}");
    }

    let client = served.client("lov_deployer").await;
    let at = Trigger::At(Millis(Millis::of_this_host().0 + 3_600_000));
    let input = job("go", json!({"side": 1})).input;
    let call = ScheduledCall::new("app", "go", input.inline().unwrap().to_vec());
    let added = client.add_schedule(Schedule::new("s", at, call)).await;
    assert!(added.unwrap().is_some());
    let firing = Firing {
        tenant: "default".into(),
        name: "s".into(),
        turn: None,
        fires: vec![Fire {
            at: Millis(1),
            held: false,
            job: Err("é".repeat(1024)),
        }],
    };
    broker.fire(&firing).await.unwrap();
    let (_, fires) = client.schedule("s").await.unwrap();
    let FireOutcome::Refused(why) = &fires[0].outcome else {
        panic!("{fires:?}");
    };
    assert_eq!(*why, "é".repeat(512));
}

#[tokio::test]
async fn nodes_that_do_not_fit_their_task() {
    let served = Served::start().await.with_app().await;
    let broker = careless(&served, "lov_producer").await;
    let flow = NewFlow {
        id: JobId::new(Partition(0)),
        name: "f".into(),
        nodes: 2,
        keep: None,
        about: vec![],
    };
    broker.begin_flow("default", &flow).await.unwrap();
    let node = |input, argument: &str| {
        let mut job = job("go", input);
        job.options.binds = vec![Bind {
            argument: argument.into(),
            from: From::Node(0),
        }];
        job.seat = Some(Seat {
            flow: flow.id,
            joins: None,
            alarms: None,
            without: WithoutNode::Stops,
        });
        FlowNode { job, needs: vec![] }
    };
    let add = async |node: FlowNode| broker.add_nodes("default", flow.id, 0, &[node]).await;
    add(node(json!({}), "side")).await.unwrap();
    for (wrong, said) in [
        (node(json!({"name": 7}), "side"), "`/name`"),
        (node(json!({"side": 1}), "colour"), "no argument `colour`"),
        (node(json!({}), "name"), "side"),
    ] {
        let e = error(add(wrong).await).to_string();
        assert!(e.contains(said), "{e}");
    }
}

#[tokio::test]
async fn what_only_workers_or_the_server_itself_may() {
    let served = Served::start().await.with_app().await;
    let broker = careless(&served, "lov_deployer").await;
    for e in [
        error(broker.promote(Partition(0), 1).await),
        error(broker.retire(Partition(0), WorkerId(1)).await),
        error(broker.settle(WorkerId(1), &[]).await),
        error(broker.due(Partition(0), 1).await),
        error(broker.tell("default", &[], &[]).await),
        error(broker.module("default", Digest::of(b"app")).await),
    ] {
        assert!(
            e.to_string().contains("a worker needs the broker itself"),
            "{e}"
        );
    }
    let e = error(broker.entries("default", Shelf::Tokens).await);
    assert!(matches!(e, BrokerError::Denied(_)), "{e}");
    let e = error(
        broker
            .stage("default", "app", Digest::of(b"app"), "ann")
            .await,
    );
    assert!(e.to_string().contains("push it"), "{e}");
}

#[tokio::test]
async fn tenants_are_apart_whatever_a_request_says() {
    let served = Served::start().await.with_app().await;
    let mine = served.client("lov_producer").await;
    let call = Call::new("app.go").unwrap().arg("side", &1).unwrap();
    let id = mine.enqueue(call.clone()).await.unwrap();
    // The default stands for the token's own.
    let other = served.client("lov_other").await;
    assert_eq!(other.tenant(), "other");
    assert!(matches!(
        other.job(id).await,
        Err(ClientError::UnknownJob(_))
    ));
    assert!(matches!(
        other.enqueue(call).await,
        Err(ClientError::UnknownModule(_))
    ));
    assert!(other.broker().counts("other").await.unwrap().is_empty());
    let e = error(other.broker().jobs("default", &[id]).await);
    assert!(
        matches!(&e, BrokerError::Denied(said) if said.contains("`other`")),
        "{e:?}"
    );
}

#[tokio::test]
async fn a_token_that_does_not_do() {
    let served = Served::start().await.with_app().await;
    let address = |url: String| Address::parse(&url).unwrap();
    let e = error(RemoteBroker::connect(&address(served.url("lov_wrong"))).await);
    assert!(
        matches!(&e, BrokerError::Denied(said) if said.contains("no such token")),
        "{e:?}"
    );
    assert!(!e.to_string().contains("lov_wrong"), "{e}");
    let viewer = careless(&served, "lov_viewer").await;
    assert!(viewer.counts("default").await.unwrap().is_empty());
    let one = [job("go", json!({"side": 1}))];
    let e = error(viewer.enqueue("default", &one).await);
    assert!(
        matches!(&e, BrokerError::Denied(said) if said.contains("does not allow")),
        "{e:?}"
    );
    let producer = careless(&served, "lov_producer").await;
    let scope = "tenant".parse().unwrap();
    let e = error(producer.limit("default", &scope, &Limit::default()).await);
    assert!(matches!(e, BrokerError::Denied(_)), "{e:?}");
}

#[tokio::test]
async fn a_brokers_own_refusals_come_back_as_themselves() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_deployer").await;
    let mut call = Call::new("app.go").unwrap().arg("side", &1).unwrap();
    call.unique = Some(lovage_queue::client::Unique {
        key: None,
        until: Until::Done,
        conflict: Conflict::Reject,
    });
    let first = client.enqueue(call.clone()).await.unwrap();
    match client.enqueue(call.clone()).await {
        Err(ClientError::Broker(BrokerError::Duplicate(id))) => assert_eq!(id, first),
        other => panic!("{other:?}"),
    }
    let limit = Limit {
        depth: Some(1),
        ..Limit::default()
    };
    let queue = "queue:default".parse().unwrap();
    client
        .broker()
        .limit("default", &queue, &limit)
        .await
        .unwrap();
    call.unique = None;
    match client.enqueue(call).await {
        Err(ClientError::Broker(BrokerError::QueueFull {
            queue,
            waiting,
            depth,
        })) => {
            assert_eq!((&*queue, waiting, depth), ("default", 1, 1));
        }
        other => panic!("{other:?}"),
    }
    let e = error(client.broker().activate("default", "app", 9).await);
    assert!(matches!(e, BrokerError::Missing(_)), "{e:?}");
}
