//! What those who look on see of workers, of how long jobs wait, and of tags.

use lovage_queue::broker::{BrokerError, Filter, Heartbeat, MAX_WORKER_ABOUT, WorkerStatus};
use lovage_queue::job::{State, WorkerId};

use super::harness::{BEGIN, Bench, TENANT, Worker, all, complete, secs};

/// A heartbeat of a worker that tells of its host.
fn telling(b: &Bench, worker: WorkerId, about: &[u8]) -> Heartbeat {
    Heartbeat {
        partition: b.home(),
        worker,
        lease: Worker::LEASE,
        queues: vec!["default".into()],
        compiled: Vec::new(),
        about: about.into(),
    }
}

broker_test!(a_worker_is_seen_as_long_as_it_lives, |b| async move {
    assert!(b.workers(TENANT).await.unwrap().is_empty());
    let worker = Worker::new(&b);
    let expect = |about: &[u8], expires| WorkerStatus {
        worker: worker.id,
        expires,
        about: about.into(),
        held: Vec::new(),
        others: 0,
    };
    worker.claim(1).await;
    let until = b.now().after(Worker::LEASE);
    assert_eq!(b.workers(TENANT).await.unwrap(), [expect(b"", until)]);
    b.pass(secs(5));
    let until = b.now().after(Worker::LEASE);
    for about in [&b"a host"[..], &[255; MAX_WORKER_ABOUT]] {
        b.extend(&telling(&b, worker.id, about)).await.unwrap();
        assert_eq!(b.workers(TENANT).await.unwrap(), [expect(about, until)]);
    }
    // A claim says nothing of the host, a heartbeat always does.
    b.pass(secs(1));
    worker.claim(1).await;
    let about = b.workers(TENANT).await.unwrap().remove(0).about;
    assert_eq!(about.len(), MAX_WORKER_ABOUT);
    worker.beat().await.unwrap();
    assert_eq!(b.workers(TENANT).await.unwrap().remove(0).about, b"");
    b.pass(Worker::LEASE);
    assert!(b.workers(TENANT).await.unwrap().is_empty());
});

broker_test!(what_a_worker_told_goes_with_its_lease, |b| async move {
    let (first, second) = (WorkerId(1), WorkerId(2));
    for worker in [first, second] {
        let beat = telling(&b, worker, b"a host");
        b.extend(&beat).await.unwrap();
    }
    b.retire(b.home(), first).await.unwrap();
    let left = b.workers(TENANT).await.unwrap();
    assert_eq!(
        left.iter().map(|it| it.worker).collect::<Vec<_>>(),
        [second]
    );
    b.pass(Worker::LEASE);
    b.reclaim(b.home(), 9).await.unwrap();
    let late = b.extend(&telling(&b, second, b"late")).await;
    assert!(matches!(late, Err(BrokerError::Dead(it)) if it == second));
    assert!(b.workers(TENANT).await.unwrap().is_empty());
});

broker_test!(a_worker_that_tells_too_much_is_refused, |b| async move {
    let much = [0; MAX_WORKER_ABOUT + 1];
    let told = b.extend(&telling(&b, WorkerId(1), &much)).await;
    let Err(BrokerError::Invalid(said)) = told else {
        panic!("it was to be refused: {told:?}");
    };
    assert!(said.contains("1025"), "{said}");
    assert!(b.workers(TENANT).await.unwrap().is_empty());
});

broker_test!(of_others_jobs_a_worker_shows_the_number, |b| async move {
    let other = b.neighbours(2).remove(1);
    let ours = b.add_plain(3).await;
    let theirs: Vec<_> = (0..2).map(|_| b.job_of(&other)).collect();
    b.enqueue(&other, &theirs).await.unwrap();
    let (worker, idle) = (Worker::new(&b), Worker::new(&b));
    let claimed = worker.claim(9).await;
    idle.claim(9).await;
    let mut ids = ours.clone();
    ids.sort_unstable();
    let workers = b.workers(TENANT).await.unwrap();
    assert!(workers.is_sorted_by_key(|it| it.worker.0));
    let of = |id: WorkerId| workers.iter().find(|it| it.worker == id).unwrap();
    assert_eq!((&of(worker.id).held, of(worker.id).others), (&ids, 2));
    assert_eq!((of(idle.id).held.len(), of(idle.id).others), (0, 0));
    for it in &claimed {
        worker.settle(complete(it, &[1])).await;
    }
    let workers = b.workers(TENANT).await.unwrap();
    assert!(
        workers
            .iter()
            .all(|it| it.held.is_empty() && it.others == 0)
    );
});

broker_test!(
    a_queue_says_since_when_its_oldest_job_waits,
    |b| async move {
        let jobs = b.jobs_with(4, |n, job| {
            job.lane = ["", "a", "b", ""][n].into();
            job.priority = [9, 0, 5, 0][n];
        });
        for job in &jobs {
            b.add(std::slice::from_ref(job)).await;
            b.pass(secs(1));
        }
        let at = |at| Some(BEGIN.after(secs(at)));
        for (n, job) in jobs.iter().enumerate() {
            assert_eq!(b.depths().await.oldest, at(n as u64));
            b.cancel(TENANT, &[job.id]).await.unwrap();
        }
        assert_eq!(b.depths().await.oldest, None);
        // A job that comes back waits since then.
        b.requeue(TENANT, &[jobs[0].id]).await.unwrap();
        assert_eq!(b.depths().await.oldest, at(4));
        let other = b.neighbours(2).remove(1);
        assert_eq!(b.depths_of(&other).await.oldest, None);
    }
);

broker_test!(the_oldest_is_found_behind_many_lanes, |b| async move {
    let jobs = b.jobs_with(300, |n, job| job.lane = format!("lane-{n}"));
    b.add(&jobs).await;
    b.pass(secs(60));
    assert_eq!(b.depths().await.oldest, Some(BEGIN));
    let lanes = b.lanes(TENANT, "default", 200).await.unwrap();
    assert_eq!(lanes.len(), 200);
    assert!(lanes.is_sorted_by(|a, b| a.lane < b.lane));
    assert!(
        lanes
            .iter()
            .all(|it| it.available == 1 && it.oldest == Some(BEGIN))
    );
    assert_eq!(
        b.lanes(TENANT, "default", u32::MAX).await.unwrap().len(),
        300
    );
});

broker_test!(jobs_are_listed_by_tag, |b| async move {
    let tags = [Some("red,blue"), Some("blue , green"), Some(""), None];
    let ids = b
        .add(&b.jobs_with(4, |n, job| {
            let headers = tags[n].map(|it| ("tags".to_owned(), it.to_owned()));
            job.options.headers = headers.into_iter().collect();
        }))
        .await;
    let find = async |tag: &str| {
        let filter = Filter {
            tag: Some(tag.into()),
            ..all(State::Available)
        };
        let page = b.list(TENANT, &filter).await.unwrap();
        page.jobs.iter().map(|it| it.call.id).collect::<Vec<_>>()
    };
    assert_eq!(find("blue").await, ids[..2]);
    assert_eq!(find("red").await, ids[..1]);
    assert_eq!(find("green").await, ids[1..2]);
    assert_eq!(find("re").await, []);
    assert_eq!(b.ids_in(State::Available).await, ids);
});
