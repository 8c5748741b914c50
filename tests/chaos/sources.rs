//! A source, and workers and a Redis that are killed under it and its jobs: a job of each
//! item, once, and never more at a time than it says.

use std::time::{Duration, Instant};

use lovage_queue::broker::{Filter, QueueCounts};
use lovage_queue::client::{Call, Client};
use lovage_queue::job::{Job, JobId, State};

use super::audit::Audit;
use super::stage::{PATIENCE, Stage};
use super::workload::Kind;
use crate::fixtures::{ECHO, Guest};
use crate::support::guests::sleep;
use crate::support::redis::Server;
use crate::support::site::Site;

/// Short, so that the jobs of the dead come back soon.
const LEASE: Duration = Duration::from_millis(2500);
const WORKERS: usize = 4;
/// Items of a page, and how many of their jobs may be open.
const PAGE: u64 = 20;
const OPEN: u64 = 64;

/// Looks, beside the faults and until nothing is left to be done, at how many jobs there are
/// that have not ended; the most of them.
async fn most_open(client: Client, deadline: Instant) -> u64 {
    let mut most = 0;
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Ok(queues) = client.broker().counts(client.tenant()).await else {
            continue;
        };
        let open = |it: &QueueCounts| it.available + it.running + it.retryable + it.scheduled;
        match queues.iter().map(open).sum() {
            0 => break,
            now => most = most.max(now),
        }
    }
    most
}

/// All jobs of a source, by their items.
async fn items(client: &Client, source: JobId) -> Vec<(u64, Job)> {
    let mut filter = Filter::of(State::Completed, 1_000);
    let mut all = Vec::new();
    loop {
        let page = client
            .broker()
            .list(client.tenant(), &filter)
            .await
            .unwrap();
        let jobs = page.jobs.into_iter();
        all.extend(jobs.filter(|job| job.call.options.parent == Some(source)));
        match page.next {
            Some(next) => filter.offset = next,
            None => break,
        }
    }
    let item = |job: Job| {
        let input = job.call.input.inline().unwrap();
        let input: serde_json::Value = rmp_serde::from_slice(input).unwrap();
        (input["a"].as_u64().unwrap(), job)
    };
    let mut all: Vec<_> = all.into_iter().map(item).collect();
    all.sort_by_key(|it| it.0);
    all
}

/// A source of so many items, and beside it so many times a worker is killed, and Redis.
async fn source(case: &'static str, site: Site, count: usize, kills: usize, restarts: usize) {
    let mut stage = Stage::new(case, site, LEASE);
    stage.open(&[&[][..]; WORKERS]).await;
    let slow = Guest::with_imports(&format!("{} {ECHO}", sleep(150)));
    stage.site.push("slow", &slow.build()).await;
    stage.site.push_example("basics").await;
    let client = stage.site.client().await.clone();
    let count = stage.plan.rounds(count) as u64;
    let call = Call::new("basics.numbers").unwrap();
    let call = call.arg("count", &count).unwrap();
    let call = call.arg("page", &PAGE).unwrap();
    let call = call.arg("open", &OPEN).unwrap();
    let call = call.arg("task", "slow.go").unwrap();
    let id = stage.site.enqueue_all(vec![call]).await[0];
    let deadline = Instant::now() + PATIENCE + Duration::from_millis(count * 10);
    let looking = tokio::spawn(most_open(client.clone(), deadline));
    stage.strike(kills, restarts).await;
    let most = looking.await.unwrap();
    let mut audit = Audit::default();
    let source = client.job(id).await.unwrap();
    if source.state != State::Completed {
        audit.lost.push(format!("the source: {source:?}"));
    }
    let all = items(&client, id).await;
    for (_, job) in &all {
        audit.record(Kind::Noop, job);
    }
    let numbers: Vec<u64> = all.iter().map(|it| it.0).collect();
    let missing = (0..count).filter(|it| numbers.binary_search(it).is_err());
    audit
        .lost
        .extend(missing.map(|it| format!("item {it} has no job")));
    let twice = numbers.windows(2).filter(|it| it[0] == it[1]);
    audit
        .twice
        .extend(twice.map(|it| format!("item {} has two jobs", it[0])));
    // The source itself is one more.
    if most > OPEN + 1 {
        audit.odd.push(format!("{most} jobs were there at once"));
    }
    audit.jobs = all.len() + 1;
    audit
        .counts(&**client.broker(), client.tenant(), audit.jobs, 0)
        .await;
    stage.notes.push(format!("at most {most} jobs at once"));
    stage.account(audit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_has_one_job_on_redis() {
    let site = Site::on(Server::durable());
    source("m source, Redis", site, 2_500, 20, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_has_one_job_on_sqlite() {
    source("m source, SQLite", Site::sqlite(), 1_500, 10, 0).await;
}
