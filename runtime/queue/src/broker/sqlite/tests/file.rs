//! What is promised of a file.

use rusqlite::Connection;

use super::*;

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
            step.db.conn.query_row(&set, [], |_| Ok(()))?;
            Ok(())
        })
    };
    limit(1).await.unwrap();
    let large = NewJob {
        input: vec![0; 1 << 20].into(),
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
async fn a_settlement_ends_its_own_job_wherever_that_lies_by_now() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let [running, other] = [job(), job()];
    let worker = WorkerId::random();
    broker
        .enqueue(TENANT, std::slice::from_ref(&running))
        .await
        .unwrap();
    let claimed = broker.claim(&claim(worker, 1)).await.unwrap();
    broker
        .enqueue(TENANT, std::slice::from_ref(&other))
        .await
        .unwrap();
    // The other one comes to lie where the first one did.
    let move_rows = "
        UPDATE job SET n = n + 10; UPDATE inflight SET n = n + 10;
        UPDATE job SET n = 1 WHERE n = 12; UPDATE available SET n = 1, seq = 1;";
    let moved = broker.core.write(&broker.clock, move |step| {
        Ok(step.db.conn.execute_batch(move_rows)?)
    });
    moved.await.unwrap();
    let settled = broker.settle(worker, &[done(&claimed[0], worker)]).await;
    assert_eq!(settled.unwrap(), [Settled::Recorded]);
    let jobs = broker.jobs(TENANT, &[running.id, other.id]).await.unwrap();
    let states: Vec<_> = jobs.iter().flatten().map(|it| it.state).collect();
    assert_eq!(states, [State::Completed, State::Available]);
    let next = broker.claim(&claim(worker, 2)).await.unwrap();
    assert_eq!(ids(&next), [other.id]);
}
