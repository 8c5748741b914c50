//! What waits for what.

use std::time::Duration;

use lovage_queue::broker::{BrokerError, MAX_NODES_ADDED, Signal};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Bind, From, Payload, When};
use lovage_queue::registry::Digest;
use tokio::time::timeout;

use super::*;
use crate::broker::harness::fail;
use crate::broker::harness::signals::{SOON, hears, listen};

broker_test!(a_chain_goes_one_after_the_other, |b| async move {
    let it = chain(&b, 3).start(&b).await;
    let begun = it.status().await;
    assert_eq!((begun.nodes, begun.pending), (3, 2));
    assert_eq!(
        (begun.state, begun.name),
        (FlowState::Running, "a net".into())
    );
    assert_eq!(b.depths().await.pending, 2);
    for n in 0..3 {
        assert_eq!(it.step().await, [n]);
    }
    let done = it.status().await;
    assert_eq!((done.state, done.completed), (FlowState::Completed, 3));
    assert_eq!((done.pending, done.failed), (0, 0));
    assert_eq!(done.ended, b.now());
    assert_eq!(b.depths().await.pending, 0);
});

broker_test!(a_claim_brings_along_what_a_node_takes, |b| async move {
    let mut net = Net::new(&b);
    let takes = |net: &mut Net, place: usize, from: From| {
        let bind = Bind {
            argument: "it".into(),
            from,
        };
        net.nodes[place].job.options.binds.push(bind);
    };
    for _ in 0..5 {
        net.node(&b, &[], Some(0));
    }
    // Two that take few, one that takes too many, one that takes nothing.
    for _ in 0..4 {
        net.node(&b, &[0], None);
    }
    takes(&mut net, 5, From::Node(3));
    takes(&mut net, 6, From::Nodes { first: 1, count: 3 });
    takes(&mut net, 6, From::Node(0));
    takes(&mut net, 7, From::Nodes { first: 0, count: 5 });
    let it = net.start(&b).await;
    for (place, member) in it.claim().await {
        assert!(upstream(&member).is_empty());
        // A record that is long is left out.
        let result = vec![0xc0; if place == 2 { 3_000 } else { 1 }];
        it.settle(complete(&member, &result)).await;
    }
    let wish = it.worker.wish(10);
    // The answer was lost: they come again.
    for _ in 0..2 {
        let claimed = b.claim(&wish).await.unwrap();
        let given = |place: usize| {
            let which = claimed.iter().find(|job| job.id == it.ids[place]);
            upstream(which.expect("it is free"))
        };
        let node = |place: usize| (place as u32, it.ids[place]);
        assert_eq!(given(5), [node(3)]);
        assert_eq!(given(6), [0, 1, 3].map(node));
        assert_eq!((given(7), given(8)), (vec![], vec![]));
    }
});

/// What came along with a job, all of it completed: places and ids.
fn upstream(claimed: &Claimed) -> Vec<(u32, JobId)> {
    let job = claimed.job.as_ref().expect("it can be read");
    let all = job.upstream.iter();
    all.map(|(place, node)| {
        assert_eq!(node.state, State::Completed);
        assert_eq!(node.result.as_ref().map(Payload::size), Some(1));
        (*place, node.call.id)
    })
    .collect()
}

broker_test!(a_callback_waits_for_all_and_runs_once, |b| async move {
    let it = chord(&b, 30).start(&b).await;
    let claimed = it.claim().await;
    assert_eq!(claimed.len(), 30);
    for (n, member) in &claimed {
        assert!(it.claim().await.is_empty(), "{n}");
        it.settle(complete(member, &[1])).await;
        // The same word again, as after a broken connection.
        it.settle(complete(member, &[1])).await;
    }
    assert_eq!(it.step().await, [30]);
    assert_eq!(it.is().await, FlowState::Completed);
    assert_eq!(it.status().await.completed, 31);
});

broker_test!(many_members_end_in_one_step, |b| async move {
    let it = chord(&b, 120).start(&b).await;
    let claimed = it.claim().await;
    let all: Vec<_> = claimed.iter().map(|(_, it)| complete(it, &[1])).collect();
    b.settle(it.worker.id, &all).await.unwrap();
    assert_eq!(it.step().await, [120]);
    assert_eq!(it.is().await, FlowState::Completed);
});

broker_test!(a_node_waits_for_each_of_its_joints, |b| async move {
    // A diamond, one side of which is waited for alone as well.
    let mut net = Net::new(&b);
    net.node(&b, &[], Some(0));
    net.node(&b, &[0], Some(1));
    net.node(&b, &[0], Some(2));
    net.node(&b, &[1, 2], None);
    net.node(&b, &[1], None);
    let it = net.start(&b).await;
    assert_eq!(it.step().await, [0]);
    let both = it.claim().await;
    assert_eq!(both.len(), 2);
    it.settle(complete(&both[0].1, &[1])).await;
    assert_eq!(it.step().await, [4]);
    it.settle(complete(&both[1].1, &[1])).await;
    assert_eq!(it.step().await, [3]);
    assert_eq!(it.is().await, FlowState::Completed);
});

broker_test!(what_is_tried_again_keeps_its_place, |b| async move {
    let it = chain(&b, 2).start(&b).await;
    let (_, first) = it.claim().await.remove(0);
    it.settle(fail(&first, secs(5))).await;
    assert_eq!(it.states().await, [State::Retryable, State::Pending]);
    b.pass(secs(5));
    work_off(&b).await;
    // A worker that dies with it takes nothing along.
    assert_eq!(it.claim().await.len(), 1);
    b.pass(Worker::LEASE + secs(1));
    b.reclaim(b.home(), 10).await.unwrap();
    let other = Worker::new(&b);
    let again = other.claim_one().await;
    assert_eq!(again.id, it.ids[0]);
    other.settle(complete(&again, &[1])).await;
    assert_eq!(other.claim_ids(5).await, [it.ids[1]]);
});

broker_test!(times_count_from_when_a_node_is_free, |b| async move {
    let mut net = chain(&b, 3);
    net.nodes[1].job.eta = When::In(secs(60));
    net.nodes[2].job.expiry = Some(When::In(secs(30)));
    let it = net.start(&b).await;
    b.pass(secs(1_000));
    assert_eq!(it.step().await, [0]);
    let waiting = b.look(it.ids[1]).await;
    assert_eq!(waiting.state, State::Scheduled);
    assert_eq!(waiting.enqueued, b.now());
    assert_eq!(waiting.available, b.now().after(secs(60)));
    assert!(it.step().await.is_empty());
    b.pass(secs(60));
    work_off(&b).await;
    assert_eq!(it.step().await, [1]);
    b.pass(secs(29));
    work_off(&b).await;
    assert_eq!(it.states().await[2], State::Available);
    b.pass(secs(2));
    work_off(&b).await;
    assert_eq!(it.states().await[2], State::Cancelled);
    assert!(b.look(it.ids[2]).await.ended_for("expired"));
    assert_eq!(it.is().await, FlowState::Failed);
});

broker_test!(a_wide_flow_is_freed_in_steps, |b| async move {
    let wide = 1_500;
    let mut net = Net::new(&b);
    net.node(&b, &[], Some(0));
    for _ in 0..wide {
        net.node(&b, &[0], Some(1));
    }
    net.node(&b, &[1], None);
    let it = net.start(&b).await;
    let (_, first) = it.claim().await.remove(0);
    let mut signals = listen(&b, it.worker.id).await;
    it.worker.settle(complete(&first, &[1])).await;
    hears(&mut signals, Signal::Due).await;
    let before = b.depths().await.available;
    assert!(before < 1_000, "{before}: one step freed so many");
    work_off(&b).await;
    assert_eq!(b.depths().await.available, wide);
    let claimed = it.claim().await;
    let order: Vec<usize> = claimed.iter().map(|it| it.0).collect();
    assert_eq!(order, (1..=wide as usize).collect::<Vec<_>>());
    for some in claimed.chunks(500) {
        let all: Vec<_> = some.iter().map(|(_, it)| complete(it, &[1])).collect();
        b.settle(it.worker.id, &all).await.unwrap();
    }
    assert_eq!(it.step().await, [wide as usize + 1]);
    assert_eq!(it.is().await, FlowState::Completed);
});

broker_test!(a_flow_is_waited_for_by_its_id, |b| async move {
    let it = chain(&b, 2).start(&b).await;
    let broker = b.broker.clone();
    let ids = [it.flow, it.ids[1]];
    let waiting = tokio::spawn(async move { broker.wait(TENANT, &ids, SOON * 100).await });
    it.step().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    it.step().await;
    let ended = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(ended[0], None);
    assert_eq!(ended[1].as_ref().unwrap().state, State::Completed);
    // It has ended: that is answered at once.
    b.wait(TENANT, &[it.flow], SOON * 100).await.unwrap();
});

broker_test!(
    a_flow_is_built_once_however_often_it_is_told,
    |b| async move {
        let mut net = chain(&b, 5);
        net.build(&b).await;
        let flow = net.flow.id;
        b.add_nodes(TENANT, flow, 0, &net.nodes[..3]).await.unwrap();
        b.add_nodes(TENANT, flow, 2, &net.nodes[2..]).await.unwrap();
        b.begin_flow(TENANT, &net.flow).await.unwrap();
        b.start_flow(TENANT, flow).await.unwrap();
        b.start_flow(TENANT, flow).await.unwrap();
        assert_eq!(b.depths().await.pending, 4);
        let ids: Vec<_> = net.nodes.iter().map(|it| it.job.id).collect();
        let nodes = b.flow_nodes(TENANT, flow, 1, 3).await.unwrap();
        let expected: Vec<_> = ids[1..4]
            .iter()
            .map(|id| (*id, Some(State::Pending)))
            .collect();
        assert_eq!(nodes, expected);
        assert_eq!(
            b.about_flow(TENANT, flow).await.unwrap().unwrap(),
            b"what it is"
        );
        assert_eq!(b.look(ids[1]).await.call.seat, net.nodes[1].job.seat);
        let it = Worker::new(&b);
        for id in ids {
            let claimed = it.claim_one().await;
            assert_eq!(claimed.id, id);
            it.settle(complete(&claimed, &[1])).await;
        }
        assert_eq!(
            b.flow(TENANT, flow).await.unwrap().unwrap().state,
            FlowState::Completed
        );
    }
);

broker_test!(what_is_not_whole_does_not_begin, |b| async move {
    let mut net = chain(&b, 5);
    net.flow.nodes = 5;
    let flow = net.flow.id;
    let none = b.start_flow(TENANT, flow).await;
    assert!(matches!(none, Err(BrokerError::Missing(_))), "{none:?}");
    let none = b.add_nodes(TENANT, flow, 0, &net.nodes).await;
    assert!(matches!(none, Err(BrokerError::Missing(_))), "{none:?}");
    b.begin_flow(TENANT, &net.flow).await.unwrap();
    b.add_nodes(TENANT, flow, 0, &net.nodes[..2]).await.unwrap();
    let short = b.start_flow(TENANT, flow).await;
    assert!(matches!(short, Err(BrokerError::Invalid(_))), "{short:?}");
    let gap = b.add_nodes(TENANT, flow, 3, &net.nodes[3..]).await;
    assert!(matches!(gap, Err(BrokerError::Invalid(_))), "{gap:?}");
    assert_eq!(b.depths().await.pending, 2);
    assert!(Worker::new(&b).claim(5).await.is_empty());
    let more = [&net.nodes[2..], &chain(&b, 1).nodes[..]].concat();
    let more = more.into_iter().map(|mut it| {
        it.job.seat.as_mut().unwrap().flow = flow;
        it
    });
    let behind = b
        .add_nodes(TENANT, flow, 2, &more.collect::<Vec<_>>())
        .await;
    assert!(matches!(behind, Err(BrokerError::Invalid(_))), "{behind:?}");
});

broker_test!(
    a_flow_begins_with_its_makers_completion_and_in_no_other_step,
    |b| async move {
        let worker = Worker::new(&b);
        let ends: [fn(&Claimed) -> Settlement; 3] =
            [discard, |it| fail(it, secs(100)), |it| complete(it, &[1])];
        for (n, end) in ends.into_iter().enumerate() {
            b.add_plain(1).await;
            let maker = worker.claim_one().await;
            let mut net = chain(&b, 2);
            net.build(&b).await;
            let settlement = Settlement {
                flows: vec![net.flow.id, JobId::new(b.home())],
                ..end(&maker)
            };
            worker.settle(settlement.clone()).await;
            // What is told again finds it recorded.
            worker.settle(settlement).await;
            let status = b.flow(TENANT, net.flow.id).await.unwrap().unwrap();
            let begun = n == 2;
            assert_eq!(status.state == FlowState::Running, begun);
            let started: Vec<_> = begun.then_some(net.nodes[0].job.id).into_iter().collect();
            assert_eq!(worker.claim_ids(5).await, started);
        }
    }
);

broker_test!(a_node_is_no_job_of_its_own, |b| async move {
    let net = chain(&b, 1);
    let refused = b.enqueue(TENANT, &[net.nodes[0].job.clone()]).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    let wrong: [fn(&mut FlowNode); 5] = [
        |it| it.job.seat = None,
        |it| it.needs = vec![1, 1],
        |it| it.job.eta = When::At(Millis(1)),
        |it| it.job.result_ttl = Some(secs(1)),
        |it| it.job.key = Some(lovage_queue::job::Key::idempotency("k")),
    ];
    for wrong in wrong {
        let mut net = chain(&b, 1);
        net.flow.nodes = 1;
        b.begin_flow(TENANT, &net.flow).await.unwrap();
        wrong(&mut net.nodes[0]);
        let refused = b.add_nodes(TENANT, net.flow.id, 0, &net.nodes).await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid(_))),
            "{refused:?}"
        );
    }
    let mut net = chain(&b, 1);
    net.flow.nodes = 2_000;
    b.begin_flow(TENANT, &net.flow).await.unwrap();
    let many = vec![net.nodes[0].clone(); MAX_NODES_ADDED + 1];
    let refused = b.add_nodes(TENANT, net.flow.id, 0, &many).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
    net.flow.nodes = 0;
    let refused = b.begin_flow(TENANT, &net.flow).await;
    assert!(
        matches!(refused, Err(BrokerError::Invalid(_))),
        "{refused:?}"
    );
});

broker_test!(a_node_keeps_its_input_in_a_blob, |b| async move {
    let mut net = chain(&b, 2);
    let large = vec![7; 100_000];
    let digest = Digest::of(&large);
    net.nodes[1].job.input = Payload::Blob {
        digest,
        size: 100_000,
    };
    net.flow.nodes = 2;
    b.begin_flow(TENANT, &net.flow).await.unwrap();
    let missing = b.add_nodes(TENANT, net.flow.id, 0, &net.nodes).await;
    assert!(
        matches!(missing, Err(BrokerError::Missing(_))),
        "{missing:?}"
    );
    b.put_blob(TENANT, &large).await.unwrap();
    b.add_nodes(TENANT, net.flow.id, 0, &net.nodes)
        .await
        .unwrap();
    b.start_flow(TENANT, net.flow.id).await.unwrap();
    // Long after an upload alone would have gone.
    b.pass(secs(7_200));
    b.prune(b.home(), &Default::default(), 100).await.unwrap();
    assert_eq!(b.blob(TENANT, digest).await.unwrap(), Some(large));
});
