//! Several writers at one file, as several processes have them.

use super::*;

/// A worker's signals, from the first that says something of another process.
async fn listen(broker: &SqliteBroker, worker: WorkerId) -> Signals {
    let mut signals = broker.signals(worker).await.unwrap();
    assert_eq!(signals.recv().await, Some(Signal::Listening));
    signals
}

#[tokio::test]
async fn an_idle_worker_hears_of_another_process_work() {
    let (_dir, path) = place();
    let (clock, _) = clock();
    let ours = SqliteBroker::open(&path, clock.clone()).await.unwrap();
    let theirs = another(&path, &clock).await;
    let worker = WorkerId::random();
    let mut signals = listen(&ours, worker).await;
    assert!(ours.claim(&claim(worker, 1)).await.unwrap().is_empty());
    theirs.enqueue(TENANT, &[job()]).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, signals.recv()).await.unwrap(),
        Some(Signal::Work)
    );

    let later = NewJob {
        eta: When::In(Duration::from_secs(60)),
        ..job()
    };
    theirs.enqueue(TENANT, &[later]).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, signals.recv()).await.unwrap(),
        Some(Signal::Due)
    );

    let digest = theirs
        .put(
            TENANT,
            b"a module",
            &Manifest {
                size: 8,
                tasks: vec![],
                wants: Default::default(),
            },
        )
        .await
        .unwrap();
    theirs.stage(TENANT, "basics", digest, "me").await.unwrap();
    assert_eq!(
        timeout(PATIENCE, signals.recv()).await.unwrap(),
        Some(Signal::Staged)
    );
}

#[tokio::test]
async fn a_waiter_hears_of_another_process_settlement() {
    let (_dir, path) = place();
    let ours = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let theirs = another(&path, &Clock::Store).await;
    let job = job();
    ours.enqueue(TENANT, std::slice::from_ref(&job))
        .await
        .unwrap();
    let waiting = tokio::spawn(async move { ours.wait(TENANT, &[job.id], PATIENCE * 10).await });
    let worker = WorkerId::random();
    let claimed = theirs.claim(&claim(worker, 1)).await.unwrap();
    theirs
        .settle(worker, &[done(&claimed[0], worker)])
        .await
        .unwrap();
    let ended = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(ended[0].as_ref().unwrap().state, State::Completed);
}

#[tokio::test]
async fn two_processes_that_write_at_once_both_get_on() {
    let (_dir, path) = place();
    let one = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let two = another(&path, &Clock::Store).await;
    let add = |broker: SqliteBroker| {
        tokio::spawn(async move {
            for _ in 0..200 {
                broker.enqueue(TENANT, &[job()]).await.unwrap();
            }
        })
    };
    let (first, second) = (add(one.clone()), add(two));
    timeout(PATIENCE, first).await.unwrap().unwrap();
    timeout(PATIENCE, second).await.unwrap().unwrap();
    assert_eq!(one.counts(TENANT).await.unwrap()[0].available, 400);
}

#[tokio::test]
async fn a_worker_hears_that_another_process_cancelled_its_job() {
    let (_dir, path) = place();
    let ours = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let theirs = another(&path, &Clock::Store).await;
    let worker = WorkerId::random();
    let mut signals = listen(&ours, worker).await;
    let jobs = [job(), job()];
    ours.enqueue(TENANT, &jobs).await.unwrap();
    let claimed = ours.claim(&claim(worker, 1)).await.unwrap();
    for it in &claimed {
        let answer = theirs.cancel(TENANT, &[it.id]).await.unwrap();
        assert_eq!(answer, [Cancelled::Asked]);
        assert_eq!(
            timeout(PATIENCE, signals.recv()).await.unwrap(),
            Some(Signal::Cancel(TENANT.into(), it.id))
        );
    }
    let beat = Heartbeat {
        partition: Partition(0),
        worker,
        lease: PATIENCE,
        queues: vec!["default".into()],
        compiled: Vec::new(),
        about: Vec::new(),
    };
    let asked = ours.extend(&beat).await.unwrap().cancelled;
    let of = |id| (TENANT.to_owned(), id);
    assert_eq!(asked, ids(&claimed).into_iter().map(of).collect::<Vec<_>>());
    // What is settled is asked no more, and the next is told apart from it.
    ours.settle(worker, &[done(&claimed[1], worker)])
        .await
        .unwrap();
    let asked = theirs.extend(&beat).await.unwrap().cancelled;
    assert_eq!(asked, [of(claimed[0].id)]);
    let third = job();
    ours.enqueue(TENANT, std::slice::from_ref(&third))
        .await
        .unwrap();
    ours.claim(&claim(worker, 2)).await.unwrap();
    theirs.cancel(TENANT, &[third.id]).await.unwrap();
    // Its first claim had got less than it wanted, so it also hears of the third job.
    for signal in [Signal::Work, Signal::Cancel(TENANT.into(), third.id)] {
        assert_eq!(
            timeout(PATIENCE, signals.recv()).await.unwrap(),
            Some(signal)
        );
    }
}

#[tokio::test]
async fn an_idle_worker_hears_that_another_process_lifted_a_pause() {
    let (_dir, path) = place();
    let ours = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let theirs = another(&path, &Clock::Store).await;
    let worker = WorkerId::random();
    let mut signals = listen(&ours, worker).await;
    theirs.pause(TENANT, &Scope::Tenant, true).await.unwrap();
    ours.enqueue(TENANT, &[job()]).await.unwrap();
    assert!(ours.claim(&claim(worker, 1)).await.unwrap().is_empty());
    theirs.pause(TENANT, &Scope::Tenant, false).await.unwrap();
    let heard = timeout(PATIENCE, signals.recv()).await.unwrap();
    assert_eq!(heard, Some(Signal::Work));
    assert_eq!(ours.claim(&claim(worker, 2)).await.unwrap().len(), 1);
}
