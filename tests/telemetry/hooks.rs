//! Web-hooks: who is told of a job's end, once.

use lovage::webhook::{Message, new_secret, sign};
use lovage_queue::broker::Shelf;
use lovage_queue::hook::{Hook, MODULE};
use lovage_queue::job::{Ending, Job, JobId, State};

use super::receiver::Receiver;
use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, answering, beginning, fail};
use crate::support::site::{Site, call};
use crate::support::{site_test, until};

fn hook(name: &str, url: &str) -> Hook {
    Hook {
        name: name.into(),
        url: url.into(),
        tasks: Vec::new(),
        outcomes: Vec::new(),
        secret: new_secret(),
        attempts: None,
    }
}

async fn put(site: &Site, hook: &Hook) {
    hook.check().unwrap();
    let client = site.client().await;
    let put = client.broker();
    put.put_entry(client.tenant(), Shelf::Hooks, &hook.name, &hook.encode())
        .await
        .unwrap();
}

/// All deliveries that have come to this state.
async fn deliveries(site: &Site, state: State) -> Vec<Job> {
    let jobs = site.list(state).await.into_iter();
    jobs.filter(|it| it.call.module == MODULE).collect()
}

async fn delivered(site: &Site, hook: &Hook, of: JobId) -> Job {
    let id = hook.delivery_of(of);
    until("a delivery was made", || async {
        let client = site.client().await;
        client.job(id).await.ok()
    })
    .await;
    site.ends(&[id]).await.remove(0)
}

site_test!(each_end_is_told_once_and_signed, |site| async move {
    let receiver = Receiver::start(&[]).await;
    let hook = hook("all", &receiver.url);
    put(&site, &hook).await;
    site.push("app", &answering(7)).await;
    let bad = Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build();
    site.push("bad", &bad).await;
    site.push("long", &beginning(60_000)).await;
    let _worker = site.worker(&[]).await;
    let mut ids = site.enqueue("app", 5).await;
    ids.extend(site.enqueue_all(vec![call("bad"), call("long")]).await);
    site.begun(&ids[6..]).await;
    site.client().await.cancel(&ids[6..]).await.unwrap();
    site.ends(&ids).await;
    for id in &ids {
        let told = delivered(&site, &hook, *id).await;
        assert_eq!(told.state, State::Completed, "{told:#?}");
        assert_eq!(told.call.options.parent, Some(*id));
    }
    let got = receiver.got();
    assert_eq!(got.len(), ids.len(), "{got:#?}");
    for (id, end) in ids.iter().zip(
        ["completed"; 5]
            .into_iter()
            .chain(["discarded", "cancelled"]),
    ) {
        let message = hook.delivery_of(*id).to_string();
        let it = got.iter().find(|it| it.id == message).expect("a request");
        let signed = Message {
            id: &it.id,
            at: it.timestamp.parse().unwrap(),
            body: it.body.clone(),
        };
        assert_eq!(sign(&hook.secret, &signed), Some(it.signature.clone()));
        let (body, id) = (it.json(), id.to_string());
        assert_eq!(body["type"], format!("job.{end}").as_str());
        assert_eq!(
            (&body["data"]["id"], &body["data"]["state"]),
            (&id.into(), &end.into())
        );
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
        if end == "discarded" {
            assert_eq!(body["data"]["failure"]["kind"], "kind");
            assert_eq!(body["data"]["task"], "bad.go");
        }
    }
    assert_eq!(deliveries(&site, State::Completed).await.len(), ids.len());
});

site_test!(a_receiver_that_fails_is_told_again, |site| async move {
    let receiver = Receiver::start(&[500, 302]).await;
    let hook = hook("flaky", &receiver.url);
    put(&site, &hook).await;
    site.push("app", &answering(7)).await;
    let _worker = site.worker(&[]).await;
    let id = site.enqueue("app", 1).await[0];
    let told = delivered(&site, &hook, id).await;
    assert_eq!(
        (told.state, told.attempt),
        (State::Completed, 2),
        "{told:#?}"
    );
    let failure = told.attempts[0].failure.as_ref().unwrap();
    assert!(failure.message.contains("500"), "{failure:?}");
    // A redirect is no yes, and is not followed.
    assert!(
        told.attempts[1]
            .failure
            .as_ref()
            .unwrap()
            .message
            .contains("302")
    );
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert!(
        got.iter()
            .all(|it| it.id == got[0].id && it.body == got[0].body)
    );
});

site_test!(who_cannot_be_told_is_on_the_dead_list, |site| async move {
    let mut away = hook("away", "http://127.0.0.1:9/nobody");
    away.attempts = Some(1);
    put(&site, &away).await;
    let gone = hook("gone", "http://127.0.0.1:9/gone");
    put(&site, &gone).await;
    site.push("app", &answering(7)).await;
    let id = site.enqueue("app", 1).await[0];
    {
        // Only a worker of another queue can have made them before the hook goes.
        let _worker = site.worker(&[]).await;
        site.ends(&[id]).await;
        let told = delivered(&site, &away, id).await;
        assert_eq!(told.state, State::Discarded, "{told:#?}");
        assert_eq!(told.attempts[0].ending, Ending::Failed);
        let client = site.client().await;
        let removed = client
            .broker()
            .remove_entry(client.tenant(), Shelf::Hooks, "gone");
        assert!(removed.await.unwrap());
        let told = delivered(&site, &gone, id).await;
        assert_eq!(told.state, State::Discarded, "{told:#?}");
        let why = told.attempts.last().unwrap().failure.as_ref().unwrap();
        assert_eq!(why.kind, "no-hook");
    }
});

site_test!(
    nobody_inside_is_told_unless_workers_say_so,
    |site| async move {
        let receiver = Receiver::start(&[]).await;
        let named = receiver.url.replace("127.0.0.1", "localhost");
        let mut hooks = [hook("literal", &receiver.url), hook("named", &named)];
        for hook in &mut hooks {
            hook.attempts = Some(1);
            put(&site, hook).await;
        }
        site.push("app", &answering(7)).await;
        let _worker = site.worker(&["LOVAGE_HOOKS__PRIVATE=false"]).await;
        let id = site.enqueue("app", 1).await[0];
        for hook in &hooks {
            let told = delivered(&site, hook, id).await;
            assert_eq!(told.state, State::Discarded, "{told:#?}");
            let failure = told.attempts[0].failure.as_ref().unwrap();
            let why = "leads to no public address";
            assert!(failure.message.contains(why), "{failure:?}");
        }
        assert!(receiver.got().is_empty());
    }
);

site_test!(
    a_hook_hears_of_its_tasks_and_ends_alone,
    |site| async move {
        let receiver = Receiver::start(&[]).await;
        let mut some = hook("some", &receiver.url);
        some.tasks = vec!["bad.go".into()];
        some.outcomes = vec![State::Discarded];
        put(&site, &some).await;
        site.push("app", &answering(7)).await;
        let bad = Guest::with_imports(&fail(3, 0)).text(2000, FAILURE).build();
        site.push("bad", &bad).await;
        let mut worker = site.worker(&[]).await;
        let ids = site.enqueue_all(vec![call("app"), call("bad")]).await;
        site.ends(&ids).await;
        delivered(&site, &some, ids[1]).await;
        worker.signal("TERM");
        assert!(worker.ended().await.success());
        assert_eq!(deliveries(&site, State::Completed).await.len(), 1);
        assert_eq!(receiver.got().len(), 1);
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_push_the_workers_own_tasks() {
    let site = Site::sqlite();
    let file = site.write("mine.wasm", answering(1));
    let ran = site
        .lovage(&["push", file.to_str().unwrap(), "--name", "lovage"])
        .await;
    ran.fails(2, &["`lovage`", "choose another"]);
}
