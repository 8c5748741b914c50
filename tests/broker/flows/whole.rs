//! What is done to a flow as a whole, and how long it is kept.

use std::time::Duration;

use lovage_queue::broker::{Requeued, Retention};

use super::*;
use crate::broker::harness::cancel;

const DAY: Duration = secs(24 * 3_600);

/// Forgets all that is old enough.
async fn prune(b: &Bench, keep: &Retention) {
    while b.prune(b.home(), keep, 100).await.unwrap() > 0 {}
}

broker_test!(a_cancelled_flow_ends_and_can_go_on, |b| async move {
    let it = chord(&b, 3).start(&b).await;
    let claimed = it.claim().await;
    it.settle(complete(&claimed[0].1, &[1])).await;
    assert!(b.cancel_flow(TENANT, it.flow).await.unwrap());
    work_off(&b).await;
    let told = it.worker.beat_cancels().await;
    let mut running = it.ids[1..3].to_vec();
    running.sort();
    assert_eq!(told, running);
    it.settle(cancel(&claimed[1].1)).await;
    // It had been asked to stop, and was done.
    it.settle(complete(&claimed[2].1, &[1])).await;
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Cancelled, 0));
    assert_eq!(status.completed, 2);
    assert!(
        !b.cancel_flow(TENANT, it.flow).await.unwrap(),
        "it has ended"
    );

    assert!(b.retry_flow(TENANT, it.flow).await.unwrap());
    work_off(&b).await;
    assert_eq!(it.is().await, FlowState::Running);
    assert_eq!(it.step().await, [1]);
    assert_eq!(it.step().await, [3]);
    assert_eq!(it.is().await, FlowState::Completed);
    assert!(!b.retry_flow(TENANT, it.flow).await.unwrap());
});

broker_test!(
    a_wide_flow_is_cancelled_and_retried_in_steps,
    |b| async move {
        let it = chord(&b, 1_200).start(&b).await;
        assert!(b.cancel_flow(TENANT, it.flow).await.unwrap());
        assert_eq!(it.is().await, FlowState::Running, "it takes its time");
        work_off(&b).await;
        assert_eq!(it.is().await, FlowState::Cancelled);
        assert_eq!(b.depths().await.cancelled, 1_201);
        assert!(it.claim().await.is_empty());
        assert!(b.retry_flow(TENANT, it.flow).await.unwrap());
        work_off(&b).await;
        let depths = b.depths().await;
        assert_eq!((depths.available, depths.pending), (1_200, 1));
    }
);

broker_test!(
    a_failed_flow_is_retried_from_its_failed_nodes,
    |b| async move {
        let it = chord(&b, 4).without(WithoutNode::Waits).start(&b).await;
        assert_eq!(it.step_but(&[1, 3]).await, [0, 1, 2, 3]);
        let status = it.status().await;
        assert_eq!((status.state, status.failed), (FlowState::Failed, 2));
        assert!(b.retry_flow(TENANT, it.flow).await.unwrap());
        work_off(&b).await;
        assert_eq!(it.status().await.failed, 0);
        assert_eq!(it.step().await, [1, 3]);
        assert_eq!(it.step().await, [4]);
        assert_eq!(it.is().await, FlowState::Completed);
    }
);

broker_test!(
    a_flow_that_is_being_stopped_can_go_on_at_once,
    |b| async move {
        let it = chord(&b, 1_000).start(&b).await;
        let first = it.worker.claim_one().await;
        // The rest is to be cancelled, and no step of that is done.
        it.worker.settle(discard(&first)).await;
        b.requeue(TENANT, &[first.id]).await.unwrap();
        work_off(&b).await;
        let depths = b.depths().await;
        assert_eq!((depths.available, depths.pending), (1_000, 1));
        assert_eq!(it.step().await.len(), 1_000);
        assert_eq!(it.step().await, [1_000]);
        assert_eq!(it.is().await, FlowState::Completed);
    }
);

broker_test!(
    what_was_cancelled_before_it_began_can_begin,
    |b| async move {
        let mut net = chain(&b, 2);
        net.build(&b).await;
        let (flow, first) = (net.flow.id, net.nodes[0].job.id);
        assert!(b.cancel_flow(TENANT, flow).await.unwrap());
        work_off(&b).await;
        assert_eq!(b.states(&[first]).await, [State::Cancelled]);
        assert!(b.retry_flow(TENANT, flow).await.unwrap());
        work_off(&b).await;
        let worker = Worker::new(&b);
        for node in &net.nodes {
            let claimed = worker.claim_one().await;
            assert_eq!(claimed.id, node.job.id);
            worker.settle(complete(&claimed, &[1])).await;
        }
        let status = b.flow(TENANT, flow).await.unwrap().unwrap();
        assert_eq!((status.state, status.completed), (FlowState::Completed, 2));
    }
);

broker_test!(
    a_node_of_a_flow_that_is_being_built_does_not_run_again,
    |b| async move {
        let mut net = chain(&b, 3).without(WithoutNode::Waits);
        net.build(&b).await;
        let first = net.nodes[0].job.id;
        b.cancel(TENANT, &[first]).await.unwrap();
        let again = b.requeue(TENANT, &[first]).await.unwrap();
        assert_eq!(again, [Requeued::Missing]);
        let status = b.flow(TENANT, net.flow.id).await.unwrap().unwrap();
        assert_eq!(status.state, FlowState::Building);
    }
);

broker_test!(
    a_node_that_cannot_be_read_holds_up_no_cancelling,
    |b| async move {
        let it = chord(&b, 2).start(&b).await;
        b.corrupt(TENANT, it.ids[0], b"garbage").await;
        for claimed in it.worker.claim_all().await {
            if claimed.job.is_ok() {
                it.settle(complete(&claimed, &[1])).await;
            }
        }
        b.cancel_flow(TENANT, it.flow).await.unwrap();
        work_off(&b).await;
        let status = it.status().await;
        assert!(status.state.is_final(), "{status:?}");
        assert_eq!((status.failed, status.pending), (1, 0));
    }
);

broker_test!(a_flow_that_is_not_whole_can_be_cancelled, |b| async move {
    let mut net = chain(&b, 3);
    net.flow.nodes = 3;
    b.begin_flow(TENANT, &net.flow).await.unwrap();
    let flow = net.flow.id;
    b.add_nodes(TENANT, flow, 0, &net.nodes[..2]).await.unwrap();
    assert!(b.cancel_flow(TENANT, flow).await.unwrap());
    work_off(&b).await;
    let status = b.flow(TENANT, flow).await.unwrap().unwrap();
    assert_eq!((status.state, status.pending), (FlowState::Cancelled, 0));
});

broker_test!(
    a_flow_is_kept_with_its_nodes_and_goes_with_them,
    |b| async move {
        let it = chord(&b, 150).start(&b).await;
        it.step().await;
        // What its callback takes is not forgotten while it waits.
        b.pass(DAY * 3);
        let keep = Retention {
            completed: DAY,
            ..Retention::default()
        };
        prune(&b, &keep).await;
        assert_eq!(
            b.jobs(TENANT, &it.ids)
                .await
                .unwrap()
                .iter()
                .flatten()
                .count(),
            151
        );
        assert_eq!(b.delete(TENANT, &it.ids[..1]).await.unwrap(), [false]);
        it.step().await;
        b.pass(DAY - secs(1));
        prune(&b, &keep).await;
        assert_eq!(it.is().await, FlowState::Completed);
        let listed = b.ids_in(State::Completed).await;
        assert!(
            listed.contains(&it.ids[150]),
            "it is as old as others that are"
        );
        b.pass(secs(2));
        prune(&b, &keep).await;
        assert_eq!(b.flow(TENANT, it.flow).await.unwrap(), None);
        assert_eq!(b.about_flow(TENANT, it.flow).await.unwrap(), None);
        assert!(b.flows(TENANT, 0, 10).await.unwrap().is_empty());
        assert!(
            b.flow_nodes(TENANT, it.flow, 0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            b.jobs(TENANT, &it.ids)
                .await
                .unwrap()
                .iter()
                .flatten()
                .count(),
            0
        );
        assert_eq!(b.depths().await.completed, 0);
    }
);

broker_test!(a_flow_says_itself_how_long_it_is_kept, |b| async move {
    let mut net = chain(&b, 1);
    net.flow.keep = Some(secs(60));
    let it = net.start(&b).await;
    assert_eq!(it.status().await.keep, Some(secs(60)));
    b.pass(secs(120));
    prune(&b, &Retention::default()).await;
    it.step().await;
    b.pass(secs(59));
    prune(&b, &Retention::default()).await;
    assert_eq!(it.is().await, FlowState::Completed);
    b.pass(secs(2));
    prune(&b, &Retention::default()).await;
    assert_eq!(b.flow(TENANT, it.flow).await.unwrap(), None);
});

broker_test!(
    failed_flows_are_kept_as_discarded_jobs_are,
    |b| async move {
        let it = chain(&b, 1).start(&b).await;
        it.step_but(&[0]).await;
        let keep = Retention {
            completed: DAY,
            discarded: DAY * 30,
            ..Retention::default()
        };
        b.pass(DAY * 29);
        prune(&b, &keep).await;
        assert_eq!(it.is().await, FlowState::Failed);
        // It goes on, and is not forgotten meanwhile.
        b.requeue(TENANT, &it.ids).await.unwrap();
        b.pass(DAY * 29);
        prune(&b, &keep).await;
        assert_eq!(it.is().await, FlowState::Running);
        it.step_but(&[0]).await;
        b.pass(DAY * 31);
        prune(&b, &keep).await;
        assert_eq!(b.flow(TENANT, it.flow).await.unwrap(), None);
        assert_eq!(b.depths().await.discarded, 0);
    }
);

broker_test!(
    flows_leave_by_number_and_by_bytes_the_oldest_first,
    |b| async move {
        let mut flows = Vec::new();
        for _ in 0..4 {
            let it = chain(&b, 2).start(&b).await;
            it.step().await;
            it.step().await;
            flows.push(it.flow);
            b.pass(secs(1));
        }
        let keep = Retention {
            count: 3,
            ..Retention::default()
        };
        prune(&b, &keep).await;
        let kept = b.flows(TENANT, 0, 10).await.unwrap();
        let kept: Vec<_> = kept.iter().map(|it| it.id).collect();
        assert_eq!(kept, [flows[3], flows[2], flows[1]]);
        assert_eq!(b.flows(TENANT, 1, 1).await.unwrap()[0].id, flows[2]);
        let none = Retention {
            bytes: 0,
            ..Retention::default()
        };
        prune(&b, &none).await;
        assert!(b.flows(TENANT, 0, 10).await.unwrap().is_empty());
        assert_eq!(b.depths().await.completed, 0);
    }
);

broker_test!(what_nobody_starts_is_forgotten, |b| async move {
    let mut net = chain(&b, 3);
    net.build(&b).await;
    b.pass(secs(3_601));
    prune(&b, &Retention::default()).await;
    assert_eq!(b.flow(TENANT, net.flow.id).await.unwrap(), None);
    assert_eq!(b.depths().await.pending, 0);
    let ids: Vec<_> = net.nodes.iter().map(|it| it.job.id).collect();
    assert_eq!(b.jobs(TENANT, &ids).await.unwrap(), [None, None, None]);
    let none = b.start_flow(TENANT, net.flow.id).await;
    assert!(none.is_err());
});

broker_test!(a_tenant_knows_its_own_flows_only, |b| async move {
    let it = chain(&b, 2).start(&b).await;
    let other = &b.neighbours(2)[1];
    assert_eq!(b.flow(other, it.flow).await.unwrap(), None);
    assert!(b.flows(other, 0, 10).await.unwrap().is_empty());
    assert!(!b.cancel_flow(other, it.flow).await.unwrap());
    assert!(!b.retry_flow(other, it.flow).await.unwrap());
    assert!(b.flow_nodes(other, it.flow, 0, 9).await.unwrap().is_empty());
    assert_eq!(it.step().await, [0]);
});
