//! What producers and operators do comes to the same as at the broker.

use std::time::{Duration, Instant};

use lovage_queue::broker::{Cancelled, Filter, FireOutcome, FlowState, Requeued};
use lovage_queue::client::{Call, Client};
use lovage_queue::clock::Millis;
use lovage_queue::flow::Flow;
use lovage_queue::job::{JobId, State};
use lovage_queue::limits::Limit;
use lovage_queue::schedule::{Schedule, ScheduledCall, Trigger};
use serde_json::json;

use super::Served;

fn call(side: i64) -> Call {
    Call::new("app.go").unwrap().arg("side", &side).unwrap()
}

async fn ids_in(client: &Client, state: State) -> Vec<JobId> {
    let filter = Filter::of(state, 5_000);
    let page = client.broker().list(client.tenant(), &filter).await;
    let jobs = page.unwrap().jobs;
    jobs.iter().map(|it| it.call.id).collect()
}

#[tokio::test]
async fn jobs_are_made_listed_cancelled_requeued_and_deleted() {
    let served = Served::start().await.with_app().await;
    let (client, beside) = (served.client("lov_producer").await, served.beside());
    assert_eq!(client.partition(), beside.partition());
    let mut tagged = call(7);
    tagged.options.headers.insert("tags".into(), "a,b".into());
    tagged.key = Some("order 17".into());
    tagged.eta = lovage_queue::job::When::In(Duration::from_secs(60));
    let first = client.enqueue(tagged.clone()).await.unwrap();
    assert_eq!(client.enqueue(tagged).await.unwrap(), first, "the same key");
    let rest = client
        .enqueue_all((1..=3).map(call).collect())
        .await
        .unwrap();

    for id in [&rest[..], &[first]].concat() {
        let (there, here) = (client.job(id).await.unwrap(), beside.job(id).await.unwrap());
        assert_eq!(there, here);
    }
    assert_eq!(ids_in(&client, State::Available).await, rest);
    assert_eq!(ids_in(&client, State::Scheduled).await, [first]);
    let counts = client.broker().counts("default").await.unwrap();
    assert_eq!(counts, served.broker.counts("default").await.unwrap());
    assert_eq!((counts[0].available, counts[0].scheduled), (3, 1));

    let none = JobId::new(client.partition());
    let cancelled = client.cancel(&[rest[0], none]).await.unwrap();
    assert_eq!(cancelled, [Cancelled::Now, Cancelled::Missing]);
    let again = client.cancel(&[rest[0]]).await.unwrap();
    assert_eq!(again, [Cancelled::Ended(State::Cancelled)]);
    let requeued = client.requeue(&[rest[0], rest[1]]).await.unwrap();
    assert_eq!(requeued, [Requeued::Now, Requeued::Not(State::Available)]);
    client.cancel(&rest).await.unwrap();
    assert_eq!(
        client.delete(&[rest[0], first]).await.unwrap(),
        [true, false]
    );
    assert_eq!(beside.job(rest[0]).await.ok(), None);
}

#[tokio::test]
async fn more_jobs_than_a_request_reads_are_several_requests() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_producer").await;
    let ids = client
        .enqueue_all((1..=2_100).map(call).collect())
        .await
        .unwrap();
    assert_eq!(ids_in(&client, State::Available).await, ids);
    let jobs = client.broker().jobs("default", &ids).await.unwrap();
    assert!(
        jobs.iter()
            .zip(&ids)
            .all(|(job, id)| job.as_ref().unwrap().call.id == *id)
    );
    let mut some = Filter::of(State::Available, 1_500);
    let page = client.broker().list("default", &some).await.unwrap();
    assert_eq!((page.jobs.len(), page.next), (1_500, Some(1_500)));
    some.offset = 1_500;
    let page = client.broker().list("default", &some).await.unwrap();
    assert_eq!((page.jobs.len(), page.next), (600, None));
}

#[tokio::test]
async fn a_wait_ends_with_the_job_or_with_its_time() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_producer").await;
    let id = client.enqueue(call(1)).await.unwrap();
    let waited = client.wait(id, Duration::from_millis(50)).await.unwrap();
    assert_eq!(waited.state, State::Available);
    let since = Instant::now();
    let waiter = client.clone();
    let waits = tokio::spawn(async move { waiter.wait(id, Duration::from_secs(600)).await });
    served.beside().cancel(&[id]).await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap().state, State::Cancelled);
    assert!(since.elapsed() < Duration::from_secs(20), "it is told");
}

#[tokio::test]
async fn a_large_input_is_a_blob_and_comes_back_whole() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_producer").await;
    let name = "x".repeat(3_000_000);
    let id = client
        .enqueue(call(1).arg("name", &name).unwrap())
        .await
        .unwrap();
    let job = client.job(id).await.unwrap();
    assert!(job.call.input.blob().is_some());
    let bytes = client.bytes(&job.call.input).await.unwrap();
    assert_eq!(bytes, served.beside().bytes(&job.call.input).await.unwrap());
    assert!(bytes.len() > name.len());
}

#[tokio::test]
async fn limits_and_pauses_are_set_and_read() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_deployer").await;
    let (broker, scope) = (client.broker(), "queue:default".parse().unwrap());
    let limit = Limit {
        concurrency: Some(3),
        depth: Some(10),
        ..Limit::default()
    };
    broker.limit("default", &scope, &limit).await.unwrap();
    broker.pause("default", &scope, true).await.unwrap();
    let limits = broker.limits("default").await.unwrap();
    assert_eq!(limits, served.broker.limits("default").await.unwrap());
    assert!(limits[0].paused && limits[0].limit == limit, "{limits:?}");
}

#[tokio::test]
async fn flows_run_are_looked_at_and_held() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_producer").await;
    let go = json!({"task": "app.go", "args": {"side": 1}});
    let after = json!({"task": "app.go", "results": {"side": "previous"}});
    let flow = json!({"name": "two", "chain": [go, after]});
    let flow = Flow::from_json(flow, "flow").unwrap();
    let id = client.run_flow(&flow).await.unwrap();
    let status = client.flow(id).await.unwrap();
    assert_eq!(status, served.beside().flow(id).await.unwrap());
    assert_eq!(
        (status.state, status.nodes, status.pending),
        (FlowState::Running, 2, 1)
    );
    let nodes = client
        .broker()
        .flow_nodes("default", id, 0, 10)
        .await
        .unwrap();
    let states: Vec<_> = nodes.iter().map(|it| it.1).collect();
    assert_eq!(states, [Some(State::Available), Some(State::Pending)]);
    assert_eq!(client.flows(0, 10).await.unwrap().len(), 1);
    client.flow_tree(id).await.unwrap();
    assert!(client.cancel_flow(id).await.unwrap());
}

#[tokio::test]
async fn schedules_are_kept_fired_paused_and_removed() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_deployer").await;
    let input = call(1).arguments.encode();
    let at = Trigger::At(Millis(Millis::of_this_host().0 + 3_600_000));
    let schedule = Schedule::new("s", at, ScheduledCall::new("app", "go", input));
    assert!(client.add_schedule(schedule).await.unwrap().is_some());
    client.pause_schedule("s").await.unwrap();
    let FireOutcome::Job(id) = client.run_schedule("s").await.unwrap() else {
        panic!("there is a job");
    };
    assert_eq!(
        client.job(id).await.unwrap().call.options.headers["schedule"],
        "s"
    );
    let (planned, fires) = client.schedule("s").await.unwrap();
    assert_eq!(
        (&planned, &fires),
        (&client.schedules().await.unwrap()[0], &fires)
    );
    assert!(planned.paused && fires[0].by_hand && fires.len() == 1);
    client.remove_schedule("s").await.unwrap();
    assert!(client.schedules().await.unwrap().is_empty());
}

#[tokio::test]
async fn releases_are_read_and_activated_and_the_ledger_is_looked_at() {
    let served = Served::start().await.with_app().await;
    let client = served.client("lov_deployer").await;
    let (broker, beside) = (client.broker(), &served.broker);
    let releases = broker.releases("default", "app").await.unwrap();
    assert_eq!(releases, beside.releases("default", "app").await.unwrap());
    assert_eq!(broker.active("default").await.unwrap().len(), 1);
    let digest = releases[0].digest;
    let manifest = broker.manifest("default", digest).await.unwrap().unwrap();
    assert_eq!(
        Some(&manifest),
        beside.manifest("default", digest).await.unwrap().as_ref()
    );
    broker.activate("default", "app", 1).await.unwrap();
    assert_eq!(broker.readiness("default", digest).await.unwrap().live, 0);

    client.enqueue(call(1)).await.unwrap();
    let lanes = broker.lanes("default", "default", 10).await.unwrap();
    assert_eq!(lanes, beside.lanes("default", "default", 10).await.unwrap());
    assert_eq!(lanes[0].available, 1);
    let cursor = broker.events("default", None, 10).await.unwrap().cursor;
    beside
        .tell("default", &[], &[b"event".to_vec()])
        .await
        .unwrap();
    let seen = broker.events("default", Some(&cursor), 10).await.unwrap();
    assert_eq!((seen.events.len(), &*seen.events[0].1), (1, &b"event"[..]));
    assert!(broker.workers("default").await.unwrap().is_empty());
    let now = broker.time("default").await.unwrap();
    assert!(broker.history("default", now, 1).await.unwrap().is_empty());
}
