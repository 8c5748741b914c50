//! Schedules of a second each, and workers that are killed: each time once, none
//! missing, none early.

use std::collections::HashMap;
use std::time::Duration;

use lovage_queue::broker::Filter;
use lovage_queue::job::State;
use lovage_queue::schedule::{CatchUp, Schedule, ScheduledCall, Trigger};

use super::stage::Stage;
use super::workload::{Kind, MODULE};
use crate::support::redis::Server;
use crate::support::site::Site;

const LEASE: Duration = Duration::from_millis(2500);
const SCHEDULES: usize = 50;
const WORKERS: usize = 4;

async fn ticking(case: &'static str, site: Site, kills: usize) {
    let mut stage = Stage::new(case, site, LEASE);
    stage.open(&[&[][..]; WORKERS]).await;
    let client = stage.site.client().await.clone();
    let mut first = HashMap::new();
    for n in 0..SCHEDULES {
        let name = format!("tick-{n}");
        let trigger = Trigger::Every {
            period: Duration::from_secs(1),
            from: None,
        };
        let call = ScheduledCall::new(MODULE, "go", vec![0x81, 0xa1, b'n', Kind::Noop as u8]);
        let mut schedule = Schedule::new(&name, trigger, call);
        schedule.catch_up = CatchUp::All(1000);
        first.insert(name, client.add_schedule(schedule).await.unwrap().unwrap());
    }
    for _ in 0..stage.plan.rounds(kills) {
        stage.plan.moment(300..=1500).await;
        let which = stage.plan.pick(stage.workers.len());
        stage.replace(which);
    }
    // Whoever was killed last may have been about to fire.
    stage.plan.moment(2500..=3500).await;
    let mut due = HashMap::new();
    for name in first.keys() {
        client.pause_schedule(name).await.unwrap();
        let (planned, _) = client.schedule(name).await.unwrap();
        due.insert(name.clone(), planned.due.unwrap());
    }
    let ticks = ticks(&stage).await;
    let (mut count, mut lost, mut twice, mut early) = (0, vec![], vec![], vec![]);
    for (name, first) in &first {
        let mut jobs: HashMap<u64, usize> = HashMap::new();
        for (at, made) in ticks.get(name).into_iter().flatten() {
            *jobs.entry(*at).or_default() += 1;
            count += 1;
            if made < at {
                early.push(format!("{name} at {at} was made at {made}"));
            }
        }
        for at in (first.0..due[name].0).step_by(1000) {
            match jobs.remove(&at) {
                None => lost.push(format!("{name} at {at}")),
                Some(1) => {}
                Some(_) => twice.push(format!("{name} at {at}")),
            }
        }
        early.extend(jobs.keys().map(|at| format!("{name} has no time {at}")));
    }
    stage.tell(count, &lost, &twice, &early);
}

/// The jobs of all schedules: for each, the time that it is for, and when it was made.
async fn ticks(stage: &Stage) -> HashMap<String, Vec<(u64, u64)>> {
    let client = stage.site.client().await;
    let mut ticks: HashMap<String, Vec<_>> = HashMap::new();
    for state in State::ALL {
        let mut filter = Filter::of(*state, 10_000);
        loop {
            let page = client
                .broker()
                .list(client.tenant(), &filter)
                .await
                .unwrap();
            for job in page.jobs {
                let headers = &job.call.options.headers;
                let Some(name) = headers.get("schedule") else {
                    continue;
                };
                let at: u64 = headers["scheduled-for-ms"].parse().unwrap();
                let tick = (at, job.enqueued.0);
                ticks.entry(name.clone()).or_default().push(tick);
            }
            match page.next {
                Some(next) => filter.offset = next,
                None => break,
            }
        }
    }
    ticks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_fires_once_on_redis() {
    ticking("k schedules, Redis", Site::on(Server::start()), 130).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_fires_once_on_sqlite() {
    ticking("k schedules, SQLite", Site::sqlite(), 40).await;
}
