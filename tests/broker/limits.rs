//! Limits as they are set, declared and shown. What they do is in `concurrency`,
//! `rate`, `order`, `pause` and `depth`.

use lovage_queue::broker::BrokerError;
use lovage_queue::limits::{Limit, Order, Scope};
use lovage_queue::registry::Manifest;
use lovage_queue::task::{Rate, TaskInfo, TaskOptions};

use super::harness::{Bench, TENANT, Worker, at_once, complete, paced, secs, unlimited};

const SCOPES: [&str; 6] = [
    "tenant",
    "queue:default",
    "lane:default/a",
    "lanes:default",
    "task:basics.add",
    "module:basics",
];

broker_test!(all_limits_and_pauses_are_listed_in_order, |b| async move {
    assert!(b.limits(TENANT).await.unwrap().is_empty());
    for scope in SCOPES.into_iter().rev().skip(1) {
        b.allow(scope, at_once(3)).await;
    }
    for scope in ["module:basics", "tenant", "queue:other"] {
        b.hold(scope).await;
    }
    let limits = b.limits(TENANT).await.unwrap();
    let scopes: Vec<_> = limits.iter().map(|it| it.scope.clone()).collect();
    let mut expected: Vec<Scope> = SCOPES.iter().map(|it| it.parse().unwrap()).collect();
    expected.push("queue:other".parse().unwrap());
    expected.sort();
    assert_eq!(scopes, expected);
    for it in &limits {
        let scope = it.scope.to_string();
        let limited = !matches!(scope.as_str(), "module:basics" | "queue:other");
        let limit = if limited { at_once(3) } else { unlimited() };
        let paused = !limited || scope == "tenant";
        assert_eq!((it.limit, it.paused), (limit, paused), "{scope}");
        assert_eq!((it.declared, it.running), (false, 0), "{scope}");
    }
    let other = b.neighbours(2).remove(1);
    assert!(b.limits(&other).await.unwrap().is_empty());
});

broker_test!(a_limit_is_kept_whole_and_lifted_whole, |b| async move {
    let limit = Limit {
        rate: Some(Rate {
            count: 7,
            period: secs(60),
        }),
        concurrency: Some(4),
        depth: Some(100),
        order: Order::Strict,
    };
    b.allow("queue:default", limit).await;
    assert_eq!(b.limited("queue:default").await.unwrap().limit, limit);
    b.allow("queue:default", at_once(1)).await;
    let now = b.limited("queue:default").await.unwrap().limit;
    assert_eq!(now, at_once(1), "what it does not name is lifted");
    b.allow("queue:default", unlimited()).await;
    assert_eq!(b.limited("queue:default").await, None);
    b.hold("queue:default").await;
    b.allow("queue:default", at_once(1)).await;
    b.allow("queue:default", unlimited()).await;
    let left = b.limited("queue:default").await.unwrap();
    assert!(left.paused, "a limit that is lifted lifts no pause");
    b.resume("queue:default").await;
    assert_eq!(b.limited("queue:default").await, None);
});

broker_test!(limits_that_make_no_sense_are_refused, |b| async move {
    let deep = Limit {
        depth: Some(5),
        ..unlimited()
    };
    let strict = Limit {
        order: Order::Strict,
        ..unlimited()
    };
    let wrong = [
        ("tenant", deep),
        ("lanes:default", strict),
        ("task:basics.add", deep),
        ("module:basics", at_once(1)),
        ("queue:default", at_once(0)),
        ("queue:default", paced(0, secs(1))),
        ("queue:default", paced(1, secs(0))),
    ];
    for (scope, limit) in wrong {
        let scope: Scope = scope.parse().unwrap();
        let refused = b.limit(TENANT, &scope, &limit).await;
        assert!(
            matches!(refused, Err(BrokerError::Invalid(_))),
            "{scope}: {refused:?}"
        );
    }
    let lanes = Scope::Lanes("default".into());
    for paused in [true, false] {
        let refused = b.pause(TENANT, &lanes, paused).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))));
    }
    assert!(b.limits(TENANT).await.unwrap().is_empty());
});

/// Makes a release of `basics` the active one, whose task `add` has these
/// options.
async fn activate(b: &Bench, code: &[u8], options: TaskOptions) -> u32 {
    let task = TaskInfo {
        name: "add".into(),
        doc: String::new(),
        input_schema: serde_json::json!({}),
        output_schema: serde_json::json!({}),
        options,
        schedules: Vec::new(),
    };
    let manifest = Manifest {
        size: 1,
        tasks: vec![task],
        wants: Default::default(),
    };
    let digest = b.put(TENANT, code, &manifest).await.unwrap();
    let release = b.stage(TENANT, "basics", digest, "me").await.unwrap();
    b.activate(TENANT, "basics", release.number).await.unwrap();
    release.number
}

fn declares(concurrency: Option<u32>, rate: Option<Rate>) -> TaskOptions {
    TaskOptions {
        concurrency,
        rate,
        ..TaskOptions::default()
    }
}

broker_test!(a_module_declares_the_limits_of_its_tasks, |b| async move {
    b.add_plain(5).await;
    let worker = Worker::new(&b);
    let first = activate(&b, b"one", declares(Some(2), None)).await;
    let limit = b.limited("task:basics.add").await.unwrap();
    assert_eq!((limit.limit, limit.declared), (at_once(2), true));
    let claimed = worker.claim_all().await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(b.running_in("task:basics.add").await, 2);
    activate(&b, b"two", declares(Some(3), None)).await;
    assert_eq!(worker.claim_all().await.len(), 1, "a new release says more");
    activate(&b, b"three", declares(None, None)).await;
    assert_eq!(b.limited("task:basics.add").await, None);
    assert_eq!(
        worker.claim_all().await.len(),
        2,
        "and the next says nothing"
    );
    b.add_plain(3).await;
    b.activate(TENANT, "basics", first).await.unwrap();
    assert!(worker.claim_all().await.is_empty(), "five run, two may");
    assert_eq!(b.running_in("task:basics.add").await, 5);
    worker.settle(complete(&claimed[0], &[1])).await;
    assert_eq!(b.running_in("task:basics.add").await, 4);
});

broker_test!(a_staged_release_declares_nothing_yet, |b| async move {
    let digest = b
        .put(
            TENANT,
            b"one",
            &Manifest {
                size: 1,
                tasks: Vec::new(),
                wants: Default::default(),
            },
        )
        .await
        .unwrap();
    b.stage(TENANT, "basics", digest, "me").await.unwrap();
    assert!(b.limits(TENANT).await.unwrap().is_empty());
});

broker_test!(
    an_operators_limit_goes_before_the_declared_one_field_by_field,
    |b| async move {
        let hourly = Rate {
            count: 1,
            period: secs(3_600),
        };
        b.add_plain(9).await;
        let worker = Worker::new(&b);
        activate(&b, b"one", declares(Some(1), None)).await;
        b.allow("task:basics.add", at_once(3)).await;
        let limit = b.limited("task:basics.add").await.unwrap();
        assert_eq!((limit.limit.concurrency, limit.declared), (Some(3), false));
        assert_eq!(worker.claim_all().await.len(), 3);
        b.allow("task:basics.add", unlimited()).await;
        let limit = b.limited("task:basics.add").await.unwrap();
        assert_eq!((limit.limit, limit.declared), (at_once(1), true));
        assert!(worker.claim_all().await.is_empty());
        b.allow("task:basics.add", at_once(9)).await;
        activate(&b, b"two", declares(Some(1), Some(hourly))).await;
        let started = worker.claim_all().await.len();
        assert_eq!(started, 1, "the rate is the module's, who sets none");
        assert!(worker.claim_all().await.is_empty());
        b.allow("task:basics.add", paced(1_000_000, secs(1))).await;
        assert!(
            worker.claim_all().await.is_empty(),
            "and so is the concurrency"
        );
    }
);
