//! Workers that are killed, and workers that freeze and come back.

use std::collections::HashSet;
use std::time::Duration;

use lovage_queue::broker::Settled;
use lovage_queue::job::{Action, Attempt, Ending, Job, Settlement, WorkerId};
use lovage_queue::registry::Digest;

use super::stage::Stage;
use crate::support::redis::Server;
use crate::support::site::Site;
use crate::support::until;

/// Short, so that the jobs of the dead come back soon.
const LEASE: Duration = Duration::from_millis(2500);

async fn killed(case: &'static str, site: Site, kills: usize) {
    let mut stage = Stage::new(case, site, LEASE);
    stage.open(&[&[], &[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(kills) {
        stage.plan.moment(20..=400).await;
        let which = stage.plan.pick(stage.workers.len());
        stage.replace(which);
    }
    let produced = load.stop().await;
    stage.close(produced, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_on_redis() {
    killed("a workers killed, Redis", Site::on(Server::start()), 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_on_sqlite() {
    killed("a workers killed, SQLite", Site::sqlite(), 40).await;
}

/// A settlement as a worker would make it that still believes in its delivery.
fn late(job: &Job, worker: WorkerId) -> Settlement {
    Settlement {
        tenant: job.tenant.clone(),
        id: job.call.id,
        delivery: job.delivery,
        queue: job.call.queue.clone(),
        action: Action::Complete(vec![99].into()),
        attempt: Some(Attempt {
            ending: Ending::Completed,
            delivery: job.delivery,
            worker,
            digest: Some(Digest([0; 32])),
            release: 1,
            started: job.started,
            took: Duration::ZERO,
            fuel: 0,
            peak_memory: 0,
            failure: None,
            log: Vec::new(),
        }),
        children: Vec::new(),
        flows: Vec::new(),
        spent: lovage_queue::job::Spent::default(),
    }
}

/// Freezes a worker with jobs in its hands until others have them, and wakes
/// it. Returns how many late settlements were refused that were made on its
/// behalf.
async fn freeze(stage: &mut Stage, which: usize) -> usize {
    let worker = &stage.workers[which];
    let identity = worker.identity();
    let before = worker.said(" working ");
    until("a worker that has jobs is frozen", || async {
        worker.process.signal("STOP");
        let held = stage.held(identity).await;
        if held.is_empty() {
            worker.process.signal("CONT");
        }
        (!held.is_empty()).then_some(())
    })
    .await;
    // What it had sent before it froze has arrived by now.
    let held = stage.held(identity).await;
    until("others have its jobs", || async {
        stage.held(identity).await.is_empty().then_some(())
    })
    .await;
    let settlements: Vec<Settlement> = held.iter().map(|job| late(job, identity)).collect();
    let client = stage.site.client().await;
    let answers = client.broker().settle(identity, &settlements).await;
    let answers = answers.unwrap();
    assert!(
        answers.iter().all(|it| *it == Settled::Stale),
        "{answers:?}"
    );
    worker.process.signal("CONT");
    until("it goes on under a new identity", || async {
        (worker.said(" working ") > before).then_some(())
    })
    .await;
    answers.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_past_its_lease_says_nothing_that_counts() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("d a worker frozen", site, LEASE);
    stage.open(&[&[], &[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    let (mut refused, mut identities) = (0, HashSet::new());
    for _ in 0..stage.plan.rounds(4) {
        stage.plan.moment(20..=500).await;
        let which = stage.plan.pick(stage.workers.len());
        identities.insert(stage.workers[which].identity());
        refused += freeze(&mut stage, which).await;
        stage.faults += 1;
    }
    assert_eq!(identities.len(), stage.faults, "each has one of its own");
    let produced = load.stop().await;
    let own: usize = stage
        .workers
        .iter()
        .map(|worker| worker.said("a settlement was not recorded"))
        .sum();
    stage.notes.push(format!(
        "late settlements refused: {own} of the workers' own, {refused} on their behalf"
    ));
    stage.close(produced, true).await;
}
