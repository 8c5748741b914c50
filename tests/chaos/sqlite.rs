//! A disk that is full while jobs are in flight.

use std::time::Duration;

use super::stage::Stage;
use crate::support::disk::{Disk, apart};
use crate::support::site::Site;
use crate::support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_and_is_cleared() {
    if !apart("chaos::sqlite::a_disk_that_fills_up_and_is_cleared") {
        return;
    }
    let disk = Disk::mount(256 << 10);
    let place = disk.path().join("lovage.db");
    let site = Site::at(&format!("sqlite:{}", place.display()));
    let mut stage = Stage::new("g disk full, SQLite", site, Duration::from_secs(3));
    stage.open(&[&[], &[]]).await;
    let load = stage.produce().await;
    stage.loaded(&load, 30).await;
    for _ in 0..stage.plan.rounds(4) {
        stage.plan.moment(200..=1200).await;
        let said = |stage: &Stage| -> usize {
            let full = |it: &super::stage::Worker| it.said("is full");
            stage.workers.iter().map(full).sum()
        };
        let before = said(&stage);
        disk.fill(stage.plan.within(0..=64) as usize);
        until("a worker has no room", || async {
            (said(&stage) > before).then_some(())
        })
        .await;
        // Past the lease now and then.
        stage.plan.moment(100..=4000).await;
        disk.make_room();
        stage.faults += 1;
    }
    let produced = load.stop().await;
    let refused = produced.full;
    stage.notes.push(format!("{refused} enqueues refused"));
    stage.close(produced, true).await;
}
