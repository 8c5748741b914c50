//! What workers tell the broker of their jobs: history, events, themselves.

use std::time::Duration;

use lovage_queue::about::WorkerAbout;
use lovage_queue::broker::{MAX_MINUTES, Tally};
use lovage_queue::clock::Millis;
use lovage_queue::event::{Event, JobsEvent, JobsKind};

use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, answering, fail};
use crate::support::redis::Server;
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

/// What became of a task's jobs, in all minutes.
async fn tally(site: &Site, task: &str) -> Tally {
    let client = site.client().await;
    // By the broker's clock, which is this host's.
    let from = Millis(Millis::of_this_host().0 - 30 * 60_000);
    let minutes = client.broker().history(client.tenant(), from, MAX_MINUTES);
    let mut sum = Tally::default();
    for it in minutes.await.unwrap() {
        if it.tally.task == task {
            sum.completed += it.tally.completed;
            sum.retried += it.tally.retried;
            sum.discarded += it.tally.discarded;
            sum.ran += it.tally.ran;
            sum.fuel += it.tally.fuel;
        }
    }
    sum
}

/// All events of jobs since the beginning.
async fn events(site: &Site, since: &str) -> Vec<JobsEvent> {
    let client = site.client().await;
    let events = client.broker().events(client.tenant(), Some(since), 1_000);
    let events = events.await.unwrap().events.into_iter();
    let jobs = events.filter_map(|(_, bytes)| match Event::decode(&bytes)? {
        Event::Jobs(jobs) => Some(jobs),
        _ => None,
    });
    jobs.collect()
}

async fn cursor(site: &Site) -> String {
    let client = site.client().await;
    let now = client.broker().events(client.tenant(), None, 1).await;
    now.unwrap().cursor
}

site_test!(
    a_drained_worker_has_told_of_all_its_jobs,
    |site| async move {
        site.push("app", &answering(7)).await;
        let failing = Guest::with_imports(&fail(1, 0)).text(2000, FAILURE).build();
        site.push("bad", &failing).await;
        let since = cursor(&site).await;
        let mut worker = site.worker(&[]).await;
        let mut ids = site.enqueue("app", 50).await;
        let mut twice = call("bad");
        twice.options.max_attempts = Some(2);
        ids.extend(site.enqueue_all(vec![twice]).await);
        let jobs = site.ends(&ids).await;
        worker.signal("TERM");
        assert!(worker.ended().await.success());

        let good = tally(&site, "app.go").await;
        assert_eq!((good.completed, good.retried, good.discarded), (50, 0, 0));
        let fuel: u64 = jobs[..50].iter().map(|it| it.fuel).sum();
        assert_eq!(good.fuel, fuel);
        assert!(good.ran > Duration::ZERO);
        let bad = tally(&site, "bad.go").await;
        assert_eq!((bad.completed, bad.retried, bad.discarded), (0, 1, 1));

        let events = events(&site, &since).await;
        let count = |kind, task: &str| {
            let these = events
                .iter()
                .filter(|it| it.kind == kind && it.task == task);
            these.map(|it| it.count).sum::<u64>()
        };
        assert_eq!(count(JobsKind::Completed, "app.go"), 50);
        assert_eq!(count(JobsKind::Retried, "bad.go"), 1);
        assert_eq!(count(JobsKind::Discarded, "bad.go"), 1);
        // Those that went back while their module was compiled have started twice.
        assert!(count(JobsKind::Started, "app.go") >= 50);
        let dead = events.iter().find(|it| it.kind == JobsKind::Discarded);
        let dead = dead.expect("an event of the discarded job");
        assert_eq!(
            (&*dead.queue, &dead.ids),
            ("default", &vec![ids[50].to_string()])
        );
        assert!(events.len() < 50, "a word is not a job's: {events:?}");
    }
);

site_test!(a_worker_says_who_it_is, |site| async move {
    let worker = site
        .worker(&["--queues", "high=3,default", "--concurrency", "7"])
        .await;
    let client = site.client().await;
    let about = until("a heartbeat was heard", || async {
        let workers = client.broker().workers(client.tenant()).await.unwrap();
        let about = WorkerAbout::decode(&workers.first()?.about);
        (about.pid > 0).then_some(about)
    })
    .await;
    assert_eq!((about.pid, about.concurrency), (worker.pid(), 7));
    assert_eq!(about.queues, [("high".into(), 3), ("default".into(), 1)]);
    assert_eq!(about.version, env!("CARGO_PKG_VERSION"));
    assert!(!about.host.is_empty() && about.started > Millis(0));
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_delays_what_is_told_and_loses_none_of_it() {
    let mut site = Site::on(Server::durable());
    site.push("app", &answering(7)).await;
    let worker = site.worker(&[]).await;
    for _ in 0..3 {
        site.ends(&site.enqueue("app", 20).await).await;
        site.server().kill();
        site.server().restart();
    }
    until("all that was done is told", || async {
        // A word whose answer was lost is told twice: more is possible, less is not.
        (tally(&site, "app.go").await.completed >= 60).then_some(())
    })
    .await;
    drop(worker);
}
