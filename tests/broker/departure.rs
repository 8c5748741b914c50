//! Deleting a tenant: it is asked to stop, and at the end nothing names it.

use lovage_queue::broker::{
    BrokerError, Declared, FlowNode, NewFlow, Owner, Settled, Shelf, Signal, Tally,
};
use lovage_queue::clock::Millis;
use lovage_queue::job::{
    Conflict, JobId, Key, NewJob, Payload, Seat, State, Unique, Until, When, WithoutNode,
};
use lovage_queue::registry::{Digest, Manifest};
use lovage_queue::schedule::{Schedule, ScheduledCall, Trigger};
use lovage_queue::tenant::{Deletion, Quota, Tenant, Usage};

use super::harness::signals::{hears, listen};
use super::harness::{Bench, TENANT, Worker, all, at_once, complete, discard, secs};

const STEP: u32 = 100;

/// A tenant whose name is found nowhere else, where [`TENANT`] lives.
fn name_of(b: &Bench) -> String {
    (0..)
        .map(|n| format!("globex-{n}-inc"))
        .find(|it| b.partition(it) == b.home())
        .expect("one of them")
}

/// Deletes until nothing is left; how many calls that took.
async fn delete(b: &Bench, name: &str) -> u32 {
    let mut calls = 1;
    while b.delete_tenant(name, STEP).await.unwrap() == Deletion::More {
        calls += 1;
        assert!(calls < 10_000, "it comes to no end");
        // What lingers for three seconds does so by the broker's clock.
        if calls < 5 {
            b.pass(secs(1));
        }
    }
    calls
}

fn schedule(name: &str) -> Declared {
    let every = Trigger::Every {
        period: secs(60),
        from: None,
    };
    let call = ScheduledCall::new("basics", "add", vec![0x80]);
    Declared {
        schedule: Schedule::new(name, every, call),
        first: None,
    }
}

/// What twelve jobs of a tenant are like.
fn jobs(b: &Bench, name: &str, blob: Digest) -> Vec<NewJob> {
    let mut jobs: Vec<NewJob> = (0..12).map(|_| b.job_of(name)).collect();
    jobs[0].input = Payload::Blob {
        digest: blob,
        size: 70_000,
    };
    jobs[1].key = Some(Key::idempotency("once"));
    jobs[2].unique = Some(Unique {
        key: Key::unique("one"),
        until: Until::Done,
        conflict: Conflict::Existing,
    });
    jobs[3].eta = When::In(secs(900));
    jobs[4].expiry = Some(When::In(secs(900)));
    jobs[5].lane = "a-lane".into();
    jobs[6].queue = "elsewhere".into();
    jobs[7].result_ttl = Some(secs(900));
    jobs
}

/// Something of all that a tenant can have; its jobs are these.
async fn furnish(b: &Bench, name: &str) {
    let blob = Digest::of(&[1; 70_000]);
    furnish_with(b, name, &jobs(b, name, blob), JobId::new(b.partition(name))).await;
}

async fn furnish_with(b: &Bench, name: &str, jobs: &[NewJob], flow: JobId) {
    let module = b"a module";
    let manifest = Manifest {
        size: 8,
        tasks: Vec::new(),
        wants: Default::default(),
    };
    let digest = b.put(name, module, &manifest).await.unwrap();
    let release = b.stage(name, "basics", digest, "me").await.unwrap();
    b.activate(name, "basics", release.number).await.unwrap();
    let other = b.put(name, b"another", &manifest).await.unwrap();
    b.stage(name, "staged", other, "me").await.unwrap();
    b.put_blob(name, &[1; 70_000]).await.unwrap();
    b.put_blob(name, &[2; 70_000]).await.unwrap();
    b.enqueue(name, jobs).await.unwrap();
    b.limit(name, &"lanes:default".parse().unwrap(), &at_once(1))
        .await
        .unwrap();
    b.pause(name, &"queue:elsewhere".parse().unwrap(), true)
        .await
        .unwrap();
    let declared = [schedule("hourly"), schedule("daily")];
    b.declare(name, &Owner::Operator, &declared, false)
        .await
        .unwrap();
    b.put_entry(name, Shelf::Tokens, "a-token", b"secret")
        .await
        .unwrap();
    let tally = Tally {
        queue: "default".into(),
        task: "basics.add".into(),
        ..Tally::default()
    };
    b.tell(name, &[tally], &[b"it happened".to_vec()])
        .await
        .unwrap();
    let kept = [("a-key".to_owned(), name.as_bytes().to_vec())];
    b.set_many(name, "a-bucket", &kept).await.unwrap();
    b.increment(name, "another", name, 1).await.unwrap();
    build(b, name, flow).await;
}

async fn build(b: &Bench, name: &str, id: JobId) {
    let flow = NewFlow {
        id,
        name: "a flow".into(),
        nodes: 3,
        keep: None,
        about: b"about it".to_vec(),
    };
    b.begin_flow(name, &flow).await.unwrap();
    let node = |needs: &[u32], joins| {
        let mut job = b.job_of(name);
        job.seat = Some(Seat {
            flow: flow.id,
            joins,
            alarms: None,
            without: WithoutNode::Stops,
        });
        let needs = needs.to_vec();
        FlowNode { job, needs }
    };
    let nodes = [node(&[], Some(0)), node(&[], Some(0)), node(&[0], None)];
    b.add_nodes(name, flow.id, 0, &nodes).await.unwrap();
    b.start_flow(name, flow.id).await.unwrap();
}

broker_test!(at_the_end_nothing_names_it, |b| async move {
    let name = name_of(&b);
    let quota = Quota {
        running: Some(50),
        fuel: Some(1_000_000),
        ..Quota::default()
    };
    let tenant = Tenant {
        quota,
        ..Tenant::new(&name)
    };
    b.create_tenant(&tenant).await.unwrap();
    furnish(&b, &name).await;
    let kept = b.add_plain(3).await;
    let worker = Worker::new(&b);
    let mut claimed = worker.claim_all().await;
    claimed.retain(|it| it.tenant == name);
    assert!(claimed.len() > 4, "{}", claimed.len());
    worker.settle(complete(&claimed[0], &[1])).await;
    worker.settle(discard(&claimed[1])).await;
    b.wait(&name, &[claimed[2].id], secs(0)).await.unwrap();
    assert!(!b.mentions(&name).await.is_empty());
    delete(&b, &name).await;
    assert_eq!(b.mentions(&name).await, [""; 0]);
    // What ran is settled as missing, and changes nothing.
    let settled = worker.settle(complete(&claimed[2], &[1])).await;
    assert_eq!(settled, Settled::Missing);
    assert!(worker.beat().await.unwrap().cancelled.is_empty());
    assert!(worker.claim_all().await.is_empty());
    assert_eq!(b.mentions(&name).await, [""; 0]);
    // The others have what they had.
    let states = b.states(&kept).await;
    assert_eq!(states, [State::Running; 3]);
    // The name is free, and the new tenant begins with nothing.
    assert_eq!(
        b.delete_tenant(&name, STEP).await.unwrap(),
        Deletion::Missing
    );
    assert!(b.create_tenant(&Tenant::new(&name)).await.unwrap());
    assert_eq!(b.usage_of(&name).await.unwrap(), Usage::default());
    b.enqueue(&name, &[b.job_of(&name)]).await.unwrap();
    assert_eq!(worker.claim_one().await.target, None);
});

/// All that a tenant sees of its own.
async fn sight(b: &Bench, name: &str, ids: &[JobId]) -> String {
    let (from, minutes) = (Millis(b.now().0 / 3_600_000 * 3_600_000), 60);
    let workers = b.workers(name).await.unwrap();
    let held: Vec<_> = workers.into_iter().map(|it| it.held).collect();
    let parts = (
        b.jobs(name, ids).await.unwrap(),
        b.counts(name).await.unwrap(),
        b.limits(name).await.unwrap(),
        (b.active(name).await.unwrap(), held),
        b.blob(name, Digest::of(&[1; 70_000])).await.unwrap(),
        b.module(name, Digest::of(b"a module")).await.unwrap(),
        b.entries(name, Shelf::Tokens).await.unwrap(),
        b.history(name, from, minutes).await.unwrap(),
        b.events(name, None, 10).await.unwrap(),
        b.usage_of(name).await.unwrap(),
        b.flows(name, 0, 10).await.unwrap(),
        b.buckets(name).await.unwrap(),
    );
    format!("{parts:?}")
}

broker_test!(
    who_has_the_same_ids_names_and_digests_keeps_everything,
    |b| async move {
        let name = name_of(&b);
        let jobs = jobs(&b, &name, Digest::of(&[1; 70_000]));
        let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
        let flow = JobId::new(b.home());
        for tenant in [TENANT, &name] {
            furnish_with(&b, tenant, &jobs, flow).await;
        }
        let worker = Worker::new(&b);
        for it in worker.claim(8).await {
            worker.settle(complete(&it, it.tenant.as_bytes())).await;
        }
        worker.claim(2).await;
        let before = sight(&b, TENANT, &ids).await;
        assert!(!before.contains(&name), "{before}");
        delete(&b, &name).await;
        assert_eq!(sight(&b, TENANT, &ids).await, before);
        assert_eq!(b.mentions(&name).await, [""; 0]);
    }
);

broker_test!(a_tenant_without_a_record_goes_as_well, |b| async move {
    let name = name_of(&b);
    furnish(&b, &name).await;
    delete(&b, &name).await;
    assert_eq!(b.mentions(&name).await, [""; 0]);
});

broker_test!(a_large_tenant_goes_in_bounded_steps, |b| async move {
    let name = name_of(&b);
    for _ in 0..5 {
        let jobs: Vec<_> = (0..200).map(|_| b.job_of(&name)).collect();
        b.enqueue(&name, &jobs).await.unwrap();
    }
    let calls = delete(&b, &name).await;
    assert!(calls >= 10, "{calls}");
    assert_eq!(b.mentions(&name).await, [""; 0]);
});

broker_test!(
    while_it_goes_it_is_asked_to_stop_and_takes_nothing,
    |b| async move {
        let name = name_of(&b);
        b.enqueue(&name, &[b.job_of(&name), b.job_of(&name)])
            .await
            .unwrap();
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        let claimed = worker.claim_one().await;
        assert_eq!(b.delete_tenant(&name, STEP).await.unwrap(), Deletion::More);
        hears(&mut signals, Signal::Cancel(name.clone(), claimed.id)).await;
        let told = worker.beat().await.unwrap().cancelled;
        assert_eq!(told, [(name.clone(), claimed.id)]);
        let record = b.find_tenant(&name).await.unwrap();
        if let Some(record) = record {
            assert_eq!(record.leaving, Some(b.now()));
        }
        let gone = |answer: Result<(), BrokerError>| {
            assert!(matches!(answer, Err(BrokerError::Missing(_))), "{answer:?}");
        };
        gone(b.enqueue(&name, &[b.job_of(&name)]).await.map(drop));
        gone(b.put_blob(&name, b"x").await.map(drop));
        gone(b.put_entry(&name, Shelf::Tokens, "t", b"x").await);
        gone(b.tell(&name, &[], &[b"it".to_vec()]).await);
        gone(b.set_many(&name, "b", &[]).await);
        gone(b.cancel(&name, &[claimed.id]).await.map(drop));
        gone(b.pause(&name, &"tenant".parse().unwrap(), false).await);
        gone(
            b.declare(&name, &Owner::Operator, &[schedule("s")], false)
                .await,
        );
        gone(b.create_tenant(&Tenant::new(&name)).await.map(drop));
        let manifest = Manifest {
            size: 1,
            tasks: Vec::new(),
            wants: Default::default(),
        };
        gone(b.put(&name, b"m", &manifest).await.map(drop));
        // Nothing of it starts, and what stops in time is recorded.
        assert!(worker.claim_all().await.is_empty());
        let settled = worker.settle(complete(&claimed, &[1])).await;
        assert_eq!(settled, Settled::Recorded);
        delete(&b, &name).await;
        assert_eq!(b.mentions(&name).await, [""; 0]);
    }
);

broker_test!(the_default_tenant_stays, |b| async move {
    let refused = b.delete_tenant(TENANT, STEP).await;
    assert!(matches!(refused, Err(BrokerError::Invalid(_))));
    let none = b.delete_tenant("nobody-at-all", STEP).await.unwrap();
    assert_eq!(none, Deletion::Missing);
});

broker_test!(who_waits_for_a_job_of_it_hears, |b| async move {
    let name = name_of(&b);
    let job = b.job_of(&name);
    let id = job.id;
    b.enqueue(&name, &[job]).await.unwrap();
    let (broker, whose) = (b.broker.clone(), name.clone());
    let waits = tokio::spawn(async move { broker.wait(&whose, &[id], secs(60)).await });
    // Whether it waits already or not, it hears.
    tokio::task::yield_now().await;
    delete(&b, &name).await;
    assert_eq!(waits.await.unwrap().unwrap(), [None]);
    assert_eq!(b.mentions(&name).await, [""; 0]);
    let page = b.list(&name, &all(State::Available)).await.unwrap();
    assert!(page.jobs.is_empty());
});
