//! Flows, from the client and from within a task: whose results a call takes, and what a
//! worker makes of those that are not there.

use std::time::Duration;

use lovage_queue::broker::{FlowState, TenantChange};
use lovage_queue::client::{Call, Client, ClientError};
use lovage_queue::flow::{Flow, OnFailure, Step, call, chain, group, map};
use lovage_queue::job::{Job, JobId, State};
use lovage_queue::tenant::Quota;
use serde_json::json;

use crate::support::site::Site;
use crate::support::site_test;

const LONG: Duration = Duration::from_secs(60);

fn add(a: i64, b: i64) -> lovage_queue::flow::Call {
    let add = call("basics.add").unwrap();
    add.arg("a", &a).unwrap().arg("b", &b).unwrap()
}

fn sum() -> lovage_queue::flow::Call {
    call("basics.sum").unwrap().previous("values")
}

/// Runs a flow to its end; where it stands then.
async fn run(client: &Client, step: impl Into<Step>) -> (JobId, FlowState) {
    let flow = Flow::new("test", step);
    let id = client.run_flow(&flow).await.unwrap();
    let state = client.wait_flow(id, LONG).await.unwrap().state;
    (id, state)
}

async fn result(client: &Client, id: JobId) -> rmpv::Value {
    let bytes = client.flow_result(id, None).await.unwrap();
    rmpv::decode::read_value(&mut &bytes[..]).unwrap()
}

site_test!(results_are_handed_on, |site| async move {
    let _worker = site.worker(&[]).await;
    site.push_example("basics").await;
    let client = site.client().await;
    let next = call("basics.add").unwrap().previous("a");
    let next = next.arg("b", &10).unwrap();
    let (id, state) = run(client, chain([add(1, 2), next])).await;
    assert_eq!(state, FlowState::Completed);
    assert_eq!(result(client, id).await, 13.into());

    let one = call("basics.add").unwrap().arg("b", &0).unwrap();
    let members = map(&one, "a", 0..300).unwrap();
    let (id, state) = run(client, chain((members, sum()))).await;
    assert_eq!(state, FlowState::Completed);
    assert_eq!(result(client, id).await, (0..300).sum::<i64>().into());
});

site_test!(a_result_in_a_blob_is_handed_on, |site| async move {
    let _worker = site.worker(&[]).await;
    site.push_example("basics").await;
    let client = site.client().await;
    let text = "x".repeat(200_000);
    let first = call("basics.echo").unwrap().arg("value", &text).unwrap();
    let second = call("basics.echo").unwrap().previous("value");
    let both = group([second.clone(), second]);
    let (id, state) = run(client, chain((first, both))).await;
    assert_eq!(state, FlowState::Completed);
    let both = result(client, id).await;
    assert_eq!(both[0].as_str(), Some(&*text));
    assert_eq!(both[1].as_str(), Some(&*text));
});

site_test!(
    what_is_not_there_is_taken_by_its_default,
    |site| async move {
        let _worker = site.worker(&[]).await;
        site.push_example("basics").await;
        let client = site.client().await;
        let fails = add(i64::MAX, 1);
        let members = group([add(1, 1), fails.clone().or_default(&40).unwrap()]);
        let (id, state) = run(client, chain((members, sum()))).await;
        assert_eq!(state, FlowState::Completed);
        assert_eq!(result(client, id).await, 42.into());

        let members = group([add(1, 1), fails]);
        let (id, state) = run(client, chain((members, sum()))).await;
        assert_eq!(state, FlowState::Failed);
        let refused = client.flow_result(id, None).await.unwrap_err().to_string();
        assert!(refused.contains("basics.sum"), "{refused}");
    }
);

site_test!(a_handler_is_told_what_failed, |site| async move {
    let _worker = site.worker(&[]).await;
    site.push_example("basics").await;
    let client = site.client().await;
    let told = call("basics.echo").unwrap().failures("value");
    let flow = Flow::new("test", group([add(1, 1), add(i64::MAX, 1)])).on_error(told);
    let flow = flow.on_failure(OnFailure::Wait);
    let id = client.run_flow(&flow).await.unwrap();
    let status = client.wait_flow(id, LONG).await.unwrap();
    assert_eq!((status.state, status.failed), (FlowState::Failed, 1));
    let nodes = client.broker().flow_nodes(client.tenant(), id, 0, 10).await;
    let nodes = nodes.unwrap();
    let handler = client.job(nodes[2].0).await.unwrap();
    assert_eq!(handler.state, State::Completed, "{handler:#?}");
    let bytes = client.bytes(&handler.result.unwrap()).await.unwrap();
    let told: serde_json::Value = rmp_serde::from_slice(&bytes).unwrap();
    assert_eq!(told[0]["task"], "basics.add");
    assert_eq!(told[0]["kind"], "overflow");
    assert_eq!(told[0]["id"], nodes[1].0.to_string());
    assert_eq!(told.as_array().unwrap().len(), 1);
});

/// Runs a job that makes a flow; the job, and the flow's result.
async fn fan(site: &Site, at_once: bool) -> (Job, rmpv::Value) {
    site.push_example("basics").await;
    let client = site.client().await;
    let call = Call::new("basics.fan").unwrap().arg("count", &20).unwrap();
    let call = call.arg("at_once", &at_once).unwrap();
    let maker = site.enqueue_all(vec![call]).await[0];
    let job = site.ends(&[maker]).await.remove(0);
    assert_eq!(job.state, State::Completed, "{job:#?}");
    let bytes = client.bytes(job.result.as_ref().unwrap()).await.unwrap();
    let id: String = rmp_serde::from_slice(&bytes).unwrap();
    let id: JobId = id.parse().unwrap();
    let status = client.wait_flow(id, LONG).await.unwrap();
    assert_eq!(status.state, FlowState::Completed);
    let flows: Vec<JobId> = client
        .flows(0, 10)
        .await
        .unwrap()
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(flows, [id], "there is one");
    let nodes = client.broker().flow_nodes(client.tenant(), id, 0, 1).await;
    let member = client.job(nodes.unwrap()[0].0).await.unwrap();
    let options = &member.call.options;
    assert_eq!((options.parent, options.root), (Some(maker), Some(maker)));
    assert_eq!(options.depth, 1);
    (job, result(client, id).await)
}

site_test!(a_task_makes_a_flow_with_its_completion, |site| async move {
    let _worker = site.worker(&[]).await;
    let (job, result) = fan(&site, false).await;
    assert_eq!(job.attempts.len(), 1);
    assert_eq!(result, (0..20).sum::<i64>().into());
});

site_test!(
    a_task_that_is_tried_again_makes_one_flow,
    |site| async move {
        let _worker = site.worker(&[]).await;
        let (job, result) = fan(&site, true).await;
        assert_eq!(job.attempts.len(), 2);
        let failure = job.attempts[0].failure.as_ref().unwrap();
        let bytes = rmp_serde::to_vec(&failure.message).unwrap();
        assert_eq!(job.result, Some(bytes.into()), "the same one");
        assert_eq!(result, (0..20).sum::<i64>().into());
    }
);

site_test!(
    a_chain_whose_types_do_not_fit_is_refused,
    |site| async move {
        site.push_example("basics").await;
        let client = site.client().await;
        let flow = Flow::from_json(
            json!({"chain": [
                {"task": "basics.whoami"},
                {"task": "basics.add", "args": {"b": 1}, "results": {"a": "previous"}},
            ]}),
            "test",
        );
        let refused = client
            .run_flow(&flow.unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("chain[1]"), "{refused}");
        assert!(client.flows(0, 10).await.unwrap().is_empty());
    }
);

/// How many jobs wait, in whatever flow.
async fn waiting(client: &Client) -> u64 {
    let queues = client.broker().counts(client.tenant()).await.unwrap();
    queues.iter().map(|it| it.pending + it.available).sum()
}

site_test!(a_key_names_one_flow, |site| async move {
    site.push_example("basics").await;
    let client = site.client().await;
    let keyed = |step: Step, key| Flow::new("one", step).key(key);
    let first = keyed(chain([add(1, 2), add(3, 4)]), "k");
    let runs = (0..8).map(|_| client.run_flow(&first));
    let ids = futures_util::future::try_join_all(runs).await.unwrap();
    let id = ids[0];
    assert!(ids.iter().all(|it| *it == id), "{ids:?}");
    // What is said counts the first time.
    let other = client.run_flow(&keyed(add(5, 6).into(), "k")).await;
    assert_eq!(other.unwrap(), id);
    assert_eq!(client.flows(0, 10).await.unwrap().len(), 1);
    assert_eq!(waiting(client).await, 2);

    let _worker = site.worker(&[]).await;
    client.wait_flow(id, LONG).await.unwrap();
    assert_eq!(client.run_flow(&first).await.unwrap(), id, "an ended one");
    assert_eq!(result(client, id).await, 7.into());
    let second = client.run_flow(&keyed(add(5, 6).into(), "l")).await;
    assert_ne!(second.unwrap(), id);
});

site_test!(
    a_flow_of_a_key_that_broke_off_goes_on_as_itself_alone,
    |site| async move {
        site.push_example("basics").await;
        let client = site.client().await;
        let quota = async |queued| {
            let quota = Quota {
                queued,
                ..Quota::default()
            };
            let change = TenantChange::Terms(1, quota);
            let broker = client.broker();
            broker.change_tenant("default", &change).await.unwrap();
        };
        let many = |b| {
            let one = call("basics.add").unwrap().arg("b", &b).unwrap();
            Flow::new("many", map(&one, "a", 0..2_000).unwrap()).key("k")
        };
        quota(Some(1_500)).await;
        client.run_flow(&many(0)).await.unwrap_err();
        assert!(
            waiting(client).await >= 1_000,
            "it breaks off in the middle"
        );
        quota(None).await;
        let refused = client.run_flow(&many(1)).await.unwrap_err();
        assert!(matches!(refused, ClientError::FlowKey(_)), "{refused}");
        let id = client.run_flow(&many(0)).await.unwrap();
        assert_eq!(waiting(client).await, 2_000);
        assert_eq!(client.flow(id).await.unwrap().state, FlowState::Running);
        assert_eq!(client.run_flow(&many(1)).await.unwrap(), id);
        assert_eq!(client.flows(0, 10).await.unwrap().len(), 1);
    }
);
