//! Increments and swaps.

use std::sync::Arc;

use lovage_queue::broker::Swapped;

use super::{assert_invalid, get, set, status};
use crate::broker::harness::TENANT;

broker_test!(increments_of_many_at_once_add_up, |b| async move {
    let tasks = (0..50).map(|n| {
        let broker = b.broker.clone();
        tokio::spawn(async move {
            let mut sums = Vec::new();
            for _ in 0..20 {
                let sum = broker.increment(TENANT, "b", "n", n % 3 + 1).await;
                sums.push(sum.unwrap());
            }
            sums
        })
    });
    let (tasks, mut sums): (Vec<_>, Vec<i64>) = (tasks.collect(), Vec::new());
    for task in tasks {
        sums.extend(task.await.unwrap());
    }
    let total: i64 = (0..50).map(|n| 20 * (n % 3 + 1)).sum();
    assert_eq!(
        get(&b, "b", "n").await,
        Some(total.to_string().into_bytes())
    );
    // Each was a step of its own: no sum was answered twice.
    sums.sort_unstable();
    sums.dedup();
    assert_eq!((sums.len(), sums.last()), (1_000, Some(&total)));
    let bytes = 1 + total.to_string().len() as u64;
    assert_eq!(status(&b, TENANT).await, [("b".to_owned(), 1, bytes)]);
});

broker_test!(a_number_is_exact_to_its_last_bit, |b| async move {
    let by = async |n: i64| b.increment(TENANT, "b", "n", n).await;
    assert_eq!(by(i64::MAX).await.unwrap(), i64::MAX);
    assert_invalid(by(1).await, "64 bits");
    assert_eq!(by(-1).await.unwrap(), i64::MAX - 1);
    assert_eq!(by(i64::MIN).await.unwrap(), -2);
    assert_eq!(by(i64::MIN + 2).await.unwrap(), i64::MIN);
    assert_invalid(by(-1).await, "64 bits");
    assert_eq!(by(0).await.unwrap(), i64::MIN);
    let least = i64::MIN.to_string();
    assert_eq!(get(&b, "b", "n").await, Some(least.clone().into_bytes()));
    let expected = [("b".to_owned(), 1, 1 + least.len() as u64)];
    assert_eq!(status(&b, TENANT).await, expected);
    assert_eq!(b.increment(TENANT, "b", "m", -3).await.unwrap(), -3);
});

broker_test!(what_is_no_number_stays_as_it_is, |b| async move {
    for wrong in [
        &b""[..],
        b"x",
        b"1.5",
        b" 1",
        b"1 ",
        b"+1",
        b"007",
        b"-0",
        b"9223372036854775808",
        b"\xff",
    ] {
        set(&b, "b", "n", wrong).await.unwrap();
        assert_invalid(b.increment(TENANT, "b", "n", 1).await, "no whole number");
        assert_eq!(get(&b, "b", "n").await.as_deref(), Some(wrong));
    }
    for right in ["0", "-1", "41"] {
        set(&b, "b", "n", right.as_bytes()).await.unwrap();
        let number: i64 = right.parse().unwrap();
        let sum = b.increment(TENANT, "b", "n", 1).await.unwrap();
        assert_eq!(sum, number + 1);
    }
});

broker_test!(a_swap_goes_by_the_value_that_is_there, |b| async move {
    let swap = async |expected: Option<&str>, value: &str| {
        let expected = expected.map(str::as_bytes);
        let swapped = b.swap(TENANT, "b", "k", expected, value.as_bytes()).await;
        swapped.unwrap()
    };
    let not = |it: Option<&str>| Swapped::Not(it.map(|it| it.as_bytes().to_vec()));
    assert_eq!(swap(Some(""), "x").await, not(None));
    assert_eq!(swap(Some("a"), "x").await, not(None));
    assert_eq!(status(&b, TENANT).await, []);
    assert_eq!(swap(None, "").await, Swapped::Done);
    assert_eq!(swap(None, "x").await, not(Some("")));
    assert_eq!(swap(Some(""), "one").await, Swapped::Done);
    assert_eq!(swap(Some("on"), "x").await, not(Some("one")));
    assert_eq!(swap(Some("one"), "one").await, Swapped::Done);
    assert_eq!(swap(Some("one"), "2").await, Swapped::Done);
    assert_eq!(get(&b, "b", "k").await, Some(b"2".to_vec()));
    assert_eq!(status(&b, TENANT).await, [("b".to_owned(), 1, 2)]);
    b.delete_many(TENANT, "b", &["k".to_owned()]).await.unwrap();
    assert_eq!(swap(Some("2"), "x").await, not(None));
});

broker_test!(
    of_many_who_swap_at_once_one_wins_each_round,
    |b| async move {
        set(&b, "b", "k", b"0").await.unwrap();
        let broker = Arc::clone(&b.broker);
        let tasks = (0..20).map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let mut seen = b"0".to_vec();
                loop {
                    let n: u32 = std::str::from_utf8(&seen).unwrap().parse().unwrap();
                    let next = (n + 1).to_string();
                    let swapped = broker.swap(TENANT, "b", "k", Some(&seen), next.as_bytes());
                    match swapped.await.unwrap() {
                        Swapped::Done => return n + 1,
                        Swapped::Not(there) => seen = there.unwrap(),
                    }
                }
            })
        });
        let (tasks, mut won): (Vec<_>, Vec<u32>) = (tasks.collect(), Vec::new());
        for task in tasks {
            won.push(task.await.unwrap());
        }
        won.sort_unstable();
        assert_eq!(won, (1..=20).collect::<Vec<_>>());
    }
);
