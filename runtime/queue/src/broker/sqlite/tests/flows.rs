//! Jobs that wait for others.

use super::rig::{ALL, Rig, alarmed, chord, complete, flow, node};
use super::*;
use crate::broker::{FlowState, Flows};
use crate::job::WithoutNode::{GoesOn, Handles, Stops, Waits};

#[tokio::test]
async fn a_chain_runs_in_order_and_whoever_waits_for_it_hears() {
    let mut rig = Rig::new().await;
    let it = flow(3);
    let nodes = vec![
        node(&it, Stops, Some(0), &[]),
        node(&it, Stops, Some(1), &[0]),
        node(&it, Stops, None, &[1]),
    ];
    let ids = rig.flow(&it, nodes).await;
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [2, 0, 0]));
    let counts = rig.broker.counts(TENANT).await.unwrap();
    assert_eq!((counts[0].pending, counts[0].available), (2, 1));

    let waiting = {
        let (broker, id) = (rig.broker.clone(), it.id);
        tokio::spawn(async move { broker.wait(TENANT, &[id], PATIENCE * 10).await })
    };
    for id in &ids {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        assert_eq!(rig.run(&complete()).await, [*id]);
    }
    let heard = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(heard, [None]);
    let status = rig.status(&it).await;
    assert_eq!(status.state, FlowState::Completed);
    assert_eq!((status.completed, status.begun), (3, status.ended));
    let about = rig.broker.about_flow(TENANT, it.id).await.unwrap();
    assert_eq!(about.as_deref(), Some(&b"about"[..]));
    assert_eq!(rig.broker.flows(TENANT, 0, 9).await.unwrap(), [status]);
}

#[tokio::test]
async fn a_chord_frees_its_callback_once() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    let ids = rig.flow(&it, chord(&it, 3, Stops)).await;
    let members = rig.claim(ALL).await;
    assert_eq!(members.len(), 3);
    rig.settle(&members[..2], &complete()).await;
    assert_eq!(rig.claim(ALL).await.len(), 0);
    rig.settle(&members[2..], &complete()).await;
    // A repeated answer counts nothing down.
    rig.settle(&members, &complete()).await;
    assert_eq!(rig.run(&complete()).await, [ids[3]]);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 4, 0]));
}

#[tokio::test]
async fn a_node_with_several_needs_waits_for_all_and_its_delay_counts_from_then() {
    let mut rig = Rig::new().await;
    let it = flow(3);
    let mut last = node(&it, Stops, None, &[0, 1]);
    last.job.eta = When::In(SOON);
    last.job.expiry = Some(When::In(SOON * 2));
    let nodes = vec![
        node(&it, Stops, Some(0), &[]),
        node(&it, Stops, Some(1), &[]),
        last,
    ];
    let ids = rig.flow(&it, nodes).await;
    rig.now.fetch_add(60_000, Ordering::SeqCst);
    let members = rig.claim(ALL).await;
    rig.settle(&members[..1], &complete()).await;
    assert_eq!(rig.states(&it).await[2], State::Pending);
    rig.settle(&members[1..], &complete()).await;
    assert_eq!(rig.states(&it).await[2], State::Scheduled);
    rig.now.fetch_add(5_000, Ordering::SeqCst);
    rig.promote().await;
    assert_eq!(rig.run(&complete()).await, [ids[2]]);
    assert_eq!(rig.status(&it).await.state, FlowState::Completed);
}

#[tokio::test]
async fn what_becomes_of_a_flow_without_a_node_is_as_its_seat_says() {
    for (without, state, counters, callback) in [
        (Stops, FlowState::Failed, [0, 0, 3], State::Cancelled),
        (Waits, FlowState::Failed, [0, 0, 3], State::Cancelled),
        (GoesOn, FlowState::Completed, [0, 4, 0], State::Completed),
    ] {
        let mut rig = Rig::new().await;
        let it = flow(4);
        rig.flow(&it, chord(&it, 3, without)).await;
        rig.run(&Action::Discard).await;
        rig.promote().await;
        rig.run(&complete()).await;
        assert_eq!(rig.stands(&it).await, (state, counters), "{without:?}");
        assert_eq!(rig.states(&it).await[3], callback, "{without:?}");
    }
}

#[tokio::test]
async fn a_failure_frees_its_handler_once_and_success_frees_none() {
    for fails in [true, false] {
        let mut rig = Rig::new().await;
        let it = flow(3);
        let nodes = vec![
            alarmed(node(&it, Waits, None, &[]), 0),
            alarmed(node(&it, Stops, None, &[]), 0),
            node(&it, Handles, None, &[0]),
        ];
        let ids = rig.flow(&it, nodes).await;
        if fails {
            rig.run(&Action::Discard).await;
            rig.promote().await;
            assert_eq!(rig.run(&complete()).await, [ids[2]]);
            assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 1, 2]));
        } else {
            rig.run(&complete()).await;
            rig.promote().await;
            // Nobody needed it: that is no failure.
            assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 2, 0]));
            assert_eq!(rig.states(&it).await[2], State::Cancelled);
            let retried = rig.broker.retry_flow(TENANT, it.id).await;
            assert!(!retried.unwrap());
        }
    }
}

#[tokio::test]
async fn a_failure_cancels_the_rest_and_its_requeueing_brings_all_of_it_back() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    let ids = rig.flow(&it, chord(&it, 3, Stops)).await;
    let mut signals = rig.broker.signals(rig.worker).await.unwrap();
    let running = rig.claim(2).await;
    rig.settle(&running[..1], &Action::Discard).await;
    let mut told = Vec::new();
    assert!(rig.promote().await <= 2);
    while let Ok(Some(signal)) = timeout(Duration::from_millis(50), signals.recv()).await {
        told.push(signal);
    }
    assert!(told.contains(&Signal::Due), "{told:?}");
    assert!(
        told.contains(&Signal::Cancel(TENANT.into(), running[1].id)),
        "{told:?}"
    );
    use State::{Available, Cancelled, Completed, Discarded, Pending, Running};
    assert_eq!(
        rig.states(&it).await,
        [Discarded, Running, Cancelled, Cancelled]
    );
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [0, 0, 1]));
    rig.settle(&running[1..], &Action::Cancel).await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 0, 1]));

    let requeued = rig.broker.requeue(TENANT, &ids[..1]).await.unwrap();
    assert_eq!(requeued, [Requeued::Now]);
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [0, 0, 0]));
    rig.promote().await;
    assert_eq!(
        rig.states(&it).await,
        [Available, Available, Available, Pending]
    );
    rig.run(&complete()).await;
    rig.run(&complete()).await;
    assert_eq!(rig.states(&it).await, [Completed; 4]);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 4, 0]));
}

#[tokio::test]
async fn a_flow_that_failed_is_tried_again_and_one_that_is_cancelled_stops() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    rig.flow(&it, chord(&it, 3, Waits)).await;
    let members = rig.claim(ALL).await;
    rig.settle(&members[..1], &complete()).await;
    rig.settle(&members[1..], &Action::Discard).await;
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 1, 2]));

    assert!(rig.broker.retry_flow(TENANT, it.id).await.unwrap());
    assert!(!rig.broker.retry_flow(TENANT, it.id).await.unwrap());
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 1, 0]));
    assert_eq!(rig.run(&complete()).await.len(), 2);

    assert!(rig.broker.cancel_flow(TENANT, it.id).await.unwrap());
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Cancelled, [0, 3, 0]));
    assert!(!rig.broker.cancel_flow(TENANT, it.id).await.unwrap());
    assert!(rig.broker.retry_flow(TENANT, it.id).await.unwrap());
    rig.promote().await;
    assert_eq!(rig.run(&complete()).await.len(), 1);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 4, 0]));
}

#[tokio::test]
async fn a_wide_flow_is_freed_cancelled_and_retried_in_steps() {
    const WIDE: u32 = 2_000;
    let mut rig = Rig::new().await;
    let it = flow(WIDE + 2);
    let mut nodes = vec![node(&it, Stops, Some(0), &[])];
    nodes.extend((0..WIDE).map(|_| node(&it, Stops, Some(1), &[0])));
    nodes.push(node(&it, Stops, None, &[1]));
    let ids = rig.flow(&it, nodes).await;
    rig.run(&complete()).await;
    assert_eq!(rig.claim(ALL).await.len(), 0);
    let promoted = rig.broker.promote(Partition(0), ALL).await.unwrap();
    assert_eq!(promoted.next, Some(Duration::ZERO));
    let pending = rig.status(&it).await.pending;
    assert!((1_000..WIDE).contains(&pending), "{pending}");

    rig.promote().await;
    assert!(rig.broker.cancel_flow(TENANT, it.id).await.unwrap());
    assert!(rig.promote().await >= 4);
    assert_eq!(rig.status(&it).await.state, FlowState::Cancelled);
    assert!(rig.broker.retry_flow(TENANT, it.id).await.unwrap());
    assert!(rig.promote().await >= 4);
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 1, 0]));
    let mut claimed = rig.claim(ALL).await;
    assert_eq!(claimed.len(), WIDE as usize);
    let last = claimed.split_off(1);
    rig.settle(&last, &complete()).await;
    rig.settle(&claimed, &complete()).await;
    assert_eq!(rig.run(&complete()).await, [ids[WIDE as usize + 1]]);
    let ended = (FlowState::Completed, [0, WIDE + 2, 0]);
    assert_eq!(rig.stands(&it).await, ended);
}

#[tokio::test]
async fn a_member_that_counts_without_completing_counts_once() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    let ids = rig.flow(&it, chord(&it, 3, GoesOn)).await;
    let members = rig.claim(ALL).await;
    rig.settle(&members[..1], &Action::Discard).await;
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 1, 0]));
    rig.broker.requeue(TENANT, &ids[..1]).await.unwrap();
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 0, 0]));
    rig.settle(&members[1..], &complete()).await;
    assert_eq!(rig.states(&it).await[3], State::Pending);
    assert_eq!(rig.run(&Action::Discard).await, [ids[0]]);
    assert_eq!(rig.states(&it).await[3], State::Available);
    // Its joint is down: that it completes after all frees nobody again.
    rig.broker.requeue(TENANT, &ids[..1]).await.unwrap();
    assert_eq!(rig.run(&complete()).await.len(), 2);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 4, 0]));
}

#[tokio::test]
async fn a_node_that_is_free_while_it_is_cancelled_need_not_wait_again() {
    let mut rig = Rig::new().await;
    let it = flow(3);
    let nodes = vec![
        node(&it, Waits, Some(0), &[]),
        node(&it, Waits, Some(1), &[0]),
        node(&it, Waits, None, &[1]),
    ];
    let ids = rig.flow(&it, nodes).await;
    let first = rig.claim(ALL).await;
    let cancelled = rig.broker.cancel(TENANT, &ids[1..]).await.unwrap();
    assert_eq!(cancelled, [Cancelled::Now; 2]);
    rig.settle(&first, &complete()).await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 1, 2]));
    // The last waits for the second, which has not completed: so it cannot go on.
    rig.broker.requeue(TENANT, &ids[2..]).await.unwrap();
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 1, 1]));
    rig.broker.requeue(TENANT, &ids[1..2]).await.unwrap();
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 1, 0]));
    assert_eq!(rig.run(&complete()).await, [ids[1]]);
    assert_eq!(rig.run(&complete()).await, [ids[2]]);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 3, 0]));
}

#[tokio::test]
async fn what_expires_or_is_lost_has_failed() {
    let mut rig = Rig::new().await;
    let it = flow(3);
    let mut nodes = chord(&it, 2, Waits);
    nodes[1].job.expiry = Some(When::In(SOON));
    nodes[0].job.crash_limit = 1;
    rig.flow(&it, nodes).await;
    assert_eq!(rig.claim(1).await.len(), 1);
    rig.now.fetch_add(60_000, Ordering::SeqCst);
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Running, [1, 0, 1]));
    let reclaimed = rig.broker.reclaim(Partition(0), 9).await.unwrap();
    assert_eq!(reclaimed.lost, 1);
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 0, 2]));
}

#[tokio::test]
async fn a_flow_that_is_cancelled_again_does_not_come_back() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    let ids = rig.flow(&it, chord(&it, 3, Stops)).await;
    let first = rig.claim(1).await;
    rig.settle(&first, &Action::Discard).await;
    rig.promote().await;
    rig.broker.requeue(TENANT, &ids[..1]).await.unwrap();
    assert!(rig.broker.cancel_flow(TENANT, it.id).await.unwrap());
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Cancelled, [0, 0, 0]));
    assert_eq!(rig.claim(ALL).await.len(), 0);
    // All of it was cancelled with the flow, and all comes back with one of it.
    rig.broker.requeue(TENANT, &ids[1..2]).await.unwrap();
    rig.promote().await;
    assert_eq!(rig.run(&complete()).await.len(), 3);
    assert_eq!(rig.run(&complete()).await, [ids[3]]);
    assert_eq!(rig.stands(&it).await, (FlowState::Completed, [0, 4, 0]));
}

#[tokio::test]
async fn nodes_are_added_once_in_order_and_a_flow_begins_whole() {
    let rig = Rig::new().await;
    let it = flow(4);
    let nodes = chord(&it, 3, Stops);
    let broker = &rig.broker;
    let missing = broker.add_nodes(TENANT, it.id, 0, &nodes).await;
    assert!(matches!(missing, Err(BrokerError::Missing(_))));
    for _ in 0..2 {
        rig.build(&it, &nodes[..2]).await;
    }
    let not_whole = broker.start_flow(TENANT, it.id).await;
    assert!(matches!(not_whole, Err(BrokerError::Invalid(_))));
    for (first, some) in [(3, &nodes[3..]), (1, &nodes[..])] {
        let refused = broker.add_nodes(TENANT, it.id, first, some).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))), "{first}");
    }
    let added = broker.add_nodes(TENANT, it.id, 1, &nodes[1..]).await;
    added.unwrap();
    assert_eq!(rig.status(&it).await.state, FlowState::Building);
    for _ in 0..2 {
        broker.start_flow(TENANT, it.id).await.unwrap();
    }
    assert_eq!(broker.counts(TENANT).await.unwrap()[0].pending, 1);
    let plain = broker.enqueue(TENANT, &[nodes[0].job.clone()]).await;
    assert!(matches!(plain, Err(BrokerError::Invalid(_))));
}

#[tokio::test]
async fn a_node_that_nobody_can_read_ends_its_flow_all_the_same() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    rig.flow(&it, chord(&it, 3, Waits)).await;
    let spoil = "UPDATE job SET record = x'00' WHERE n IN (1, 4)";
    let spoilt = rig.broker.core.write(&rig.broker.clock, move |step| {
        Ok(step.db.conn.execute_batch(spoil)?)
    });
    spoilt.await.unwrap();
    let claimed = rig.claim(ALL).await;
    let read: Vec<_> = claimed.into_iter().filter(|it| it.job.is_ok()).collect();
    rig.settle(&read, &complete()).await;
    rig.promote().await;
    assert_eq!(rig.stands(&it).await, (FlowState::Failed, [0, 2, 2]));
}
