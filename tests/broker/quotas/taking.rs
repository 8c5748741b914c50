//! What is taken in: jobs, bytes and modules; and that all of it is given back.

use lovage_queue::broker::{Enqueued, FlowNode, NewFlow, Retention};
use lovage_queue::job::{Ending, JobId, NewJob, Seat, State, When, WithoutNode};
use lovage_queue::registry::Manifest;
use lovage_queue::tenant::{Quota, Usage};

use super::{add, allow, assert_over, bytes, queued, tenant};
use crate::broker::harness::{TENANT, Worker, attempt, complete, discard, secs};

broker_test!(
    what_has_not_ended_is_bounded_and_children_are_not_refused,
    |b| async move {
        let name = tenant(&b, queued(3)).await;
        assert_eq!(add(&b, &name, 2).await.unwrap(), [Enqueued::New; 2]);
        assert_over(add(&b, &name, 2).await, "queued", (3, 2));
        assert_eq!(b.depths_of(&name).await.available, 2, "nothing was made");
        add(&b, &name, 1).await.unwrap();
        assert_over(add(&b, &name, 1).await, "queued", (3, 3));
        // Others go on; and the same job again is no new one.
        b.add_plain(9).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_all().await;
        let mine: Vec<_> = claimed.iter().filter(|it| it.tenant == name).collect();
        assert_over(add(&b, &name, 1).await, "queued", (3, 3));
        let known = mine[0].job.as_ref().unwrap().call.clone();
        let again = NewJob::new(known.id, "basics", "add", vec![1]);
        let answer = b.enqueue(&name, &[again]).await.unwrap();
        assert_eq!(answer, [Enqueued::Exists]);
        // What comes of an end was accepted with what ended.
        let mut settlement = complete(mine[0], &[1]);
        settlement.children = vec![b.job_of(&name), b.job_of(&name)];
        worker.settle(settlement).await;
        assert_eq!(b.usage_of(&name).await.unwrap().queued, 4);
        worker.settle(complete(mine[1], &[1])).await;
        assert_over(add(&b, &name, 1).await, "queued", (3, 3));
        worker.settle(discard(mine[2])).await;
        add(&b, &name, 1).await.unwrap();
    }
);

broker_test!(a_flows_nodes_count_as_what_waits, |b| async move {
    let name = tenant(&b, queued(3)).await;
    let flow = NewFlow {
        id: JobId::new(b.partition(&name)),
        name: "a flow".into(),
        nodes: 4,
        keep: None,
        about: Vec::new(),
    };
    b.begin_flow(&name, &flow).await.unwrap();
    let node = || {
        let mut job = b.job_of(&name);
        job.seat = Some(Seat {
            flow: flow.id,
            joins: None,
            alarms: None,
            without: WithoutNode::Stops,
        });
        let needs = Vec::new();
        FlowNode { job, needs }
    };
    let nodes = [node(), node(), node(), node()];
    let refused = b.add_nodes(&name, flow.id, 0, &nodes).await;
    assert_over(refused, "queued", (3, 0));
    b.add_nodes(&name, flow.id, 0, &nodes[..3]).await.unwrap();
    assert_over(add(&b, &name, 1).await, "queued", (3, 3));
});

broker_test!(bytes_are_counted_and_given_back, |b| async move {
    let name = tenant(&b, bytes(100_000)).await;
    let used = async || b.usage_of(&name).await.unwrap().bytes;
    assert_eq!(used().await, 0);
    let large = vec![7; 60_000];
    let digest = b.put_blob(&name, &large).await.unwrap();
    assert_eq!(used().await, 60_000);
    b.put_blob(&name, &large).await.unwrap();
    assert_eq!(used().await, 60_000, "once, however often it is stored");
    assert_over(
        b.put_blob(&name, &[8; 60_000]).await,
        "bytes",
        (100_000, 60_000),
    );
    let mut job = b.job_of(&name);
    job.input = vec![0; 39_000].into();
    b.enqueue(&name, std::slice::from_ref(&job)).await.unwrap();
    let with_job = used().await;
    assert!((99_000..100_000).contains(&with_job), "{with_job}");
    let mut other = b.job_of(&name);
    other.input = vec![0; 39_000].into();
    let refused = b.enqueue(&name, &[other]).await;
    assert_over(refused, "bytes", (100_000, with_job));
    // An end brings the attempt and the result, which are not refused.
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    worker.settle(complete(&claimed, &[5; 20_000])).await;
    assert!(used().await > with_job + 20_000);
    b.put_blob(&name, &large).await.unwrap();
    // All of it comes back.
    assert_eq!(b.delete(&name, &[job.id]).await.unwrap(), [true]);
    assert_eq!(used().await, 60_000);
    b.pass(secs(3_601));
    b.prune(b.home(), &Retention::default(), 100).await.unwrap();
    assert_eq!(used().await, 0);
    assert_eq!(b.blob(&name, digest).await.unwrap(), None);
});

broker_test!(counters_come_back_to_nothing_on_all_ways, |b| async move {
    let name = tenant(&b, Quota::default()).await;
    let worker = Worker::new(&b);
    for way in 0..6 {
        let mut job = b.job_of(&name);
        job.expiry = (way == 4).then_some(When::In(secs(5)));
        job.eta = match way {
            3..=4 => When::In(secs(9)),
            _ => When::Now,
        };
        let id = job.id;
        b.enqueue(&name, &[job]).await.unwrap();
        let usage = b.usage_of(&name).await.unwrap();
        assert_eq!(usage.queued, 1, "way {way}");
        match way {
            0 => drop(
                worker
                    .settle(complete(&worker.claim_one().await, &[1]))
                    .await,
            ),
            1 => drop(worker.settle(discard(&worker.claim_one().await)).await),
            2 | 3 => drop(b.cancel(&name, &[id]).await.unwrap()),
            4 => {
                b.pass(secs(6));
                b.promote_all().await;
            }
            _ => {
                // Its worker dies, again and again.
                while b.jobs(&name, &[id]).await.unwrap()[0]
                    .as_ref()
                    .unwrap()
                    .state
                    != State::Discarded
                {
                    Worker::new(&b).claim(1).await;
                    b.pass(secs(11));
                    b.reclaim(b.home(), 100).await.unwrap();
                }
            }
        }
        assert_eq!(b.usage_of(&name).await.unwrap().queued, 0, "way {way}");
        if matches!(way, 1 | 2) {
            b.requeue(&name, &[id]).await.unwrap();
            assert_eq!(b.usage_of(&name).await.unwrap().queued, 1, "way {way}");
            b.cancel(&name, &[id]).await.unwrap();
        }
        assert_eq!(b.delete(&name, &[id]).await.unwrap(), [true], "way {way}");
        assert_eq!(
            b.usage_of(&name).await.unwrap(),
            Usage::default(),
            "way {way}"
        );
    }
});

broker_test!(modules_are_bounded_by_size_and_number, |b| async move {
    let quota = Quota {
        modules: Some(1),
        module_size: Some(10),
        bytes: Some(25),
        ..Quota::default()
    };
    let name = tenant(&b, quota).await;
    let manifest = |size| Manifest {
        size,
        tasks: Vec::new(),
        wants: Default::default(),
    };
    let put = async |bytes: &[u8]| b.put(&name, bytes, &manifest(bytes.len() as u64)).await;
    assert_over(put(&[1; 11]).await, "module-size", (10, 11));
    let digest = put(&[1; 10]).await.unwrap();
    put(&[1; 10]).await.unwrap();
    put(&[2; 10]).await.unwrap();
    assert_over(put(&[3; 10]).await, "bytes", (25, 20));
    let stage = async |module: &str| b.stage(&name, module, digest, "me").await;
    stage("one").await.unwrap();
    stage("one").await.unwrap();
    assert_over(stage("two").await, "modules", (1, 1));
    let usage = b.usage_of(&name).await.unwrap();
    assert_eq!((usage.modules, usage.bytes), (1, 20));
    // A later release of the same name is no other name.
    allow(
        &b,
        &name,
        Quota {
            bytes: None,
            ..quota
        },
    )
    .await;
    let second = put(&[4; 9]).await.unwrap();
    let release = b.stage(&name, "one", second, "me").await.unwrap();
    assert_eq!(release.number, 2);
    b.activate(&name, "one", 2).await.unwrap();
});

broker_test!(
    who_is_over_a_lowered_quota_keeps_what_is_there,
    |b| async move {
        let name = tenant(&b, Quota::default()).await;
        add(&b, &name, 5).await.unwrap();
        allow(&b, &name, queued(2)).await;
        assert_over(add(&b, &name, 1).await, "queued", (2, 5));
        assert_eq!(Worker::new(&b).claim_all().await.len(), 5);
        // An attempt without fuel is worth nothing.
        let worker = Worker::new(&b);
        allow(&b, TENANT, queued(1)).await;
        b.add_plain(1).await;
        let claimed = worker.claim_one().await;
        let mut settlement = complete(&claimed, &[1]);
        settlement.attempt = Some(attempt(&claimed, Ending::Completed));
        worker.settle(settlement).await;
        b.add_plain(1).await;
    }
);
