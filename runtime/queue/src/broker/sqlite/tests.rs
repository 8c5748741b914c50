//! What is promised of a file and of several processes at it. What is promised
//! of every broker stands in `tests/broker`.

use std::sync::atomic::AtomicU64;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::broker::Signal;
use crate::job::{Action, Attempt, Ending, State};

const SOON: Duration = Duration::from_secs(5);
const TENANT: &str = "default";

fn place() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lovage.db");
    (dir, path)
}

/// A broker with a writer of its own, as another process has.
async fn another(path: &Path, clock: &Clock) -> SqliteBroker {
    let path = path.canonicalize().unwrap();
    let open = move || Core::apart(path, "sqlite:another".into(), Durability::Process);
    let core = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
    SqliteBroker {
        core: Arc::new(core),
        clock: clock.clone(),
    }
}

fn job() -> NewJob {
    NewJob::new(JobId::new(Partition(0)), "basics", "add", vec![0x80])
}

fn claim(worker: WorkerId, number: u64) -> Claim {
    Claim {
        partition: Partition(0),
        worker,
        number,
        queues: vec![("default".into(), 10)],
        max: 10,
        lease: Duration::from_secs(10),
    }
}

fn done(claimed: &Claimed, worker: WorkerId) -> Settlement {
    Settlement {
        tenant: claimed.tenant.clone(),
        id: claimed.id,
        delivery: claimed.delivery,
        queue: claimed.queue.clone(),
        action: Action::Complete(vec![1]),
        attempt: Some(Attempt {
            ending: Ending::Completed,
            delivery: claimed.delivery,
            worker,
            digest: None,
            release: 0,
            started: claimed.started,
            took: Duration::ZERO,
            fuel: 1,
            peak_memory: 0,
            failure: None,
            log: Vec::new(),
        }),
    }
}

async fn refused(path: &Path) -> String {
    match SqliteBroker::open(path, Clock::Store).await {
        Err(BrokerError::Unsuitable { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_as_it_was() {
    let (dir, path) = place();
    std::fs::write(
        &path,
        "no database at all, but long enough to be looked at".repeat(20),
    )
    .unwrap();
    assert!(refused(&path).await.contains("no SQLite database"));

    let other = dir.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let before = std::fs::read(&other).unwrap();
    assert!(refused(&other).await.contains("another application"));
    assert_eq!(std::fs::read(&other).unwrap(), before);

    assert!(refused(dir.path()).await.contains("cannot be opened"));
    assert!(
        refused(&dir.path().join("no/such/file"))
            .await
            .contains("make its directory")
    );
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_what_to_do() {
    let (_dir, path) = place();
    drop(SqliteBroker::open(&path, Clock::Store).await.unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let reason = refused(&path).await;
    assert!(
        reason.contains("schema 99") && reason.contains("upgrade"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_full_disk_refuses_the_operation_and_leaves_nothing_of_it() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let kept = job();
    broker
        .enqueue(TENANT, std::slice::from_ref(&kept))
        .await
        .unwrap();
    let limit = |pages: i64| {
        broker.core.write(&broker.clock, move |step| {
            let set = format!("PRAGMA max_page_count = {pages}");
            step.db.0.query_row(&set, [], |_| Ok(()))?;
            Ok(())
        })
    };
    limit(1).await.unwrap();
    let large = NewJob {
        input: vec![0; 1 << 20],
        ..job()
    };
    let refused = broker.enqueue(TENANT, &[job(), large]).await;
    assert!(
        matches!(refused, Err(BrokerError::Full { .. })),
        "{refused:?}"
    );
    assert_eq!(broker.counts(TENANT).await.unwrap()[0].available, 1);
    // What needs no room still runs: so the file can be emptied.
    let worker = WorkerId::random();
    let claimed = broker.claim(&claim(worker, 1)).await.unwrap();
    assert_eq!(claimed[0].id, kept.id);
    broker
        .settle(worker, &[done(&claimed[0], worker)])
        .await
        .unwrap();
    limit(1 << 30).await.unwrap();
    broker.enqueue(TENANT, &[job()]).await.unwrap();
}

#[tokio::test]
async fn one_that_fails_takes_nothing_of_its_batch_with_it() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let dead = claim(WorkerId::random(), 7);
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let (broker, dead) = (broker.clone(), dead.clone());
            tokio::spawn(async move {
                if n % 3 == 0 {
                    assert!(matches!(
                        broker.claim(&dead).await,
                        Err(BrokerError::Dead(_))
                    ));
                } else {
                    assert_eq!(
                        broker.enqueue(TENANT, &[job()]).await.unwrap(),
                        [Enqueued::New]
                    );
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(broker.counts(TENANT).await.unwrap()[0].available, 200);
}

#[tokio::test]
async fn a_file_opened_twice_in_a_process_has_one_writer() {
    let (dir, path) = place();
    let one = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let two = SqliteBroker::open(&dir.path().join(".").join("lovage.db"), Clock::Store)
        .await
        .unwrap();
    assert!(Arc::ptr_eq(&one.core, &two.core));
}

#[tokio::test]
async fn what_was_answered_is_there_when_the_file_is_opened_again() {
    let (_dir, path) = place();
    let (clock, job) = (Clock::Store, job());
    let first = SqliteBroker::open_with(&path, clock, Durability::Power)
        .await
        .unwrap();
    first
        .enqueue(TENANT, std::slice::from_ref(&job))
        .await
        .unwrap();
    drop(first);
    let again = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    assert_eq!(
        again.jobs(TENANT, &[job.id]).await.unwrap()[0]
            .as_ref()
            .unwrap()
            .call
            .task,
        "add"
    );
}

#[tokio::test]
async fn an_idle_worker_hears_of_another_process_work() {
    let (_dir, path) = place();
    let clock = Clock::Set(Arc::new(AtomicU64::new(1_000_000)));
    let ours = SqliteBroker::open(&path, clock.clone()).await.unwrap();
    let theirs = another(&path, &clock).await;
    let worker = WorkerId::random();
    let mut signals = ours.signals(worker).await.unwrap();
    assert!(ours.claim(&claim(worker, 1)).await.unwrap().is_empty());
    theirs.enqueue(TENANT, &[job()]).await.unwrap();
    assert_eq!(
        timeout(SOON, signals.recv()).await.unwrap(),
        Some(Signal::Work)
    );

    let later = NewJob {
        delay: Duration::from_secs(60),
        ..job()
    };
    theirs.enqueue(TENANT, &[later]).await.unwrap();
    assert_eq!(
        timeout(SOON, signals.recv()).await.unwrap(),
        Some(Signal::Due)
    );

    let digest = theirs
        .put(
            TENANT,
            b"a module",
            &Manifest {
                size: 8,
                tasks: vec![],
            },
        )
        .await
        .unwrap();
    theirs.stage(TENANT, "basics", digest, "me").await.unwrap();
    assert_eq!(
        timeout(SOON, signals.recv()).await.unwrap(),
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
    let waiting = tokio::spawn(async move { ours.wait(TENANT, &[job.id], SOON * 10).await });
    let worker = WorkerId::random();
    let claimed = theirs.claim(&claim(worker, 1)).await.unwrap();
    theirs
        .settle(worker, &[done(&claimed[0], worker)])
        .await
        .unwrap();
    let ended = timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
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
    timeout(SOON * 4, first).await.unwrap().unwrap();
    timeout(SOON * 4, second).await.unwrap().unwrap();
    assert_eq!(one.counts(TENANT).await.unwrap()[0].available, 400);
}

/// The budget's shape rather than its figures: a claim from a long backlog over
/// many lanes costs what it costs from a short one.
#[tokio::test]
async fn a_claim_does_not_cost_more_where_more_waits() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let worker = WorkerId::random();
    let mut number = 0;
    let mut costs = Vec::new();
    for lanes in [10, 2_000] {
        let jobs: Vec<_> = (0..20_000)
            .map(|n| NewJob {
                lane: format!("lane-{}", n % lanes),
                ..job()
            })
            .collect();
        for some in jobs.chunks(5_000) {
            broker.enqueue(TENANT, some).await.unwrap();
        }
        let since = std::time::Instant::now();
        for _ in 0..100 {
            number += 1;
            assert_eq!(
                broker.claim(&claim(worker, number)).await.unwrap().len(),
                10
            );
        }
        costs.push(since.elapsed());
    }
    assert!(costs[1] < costs[0] * 5, "{costs:?}");
}
