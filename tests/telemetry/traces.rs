//! Traces, as a collector gets them.

use lovage_queue::client::TRACEPARENT;
use lovage_queue::job::State;

use super::collector::{Collector, Span};
use super::parent;
use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, answering, fail};
use crate::support::site::{Ran, Site, call};
use crate::support::{site_test, until};

/// Enqueues by the command line, traced; the job's id.
async fn enqueue(site: &Site, otlp: &str, task: &str) -> String {
    let mut command = site.command(["call", task, "--json"]);
    command.env("LOVAGE_TELEMETRY__OTLP", otlp);
    let ran = Ran::of(command, b"").await.ok();
    ran.json()["id"].as_str().unwrap().to_owned()
}

/// The one span of a name, once it is there.
async fn one(collector: &Collector, name: &str) -> Span {
    let what = format!("a span `{name}` has come");
    let mut spans = until(&what, || async {
        let spans = collector.named(name);
        (!spans.is_empty()).then_some(spans)
    })
    .await;
    assert_eq!(spans.len(), 1, "{spans:#?}");
    spans.remove(0)
}

site_test!(
    a_trace_holds_a_call_and_what_came_of_it,
    |site| async move {
        let collector = Collector::start().await;
        site.push("kid", &answering(5)).await;
        site.push("app", &parent()).await;
        let otlp = format!("LOVAGE_TELEMETRY__OTLP={}", collector.url);
        let _worker = site.worker(&[&otlp]).await;
        // That its module is there: what goes back for it is an attempt of its own.
        site.ends(&site.enqueue("kid", 1).await).await;
        until("it is told", || async {
            (!collector.named("attempt kid.go").is_empty()).then_some(())
        })
        .await;
        let id = enqueue(&site, &collector.url, "app.go").await;

        let enqueued = one(&collector, "enqueue app.go").await;
        assert_eq!((enqueued.kind, enqueued.parent.len()), (4, 0));
        let done = |it: &Span| it.attributes["lovage.outcome"] == "completed";
        let attempt = until("the attempt has come", || async {
            collector.named("attempt app.go").into_iter().find(done)
        })
        .await;
        assert_eq!(attempt.kind, 5);
        assert_eq!(attempt.trace, enqueued.trace);
        assert_eq!(attempt.parent, enqueued.id);
        let attribute = |name: &str| attempt.attributes[name].as_str();
        assert_eq!(attribute("lovage.job.id"), id);
        assert_eq!(attribute("lovage.queue"), "default");
        assert_eq!(attribute("lovage.attempt"), "1");
        assert_eq!(attribute("lovage.release"), "1");
        assert_eq!(attribute("lovage.digest").len(), 64);
        assert!(attribute("lovage.fuel").parse::<u64>().unwrap() > 0);
        for name in ["wait", "settle"] {
            // It may come with another word than the attempt.
            let part = until(&format!("its `{name}` has come"), || async {
                let mut parts = collector.named(name).into_iter();
                parts.find(|it| it.parent == attempt.id)
            })
            .await;
            assert_eq!(part.trace, enqueued.trace);
        }
        let kid = until("the child's attempt has come", || async {
            let of_it = |it: &Span| it.trace == enqueued.trace && done(it);
            collector.named("attempt kid.go").into_iter().find(of_it)
        })
        .await;
        assert_eq!(kid.parent, attempt.id);
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_an_error_of_its_span() {
    let site = Site::sqlite();
    let collector = Collector::start().await;
    site.push(
        "bad",
        &Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build(),
    )
    .await;
    let otlp = format!("LOVAGE_TELEMETRY__OTLP={}", collector.url);
    let mut worker = site.worker(&[&otlp]).await;
    site.ends(&site.enqueue("bad", 1).await).await;
    // What ends sends its last.
    worker.signal("TERM");
    assert!(worker.ended().await.success());
    let attempts = collector.named("attempt bad.go");
    let failed = attempts
        .iter()
        .find(|it| it.attributes["lovage.outcome"] == "discarded");
    assert_eq!(failed.expect("a span of the attempt").status, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_children_keep_their_parents_trace() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let site = Site::sqlite();
    site.push("kid", &answering(5)).await;
    site.push("app", &parent()).await;
    let _worker = site.worker(&[]).await;
    let mut traced = call("app");
    traced
        .options
        .headers
        .insert(TRACEPARENT.into(), TRACE.into());
    let ids = site.enqueue_all(vec![traced, call("app")]).await;
    site.ends(&ids).await;
    let kids = until("both children have ended", || async {
        let jobs = site.list(State::Completed).await.into_iter();
        let kids: Vec<_> = jobs.filter(|it| it.call.module == "kid").collect();
        (kids.len() == 2).then_some(kids)
    })
    .await;
    for kid in kids {
        let carried = kid
            .call
            .options
            .headers
            .get(TRACEPARENT)
            .map(String::as_str);
        let is_traced = kid.call.options.parent == Some(ids[0]);
        assert_eq!(carried, is_traced.then_some(TRACE), "{kid:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_nobody_up() {
    let site = Site::sqlite();
    site.push("kid", &answering(5)).await;
    let otlp = "LOVAGE_TELEMETRY__OTLP=http://127.0.0.1:9";
    let mut worker = site.worker(&[otlp]).await;
    site.ends(&site.enqueue("kid", 50).await).await;
    worker.signal("TERM");
    assert!(worker.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_of_a_flow_are_of_one_trace() {
    let site = Site::sqlite();
    let collector = Collector::start().await;
    site.push("kid", &answering(5)).await;
    let otlp = format!("LOVAGE_TELEMETRY__OTLP={}", collector.url);
    let _worker = site.worker(&[&otlp]).await;
    let flow = site.write(
        "flow.json",
        r#"{"chain": [{"task": "kid.go"}, {"task": "kid.go"}]}"#,
    );
    let mut command = site.command(["flow", "run", flow.to_str().unwrap(), "--wait"]);
    command.env("LOVAGE_TELEMETRY__OTLP", &collector.url);
    Ran::of(command, b"").await.ok();
    let made = one(&collector, "enqueue flow").await;
    until("both calls are of it", || async {
        let attempts = collector.named("attempt kid.go").into_iter();
        let done = attempts.filter(|it| it.attributes["lovage.outcome"] == "completed");
        let of_it = done.filter(|it| it.trace == made.trace && it.parent == made.id);
        (of_it.count() == 2).then_some(())
    })
    .await;
}
