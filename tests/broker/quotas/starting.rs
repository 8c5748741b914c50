//! What may start: jobs at once, jobs in a time, fuel; and what is suspended.

use std::time::Duration;

use lovage_queue::broker::{BrokerError, Claimed, Retention, Settled, TenantChange};
use lovage_queue::registry::Manifest;
use lovage_queue::task::Rate;
use lovage_queue::tenant::Quota;

use super::{add, allow, running, tenant};
use crate::broker::harness::{
    TENANT, Worker, at_once, complete, discard, give_back, paced, secs, unlimited,
};

broker_test!(
    no_more_run_at_once_than_the_quota_says_and_others_do_not_wait,
    |b| async move {
        let name = tenant(&b, running(2)).await;
        add(&b, &name, 5).await.unwrap();
        b.add_plain(3).await;
        let workers = [Worker::new(&b), Worker::new(&b)];
        let mut claimed = workers[0].claim_all().await;
        claimed.extend(workers[1].claim_all().await);
        let theirs = |it: &&Claimed| it.tenant == name;
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
    let burn = async |it: &Claimed, fuel| {
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
    nothing_of_a_suspended_tenant_starts_and_nothing_new_is_taken,
    |b| async move {
        let name = tenant(&b, Quota::default()).await;
        add(&b, &name, 3).await.unwrap();
        let worker = Worker::new(&b);
        let mine = &worker.claim(1).await[0];
        b.add_plain(1).await;
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
            wants: Default::default(),
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
        assert_eq!(settled, Settled::Recorded);
        assert!(worker.claim_all().await.is_empty());
        suspend(false).await;
        assert_eq!(worker.claim_all().await.len(), 2);
        add(&b, &name, 1).await.unwrap();
    }
);
