//! What becomes of the others when a node fails, and of a flow that goes on.

use lovage_queue::broker::{Cancelled, Requeued};

use super::*;
use crate::broker::harness::cancel;

/// Two nodes side by side, each with one behind it, and one that waits for both of those.
fn two_sides(b: &Bench) -> Net {
    let mut net = Net::new(b);
    net.node(b, &[], Some(0));
    net.node(b, &[], Some(1));
    net.node(b, &[0], Some(2));
    net.node(b, &[1], Some(2));
    net.node(b, &[2], None);
    net
}

/// Adds a handler of the failures of those nodes; its place.
fn handler(b: &Bench, net: &mut Net, alarm: u32, of: &[usize]) -> usize {
    of.iter().for_each(|it| net.seat(*it).alarms = Some(alarm));
    let place = net.node(b, &[alarm], None);
    net.seat(place).without = WithoutNode::Handles;
    place
}

broker_test!(a_failure_stops_the_rest, |b| async move {
    let it = two_sides(&b).start(&b).await;
    let claimed = it.claim().await;
    it.settle(discard(&claimed[0].1)).await;
    // Whoever runs one is asked to stop it.
    assert_eq!(it.worker.beat_cancels().await, [it.ids[1]]);
    let rest = [State::Cancelled; 3];
    assert_eq!(it.states().await[2..], rest);
    assert_eq!(it.is().await, FlowState::Running, "one of it still runs");
    it.settle(cancel(&claimed[1].1)).await;
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Failed, 1));
    assert_eq!((status.completed, status.pending), (0, 0));
    assert!(b.look(it.ids[4]).await.ended_for("upstream"));
    let told = b.look(it.ids[4]).await;
    assert!(told.with_flow && !told.cancelling);
    assert!(!b.look(it.ids[0]).await.with_flow);
});

broker_test!(what_does_not_wait_for_a_failure_goes_on, |b| async move {
    let it = two_sides(&b).without(WithoutNode::Waits).start(&b).await;
    assert_eq!(it.step_but(&[0]).await, [0, 1]);
    assert_eq!(it.states().await[2], State::Pending);
    assert_eq!(it.step().await, [3]);
    assert_eq!(it.is().await, FlowState::Failed);
    let states = it.states().await;
    assert_eq!(states[2], State::Cancelled);
    assert_eq!(states[3], State::Completed);
    assert_eq!(states[4], State::Cancelled);
    let status = it.status().await;
    assert_eq!((status.completed, status.failed), (2, 1));
});

broker_test!(a_default_takes_the_place_of_a_result, |b| async move {
    let mut net = two_sides(&b);
    net.seat(0).without = WithoutNode::GoesOn;
    let it = net.start(&b).await;
    assert_eq!(it.step_but(&[0]).await, [0, 1]);
    assert_eq!(it.step().await, [2, 3]);
    assert_eq!(it.step().await, [4]);
    let status = it.status().await;
    assert_eq!((status.state, status.completed), (FlowState::Completed, 5));
});

broker_test!(a_handler_is_called_once_and_not_cancelled, |b| async move {
    let mut net = Net::new(&b);
    for _ in 0..3 {
        net.node(&b, &[], Some(0));
    }
    net.node(&b, &[0], None);
    net.seat(0).without = WithoutNode::Waits;
    let handler = handler(&b, &mut net, 1, &[0, 1, 2, 3]);
    let it = net.start(&b).await;
    let claimed = it.claim().await;
    it.settle(discard(&claimed[0].1)).await;
    it.settle(discard(&claimed[1].1)).await;
    assert_eq!(it.states().await[handler], State::Available);
    it.settle(cancel(&claimed[2].1)).await;
    assert_eq!(it.is().await, FlowState::Running);
    assert_eq!(it.step().await, [handler]);
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Failed, 2));
    assert_eq!(it.states().await[handler], State::Completed);
});

broker_test!(a_handler_that_nobody_needs_does_not_run, |b| async move {
    let mut net = chain(&b, 2);
    let handler = handler(&b, &mut net, 1, &[0, 1]);
    let it = net.start(&b).await;
    assert_eq!(it.step().await, [0]);
    assert_eq!(it.step().await, [1]);
    assert_eq!(it.states().await[handler], State::Cancelled);
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Completed, 0));
});

broker_test!(a_requeued_node_lets_its_flow_go_on, |b| async move {
    let it = two_sides(&b).start(&b).await;
    let claimed = it.claim().await;
    it.settle(discard(&claimed[0].1)).await;
    it.settle(cancel(&claimed[1].1)).await;
    assert_eq!(it.is().await, FlowState::Failed);
    let again = b.requeue(TENANT, &[it.ids[0]]).await.unwrap();
    assert_eq!(again, [Requeued::Now]);
    work_off(&b).await;
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Running, 0));
    assert_eq!((status.pending, status.ended.0), (3, 0));
    // What was free runs again, what was not waits again.
    let states = it.states().await;
    assert_eq!(states[..2], [State::Available; 2]);
    assert_eq!(states[2..], [State::Pending; 3]);
    assert_eq!(it.step().await, [0, 1]);
    assert_eq!(it.step().await, [2, 3]);
    assert_eq!(it.step().await, [4]);
    assert_eq!(it.is().await, FlowState::Completed);
    assert_eq!(b.depths().await.cancelled, 0);
    assert_eq!(b.depths().await.completed, 5);
});

broker_test!(
    what_became_free_meanwhile_is_free_when_it_comes_back,
    |b| async move {
        // A running node completes although its flow is being stopped.
        let mut net = two_sides(&b);
        net.seat(1).without = WithoutNode::Waits;
        let it = net.start(&b).await;
        let claimed = it.claim().await;
        it.settle(discard(&claimed[0].1)).await;
        it.settle(complete(&claimed[1].1, &[1])).await;
        assert_eq!(it.is().await, FlowState::Failed);
        assert_eq!(it.states().await[3], State::Cancelled);
        b.requeue(TENANT, &[it.ids[0]]).await.unwrap();
        work_off(&b).await;
        assert_eq!(it.states().await[3], State::Available);
        assert_eq!(it.states().await[2], State::Pending);
    }
);

broker_test!(
    a_default_is_counted_once_however_often_it_runs,
    |b| async move {
        let mut net = chord(&b, 2);
        (0..2).for_each(|it| net.seat(it).without = WithoutNode::GoesOn);
        let it = net.start(&b).await;
        let claimed = it.claim().await;
        it.settle(discard(&claimed[0].1)).await;
        // Its joint is not down: it counts anew.
        b.requeue(TENANT, &[it.ids[0]]).await.unwrap();
        it.settle(complete(&claimed[1].1, &[1])).await;
        assert_eq!(it.states().await[2], State::Pending);
        let (_, again) = it.claim().await.remove(0);
        it.settle(discard(&again)).await;
        assert_eq!(it.step().await, [2]);
        // It is down: the flow is over, and what runs again frees nobody.
        b.requeue(TENANT, &[it.ids[0]]).await.unwrap();
        assert_eq!(it.is().await, FlowState::Running);
        assert_eq!(it.step().await, [0]);
        let status = it.status().await;
        assert_eq!((status.state, status.completed), (FlowState::Completed, 3));
    }
);

broker_test!(a_cancelled_node_has_failed, |b| async move {
    let it = chain(&b, 3).without(WithoutNode::Waits).start(&b).await;
    // Also one that its flow has not come to.
    let answers = b.cancel(TENANT, &[it.ids[1]]).await.unwrap();
    assert_eq!(answers, [Cancelled::Now]);
    assert_eq!(it.step().await, [0]);
    let status = it.status().await;
    assert_eq!((status.state, status.failed), (FlowState::Failed, 1));
    // It had become free meanwhile.
    b.requeue(TENANT, &[it.ids[1]]).await.unwrap();
    work_off(&b).await;
    assert_eq!(it.step().await, [1]);
    assert_eq!(it.step().await, [2]);
    assert_eq!(it.is().await, FlowState::Completed);
});

broker_test!(a_node_that_is_lost_has_failed, |b| async move {
    let mut net = chain(&b, 2);
    net.nodes[0].job.crash_limit = 1;
    let it = net.start(&b).await;
    assert_eq!(it.claim().await.len(), 1);
    b.pass(Worker::LEASE + secs(1));
    b.reclaim(b.home(), 10).await.unwrap();
    work_off(&b).await;
    let expected = [State::Discarded, State::Cancelled];
    assert_eq!(it.states().await, expected);
    assert_eq!(it.is().await, FlowState::Failed);
});
