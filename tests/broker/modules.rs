//! The registry: bytes by digest, releases, staging and readiness.

use lovage_queue::broker::BrokerError;
use lovage_queue::registry::{Digest, Manifest, RELEASES_KEPT, Readiness};
use lovage_queue::task::{TaskInfo, TaskOptions};

use super::harness::{Bench, TENANT, Worker, secs};

const NAME: &str = "basics";

fn manifest() -> Manifest {
    let task = TaskInfo {
        name: "add".into(),
        doc: "Adds *two* numbers.".into(),
        input_schema: serde_json::json!({"type": "object", "required": ["a", "b"]}),
        output_schema: serde_json::json!({"type": "integer"}),
        options: TaskOptions {
            max_attempts: Some(3),
            timeout: Some(secs(9)),
            ..TaskOptions::default()
        },
        schedules: Vec::new(),
    };
    Manifest {
        size: 8,
        tasks: vec![task],
        wants: Default::default(),
    }
}

/// Bytes that no compressor makes small: so that there are several chunks.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

async fn put(b: &Bench, module: &[u8]) -> Digest {
    b.put(TENANT, module, &manifest()).await.unwrap()
}

broker_test!(
    a_module_is_read_back_whole_with_its_manifest,
    |b| async move {
        let module = noise(3_000_000);
        let digest = put(&b, &module).await;
        assert_eq!(digest, Digest::of(&module));
        assert_eq!(b.module(TENANT, digest).await.unwrap(), Some(module));
        assert_eq!(b.manifest(TENANT, digest).await.unwrap(), Some(manifest()));
        let none = Digest::of(b"none");
        assert_eq!(b.module(TENANT, none).await.unwrap(), None);
        assert_eq!(b.manifest(TENANT, none).await.unwrap(), None);
    }
);

broker_test!(
    bytes_that_are_not_what_they_were_are_found_out,
    |b| async move {
        let module = noise(1_000_000);
        let digest = put(&b, &module).await;
        b.corrupt_module(TENANT, digest).await;
        let read = b.module(TENANT, digest).await;
        assert!(
            matches!(read, Err(BrokerError::Corrupt { .. })),
            "{:?}",
            read.map(|_| ())
        );
        put(&b, &module).await;
        assert_eq!(
            b.module(TENANT, digest).await.unwrap(),
            Some(module),
            "a second push repairs it"
        );
    }
);

broker_test!(a_module_put_twice_is_there_once, |b| async move {
    let digest = put(&b, b"a module").await;
    assert_eq!(put(&b, b"a module").await, digest);
    assert_eq!(
        b.module(TENANT, digest).await.unwrap().as_deref(),
        Some(&b"a module"[..])
    );
});

broker_test!(
    releases_count_up_and_are_listed_newest_first,
    |b| async move {
        let (one, two) = (put(&b, b"one").await, put(&b, b"two").await);
        let first = b.stage(TENANT, NAME, one, "ann").await.unwrap();
        assert_eq!((first.number, first.digest, first.active), (1, one, false));
        assert_eq!((first.at, first.by.as_str()), (b.now(), "ann"));
        b.pass(secs(1));
        let second = b.stage(TENANT, NAME, two, "ben").await.unwrap();
        assert_eq!(second.number, 2);
        let third = b.stage(TENANT, NAME, one, "ann").await.unwrap();
        assert_eq!(
            third.number, 3,
            "an older digest again is a release of its own"
        );
        assert_eq!(
            b.releases(TENANT, NAME).await.unwrap(),
            [third, second, first]
        );
        assert!(b.releases(TENANT, "none").await.unwrap().is_empty());
    }
);

broker_test!(
    staging_the_newest_digest_again_answers_with_its_release,
    |b| async move {
        let digest = put(&b, b"one").await;
        let first = b.stage(TENANT, NAME, digest, "ann").await.unwrap();
        b.pass(secs(1));
        assert_eq!(b.stage(TENANT, NAME, digest, "ben").await.unwrap(), first);
        b.activate(TENANT, NAME, 1).await.unwrap();
        let again = b.stage(TENANT, NAME, digest, "ben").await.unwrap();
        assert_eq!(
            (again.number, again.active),
            (1, true),
            "it is the one that jobs get"
        );
        assert_eq!(b.releases(TENANT, NAME).await.unwrap().len(), 1);
    }
);

broker_test!(one_release_of_a_name_is_active, |b| async move {
    for module in [&b"one"[..], b"two"] {
        let digest = put(&b, module).await;
        b.stage(TENANT, NAME, digest, "me").await.unwrap();
    }
    assert!(b.active(TENANT).await.unwrap().is_empty(), "only staged");
    for number in [1, 2, 1] {
        b.activate(TENANT, NAME, number).await.unwrap();
        let active = b.active(TENANT).await.unwrap();
        assert_eq!(
            (active.len(), active[0].0.as_str(), active[0].1.number),
            (1, NAME, number)
        );
        let releases = b.releases(TENANT, NAME).await.unwrap();
        let active: Vec<_> = releases
            .iter()
            .filter(|it| it.active)
            .map(|it| it.number)
            .collect();
        assert_eq!(active, [number]);
    }
});

broker_test!(active_names_are_sorted, |b| async move {
    let digest = put(&b, b"one").await;
    for name in ["text", "audio", "images"] {
        b.stage(TENANT, name, digest, "me").await.unwrap();
        b.activate(TENANT, name, 1).await.unwrap();
    }
    let names: Vec<_> = b
        .active(TENANT)
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(names, ["audio", "images", "text"]);
});

broker_test!(
    a_release_that_is_not_there_cannot_be_activated,
    |b| async move {
        let digest = put(&b, b"one").await;
        b.stage(TENANT, NAME, digest, "me").await.unwrap();
        for (name, number) in [(NAME, 2), (NAME, 0), ("none", 1)] {
            let refused = b.activate(TENANT, name, number).await;
            assert!(
                matches!(refused, Err(BrokerError::Missing(_))),
                "{name} {number}: {refused:?}"
            );
        }
    }
);

broker_test!(
    old_releases_leave_the_history_but_never_the_active_one,
    |b| async move {
        let last = RELEASES_KEPT as u32 + 3;
        for number in 1..=last {
            let digest = put(&b, &number.to_le_bytes()).await;
            b.stage(TENANT, NAME, digest, "me").await.unwrap();
        }
        let numbers = async || -> Vec<u32> {
            b.releases(TENANT, NAME)
                .await
                .unwrap()
                .iter()
                .map(|it| it.number)
                .collect()
        };
        b.activate(TENANT, NAME, 1).await.unwrap();
        let newest: Vec<u32> = (4..=last).rev().collect();
        assert_eq!(numbers().await, [&newest[..], &[1]].concat());
        b.activate(TENANT, NAME, last).await.unwrap();
        assert_eq!(numbers().await, newest);
    }
);

broker_test!(
    live_workers_are_told_of_staged_digests_until_they_have_spoken,
    |b| async move {
        let digest = put(&b, b"one").await;
        let workers = [Worker::new(&b), Worker::new(&b)];
        for worker in &workers {
            assert!(worker.beat().await.unwrap().staged.is_empty());
        }
        b.stage(TENANT, NAME, digest, "me").await.unwrap();
        let staged = vec![(TENANT.to_owned(), digest)];
        for worker in &workers {
            assert_eq!(worker.beat().await.unwrap().staged, staged);
            assert_eq!(
                worker.beat().await.unwrap().staged,
                staged,
                "as long as it says nothing"
            );
        }
        let word = vec![(TENANT.to_owned(), digest, None)];
        assert!(workers[0].beat_with(word).await.unwrap().staged.is_empty());
        assert_eq!(workers[1].beat().await.unwrap().staged, staged);
        b.activate(TENANT, NAME, 1).await.unwrap();
        assert!(
            workers[1].beat().await.unwrap().staged.is_empty(),
            "its staging has ended"
        );
    }
);

broker_test!(
    readiness_counts_live_workers_and_what_they_said,
    |b| async move {
        let digest = put(&b, b"one").await;
        assert_eq!(
            b.readiness(TENANT, digest).await.unwrap(),
            Readiness::default()
        );
        let [ready, unable, silent] = [Worker::new(&b), Worker::new(&b), Worker::new(&b)];
        for worker in [&ready, &unable, &silent] {
            worker.beat().await.unwrap();
        }
        b.stage(TENANT, NAME, digest, "me").await.unwrap();
        let word =
            |refusal: Option<&str>| vec![(TENANT.to_owned(), digest, refusal.map(Into::into))];
        ready.beat_with(word(None)).await.unwrap();
        unable.beat_with(word(Some("too large"))).await.unwrap();
        let refused = vec!["too large".to_owned()];
        assert_eq!(
            b.readiness(TENANT, digest).await.unwrap(),
            Readiness {
                live: 3,
                ready: 1,
                refused
            }
        );
    }
);

broker_test!(
    readiness_does_not_count_workers_whose_lease_ran_out,
    |b| async move {
        let digest = put(&b, b"one").await;
        let [ready, unable, living] = [Worker::new(&b), Worker::new(&b), Worker::new(&b)];
        b.stage(TENANT, NAME, digest, "me").await.unwrap();
        let word =
            |refusal: Option<&str>| vec![(TENANT.to_owned(), digest, refusal.map(Into::into))];
        ready.beat_with(word(None)).await.unwrap();
        unable.beat_with(word(Some("too large"))).await.unwrap();
        b.pass(secs(6));
        living.beat().await.unwrap();
        b.pass(secs(6));
        let expected = Readiness {
            live: 1,
            ready: 0,
            refused: Vec::new(),
        };
        assert_eq!(b.readiness(TENANT, digest).await.unwrap(), expected);
    }
);
