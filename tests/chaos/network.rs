//! Networks that cut, stall, and swallow answers.

use std::time::Duration;

use lovage_queue::client::Client;
use lovage_queue::job::State;

use super::proxy::{Proxy, Thief, Way};
use super::stage::Stage;
use super::workload::{Kind, Planned, Produced};
use crate::support::redis::Server;
use crate::support::site::Site;
use crate::support::until;

/// What may stall.
const WAYS: [&[Way]; 3] = [
    &[Way::ToServer],
    &[Way::ToClient],
    &[Way::ToServer, Way::ToClient],
];

/// Each worker has a way of its own to the broker, and so has the producer: it
/// comes last.
async fn behind_proxies(stage: &mut Stage, workers: usize) -> (Vec<Proxy>, Client) {
    let server = stage.site.server().port();
    let mut proxies = Vec::new();
    for _ in 0..=workers {
        proxies.push(Proxy::start(server, None).await);
    }
    open(stage, &proxies[..workers]).await;
    let client = Client::connect(&proxies[workers].url()).await.unwrap();
    (proxies, client)
}

async fn open(stage: &mut Stage, proxies: &[Proxy]) {
    let variables: Vec<[String; 1]> = proxies
        .iter()
        .map(|proxy| [format!("LOVAGE_BROKER={}", proxy.url())])
        .collect();
    let variables: Vec<&[String]> = variables.iter().map(|it| &it[..]).collect();
    stage.open(&variables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("c connections cut", site, Duration::from_secs(5));
    let (proxies, client) = behind_proxies(&mut stage, 3).await;
    let load = stage.produce_by(client);
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(40) {
        stage.plan.moment(10..=300).await;
        // One of them, or all at once.
        let which = stage.plan.pick(proxies.len() + 1);
        match proxies.get(which) {
            Some(proxy) => proxy.cut(),
            None => proxies.iter().for_each(Proxy::cut),
        }
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_stall() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("c connections stalled", site, Duration::from_secs(4));
    let (proxies, client) = behind_proxies(&mut stage, 3).await;
    let load = stage.produce_by(client);
    stage.loaded(&load, 30).await;
    for round in 0..stage.plan.rounds(6) {
        stage.plan.moment(10..=300).await;
        let ways = WAYS[(round + round / 3) % WAYS.len()];
        // Two short ones of anybody, then a long one of a worker, which is cut
        // off by it for longer than its lease: new connections stall too, as
        // where a network is down, and not only a path.
        let long = round % 3 == 2;
        let who = if long { 3 } else { proxies.len() };
        let which = stage.plan.pick(who);
        let new_ones_too = long || stage.plan.pick(2) == 0;
        proxies[which].stall(ways, new_ones_too);
        let seconds = if long { 5000..=15_000 } else { 1000..=5000 };
        stage.plan.moment(seconds).await;
        proxies[which].flow();
        stage.faults += 1;
    }
    let produced = load.stop().await;
    stage.close(produced, true).await;
}

/// A request that arrives when its client has long given it up and asked again:
/// the path that it took stalls until then, and a new one carries on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_arrive_too_late() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("c requests far too late", site, Duration::from_secs(5));
    let (proxies, client) = behind_proxies(&mut stage, 2).await;
    let direct = stage.site.client().await.clone();
    let load = stage.produce_by(client);
    stage.loaded(&load, 30).await;
    let mut backlog = Produced::default();
    for _ in 0..stage.plan.rounds(1) {
        // The producer last: what it enqueues makes the workers ask for it.
        for proxy in &proxies {
            proxy.stall(&[Way::ToServer], false);
            stage.plan.moment(100..=300).await;
        }
        stage.faults += proxies.len();
        // A client waits ten seconds for an answer.
        stage.plan.moment(11_500..=13_500).await;
        // A late claim finds something to take.
        let long = |_| Planned::new(&direct, Kind::Long);
        backlog.enqueue(&direct, (0..400).map(long).collect()).await;
        stage.plan.moment(10..=100).await;
        proxies.iter().for_each(Proxy::flow);
        stage.plan.moment(300..=1000).await;
    }
    let mut produced = load.stop().await;
    produced.jobs.extend(backlog.jobs);
    stage.close(produced, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("i answers lost", site, Duration::from_secs(10));
    let server = stage.site.server().port();
    let thief = Thief::new(stage.plan.branch());
    let mut proxies = Vec::new();
    for _ in 0..3 {
        proxies.push(Proxy::start(server, Some(thief.clone())).await);
    }
    open(&mut stage, &proxies[..2]).await;
    let client = Client::connect(&proxies[2].url()).await.unwrap();
    // The clients load their scripts again, and the thief looks on.
    stage.site.server().meddle(&[b"SCRIPT", b"FLUSH"]);
    let load = stage.produce_by(client);
    stage.loaded(&load, 30).await;
    until("jobs have run", || async {
        (stage.site.list(State::Completed).await.len() >= 20).then_some(())
    })
    .await;
    for _ in 0..stage.plan.rounds(3) {
        thief.allow(6);
        until("answers have been stolen", || async {
            thief.is_content().then_some(())
        })
        .await;
    }
    let produced = load.stop().await;
    for (script, stolen) in thief.stolen() {
        stage.faults += stolen;
        stage.notes.push(format!("{stolen} answers of {script}"));
    }
    assert!(
        produced.repeated > 0,
        "an enqueue whose answer is lost is repeated"
    );
    stage.close(produced, false).await;
}
