//! What is kept for those who look on does not stay for ever.

use std::sync::atomic::Ordering;

use super::*;
use crate::broker::{EVENTS_KEPT, HISTORY_KEPT, Ledger, MAX_TOLD, Tally, USAGE_DAYS};
use crate::clock::millis;

async fn rows(broker: &SqliteBroker, count: &'static str) -> i64 {
    let rows = broker
        .core
        .read(move |db| Ok(db.one(count, [], |row| row.get(0))?));
    rows.await.unwrap().unwrap_or(0)
}

#[tokio::test]
async fn minutes_leave_after_a_week_some_a_call() {
    let (_dir, path) = place();
    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let of = |task: &str| Tally {
        queue: "default".into(),
        task: format!("basics.{task}"),
        ..Tally::default()
    };
    let tallies = ["a", "b", "c"].map(of);
    broker.tell(TENANT, &tallies, &[]).await.unwrap();
    now.fetch_add(millis(HISTORY_KEPT), Ordering::SeqCst);
    broker.tell(TENANT, &tallies[..1], &[]).await.unwrap();
    const MINUTES: &str = "SELECT count(*) FROM minute";
    let keep = Retention::default();
    broker.prune(Partition(0), &keep, 2).await.unwrap();
    assert_eq!(rows(&broker, MINUTES).await, 4, "none is older yet");
    now.fetch_add(1, Ordering::SeqCst);
    broker.prune(Partition(0), &keep, 2).await.unwrap();
    assert_eq!(rows(&broker, MINUTES).await, 2);
    broker.prune(Partition(0), &keep, 2).await.unwrap();
    assert_eq!(rows(&broker, MINUTES).await, 1);
}

#[tokio::test]
async fn days_leave_when_they_are_kept_no_longer() {
    let (_dir, path) = place();
    let (clock, now) = clock();
    let broker = SqliteBroker::open(&path, clock).await.unwrap();
    let tally = Tally {
        queue: "default".into(),
        task: "basics.add".into(),
        attempts: 1,
        ..Tally::default()
    };
    const DAYS: &str = "SELECT count(*) FROM used";
    let keep = Retention::default();
    let day = millis(Duration::from_secs(24 * 3600));
    for left in [1, 2, 2] {
        broker
            .tell(TENANT, std::slice::from_ref(&tally), &[])
            .await
            .unwrap();
        broker.prune(Partition(0), &keep, 9).await.unwrap();
        assert_eq!(rows(&broker, DAYS).await, left);
        now.fetch_add(day * u64::from(USAGE_DAYS / 2 + 1), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn no_more_events_stay_than_are_kept() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let some = vec![b"it happened".to_vec(); MAX_TOLD];
    for _ in 0..EVENTS_KEPT / MAX_TOLD + 1 {
        broker.tell(TENANT, &[], &some).await.unwrap();
    }
    let kept = rows(&broker, "SELECT count(*) FROM event").await;
    assert_eq!(kept, EVENTS_KEPT as i64);
}
