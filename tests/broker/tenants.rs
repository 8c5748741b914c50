//! Tenants share workers and see nothing of each other.

use lovage_queue::broker::{Cancelled, Settled, Signal};
use lovage_queue::job::State;
use lovage_queue::registry::Manifest;

use super::harness::signals::{hears, listen};
use super::harness::{TENANT, Worker, all, cancel, complete};

broker_test!(tenants_do_not_see_each_others_jobs, |b| async move {
    let other = b.neighbours(2).remove(1);
    let ids = b.add_plain(2).await;
    assert_eq!(b.jobs(&other, &ids).await.unwrap(), [None, None]);
    assert!(
        b.list(&other, &all(State::Available))
            .await
            .unwrap()
            .jobs
            .is_empty()
    );
    assert!(b.counts(&other).await.unwrap().is_empty());
    assert_eq!(b.checkpoint(&other, ids[0]).await.unwrap(), None);
    assert_eq!(b.depths_of(&other).await.available, 0);
});

broker_test!(one_id_in_two_tenants_is_two_jobs, |b| async move {
    let tenants = b.neighbours(2);
    let job = b.job();
    for tenant in &tenants {
        b.enqueue(tenant, std::slice::from_ref(&job)).await.unwrap();
    }
    let worker = Worker::new(&b);
    let claimed = worker.claim(9).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(
        worker.settle(complete(&claimed[0], &[1])).await,
        Settled::Recorded
    );
    let states = [&claimed[0].tenant, &claimed[1].tenant].map(|tenant| {
        let broker = b.broker.clone();
        async move {
            broker.jobs(tenant, &[job.id]).await.unwrap()[0]
                .as_ref()
                .unwrap()
                .state
        }
    });
    let [first, second] = states;
    assert_eq!(
        (first.await, second.await),
        (State::Completed, State::Running)
    );
});

broker_test!(
    a_cancel_stops_its_own_tenants_job_of_an_id_alone,
    |b| async move {
        let tenants = b.neighbours(2);
        let job = b.job();
        for tenant in &tenants {
            b.enqueue(tenant, std::slice::from_ref(&job)).await.unwrap();
        }
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        let claimed = worker.claim(9).await;
        let of = |tenant: &String| (tenant.clone(), job.id);
        let stop = async |tenant: &String| {
            assert_eq!(
                b.cancel(tenant, &[job.id]).await.unwrap(),
                [Cancelled::Asked]
            );
        };
        let told = async || {
            let mut told = worker.beat().await.unwrap().cancelled;
            told.sort();
            told
        };
        stop(&tenants[1]).await;
        let before = hears(&mut signals, Signal::Cancel(tenants[1].clone(), job.id)).await;
        let theirs = Signal::Cancel(tenants[0].clone(), job.id);
        assert!(!before.contains(&theirs), "{before:?}");
        assert_eq!(told().await, [of(&tenants[1])]);
        stop(&tenants[0]).await;
        hears(&mut signals, theirs).await;
        assert_eq!(told().await, [of(&tenants[0]), of(&tenants[1])]);
        // The end of one leaves the other asked.
        for (n, it) in claimed.iter().enumerate() {
            assert_eq!(worker.settle(cancel(it)).await, Settled::Recorded);
            let left: Vec<_> = claimed[n + 1..].iter().map(|it| of(&it.tenant)).collect();
            assert_eq!(told().await, left);
        }
    }
);

broker_test!(
    a_settlement_reaches_its_own_tenants_job_alone,
    |b| async move {
        let other = b.neighbours(2).remove(1);
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let mut settlement = complete(&claimed, &[1]);
        settlement.tenant = other;
        assert_eq!(worker.settle(settlement).await, Settled::Missing);
        assert_eq!(b.look(claimed.id).await.state, State::Running);
    }
);

broker_test!(tenants_do_not_see_each_others_modules, |b| async move {
    let other = b.neighbours(2).remove(1);
    let digest = b
        .put(
            TENANT,
            b"a module",
            &Manifest {
                size: 8,
                tasks: Vec::new(),
                wants: Default::default(),
            },
        )
        .await
        .unwrap();
    let release = b.stage(TENANT, "basics", digest, "me").await.unwrap();
    b.activate(TENANT, "basics", release.number).await.unwrap();
    assert_eq!(b.module(&other, digest).await.unwrap(), None);
    assert_eq!(b.manifest(&other, digest).await.unwrap(), None);
    assert!(b.releases(&other, "basics").await.unwrap().is_empty());
    assert!(b.active(&other).await.unwrap().is_empty());
    b.enqueue(&other, &[b.job_of(&other)]).await.unwrap();
    assert_eq!(Worker::new(&b).claim_one().await.target, None);
});
