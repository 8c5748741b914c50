//! A Redis that is killed, meddled with, or out of memory.

use std::time::Duration;

use lovage_queue::broker::BrokerError;

use super::stage::Stage;
use super::workload::{Kind, Planned};
use crate::support::redis::{Server, ask};
use crate::support::site::Site;
use crate::support::until;

/// Longer than any outage here, so that no worker seems dead.
const LEASE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back() {
    let mut stage = Stage::new("b Redis killed", Site::on(Server::durable()), LEASE);
    stage.open(&[&[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(6) {
        stage.plan.moment(200..=1500).await;
        stage.site.server().kill();
        stage.plan.moment(10..=1500).await;
        tokio::task::block_in_place(|| stage.site.server().restart());
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, false).await;
}

/// Every lease looks over when the broker comes back, and those who are alive
/// say so before anybody is declared dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_the_leases_costs_no_run() {
    // Longer than a worker stands still where the machine is busy: that would be its own fault.
    let lease = Duration::from_secs(4);
    let site = Site::on(Server::durable());
    let mut stage = Stage::new("b Redis away past the leases", site, lease);
    stage.open(&[&[], &[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(4) {
        stage.plan.moment(1000..=1500).await;
        stage.site.server().kill();
        stage.plan.moment(4200..=6500).await;
        tokio::task::block_in_place(|| stage.site.server().restart());
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, false).await;
}

/// A server that stands still, as its machine does when it is moved: all that
/// was sent meanwhile arrives at once. To the others each worker looks frozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still() {
    let lease = Duration::from_secs(2);
    let mut stage = Stage::new("b Redis frozen", Site::on(Server::start()), lease);
    stage.open(&[&[], &[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(3) {
        stage.plan.moment(100..=1000).await;
        stage.site.server().signal("STOP");
        stage.plan.moment(500..=4000).await;
        stage.site.server().signal("CONT");
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, true).await;
}

/// What an operator may do at any time.
const MEDDLING: [&[&[u8]]; 3] = [
    &[b"SCRIPT", b"FLUSH"],
    &[b"CLIENT", b"KILL", b"TYPE", b"normal"],
    &[b"CLIENT", b"KILL", b"TYPE", b"pubsub"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_meddled_with() {
    let mut stage = Stage::new("f Redis meddled with", Site::on(Server::start()), LEASE);
    stage.open(&[&[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    let port = stage.site.server().port();
    for _ in 0..stage.plan.rounds(50) {
        stage.plan.moment(20..=250).await;
        ask(port, MEDDLING[stage.plan.pick(MEDDLING.len())]);
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, false).await;
}

/// Sets how much memory Redis may have. There is always more in it than 1 MB.
fn allow(stage: &mut Stage, memory: &str) {
    let set = [&b"CONFIG"[..], b"SET", b"maxmemory", memory.as_bytes()];
    stage.site.server().meddle(&set);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_out_of_memory() {
    let mut stage = Stage::new("h Redis out of memory", Site::on(Server::start()), LEASE);
    stage.open(&[&[], &[]]).await;
    let client = stage.site.client().await.clone();
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    let mut backlog = super::workload::Produced::default();
    for _ in 0..stage.plan.rounds(3) {
        stage.plan.moment(200..=1000).await;
        let more = (0..200).map(|n| {
            let kind = [Kind::Noop, Kind::Short, Kind::Fails][n % 3];
            Planned::new(&client, kind)
        });
        backlog.enqueue(&client, more.collect()).await;
        allow(&mut stage, "1mb");
        stage.faults += 1;
        // What is there is claimed and settled, to the last one.
        until("all jobs have run without memory", || async {
            let counts = client.broker().counts(client.tenant()).await.unwrap();
            let open = counts
                .iter()
                .map(|it| it.scheduled + it.available + it.running + it.retryable);
            (open.sum::<u64>() == 0).then_some(())
        })
        .await;
        let one = [Planned::new(&client, Kind::Noop).job];
        let refused = client.broker().enqueue(client.tenant(), &one).await;
        assert!(
            matches!(refused, Err(BrokerError::Full { .. })),
            "{refused:?}"
        );
        let known = client.broker().jobs(client.tenant(), &[one[0].id]).await;
        assert_eq!(known.unwrap(), [None], "nothing of it happened");
        allow(&mut stage, "0");
    }
    let mut produced = load.stop().await;
    produced.jobs.extend(backlog.jobs);
    let refused = produced.full;
    assert!(refused > 0, "the producer heard of it");
    stage.notes.push(format!("{refused} enqueues refused"));
    stage.close(produced, false).await;
}
