//! What is refused, what a quota counts, and how a bucket goes.

use lovage_queue::broker::{BrokerError, Result, Swapped, TenantChange};
use lovage_queue::bucket::{MAX_BATCH_KEYS, MAX_BUCKETS, MAX_KEY, MAX_VALUE};
use lovage_queue::tenant::{Deletion, Quota, Tenant};

use super::{assert_invalid, get, keys, pair, set, status};
use crate::broker::harness::{Bench, TENANT, secs};

broker_test!(what_is_no_name_key_or_value_is_refused, |b| async move {
    let one = keys(&["k"]);
    for wrong in ["", "a b", "../other", "a:b", "ü", &"b".repeat(129)] {
        let said = "no name of a bucket";
        assert_invalid(b.get_many(TENANT, wrong, &one).await, said);
        assert_invalid(set(&b, wrong, "k", b"v").await, said);
        assert_invalid(b.delete_many(TENANT, wrong, &one).await, said);
        assert_invalid(b.exist(TENANT, wrong, &one).await, said);
        assert_invalid(b.keys(TENANT, wrong, "", 9).await, said);
        assert_invalid(b.increment(TENANT, wrong, "k", 1).await, said);
        assert_invalid(b.swap(TENANT, wrong, "k", None, b"").await, said);
        assert_invalid(b.delete_bucket(TENANT, wrong, 9).await, said);
    }
    let longest = "k".repeat(MAX_KEY);
    set(&b, "b", &longest, b"v").await.unwrap();
    assert_eq!(get(&b, "b", &longest).await, Some(b"v".to_vec()));
    for wrong in ["", &"k".repeat(MAX_KEY + 1)] {
        let said = "a key has 1 to 1024 bytes";
        let one = keys(&[wrong]);
        assert_invalid(b.get_many(TENANT, "b", &one).await, said);
        assert_invalid(set(&b, "b", wrong, b"v").await, said);
        assert_invalid(b.delete_many(TENANT, "b", &one).await, said);
        assert_invalid(b.exist(TENANT, "b", &one).await, said);
        assert_invalid(b.increment(TENANT, "b", wrong, 1).await, said);
        assert_invalid(b.swap(TENANT, "b", wrong, None, b"").await, said);
    }
    let tenant = b.set_many("No Tenant", "b", &[pair("k", b"")]).await;
    assert!(matches!(tenant, Err(BrokerError::Invalid(_))), "{tenant:?}");
});

broker_test!(what_is_too_much_for_a_step_is_refused, |b| async move {
    let large = vec![7; MAX_VALUE];
    set(&b, "b", "k", &large).await.unwrap();
    assert_eq!(get(&b, "b", "k").await.as_ref(), Some(&large));
    let said = "a value has at most 1048576 bytes";
    let over = vec![7; MAX_VALUE + 1];
    assert_invalid(set(&b, "b", "k", &over).await, said);
    let swapped = b.swap(TENANT, "b", "k", Some(&large), &over).await;
    assert_invalid(swapped, said);
    let said = "at most 1000 keys";
    let many = vec!["k".to_owned(); MAX_BATCH_KEYS + 1];
    assert_invalid(b.get_many(TENANT, "b", &many).await, said);
    assert_invalid(b.delete_many(TENANT, "b", &many).await, said);
    assert_invalid(b.exist(TENANT, "b", &many).await, said);
    let pairs = vec![pair("k", b"v"); MAX_BATCH_KEYS + 1];
    assert_invalid(b.set_many(TENANT, "b", &pairs).await, said);
    let said = "at most 16777216 bytes";
    let pairs: Vec<_> = (0..16).map(|n| pair(&format!("{n}"), &large)).collect();
    assert_invalid(b.set_many(TENANT, "b", &pairs).await, said);
    // None of it was done, and what is there in two steps is not read in one.
    assert_eq!(status(&b, TENANT).await[0].1, 1);
    b.set_many(TENANT, "b", &pairs[..8]).await.unwrap();
    b.set_many(TENANT, "b", &pairs[8..]).await.unwrap();
    let mut asked: Vec<String> = pairs.into_iter().map(|it| it.0).collect();
    assert_eq!(b.get_many(TENANT, "b", &asked).await.unwrap().len(), 16);
    asked.push("k".into());
    assert_invalid(b.get_many(TENANT, "b", &asked).await, said);
    let twice = vec!["k".to_owned(); 17];
    assert_invalid(b.get_many(TENANT, "b", &twice).await, said);
});

broker_test!(a_tenant_has_so_many_buckets, |b| async move {
    for n in 0..MAX_BUCKETS {
        set(&b, &format!("b{n}"), "k", b"").await.unwrap();
    }
    let said = "at most 1000 buckets";
    assert_invalid(set(&b, "more", "k", b"").await, said);
    assert_invalid(b.increment(TENANT, "more", "k", 1).await, said);
    assert_invalid(b.swap(TENANT, "more", "k", None, b"").await, said);
    set(&b, "b7", "other", b"").await.unwrap();
    b.delete_many(TENANT, "b9", &keys(&["k"])).await.unwrap();
    set(&b, "more", "k", b"").await.unwrap();
    assert_eq!(status(&b, TENANT).await.len(), MAX_BUCKETS);
});

/// One key less than a bucket may have, as if they had been set one by one; on SQLite a unit
/// test does the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_has_so_many_keys_on_redis() {
    let b = Bench::redis().await;
    b.leave(
        "for i = 1, 999999 do redis.call('ZADD', root .. 'default:keys:b', 0, i) end
        redis.call('HSET', root .. 'default:buckets', 'b', 0)",
    );
    let said = "at most 1000000 keys";
    let two = [pair("x", b""), pair("y", b"")];
    assert_invalid(b.set_many(TENANT, "b", &two).await, said);
    set(&b, "b", "x", b"").await.unwrap();
    assert_invalid(set(&b, "b", "y", b"").await, said);
    assert_invalid(b.increment(TENANT, "b", "y", 1).await, said);
    assert_invalid(b.swap(TENANT, "b", "y", None, b"").await, said);
    set(&b, "b", "x", b"again").await.unwrap();
    b.delete_many(TENANT, "b", &keys(&["x"])).await.unwrap();
    set(&b, "b", "y", b"").await.unwrap();
}

/// A tenant that may store so many bytes.
async fn tenant(b: &Bench, bytes: u64) -> String {
    let name = b.neighbours(2).remove(1);
    let quota = Quota {
        bytes: Some(bytes),
        ..Quota::default()
    };
    let tenant = Tenant {
        quota,
        ..Tenant::new(&name)
    };
    assert!(b.create_tenant(&tenant).await.unwrap());
    name
}

#[track_caller]
fn assert_over<T: std::fmt::Debug>(answer: Result<T>, expected: (u64, u64)) {
    match answer {
        Err(BrokerError::Quota {
            quota, limit, used, ..
        }) => assert_eq!((quota.as_str(), (limit, used)), ("bytes", expected)),
        other => panic!("it was to be refused: {other:?}"),
    }
}

broker_test!(
    a_quota_refuses_all_of_a_step_and_deletion_makes_room,
    |b| async move {
        let name = tenant(&b, 100).await;
        let used = async || b.usage_of(&name).await.unwrap().bytes;
        let put = async |key: &str, size: usize| {
            b.set_many(&name, "b", &[pair(key, vec![b'1'; size])]).await
        };
        put("a", 89).await.unwrap();
        assert_eq!(used().await, 90);
        assert_over(put("b", 10).await, (100, 90));
        let both = [pair("c", b"1"), pair("b", [b'1'; 9])];
        assert_over(b.set_many(&name, "b", &both).await, (100, 90));
        let twelve = b.increment(&name, "b", "n", 1_000_000_000).await;
        assert_over(twelve, (100, 90));
        assert_over(b.swap(&name, "b", "s", None, &[0; 10]).await, (100, 90));
        assert_eq!(status(&b, &name).await, [("b".to_owned(), 1, 90)]);
        // Up to the last byte; what is written over counts by the difference.
        put("b", 9).await.unwrap();
        assert_eq!(used().await, 100);
        put("a", 80).await.unwrap();
        assert_eq!(used().await, 91);
        put("a", 89).await.unwrap();
        assert_over(put("a", 90).await, (100, 100));
        assert_over(b.increment(&name, "b", "b", 888_888_889).await, (100, 100));
        assert_eq!(used().await, 100);
        // The sum of as many digits takes no more, and what is less is done at the edge too.
        assert_eq!(b.increment(&name, "b", "b", 1).await.unwrap(), 111_111_112);
        let swapped = b.swap(&name, "b", "b", Some(b"111111112"), b"2").await;
        assert_eq!(swapped.unwrap(), Swapped::Done);
        assert_eq!(used().await, 92);
        b.delete_many(&name, "b", &keys(&["a"])).await.unwrap();
        assert_eq!(used().await, 2);
        b.increment(&name, "b", "n", 1_000_000_000).await.unwrap();
        // Below what is there, the quota refuses more and takes less.
        let change = TenantChange::Terms(
            1,
            Quota {
                bytes: Some(1),
                ..Quota::default()
            },
        );
        b.change_tenant(&name, &change).await.unwrap();
        b.increment(&name, "b", "n", -999_999_999).await.unwrap();
        assert_over(put("new", 0).await, (1, 4));
        // Others are not concerned.
        set(&b, "b", "k", &[0; 500]).await.unwrap();
    }
);

broker_test!(what_is_in_buckets_counts_beside_blobs, |b| async move {
    let name = tenant(&b, 100_000).await;
    b.put_blob(&name, &[1; 70_000]).await.unwrap();
    let pairs = [pair("k", vec![2; 40_000])];
    assert_over(b.set_many(&name, "b", &pairs).await, (100_000, 70_000));
    b.set_many(&name, "b", &[pair("k", vec![2; 29_999])])
        .await
        .unwrap();
    assert_over(b.put_blob(&name, &[3; 70_000]).await, (100_000, 100_000));
});

broker_test!(a_bucket_goes_in_bounded_steps, |b| async move {
    for part in 0..3 {
        let pairs: Vec<_> = (0..100)
            .map(|n| pair(&format!("{part}/{n}"), b"value"))
            .collect();
        b.set_many(TENANT, "b", &pairs).await.unwrap();
    }
    set(&b, "other", "k", b"v").await.unwrap();
    let step = async || b.delete_bucket(TENANT, "b", 100).await.unwrap();
    assert_eq!(step().await, Deletion::More);
    assert_eq!(status(&b, TENANT).await[0].1, 200);
    assert_eq!(
        [step().await, step().await],
        [Deletion::More, Deletion::Done]
    );
    assert_eq!(step().await, Deletion::Missing);
    assert_eq!(status(&b, TENANT).await, [("other".to_owned(), 1, 2)]);
    assert_eq!(b.usage_of(TENANT).await.unwrap().bytes, 2);
    assert_eq!(b.keys(TENANT, "b", "", 9).await.unwrap(), [""; 0]);
    // Large values make a step shorter.
    for n in 0..24 {
        let key = format!("{n}");
        set(&b, "b", &key, &vec![0; MAX_VALUE]).await.unwrap();
    }
    assert_eq!(
        [step().await, step().await],
        [Deletion::More, Deletion::Done]
    );
});

broker_test!(
    jobs_of_a_suspended_tenant_go_on_to_use_its_buckets,
    |b| async move {
        let name = tenant(&b, 100).await;
        let suspended = TenantChange::Suspended(true);
        b.change_tenant(&name, &suspended).await.unwrap();
        b.set_many(&name, "b", &[pair("k", b"1")]).await.unwrap();
        assert_eq!(b.increment(&name, "b", "k", 1).await.unwrap(), 2);
        let swapped = b.swap(&name, "b", "k", Some(b"2"), b"3").await;
        assert_eq!(swapped.unwrap(), Swapped::Done);
        // The quota holds all the same.
        let refused = b.set_many(&name, "b", &[pair("k", [0; 100])]).await;
        assert_over(refused, (100, 2));
        b.delete_many(&name, "b", &keys(&["k"])).await.unwrap();
        assert_eq!(status(&b, &name).await, []);
    }
);

broker_test!(
    of_a_tenant_that_is_deleted_nothing_changes_or_stays,
    |b| async move {
        let name = b.neighbours(2).remove(1);
        let pairs: Vec<_> = (0..500).map(|n| pair(&format!("{n}"), b"v")).collect();
        for bucket in ["one", "two"] {
            b.set_many(&name, bucket, &pairs).await.unwrap();
        }
        set(&b, "one", "mine", b"v").await.unwrap();
        assert_eq!(b.delete_tenant(&name, 100).await.unwrap(), Deletion::More);
        let gone = |answer: Result<()>| {
            assert!(matches!(answer, Err(BrokerError::Missing(_))), "{answer:?}");
        };
        gone(b.set_many(&name, "one", &pairs[..1]).await);
        gone(b.set_many(&name, "three", &pairs[..1]).await);
        gone(b.increment(&name, "one", "n", 1).await.map(drop));
        gone(b.swap(&name, "one", "n", None, b"").await.map(drop));
        gone(b.delete_many(&name, "one", &keys(&["1"])).await.map(drop));
        gone(b.delete_bucket(&name, "one", 9).await.map(drop));
        b.pass(secs(4));
        let mut steps = 0;
        while b.delete_tenant(&name, 100).await.unwrap() == Deletion::More {
            steps += 1;
            assert!(steps < 1_000, "it comes to no end");
        }
        assert_eq!(status(&b, &name).await, []);
        for bucket in ["one", "two"] {
            assert_eq!(b.keys(&name, bucket, "", 9).await.unwrap(), [""; 0]);
            let found = b.get_many(&name, bucket, &keys(&["1"])).await;
            assert_eq!(found.unwrap(), [None]);
        }
        assert_eq!(b.mentions(&name).await, [""; 0]);
        assert_eq!(status(&b, TENANT).await, [("one".to_owned(), 1, 5)]);
    }
);
