//! Hosts whose clocks are wrong by an hour: neither leases nor scheduled jobs
//! may care, for the time is the broker's.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lovage_queue::job::When;

use super::stage::Stage;
use super::workload::{Kind, Planned, Produced};
use crate::support::process::Process;
use crate::support::redis::Server;
use crate::support::site::{Ran, Site};

const HOUR: Duration = Duration::from_secs(3600);
/// Hosts' clocks: ahead, behind, right.
const SHIFTS: [&str; 3] = ["+1h", "-1h", "+0"];
/// No more than what a busy machine takes.
const LATE: Duration = Duration::from_secs(20);

/// The library that shifts the clock of whoever loads it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|it| it.unwrap().path()).collect();
    folders.push("/usr/local/lib".into());
    let library = |folder: &PathBuf| folder.join("faketime/libfaketime.so.1");
    folders
        .iter()
        .map(library)
        .find(|it| it.exists())
        .expect("this test needs libfaketime: apt-get install faketime")
}

/// The variables of a process whose wall clock is wrong.
fn wrong(library: &Path, shift: &str) -> [(&'static str, String); 3] {
    [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", shift.to_owned()),
        // No clock of a host that is wrong runs backwards.
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// How far a process' clock is ahead, by the first line that it logged.
fn ahead(process: &Process) -> i64 {
    let log = process.log();
    let said = log
        .split_whitespace()
        .next()
        .expect("it has said something");
    let said: jiff::Timestamp = said.parse().unwrap();
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    said.as_second() - now.as_second()
}

/// Scheduled calls of the command line, on hosts whose clocks are wrong.
async fn calls(stage: &Stage, library: &Path, produced: &mut Produced) {
    for shift in SHIFTS {
        let args = ["call", "chaos.go", "n=0", "--eta", "900ms", "--json"];
        let mut command = stage.site.command(args);
        command.envs(wrong(library, shift));
        let said = Ran::of(command, b"").await.ok().json();
        let id = said["id"].as_str().unwrap().parse().unwrap();
        let mut job = stage.site.job(id).await.call;
        job.eta = When::In(Duration::from_millis(900));
        let kind = Kind::Scheduled;
        produced.jobs.push(Planned { kind, job });
    }
}

/// Each job began when it was available, and not much later.
async fn began_in_time(stage: &Stage, produced: &Produced) {
    let planned = |it: &&Planned| it.kind == Kind::Scheduled;
    for planned in produced.jobs.iter().filter(planned) {
        let job = stage.site.job(planned.job.id).await;
        // The record has the moment of its promotion by now.
        let due = planned.job.eta.from(job.enqueued);
        let began = job.attempts[0].started;
        assert!(began >= due && began.since(due) < LATE, "{job:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_whose_clocks_are_wrong_by_an_hour() {
    let library = library();
    let site = Site::on(Server::start());
    let mut stage = Stage::new("e clocks wrong by an hour", site, Duration::from_secs(5));
    let hosts =
        SHIFTS.map(|shift| wrong(&library, shift).map(|(name, value)| format!("{name}={value}")));
    let hosts: Vec<&[String]> = hosts.iter().map(|it| &it[..]).collect();
    stage.open(&hosts).await;
    let hour = HOUR.as_secs() as i64;
    for (worker, expected) in stage.workers.iter().zip([hour, -hour, 0]) {
        let ahead = ahead(&worker.process);
        assert!(
            (ahead - expected).abs() < 60,
            "its clock is {ahead} s ahead"
        );
    }
    let load = stage.produce().await;
    stage.loaded(&load, 1).await;
    let mut called = Produced::default();
    for _ in 0..stage.plan.rounds(4) {
        stage.plan.moment(500..=1500).await;
        calls(&stage, &library, &mut called).await;
        stage.faults += SHIFTS.len();
    }
    // The leases of all hold, however wrong: nothing has run twice so far.
    let mut produced = load.stop().await;
    produced.jobs.extend(called.jobs);
    began_in_time_once_ended(&stage, &produced).await;
    stage.close(produced, false).await;
}

async fn began_in_time_once_ended(stage: &Stage, produced: &Produced) {
    let ids: Vec<_> = produced.jobs.iter().map(|it| it.job.id).collect();
    stage.site.ends(&ids).await;
    began_in_time(stage, produced).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_in_time_whatever_the_clocks() {
    let library = library();
    let lease = Duration::from_millis(2500);
    let site = Site::on(Server::start());
    let mut stage = Stage::new("e clocks wrong, a worker killed", site, lease);
    let hosts = ["+1h", "-1h"]
        .map(|shift| wrong(&library, shift).map(|(name, value)| format!("{name}={value}")));
    stage.open(&[&hosts[0], &hosts[1]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 100).await;
    for round in 0..stage.plan.rounds(2) {
        stage.plan.moment(200..=700).await;
        // The one dies under the eyes of the other, in turn.
        stage.replace(round % 2);
        stage.plan.moment(1000..=3500).await;
    }
    let produced = load.stop().await;
    let since = std::time::Instant::now();
    let ids: Vec<_> = produced.jobs.iter().map(|it| it.job.id).collect();
    stage.site.ends(&ids).await;
    assert!(since.elapsed() < lease + LATE, "{:?}", since.elapsed());
    stage.close(produced, true).await;
}
