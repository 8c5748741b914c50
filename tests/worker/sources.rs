//! Sources: a task that makes a job of each item, page by page.

use std::time::Duration;

use lovage_queue::broker::Filter;
use lovage_queue::client::Call;
use lovage_queue::job::{Ending, Job, JobId, State};
use lovage_queue::limits::Scope;

use super::endings;
use crate::support::site::Site;
use crate::support::{site_test, until};

fn numbers(count: u64, page: u64, open: u32) -> Call {
    let call = Call::new("basics.numbers").unwrap();
    let call = call.arg("count", &count).unwrap();
    let call = call.arg("page", &page).unwrap();
    let call = call.arg("open", &open).unwrap();
    call.arg("task", "basics.add").unwrap()
}

/// The jobs of a source that stand so.
async fn of(site: &Site, source: JobId, state: State) -> Vec<Job> {
    let client = site.client().await;
    let filter = Filter::of(state, 1_000);
    let page = client
        .broker()
        .list(client.tenant(), &filter)
        .await
        .unwrap();
    let mut jobs = page.jobs;
    jobs.retain(|job| job.call.options.parent == Some(source));
    jobs
}

/// The numbers that jobs were given.
fn given(jobs: &[Job]) -> Vec<u64> {
    let number = |job: &Job| {
        let input = job.call.input.inline().unwrap();
        let input: serde_json::Value = rmp_serde::from_slice(input).unwrap();
        input["a"].as_u64().unwrap()
    };
    let mut numbers: Vec<u64> = jobs.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

site_test!(each_item_is_a_job_once, |site| async move {
    let _workers = [site.worker(&[]).await, site.worker(&[]).await];
    site.push_example("basics").await;
    let stumbles = numbers(250, 20, 40).arg("stumble_at", &100).unwrap();
    let id = site.enqueue_all(vec![stumbles]).await[0];
    let source = site.ends(&[id]).await.remove(0);
    assert_eq!(source.state, State::Completed, "{source:#?}");
    assert_eq!(endings(&source), [Ending::Completed]);
    assert!(source.delivery >= 14, "13 pages, and one that failed");
    let result = rmp_serde::to_vec("made 250 jobs").unwrap();
    assert_eq!(source.result, Some(result.into()));
    let jobs = until("all have ended", async || {
        let jobs = of(&site, id, State::Completed).await;
        (jobs.len() >= 250).then_some(jobs)
    })
    .await;
    assert_eq!(given(&jobs), (0..250).collect::<Vec<_>>());
    for job in &jobs {
        let options = &job.call.options;
        assert_eq!((options.root, options.depth), (Some(id), 1));
    }
    // Those of the last page were made with its completion, and it waits for none.
    let counted = jobs.iter().filter(|job| job.call.counted).count();
    assert_eq!(counted, 240);
});

site_test!(no_more_are_open_than_it_says, |site| async move {
    let _worker = site.worker(&[]).await;
    site.push_example("basics").await;
    let client = site.client().await;
    let task: Scope = "task:basics.add".parse().unwrap();
    let pause = |paused| client.broker().pause(client.tenant(), &task, paused);
    pause(true).await.unwrap();
    let id = site.enqueue_all(vec![numbers(1_000, 30, 64)]).await[0];
    until("it waits", async || {
        (site.job(id).await.state == State::Scheduled).then_some(())
    })
    .await;
    // It does not go on by itself.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(of(&site, id, State::Available).await.len(), 60);
    assert_eq!(site.job(id).await.state, State::Scheduled);
    pause(false).await.unwrap();
    let source = site.ends(&[id]).await.remove(0);
    assert_eq!(source.state, State::Completed, "{source:#?}");
    assert_eq!(endings(&source), [Ending::Completed]);
});

site_test!(a_page_that_is_too_large_is_refused, |site| async move {
    let _worker = site.worker(&[]).await;
    site.push_example("basics").await;
    let id = site.enqueue_all(vec![numbers(100, 20, 30)]).await[0];
    let source = site.ends(&[id]).await.remove(0);
    assert_eq!(source.state, State::Discarded);
    let failure = source.attempts[0].failure.as_ref().unwrap();
    assert!(failure.message.contains("20 jobs"), "{failure:?}");
    assert!(of(&site, id, State::Available).await.is_empty());
});
