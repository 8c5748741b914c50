//! A broker that goes away and comes back.

use std::time::Duration;

use lovage_queue::broker::BrokerError;
use lovage_queue::job::{JobId, NewJob};

use super::completed_once;
use crate::support::guests::sleeping;
use crate::support::redis::Server;
use crate::support::site::Site;
use crate::support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_a_redis_that_was_killed() {
    let mut site = Site::on(Server::durable());
    // Most of them are left when the server goes, however late that is.
    site.push("app", &sleeping(60)).await;
    let mut worker = site.worker(&["--concurrency", "4"]).await;
    let ids = site.enqueue("app", 300).await;
    until("some are done", || async {
        (site.counts().await.completed >= 40).then_some(())
    })
    .await;
    site.server().kill();

    // A producer hears of it, and may repeat itself until it is heard.
    let client = site.client().await;
    let job = NewJob::new(JobId::new(client.partition()), "app", "go", vec![0x80]);
    let more = [job];
    let said = client.broker().enqueue(client.tenant(), &more).await;
    assert!(
        matches!(said, Err(BrokerError::Unreachable { .. })),
        "{said:?}"
    );
    // The jobs in flight end while there is nobody to tell.
    worker.says("could not settle").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    site.server().restart();

    let client = site.client().await;
    until("the broker is back", || async {
        client.broker().enqueue(client.tenant(), &more).await.ok()
    })
    .await;
    let again = client.broker().enqueue(client.tenant(), &more).await;
    assert_eq!(again.unwrap(), [lovage_queue::broker::Enqueued::Exists]);
    let all = [&ids[..], &[more[0].id]].concat();
    let jobs = site.ends(&all).await;
    for job in &jobs {
        completed_once(job, &[7]);
        assert_eq!(job.worker, jobs[0].worker, "the same all the time");
        assert_eq!(job.crash, 0);
    }
    assert_eq!(site.counts().await.completed, 301);
    assert!(worker.is_alive());
}
