//! Buckets: keys with values, whole steps, and what they cost.
//!
//! - this file: what is read is what was written, key by key and page by page
//! - `atomics`: increments and swaps, by many at once; `bounds`: what is refused, quotas, and
//!   how a bucket or its tenant goes

mod atomics;
mod bounds;

use lovage_queue::broker::{BrokerError, BucketStatus, Result};
use lovage_queue::bucket::{MAX_BATCH_KEYS, MAX_PAGE};

use super::harness::{Bench, TENANT};

fn pair(key: &str, value: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (key.to_owned(), value.as_ref().to_vec())
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

async fn set(b: &Bench, bucket: &str, key: &str, value: &[u8]) -> Result<()> {
    b.set_many(TENANT, bucket, &[pair(key, value)]).await
}

async fn get(b: &Bench, bucket: &str, key: &str) -> Option<Vec<u8>> {
    let found = b.get_many(TENANT, bucket, &keys(&[key])).await;
    found.unwrap().remove(0)
}

/// Its buckets as name, keys and bytes.
async fn status(b: &Bench, tenant: &str) -> Vec<(String, u64, u64)> {
    let all = b.buckets(tenant).await.unwrap().into_iter();
    all.map(|it: BucketStatus| (it.name, it.keys, it.bytes))
        .collect()
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(answer: Result<T>, said: &str) {
    match answer {
        Err(BrokerError::Invalid(text)) => assert!(text.contains(said), "{text}"),
        other => panic!("it was to be refused: {other:?}"),
    }
}

broker_test!(what_is_set_is_read_until_it_is_deleted, |b| async move {
    assert_eq!(get(&b, "b", "k").await, None);
    let bytes: Vec<u8> = (0..=255).collect();
    let pairs = [
        pair("k", &bytes),
        pair("empty", b""),
        pair("ключ 🗝\n\0", b"1"),
    ];
    b.set_many(TENANT, "b", &pairs).await.unwrap();
    let asked = keys(&["empty", "nothing", "k", "ключ 🗝\n\0", "k"]);
    let found = b.get_many(TENANT, "b", &asked).await.unwrap();
    let (k, empty) = (Some(bytes), Some(Vec::new()));
    assert_eq!(found, [empty, None, k.clone(), Some(b"1".to_vec()), k]);
    let there = b.exist(TENANT, "b", &asked).await.unwrap();
    assert_eq!(there, [true, false, true, true, true]);
    set(&b, "b", "k", b"new").await.unwrap();
    assert_eq!(get(&b, "b", "k").await, Some(b"new".to_vec()));
    // Of a key that is named twice, the last counts; deleted it is once.
    let twice = [pair("k", b"first"), pair("k", b"last")];
    b.set_many(TENANT, "b", &twice).await.unwrap();
    assert_eq!(get(&b, "b", "k").await, Some(b"last".to_vec()));
    let some = keys(&["k", "nothing", "k", "empty"]);
    assert_eq!(b.delete_many(TENANT, "b", &some).await.unwrap(), 2);
    assert_eq!(b.delete_many(TENANT, "b", &some).await.unwrap(), 0);
    let there = b.exist(TENANT, "b", &asked).await.unwrap();
    assert_eq!(there, [false, false, false, true, false]);
    // Nothing is asked of nothing.
    assert_eq!(b.get_many(TENANT, "b", &[]).await.unwrap(), []);
    assert!(b.exist(TENANT, "b", &[]).await.unwrap().is_empty());
    assert_eq!(b.delete_many(TENANT, "b", &[]).await.unwrap(), 0);
    b.set_many(TENANT, "new", &[]).await.unwrap();
    assert_eq!(status(&b, TENANT).await.len(), 1);
});

broker_test!(
    a_bucket_is_there_with_its_first_key_and_gone_with_its_last,
    |b| async move {
        assert_eq!(status(&b, TENANT).await, []);
        set(&b, "z", "key", b"value").await.unwrap();
        set(&b, "a", "k", b"v").await.unwrap();
        let two = [("a".to_owned(), 1, 2), ("z".to_owned(), 1, 8)];
        assert_eq!(status(&b, TENANT).await, two);
        set(&b, "z", "key", b"v").await.unwrap();
        set(&b, "z", "other", b"").await.unwrap();
        assert_eq!(status(&b, TENANT).await[1], ("z".to_owned(), 2, 9));
        b.delete_many(TENANT, "a", &keys(&["k"])).await.unwrap();
        b.delete_many(TENANT, "z", &keys(&["key"])).await.unwrap();
        assert_eq!(status(&b, TENANT).await, [("z".to_owned(), 1, 5)]);
        b.delete_many(TENANT, "z", &keys(&["other"])).await.unwrap();
        assert_eq!(status(&b, TENANT).await, []);
        assert_eq!(b.usage_of(TENANT).await.unwrap().bytes, 0);
    }
);

broker_test!(two_tenants_have_buckets_of_one_name, |b| async move {
    let others = b.neighbours(2);
    for tenant in &others {
        let value = tenant.as_bytes();
        b.set_many(tenant, "b", &[pair("k", value)]).await.unwrap();
        b.increment(tenant, "b", "n", 1).await.unwrap();
    }
    for tenant in &others {
        let found = b.get_many(tenant, "b", &keys(&["k", "n"])).await;
        let expected = [tenant.as_bytes().to_vec(), b"1".to_vec()].map(Some);
        assert_eq!(found.unwrap(), expected);
    }
    assert_eq!(b.delete_many(TENANT, "b", &keys(&["k"])).await.unwrap(), 1);
    let there = b.exist(&others[1], "b", &keys(&["k"])).await.unwrap();
    assert_eq!(there, [true]);
    // A name cannot be chosen so that it meets another's.
    set(&b, "b", "k:2", b"x").await.unwrap();
    set(&b, "b.k", "2", b"y").await.unwrap();
    assert_eq!(get(&b, "b", "k:2").await, Some(b"x".to_vec()));
});

/// All keys, page by page.
async fn all_keys(b: &Bench, bucket: &str, limit: u32) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = b.keys(TENANT, bucket, &after, limit).await.unwrap();
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return all };
        after.clone_from(last);
        all.extend(page);
    }
}

broker_test!(keys_are_listed_in_order_page_by_page, |b| async move {
    let names = ["a", "a/b", "A", "ä", "b", "\u{1}", "aa", "10", "9", "🗝"];
    let pairs: Vec<_> = names.iter().map(|it| pair(it, b"v")).collect();
    b.set_many(TENANT, "b", &pairs).await.unwrap();
    let mut expected = keys(&names);
    expected.sort_unstable();
    for limit in [1, 3, 10, 1_000] {
        assert_eq!(all_keys(&b, "b", limit).await, expected, "{limit}");
    }
    assert_eq!(b.keys(TENANT, "b", "", 0).await.unwrap(), [""; 0]);
    assert_eq!(b.keys(TENANT, "none", "", 9).await.unwrap(), [""; 0]);
    // A cursor need be no key that is there.
    assert_eq!(b.keys(TENANT, "b", "az", 1).await.unwrap(), ["b"]);
    // A page has an end, whatever is asked.
    for part in 0..2 {
        let pairs: Vec<_> = (0..MAX_BATCH_KEYS)
            .map(|n| pair(&format!("{part}{n:04}"), b""))
            .collect();
        b.set_many(TENANT, "many", &pairs).await.unwrap();
    }
    let page = b.keys(TENANT, "many", "", u32::MAX).await.unwrap();
    assert_eq!(page.len(), MAX_PAGE as usize);
});

broker_test!(
    who_lists_while_others_write_sees_what_stays,
    |b| async move {
        let stays: Vec<String> = (0..500).map(|n| format!("stays-{n:03}")).collect();
        let pairs: Vec<_> = stays.iter().map(|it| pair(it, b"v")).collect();
        b.set_many(TENANT, "b", &pairs).await.unwrap();
        let broker = b.broker.clone();
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let writes = tokio::spawn(async move {
            let mut n = 0;
            while stopped.try_recv().is_err() {
                n += 1;
                let key = format!("{}-{n}", if n % 2 == 0 { "a" } else { "stays-2" });
                let pairs = [pair(&key, b"v")];
                broker.set_many(TENANT, "b", &pairs).await.unwrap();
                broker.delete_many(TENANT, "b", &[key]).await.unwrap();
            }
            n
        });
        for limit in [1, 7, 100] {
            let seen = all_keys(&b, "b", limit).await;
            let kept: Vec<_> = seen.into_iter().filter(|it| stays.contains(it)).collect();
            assert_eq!(kept, stays, "each once, and in order");
        }
        stop.send(()).unwrap();
        assert!(writes.await.unwrap() > 0);
        let expected = [("b".to_owned(), 500, 500 * 10)];
        assert_eq!(status(&b, TENANT).await, expected);
    }
);
