//! Quotas: each at its edge, by whoever works, and nobody else waits for it.

use std::time::Duration;

use lovage_queue::broker::{
    BrokerError, Enqueued, FlowNode, NewFlow, Result, Retention, TenantChange,
};
use lovage_queue::job::{JobId, Seat, State, WithoutNode};
use lovage_queue::registry::Manifest;
use lovage_queue::task::Rate;
use lovage_queue::tenant::{Quota, Tenant, Usage};

use super::harness::{
    Bench, TENANT, Worker, at_once, attempt, complete, discard, give_back, paced, secs, unlimited,
};

/// A tenant with a quota, beside [`TENANT`].
async fn tenant(b: &Bench, quota: Quota) -> String {
    let name = b.neighbours(2).remove(1);
    let tenant = Tenant {
        quota,
        ..Tenant::new(&name)
    };
    assert!(b.create_tenant(&tenant).await.unwrap());
    name
}

async fn allow(b: &Bench, name: &str, quota: Quota) {
    let change = TenantChange::Terms(1, quota);
    b.change_tenant(name, &change).await.unwrap();
}

async fn add(b: &Bench, tenant: &str, count: usize) -> Result<Vec<Enqueued>> {
    let jobs: Vec<_> = (0..count).map(|_| b.job_of(tenant)).collect();
    b.enqueue(tenant, &jobs).await
}

/// Which quota refused it, and what it said of itself.
#[track_caller]
fn assert_over<T: std::fmt::Debug>(answer: Result<T>, name: &str, expected: (u64, u64)) {
    match answer {
        Err(BrokerError::Quota {
            quota, limit, used, ..
        }) => assert_eq!((quota.as_str(), (limit, used)), (name, expected)),
        other => panic!("it was to be refused: {other:?}"),
    }
}

fn running(count: u32) -> Quota {
    Quota {
        running: Some(count),
        ..Quota::default()
    }
}

fn queued(count: u64) -> Quota {
    Quota {
        queued: Some(count),
        ..Quota::default()
    }
}

fn bytes(count: u64) -> Quota {
    Quota {
        bytes: Some(count),
        ..Quota::default()
    }
}

broker_test!(a_tenants_record_is_kept, |b| async move {
    let name = tenant(&b, queued(7)).await;
    let found = b.find_tenant(&name).await.unwrap().unwrap();
    let expected = Tenant {
        created: b.now(),
        quota: queued(7),
        ..Tenant::new(&name)
    };
    assert_eq!(found, expected);
    assert!(!b.create_tenant(&Tenant::new(&name)).await.unwrap());
    assert!(!b.create_tenant(&Tenant::new(TENANT)).await.unwrap());
    let rate = Rate {
        count: 5,
        period: secs(60),
    };
    let quota = Quota {
        running: Some(1),
        rate: Some(rate),
        queued: Some(2),
        bytes: Some(3),
        modules: Some(4),
        module_size: Some(5),
        fuel: Some(6),
    };
    let change = TenantChange::Terms(9, quota);
    b.change_tenant(&name, &change).await.unwrap();
    b.change_tenant(&name, &TenantChange::Suspended(true))
        .await
        .unwrap();
    let found = b.find_tenant(&name).await.unwrap().unwrap();
    assert_eq!((found.weight, found.quota), (9, quota));
    assert!(found.suspended);
    assert_eq!(found.created, expected.created);
});

broker_test!(
    there_is_a_default_tenant_and_none_that_nobody_made,
    |b| async move {
        let found = b.find_tenant(TENANT).await.unwrap();
        assert_eq!(found, Some(Tenant::new(TENANT)));
        assert_eq!(b.find_tenant("nobody").await.unwrap(), None);
        let change = TenantChange::Suspended(true);
        let refused = b.change_tenant("nobody", &change).await;
        assert!(matches!(refused, Err(BrokerError::Missing(_))));
        let zero = TenantChange::Terms(0, Quota::default());
        let refused = b.change_tenant(TENANT, &zero).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))));
        let refused = b.create_tenant(&Tenant::new("No Name")).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))));
    }
);

broker_test!(tenants_are_listed_by_name_page_by_page, |b| async move {
    for name in ["zoo", "acme", "initech", "default-2"] {
        assert!(b.create_tenant(&Tenant::new(name)).await.unwrap());
    }
    let page = async |after: &str, limit| {
        let some = b.tenants(after, limit).await.unwrap();
        some.into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    let all = ["acme", "default", "default-2", "initech", "zoo"];
    assert_eq!(page("", 100).await, all);
    assert_eq!(page("", 2).await, all[..2]);
    assert_eq!(page("default", 2).await, all[2..4]);
    assert_eq!(page("zoo", 2).await, [""; 0]);
    // With a record it stands there once.
    allow(&b, TENANT, queued(5)).await;
    assert_eq!(page("", 100).await, all);
});

broker_test!(
    no_more_run_at_once_than_the_quota_says_and_others_do_not_wait,
    |b| async move {
        let name = tenant(&b, running(2)).await;
        add(&b, &name, 5).await.unwrap();
        b.add_plain(3).await;
        let workers = [Worker::new(&b), Worker::new(&b)];
        let mut claimed = workers[0].claim_all().await;
        claimed.extend(workers[1].claim_all().await);
        let theirs = |it: &&lovage_queue::broker::Claimed| it.tenant == name;
        assert_eq!(claimed.iter().filter(theirs).count(), 2);
        assert_eq!(claimed.len(), 5);
        assert_eq!(b.usage_of(&name).await.unwrap().running, 2);
        // One that ends lets the next one on, and one that is given back as well.
        let mut held = claimed.iter().filter(theirs);
        let first = held.next().unwrap();
        workers[0].settle(complete(first, &[1])).await;
        assert_eq!(workers[1].claim_all().await.len(), 1);
        let second = held.next().unwrap();
        workers[0].settle(give_back(second, Duration::ZERO)).await;
        assert_eq!(workers[1].claim_all().await.len(), 1);
        // Without a quota all may run.
        allow(&b, &name, Quota::default()).await;
        assert_eq!(workers[0].claim_all().await.len(), 2);
    }
);

broker_test!(a_quota_holds_for_what_runs_already, |b| async move {
    let name = tenant(&b, Quota::default()).await;
    add(&b, &name, 4).await.unwrap();
    let worker = Worker::new(&b);
    let claimed = worker.claim(2).await;
    allow(&b, &name, running(2)).await;
    assert!(worker.claim_all().await.is_empty());
    worker.settle(complete(&claimed[0], &[1])).await;
    assert_eq!(worker.claim_all().await.len(), 1);
});

broker_test!(
    of_a_tenants_own_limit_and_its_quota_the_stricter_holds,
    |b| async move {
        let name = tenant(&b, running(3)).await;
        let own = async |limit| {
            let scope = "tenant".parse().unwrap();
            b.limit(&name, &scope, &limit).await.unwrap();
        };
        own(at_once(2)).await;
        add(&b, &name, 9).await.unwrap();
        let worker = Worker::new(&b);
        let first = worker.claim_all().await;
        assert_eq!(first.len(), 2, "its own word is stricter");
        own(at_once(8)).await;
        assert_eq!(worker.claim_all().await.len(), 1, "the operator's is");
        own(unlimited()).await;
        assert!(worker.claim_all().await.is_empty());
        // Its own word stays its own.
        own(at_once(8)).await;
        let limits = b.limits(&name).await.unwrap();
        assert_eq!(limits.len(), 1);
        assert_eq!(limits[0].limit, at_once(8));
        assert_eq!(limits[0].running, 3);
    }
);

broker_test!(
    starts_keep_to_the_quotas_rate_whatever_the_tenant_says,
    |b| async move {
        let rate = Rate {
            count: 1,
            period: secs(10),
        };
        let quota = Quota {
            rate: Some(rate),
            ..Quota::default()
        };
        let name = tenant(&b, quota).await;
        let own = async |limit| {
            let scope = "tenant".parse().unwrap();
            b.limit(&name, &scope, &limit).await.unwrap();
        };
        add(&b, &name, 9).await.unwrap();
        let worker = Worker::new(&b);
        let mut started = 0;
        for second in 0..40 {
            // A word of the tenant's own begins no pace anew.
            own(paced(100 + second % 2, secs(1))).await;
            started += worker.claim_all().await.len();
            b.pass(secs(1));
            b.promote_all().await;
        }
        assert_eq!(started, 4, "one each ten seconds");
        own(paced(1, secs(60))).await;
        let mut started = 0;
        for _ in 0..120 {
            b.pass(secs(1));
            b.promote_all().await;
            started += worker.claim_all().await.len();
        }
        assert!((2..=3).contains(&started), "its own is slower: {started}");
    }
);

broker_test!(fuel_is_a_bucket_of_a_minute, |b| async move {
    let quota = Quota {
        fuel: Some(60_000),
        ..Quota::default()
    };
    let name = tenant(&b, quota).await;
    add(&b, &name, 9).await.unwrap();
    let worker = Worker::new(&b);
    let burn = async |it: &lovage_queue::broker::Claimed, fuel| {
        let mut settlement = complete(it, &[1]);
        settlement.attempt.as_mut().unwrap().fuel = fuel;
        worker.settle(settlement).await;
    };
    let claimed = worker.claim(3).await;
    // A minute's worth at once is all right…
    burn(&claimed[0], 60_000).await;
    assert_eq!(b.usage_of(&name).await.unwrap().fuel, 60_000);
    let next = worker.claim(1).await;
    assert_eq!(next.len(), 1);
    // …and one more unit is not, for as long as it takes to pay it off.
    burn(&next[0], 3_000).await;
    b.add_plain(1).await;
    let others = worker.claim_all().await;
    assert_eq!(others.len(), 1, "nobody else waits");
    assert_eq!(others[0].tenant, TENANT);
    let wait = b.promote(b.home(), 1_000).await.unwrap().next;
    assert_eq!(wait, Some(secs(3)), "a thousand a second");
    b.pass(secs(3) - Duration::from_millis(1));
    b.promote_all().await;
    assert!(worker.claim_all().await.is_empty());
    b.pass(Duration::from_millis(1));
    b.promote_all().await;
    let again = worker.claim_all().await;
    assert!(!again.is_empty());
    assert_eq!(b.usage_of(&name).await.unwrap().fuel, 60_000);
    // Failed attempts burn too.
    let mut failed = discard(&again[0]);
    failed.attempt.as_mut().unwrap().fuel = 6_000;
    worker.settle(failed).await;
    assert_eq!(b.usage_of(&name).await.unwrap().fuel, 66_000);
    b.pass(secs(600));
    assert_eq!(b.usage_of(&name).await.unwrap().fuel, 0);
});

broker_test!(
    pruning_forgets_no_debt_and_a_lifted_quota_has_none,
    |b| async move {
        let quota = Quota {
            fuel: Some(1_000),
            ..Quota::default()
        };
        let name = tenant(&b, quota).await;
        add(&b, &name, 3).await.unwrap();
        let worker = Worker::new(&b);
        let claimed = worker.claim(1).await;
        let mut settlement = complete(&claimed[0], &[1]);
        settlement.attempt.as_mut().unwrap().fuel = 1_500;
        worker.settle(settlement).await;
        for _ in 0..3 {
            b.prune(b.home(), &Retention::default(), 100).await.unwrap();
        }
        assert!(worker.claim_all().await.is_empty());
        allow(&b, &name, Quota::default()).await;
        assert_eq!(worker.claim_all().await.len(), 2);
        allow(&b, &name, quota).await;
        assert_eq!(b.usage_of(&name).await.unwrap().fuel, 0);
    }
);

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
        let again = lovage_queue::job::NewJob::new(known.id, "basics", "add", vec![1]);
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
        job.expiry = (way == 4).then_some(lovage_queue::job::When::In(secs(5)));
        job.eta = match way {
            3..=4 => lovage_queue::job::When::In(secs(9)),
            _ => lovage_queue::job::When::Now,
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
    nothing_of_a_suspended_tenant_starts_and_nothing_new_is_taken,
    |b| async move {
        let name = tenant(&b, Quota::default()).await;
        add(&b, &name, 3).await.unwrap();
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(1).await;
        let mine = claimed.iter().find(|it| it.tenant == name).unwrap();
        let suspend = async |it| {
            let change = TenantChange::Suspended(it);
            b.change_tenant(&name, &change).await.unwrap();
        };
        suspend(true).await;
        let refused = add(&b, &name, 1).await;
        assert!(
            matches!(refused, Err(BrokerError::Suspended)),
            "{refused:?}"
        );
        let manifest = Manifest {
            size: 1,
            tasks: Vec::new(),
        };
        let refused = b.put(&name, b"m", &manifest).await;
        assert!(
            matches!(refused, Err(BrokerError::Suspended)),
            "{refused:?}"
        );
        assert!(
            worker
                .claim_all()
                .await
                .iter()
                .all(|it| it.tenant == TENANT)
        );
        // What runs goes on, with a result in a blob too.
        b.put_blob(&name, &[1; 70_000]).await.unwrap();
        let settled = worker.settle(complete(mine, &[1])).await;
        assert_eq!(settled, lovage_queue::broker::Settled::Recorded);
        assert!(worker.claim_all().await.is_empty());
        suspend(false).await;
        assert_eq!(worker.claim_all().await.len(), 2);
        add(&b, &name, 1).await.unwrap();
    }
);

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
        settlement.attempt = Some(attempt(&claimed, lovage_queue::job::Ending::Completed));
        worker.settle(settlement).await;
        b.add_plain(1).await;
    }
);
