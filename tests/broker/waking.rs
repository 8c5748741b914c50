//! Wait and signals: nobody polls, and nobody sleeps through what concerns it.
//! These are the only cases in which real time passes.

use std::time::{Duration, Instant};

use lovage_queue::broker::Signal;
use lovage_queue::job::{Job, JobId, State, When, WorkerId};
use lovage_queue::registry::Manifest;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::harness::signals::{SOON, hears, listen};
use super::harness::{Bench, TENANT, Worker, complete, discard, give_back, secs};

broker_test!(waiting_for_what_has_ended_answers_at_once, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[7]))
        .await;
    let ended = b.wait(TENANT, &[id], SOON * 100).await.unwrap();
    assert_eq!(ended[0].as_ref().unwrap().result, Some(vec![7].into()));
    assert!(b.wait(TENANT, &[], SOON * 100).await.unwrap().is_empty());
});

broker_test!(a_wait_is_ended_by_the_settlement, |b| async move {
    let id = b.add_plain(1).await[0];
    let waiting = wait(&b, vec![id]);
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "it still runs");
    worker.settle(discard(&claimed)).await;
    let ended = timeout(SOON, waiting).await.unwrap().unwrap();
    assert_eq!(ended[0].state, State::Discarded);
});

broker_test!(a_wait_is_ended_when_a_job_is_lost, |b| async move {
    let id = b.add(&b.jobs_with(1, |_, job| job.crash_limit = 1)).await[0];
    Worker::new(&b).claim_one().await;
    let waiting = wait(&b, vec![id]);
    b.pass(Worker::LEASE + secs(1));
    b.reclaim(b.home(), 10).await.unwrap();
    assert_eq!(
        timeout(SOON, waiting).await.unwrap().unwrap()[0].state,
        State::Discarded
    );
});

broker_test!(
    a_wait_for_several_ends_with_the_last_and_keeps_their_order,
    |b| async move {
        let mut ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        ids.reverse();
        let waiting = wait(&b, ids.clone());
        for it in &claimed[..2] {
            worker.settle(complete(it, &[1])).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished(), "one is left");
        worker.settle(complete(&claimed[2], &[1])).await;
        let ended = timeout(SOON, waiting).await.unwrap().unwrap();
        assert_eq!(ended.iter().map(|job| job.call.id).collect::<Vec<_>>(), ids);
    }
);

broker_test!(
    a_wait_brings_what_is_short_and_what_is_long,
    |b| async move {
        let ids = b.add_plain(3).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(3).await;
        let waiting = wait(&b, ids.clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
        worker.settle(complete(&claimed[0], &[1])).await;
        worker.settle(complete(&claimed[1], &[2; 20_000])).await;
        worker.settle(discard(&claimed[2])).await;
        let told = timeout(SOON, waiting).await.unwrap().unwrap();
        assert_eq!(told[0].result, Some(vec![1].into()));
        assert_eq!(told[1].result, Some(vec![2; 20_000].into()));
        assert_eq!(told[2].state, State::Discarded);
        let read = b.broker.jobs(TENANT, &ids).await.unwrap();
        let read: Vec<_> = read.into_iter().map(Option::unwrap).collect();
        assert_eq!(told, read, "told of an end is as good as reading it");
    }
);

broker_test!(
    a_wait_is_ended_by_its_own_tenants_job_of_an_id_alone,
    |b| async move {
        let tenants = b.neighbours(2);
        let job = b.job();
        for tenant in &tenants {
            b.enqueue(tenant, std::slice::from_ref(&job)).await.unwrap();
        }
        let waiting = tenants.iter().map(|it| wait_of(&b, it, vec![job.id]));
        let mut waiting: Vec<_> = waiting.collect();
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        for (n, it) in claimed.iter().enumerate() {
            worker.settle(complete(it, &[n as u8])).await;
            let whose = tenants.iter().position(|tenant| *tenant == it.tenant);
            let told = timeout(SOON, &mut waiting[whose.unwrap()]).await;
            let told = told.unwrap().unwrap().remove(0);
            assert_eq!(told.tenant, it.tenant);
            assert_eq!(told.result, Some(vec![n as u8].into()));
            if n == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert!(!waiting[1 - whose.unwrap()].is_finished(), "it still runs");
            }
        }
    }
);

broker_test!(several_may_wait_for_one_job, |b| async move {
    let id = b.add_plain(1).await[0];
    let waiting: Vec<_> = (0..5).map(|_| wait(&b, vec![id])).collect();
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    for it in waiting {
        timeout(SOON, it).await.unwrap().unwrap();
    }
});

broker_test!(a_wait_ends_with_its_time, |b| async move {
    let ids = b.add_plain(2).await;
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    let since = Instant::now();
    let jobs = b
        .wait(TENANT, &ids, Duration::from_millis(50))
        .await
        .unwrap();
    assert!(since.elapsed() >= Duration::from_millis(50));
    assert_eq!(jobs[0].as_ref().unwrap().state, State::Completed);
    assert_eq!(jobs[1].as_ref().unwrap().state, State::Available);
});

fn wait(b: &Bench, ids: Vec<JobId>) -> JoinHandle<Vec<Job>> {
    wait_of(b, TENANT, ids)
}

fn wait_of(b: &Bench, tenant: &str, ids: Vec<JobId>) -> JoinHandle<Vec<Job>> {
    let (broker, tenant) = (b.broker.clone(), tenant.to_owned());
    tokio::spawn(async move {
        let jobs = broker.wait(&tenant, &ids, SOON * 100).await.unwrap();
        jobs.into_iter().map(Option::unwrap).collect()
    })
}

broker_test!(an_idle_worker_hears_of_enqueued_work, |b| async move {
    let worker = Worker::new(&b);
    let mut signals = listen(&b, worker.id).await;
    for _ in 0..3 {
        assert!(worker.claim(1).await.is_empty());
        b.add_plain(1).await;
        hears(&mut signals, Signal::Work).await;
        worker.claim_one().await;
    }
});

broker_test!(
    a_worker_that_got_less_than_it_wants_is_idle_already,
    |b| async move {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        for _ in 0..3 {
            b.add_plain(2).await;
            assert_eq!(worker.claim(3).await.len(), 2);
            b.add_plain(1).await;
            hears(&mut signals, Signal::Work).await;
            worker.claim_one().await;
        }
    }
);

broker_test!(an_idle_worker_hears_of_promoted_work, |b| async move {
    let worker = Worker::new(&b);
    let mut signals = listen(&b, worker.id).await;
    b.add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(1))))
        .await;
    assert!(worker.claim(1).await.is_empty());
    b.pass(secs(1));
    b.promote(b.home(), 10).await.unwrap();
    hears(&mut signals, Signal::Work).await;
});

broker_test!(
    an_idle_worker_hears_of_work_that_is_given_back,
    |b| async move {
        let (other, worker) = (Worker::new(&b), Worker::new(&b));
        let mut signals = listen(&b, worker.id).await;
        b.add_plain(1).await;
        let claimed = other.claim_one().await;
        assert!(worker.claim(1).await.is_empty());
        other.settle(give_back(&claimed, secs(0))).await;
        hears(&mut signals, Signal::Work).await;
    }
);

broker_test!(an_idle_worker_hears_of_reclaimed_work, |b| async move {
    let worker = Worker::new(&b);
    let mut signals = listen(&b, worker.id).await;
    b.add_plain(1).await;
    Worker::new(&b).claim_one().await;
    b.pass(Worker::LEASE + secs(1));
    assert!(worker.claim(1).await.is_empty());
    b.reclaim(b.home(), 10).await.unwrap();
    hears(&mut signals, Signal::Work).await;
});

broker_test!(
    workers_hear_of_a_job_that_is_due_before_all_others,
    |b| async move {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        for delay in [20, 10] {
            b.add(&b.jobs_with(1, |_, job| job.eta = When::In(secs(delay))))
                .await;
            hears(&mut signals, Signal::Due).await;
        }
    }
);

broker_test!(workers_hear_of_a_staged_module, |b| async move {
    let worker = Worker::new(&b);
    let mut signals = listen(&b, worker.id).await;
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
    b.stage(TENANT, "basics", digest, "me").await.unwrap();
    hears(&mut signals, Signal::Staged).await;
});

broker_test!(
    whoever_begins_to_listen_hears_that_it_may_have_missed_something,
    |b| async move {
        let worker = Worker::new(&b);
        // Nobody could be told that it has found nothing, and so nobody of the job.
        assert!(worker.claim(1).await.is_empty());
        b.add_plain(1).await;
        let mut signals = b.signals(worker.id).await.unwrap();
        assert!(hears(&mut signals, Signal::Listening).await.is_empty());
        worker.claim_one().await;
        assert!(worker.claim(1).await.is_empty());
        b.add_plain(1).await;
        hears(&mut signals, Signal::Work).await;
    }
);

broker_test!(signals_end_with_the_broker, |b| async move {
    let mut signals = listen(&b, WorkerId::random()).await;
    drop(b);
    let end = async { while signals.recv().await.is_some() {} };
    timeout(SOON, end).await.expect("the signals went on");
});
